//! The pool: who wants a client gets one.

use crate::attempt::Attempt;
use crate::client::Close;
use crate::core::{Core, Servers, later};
use crate::event::Event;
use crate::server::{Found, Handed, Server, Slot, Use};
use crate::status::ServerStatus;
use crate::{AcquireError, Client, Declared, Owner, PoolConfig, ServerEntry, start};
use host_provisioner::{Lifetime, ProgressSink, ReleaseReason};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One MCP client per server and owner.
pub struct Pool {
    core: Arc<Core>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("clients", &self.core.live.load(Ordering::SeqCst))
            .finish_non_exhaustive()
    }
}

/// What was not taken down at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Name of the server.
    pub server: Arc<str>,
    /// Id of the lease, the key of the provisioner's ledger.
    pub lease: String,
    /// What went wrong; `None` if it was not even tried or is still going on.
    pub text: Option<String>,
}

/// How the shutdown went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// What was not taken down.
    pub unfinished: Vec<Unfinished>,
    /// Tasks of the pool that did not end; anything but zero is a defect of ours or of a provisioner.
    pub stuck_tasks: usize,
}

/// One who waits for an attempt. Going away, it gives its place up.
struct Waiter<'a> {
    server: &'a Server,
    owner: &'a Owner,
    attempt: Arc<Attempt>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.server.leave(self.owner, &self.attempt);
    }
}

impl Pool {
    /// A pool of these servers, none of them up. Nothing is started before somebody asks.
    #[must_use]
    pub fn new(entries: Vec<ServerEntry>, config: PoolConfig) -> Arc<Self> {
        let pool = Arc::new(Self { core: Core::new(config) });
        pool.replace_servers(entries);
        pool
    }

    /// Takes a new set of servers. Those that are asked for exactly as before keep their clients; clients of the others finish their calls
    /// within the drain timeout and end, which this does not wait for. Must be called within a runtime if clients exist.
    pub fn replace_servers(&self, entries: Vec<ServerEntry>) {
        let old = self.core.servers.load_full();
        let mut servers: Servers = HashMap::with_capacity(entries.len());
        for entry in entries {
            if servers.contains_key(entry.spec.name.as_str()) {
                tracing::warn!(server = entry.spec.name, "a second server of this name is left out");
                continue;
            }
            let kept = old.get(entry.spec.name.as_str()).filter(|server| server.is(&entry)).cloned();
            let server = kept.unwrap_or_else(|| Server::new(entry, Arc::clone(&self.core.live)));
            servers.insert(Arc::clone(&server.name), server);
        }
        let new = Arc::new(servers);
        self.core.servers.store(Arc::clone(&new));
        for (name, server) in old.iter() {
            if !new.get(name).is_some_and(|kept| Arc::ptr_eq(kept, server)) {
                let drain = Some(later(self.core.config.drain_timeout));
                let text = "the server was removed or changed";
                end_all(server.take_all(true), ReleaseReason::Ended, text, drain);
            }
        }
    }

    /// The client of this owner, if it is there: no waiting, no allocation.
    #[must_use]
    pub fn peek(&self, server: &str, owner: &Owner) -> Option<Arc<Client>> {
        let servers = self.core.servers.load();
        let server = servers.get(server)?;
        server.peek(server.owner(owner), Use::Calls)
    }

    /// The client of this owner, brought up if need be. All who want the same one share one attempt, which goes on when one of them leaves
    /// and ends when all have left; a failure is told to those who waited and then forgotten. `progress` hears what happens meanwhile.
    ///
    /// A session that has none yet gets the one that was started to list, if nobody shares that one for calls and it was told of its client
    /// what is true of this one.
    ///
    /// # Errors
    /// There is no such server, it did not come up, the cap is reached, or nobody wants it any more.
    pub async fn acquire(
        &self,
        name: &str,
        owner: &Owner,
        progress: Option<Arc<dyn ProgressSink>>,
    ) -> Result<Arc<Client>, AcquireError> {
        self.bring(name, owner, Use::Calls, progress).await
    }

    /// A client of nobody's, for lists that everybody is shown. It may become a session's own afterwards, and ends when it is not needed
    /// any more ([`Pool::listed`]).
    ///
    /// # Errors
    /// As [`Pool::acquire`].
    pub async fn acquire_to_list(&self, name: &str) -> Result<Arc<Client>, AcquireError> {
        self.bring(name, &Owner::Shared, Use::Lists, None).await
    }

