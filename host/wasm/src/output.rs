//! What a plugin writes to standard output and standard error: kept to the last few kilobytes, shown when it fails, never on the
//! gateway's own streams, which may be the protocol's.

use crate::sanitize;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that are kept.
const KEPT: usize = 8 << 10;
/// Bytes of one line that are shown.
const SHOWN: usize = 300;

#[derive(Default)]
struct Kept {
    bytes: VecDeque<u8>,
    written: u64,
}

/// The end of what an instance wrote. Cheap to clone; clones are the same stream.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<Kept>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.written = kept.written.saturating_add(bytes.len() as u64);
        let from = bytes.len().saturating_sub(KEPT);
        kept.bytes.extend(bytes.get(from..).unwrap_or_default());
        let over = kept.bytes.len().saturating_sub(KEPT);
        kept.bytes.drain(..over);
    }

    /// How many bytes came in all.
    pub(crate) fn written(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).written
    }

    /// The last lines that are not empty, oldest first, fit to be shown.
    pub(crate) fn last_lines(&self, count: usize) -> Vec<String> {
        let bytes: Vec<u8> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let boring = "note: run with `RUST_BACKTRACE=1`";
        let lines = text.lines().rev().filter(|line| !line.trim().is_empty() && !line.starts_with(boring));
        let mut lines: Vec<String> = lines.take(count).map(|line| sanitize::line(line, SHOWN)).collect();
        lines.reverse();
        lines
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

#[async_trait::async_trait]
impl Pollable for Tail {
    /// It never has to be waited for.
    async fn ready(&mut self) {}
}

impl OutputStream for Tail {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_its_last_lines() {
        let tail = Tail::default();
        for i in 0..10_000 {
            tail.push(format!("line {i}\n\n").as_bytes());
        }
        tail.push(b"\x1b[2Jthe end");
        assert_eq!(tail.last_lines(2), ["line 9999", "\\u{1b}[2Jthe end"]);
        assert!(tail.0.lock().unwrap().bytes.len() <= KEPT);
    }
}
