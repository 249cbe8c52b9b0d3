"""Python SDK 1.x as a client (legacy era only): sdk1.py TARGET...   (TARGET: a URL and a token, or a command)"""

import asyncio
import contextlib
import json
import sys

import httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

target = sys.argv[1:]


async def main():
    async with contextlib.AsyncExitStack() as stack:
        if target[0].startswith("http"):
            http = await stack.enter_async_context(
                httpx.AsyncClient(headers={"Authorization": "Bearer " + target[1]}, timeout=30))
            read, write, *_ = await stack.enter_async_context(streamable_http_client(target[0], http_client=http))
        else:
            read, write = await stack.enter_async_context(
                stdio_client(StdioServerParameters(command=target[0], args=target[1:])))
        c = await stack.enter_async_context(ClientSession(read, write))
        begun = await c.initialize()
        tools = [t.name for t in (await c.list_tools()).tools]
        now = await c.call_tool("now", {"zone": "Europe/Berlin"})
        assert not now.isError, now
        made = await c.call_tool("create_note", {"title": "sdk1 " + target[0][:4], "content": "hello"})
        assert not made.isError, made
        resources = [r.uri for r in (await c.list_resources()).resources]
        templates = [t.uriTemplate for t in (await c.list_resource_templates()).resourceTemplates]
        read = await c.read_resource(resources[0])
        prompts = [p.name for p in (await c.list_prompts()).prompts]
        prompt = await c.get_prompt("summarize_notes", {"topic": "hello"})
        print(json.dumps({
            "protocol": begun.protocolVersion, "tools": sorted(tools), "now": now.content[0].text,
            "resources": len(resources), "templates": templates, "read": read.contents[0].text, "prompts": prompts,
            "prompt": len(prompt.messages)}))


asyncio.run(main())
