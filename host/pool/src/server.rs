//! One server: its clients, one slot per owner, and how it fared so far.

mod health;
mod lister;

pub(crate) use lister::Handed;

use crate::attempt::Attempt;
use crate::{Client, Owner, ServerEntry};
use health::Health;
use host_provisioner::{Lifetime, Provisioner, ServerSpec};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
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

/// One server.
///
/// *Invariant:* `live` counts the slots of all servers; it changes only in this module, under the lock of the slots.
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
            health: Mutex::default(),
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
}
