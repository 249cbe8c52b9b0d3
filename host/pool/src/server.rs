//! One server: its clients, one slot per owner, and how it fared so far.

use crate::attempt::Attempt;
use crate::client::Close;
use crate::status::{ServerState, ServerStatus};
use crate::{Client, Owner, ServerEntry};
use host_provisioner::{Failure, FieldReport, Lifetime, Provisioner, ReleaseReason, ServerSpec};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::time::Instant;

/// What an owner has.
pub(crate) enum Slot {
    Starting(Arc<Attempt>),
    Ready(Arc<Client>),
}

impl Slot {
    /// Whether it leads to a client that lives.
    fn is_good(&self) -> bool {
        match self {
            Self::Starting(_) => true,
            Self::Ready(client) => client.is_alive(),
        }
    }
}

/// What a client is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Calls and whatever else a client of the gateway does. One that is shared for that stays shared.
    Calls,
    /// Lists for everybody, and looking at it.
    Lists,
}

/// What a session gets of the instance that was started to list.
pub(crate) enum Handed {
    /// The instance.
    Client(Arc<Client>),
    /// Its attempt, joined: it can be asked for again when that is over.
    Soon(Arc<Attempt>),
    Nothing,
}

#[derive(Default)]
struct Slots {
    map: HashMap<Owner, Slot>,
    /// Removed or changed: takes no more clients.
    retired: bool,
}

/// What somebody who wants a client finds.
pub(crate) enum Found {
    Ready(Arc<Client>),
    /// An attempt, joined.
    Starting(Arc<Attempt>),
    Nothing,
    Retired,
}

struct Health {
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

/// One server.
///
/// *Invariant:* `live` counts the slots of all servers; it changes only here, under the lock of the slots.
pub(crate) struct Server {
    pub(crate) spec: Arc<ServerSpec>,
    pub(crate) provisioner: Arc<dyn Provisioner>,
    pub(crate) name: Arc<str>,
    slots: RwLock<Slots>,
    health: Mutex<Health>,
    live: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn new(entry: ServerEntry, live: Arc<AtomicUsize>) -> Arc<Self> {
        let name = Arc::from(entry.spec.name.as_str());
        Arc::new(Self {
            spec: entry.spec,
            provisioner: entry.provisioner,
            name,
            slots: RwLock::default(),
            health: Mutex::new(Health {
                last_failure: None,
                failed_at: None,
                failed: false,
                fields: Arc::from([]),
                deaths: 0,
                not_before: None,
                changed: Instant::now(),
                modern: None,
            }),
            live,
        })
    }

    /// Whether an entry asks for exactly this server.
    pub(crate) fn is(&self, entry: &ServerEntry) -> bool {
        let same =
            Arc::as_ptr(&self.provisioner).cast::<()>() == Arc::as_ptr(&entry.provisioner).cast::<()>();
        same && (Arc::ptr_eq(&self.spec, &entry.spec) || self.spec == entry.spec)
    }

