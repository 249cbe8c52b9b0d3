//! Lines to and from a gateway over its standard input and output.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};

/// Both ends. Dropping it closes the gateway's standard input.
pub struct Pipe {
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Pipe {
    pub(super) fn new(to: ChildStdin, from: ChildStdout) -> Self {
        Self { to, from: BufReader::new(from).lines() }
    }

    /// Sends one message. That the gateway has gone is seen when an answer is missing.
    pub(super) async fn send(&mut self, message: &Value) {
        let mut line = message.to_string();
        line.push('\n');
        let _ = self.to.write_all(line.as_bytes()).await;
        let _ = self.to.flush().await;
    }

    /// The next message; `None` at the end.
    ///
    /// # Panics
    /// The gateway wrote something that is no message: standard output belongs to the protocol.
    pub(super) async fn next(&mut self) -> Option<Value> {
        let line = self.from.next_line().await.unwrap()?;
        match serde_json::from_str(&line) {
            Ok(message) => Some(message),
            Err(error) => panic!("standard output holds what is no message ({error}): {line}"),
        }
    }
}
