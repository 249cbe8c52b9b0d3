//! Connections that have not shown yet that they may ask: counted apart from all others, and the oldest goes when there are too many.
//!
//! Whoever can reach the port can open connections. Without a bound they would take the memory and the file descriptors that clients
//! need; with a bound that refuses the newest they would keep clients out just as well. A client shows its token with its first request,
//! a moment after it has connected, so the oldest stranger is the one that is least likely to be a client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// The strangers of one listener.
#[derive(Debug)]
pub(crate) struct Strangers {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// By age, each with what ends it.
    present: BTreeMap<u64, CancellationToken>,
}

/// One connection's place among the strangers, until it is dropped.
#[derive(Debug)]
pub(crate) struct Stranger {
    all: Arc<Strangers>,
    number: u64,
    /// Cancelled when its place was needed.
    pub(crate) evicted: CancellationToken,
}

impl Strangers {
    /// At most `most` at a time, and at least one, or nobody could ever come in.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), state: Mutex::default() })
    }

    /// A new one. If there is no room, the oldest is told to go.
    pub(crate) fn enter(self: &Arc<Self>) -> Stranger {
        let evicted = CancellationToken::new();
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let oldest = if state.present.len() >= self.most { state.present.pop_first() } else { None };
        state.present.insert(number, evicted.clone());
        drop(state);
        if let Some((_, oldest)) = oldest {
            oldest.cancel();
        }
        Stranger { all: Arc::clone(self), number, evicted }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.all.lock().present.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_who_left_takes_none() {
        let strangers = Strangers::new(2);
        let (first, second) = (strangers.enter(), strangers.enter());
        drop(first);
        let third = strangers.enter();
        assert!(!second.evicted.is_cancelled());
        let fourth = strangers.enter();
        assert!(second.evicted.is_cancelled());
        assert!(!third.evicted.is_cancelled() && !fourth.evicted.is_cancelled());
        drop(second);
        assert_eq!(strangers.lock().present.len(), 2);
    }
}
