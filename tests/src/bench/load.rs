//! The load client, which is not ours: a program named by `GATEWAY_TEST_MCPLOAD`.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Calls that a session makes before anything counts: its server is up then.
pub const WARMUP: usize = 5;

/// The client.
#[derive(Debug, Clone)]
pub struct LoadClient {
    program: PathBuf,
}

/// Where it sends calls.
#[derive(Debug, Clone)]
pub enum Target {
    /// A URL of streamable HTTP with a bearer token.
    Http(String, Option<String>),
    /// The URL of a stream of HTTP+SSE with a bearer token.
    Sse(String, String),
    /// Its own echo as one child on standard streams, for all sessions: what a caller has without any gateway.
    OwnStdio,
}

/// What one run came to.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Calls that were answered while it was counted.
    pub calls: f64,
    /// Calls per second.
    pub per_second: f64,
    /// Median latency in milliseconds.
    pub p50: f64,
}

impl LoadClient {
    /// The client at this path.
    #[must_use]
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// Sends calls of this tool for so many seconds on so many sessions. Each session has made [`WARMUP`] calls before anything counts.
    ///
    /// # Panics
    /// A call failed.
    pub async fn run(
        &self,
        target: &Target,
        revision: &str,
        tool: &str,
        sessions: usize,
        seconds: f64,
    ) -> Load {
        let mut command = Command::new(&self.program);
        command.args(["load", "--tool", tool, "--warmup", &WARMUP.to_string(), "--rev", revision]);
        // Its own echo says `Echo:` and the message, ours repeats the text.
        command.args([
            "--args",
            r#"{"message":"hello from the bench","text":"Echo: hello from the bench"}"#,
            "--expect",
            "Echo: hello from the bench",
        ]);
        command.args(["--sessions", &sessions.to_string(), "--secs", &seconds.to_string()]);
        match target {
            Target::Http(url, token) => {
                command.args(["--url", url]);
                if let Some(token) = token {
                    command.args(["--header", &format!("Authorization: Bearer {token}")]);
                }
            }
            Target::Sse(url, token) => {
                command.args(["--sse", url, "--header", &format!("Authorization: Bearer {token}")]);
            }
            Target::OwnStdio => {
                command.args(["--stdio", &format!("{} backend", self.program.display())]);
            }
        }
        let output = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let said: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_| {
            panic!("the load client said {text}{}", String::from_utf8_lossy(&output.stderr))
        });
        assert_eq!(said["errors"], 0, "{said}");
        Load {
            calls: said["calls"].as_f64().unwrap(),
            per_second: said["per_s"].as_f64().unwrap(),
            p50: said["p50_ms"].as_f64().unwrap(),
        }
    }

    /// Starts its echo over HTTP and waits until it listens. It ends when the child is dropped.
    ///
    /// # Panics
    /// It does not start.
    pub async fn backend(&self) -> (Child, Target) {
        // The client takes no port 0. Between asking for a free one and using it somebody else may take it; then the start fails.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(&self.program)
            .args(["backend", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}/mcp");
        crate::harness::eventually("the echo to listen", async || {
            TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        (child, Target::Http(url, None))
    }

    /// Its echo over standard streams as the entry of an editor's `mcpServers`, with one tool of this name.
    #[must_use]
    pub fn entry(&self, tool: &str) -> Value {
        serde_json::json!({"command": self.program, "args": ["backend", "--name", tool]})
    }

    /// Its echo over standard streams, for `start::first_list`.
    #[must_use]
    pub fn stdio_backend(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("backend").kill_on_drop(true);
        command
    }
}

/// Writes lines to a program that was just started and reads until a line holds this text.
///
/// # Panics
/// It ends before.
pub async fn exchange(mut command: Command, lines: &str, until: &str) -> Child {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let mut from = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut seen = Vec::new();
    while let Some(line) = from.next_line().await.unwrap() {
        if line.contains(until) {
            return child;
        }
        seen.push(line);
    }
    panic!("the program ended and never said {until}: {seen:?}");
}
