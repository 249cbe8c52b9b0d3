//! The instance that was started to list: whom it goes to, and when it ends.

use super::{Server, Slot};
use crate::attempt::Attempt;
use crate::client::Close;
use crate::{Client, Owner};
use host_provisioner::{Lifetime, ReleaseReason};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a session gets of the instance that was started to list.
pub(crate) enum Handed {
    /// The instance.
    Client(Arc<Client>),
    /// Its attempt, joined: it can be asked for again when that is over.
    Soon(Arc<Attempt>),
    Nothing,
}

impl Server {
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
}
