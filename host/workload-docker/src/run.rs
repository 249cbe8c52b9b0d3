//! Containers that run once to their end.

use crate::attach::{Channel, Demux};
use crate::dial::{ReadHalf, WriteHalf};
use crate::engine::DockerEngine;
use crate::error::Error;
use crate::spec::ContainerSpec;
use crate::watch::End;
use bytes::Bytes;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// After a container was killed at its time, how long its last words and its end are waited for.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The first bytes of a stream, and how many there were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Bytes that were written in all.
    pub total: u64,
}

impl Captured {
    pub(crate) fn add(&mut self, data: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len()).min(data.len());
        self.bytes.extend_from_slice(data.get(..room).unwrap_or_default());
        self.total = self.total.saturating_add(data.len() as u64);
    }

    /// Whether something was not kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

/// How a container that ran has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// Killed at its time.
    TimedOut,
    /// Killed for want of memory, with this exit code.
    OutOfMemory(i32),
    /// The engine does not know.
    Lost,
}

/// What a container that ran has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutput {
    /// How it has ended.
    pub ending: Ending,
    /// What it wrote.
    pub stdout: Captured,
    /// What it complained about.
    pub stderr: Captured,
}

/// A container whose making or running is not finished: dropped, it is removed by a task.
pub(crate) struct Unfinished {
    engine: Weak<DockerEngine>,
    container: Option<String>,
}

impl Unfinished {
    pub(crate) fn new(engine: &Arc<DockerEngine>, container: &str) -> Self {
        Self { engine: Arc::downgrade(engine), container: Some(container.to_owned()) }
    }

    pub(crate) fn finished(mut self) {
        self.container = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let (Some(container), Some(engine)) = (self.container.take(), self.engine.upgrade()) else { return };
        // Without a runtime the process is ending; what is left then is found by its labels.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = engine.remove(&container).await {
                tracing::warn!(%error, "a container that nobody waits for could not be removed");
            }
        });
    }
}

impl DockerEngine {
    /// Runs a container to its end, kills it when `time` is over, and removes it. At most `limit` bytes of each stream are kept, the rest
    /// is counted. With `input`, that is its standard input; without, it has an empty one. When the future is dropped, the container is
    /// removed by a task.
    ///
    /// # Errors
    /// As [`DockerEngine::create`] and [`DockerEngine::start`]. An exit code and the end of the time are no errors.
    pub async fn run(
        self: &Arc<Self>,
        spec: &ContainerSpec,
        input: Option<Bytes>,
        limit: usize,
        time: Duration,
    ) -> Result<RunOutput, Error> {
        let mut spec = spec.clone();
        spec.stdin = input.is_some();
        let container = self.create(&spec).await?;
        let unfinished = Unfinished::new(self, &container);
        let mut watched = self.watch(&container).await?;
        let (read, write) = self.streams(&container, input.is_some()).await?;
        let mut output =
            RunOutput { ending: Ending::Lost, stdout: Captured::default(), stderr: Captured::default() };
        self.start(&container).await.map_err(|error| spec.hide(error))?;
        let mut streams = Box::pin(relay(read, write, input, limit, &mut output));
        let in_time = tokio::time::timeout(time, async {
            (&mut streams).await;
            watched.ended().await
        });
        let end = match in_time.await {
            Ok(end) => Some(end),
            Err(_) => {
                self.stop(&container, Duration::ZERO).await?;
                // Both come at once after a kill, unless the engine hangs.
                let _ = tokio::time::timeout(LAST_WORDS, async {
                    (&mut streams).await;
                    watched.ended().await
                })
                .await;
                None
            }
        };
        drop(streams);
        output.ending = match end {
            None => Ending::TimedOut,
            Some(End { exit_code: Some(code), out_of_memory: true }) => Ending::OutOfMemory(code),
            Some(End { exit_code: Some(code), .. }) => Ending::Exited(code),
            Some(End { exit_code: None, .. }) => Ending::Lost,
        };
        // The engine removes it by itself; after this it is certain.
        self.remove(&container).await?;
        unfinished.finished();
        Ok(output)
    }
}

/// Writes the input and reads both streams to their end, at the same time: a program may write before it has read everything.
async fn relay(
    mut read: Demux<ReadHalf>,
    mut write: WriteHalf,
    input: Option<Bytes>,
    limit: usize,
    output: &mut RunOutput,
) {
    let feed = async move {
        if let Some(input) = input {
            // A program that does not want its input has ended or closed it; that is its own business.
            let _ = write.write_all(&input).await;
            let _ = write.shutdown().await;
        }
        write
    };
    let drain = async {
        // A stream that breaks has ended; how the container fares is told by its events.
        while let Ok(Some(channel)) = poll_fn(|cx| read.poll_data(cx)).await {
            let data = read.data();
            match channel {
                Channel::Stdout => output.stdout.add(data, limit),
                Channel::Stderr => output.stderr.add(data, limit),
            }
            let length = data.len();
            read.consume(length);
        }
    };
    // The reader's end is the end: a program that never reads its input must not hold us. The writer is kept until then, because dropping it
    // would close the connection of some engines.
    let mut feed = Box::pin(feed);
    let mut drain = Box::pin(drain);
    let mut kept = None;
    loop {
        tokio::select! {
            () = &mut drain => return,
            write = &mut feed, if kept.is_none() => kept = Some(write),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Captured;

    #[test]
    fn what_is_too_much_is_counted() {
        let mut captured = Captured::default();
        captured.add(b"abc", 4);
        assert!(!captured.is_cut());
        captured.add(b"def", 4);
        captured.add(b"g", 4);
        assert_eq!(captured, Captured { bytes: b"abcd".to_vec(), total: 7 });
        assert!(captured.is_cut());
    }
}
