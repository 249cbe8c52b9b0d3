//! The cases, in the order of a server's life.

use crate::agree::agree;
use crate::fields::refuses;
use crate::stand::{PATIENCE, PROMPTLY, Stand, call, request, speaks, told};
use crate::{Bench, Row, tools};
use host_provisioner::{Call, Class, Lease, Provisioned, Provisioner, ReleaseReason, Status};
use host_wasm::{Fault, Faults};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What a case comes to.
pub(crate) type Outcome = Result<(), String>;

/// Runs every case; none of them stops the others.
pub async fn contract(bench: &dyn Bench) -> Vec<Row> {
    let mut rows = vec![
        Row::of("validate and plan create nothing and say the same twice", plans(bench).await),
        Row::of("a server comes up, answers, is shown, and goes", lives(bench).await),
        Row::of("release twice", released_twice(bench).await),
        Row::of("release by a new instance with state of an unknown version", unknown_state(bench).await),
        Row::of("a killed gateway is worked off by the next", killed(bench).await),
        Row::of("sweep spares the living", spares(bench).await),
        Row::of("two servers at once do not touch each other", side_by_side(bench).await),
        Row::of("a field is honoured, reported, or refused by name", refuses(bench).await),
        Row::of("nobody waits any more", cancelled(bench).await),
        Row::of("the deadline has passed", late(bench).await),
        Row::of("whoever drops the call leaves nothing", dropped(bench).await),
    ];
    if let Some(entry) = bench.tools() {
        rows.extend(tools::contract(bench, &entry).await);
    }
    rows
}

async fn plans(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    stand.plugin.validate(&call(PATIENCE)?, &stand.server).await.map_err(told("validate"))?;
    // All of it in one request, so that what it names after the request has one name.
    let request = request()?;
    let before = stand.plan(&request, &stand.server).await?;
    let shown = stand.shown().await?;
    if !shown.is_empty() {
        return Err(format!("created without being asked to: {}", shown.join(", ")));
    }
    let of_request = Call::new(request.clone(), PATIENCE);
    let provisioned = stand.plugin.provision(&of_request, &stand.server).await.map_err(told("provision"))?;
    let after = stand.plan(&request, &stand.server).await?;
    let agreed = agree(before.as_ref(), after.as_ref(), &provisioned, &stand.shown().await?);
    release(&stand, &provisioned.lease).await?;
    stand.end().await?;
    agreed
}

pub(crate) async fn release(stand: &Stand<'_>, lease: &Lease) -> Outcome {
    let released = stand.plugin.release(&call(PATIENCE)?, lease, ReleaseReason::Ended).await;
    released.map_err(told("release"))
}

async fn lives(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let provisioned = stand.provision().await?;
    let health = stand.plugin.probe(&call(PATIENCE)?, &provisioned.lease).await.map_err(told("probe"))?;
    if !matches!(health.status, Status::Running | Status::Unknown) {
        return Err(format!("probe says {:?} of a server that runs: {}", health.status, health.text));
    }
    if stand.shown().await?.is_empty() {
        return Err("enumerate does not show what runs".to_owned());
    }
    speaks(provisioned.connection).await?;
    release(&stand, &provisioned.lease).await?;
    stand.end().await
}

async fn released_twice(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let provisioned = stand.provision().await?;
    release(&stand, &provisioned.lease).await?;
    release(&stand, &provisioned.lease).await?;
    stand.end().await
}

/// The ledger of a run that was killed, with another version of the state in it.
async fn unknown_state(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let provisioned = stand.provision().await?;
    let line = |line: &str| match line.contains("\"entry\":\"state\"") {
        true => line.replace("\"version\":1,", "\"version\":4000000000,") + "\n",
        false => format!("{line}\n"),
    };
    let next = crash(stand, provisioned, |text| text.lines().map(line).collect()).await?;
    worked_off(next).await
}

async fn killed(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let provisioned = stand.provision().await?;
    let next = crash(stand, provisioned, str::to_owned).await?;
    worked_off(next).await
}

/// Ends a run as `kill -9` does: nobody releases anything, and only the ledger knows. What becomes of the ledger meanwhile, `change` says.
async fn crash<'b>(
    stand: Stand<'b>,
    provisioned: Provisioned,
    change: impl Fn(&str) -> String,
) -> Result<Stand<'b>, String> {
    let folder = stand.state().join("ledger");
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let text =
            std::fs::read_to_string(entry.path()).map_err(|error| format!("read the ledger: {error}"))?;
        kept.push((entry.path(), text));
    }
    // The lock of a run goes with its process; within one process only a copy under the name of another, dead run can stand for it.
    for (path, text) in kept {
        let Some(session) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let dead = format!("{session}dead");
        let copy = folder.join(format!("{dead}.jsonl"));
        std::fs::write(&copy, change(&text)).map_err(|error| format!("write a ledger: {error}"))?;
        private(&copy)?;
    }
    drop(provisioned.connection);
    let next = stand.again().await?;
    // The first run must not release what the second is to find.
    let Stand { host, plugin, .. } = stand;
    std::mem::forget((host, plugin));
    Ok(next)
}

