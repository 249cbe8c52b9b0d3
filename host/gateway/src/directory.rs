//! The merged catalogue of everything that the servers offer.
//!
//! Each server has a task that lists it and lists it again when it says so; all begin at once. What they find is merged into a view
//! that requests read without waiting for anybody. *Invariant:* a server that fails or hangs takes away its own items and nothing
//! else, and delays a list by at most `list_wait` after its own start.

mod page;
mod refresh;
mod template;
mod view;

pub(crate) use page::{List, page};
pub(crate) use view::{Route, View};

use crate::announce::{Announcer, Kinds, Listener};
use crate::config::FrontConfig;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use view::Listing;

/// See the module.
pub(crate) struct Directory {
    config: ArcSwap<FrontConfig>,
    announcer: Arc<Announcer>,
    view: ArcSwap<View>,
    state: Mutex<State>,
    /// Wakes the task that merges.
    dirty: Notify,
    /// Counts merges, for those who wait for the next one.
    merges: watch::Sender<u64>,
    /// Whether every server has been listed or has failed. Looked at by every list request.
    settled: AtomicBool,
    /// Whether that, or its time limit, was ever reached.
    ready: AtomicBool,
    /// Whether a client has seen a list. Before that there is nobody to be told about changes.
    served: AtomicBool,
}

#[derive(Default)]
struct State {
    /// In the order of the configuration.
    order: Vec<Arc<str>>,
    slots: HashMap<Arc<str>, Slot>,
}

struct Slot {
    /// When it was first asked for.
    begun: Instant,
    /// Whether it has been listed or has failed, and the view knows.
    settled: bool,
    /// What its task found out and the view does not know yet.
    found: Option<Found>,
    /// What the view knows.
    listing: Option<Arc<Listing>>,
    /// What must be listed again.
    stale: Arc<Listener>,
    stop: CancellationToken,
}

enum Found {
    Listing(Arc<Listing>),
    /// It could not be listed; what was known before stays.
    Nothing,
}

impl Directory {
    pub(crate) fn new(config: Arc<FrontConfig>, announcer: Arc<Announcer>) -> Arc<Self> {
        Arc::new(Self {
            config: ArcSwap::new(config),
            announcer,
            view: ArcSwap::default(),
            state: Mutex::default(),
            dirty: Notify::new(),
            merges: watch::Sender::new(0),
            settled: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            served: AtomicBool::new(false),
        })
    }

    /// What is known now. Never waits.
    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// The same, noted as seen by a client, which will be told when it changes.
    pub(crate) fn serve(&self) -> Arc<View> {
        self.served.store(true, Ordering::Release);
        self.view.load_full()
    }

    /// Waits until every server has been listed or has failed, or has had its time.
    pub(crate) async fn wait(&self) {
        let mut merges = self.merges.subscribe();
        while !self.settled.load(Ordering::Acquire) {
            let Some(deadline) = self.deadline() else { return };
            tokio::select! {
                changed = merges.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    /// Whether the first round is over. Once true it stays true, as the original's `/health` does.
    pub(crate) fn is_ready(&self) -> bool {
        if !self.ready.load(Ordering::Acquire)
            && (self.settled.load(Ordering::Acquire) || self.deadline().is_none())
        {
            self.ready.store(true, Ordering::Release);
        }
        self.ready.load(Ordering::Acquire)
    }

    /// Until when a list waits now; `None` if there is nothing to wait for.
    fn deadline(&self) -> Option<Instant> {
        let list_wait = self.config.load().list_wait;
        let state = self.lock();
        let waiting = state.slots.values().filter(|slot| !slot.settled).map(|slot| slot.begun + list_wait);
        waiting.max().filter(|deadline| *deadline > Instant::now())
    }

    /// Takes over the set of servers, in order. Returns those that are new, each with what its task needs.
    fn replace(&self, servers: &[Arc<str>]) -> Vec<(Arc<str>, Arc<Listener>, CancellationToken)> {
        let mut state = self.lock();
        let mut old = std::mem::take(&mut state.slots);
        let mut new = Vec::new();
        state.order = servers.to_vec();
        for server in servers {
            let slot = old.remove(server).unwrap_or_else(|| {
                let slot = Slot {
                    begun: Instant::now(),
                    settled: false,
                    found: None,
                    listing: None,
                    stale: Listener::new(Kinds::ALL),
                    stop: CancellationToken::new(),
                };
                new.push((Arc::clone(server), Arc::clone(&slot.stale), slot.stop.clone()));
                slot
            });
            // Another entry under the old name may offer other things.
            slot.stale.tell(Kinds::ALL);
            state.slots.insert(Arc::clone(server), slot);
        }
        for slot in old.values() {
            slot.stop.cancel();
        }
        self.settle(&state);
        drop(state);
        self.dirty.notify_one();
        new
    }

    /// Notes that lists of a server must be fetched again; of all servers without a name.
    fn mark_stale(&self, server: Option<&str>, kinds: Kinds) {
        let state = self.lock();
        for (_, slot) in state.slots.iter().filter(|(name, _)| server.is_none_or(|server| &***name == server))
        {
            slot.stale.tell(kinds);
        }
    }

    /// Whether a server was tried and has no list.
    fn has_failed(&self, server: &str) -> bool {
        self.lock().slots.get(server).is_some_and(|slot| slot.settled && slot.listing.is_none())
    }

    /// Takes what a server's task has found out.
    fn publish(&self, server: &str, found: Found) {
        if let Some(slot) = self.lock().slots.get_mut(server) {
            slot.found = Some(found);
        }
        self.dirty.notify_one();
    }

    /// Merges whatever has come in, again and again. Fifty servers that come up together cost a few merges and not fifty.
    async fn merge(&self) {
        loop {
            self.dirty.notified().await;
            let (servers, merged) = self.collect();
            let view = View::merge(&servers, &self.config.load());
            let old = self.view.swap(Arc::new(view));
            let changed = self.view.load().differs(&old);
            let mut state = self.lock();
            for server in &merged {
                if let Some(slot) = state.slots.get_mut(server) {
                    slot.settled = true;
                }
            }
            self.settle(&state);
            drop(state);
            self.merges.send_modify(|merges| *merges += 1);
            if !changed.is_empty() && self.served.load(Ordering::Acquire) {
                self.announcer.announce(changed);
            }
        }
    }

    /// The lists of all servers in order, and the servers of which something new is in them.
    fn collect(&self) -> (Vec<view::Listed>, Vec<Arc<str>>) {
        let mut state = self.lock();
        let mut merged = Vec::new();
        for (server, slot) in &mut state.slots {
            match slot.found.take() {
                Some(Found::Listing(listing)) => slot.listing = Some(listing),
                Some(Found::Nothing) => {}
                None => continue,
            }
            merged.push(Arc::clone(server));
        }
        let listing = |server: &Arc<str>| {
            Some((Arc::clone(server), Arc::clone(state.slots.get(server)?.listing.as_ref()?)))
        };
        (state.order.iter().filter_map(listing).collect(), merged)
    }

    fn settle(&self, state: &State) {
        self.settled.store(state.slots.values().all(|slot| slot.settled), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
