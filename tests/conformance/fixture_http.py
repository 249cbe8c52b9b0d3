"""The suite's fixture over HTTP on a free port, as a server of either era.

    fixture_http.py PATH-OF-THE-FIXTURE [--legacy]

`--legacy` refuses what a server of the legacy era does not know, as such servers do: 400 with an error code of the old kind. The fixture
itself has that for stdio only. Says on standard error where it listens."""

import asyncio
import importlib.util
import json
import socket
import sys

import uvicorn

MODERN = b"2026-07-28"


def load(path):
    arguments, sys.argv = sys.argv, [path]
    spec = importlib.util.spec_from_file_location("fixture", path)
    fixture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fixture)
    sys.argv = arguments
    return fixture


def refusing(app):
    async def only_legacy(scope, receive, send):
        headers = dict(scope.get("headers") or [])
        if scope["type"] != "http" or headers.get(b"mcp-protocol-version") != MODERN:
            return await app(scope, receive, send)
        error = {"code": -32000, "message": "Bad Request: Unsupported protocol version"}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        kind = (b"content-type", b"application/json")
        await send({"type": "http.response.start", "status": 400, "headers": [kind]})
        await send({"type": "http.response.body", "body": body})

    return only_legacy


def main():
    fixture = load(sys.argv[1])
    app = fixture.server.streamable_http_app(
        host="127.0.0.1", event_store=fixture.Store(), retry_interval=200
    )
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
    config = uvicorn.Config(refusing(app) if "--legacy" in sys.argv else app, log_level="error")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


main()
