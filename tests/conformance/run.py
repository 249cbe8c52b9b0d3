#!/usr/bin/env python3
"""The public conformance suite, run through the gateway.

    eval "$(…/testenv/up --env clients)" && tests/conformance/run.py PATH-OF-THE-GATEWAY [FILTER…]

Server scenarios: the suite's fixture is the one server behind the gateway, over stdio and over HTTP, for both revisions, under a random
server name; once more with names that the fixture lacks and the gateway makes (`--strip`, every name prefixed). Client scenarios: the suite's
server is the one server behind the gateway, and the driver is the client in front. No expected failures. What needs a feature that the
gateway does not have yet is in LATER, by name. FILTER: parts of the names of the runs. Standard library only. The last line counts."""

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NEEDED = ["NODE", "CONFORMANCE", "PY", "FIXTURE", "DRIVER"]
REVISIONS = {"2025-11-25": 30, "2026-07-28": 37}
# Client scenarios whose feature comes later: the start of their names, and the feature.
LATER = {"auth/": "OAuth towards servers"}
# The suite opens a session for each scenario, and each session starts fixtures of its own: two interpreters each, which takes long beside other work.
SCENARIO_MS = "120000"


def env(name):
    return os.environ["GATEWAY_TEST_" + name]


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Process:
    """A program that says on standard error or output where it listens."""

    def __init__(self, command, pattern, **more):
        self.said = []
        self.child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, **more
        )
        self.found = None
        ready = threading.Event()

        def read():
            for line in self.child.stderr:
                self.said.append(line)
                found = re.search(pattern, line)
                if found and not self.found:
                    self.found = found.group(0)
                    ready.set()
            ready.set()

        threading.Thread(target=read, daemon=True).start()
        ready.wait(60)
        if not self.found:
            self.end()
            raise AssertionError(f"{command} did not start:\n{''.join(self.said)[-3000:]}")

    def end(self):
        """Asks it to end, and waits. Its exit code."""
        self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


def settings(folder, server, entry, names="clash"):
    """A settings file with one server as editors' files write it."""
    path = os.path.join(folder, "gateway.yaml")
    with open(path, "w") as f:
        json.dump({"state": os.path.join(folder, "state"), "front": {"names": names, "listWait": "60s"},
                   "mcpServers": {server: entry}}, f)
    return path


def suite(entry, args, folder, more_env=None):
    """Runs the suite. Its exit code, what it wrote, and the checks by scenario."""
    out = tempfile.mkdtemp(dir=folder)
    p = subprocess.run([env("NODE"), entry, *args, "-o", out], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder,
                       timeout=1800, env={**os.environ, **(more_env or {})})
    checks = {}
    for root, _, files in os.walk(out):
        if "checks.json" in files:
            with open(os.path.join(root, "checks.json")) as f:
                # A folder is called `server-SCENARIO-TIME`.
                name = re.sub(r"^(server-(?=.*-\d{4}-))?|-\d{4}-\d\d-\d\dT.*$", "", os.path.relpath(root, out))
                checks[name] = json.load(f)
    return p.returncode, p.stdout + p.stderr, checks


def failures(checks):
    return [f"{scenario}: {c.get('id')}: {c.get('status')}: {c.get('errorMessage') or c.get('description')}"
            for scenario, all in sorted(checks.items()) for c in all if c.get("status") in ("FAILURE", "WARNING")]


def listed(side, revision):
    """The names of the scored scenarios."""
    text = subprocess.run([env("NODE"), env("CONFORMANCE"), "list", "--requirements", revision],
                          capture_output=True, text=True, check=True).stdout
    part = text.split(f"{side.capitalize()} scenarios")[1].split("\n\n")[0]
    return re.findall(r"^  - (\S+)$", part, re.M)


def renamed_suite(folder, server):
    """A copy of the suite that asks for the names which the gateway makes of those that the stripped fixture has."""
    with open(env("FIXTURE")) as f:
        fixture = f.read()
    names = sorted(set(re.findall(r"\btest_[a-z0-9_]+", fixture)) | {"json_schema_2020_12_tool"}, key=len, reverse=True)
    with open(env("CONFORMANCE")) as f:
        text = f.read()
    whole = re.compile(r"(?<![\w])(" + "|".join(map(re.escape, names)) + r")(?![\w])")
    # The gateway puts its prefix before tools alone, as Docker's does; prompts keep their own names while they are unique.
    prompt = re.compile(r"test_(simple_prompt|prompt_with_\w+|input_required_result_prompt)")

    def name(found):
        short = found.group(1).removeprefix("test_")
        return short if prompt.fullmatch(found.group(1)) else f"{server}__{short}"

    text, count = whole.subn(name, text)
    expect(count > len(names), f"only {count} names found in the suite")
    package = os.path.dirname(os.path.dirname(env("CONFORMANCE")))
    copy = os.path.join(folder, "suite")
    shutil.copytree(package, copy)
    os.symlink(package[: package.rindex("node_modules") + len("node_modules")], os.path.join(folder, "node_modules"))
    entry = os.path.join(copy, os.path.relpath(env("CONFORMANCE"), package))
    os.chmod(entry, 0o644)
    with open(entry, "w") as f:
        f.write(text)
    return entry