    /// The owner of the client that this caller uses.
    pub(crate) fn owner<'a>(&self, caller: &'a Owner) -> &'a Owner {
        match self.spec.lifetime {
            Lifetime::Shared => &Owner::Shared,
            Lifetime::Session | Lifetime::Call => caller,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client of this owner, if it is there and lives.
    pub(crate) fn peek(&self, owner: &Owner, use_for: Use) -> Option<Arc<Client>> {
        match self.read().map.get(owner) {
            Some(Slot::Ready(client)) if client.is_free() => {
                // Under the lock, so that it is not handed over meanwhile.
                if use_for == Use::Calls && *owner == Owner::Shared {
                    client.claim();
                }
                Some(Arc::clone(client))
            }
            _ => None,
        }
    }

    /// What is there for this owner. An attempt is joined, which the caller undoes with [`Self::leave`].
    pub(crate) fn find(&self, owner: &Owner, use_for: Use) -> Found {
        Self::found(&self.read(), owner, use_for)
    }

    fn found(slots: &Slots, owner: &Owner, use_for: Use) -> Found {
        let claims = use_for == Use::Calls && *owner == Owner::Shared;
        match slots.map.get(owner) {
            _ if slots.retired => Found::Retired,
            Some(Slot::Ready(client)) if client.is_free() => {
                if claims {
                    client.claim();
                }
                Found::Ready(Arc::clone(client))
            }
            Some(Slot::Starting(attempt)) => {
                attempt.join();
                if claims {
                    attempt.claimed.store(true, Ordering::Release);
                }
                Found::Starting(Arc::clone(attempt))
            }
            _ => Found::Nothing,
        }
    }

    /// Makes the instance that was started to list the session's own, if it is there, nobody shares it for calls, and what it was told of its
    /// client `fits` this one's (given whether it speaks the modern era, which tells it with each call). Nothing of one client's calls can be in it.
    pub(crate) fn hand_over(&self, owner: &Owner, may_wait: bool, fits: impl Fn(bool) -> bool) -> Handed {
        if self.spec.lifetime == Lifetime::Shared || *owner == Owner::Shared {
            return Handed::Nothing;
        }
        let spoke = self.spoke();
        let mut slots = self.write();
        if slots.retired || slots.map.get(owner).is_some_and(Slot::is_good) {
            return Handed::Nothing;
        }
        match slots.map.get(&Owner::Shared) {
            Some(Slot::Ready(client))
                if client.is_free() && !client.is_claimed() && fits(client.era().is_modern()) =>
            {
                let client = Arc::clone(client);
                slots.map.remove(&Owner::Shared);
                client.wire.give(owner);
                // It takes the place of a dead one that its keeper has not removed yet, which was counted as well.
                if slots.map.insert(owner.clone(), Slot::Ready(Arc::clone(&client))).is_some() {
                    self.live.fetch_sub(1, Ordering::SeqCst);
                }
                Handed::Client(client)
            }
            Some(Slot::Starting(attempt))
                if may_wait
                    && fits(spoke == Some(true))
                    && !attempt.claimed.load(Ordering::Acquire)
                    && !attempt.promised.swap(true, Ordering::AcqRel) =>
            {
                attempt.join();
                Handed::Soon(Arc::clone(attempt))
            }
            _ => Handed::Nothing,
        }
    }

    /// Notes that somebody without a session wants to hear of changes: the instance that lists is kept for that.
    pub(crate) fn keep_lister(&self) {
        match self.read().map.get(&Owner::Shared) {
            Some(Slot::Ready(client)) => client.claim(),
            Some(Slot::Starting(attempt)) => attempt.claimed.store(true, Ordering::Release),
            None => {}
        }
    }

    /// Ends the instance that was started to list, if nobody uses it and a session has one of its own, which tells of changes.
    pub(crate) fn end_lister(&self) {
        if self.spec.lifetime == Lifetime::Shared {
            return;
        }
        let ended = {
            let mut slots = self.write();
            let sessions = slots.map.iter().any(|(owner, slot)| {
                *owner != Owner::Shared && matches!(slot, Slot::Ready(client) if client.is_alive())
            });
            match slots.map.get(&Owner::Shared) {
                Some(Slot::Ready(client)) if sessions && !client.is_claimed() && client.is_idle() => {
                    self.live.fetch_sub(1, Ordering::SeqCst);
                    slots.map.remove(&Owner::Shared)
                }
                _ => None,
            }
        };
        if let Some(Slot::Ready(client)) = ended {
            let text = "it was started to list, and a session has one of its own";
            client.close(Close { reason: ReleaseReason::Ended, text, drain: None });
        }
    }

    /// Puts a new attempt in the slot, unless something is there by now.
    pub(crate) fn begin(&self, owner: &Owner, use_for: Use) -> Result<Arc<Attempt>, Found> {
        let mut slots = self.write();
        match Self::found(&slots, owner, use_for) {
            Found::Nothing => {}
            found => return Err(found),
        }
        let attempt = Attempt::new();
        attempt.claimed.store(use_for == Use::Calls, Ordering::Release);
        // A dead client that its keeper has not removed yet was counted already.
        if slots.map.insert(owner.clone(), Slot::Starting(Arc::clone(&attempt))).is_none() {
            self.live.fetch_add(1, Ordering::SeqCst);
        }
        Ok(attempt)
    }

    /// Whether the slot holds something that counts.
    pub(crate) fn occupies(&self, owner: &Owner) -> bool {
        self.read().map.contains_key(owner)
    }

    fn remove_if(&self, owner: &Owner, matches: impl FnOnce(&Slot) -> bool) -> Option<Slot> {
        let mut slots = self.write();
        match slots.map.entry(owner.clone()) {
            Entry::Occupied(entry) if matches(entry.get()) => {
                self.live.fetch_sub(1, Ordering::SeqCst);
                Some(entry.remove())
            }
            _ => None,
        }
    }

    /// One who waited for the attempt goes. With the last one the attempt ends.
    pub(crate) fn leave(&self, owner: &Owner, attempt: &Arc<Attempt>) {
        // The decision and the removal happen under the lock, so that nobody joins in between.
        let last = self.remove_if(owner, |slot| {
            matches!(slot, Slot::Starting(current) if Arc::ptr_eq(current, attempt)) && attempt.leave()
        });
        if last.is_some() {
            attempt.cancelled.cancel();
        }
    }

    /// Puts the client where its attempt was. False if the attempt was given up.
    pub(crate) fn settle(&self, owner: &Owner, attempt: &Arc<Attempt>, client: &Arc<Client>) -> bool {
        let mut slots = self.write();
        match slots.map.get_mut(owner) {
            Some(slot @ Slot::Starting(_)) => {
                if !matches!(slot, Slot::Starting(current) if Arc::ptr_eq(current, attempt)) {
                    return false;
                }
                if attempt.claimed.load(Ordering::Acquire) {
                    client.claim();
                }
                *slot = Slot::Ready(Arc::clone(client));
                true
            }
            _ => false,
        }
    }

    /// Empties the slot of an attempt that failed.
    pub(crate) fn clear(&self, owner: &Owner, attempt: &Arc<Attempt>) {
        self.remove_if(
            owner,
            |slot| matches!(slot, Slot::Starting(current) if Arc::ptr_eq(current, attempt)),
        );
    }

    /// Empties the slot of a client that ends, if `also` still holds under the lock.
    pub(crate) fn remove(&self, client: &Arc<Client>, also: impl FnOnce() -> bool) -> bool {
        let mut slots = self.write();
        // Asked under the lock, under which alone it changes.
        match slots.map.entry(client.owner()) {
            Entry::Occupied(entry)
                if matches!(entry.get(), Slot::Ready(current) if Arc::ptr_eq(current, client)) && also() =>
            {
                self.live.fetch_sub(1, Ordering::SeqCst);
                entry.remove();
                true
            }
            _ => false,
        }
    }

    /// Empties the slot of an owner, whatever is in it.
    pub(crate) fn take(&self, owner: &Owner) -> Option<Slot> {
        self.remove_if(owner, |_| true)
    }

    /// Empties all slots. With `retire` none is ever filled again.
    pub(crate) fn take_all(&self, retire: bool) -> Vec<Slot> {
        let mut slots = self.write();
        slots.retired |= retire;
        let all: Vec<_> = slots.map.drain().map(|(_, slot)| slot).collect();
        self.live.fetch_sub(all.len(), Ordering::SeqCst);
        all
    }

    /// The client without calls in flight that was used the longest time ago, and when.
    pub(crate) fn idlest(&self) -> Option<(Instant, Arc<Client>)> {
        let slots = self.read();
        let idle = slots.map.values().filter_map(|slot| match slot {
            Slot::Ready(client) if client.is_idle() => Some((client.wire.last_used(), client)),
            _ => None,
        });
        idle.min_by_key(|idle| idle.0).map(|(used, client)| (used, Arc::clone(client)))
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
