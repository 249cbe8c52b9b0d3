//! What the pool's tasks share, and the way a lease is given back.

use crate::event::Event;
use crate::server::Server;
use crate::{Declared, Owner, PoolConfig, handshake, outgoing::OwnMeta};
use arc_swap::ArcSwap;
use host_message::Revision;
use host_provisioner::{Call, Lease, ReleaseReason, RequestId, Status};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the platform may take to say why a server has ended.
const CAUSE_LIMIT: Duration = Duration::from_secs(2);

/// Events that may wait for a receiver that is slow.
const EVENTS: usize = 1024;

pub(crate) type Servers = HashMap<Arc<str>, Arc<Server>>;

/// A lease that was not given back: name of the server, and what went wrong if it was tried.
type Held = (Arc<str>, Option<String>);

/// What all tasks of the pool share.
pub(crate) struct Core {
    pub(crate) config: PoolConfig,
    pub(crate) own: OwnMeta,
    pub(crate) servers: ArcSwap<Servers>,
    pub(crate) events: broadcast::Sender<Event>,
    /// Every task is spawned with it, so that shutdown can wait for all.
    pub(crate) tracker: TaskTracker,
    /// Ends all draining.
    pub(crate) cut: CancellationToken,
    /// Clients that exist or are about to.
    pub(crate) live: Arc<AtomicUsize>,
    /// Held while the number of clients is compared with the cap; true once the pool shuts down.
    pub(crate) admission: Mutex<bool>,
    /// What sessions can be asked for, where that is anything.
    declared: Mutex<HashMap<Arc<str>, Declared>>,
    /// Leases that were not given back, by their ids.
    leases: Mutex<BTreeMap<String, Held>>,
}

impl Core {
    pub(crate) fn new(config: PoolConfig) -> Arc<Self> {
        let own = OwnMeta::new(Revision::LATEST.as_str(), &handshake::client_info(&config));
        Arc::new(Self {
            config,
            own,
            servers: ArcSwap::default(),
            events: broadcast::Sender::new(EVENTS),
            tracker: TaskTracker::new(),
            cut: CancellationToken::new(),
            live: Arc::default(),
            admission: Mutex::new(false),
            declared: Mutex::default(),
            leases: Mutex::default(),
        })
    }

    /// What the client of this owner can be asked for.
    pub(crate) fn declared(&self, owner: &Owner) -> Declared {
        let Owner::Session(session) = owner else { return Declared::NONE };
        let declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        declared.get(session).cloned().unwrap_or_default()
    }

    /// Notes it, or forgets it.
    pub(crate) fn declare(&self, session: &str, declared: Option<Declared>) {
        let mut all = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        match declared.filter(|declared| !declared.is_none()) {
            Some(declared) => all.insert(Arc::from(session), declared),
            None => all.remove(session),
        };
    }

    pub(crate) fn emit(&self, event: Event) {
        // Nobody has to listen.
        let _ = self.events.send(event);
    }

    /// Notes that a lease must be given back.
    pub(crate) fn hold(&self, server: &Arc<str>, lease: &Lease) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.insert(lease.id.clone(), (Arc::clone(server), None));
    }

    /// Gives a lease back. Does not inherit anybody's cancellation and has a limit of its own; what fails is logged, and the provisioner
    /// works it off later.
    pub(crate) async fn release(&self, server: &Server, lease: &Lease, reason: ReleaseReason) {
        let limit = self.config.release_timeout;
        let call = Call::new(request_id(), limit);
        let result = tokio::time::timeout(limit, server.provisioner.release(&call, lease, reason)).await;
        let text = match result {
            Ok(Ok(())) => {
                self.leases.lock().unwrap_or_else(PoisonError::into_inner).remove(&lease.id);
                return;
            }
            Ok(Err(failure)) => failure.one_line(),
            Err(_) => format!("no end within {limit:?}"),
        };
        tracing::warn!(server = %server.name, lease = lease.id, error = text, "failed to take the server down");
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.insert(lease.id.clone(), (Arc::clone(&server.name), Some(text)));
    }

    /// Why a server has ended, in the platform's words, which say more than its streams: a trap, a limit, an exit code. `None` if the
    /// platform does not know of an end.
    pub(crate) async fn cause(&self, server: &Server, lease: &Lease) -> Option<String> {
        let call = Call::new(request_id(), CAUSE_LIMIT);
        let health =
            tokio::time::timeout(CAUSE_LIMIT, server.provisioner.probe(&call, lease)).await.ok()?.ok()?;
        (health.status == Status::Ended && !health.text.is_empty()).then_some(health.text)
    }

    /// Leases that were not given back: server, lease, and why if it was tried.
    pub(crate) fn held(&self) -> Vec<(Arc<str>, String, Option<String>)> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.iter().map(|(id, (server, text))| (Arc::clone(server), id.clone(), text.clone())).collect()
    }
}

/// An id for a new request.
pub(crate) fn request_id() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Without random numbers the ids are only unique within this run, which is what their use here needs.
    RequestId::from_bits(getrandom::u64().unwrap_or_else(|_| NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// The moment after this time. Longer than a year is a year: nobody waits that long, and the clock can say it.
pub(crate) fn later(after: Duration) -> Instant {
    Instant::now() + after.min(Duration::from_secs(366 * 24 * 3600))
}
