//! A server that takes only so many calls at once: further ones wait in line here, and one goes up whenever one ends.

use crate::SendError;
use bytes::Bytes;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A call that waits.
pub(crate) struct Waiting {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) message: Bytes,
}

#[derive(Default)]
struct State {
    running: HashSet<u64>,
    line: VecDeque<Waiting>,
    /// Bytes of the messages in the line.
    bytes: usize,
}

/// See the module.
pub(crate) struct Throttle {
    most: usize,
    bytes: usize,
    /// Told when there may be room again.
    room: Arc<Notify>,
    state: Mutex<State>,
}

impl Throttle {
    /// For so many calls at once, and so many bytes in the line.
    pub(crate) fn new(most: usize, bytes: usize, room: Arc<Notify>) -> Self {
        Self { most, bytes, room, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call of so many bytes would be taken.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        let state = self.state();
        state.running.len() < self.most || state.line.is_empty() || state.bytes + size <= self.bytes
    }

    /// Gives the call back if it may be sent now; else it waits.
    pub(crate) fn admit(&self, call: Waiting) -> Result<Option<Waiting>, SendError> {
        let mut state = self.state();
        if state.running.len() < self.most {
            state.running.insert(call.id);
            return Ok(Some(call));
        }
        if !state.line.is_empty() && state.bytes + call.message.len() > self.bytes {
            return Err(SendError::Backlog { limit: self.bytes });
        }
        state.bytes += call.message.len();
        state.line.push_back(call);
        Ok(None)
    }

    /// Takes a call out of the line. False if it does not wait there.
    pub(crate) fn give_up(&self, id: u64) -> bool {
        let mut state = self.state();
        let at = state.line.iter().position(|call| call.id == id);
        let Some(waited) = at.and_then(|at| state.line.remove(at)) else { return false };
        state.bytes -= waited.message.len();
        self.room.notify_one();
        true
    }

    /// A call is over that was sent: gives the one that may be sent in its place. Calls that were never held back change nothing.
    pub(crate) fn end(&self, id: u64) -> Option<Waiting> {
        let mut state = self.state();
        if !state.running.remove(&id) {
            return None;
        }
        self.room.notify_one();
        let next = state.line.pop_front()?;
        state.bytes -= next.message.len();
        state.running.insert(next.id);
        Some(next)
    }
}
