//! Another way to a server that lives although its connection broke (`wit/v0.1/lifecycle.wit`, `reconnect`): of servers that all clients share. One
//! of a session is brought up anew for it.

use crate::attempt::Attempt;
use crate::core::{Core, later, request_id};
use crate::server::{Found, Server, Use};
use crate::start::{self, Abandoned, Up, shake};
use crate::{Client, Owner};
use host_provisioner::{Call, Connection, Lease, Lifetime, ProgressSink, Reconnected, ReleaseReason};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tokio::time::{Instant, timeout_at};

/// Holds the place of a client that has died, so that whoever wants the server waits for the way back. `None` where there is none to look for.
pub(crate) fn hold(core: &Core, server: &Server, client: &Client) -> Option<Arc<Attempt>> {
    if server.spec.lifetime != Lifetime::Shared || client.owner() != Owner::Shared {
        return None;
    }
    let stopping = core.admission.lock().unwrap_or_else(PoisonError::into_inner);
    if *stopping {
        return None;
    }
    let use_for = if client.is_claimed() { Use::Calls } else { Use::Lists };
    match server.begin(&Owner::Shared, use_for) {
        Ok(attempt) => Some(attempt),
        Err(found) => {
            if let Found::Starting(other) = found {
                server.leave(&Owner::Shared, &other);
            }
            None
        }
    }
}

/// Looks for the way back. Where there is none, the lease is given back, and those who wait by now get a new server.
pub(crate) async fn run(core: &Arc<Core>, server: &Arc<Server>, attempt: Arc<Attempt>, lease: &Lease) {
    let owner = Owner::Shared;
    let _abandoned = Abandoned(server, &owner, &attempt);
    if let Some(up) = way_back(core, server, &attempt, lease).await {
        tracing::info!(server = %server.name, "the server lives, and has a new connection");
        start::settle(core, server, &owner, &attempt, up);
        return;
    }
    core.release(server, lease, ReleaseReason::Died).await;
    server.leave(&owner, &attempt);
    if !attempt.cancelled.is_cancelled() {
        // Somebody came to wait, and is not to ask twice.
        start::run(Arc::clone(core), Arc::clone(server), owner.clone(), Arc::clone(&attempt)).await;
    }
}

async fn way_back(
    core: &Arc<Core>,
    server: &Arc<Server>,
    attempt: &Arc<Attempt>,
    lease: &Lease,
) -> Option<Up> {
    let deadline = later(server.spec.start_timeout.unwrap_or(core.config.start_timeout));
    // One that keeps dying is left alone a little longer each time, as when it is begun anew.
    if let Some(until) = server.not_before() {
        attempt.backing_off.store(true, Ordering::Relaxed);
        start::pause(attempt, until.min(deadline)).await.ok()?;
        attempt.backing_off.store(false, Ordering::Relaxed);
    }
    let mut call = Call::new(request_id(), deadline.saturating_duration_since(Instant::now()));
    call.cancelled = attempt.cancelled.clone();
    call.progress = Some(Arc::clone(attempt) as Arc<dyn ProgressSink>);
    let found = tokio::select! {
        biased;
        () = attempt.cancelled.cancelled() => return None,
        found = timeout_at(deadline, server.provisioner.reconnect(&call, lease)) => found.ok()?,
    };
    let Reconnected { connection, same_process, lease } = match found {
        Ok(found) => found?,
        Err(failure) => {
            tracing::debug!(server = %server.name, error = failure.one_line(), "no way back to the server");
            return None;
        }
    };
    // Over HTTP another session with it can be begun; on streams a second handshake would be a mistake.
    if same_process && !matches!(connection, Connection::Http(_)) {
        return None;
    }
    core.hold(&server.name, &lease);
    let agreed = tokio::select! {
        biased;
        () = attempt.cancelled.cancelled() => return None,
        agreed = shake(core, server, &Owner::Shared, connection, deadline) => agreed,
    };
    let (wire, agreed) = agreed.ok()?;
    Some(Up::new(core, server, wire, agreed, lease, server.fields()))
}
