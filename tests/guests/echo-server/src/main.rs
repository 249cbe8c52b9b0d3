//! A minimal MCP server over standard streams with one tool, `echo`, for tests and benchmarks. It answers clients of both protocol
//! eras, byte for byte as the null backend of the load client does, and does as little work as possible per message: what it sends
//! back is cut out of the request, never parsed into values.

mod scan;

use scan::members;
use std::io::{self, BufRead, Write};

const ERAS: [&[u8]; 4] = [b"\"2024-11-05\"", b"\"2025-03-26\"", b"\"2025-06-18\"", b"\"2025-11-25\""];
const MODERN_TAIL: &[u8] = br#","resultType":"complete","ttlMs":60000,"cacheScope":"public""#;

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let (mut line, mut answer) = (Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line)? > 0 {
        answer.clear();
        if respond(&line, &mut answer).is_some() {
            answer.push(b'\n');
            output.write_all(&answer)?;
            output.flush()?;
        }
        line.clear();
    }
    Ok(())
}

/// Appends the answer to one message. `None` for what needs none: notifications, responses, and lines that are no JSON object.
fn respond(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let [id, method, params] = members(line, ["id", "method", "params"])?;
    let (id, method) = (id?, method?);
    let params = params.and_then(|params| members(params, ["arguments", "protocolVersion", "_meta"]));
    let [arguments, version, meta] = params.unwrap_or_default();
    let era = meta.and_then(|meta| members(meta, ["io.modelcontextprotocol/protocolVersion"]));
    let modern = era.is_some_and(|[version]| version.is_some());
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    match method {
        br#""tools/call""# => {
            let message = arguments.and_then(|arguments| members(arguments, ["message"]));
            out.extend_from_slice(br#","result":{"content":[{"type":"text","text":"Echo: "#);
            // A JSON string without its quotes is as valid inside another one.
            if let Some([Some([b'"', text @ .., b'"'])]) = message {
                out.extend_from_slice(text);
            }
            out.extend_from_slice(br#""}]"#);
            if modern {
                out.extend_from_slice(br#","resultType":"complete""#);
            }
            out.extend_from_slice(b"}}");
        }
        br#""tools/list""# => {
            out.extend_from_slice(br#","result":{"tools":[{"name":"echo","description":"Returns its argument","inputSchema":{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}}]"#);
            if modern {
                out.extend_from_slice(MODERN_TAIL);
            }
            out.extend_from_slice(b"}}");
        }
        br#""initialize""# => {
            let asked = version.unwrap_or(b"\"2025-11-25\"");
            let era = if ERAS.contains(&asked) { asked } else { b"\"2025-11-25\"" };
            out.extend_from_slice(br#","result":{"protocolVersion":"#);
            out.extend_from_slice(era);
            out.extend_from_slice(
                br#","capabilities":{"tools":{}},"serverInfo":{"name":"null-backend","version":"1"}}}"#,
            );
        }
        br#""server/discover""# => {
            out.extend_from_slice(
                br#","result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}"#,
            );
            out.extend_from_slice(MODERN_TAIL);
            out.extend_from_slice(b"}}");
        }
        br#""ping""# => out.extend_from_slice(br#","result":{}}"#),
        _ => out.extend_from_slice(br#","error":{"code":-32601,"message":"Method not found"}}"#),
    }
    Some(())
}