    /// Everything that was to be listed with [`Pool::acquire_to_list`] is listed: its client ends if nobody uses it and a session has one.
    pub fn listed(&self, name: &str) {
        if let Some(server) = self.core.servers.load().get(name) {
            server.end_lister();
        }
    }

    /// Somebody without a session wants to hear when lists change: clients that were started to list are kept for that, as long as the pool
    /// keeps unused ones.
    pub fn keep_listers(&self) {
        self.core.servers.load().values().for_each(|server| server.keep_lister());
    }

    /// Whether a server spoke the modern era when it was up the last time; `None` before that.
    #[must_use]
    pub fn spoke_modern(&self, server: &str) -> Option<bool> {
        self.core.servers.load().get(server)?.spoke()
    }

    async fn bring(
        &self,
        name: &str,
        owner: &Owner,
        use_for: Use,
        progress: Option<Arc<dyn ProgressSink>>,
    ) -> Result<Arc<Client>, AcquireError> {
        let mut waited = false;
        loop {
            let found = self.core.servers.load().get(name).cloned();
            let Some(server) = found else { return Err(AcquireError::UnknownServer(Arc::from(name))) };
            let owner = server.owner(owner);
            let attempt = match server.find(owner, use_for) {
                Found::Ready(client) => return Ok(client),
                Found::Starting(attempt) => attempt,
                // Replaced just now: the new one is in the map already.
                Found::Retired => continue,
                Found::Nothing => match self.hand_over(&server, owner, !waited) {
                    Handed::Client(client) => return Ok(client),
                    Handed::Soon(attempt) => {
                        waited = true;
                        match wait(&server, &Owner::Shared, attempt, progress.as_ref()).await {
                            Ok(_) | Err(AcquireError::Retired) => continue,
                            Err(error) => return Err(error),
                        }
                    }
                    Handed::Nothing => match self.begin(&server, owner, use_for)? {
                        Found::Ready(client) => return Ok(client),
                        Found::Starting(attempt) => attempt,
                        Found::Retired | Found::Nothing => continue,
                    },
                },
            };
            let outcome = wait(&server, owner, attempt, progress.as_ref()).await;
            let current = self.core.servers.load().get(&server.name).cloned();
            // The server was changed while it came up: what is wanted is the new one.
            if matches!(outcome, Err(AcquireError::Retired))
                && !current.is_some_and(|current| Arc::ptr_eq(&current, &server))
            {
                continue;
            }
            return outcome;
        }
    }

    /// What this owner can have of the client that was started to list.
    fn hand_over(&self, server: &Server, owner: &Owner, may_wait: bool) -> Handed {
        // A legacy server was told once what its client can be asked for, and of this one that was nothing.
        let asked_nothing = self.core.declared(owner).is_none();
        let handed = server.hand_over(owner, may_wait, |modern| modern || asked_nothing);
        if let Handed::Client(_) = &handed {
            tracing::debug!(server = %server.name, "a session takes over the instance that was started to list");
        }
        handed
    }

    /// Starts an attempt, if the cap allows it and nobody else did by now.
    fn begin(&self, server: &Arc<Server>, owner: &Owner, use_for: Use) -> Result<Found, AcquireError> {
        let stopping = self.core.admission.lock().unwrap_or_else(PoisonError::into_inner);
        if *stopping {
            return Err(AcquireError::ShuttingDown);
        }
        if let Some(cap) = self.core.config.cap
            && !server.occupies(owner)
        {
            while self.core.live.load(Ordering::SeqCst) >= cap {
                if !self.evict() {
                    return Err(AcquireError::Busy { cap });
                }
            }
        }
        let attempt = match server.begin(owner, use_for) {
            Ok(attempt) => attempt,
            Err(found) => return Ok(found),
        };
        drop(stopping);
        let run = start::run(Arc::clone(&self.core), Arc::clone(server), owner.clone(), Arc::clone(&attempt));
        self.core.tracker.spawn(run);
        Ok(Found::Starting(attempt))
    }

    /// Ends the client that was idle the longest. False if all are in use.
    fn evict(&self) -> bool {
        let servers = self.core.servers.load();
        loop {
            let idlest = servers.values().filter_map(|server| Some((server.idlest()?, server)));
            let Some(((_, client), server)) = idlest.min_by_key(|((used, _), _)| *used) else {
                return false;
            };
            if server.remove(&client, || client.is_idle()) {
                let text = "its place was needed";
                client.close(Close { reason: ReleaseReason::Ended, text, drain: None });
                return true;
            }
        }
    }

