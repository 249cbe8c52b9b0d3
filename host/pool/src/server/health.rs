//! How a server fared so far: failures, deaths, the wait before the next start, and its row of a status page.

use super::{Server, Slot};
use crate::status::{ServerState, ServerStatus};
use host_provisioner::{Failure, FieldReport};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// See the module.
pub(super) struct Health {
    last_failure: Option<Arc<Failure>>,
    /// When that was.
    failed_at: Option<Instant>,
    /// The last failure was one to come up, so that the server counts as failed.
    failed: bool,
    fields: Arc<[FieldReport]>,
    deaths: u32,
    not_before: Option<Instant>,
    changed: Instant,
    /// What it spoke the last time: true for modern.
    modern: Option<bool>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            last_failure: None,
            failed_at: None,
            failed: false,
            fields: Arc::from([]),
            deaths: 0,
            not_before: None,
            changed: Instant::now(),
            modern: None,
        }
    }
}

impl Server {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it spoke the last time: true for modern.
    pub(crate) fn spoke(&self) -> Option<bool> {
        self.health().modern
    }

    pub(crate) fn remember(&self, modern: Option<bool>) {
        self.health().modern = modern;
    }

    /// Until when a server that keeps dying is left alone.
    pub(crate) fn not_before(&self) -> Option<Instant> {
        self.health().not_before.filter(|until| *until > Instant::now())
    }

    pub(crate) fn came_up(&self, fields: Vec<FieldReport>) {
        let mut health = self.health();
        health.fields = Arc::from(fields);
        health.failed = false;
        if health.deaths == 0 {
            health.last_failure = None;
            health.failed_at = None;
        }
        health.changed = Instant::now();
    }

    /// What became of the fields of its entry when it came up.
    pub(crate) fn fields(&self) -> Vec<FieldReport> {
        self.health().fields.to_vec()
    }

    pub(crate) fn failed(&self, failure: Arc<Failure>) {
        let mut health = self.health();
        health.last_failure = Some(failure);
        health.failed_at = Some(Instant::now());
        health.failed = true;
        health.changed = Instant::now();
    }

    /// A client died after it had lived so long. From the second early death on the next start waits, twice as long each time.
    pub(crate) fn died(&self, failure: Failure, lived: Duration, stable_after: Duration, longest: Duration) {
        let mut health = self.health();
        health.last_failure = Some(Arc::new(failure));
        health.failed_at = Some(Instant::now());
        health.deaths = if lived >= stable_after { 1 } else { health.deaths.saturating_add(1) };
        let doublings = health.deaths.saturating_sub(2).min(16);
        let wait = (Duration::from_millis(500) * 2u32.pow(doublings)).min(longest);
        health.not_before = (health.deaths >= 2).then(|| Instant::now() + wait);
        health.changed = Instant::now();
    }

    /// A client went because nobody needed it: the server is well.
    pub(crate) fn went(&self) {
        let mut health = self.health();
        health.deaths = 0;
        health.not_before = None;
        health.changed = Instant::now();
    }

    pub(crate) fn status(&self) -> ServerStatus {
        let slots = self.read();
        let mut status = ServerStatus {
            name: Arc::clone(&self.name),
            id: self.spec.id.clone(),
            provisioner: self.provisioner.name().to_owned(),
            state: ServerState::Idle,
            unchanged_for: Duration::ZERO,
            clients: 0,
            calls: 0,
            rubbish: 0,
            era: None,
            last_failure: None,
            failed_for: None,
            fields: Arc::from([]),
            progress: None,
        };
        let mut starting = None;
        for slot in slots.map.values() {
            match slot {
                Slot::Starting(attempt) => {
                    let waits = attempt.backing_off.load(Ordering::Relaxed);
                    starting = Some(if waits { ServerState::BackingOff } else { ServerState::Starting });
                    status.progress = attempt.progress().or(status.progress);
                }
                Slot::Ready(client) if client.is_alive() => {
                    status.clients += 1;
                    status.calls += client.calls();
                    status.rubbish += client.wire.rubbish.count();
                    status.era = Some(client.era());
                }
                Slot::Ready(_) => {}
            }
        }
        drop(slots);
        let health = self.health();
        status.state = match starting {
            // Also where others are served: whoever waits wants to know why.
            Some(ServerState::BackingOff) => ServerState::BackingOff,
            _ if status.clients > 0 => ServerState::Ready,
            Some(state) => state,
            None if health.not_before.is_some_and(|until| until > Instant::now()) => ServerState::BackingOff,
            None if health.failed => ServerState::Failed,
            None => ServerState::Idle,
        };
        status.unchanged_for = health.changed.elapsed();
        status.last_failure.clone_from(&health.last_failure);
        status.failed_for = health.failed_at.map(|at| at.elapsed());
        status.fields = Arc::clone(&health.fields);
        status
    }
}
