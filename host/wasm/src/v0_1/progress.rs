//! `progress`: what goes on during a long call, passed to whoever watches, a few times a second.

use crate::sanitize;
use crate::state::CallState;
use crate::v0_1::imported::progress::{Host, Update};
use host_provisioner::Progress;
use std::time::{Duration, Instant};

/// Time between two updates that are shown.
const PACE: Duration = Duration::from_millis(200);
/// Bytes of an update's text.
const TEXT: usize = 200;

/// Paces the updates of one call.
#[derive(Default)]
pub(crate) struct Updates {
    shown: Option<Instant>,
    /// Came too early; shown if no other one follows.
    waiting: Option<Progress>,
}

impl Host for CallState {
    fn report(&mut self, update: Update) -> wasmtime::Result<()> {
        self.enter("progress.report")?;
        let Some(sink) = &self.scope.call.progress else { return Ok(()) };
        let progress =
            Progress { text: sanitize::line(&update.text, TEXT), done: update.done, total: update.total };
        if self.updates.shown.is_some_and(|shown| shown.elapsed() < PACE) {
            self.updates.waiting = Some(progress);
        } else {
            self.updates.shown = Some(Instant::now());
            self.updates.waiting = None;
            sink.report(progress);
        }
        Ok(())
    }
}

impl CallState {
    /// Shows the last update, if it came too early to be shown at once.
    pub(crate) fn last_update(&mut self) {
        if let (Some(sink), Some(progress)) = (&self.scope.call.progress, self.updates.waiting.take()) {
            sink.report(progress);
        }
    }
}
