//! A workload from start to end in one call: for tools that are programs.

use crate::end::Info;
use crate::engine::{EmbeddedEngine, Started};
use crate::error::Error;
use crate::pipe::WhenFull;
use crate::registry::Workload;
use crate::spec::StartSpec;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// Bytes read at once.
const BUFFER: usize = 16 * 1024;

/// What one stream said, up to the limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// How many came after them and were thrown away.
    pub truncated: u64,
}

/// A workload that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutput {
    /// How it ended.
    pub info: Info,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// Whether it was ended because the deadline had passed.
    pub timed_out: bool,
}

impl EmbeddedEngine {
    /// Starts a workload, gives it `input`, and waits for its end, at most `deadline`. Of each output stream `output_limit` bytes are kept;
    /// the rest is read and counted, so that the workload does not wait. When the returned future is dropped, the workload is ended.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start). A workload that fails is no error but an answer.
    pub async fn run(
        &self,
        spec: StartSpec,
        input: Bytes,
        output_limit: usize,
        deadline: Duration,
    ) -> Result<RunOutput, Error> {
        let id = spec.id.clone();
        let started = tokio::time::Instant::now();
        let Started { mut stdin, stdout, stderr, .. } = self.start_with(spec, WhenFull::Wait).await?;
        let workload = self.workload(&id);
        let cut = KillOnDrop(workload.clone());
        let input = async move {
            // A program need not read its input to the end.
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
        };
        let mut streams = Box::pin(async {
            tokio::join!(input, capture(stdout, output_limit), capture(stderr, output_limit))
        });
        let (output, timed_out) = match tokio::time::timeout_at(started + deadline, &mut streams).await {
            Ok(output) => (output, false),
            Err(_) => {
                drop(cut);
                // Its end closes the streams.
                (streams.await, true)
            }
        };
        let ((), stdout, stderr) = output;
        let info = match workload {
            Some(workload) => workload.ended().await,
            // It was faster than we.
            None => self.info(&id),
        };
        Ok(RunOutput { info, stdout, stderr, timed_out })
    }
}

async fn capture(mut from: impl AsyncRead + Unpin, limit: usize) -> Captured {
    let mut captured = Captured::default();
    let mut buffer = vec![0; BUFFER];
    // Reading from a pipe of ours does not fail.
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let kept = count.min(limit.saturating_sub(captured.bytes.len()));
        captured.bytes.extend_from_slice(buffer.get(..kept).unwrap_or_default());
        captured.truncated += (count - kept) as u64;
    }
    captured
}

struct KillOnDrop(Option<Arc<Workload>>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(workload) = &self.0 {
            workload.kill();
        }
    }
}
