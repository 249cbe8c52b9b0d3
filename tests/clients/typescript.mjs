// TypeScript SDK 1.x or 2.x as a client: typescript.mjs 1|2 legacy|auto|REVISION TARGET...   (TARGET: a URL and a token, or a command)
// The packages lie beside the Inspector of the test environment.

import { createRequire } from "node:module";

const require = createRequire(process.env.GATEWAY_TEST_EVERYTHING);
const [major, mode, ...target] = process.argv.slice(2);
const parts = {
  1: ["@modelcontextprotocol/sdk/client/index.js", "@modelcontextprotocol/sdk/client/streamableHttp.js", "@modelcontextprotocol/sdk/client/stdio.js"],
  2: ["@modelcontextprotocol/client", "@modelcontextprotocol/client", "@modelcontextprotocol/client/stdio"],
}[major].map((name) => require(name));
const [{ Client }, { StreamableHTTPClientTransport }, { StdioClientTransport }] = parts;

const http = target[0].startsWith("http");
const transport = http
  ? new StreamableHTTPClientTransport(new URL(target[0]), { requestInit: { headers: { Authorization: `Bearer ${target[1]}` } } })
  : new StdioClientTransport({ command: target[0], args: target.slice(1), env: process.env, stderr: "inherit" });
const wanted = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
const client = new Client({ name: "typescript", version: "1" }, { versionNegotiation: { mode: wanted } });
await client.connect(transport);

const tools = (await client.listTools()).tools.map((tool) => tool.name);
const now = await client.callTool({ name: "now", arguments: { zone: "Europe/Berlin" } });
if (now.isError) throw new Error(JSON.stringify(now));
const made = await client.callTool({ name: "create_note", arguments: { title: `typescript ${process.pid}`, content: "hello" } });
if (made.isError) throw new Error(JSON.stringify(made));
const resources = (await client.listResources()).resources.map((resource) => resource.uri);
const templates = (await client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate);
const read = await client.readResource({ uri: resources[0] });
const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
const prompt = await client.getPrompt({ name: "summarize_notes", arguments: { topic: "hello" } });
console.log(JSON.stringify({
  // SDK 1 knows one era and does not tell which revision of it was agreed.
  protocol: client.getNegotiatedProtocolVersion?.() ?? "legacy", tools, now: now.content[0].text, resources: resources.length, templates, read: read.contents[0].text, prompts, prompt: prompt.messages.length,
}));
await client.close();
