//! The task that watches one client from its first call to the release of its lease.

use crate::client::Close;
use crate::core::Core;
use crate::event::Event;
use crate::server::Server;
use crate::{Client, again};
use host_provisioner::{Class, Failure, Lease, Lifetime, Phase, ReleaseReason};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Between two lists of a server.
const LISTED: Duration = Duration::from_secs(1);

/// Why a client ends.
enum End {
    Wished(Close),
    Died,
    Idle,
}

/// Waits until the client has a reason to end, empties its slot, ends it, and gives the lease back. Runs to its end whoever else is
/// cancelled.
pub(crate) async fn keep(
    core: Arc<Core>,
    server: Arc<Server>,
    client: Arc<Client>,
    mut close: oneshot::Receiver<Close>,
    lease: Lease,
) {
    let born = Instant::now();
    let end = tokio::select! {
        biased;
        // The client holds the sender, so it is never just dropped.
        Ok(wish) = &mut close => End::Wished(wish),
        () = client.wire.dead.cancelled() => End::Died,
        () = idle(&server, &client, limit(&server, &core)) => End::Idle,
    };
    server.remove(&client, || true);
    let back = matches!(end, End::Died).then(|| again::hold(&core, &server, &client)).flatten();
    let reason = match &end {
        End::Wished(wish) => wish.reason,
        End::Died => ReleaseReason::Died,
        End::Idle => ReleaseReason::Ended,
    };
    if let End::Wished(Close { drain: Some(until), .. }) = &end {
        tokio::select! {
            () = client.wire.pending.rest() => {}
            () = tokio::time::sleep_until(*until) => {}
            () = core.cut.cancelled() => {}
            () = client.wire.dead.cancelled() => {}
        }
    }
    client.wire.die(match &end {
        End::Wished(wish) => wish.text,
        End::Died | End::Idle => "it was idle",
    });
    core.emit(Event::Ended { server: Arc::clone(&server.name), owner: client.owner(), reason });
    if matches!(end, End::Died) {
        let mut text = format!("the server ended by itself: {}", client.wire.obituary().await);
        if let Some(cause) = core.cause(&server, &lease).await {
            text.push_str(&format!("; {}", client.wire.blotter.text(&cause)));
        }
        tracing::warn!(server = %server.name, error = text, "server died");
        let failure = Failure::new(Phase::Run, Class::Other, text);
        server.died(failure, born.elapsed(), core.config.stable_after, core.config.longest_backoff);
    } else {
        server.went();
    }
    match back {
        None => core.release(&server, &lease, reason).await,
        Some(attempt) => {
            client.wire.finish();
            // Rare, and large: every client that lives has this task.
            Box::pin(again::run(&core, &server, attempt, &lease)).await;
        }
    }
    client.wire.finish();
}

/// How long it is kept unused. One that is for a single call stays, without that call, as long as it takes to read its lists.
fn limit(server: &Server, core: &Core) -> Option<Duration> {
    match server.spec.lifetime {
        Lifetime::Call => Some(LISTED),
        Lifetime::Session | Lifetime::Shared => server.spec.idle_timeout.or(core.config.idle),
    }
}

/// Returns once nobody used the client for `limit`, with its slot emptied, so that nobody finds it any more.
async fn idle(server: &Server, client: &Arc<Client>, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        client.wire.pending.rest().await;
        let Some(until) = client.wire.last_used().checked_add(limit) else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(until).await;
        let unused = || client.is_idle() && client.wire.last_used() + limit <= Instant::now();
        if server.remove(client, unused) {
            return;
        }
        if unused() {
            // Somebody else emptied the slot and will say so.
            return std::future::pending().await;
        }
        if client.calls() == 0 && !client.is_idle() {
            // Somebody listens.
            tokio::time::sleep(limit).await;
        }
    }
}
