//! An MCP server over standard streams whose tools do what endings and failures are tested with: take their time, never answer, end
//! the server, look at what it was given. It answers clients of both protocol eras, one message after the other.
//!
//! Arguments: `--late MS` waits before the first message is read; `--only TOOL` offers that one; `--title TEXT` is what `who` answers;
//! `--tell NAME` prints that variable on both streams, where no MCP is, and ends.

#[path = "../../echo-server/src/scan.rs"]
mod scan;

use scan::members;
use std::io::{self, BufRead, Write};
use std::time::Duration;

const MODERN: &str = r#","ttlMs":60000,"cacheScope":"public""#;
const TOOLS: [&str; 9] =
    ["who", "calls", "wait", "never", "cancelled", "die", "read", "write", "environment"];

struct Server {
    title: String,
    only: Option<String>,
    calls: u64,
    cancelled: Vec<String>,
}

fn main() -> io::Result<()> {
    let mut server = Server { title: "tool-server".to_owned(), only: None, calls: 0, cancelled: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().expect("every option has a value");
        match name.as_str() {
            "--late" => std::thread::sleep(Duration::from_millis(value.parse().expect("milliseconds"))),
            "--only" => server.only = Some(value),
            "--title" => server.title = value,
            "--tell" => {
                let told = std::env::var(&value).unwrap_or_default();
                println!("starting with {told}");
                eprintln!("dying with {told}");
                std::process::exit(3);
            }
            _ => panic!("unknown option {name}"),
        }
    }
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        if let Some(answer) = server.message(line?.as_bytes(), &mut output)? {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
    Ok(())
}

impl Server {
    /// The answer to one message, if it wants one.
    fn message(&mut self, line: &[u8], output: &mut impl Write) -> io::Result<Option<String>> {
        let Some([id, Some(method), params]) = members(line, ["id", "method", "params"]) else {
            return Ok(None);
        };
        let params = params.unwrap_or(b"{}");
        let [name, arguments, meta, asked, request] =
            members(params, ["name", "arguments", "_meta", "protocolVersion", "requestId"])
                .unwrap_or_default();
        let [modern, token] =
            members(meta.unwrap_or(b"{}"), ["io.modelcontextprotocol/protocolVersion", "progressToken"])
                .unwrap_or_default();
        let modern = modern.is_some();
        if method == br#""notifications/cancelled""# {
            self.cancelled.extend(request.map(text));
        }
        let Some(id) = id.map(text) else { return Ok(None) };
        let list_tail = if modern { MODERN } else { "" };
        let result = match method {
            br#""initialize""# => {
                let revision = asked.map_or_else(|| r#""2025-11-25""#.to_owned(), text);
                format!(
                    r#"{{"protocolVersion":{revision},"capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"tool-server","version":"1"}}"#
                )
            }
            br#""server/discover""# if modern => {
                format!(r#"{{"supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{}}}}{MODERN}"#)
            }
            br#""tools/list""# => {
                let tools: Vec<String> = TOOLS
                    .iter()
                    .filter(|tool| self.only.as_deref().is_none_or(|only| only == **tool))
                    .map(|tool| format!(r#"{{"name":"{tool}","inputSchema":{{"type":"object"}}}}"#))
                    .collect();
                format!(r#"{{"tools":[{}]{list_tail}"#, tools.join(","))
            }
            br#""ping""# => "{".to_owned(),
            br#""tools/call""# => {
                self.calls += 1;
                let name = name.map(text).unwrap_or_default();
                match self.tool(name.trim_matches('"'), arguments.unwrap_or(b"{}"), token, output)? {
                    Some((failed, said)) => {
                        format!(
                            r#"{{"content":[{{"type":"text","text":{}}}],"isError":{failed}"#,
                            quoted(&said)
                        )
                    }
                    None => return Ok(None),
                }
            }
            _ => {
                return Ok(Some(format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#
                )));
            }
        };
        let comma = if result == "{" { "" } else { "," };
        let end = if modern { format!(r#"{comma}"resultType":"complete"}}"#) } else { "}".to_owned() };
        Ok(Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}{end}}}"#)))
    }

    /// What a tool says, and whether that is its failure. `None` if it says nothing, ever.
    fn tool(
        &mut self,
        name: &str,
        arguments: &[u8],
        token: Option<&[u8]>,
        output: &mut impl Write,
    ) -> io::Result<Option<(bool, String)>> {
        let [millis, path] = members(arguments, ["millis", "path"]).unwrap_or_default();
        let path = path.map(text).unwrap_or_default();
        let path = path.trim_matches('"');
        Ok(Some(match name {
            "who" => (false, self.title.clone()),
            // Starts again at 1 when the server was started again.
            "calls" => (false, self.calls.to_string()),
            "wait" => {
                let millis = millis.map_or(0, |millis| text(millis).parse().expect("milliseconds"));
                if let Some(token) = token.map(text) {
                    writeln!(
                        output,
                        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
                    )?;
                    output.flush()?;
                }
                std::thread::sleep(Duration::from_millis(millis));
                (false, "waited".to_owned())
            }
            "never" => return Ok(None),
            "cancelled" => (false, self.cancelled.len().to_string()),
            "die" => std::process::exit(7),
            "read" => match std::fs::read_to_string(path) {
                Ok(content) => (false, content),
                Err(error) => (true, error.to_string()),
            },
            "write" => match std::fs::write(path, "written by a guest") {
                Ok(()) => (false, "written".to_owned()),
                Err(error) => (true, error.to_string()),
            },
            "environment" => {
                let mut lines: Vec<String> =
                    std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
                lines.sort();
                (false, lines.join("\n"))
            }
            _ => (true, format!("no tool {name}")),
        }))
    }
}

fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if u32::from(c) < 32 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
