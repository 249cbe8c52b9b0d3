"""Python SDK 2.x as a client: sdk2.py MODE TARGET...   (TARGET: a URL and a token, or a command)"""

import asyncio
import json
import sys
import warnings

warnings.simplefilter("ignore")
import httpx2
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

mode, target = sys.argv[1], sys.argv[2:]


async def use(server):
    async with Client(server, mode=mode) as c:
        tools = [t.name for t in (await c.list_tools()).tools]
        now = await c.call_tool("now", {"zone": "Europe/Berlin"})
        assert not now.is_error, now
        made = await c.call_tool("create_note", {"title": f"sdk2 {mode} {target[0][:4]}", "content": "hello"})
        assert not made.is_error, made
        resources = [str(r.uri) for r in (await c.list_resources()).resources]
        templates = [t.uri_template for t in (await c.list_resource_templates()).resource_templates]
        read = await c.read_resource(resources[0])
        prompts = [p.name for p in (await c.list_prompts()).prompts]
        prompt = await c.get_prompt("summarize_notes", {"topic": "hello"})
        print(json.dumps({
            "protocol": c.protocol_version, "tools": sorted(tools), "now": now.content[0].text, "resources": len(resources),
            "templates": templates, "read": read.contents[0].text, "prompts": prompts, "prompt": len(prompt.messages)}))


async def main():
    if target[0].startswith("http"):
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + target[1]}, timeout=30) as http:
            await use(streamable_http_client(target[0], http_client=http))
    else:
        await use(StdioServerParameters(command=target[0], args=target[1:]))


asyncio.run(main())
