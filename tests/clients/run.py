#!/usr/bin/env python3
"""Clients nobody here wrote, against the quickstart servers behind the gateway, over stdio and over HTTP.

    eval "$(…/testenv/up --env clients)" && tests/clients/run.py PATH-OF-THE-GATEWAY

Inspector (both eras), Python SDK 2 (both eras), Python SDK 1, fastmcp: each lists and calls tools, reads a resource, gets a
prompt. Standard library only; the clients come from the test environment, by its variables. The last line counts."""

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
NEEDED = ["NODE", "INSPECTOR", "PY", "PY1", "FASTMCP"]
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


def sdk(python, script, args, protocol):
    def check():
        r = json.loads(out([python, os.path.join(HERE, script), *args]).splitlines()[-1])
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
        expect("hello" not in json.dumps(made) or made, "create")
        listed = ask("resources/list")
        uri = (listed.get("result") or listed)["resources"][0]["uri"]
        read = ask("resources/read", "--uri", uri)
        expect("hello" in json.dumps(read), f"read {read}")
        prompt = ask("prompts/get", "--prompt-name", "summarize_notes", "--prompt-args", "topic=hello")
        expect("messages" in json.dumps(prompt), f"prompt {prompt}")
        return f"{len(tools)} tools, {uri}"
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


def main():
    gateway = os.path.abspath(sys.argv[1])
    missing = [n for n in NEEDED if not os.environ.get("GATEWAY_TEST_" + n)]
    if missing:
        print(f"skipped: no clients (testenv/up clients): GATEWAY_TEST_{missing[0]} is not set", file=sys.stderr)
        sys.exit(1 if "clients" in os.environ.get("GATEWAY_TEST_REQUIRE", "") else 0)
    folder = tempfile.mkdtemp(prefix="gateway-clients-")
    os.makedirs(os.path.join(folder, "notes"))
    os.environ.update(GATEWAY_STATE=os.path.join(folder, "state"), MCP_GATEWAY_AUTH_TOKEN="clients-token")
    settings = os.path.join(folder, "gateway.yaml")
    with open(settings, "w") as f:
        f.write("state: ./state\nfront: {listWait: 60s}\nservers:\n  time: {bundled: time}\n"
                "  notes: {bundled: notes, folders: [{path: ./notes, mount: /notes, access: readWrite}]}\n")
    stdio = [gateway, "run", "--settings", settings]
    p = subprocess.Popen([*stdio, "--transport", "streaming", "--port", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
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
        http = [url, "clients-token"]
        for where, target in (("http", http), ("stdio", stdio)):
            case(f"inspector legacy {where}", inspector(target, "legacy"))
            case(f"inspector modern {where}", inspector(target, "modern"))
            case(f"python sdk 2 legacy {where}", sdk(env("PY"), "sdk2.py", ["legacy", *target], "2025-11-25"))
            case(f"python sdk 2 modern {where}", sdk(env("PY"), "sdk2.py", ["2026-07-28", *target], "2026-07-28"))
            case(f"python sdk 2 auto {where}", sdk(env("PY"), "sdk2.py", ["auto", *target], "2026-07-28"))
            case(f"python sdk 1 {where}", sdk(env("PY1"), "sdk1.py", target, "2025-11-25"))
            case(f"fastmcp {where}", fastmcp(target))
    finally:
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(20)
        except subprocess.TimeoutExpired:
            p.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"clients: {passed} passed, {failed} failed")
    sys.exit(1 if failed or p.returncode != 0 else 0)


main()
