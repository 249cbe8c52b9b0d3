#!/usr/bin/env python3
"""Clients nobody here wrote, against the quickstart servers behind the gateway, over stdio and over HTTP; two of them against containers too.

    eval "$(…/testenv/up --env clients)" && tests/clients/run.py PATH-OF-THE-GATEWAY

Inspector (both eras), Python SDK 2 and TypeScript SDK 2 (both eras), Python SDK 1, TypeScript SDK 1, fastmcp, mcp-remote: each lists and calls tools, reads a resource, gets a
prompt. Standard library only; the clients come from the test environment, by its variables. The last line counts."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = {"now", "convert", "difference", "create_note", "read_note", "update_note", "list_notes", "search_notes", "delete_note"}
NEEDED = ["NODE", "INSPECTOR", "PY", "PY1", "FASTMCP", "EVERYTHING", "MCP_REMOTE"]
passed, failed = 0, 0


def env(name):
    return os.environ["GATEWAY_TEST_" + name]


def out(command, **more):
    """Runs a client to its end; its standard output. Anything but exit code 0 fails the case."""
    p = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, **more)
    if p.returncode != 0:
        raise AssertionError(f"exit {p.returncode}: {' '.join(map(str, command))}\n{p.stdout[-2000:]}\n{p.stderr[-3000:]}")
    return p.stdout


def case(name, check):
    global passed, failed
    try:
        said = check()
        passed += 1
        print(f"ok     {name}: {said}", flush=True)
    except Exception as e:
        failed += 1
        print(f"FAILED {name}: {type(e).__name__}: {e}", flush=True)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def sdk(interpreter, script, args, protocol):
    def check():
        r = json.loads(out([interpreter, os.path.join(HERE, script), *args]).splitlines()[-1])
        expect(set(r["tools"]) == TOOLS, f"tools {r['tools']}")
        expect(r["protocol"] == protocol, f"protocol {r['protocol']}")
        expect("Berlin" in r["now"] or "+0" in r["now"], f"now {r['now']}")
        expect(r["resources"] >= 1 and "hello" in r["read"], f"read {r['read']}")
        expect(r["templates"] == ["note:///{name}"], f"templates {r['templates']}")
        expect(r["prompts"] == ["summarize_notes"] and r["prompt"] >= 1, f"prompts {r['prompts']}")
        return f"{r['protocol']}, {len(r['tools'])} tools, {r['resources']} resources"
    return check


def inspector(target, era):
    base = [env("NODE"), env("INSPECTOR"), "--cli", "-q", "--format", "json", "--protocol-era", era]

    def ask(method, *more):
        if target[0].startswith("http"):
            where = [target[0], "--transport", "http", "--header", "Authorization: Bearer " + target[1]]
            text = out([*base, *where, "--method", method, *more])
        else:
            text = out([*base, *target, "--method", method, *more])
        return json.loads(text)

    def check():
        listed = ask("tools/list")
        tools = {t["name"] for t in (listed.get("result") or listed)["tools"]}
        expect(tools == TOOLS, f"tools {tools}")
        called = ask("tools/call", "--tool-name", "now", "--tool-args-json", '{"zone": "Asia/Tokyo"}')
        expect("+09:00" in json.dumps(called), f"now {called}")
        made = ask("tools/call", "--tool-name", "create_note", "--tool-args-json",
                   json.dumps({"title": "inspector " + era + (" http" if target[0].startswith("http") else ""), "content": "hello"}))
        expect(not (made.get("result") or made).get("isError"), f"create_note {made}")
        listed = ask("resources/list")
        uri = (listed.get("result") or listed)["resources"][0]["uri"]
        read = ask("resources/read", "--uri", uri)
        expect("hello" in json.dumps(read), f"read {read}")
        prompt = ask("prompts/get", "--prompt-name", "summarize_notes", "--prompt-args", "topic=hello")
        expect("messages" in json.dumps(prompt), f"prompt {prompt}")
        return f"{len(tools)} tools, {uri}"
    return check


# Tools of the images of the test environment, what they are called with, and what must be in the answer.
CALLS = [("get_current_time", {"timezone": "UTC"}, "UTC"), ("git_status", {"repo_path": "/repository"}, "No commits yet"),
         ("echo", {"message": "through a container"}, "through a container")]


def container_calls(url, mode, protocol):
    def check():
        calls = json.dumps([call[:2] for call in CALLS])
        r = json.loads(out([env("PY"), os.path.join(HERE, "calls.py"), mode, calls, url, TOKEN]).splitlines()[-1])
        expect(r["protocol"] == protocol, f"protocol {r['protocol']}")
        for (name, _, wanted), said in zip(CALLS, r["said"], strict=True):
            expect(name in r["tools"] and wanted in said, f"{name}: {said}")
        return f"{r['protocol']}, {len(r['tools'])} tools"
    return check


def container_inspector(url, era):
    def ask(*more):
        return json.loads(out([env("NODE"), env("INSPECTOR"), "--cli", "-q", "--format", "json", "--protocol-era", era, url, "--transport", "http",
                               "--header", "Authorization: Bearer " + TOKEN, *more]))

    def check():
        for name, arguments, wanted in CALLS:
            said = ask("--method", "tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments))
            expect(not (said.get("result") or said).get("isError") and wanted in json.dumps(said), f"{name}: {said}")
        return f"{len(CALLS)} calls"
    return check


def fastmcp(target):
    if target[0].startswith("http"):
        where = [target[0], "--auth", target[1]]
    else:
        where = ["--command", " ".join(target)]

    def call(name, *more):
        if target[0].startswith("http"):
            return out([env("FASTMCP"), "call", target[0], name, *more, "--auth", target[1], "--json"])
        return out([env("FASTMCP"), "call", "--command", " ".join(target), "--json", "--target", name, *more])

    def check():
        tools = {t["name"] for t in json.loads(out([env("FASTMCP"), "list", *where, "--json"]))["tools"]}
        expect(tools == TOOLS, f"tools {tools}")
        now = call("now", "--input-json", '{"zone": "Asia/Tokyo"}')
        expect("+09:00" in now, f"now {now}")
        made = call("create_note", "--input-json", json.dumps({"title": "fastmcp " + target[0][:4], "content": "hello"}))
        expect("isError\": true" not in made and "is_error\": true" not in made, made)
        slug = "fastmcp-http" if target[0].startswith("http") else "fastmcp-" + re.sub(r"[^a-z0-9]+", "-", target[0][:4].lower()).strip("-")
        read = call("note:///" + slug)
        expect("hello" in read, f"read {read}")
        prompt = call("summarize_notes", "--prompt", "--input-json", '{"topic": "hello"}')
        expect("messages" in prompt, f"prompt {prompt}")
        return f"{len(tools)} tools"
    return check


TOKEN = "clients-token"


@contextlib.contextmanager
def serving(command):
    """The gateway over HTTP on a free port: its URL. It must end well."""
    p = subprocess.Popen([*command, "--transport", "streaming", "--port", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        url, lines = None, []
        for line in p.stderr:
            lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:\d+/mcp", line)
            if found:
                url = found.group(0)
                break
        if not url:
            print("FAILED start: " + "".join(lines))
            sys.exit(1)
        # Nobody may stop reading, or the gateway would wait for room in the pipe.
        threading.Thread(target=lambda: [None for _ in p.stderr], daemon=True).start()
        yield url
    finally:
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(20)
        except subprocess.TimeoutExpired:
            p.kill()
    case("the gateway's end", lambda: expect(p.returncode == 0, f"exit {p.returncode}") or "exit 0")


def quickstart(gateway, folder):
    os.makedirs(os.path.join(folder, "notes"))
    settings = os.path.join(folder, "gateway.yaml")
    with open(settings, "w") as f:
        f.write("state: ./state\nfront: {listWait: 60s}\nservers:\n  time: {bundled: time}\n"
                "  notes: {bundled: notes, folders: [{path: ./notes, mount: /notes, access: readWrite}]}\n")
    stdio = [gateway, "run", "--settings", settings]
    with serving(stdio) as url:
        http = [url, TOKEN]
        for where, target in (("http", http), ("stdio", stdio)):
            case(f"inspector legacy {where}", inspector(target, "legacy"))
            case(f"inspector modern {where}", inspector(target, "modern"))
            case(f"python sdk 2 legacy {where}", sdk(env("PY"), "sdk2.py", ["legacy", *target], "2025-11-25"))
            case(f"python sdk 2 modern {where}", sdk(env("PY"), "sdk2.py", ["2026-07-28", *target], "2026-07-28"))
            case(f"python sdk 2 auto {where}", sdk(env("PY"), "sdk2.py", ["auto", *target], "2026-07-28"))
            case(f"python sdk 1 {where}", sdk(env("PY1"), "sdk1.py", target, "2025-11-25"))
            typescript = lambda *args: sdk(env("NODE"), "typescript.mjs", [*args[:-1], *target], args[-1])
            case(f"typescript sdk 2 legacy {where}", typescript("2", "legacy", "2025-11-25"))
            case(f"typescript sdk 2 modern {where}", typescript("2", "2026-07-28", "2026-07-28"))
            case(f"typescript sdk 2 auto {where}", typescript("2", "auto", "2026-07-28"))
            case(f"typescript sdk 1 {where}", typescript("1", "legacy", "legacy"))
            case(f"fastmcp {where}", fastmcp(target))
        # A client of streamable HTTP that is itself a server over standard streams.
        remote = [env("NODE"), env("MCP_REMOTE"), url, "--header", "Authorization: Bearer " + TOKEN, "--transport", "http-only"]
        os.environ["MCP_REMOTE_CONFIG_DIR"] = os.path.join(folder, "mcp-remote")
        case("mcp-remote, typescript sdk 1 before it", sdk(env("NODE"), "typescript.mjs", ["1", "legacy", *remote], "legacy"))
        case("mcp-remote, python sdk 1 before it", sdk(env("PY1"), "sdk1.py", remote, "2025-11-25"))


def containers(gateway, folder):
    if not {"docker", "images"} <= set(os.environ.get("GATEWAY_TEST_UP", "").split(",")):
        print("skipped: no docker, or no images (testenv/up docker images)", file=sys.stderr)
        if {"docker", "images"} & set(os.environ.get("GATEWAY_TEST_REQUIRE", "").split(",")):
            sys.exit(1)
        return
    repository = os.path.join(folder, "repository")
    subprocess.run(["git", "init", "-q", repository], check=True)
    settings = os.path.join(folder, "containers.yaml")
    with open(settings, "w") as f:
        f.write("state: ./containers\nfront: {listWait: 60s}\nservers:\n  time: {image: 'mcp/time:1'}\n  everything: {image: 'mcp/everything:1'}\n"
                "  git: {image: 'mcp/git:1', folders: [{path: ./repository, mount: /repository}]}\n")
    with serving([gateway, "run", "--settings", settings]) as url:
        for mode, protocol in (("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28")):
            case(f"python sdk 2 {mode}, containers", container_calls(url, mode, protocol))
        for era in ("legacy", "modern"):
            case(f"inspector {era}, containers", container_inspector(url, era))


def main():
    gateway = os.path.abspath(sys.argv[1])
    missing = [n for n in NEEDED if not os.environ.get("GATEWAY_TEST_" + n)]
    if missing:
        print(f"skipped: no clients (testenv/up clients): GATEWAY_TEST_{missing[0]} is not set", file=sys.stderr)
        sys.exit(1 if "clients" in os.environ.get("GATEWAY_TEST_REQUIRE", "") else 0)
    folder = tempfile.mkdtemp(prefix="gateway-clients-")
    os.environ.update(GATEWAY_STATE=os.path.join(folder, "state"), MCP_GATEWAY_AUTH_TOKEN=TOKEN)
    try:
        quickstart(gateway, folder)
        containers(gateway, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"clients: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