def server_run(gateway, revision, how):
    """The server scenarios of a revision. `how`: `stdio`, `http`, or `names`."""

    def check(folder):
        server = "s" + secrets.token_hex(3)
        legacy = revision < "2026"
        fixture, entry, names = None, env("CONFORMANCE"), "clash"
        try:
            if how == "http":
                script = os.path.join(HERE, "fixture_http.py")
                args = ["--legacy"] if legacy else []
                fixture = Process([env("PY"), script, env("FIXTURE"), *args], r"http://127\.0\.0\.1:\d+/mcp")
                behind = {"url": fixture.found}
            else:
                args = [*(["--legacy"] if legacy else []), *(["--strip", "test_"] if how == "names" else [])]
                behind = {"command": env("PY"), "args": [env("FIXTURE"), "stdio", *args]}
                if how == "names":
                    entry, names = renamed_suite(folder, server), "all"
            command = [gateway, "run", "--settings", settings(folder, server, behind, names),
                       "--transport", "streaming", "--port", "0", "--allow-unauthenticated"]
            front = Process(command, r"http://127\.0\.0\.1:\d+/mcp")
            try:
                code, text, checks = suite(entry, ["server", "--url", front.found, "--requirements", revision,
                                                   "--timeout", SCENARIO_MS], folder)
            finally:
                ended = front.end()
            failed = failures(checks)
            required = listed("server", revision)
            expect(len(required) == REVISIONS[revision], f"the suite requires {len(required)} scenarios")
            there = {name for name in required if any(name in found for found in checks)}
            expect(code == 0, f"exit {code}\n" + "\n".join(failed) + "\n" + text[-3000:]
                   + "\n-- the gateway said:\n" + "".join(front.said)[-3000:])
            expect(there == set(required), f"not run: {set(required) - there}")
            expect(ended == 0, f"the gateway ended with {ended}")
            passed = sum(1 for all in checks.values() for c in all if c.get("status") == "SUCCESS")
            return f"{len(required)} of {len(required)} required scenarios, {passed} checks"
        finally:
            if fixture:
                fixture.end()

    return check


def client_run(gateway, revision, scenario):
    """One client scenario. The gateway stands between the driver and the suite's server."""

    def check(folder):
        me = [sys.executable, os.path.abspath(__file__), "--front", gateway, folder]
        more = {"GATEWAY": " ".join(map(shlex.quote, me)) + " {url} {port}", "GATEWAY_URL": "http://127.0.0.1:{port}/mcp"}
        code, text, checks = suite(
            env("CONFORMANCE"),
            ["client", "--command", f"{env('PY')} {env('DRIVER')}", "--scenario", scenario, "--spec-version", revision,
             "--timeout", "60000"], folder, more)
        log = os.path.join(folder, "front.log")
        said = open(log).read()[-3000:] if os.path.exists(log) else "nothing"
        expect(code == 0, f"exit {code}\n" + "\n".join(failures(checks)) + "\n" + text[-6000:] + "\n-- the gateway said:\n" + said)
        passed = sum(1 for all in checks.values() for c in all if c.get("status") == "SUCCESS")
        expect(passed > 0, "nothing was checked")
        return f"{passed} checks"

    return check


def front(gateway, folder, url, port):
    """Becomes a gateway in front of a URL, for the driver."""
    path = settings(folder, "s" + secrets.token_hex(3), {"url": url})
    log = os.open(os.path.join(folder, "front.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 2)
    os.execv(gateway, [gateway, "run", "--settings", path, "--transport", "streaming", "--port", port, "--allow-unauthenticated"])


def main():
    if sys.argv[1:2] == ["--front"]:
        front(*sys.argv[2:])
    missing = [n for n in NEEDED if not os.environ.get("GATEWAY_TEST_" + n)]
    if missing:
        print(f"skipped: no clients (testenv/up clients): GATEWAY_TEST_{missing[0]} is not set", file=sys.stderr)
        sys.exit(1 if "clients" in os.environ.get("GATEWAY_TEST_REQUIRE", "") else 0)
    gateway = os.path.abspath(sys.argv[1])
    runs = {}
    for revision in REVISIONS:
        for how in ("stdio", "http", "names"):
            runs[f"server {revision} {how}"] = server_run(gateway, revision, how)
        left = {}
        for scenario in listed("client", revision):
            feature = next((feature for start, feature in LATER.items() if scenario.startswith(start)), None)
            if feature:
                left.setdefault(feature, []).append(scenario)
            else:
                runs[f"client {revision} {scenario}"] = client_run(gateway, revision, scenario)
        for feature, scenarios in left.items():
            print(f"later  client {revision}, {feature}: {' '.join(scenarios)}", flush=True)
    passed = failed = 0
    for name, check in runs.items():
        if len(sys.argv) > 2 and not any(part in name for part in sys.argv[2:]):
            continue
        folder = tempfile.mkdtemp(prefix="gateway-conformance-")
        since = time.monotonic()
        try:
            said = check(folder)
            passed += 1
            print(f"ok     {name}: {said} ({time.monotonic() - since:.0f} s)", flush=True)
        except Exception as e:
            failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {e}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"conformance: {passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
