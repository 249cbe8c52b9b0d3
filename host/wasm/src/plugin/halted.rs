//! Attempts that a plugin ended with "later": kept as they are until the request is repeated, or given up.
//!
//! *Invariant:* an attempt is resumed by one repetition, or released, and never both (`wit/v0.1/types.wit`, `context.attempt`).

use crate::ledger::Record;
use crate::plugin::Plugin;
use host_provisioner::{Call, Failure, ReleaseReason};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// By the caller's request.
#[derive(Default)]
pub(crate) struct Halted(Mutex<HashMap<String, Attempt>>);

/// What is left of the attempts of one request so far.
pub(crate) struct Attempt {
    pub(crate) record: Arc<Record>,
    /// How many there were, as the plugin counts them.
    pub(crate) number: u32,
}

impl Halted {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a repetition: what to resume.
    pub(crate) fn take(&self, call: &Call) -> Option<Attempt> {
        self.lock().remove(call.request.as_str()).filter(|attempt| !attempt.record.is_released())
    }

    /// Takes it out if it is still that attempt.
    fn given_up(&self, request: &str, number: u32) -> Option<Attempt> {
        let mut halted = self.lock();
        let same = halted.get(request).is_some_and(|attempt| attempt.number == number);
        same.then(|| halted.remove(request)).flatten()
    }
}

impl Plugin {
    /// Whether a failed attempt is worth keeping: something is left of it, and there is time to repeat it.
    pub(crate) fn may_resume(call: &Call, record: &Record, failure: &Failure) -> bool {
        let wait = failure.retry_after.unwrap_or_default();
        let in_time = Instant::now().checked_add(wait).is_some_and(|again| again < call.deadline);
        failure.class.is_retryable() && in_time && !call.cancelled.is_cancelled() && record.has_something()
    }

    /// Keeps an attempt until the request is repeated. It is released when nobody waits any more, and at the request's deadline.
    pub(crate) fn halt(&self, call: &Call, record: Arc<Record>, number: u32) {
        let Some(plugin) = self.this.upgrade() else { return };
        let request = call.request.as_str().to_owned();
        let before = self.halted.lock().insert(request.clone(), Attempt { record, number });
        if let Some(before) = before {
            // Two calls of one request at once: only one of them can be resumed.
            self.host().reaper.take(Arc::clone(&plugin), before.record, ReleaseReason::Unfinished);
        }
        let (deadline, cancelled) = (call.deadline.into(), call.cancelled.clone());
        let plugin = Arc::downgrade(&plugin);
        self.host().reaper.after(deadline, cancelled, move || {
            let Some(plugin) = plugin.upgrade() else { return };
            if let Some(attempt) = plugin.halted.given_up(&request, number) {
                let host = Arc::clone(plugin.host());
                host.reaper.take(plugin, attempt.record, ReleaseReason::Unfinished);
            }
        });
    }
}
