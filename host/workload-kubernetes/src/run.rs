//! A program in a pod, run once to its end: started when somebody is really attached, with its two streams and its exit code apart.
//!
//! Clusters start a container before anybody can attach to it, and merge its streams in the log. So the first program of the container is
//! `gateway-bridge --attached`, which waits for a word and tells everything in frames (`host/bridge/src/attached.rs`).

use crate::attach::{Attached, Stdout};
use crate::cluster::Cluster;
use crate::error::Error;
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

const HELLO: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const EXIT: u8 = 3;
const FAILED: u8 = 4;

/// Bytes of a frame's head: its kind and a length.
const HEAD: usize = 5;
/// Room for what comes next.
const ROOM: usize = 64 << 10;
/// Bytes of a frame that are believed.
const FRAME: usize = 1 << 20;
/// Until a sign of life is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// Until a container that answers nothing is given up.
const HELLO_WITHIN: Duration = Duration::from_secs(30);

/// The first bytes of a stream, and how many there were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Bytes that came after them.
    pub left_out: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// By itself, with this code.
    Exited(i32),
    /// It could not be started, for this reason.
    NotStarted(String),
    /// Its time was over. It may still run.
    TimedOut,
    /// The connection ended before it said so.
    Lost,
}

/// What a run has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub end: RunEnd,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
}

impl Cluster {
    /// Runs what `gateway-bridge --attached` waits with in a container that runs. `input` is its standard input; of each stream `limit`
    /// bytes are kept.
    ///
    /// # Errors
    /// As [`Cluster::attach`]; everything after that is a result.
    pub async fn run_attached(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        input: Option<&[u8]>,
        limit: usize,
        time: Duration,
    ) -> Result<Run, Error> {
        let Attached { mut stdin, stdout, stderr, .. } = self.attach(namespace, pod, container).await?;
        // What it says for people is in the container's log.
        drop(stderr);
        let mut frames = Frames { stream: stdout, buffer: BytesMut::new() };
        let mut run = Run { end: RunEnd::Lost, stdout: Captured::default(), stderr: Captured::default() };
        let begun = async {
            loop {
                stdin.write_all(b"?").await?;
                match timeout(AGAIN, frames.next()).await {
                    Ok(Ok(Some((HELLO, _)))) => break,
                    Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Err(_) => {}
                }
            }
            let input = input.unwrap_or_default();
            let length = u32::try_from(input.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            stdin.write_all(b"!").await?;
            stdin.write_all(&length.to_be_bytes()).await?;
            stdin.write_all(input).await?;
            stdin.flush().await
        };
        if !matches!(timeout(HELLO_WITHIN, begun).await, Ok(Ok(()))) {
            return Ok(run);
        }
        let ends = Instant::now() + time;
        loop {
            let frame = match timeout_at(ends, frames.next()).await {
                Ok(frame) => frame,
                Err(_) => {
                    run.end = RunEnd::TimedOut;
                    return Ok(run);
                }
            };
            match frame {
                Ok(Some((STDOUT, piece))) => run.stdout.add(&piece, limit),
                Ok(Some((STDERR, piece))) => run.stderr.add(&piece, limit),
                Ok(Some((EXIT, mut code))) if code.len() == 4 => {
                    run.end = RunEnd::Exited(code.get_i32());
                    return Ok(run);
                }
                Ok(Some((FAILED, why))) => {
                    run.end = RunEnd::NotStarted(String::from_utf8_lossy(&why).into_owned());
                    return Ok(run);
                }
                Ok(Some((HELLO, _))) => {}
                Ok(Some(_) | None) | Err(_) => return Ok(run),
            }
        }
    }
}

impl Captured {
    fn add(&mut self, piece: &[u8], limit: usize) {
        let kept = piece.len().min(limit.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(piece.get(..kept).unwrap_or_default());
        self.left_out += u64::try_from(piece.len() - kept).unwrap_or_default();
    }
}

/// Frames out of a stream. Waiting for the next one may be given up and begun again.
struct Frames<S = Stdout> {
    stream: S,
    buffer: BytesMut,
}

impl<S: tokio::io::AsyncRead + Unpin> Frames<S> {
    /// The next frame; none at the end of the stream.
    async fn next(&mut self) -> io::Result<Option<(u8, Bytes)>> {
        loop {
            if let [kind, a, b, c, d, ..] = *self.buffer {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if length > FRAME {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if self.buffer.len() >= HEAD + length {
                    self.buffer.advance(HEAD);
                    return Ok(Some((kind, self.buffer.split_to(length).freeze())));
                }
            }
            self.buffer.reserve(ROOM);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Captured, EXIT, Frames, STDOUT};
    use bytes::BytesMut;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn frames_are_whole_however_they_arrive() {
        let bytes = [[STDOUT, 0, 0, 0, 3].as_slice(), b"abc", &[EXIT, 0, 0, 0, 4, 0, 0, 0, 7]].concat();
        let (mut write, read) = tokio::io::duplex(1);
        tokio::spawn(async move { write.write_all(&bytes).await });
        let mut frames = Frames { stream: read, buffer: BytesMut::new() };
        assert_eq!(frames.next().await.unwrap().unwrap(), (STDOUT, "abc".into()));
        assert_eq!(frames.next().await.unwrap().unwrap().0, EXIT);
        assert_eq!(frames.next().await.unwrap(), None);
        let lies = [STDOUT, 255, 255, 255, 255].as_slice();
        assert!(Frames { stream: lies, buffer: BytesMut::new() }.next().await.is_err());
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let mut captured = Captured::default();
        captured.add(b"abc", 4);
        captured.add(b"def", 4);
        captured.add(b"ghi", 4);
        assert_eq!((captured.bytes.as_slice(), captured.left_out), (b"abcd".as_slice(), 5));
    }
}
