"""Python SDK 2.x as a client that makes the calls it is told: calls.py MODE CALLS URL TOKEN, where CALLS is JSON, [[TOOL, ARGUMENTS], ...]"""

import asyncio
import json
import sys
import warnings

warnings.simplefilter("ignore")
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

mode, calls, url, token = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]


async def main():
    async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + token}, timeout=60) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as c:
            tools = [t.name for t in (await c.list_tools()).tools]
            said = []
            for name, arguments in calls:
                result = await c.call_tool(name, arguments)
                assert not result.is_error, (name, result)
                said.append(result.content[0].text)
            print(json.dumps({"protocol": c.protocol_version, "tools": tools, "said": said}))


asyncio.run(main())
