//! Programs inside a container, run to their end.

use crate::attach::Attached;
use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind};
use crate::name;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this code.
    Exited(i32),
    /// The connection broke before it said so.
    Lost,
}

/// What a program has left.
#[derive(Debug, Clone)]
pub struct Output {
    /// Standard output, as much as was asked for.
    pub stdout: Vec<u8>,
    /// Standard error, as much as was asked for.
    pub stderr: Vec<u8>,
    /// There was more.
    pub truncated: bool,
    /// How it ended.
    pub ended: Ended,
}

impl Cluster {
    /// Starts a program in a container and connects its standard streams.
    ///
    /// # Errors
    /// As [`Cluster::attach`].
    pub async fn exec_attached(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        words: &[String],
        stdin: bool,
    ) -> Result<Attached, Error> {
        let mut query =
            format!("container={}&stdin={stdin}&stdout=true&stderr=true", name::label(container)?);
        for word in words {
            query.push_str("&command=");
            query.push_str(&name::query(word));
        }
        self.streams("exec", namespace, pod, &query).await
    }

    /// Runs a program inside a container; of each stream `limit` bytes are kept.
    ///
    /// # Errors
    /// As [`Cluster::attach`]; a program that fails is a result.
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        words: &[String],
        input: Option<&[u8]>,
        limit: usize,
    ) -> Result<Output, Error> {
        let attached = self.exec_attached(namespace, pod, container, words, input.is_some()).await?;
        let Attached { mut stdin, mut stdout, mut stderr, status } = attached;
        let feed = async move {
            if let Some(input) = input {
                // A program that does not read its input is no failure.
                let _ = stdin.write_all(input).await;
                let _ = stdin.shutdown().await;
            }
            stdin
        };
        let (_stdin, out, err) = tokio::join!(feed, take(&mut stdout, limit), take(&mut stderr, limit));
        let ((stdout, more_out), (stderr, more_err)) = (out, err);
        let ended = match status.await {
            Ok(status) => ended(&status)?,
            Err(_) => Ended::Lost,
        };
        Ok(Output { stdout, stderr, truncated: more_out || more_err, ended })
    }
}

/// Reads to the end, and keeps so many bytes.
async fn take(stream: &mut (impl AsyncRead + Unpin), limit: usize) -> (Vec<u8>, bool) {
    let (mut kept, mut more) = (Vec::new(), false);
    let mut buffer = vec![0; 32 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = limit.saturating_sub(kept.len());
        let bytes = buffer.get(..read).unwrap_or_default();
        kept.extend_from_slice(bytes.get(..room.min(read)).unwrap_or_default());
        more |= read > room;
    }
    (kept, more)
}

/// The exit code in a `Status` of the exec protocol.
fn ended(status: &[u8]) -> Result<Ended, Error> {
    let status: Value = serde_json::from_slice(status).unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    if text(status.get("status")) == "Success" {
        return Ok(Ended::Exited(0));
    }
    let causes = status.pointer("/details/causes").and_then(Value::as_array).cloned().unwrap_or_default();
    let code = causes.iter().find(|cause| text(cause.get("reason")) == "ExitCode");
    match code.and_then(|cause| text(cause.get("message")).parse().ok()) {
        Some(code) => Ok(Ended::Exited(code)),
        None => {
            let message = text(status.get("message"));
            let kind = if message.contains("executable file not found") || message.contains("no such file") {
                ErrorKind::Specification
            } else {
                ErrorKind::Cluster
            };
            Err(Error::new(kind, format!("run a program in the container: {message}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, ended};

    #[test]
    fn codes_are_those_of_the_program() {
        let code = |text: &str| ended(text.as_bytes()).unwrap();
        assert_eq!(code(r#"{"status":"Success"}"#), Ended::Exited(0));
        let failed = r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#;
        assert_eq!(code(failed), Ended::Exited(42));
        let missing =
            ended(br#"{"status":"Failure","message":"exec: \"x\": executable file not found in $PATH"}"#);
        assert_eq!(missing.unwrap_err().kind, crate::ErrorKind::Specification);
    }
}
