//! The merged catalogue of everything that the servers offer.
//!
//! Each server has a task that lists it and lists it again when it says so; all begin at once. What they find is merged into a view
//! that requests read without waiting for anybody. *Invariant:* a server that fails or hangs takes away its own items and nothing
//! else, and delays a list by at most `list_wait` after its own start, and by `FRESH_WAIT` after it said that its lists have changed.

mod own;
mod page;
mod refresh;
mod template;
mod view;

pub(crate) use own::Own;
pub(crate) use page::{List, page};
pub(crate) use view::{Route, View};

use crate::announce::{Announcer, Kinds, Listener};
use crate::config::FrontConfig;
use crate::session::{Session, Sessions};
use arc_swap::ArcSwap;
use host_pool::{Event, Owner, Pool};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use view::Listing;

/// How long a list waits for a server that has just said that its lists have changed. A client that has changed something and then
/// looks sees what it did; a server that does not answer holds up nobody for long.
const FRESH_WAIT: Duration = Duration::from_secs(1);

/// A server that says "changed" many times in a row is asked a few times.
const COALESCE: Duration = Duration::from_millis(5);
/// From this pause on nobody waits for the newest lists of such a server.
const NOISY: Duration = Duration::from_millis(200);
/// A server that says "changed" whenever it is asked is asked this seldom in the end.
const COALESCE_MOST: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Directory {
    config: ArcSwap<FrontConfig>,
    /// Whose own servers may list something else.
    sessions: Arc<Sessions>,
    run: OnceLock<Run>,
    announcer: Arc<Announcer>,
    view: ArcSwap<View>,
    state: Mutex<State>,
    /// Wakes the task that merges.
    dirty: Notify,
    /// Counts merges, for those who wait for the next one.
    merges: watch::Sender<u64>,
    /// What the pool tells. Whoever looks first takes it over.
    events: Mutex<Option<broadcast::Receiver<Event>>>,
    /// Whether the view answers every mark. Looked at by every list request.
    settled: AtomicBool,
    /// Whether that, or its time limit, was ever reached.
    ready: AtomicBool,
    /// Whether a client has seen a list. Before that there is nobody to be told about changes.
    served: AtomicBool,
}

/// What tasks are started with.
struct Run {
    pool: Arc<Pool>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    /// In the order of the configuration.
    order: Vec<Arc<str>>,
    slots: HashMap<Arc<str>, Slot>,
}

struct Slot {
    /// How often its lists were called for.
    marks: u64,
    /// The last mark that the view answers, by lists or by the knowledge that there are none. Zero before the first time.
    fresh: u64,
    /// When the first mark came that the view does not answer.
    since: Instant,
    /// It says "changed" all the time, so that its newest lists are not worth waiting for.
    noisy: bool,
    /// The operator was told that lists are given without it.
    told: bool,
    /// What its task found out, up to which mark, and the view does not know yet.
    found: Option<(u64, Found)>,
    /// What the view knows.
    listing: Option<Arc<Listing>>,
    /// What must be listed again.
    stale: Arc<Listener>,
    stop: CancellationToken,
}

impl Slot {
    fn new() -> Self {
        Self {
            marks: 0,
            fresh: 0,
            since: Instant::now(),
            noisy: false,
            told: false,
            found: None,
            listing: None,
            stale: Listener::new(Kinds::ALL),
            stop: CancellationToken::new(),
        }
    }

    /// Calls for lists.
    fn mark(&mut self, kinds: Kinds) {
        if self.fresh == self.marks {
            self.since = Instant::now();
        }
        self.marks += 1;
        self.stale.tell(kinds);
    }

    /// Takes over what was found out up to a mark.
    fn answer(&mut self, mark: u64) {
        self.fresh = mark;
        self.since = Instant::now();
    }

    fn is_settled(&self) -> bool {
        self.fresh == self.marks || (self.noisy && self.fresh > 0)
    }

