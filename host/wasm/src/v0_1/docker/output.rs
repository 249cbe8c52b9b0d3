//! What a container writes to which nobody is attached: the gateway's log has it, under the server's name, and its end is kept for the
//! sentence that says why the container did not do what it should.

use super::own::Containers;
use crate::sanitize::{LINE, line};
use host_provisioner::{Blotter, Failure, ObjectRef, Words};
use host_workload_docker::Attached;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio_util::sync::CancellationToken;

/// Lines that are kept.
const KEPT: usize = 10;
/// Bytes of a line that is shown.
const SHOWN: usize = 300;
/// The end of a container is heard a moment before its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The last lines of a container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: CancellationToken,
}

impl Tail {
    pub(super) fn push(&self, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line(text, SHOWN));
    }

    /// What was heard so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Says that the streams are at their end.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// The streams of the container are at their end.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// Reads both streams to their end, in a task that ends with the container. What is kept and logged is without the server's secrets.
pub(super) fn follow(server: &str, attached: Attached, blotter: &Blotter) -> Tail {
    let (server, tail) = (server.to_owned(), Tail::default());
    let words = [blotter.words(), blotter.words()];
    let kept = tail.clone();
    tokio::spawn(async move {
        let Attached { stdout, stderr, stdin, .. } = attached;
        // Kept until then: some engines end both ways of a connection when one is closed.
        let _stdin = stdin;
        let [out, err] = words;
        tokio::join!(copy(&server, stdout, &kept, out), copy(&server, stderr, &kept, err));
        kept.end();
    });
    tail
}

async fn copy(server: &str, stream: impl AsyncRead + Unpin, tail: &Tail, mut words: Words) {
    let mut lines = BufReader::new(stream);
    let mut text = Vec::new();
    loop {
        text.clear();
        let most = u64::try_from(LINE).unwrap_or(u64::MAX);
        let read = (&mut lines).take(most).read_until(b'\n', &mut text).await;
        let ended = !matches!(read, Ok(1..));
        let shown = if ended { words.rest() } else { words.take(&text) };
        // A value with line ends is kept back as a whole, and what is no value comes with the line after it.
        for shown in String::from_utf8_lossy(&shown).lines() {
            tail.push(shown.trim_end());
            tracing::debug!(server, "{}", line(shown.trim_end(), LINE));
        }
        if ended {
            return;
        }
    }
}

impl Containers {
    /// Adds to a failure what is known of the containers that it names: how they ended, and, unless they carry secrets, their last words.
    pub(crate) async fn explain(&self, plugin: &str, failure: &mut Failure) {
        let named: Vec<ObjectRef> =
            failure.objects.iter().filter(|object| object.kind == super::CONTAINER).cloned().collect();
        for object in named {
            let Some(last) = self.last(&object.name, plugin) else { continue };
            let name = line(&object.name, SHOWN);
            if let Some(end) = last.end {
                // Its words come over another connection than its end.
                let _ = tokio::time::timeout(LAST_WORDS, last.tail.ended()).await;
                failure.details.push(match (end.out_of_memory, end.exit_code) {
                    (true, _) => format!("container `{name}` was killed for want of memory"),
                    (false, Some(code)) => format!("container `{name}` ended with exit code {code}"),
                    (false, None) => format!("container `{name}` has ended"),
                });
            } else {
                failure.details.push(format!("container `{name}` runs"));
            }
            if last.closed {
                failure.details.push("what it wrote is not shown, because it carries secrets".to_owned());
                continue;
            }
            let lines = last.tail.lines();
            if lines.is_empty() {
                failure.details.push("it has written nothing".to_owned());
            } else {
                failure.details.extend(lines.into_iter().map(|line| format!("it wrote: {line}")));
            }
        }
    }
}
