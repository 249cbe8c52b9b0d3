//! The lists of one session, where its own servers offer something else than those that everybody is shown.
//!
//! A server that is not shared runs once per session, and what it offers may depend on the session: on what was called before, or on what
//! the client can do. The merged view is made from an instance that belongs to nobody; a session whose instance lists the same has nothing
//! here but that knowledge, and a session whose instance lists something else sees that in the same order and under the same rules.

use super::refresh::{MOST_REFUSALS, fetch};
use super::view::{Listed, Listing, View};
use super::{COALESCE, COALESCE_MOST, Directory, FRESH_WAIT, NOISY};
use crate::announce::Kinds;
use crate::session::Session;
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// See the module. Costs nearly nothing for a session that has used no server yet.
#[derive(Debug, Default)]
pub(crate) struct Own {
    slots: Mutex<HashMap<Arc<str>, Slot>>,
    /// Whether there is a slot. Looked at by every request.
    any: AtomicBool,
    merged: ArcSwapOption<Merged>,
    /// Told whenever a list was fetched.
    fetched: Notify,
}

/// One server of the session.
#[derive(Debug, Default)]
struct Slot {
    /// What its instance lists; `None` before that is known.
    known: Option<Arc<Listing>>,
    /// What must be fetched.
    stale: Kinds,
    /// A task fetches it.
    running: bool,
    /// It says "changed" all the time, so that its newest lists are not worth waiting for.
    noisy: bool,
}

/// The session's view on top of one state of the view of all.
#[derive(Debug)]
struct Merged {
    /// Weak, so that a session that sleeps does not keep lists which nobody else sees any more.
    base: Weak<View>,
    /// `None` if it is the same.
    view: Option<Arc<View>>,
}

impl Own {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that lists of an instance must be fetched. True if nobody is at it yet.
    fn mark(&self, server: &Arc<str>, kinds: Kinds) -> bool {
        let mut slots = self.lock();
        let slot = slots.entry(Arc::clone(server)).or_default();
        slot.stale = slot.stale.with(kinds);
        self.any.store(true, Ordering::Release);
        !std::mem::replace(&mut slot.running, true)
    }

    /// What to fetch, on top of what; `None` if there is nothing left, and then nobody is at it any more.
    fn begin(&self, server: &str, noisy: bool) -> Option<(Kinds, Option<Arc<Listing>>)> {
        let mut slots = self.lock();
        let slot = slots.get_mut(server)?;
        slot.noisy = noisy;
        let kinds = std::mem::take(&mut slot.stale);
        slot.running = !kinds.is_empty();
        let work = slot.running.then(|| (kinds, slot.known.clone()));
        drop(slots);
        if noisy || work.is_none() {
            self.fetched.notify_waiters();
        }
        work
    }

    /// Lists of an instance could not be fetched: whoever is at it fetches them again.
    fn again(&self, server: &str, kinds: Kinds) {
        if let Some(slot) = self.lock().get_mut(server) {
            slot.stale = slot.stale.with(kinds);
        }
    }

    /// Takes what an instance lists.
    fn publish(&self, server: &str, listing: Arc<Listing>) {
        if let Some(slot) = self.lock().get_mut(server) {
            slot.known = Some(listing);
        }
        self.merged.store(None);
    }

    /// Whether lists are being fetched that are worth waiting for.
    fn is_waiting(&self) -> bool {
        self.any.load(Ordering::Acquire) && self.lock().values().any(|slot| slot.running && !slot.noisy)
    }

    /// Waits until changes are in that the session's servers have told, for as long as that is bearable.
    pub(crate) async fn wait(&self) {
        if !self.is_waiting() {
            return;
        }
        let until = Instant::now() + FRESH_WAIT;
        loop {
            let fetched = self.fetched.notified();
            tokio::pin!(fetched);
            fetched.as_mut().enable();
            if !self.is_waiting() || tokio::time::timeout_at(until, fetched).await.is_err() {
                return;
            }
        }
    }