    /// Until when a list waits for it.
    fn deadline(&self, list_wait: Duration) -> Option<Instant> {
        let wait = if self.fresh == 0 { list_wait } else { list_wait.min(FRESH_WAIT) };
        (!self.is_settled()).then(|| self.since + wait)
    }
}

enum Found {
    Listing(Arc<Listing>),
    /// It could not be listed; what was known before stays.
    Nothing,
}

impl Directory {
    pub(crate) fn new(
        config: Arc<FrontConfig>,
        announcer: Arc<Announcer>,
        sessions: Arc<Sessions>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config: ArcSwap::new(config),
            sessions,
            run: OnceLock::new(),
            announcer,
            view: ArcSwap::default(),
            state: Mutex::default(),
            dirty: Notify::new(),
            merges: watch::Sender::new(0),
            events: Mutex::default(),
            settled: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            served: AtomicBool::new(false),
        })
    }

    /// What is known now. Never waits.
    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// What a session sees, noted as seen by a client, which will be told when it changes.
    pub(crate) fn serve(&self, session: Option<&Session>) -> Arc<View> {
        self.served.store(true, Ordering::Release);
        self.view_of(session)
    }

    /// The servers in the order of the configuration.
    fn order(&self) -> Vec<Arc<str>> {
        self.lock().order.clone()
    }

    /// Waits until every server has been listed or has failed, or has had its time; and until changes are in that servers told before this
    /// was called.
    pub(crate) async fn wait(self: &Arc<Self>) {
        self.note_events();
        if self.settled.load(Ordering::Acquire) {
            return;
        }
        let mut merges = self.merges.subscribe();
        while !self.settled.load(Ordering::Acquire) {
            let Some(deadline) = self.deadline() else { return self.tell_missing() };
            tokio::select! {
                changed = merges.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    /// Says, once for each server, that lists are given without it.
    fn tell_missing(&self) {
        let mut missing = Vec::new();
        {
            let mut state = self.lock();
            let State { order, slots } = &mut *state;
            for server in order.iter() {
                let Some(slot) = slots.get_mut(server).filter(|slot| slot.fresh == 0 && !slot.told) else {
                    continue;
                };
                slot.told = true;
                missing.push((Arc::clone(server), slot.since.elapsed().as_secs()));
            }
        }
        for (server, seconds) in missing {
            let is_up = self.run.get().is_some_and(|run| run.pool.peek(&server, &Owner::Shared).is_some());
            let what = if is_up { "listed what it offers" } else { "answered `initialize`" };
            tracing::warn!(
                "server `{server}` has not {what} after {seconds} s: lists are given without it; \
                 clients are told by list_changed when it is there"
            );
        }
    }

    /// Waits until every server has been listed once or has failed, for at most this long. For who asks by name for what no server has shown
    /// yet: a list is given without a slow server after a while, but "unknown" would be a wrong answer about it.
    pub(crate) async fn wait_for_first(&self, limit: Duration) {
        let mut merges = self.merges.subscribe();
        let first = async {
            while self.lock().slots.values().any(|slot| slot.fresh == 0) {
                if merges.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(limit, first).await;
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
        let waiting = state.slots.values().filter_map(|slot| slot.deadline(list_wait));
        waiting.max().filter(|deadline| *deadline > Instant::now())
    }

    /// Takes over the set of servers, in order. Returns those that are new, each with what its task needs.
    fn replace(&self, servers: &[Arc<str>]) -> Vec<(Arc<str>, Arc<Listener>, CancellationToken)> {
        let mut state = self.lock();
        let mut old = std::mem::take(&mut state.slots);
        let mut new = Vec::new();
        state.order = servers.to_vec();
        for server in servers {
            let mut slot = old.remove(server).unwrap_or_else(|| {
                let slot = Slot::new();
                new.push((Arc::clone(server), Arc::clone(&slot.stale), slot.stop.clone()));
                slot
            });
            // Another entry under the old name may offer other things.
            slot.mark(Kinds::ALL);
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
        let mut state = self.lock();
        for (name, slot) in &mut state.slots {
            if server.is_none_or(|server| **name == *server) {
                slot.mark(kinds);
            }
        }
        self.settle(&state);
    }

    /// Whether a server was tried and has no list.
    fn has_failed(&self, server: &str) -> bool {
        self.lock().slots.get(server).is_some_and(|slot| slot.fresh == slot.marks && slot.listing.is_none())
    }

    /// A server's task begins to fetch; gives the mark that the result will answer.
    fn begin(&self, server: &str, noisy: bool) -> u64 {
        let mut state = self.lock();
        let Some(slot) = state.slots.get_mut(server) else { return 0 };
        slot.noisy = noisy;
        let mark = slot.marks;
        self.settle(&state);
        mark
    }

    /// Takes what a server's task has found out.
    fn publish(&self, server: &str, mark: u64, found: Found) {
        if let Some(slot) = self.lock().slots.get_mut(server) {
            slot.found = Some((mark, found));
        }
        self.dirty.notify_one();
    }

    /// Merges whatever has come in, again and again. Fifty servers that come up together cost a few merges and not fifty.
    async fn merge(&self) {
        // What the operator was told already, as long as it holds.
        let mut said: HashSet<String> = HashSet::new();
        loop {
            self.dirty.notified().await;
            let (servers, merged) = self.collect();
            let view = View::merge(servers, &self.order(), &self.config.load());
            for note in unsaid(&mut said, &view.notes) {
                tracing::warn!("{note}");
            }
            let old = self.view.swap(Arc::new(view));
            let changed = self.view.load().differs(&old);
            let mut state = self.lock();
            for (server, mark) in &merged {
                if let Some(slot) = state.slots.get_mut(server) {
                    slot.answer(*mark);
                }
            }
            self.settle(&state);
            drop(state);
            if !changed.is_empty() && self.served.load(Ordering::Acquire) {
                self.announcer.announce(changed);
            }
            self.merges.send_modify(|merges| *merges += 1);
        }
    }

    /// The lists of all servers in order, and the servers of which something new is in them, with the marks that this answers.
    fn collect(&self) -> (Vec<view::Listed>, Vec<(Arc<str>, u64)>) {
        let mut state = self.lock();
        let mut merged = Vec::new();
        for (server, slot) in &mut state.slots {
            let Some((mark, found)) = slot.found.take() else { continue };
            if let Found::Listing(listing) = found {
                slot.listing = Some(listing);
            }
            merged.push((Arc::clone(server), mark));
        }
        let listing = |server: &Arc<str>| {
            Some((Arc::clone(server), Arc::clone(state.slots.get(server)?.listing.as_ref()?)))
        };
        (state.order.iter().filter_map(listing).collect(), merged)
    }

    fn settle(&self, state: &State) {
        self.settled.store(state.slots.values().all(Slot::is_settled), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of the notes were not said already. What holds no longer is forgotten, so that it is said again when it comes back.
fn unsaid<'a>(said: &mut HashSet<String>, notes: &'a [String]) -> Vec<&'a str> {
    let now: HashSet<String> = notes.iter().cloned().collect();
    let mut new: Vec<&str> = notes.iter().filter(|note| !said.contains(*note)).map(String::as_str).collect();
    new.dedup();
    *said = now;
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_is_said_once() {
        let mut said = HashSet::new();
        let [one, two] = ["one".to_owned(), "two".to_owned()];
        assert_eq!(unsaid(&mut said, std::slice::from_ref(&one)), ["one"]);
        assert_eq!(unsaid(&mut said, &[one.clone(), two.clone()]), ["two"]);
        assert_eq!(unsaid(&mut said, std::slice::from_ref(&two)), [""; 0]);
        assert_eq!(unsaid(&mut said, &[one, two]), ["one"]);
    }
}
