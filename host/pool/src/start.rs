//! The attempt to bring a server up: provision, connect, agree; again while that makes sense.

use crate::attempt::Attempt;
use crate::client::Close;
use crate::core::{Core, later, request_id};
use crate::event::Event;
use crate::handshake::{self, Agreed, NoDeal};
use crate::server::Server;
use crate::wire::Wire;
use crate::{AcquireError, Client, Owner, connect, keeper, listen};
use host_provisioner::{
    Call, Class, Failure, FieldReport, Lease, Lifetime, Phase, Progress, ProgressSink, Provisioned,
    ReleaseReason, RequestId, Workload,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// First wait before a failed attempt is repeated.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A server that is up.
pub(crate) struct Up {
    client: Arc<Client>,
    close: oneshot::Receiver<Close>,
    lease: Lease,
    fields: Vec<FieldReport>,
}

impl Up {
    /// With a client on a wire on which both sides agreed.
    pub(crate) fn new(
        core: &Core,
        server: &Server,
        wire: Arc<Wire>,
        agreed: Agreed,
        lease: Lease,
        fields: Vec<FieldReport>,
    ) -> Self {
        server.remember(Some(agreed.era.is_modern()));
        let (client, close) = Client::new(
            wire,
            agreed,
            core.own.clone(),
            server.spec.call_timeout,
            core.config.list_timeout,
            server.spec.lifetime == Lifetime::Call,
        );
        Self { client, close, lease, fields }
    }
}

/// Why a try ended.
pub(crate) enum Halt {
    /// Nobody waits any more.
    Cancelled,
    /// The question for its era ended the server: it must be an old one.
    ProbeKilled(Failure),
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Frees the slot if the task breaks off, so that the next one who wants the server does not wait for ever.
pub(crate) struct Abandoned<'a>(pub(crate) &'a Server, pub(crate) &'a Owner, pub(crate) &'a Arc<Attempt>);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.0.clear(self.1, self.2);
        // Without effect if there was an outcome.
        self.2.finish(Err(AcquireError::Retired));
    }
}

/// Runs an attempt to its end and tells everybody who waits.
pub(crate) async fn run(core: Arc<Core>, server: Arc<Server>, owner: Owner, attempt: Arc<Attempt>) {
    let abandoned = Abandoned(&server, &owner, &attempt);
    match bring_up(&core, &server, &owner, &attempt).await {
        Ok(up) => settle(&core, &server, &owner, &attempt, up),
        Err(Halt::Cancelled) => tracing::debug!(server = %server.name, "start given up: nobody waits"),
        Err(Halt::ProbeKilled(mut failure) | Halt::Failed(mut failure)) => {
            if failure.plugin.is_empty() {
                server.provisioner.name().clone_into(&mut failure.plugin);
            }
            tracing::warn!(server = %server.name, error = failure.one_line(), "failed to start the server");
            let failure = Arc::new(failure);
            server.failed(Arc::clone(&failure));
            server.clear(&owner, &attempt);
            core.emit(Event::Failed {
                server: Arc::clone(&server.name),
                owner: owner.clone(),
                failure: Arc::clone(&failure),
            });
            attempt.finish(Err(AcquireError::Failed { server: Arc::clone(&server.name), failure }));
        }
    }
    drop(abandoned);
}

/// Puts a server that is up where its attempt was, tells everybody who waits, and has somebody watch it.
pub(crate) fn settle(core: &Arc<Core>, server: &Arc<Server>, owner: &Owner, attempt: &Arc<Attempt>, up: Up) {
    let Up { client, close, lease, fields } = up;
    server.came_up(fields);
    let listen = listen::listen(&client);
    let kept = server.settle(owner, attempt, &client);
    if let Some(listen) = listen.filter(|_| kept) {
        core.tracker.spawn(listen);
    }
    core.tracker.spawn(keeper::keep(Arc::clone(core), Arc::clone(server), Arc::clone(&client), close, lease));
    if kept {
        tracing::info!(server = %server.name, revision = %client.revision(), "server is ready");
        core.emit(Event::Ready { server: Arc::clone(&server.name), owner: owner.clone() });
        attempt.finish(Ok(client));
        if *owner != Owner::Shared {
            server.end_lister();
        }
    } else {
        let text = "it came up when nobody wanted it any more";
        client.close(Close { reason: ReleaseReason::Ended, text, drain: None });
    }
}