    /// The session's view on top of `base`; `None` if they are the same.
    pub(crate) fn over(&self, directory: &Directory, base: &Arc<View>) -> Option<Arc<View>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        if let Some(merged) = &*self.merged.load()
            && std::ptr::eq(merged.base.as_ptr(), Arc::as_ptr(base))
        {
            return merged.view.clone();
        }
        let mut differs = false;
        let known: HashMap<&str, &Arc<Listing>> =
            base.servers.iter().map(|(server, listing)| (&**server, listing)).collect();
        let slots = self.lock();
        let listed = |server: &Arc<str>| -> Option<Listed> {
            let base = known.get(&**server).copied();
            let own = slots.get(server).and_then(|slot| slot.known.as_ref());
            let own = own.filter(|own| base.is_none_or(|base| !Arc::ptr_eq(own, base) && own != &base));
            differs |= own.is_some();
            Some((Arc::clone(server), Arc::clone(own.or(base)?)))
        };
        let order = directory.order();
        let servers: Vec<Listed> = order.iter().filter_map(listed).collect();
        drop(slots);
        let view = differs.then(|| Arc::new(View::merge(servers, &order, &directory.config.load())));
        self.merged.store(Some(Arc::new(Merged { base: Arc::downgrade(base), view: view.clone() })));
        view
    }
}

impl Directory {
    /// What a server lists for everybody.
    fn listed(&self, server: &str) -> Option<Arc<Listing>> {
        let view = self.view.load();
        view.servers.iter().find(|(name, _)| **name == *server).map(|(_, listing)| Arc::clone(listing))
    }

    /// What a session sees. Never waits.
    pub(crate) fn view_of(&self, session: Option<&Session>) -> Arc<View> {
        let base = self.view.load_full();
        session.and_then(|session| session.own.over(self, &base)).unwrap_or(base)
    }

    /// Lists of a session's instance of a server must be fetched.
    pub(super) fn mark_own(self: &Arc<Self>, session: &str, server: &Arc<str>, kinds: Kinds) {
        let Some(run) = self.run.get() else { return };
        let Some(session) = self.sessions.get(session) else { return };
        if session.own.mark(server, kinds) {
            let (directory, server) = (Arc::clone(self), Arc::clone(server));
            let (session, stop) = (Arc::downgrade(&session), run.stop.clone());
            run.tasks
                .spawn(async move { stop.run_until_cancelled(keep(&directory, session, &server)).await });
        }
    }
}

/// Fetches what a session's instance of a server lists, for as long as it says that there is something new.
async fn keep(directory: &Directory, session: Weak<Session>, server: &Arc<str>) {
    let mut pause = Duration::ZERO;
    let mut refusals = 0;
    loop {
        let (client, kinds, known) = {
            let Some(session) = session.upgrade() else { return };
            let Some((kinds, known)) = session.own.begin(server, pause >= NOISY) else { return };
            let client = directory.run.get().and_then(|run| run.pool.peek(server, &session.owner));
            (client, kinds, known)
        };
        // An instance that has gone says so with its next beginning.
        let Some(client) = client else { continue };
        // What it does not give, or was not asked for, is what everybody sees, and never nothing: its tools would vanish for the session.
        let before = known.or_else(|| directory.listed(server)).unwrap_or_default();
        let fetched = fetch(&client, kinds, &before).await;
        let Some(session) = session.upgrade() else { return };
        // A list that everybody's instance refuses as well is no accident.
        let refused = fetched.as_ref().map_or(true, |listing| listing.refused && !before.refused);
        match fetched {
            Ok(listing) => {
                let seen = directory.view_of(Some(&session));
                // Most instances list what all of them list: then the text is kept once for all sessions.
                let base = directory.listed(server).filter(|base| **base == listing);
                let listing = base.unwrap_or_else(|| Arc::new(listing));
                session.own.publish(server, listing);
                let changed = directory.view_of(Some(&session)).differs(&seen);
                session.listener.tell(changed);
            }
            Err(problem) => tracing::debug!(server = &**server, "lists of a session: {}", problem.text),
        }
        if refused && refusals < MOST_REFUSALS {
            // It may only have been asked too early, or in the moment in which its session was begun anew.
            refusals += 1;
            session.own.again(server, kinds);
        }
        drop(session);
        pause = (pause * 2).clamp(COALESCE, COALESCE_MOST);
        if pause > COALESCE {
            tokio::time::sleep(pause).await;
        }
    }
}
