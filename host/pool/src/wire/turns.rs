//! Callers whose message finds no room: they wait, one after the other, in the order in which they came.
//!
//! What waits here is the caller, with the request that he holds in any case; nothing is copied before there is room for it. A server that
//! reads slowly so slows down those who call it and refuses none of them, and it costs `backlog_limit` for what was written and
//! `waiting_limit` for those who wait, and no more.

use super::{Way, Wire};
use crate::in_flight::Limit;
use crate::pending::Caller;
use crate::{InFlight, SendError};
use bytes::BytesMut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// See the module.
pub(super) struct Turns {
    /// Held by the caller who is next. Tokio's lock is fair: who asks first has it first.
    next: tokio::sync::Mutex<()>,
    /// Bytes of those who wait; zero if nobody does.
    bytes: AtomicUsize,
    limit: usize,
    patience: Duration,
    /// Told when something was taken, so that he may look again.
    room: Arc<Notify>,
    taken: Mutex<Taken>,
}

/// What the server had taken, and when that was seen to change the last time.
struct Taken {
    bytes: Option<u64>,
    at: Instant,
}

/// A caller's place in the line, which he leaves when it is dropped.
struct Place<'a> {
    turns: &'a Turns,
    size: usize,
}

impl Turns {
    /// For so many bytes of callers. A server that takes nothing for as long as `patience` does not read.
    pub(super) fn new(limit: usize, patience: Duration, room: Arc<Notify>) -> Self {
        Self {
            next: tokio::sync::Mutex::default(),
            bytes: AtomicUsize::new(0),
            limit,
            patience,
            room,
            taken: Mutex::new(Taken { bytes: None, at: Instant::now() }),
        }
    }

    /// Whether somebody waits: nobody may go past him.
    pub(super) fn is_taken(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > 0
    }

    /// Has whoever is next look again.
    pub(super) fn look(&self) {
        self.room.notify_one();
    }

    /// Gets in line with a message of so many bytes.
    fn enter(&self, size: usize) -> Result<Place<'_>, SendError> {
        let size = size.max(1);
        let fits = |waiting: usize| {
            // A single one may be longer than the limit.
            Some(waiting + size).filter(|sum| waiting == 0 || *sum <= self.limit)
        };
        let before = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map_err(|_| SendError::Backlog { limit: self.limit })?;
        if before == 0 {
            self.is_stalled(None);
        }
        Ok(Place { turns: self, size })
    }

    /// Whether the server has taken nothing for too long; `unread` says what it has taken, if it has not taken everything. Where it has, the
    /// calls before are worked on, which may take any time.
    fn is_stalled(&self, unread: Option<u64>) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if unread.is_none() || taken.bytes != unread {
            *taken = Taken { bytes: unread, at: Instant::now() };
        }
        taken.at.elapsed() >= self.patience
    }

    /// Waits until there may be room, or the server may have taken nothing for too long. Only for who is first.
    async fn room(&self) {
        let since = self.taken.lock().unwrap_or_else(PoisonError::into_inner).at;
        // A patience beyond what the clock can say does not end.
        match since.checked_add(self.patience) {
            Some(until) => drop(tokio::time::timeout_at(until, self.room.notified()).await),
            None => self.room.notified().await,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.bytes.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Wire {
    /// Sends a request of at most `size` bytes, that `write` completes after its head, as soon as there is room for it: behind everybody who waits
    /// for that already, for as long as its limit allows and the server reads.
    pub(crate) async fn send_request_in_turn(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        limit: Limit,
        size: usize,
        write: impl Fn(u64, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<InFlight, SendError> {
        let sent = async {
            let _place = self.turns.enter(size)?;
            let _first = self.turns.next.lock().await;
            loop {
                if self.has_room(size) {
                    match self.send_request_now(caller, name, limit, &write) {
                        // Somebody has sent something short meanwhile.
                        Err(SendError::Backlog { .. }) => {}
                        sent => return sent,
                    }
                }
                if self.turns.is_stalled(self.unread()) {
                    return Err(SendError::Unread { after: self.turns.patience });
                }
                self.turns.room().await;
            }
        };
        match limit {
            None => sent.await,
            Some((at, after)) => {
                let late = |_| Err(SendError::TimedOut { after });
                tokio::time::timeout_at(at, sent).await.unwrap_or_else(late)
            }
        }
    }

    /// Whether a call of so many bytes would be taken, or refused for another reason.
    fn has_room(&self, size: usize) -> bool {
        if self.dead.is_cancelled() {
            return true;
        }
        let written = match &self.way {
            Way::Lines(writer) => writer.has_room(size, self.backlog_limit),
            Way::Http(_) => true,
        };
        written && self.throttle.as_ref().is_none_or(|throttle| throttle.has_room(size))
    }

    fn unread(&self) -> Option<u64> {
        match &self.way {
            Way::Lines(writer) => writer.unread(),
            Way::Http(_) => None,
        }
    }
}