async fn bring_up(
    core: &Arc<Core>,
    server: &Arc<Server>,
    owner: &Owner,
    attempt: &Arc<Attempt>,
) -> Result<Up, Halt> {
    let limit = server.spec.start_timeout.unwrap_or(core.config.start_timeout);
    let deadline = later(limit);
    if let Some(until) = server.not_before() {
        attempt.backing_off.store(true, Ordering::Relaxed);
        pause(attempt, until.min(deadline)).await?;
        attempt.backing_off.store(false, Ordering::Relaxed);
    }
    let request = request_id();
    let mut wait = FIRST_WAIT;
    let mut number = 0;
    loop {
        number += 1;
        let mut outcome = once(core, server, owner, attempt, &request, number, deadline).await;
        if let Err(Halt::ProbeKilled(failure) | Halt::Failed(failure)) = &mut outcome {
            // Platforms tell what a server printed, too.
            core.config.blotter.of(server.spec.id.as_str()).failure(failure);
        }
        let failure = match outcome {
            Err(Halt::ProbeKilled(failure)) => {
                tracing::debug!(server = %server.name, error = failure.one_line(), "trying without a probe");
                server.remember(Some(false));
                continue;
            }
            Err(Halt::Failed(failure)) => failure,
            other => return other,
        };
        // What the server spoke the last time may be what is wrong.
        server.remember(None);
        let pause_for = failure.retry_after.unwrap_or_default().max(wait);
        let again = Instant::now().checked_add(pause_for).filter(|again| *again < deadline);
        let Some(again) = again.filter(|_| failure.class.is_retryable()) else { return Err(failure.into()) };
        attempt.report(Progress {
            text: format!("waiting {pause_for:?} to try again: {}", failure.text),
            done: None,
            total: None,
        });
        pause(attempt, again).await?;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Waits, unless nobody else does any more.
pub(crate) async fn pause(attempt: &Attempt, until: Instant) -> Result<(), Halt> {
    tokio::select! {
        biased;
        () = attempt.cancelled.cancelled() => Err(Halt::Cancelled),
        () = tokio::time::sleep_until(until) => Ok(()),
    }
}

/// One try.
async fn once(
    core: &Arc<Core>,
    server: &Arc<Server>,
    owner: &Owner,
    attempt: &Arc<Attempt>,
    request: &RequestId,
    number: u32,
    deadline: Instant,
) -> Result<Up, Halt> {
    let mut call = Call::new(request.clone(), deadline.saturating_duration_since(Instant::now()));
    call.attempt = number;
    call.cancelled = attempt.cancelled.clone();
    call.progress = Some(Arc::clone(attempt) as Arc<dyn ProgressSink>);
    if let Owner::Session(session) = owner {
        call.client = Some(session.to_string());
    }
    // Dropping this future hands everything that it created back to the provisioner.
    let provisioned = tokio::select! {
        biased;
        () = attempt.cancelled.cancelled() => return Err(Halt::Cancelled),
        provisioned = timeout_at(deadline, server.provisioner.provision(&call, &server.spec)) => provisioned,
    };
    let Provisioned { connection, lease, fields, .. } =
        provisioned.map_err(|_| late(Phase::Provision, "the server did not come up in time"))??;
    core.hold(&server.name, &lease);
    let result = tokio::select! {
        biased;
        () = attempt.cancelled.cancelled() => Err(Halt::Cancelled),
        agreed = shake(core, server, owner, connection, deadline) => agreed,
    };
    match result {
        Ok((wire, agreed)) => Ok(Up::new(core, server, wire, agreed, lease, fields)),
        Err(mut halt) => {
            // The platform knows more than the streams when the server ended; not when it was us who gave up waiting.
            if let Halt::Failed(failure) = &mut halt
                && failure.class == Class::Other
                && let Some(cause) = core.cause(server, &lease).await
            {
                failure.text.push_str(&format!("; {cause}"));
            }
            core.release(server, &lease, ReleaseReason::Unfinished).await;
            Err(halt)
        }
    }
}

/// Connects and agrees.
pub(crate) async fn shake(
    core: &Arc<Core>,
    server: &Server,
    owner: &Owner,
    connection: host_provisioner::Connection,
    deadline: Instant,
) -> Result<(Arc<Wire>, Agreed), Halt> {
    let opened = timeout_at(deadline, connect::open(connection))
        .await
        .map_err(|_| late(Phase::Handshake, "connecting took too long"))??;
    let declared = core.declared(owner);
    let mut config = core.config.clone();
    config.line_limit = server.spec.output_limit.unwrap_or(config.line_limit);
    if matches!(server.spec.workload, Workload::Tools { .. }) {
        // What answers for them bounds the bytes of both streams itself. As JSON a byte becomes six at most.
        config.line_limit = config.line_limit.saturating_mul(16);
    }
    config.concurrency = server.spec.concurrency;
    config.blotter = core.config.blotter.of(server.spec.id.as_str());
    let wire = Wire::start(
        Arc::clone(&server.name),
        owner.clone(),
        opened,
        declared.clone(),
        &config,
        core.events.clone(),
        &core.tracker,
    );
    // Dropping the last handle ends the wire, but its own reader holds one.
    let mut ending = Ending(Some(Arc::clone(&wire)));
    let grace = async {
        wire.rubbish.early.cancelled().await;
        tokio::time::sleep(core.config.rubbish_grace).await;
        if wire.rubbish.heard() {
            // A banner, and then MCP: the ordinary limit is enough.
            std::future::pending::<()>().await;
        }
    };
    let deal = tokio::select! {
        deal = timeout_at(deadline, handshake::agree(&wire, &core.config, &core.own, &declared, server.spoke())) => deal.ok(),
        () = grace => None,
    };
    let failure = match deal {
        Some(Ok(agreed)) => {
            ending.0 = None;
            return Ok((wire, agreed));
        }
        Some(Err(NoDeal::Failed(failure))) => failure,
        Some(Err(NoDeal::Gone(during_probe))) => {
            if let Some(refusal) = wire.refusal() {
                return Err(Halt::Failed(refusal));
            }
            let text = format!("the server ended during the handshake: {}", wire.obituary().await);
            let failure = Failure::new(Phase::Handshake, Class::Other, text);
            if during_probe {
                return Err(Halt::ProbeKilled(failure));
            }
            failure
        }
        None => {
            wire.die("it did not complete the handshake in time");
            let text = format!("the server does not speak MCP: {}", wire.obituary().await);
            let class = if wire.rubbish.count() > 0 { Class::Permanent } else { Class::Timeout };
            Failure::new(Phase::Handshake, class, text)
        }
    };
    Err(Halt::Failed(if wire.rubbish.count() > 0 && failure.hint.is_none() {
        failure.with_hint("a server must print nothing but MCP messages, one a line, on its standard output")
    } else {
        failure
    }))
}

/// Ends a wire that nobody takes over.
struct Ending(Option<Arc<Wire>>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(wire) = &self.0 {
            wire.finish();
        }
    }
}

fn late(phase: Phase, text: &str) -> Halt {
    Halt::Failed(Failure::new(phase, Class::Timeout, text))
}
