//! The last words of a server: the end of its standard error, for failures.

use host_provisioner::{Blotter, BoxRead, sanitize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

/// Bytes that are kept.
const KEPT: usize = 2048;
/// Bytes of them that a failure shows: escapes make a text longer.
const SHOWN: usize = 2048;
/// How long the rest of the words may take after the server ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The end of a server's standard error. It is free text and never a sign of failure by itself.
pub(crate) struct Tail {
    kept: Mutex<VecDeque<u8>>,
    ended: CancellationToken,
}

impl Tail {
    pub(crate) fn new(reads: bool) -> Arc<Self> {
        let ended = CancellationToken::new();
        if !reads {
            ended.cancel();
        }
        Arc::new(Self { kept: Mutex::default(), ended })
    }

    /// Reads until the end, all the time: a server whose words nobody takes blocks. What is kept and logged is without its secrets.
    pub(crate) async fn read(self: Arc<Self>, server: Arc<str>, mut stderr: BoxRead, blotter: Blotter) {
        let _ended = self.ended.clone().drop_guard();
        let mut buffer = vec![0; 4096];
        let mut words = blotter.words();
        loop {
            let count = stderr.read(&mut buffer).await.unwrap_or_default();
            let heard = buffer.get(..count).unwrap_or_default();
            let shown = if heard.is_empty() { words.rest() } else { words.take(heard) };
            if !shown.is_empty() {
                tracing::debug!(%server, stderr = %shown.escape_ascii());
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(shown);
                let surplus = kept.len().saturating_sub(KEPT);
                kept.drain(..surplus);
            }
            if heard.is_empty() {
                return;
            }
        }
    }

    /// The last words, fit to be shown, once they are complete or after a moment. `None` if there were none.
    pub(crate) async fn last_words(&self) -> Option<String> {
        let _ = tokio::time::timeout(LAST_WORDS, self.ended.cancelled()).await;
        let kept: Vec<u8> = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.make_contiguous().to_vec()
        };
        let text = String::from_utf8_lossy(&kept);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let recent = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default();
        (!recent.is_empty()).then(|| sanitize::line(&recent.join(" | "), SHOWN))
    }
}