    /// Says what the client of a session can be asked for. Servers that are started for it from now on are told; one that everybody shares
    /// is told nothing, because nobody knows whom its requests would be meant for. Forgotten with [`Pool::end_session`].
    pub fn declare(&self, session: &str, declared: Declared) {
        self.core.declare(session, Some(declared));
    }

    /// Whether this server has one instance for everybody. `None` if there is no such server.
    #[must_use]
    pub fn is_shared(&self, server: &str) -> Option<bool> {
        let servers = self.core.servers.load();
        servers.get(server).map(|server| server.spec.lifetime == Lifetime::Shared)
    }

    /// The clients that this owner has now, in no order. Of shared servers those that everybody uses.
    #[must_use]
    pub fn clients(&self, owner: &Owner) -> Vec<Arc<Client>> {
        let servers = self.core.servers.load();
        servers.values().filter_map(|server| server.peek(server.owner(owner), Use::Lists)).collect()
    }

    /// A session has ended: its clients end, calls in flight included, and what comes up for it is given up. Does not wait for the end.
    pub fn end_session(&self, session: &str) {
        self.core.declare(session, None);
        let owner = Owner::Session(Arc::from(session));
        let slots = self.core.servers.load().values().filter_map(|server| server.take(&owner)).collect();
        end_all(slots, ReleaseReason::Ended, "the session has ended", None);
    }

    /// How all servers fare, by name.
    #[must_use]
    pub fn statuses(&self) -> Vec<ServerStatus> {
        let mut statuses: Vec<_> = self.core.servers.load().values().map(|server| server.status()).collect();
        statuses.sort_by(|one, other| one.name.cmp(&other.name));
        statuses
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.core.events.subscribe()
    }

    /// Ends everything: nothing is started any more, what comes up is given up, calls in flight may finish within `drain` or until `cut`, all
    /// leases are given back within their own limit. Says what was not taken down. Does not call [`host_provisioner::Provisioner::shutdown`],
    /// which follows.
    pub async fn shutdown(&self, drain: Duration, cut: CancellationToken) -> ShutdownReport {
        let core = &self.core;
        *core.admission.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let until = later(drain);
        for server in core.servers.load().values() {
            end_all(
                server.take_all(false),
                ReleaseReason::Shutdown,
                "the gateway is shutting down",
                Some(until),
            );
        }
        core.tracker.close();
        tokio::select! {
            () = core.tracker.wait() => {}
            () = tokio::time::sleep_until(until) => {}
            () = cut.cancelled() => {}
        }
        // Also those that were draining before.
        core.cut.cancel();
        // Releases have limits of their own; this one only guards against a task that does not end.
        let limit = core.config.release_timeout + Duration::from_secs(1);
        let ended = tokio::time::timeout(limit, core.tracker.wait()).await;
        let stuck_tasks = if ended.is_ok() { 0 } else { core.tracker.len() };
        let unfinished =
            core.held().into_iter().map(|(server, lease, text)| Unfinished { server, lease, text });
        ShutdownReport { unfinished: unfinished.collect(), stuck_tasks }
    }
}

/// Waits for an attempt that was joined, and shows its progress.
async fn wait(
    server: &Server,
    owner: &Owner,
    attempt: Arc<Attempt>,
    progress: Option<&Arc<dyn ProgressSink>>,
) -> Result<Arc<Client>, AcquireError> {
    if let Some(progress) = progress {
        attempt.watch(Arc::clone(progress));
    }
    let waiter = Waiter { server, owner, attempt };
    waiter.attempt.outcome().await
}

/// Ends what was in these slots.
fn end_all(slots: Vec<Slot>, reason: ReleaseReason, text: &'static str, drain: Option<Instant>) {
    for slot in slots {
        match slot {
            Slot::Starting(attempt) => {
                attempt.cancelled.cancel();
                attempt.finish(Err(match reason {
                    ReleaseReason::Shutdown => AcquireError::ShuttingDown,
                    _ => AcquireError::Retired,
                }));
            }
            Slot::Ready(client) => client.close(Close { reason, text, drain }),
        }
    }
}
