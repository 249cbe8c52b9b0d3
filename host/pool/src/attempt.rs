//! One attempt to bring a server up, shared by all who wait for it.

use crate::{AcquireError, Client};
use host_provisioner::{Progress, ProgressSink};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Outcome = Result<Arc<Client>, AcquireError>;

/// One attempt. Waiters are counted under the lock of the server's slots, so that nobody joins one that was just given up.
pub(crate) struct Attempt {
    outcome: watch::Sender<Option<Outcome>>,
    pub(crate) cancelled: CancellationToken,
    waiters: AtomicUsize,
    sinks: Mutex<Vec<Arc<dyn ProgressSink>>>,
    progress: Mutex<Option<Progress>>,
    pub(crate) backing_off: AtomicBool,
    /// Somebody wants the client for calls, so that it is not handed over to a session.
    pub(crate) claimed: AtomicBool,
    /// A session waits to take the client over.
    pub(crate) promised: AtomicBool,
}

impl Attempt {
    /// An attempt with its first waiter.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            outcome: watch::Sender::new(None),
            cancelled: CancellationToken::new(),
            waiters: AtomicUsize::new(1),
            sinks: Mutex::default(),
            progress: Mutex::default(),
            backing_off: AtomicBool::new(false),
            claimed: AtomicBool::new(false),
            promised: AtomicBool::new(false),
        })
    }

    pub(crate) fn join(&self) {
        self.waiters.fetch_add(1, Ordering::SeqCst);
    }

    /// True if nobody waits any more.
    pub(crate) fn leave(&self) -> bool {
        self.waiters.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Shows progress to one more; what happens now is repeated for them.
    pub(crate) fn watch(&self, sink: Arc<dyn ProgressSink>) {
        if let Some(progress) = self.progress() {
            sink.report(progress);
        }
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).push(sink);
    }

    pub(crate) fn progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the attempt for all who wait. The first outcome counts.
    pub(crate) fn finish(&self, outcome: Outcome) {
        self.outcome.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(outcome);
            }
            first
        });
    }

    pub(crate) async fn outcome(&self) -> Outcome {
        let mut receiver = self.outcome.subscribe();
        let outcome = receiver.wait_for(Option::is_some).await;
        // The sender lives in `self`, so there always is one.
        outcome.ok().and_then(|outcome| outcome.clone()).unwrap_or(Err(AcquireError::Retired))
    }
}

impl ProgressSink for Attempt {
    fn report(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for sink in sinks {
            sink.report(progress.clone());
        }
    }
}
