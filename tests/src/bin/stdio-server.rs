//! An MCP server over standard streams that does what it is told, good or bad. Legacy revisions only, unless it says `--modern`.
//!
//! | argument | effect |
//! | --- | --- |
//! | `--silent` | answers nothing |
//! | `--modern` | speaks 2026-07-28 only |
//! | `--discover-after MS` | answers `server/discover` so much later, and refuses `initialize` |
//! | `--deaf` | ends neither at the end of its input nor at SIGTERM |
//! | `--banner TEXT` | prints a line of text first |
//! | `--first-say TEXT` | sends a log message with this text before it answers a call |
//! | `--die-at-start` | says why on standard error and ends with code 3 |

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "it is part of tests: what is not as the story says ends it, and what it prints is its protocol"
)]

use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).cloned()
    };
    if has("--die-at-start") {
        eprintln!("no database at db.example");
        std::process::exit(3);
    }
    if let Some(text) = value("--banner") {
        println!("{text}");
    }
    if has("--deaf") {
        ignore_term();
    }
    let first_say = value("--first-say");
    let discover_after = value("--discover-after").map(|ms| Duration::from_millis(ms.parse().unwrap()));
    let modern = has("--modern") || discover_after.is_some();
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(line)) = lines.next() {
        let message: Value = serde_json::from_str(&line).unwrap();
        if has("--silent") || message.get("id").is_none() {
            continue;
        }
        if let Some(text) = first_say.as_ref().filter(|_| message["method"] == "tools/call") {
            let params = json!({"level": "info", "data": text});
            println!("{}", json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params}));
        }
        let answer = match message["method"].as_str().unwrap_or_default() {
            "server/discover" if modern => {
                std::thread::sleep(discover_after.unwrap_or_default());
                Ok(
                    json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                    "ttlMs": 0, "cacheScope": "private"}),
                )
            }
            "initialize" if !modern => {
                let capabilities = if first_say.is_some() {
                    json!({"tools": {}, "logging": {}})
                } else {
                    json!({"tools": {}})
                };
                Ok(json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
                "serverInfo": {"name": "stdio-server", "version": "1"}}))
            }
            "ping" => Ok(json!({})),
            "tools/list" => Ok(tools(modern)),
            "tools/call" => call(&message["params"], &message["id"]).map(|text| {
                let mut result = json!({"content": [{"type": "text", "text": text}]});
                if modern {
                    result["resultType"] = json!("complete");
                }
                result
            }),
            _ => Err((-32601, "unknown".to_owned())),
        };
        let answer = match answer {
            Ok(result) => json!({"jsonrpc": "2.0", "id": message["id"], "result": result}),
            Err((code, text)) => {
                json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}})
            }
        };
        println!("{answer}");
    }
    while has("--deaf") {
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn tools(modern: bool) -> Value {
    let names = [
        "echo",
        "environment",
        "folder",
        "pid",
        "die",
        "half",
        "long",
        "chatter",
        "mutter",
        "never",
        "wait",
        "child",
    ];
    let tools: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    let mut result = json!({"tools": tools});
    if modern {
        (result["resultType"], result["ttlMs"], result["cacheScope"]) =
            (json!("complete"), json!(0), json!("private"));
    }
    result
}

/// The text that a tool answers with, if it answers.
fn call(params: &Value, id: &Value) -> Result<String, (i64, String)> {
    let arguments = &params["arguments"];
    let number = |name: &str| usize::try_from(arguments[name].as_u64().unwrap_or_default()).unwrap();
    Ok(match params["name"].as_str().unwrap_or_default() {
        "echo" => arguments["text"].as_str().unwrap_or_default().to_owned(),
        "environment" => {
            let mut variables: Vec<_> =
                std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            variables.sort();
            variables.join("\n")
        }
        "folder" => std::env::current_dir().unwrap().display().to_string(),
        "pid" => std::process::id().to_string(),
        // Ends without answering.
        "die" => std::process::exit(7),
        // Begins to answer and ends.
        "half" => {
            print!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"resu");
            std::io::stdout().flush().unwrap();
            std::process::exit(0)
        }
        // Answers with one long line.
        "long" => "x".repeat(number("bytes")),
        // Prints what is no message before it answers.
        "chatter" => {
            println!("working on it …");
            "done".to_owned()
        }
        // Writes so much to standard error before it answers.
        "mutter" => {
            let line = [b'm'; 1023];
            let mut stderr = std::io::stderr().lock();
            for _ in 0..number("bytes") / 1024 {
                stderr.write_all(&line).unwrap();
                stderr.write_all(b"\n").unwrap();
            }
            "said".to_owned()
        }
        // Answers never, and nothing else from then on.
        "never" => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        // Answers with its text, so many milliseconds later.
        "wait" => {
            std::thread::sleep(Duration::from_millis(arguments["millis"].as_u64().unwrap_or_default()));
            arguments["text"].as_str().unwrap_or_default().to_owned()
        }
        // Starts another process that outlives it, and tells its number.
        "child" => {
            let mut command = std::process::Command::new("sleep");
            command.arg("1000").stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
            command.spawn().unwrap().id().to_string()
        }
        other => return Err((-32602, format!("no tool {other}"))),
    })
}

/// A process cannot ignore a signal by itself without code that this house does not allow; a shell in its place can, so it becomes one that
/// ignores the signal and runs it again.
fn ignore_term() {
    use std::os::unix::process::CommandExt;
    const AGAIN: &str = "STDIO_SERVER_IS_DEAF";
    if std::env::var_os(AGAIN).is_some() {
        return;
    }
    let own = std::env::current_exe().unwrap();
    let error = std::process::Command::new("/bin/sh")
        .args(["-c", "trap '' TERM; exec \"$@\"", "sh"])
        .arg(own)
        .args(std::env::args().skip(1))
        .env(AGAIN, "1")
        .exec();
    eprintln!("{error}");
    std::process::exit(1);
}