#[cfg(unix)]
fn private(path: &std::path::Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|error| error.to_string())
}

#[cfg(not(unix))]
fn private(_: &std::path::Path) -> Result<(), String> {
    Ok(())
}

async fn worked_off(next: Stand<'_>) -> Outcome {
    let left = next.host.work_off(PATIENCE).await;
    if let Some(first) = left.first() {
        return Err(format!("the next run could not take it down: {}", first.failure.one_line()));
    }
    next.over().await
}

async fn spares(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let provisioned = stand.provision().await?;
    let other = stand.again().await?;
    let report = other.plugin.sweep(&call(PATIENCE)?).await.map_err(told("sweep"))?;
    if !report.failed.is_empty() {
        return Err(format!(
            "sweep failed: {}",
            report.failed.iter().map(host_provisioner::Failure::one_line).collect::<Vec<_>>().join("; ")
        ));
    }
    let health = stand.plugin.probe(&call(PATIENCE)?, &provisioned.lease).await.map_err(told("probe"))?;
    if matches!(health.status, Status::Ended) {
        return Err(format!("another run of the gateway swept it away: {}", health.text));
    }
    speaks(provisioned.connection).await?;
    release(&stand, &provisioned.lease).await?;
    // What the other run shares goes with it.
    let _ = other.host.shutdown(PATIENCE).await;
    stand.end().await
}

async fn side_by_side(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let one = stand.provision().await?;
    let other = stand.provision().await?;
    release(&stand, &one.lease).await?;
    drop(one);
    speaks(other.connection).await.map_err(|why| format!("after the release of another: {why}"))?;
    release(&stand, &other.lease).await?;
    stand.end().await
}

/// The first host function that creates something never returns, and says when it was called.
struct Hangs {
    called: Arc<Notify>,
}

impl Faults for Hangs {
    fn at(&self, phase: host_provisioner::Phase, function: &str) -> Option<Fault> {
        let creates =
            ["docker.start", "docker.start-attached", "embedded.start", "kubernetes.apply", "http.send"];
        let hangs = phase == host_provisioner::Phase::Provision && creates.contains(&function);
        if hangs {
            self.called.notify_one();
        }
        hangs.then_some(Fault::Silent)
    }
}

async fn cancelled(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let called = Arc::new(Notify::new());
    stand.host.disturb(Arc::new(Hangs { called: Arc::clone(&called) }));
    let call = call(PATIENCE)?;
    let token = call.cancelled.clone();
    let begin = tokio::time::Instant::now();
    let provision = stand.plugin.provision(&call, &stand.server);
    let cancel = async {
        called.notified().await;
        token.cancel();
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = provision => outcome,
        () = cancel => unreachable_outcome(),
    };
    if outcome.is_ok() {
        return Err("it came up although a host function never answered".to_owned());
    }
    if begin.elapsed() > PROMPTLY {
        return Err(format!("it took {:?} to notice that nobody waits", begin.elapsed()));
    }
    stand.end().await
}

/// Stands behind a future that never comes.
fn unreachable_outcome() -> Result<Provisioned, host_provisioner::Failure> {
    Err(host_provisioner::Failure::new(host_provisioner::Phase::Other, Class::Other, "never"))
}

async fn late(bench: &dyn Bench) -> Outcome {
    let stand = Stand::new(bench).await?;
    let called = Arc::new(Notify::new());
    stand.host.disturb(Arc::new(Hangs { called: Arc::clone(&called) }));
    let call = call(Duration::from_secs(2))?;
    let begin = tokio::time::Instant::now();
    match stand.plugin.provision(&call, &stand.server).await {
        Ok(_) => return Err("it came up although a host function never answered".to_owned()),
        Err(failure) if failure.class == Class::Timeout => {}
        Err(failure) => {
            return Err(format!("not called a timeout: {} ({})", failure.one_line(), failure.class.as_str()));
        }
    }
    if begin.elapsed() > PROMPTLY {
        return Err(format!("it took {:?} where two seconds were given", begin.elapsed()));
    }
    stand.end().await
}

async fn dropped(bench: &dyn Bench) -> Outcome {
    // After a few milliseconds, and after many: in every step of the way there is somebody who drops it.
    for millis in [1, 5, 20, 60, 150, 300, 600] {
        let stand = Stand::new(bench).await?;
        let within = Duration::from_millis(millis);
        if let Ok(provisioned) = tokio::time::timeout(within, stand.provision()).await {
            release(&stand, &provisioned?.lease).await?;
        }
        stand.end().await.map_err(|why| format!("dropped after {millis} ms: {why}"))?;
    }
    Ok(())
}
