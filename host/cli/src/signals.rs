//! Signals: the first end begins the ending, the second cuts it short, SIGHUP reloads plugins.

use crate::output::say;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the signals say.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    /// Stop taking work, finish what runs.
    pub(crate) drain: CancellationToken,
    /// End now.
    pub(crate) cut: CancellationToken,
    interrupted: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to listen. `reload` is called for each SIGHUP.
    ///
    /// # Errors
    /// The system does not let the program handle signals.
    pub(crate) fn listen(reload: impl Fn() + Send + 'static) -> Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("handle SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("handle SIGINT")?;
        let mut hangup = signal(SignalKind::hangup()).context("handle SIGHUP")?;
        let signals = Self::default();
        let shared = signals.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = hangup.recv() => { reload(); continue; }
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if shared.drain.is_cancelled() {
                    say("second signal: ending now");
                    shared.interrupted.store(true, Ordering::SeqCst);
                    shared.cut.cancel();
                    return;
                }
                say("signal: finishing what runs; a second signal ends at once");
                shared.drain.cancel();
            }
        });
        Ok(signals)
    }

    /// Whether a second signal came.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
}
