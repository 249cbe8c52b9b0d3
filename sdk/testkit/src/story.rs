//! One life of a server, taken down with everything that host functions answered, and played again where the platform is not.

use crate::Bench;
use crate::Row;
use crate::stand::PATIENCE;
use host_provisioner::{Call, Failure, Provisioner, ReleaseReason, RequestId};
use host_wasm::{RunId, Section, Tape};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What came of one call of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which call.
    pub call: String,
    /// Its answer, or its failure with category and advice.
    pub outcome: String,
}

/// A life that was taken down. Holds what the plugin saw, and so no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Ids are made of it, so that names come out the same.
    pub seed: u64,
    /// The calls of the plugin.
    pub steps: Vec<Step>,
    /// What host functions answered meanwhile.
    pub tape: Vec<Section>,
}

/// Takes one life of the bench's server down: planned, brought up and, where that succeeded, taken down. What fails is part of it.
///
/// # Errors
/// The plugin cannot be loaded.
pub async fn record(bench: &dyn Bench) -> Result<Story, String> {
    let seed = getrandom::u64().map_err(|error| format!("no random bytes: {error}"))?;
    let tape = Arc::new(Tape::blank());
    let steps = live(bench, seed, &tape).await?;
    Ok(Story { seed, steps, tape: tape.sections() })
}

/// Plays a story: the same plugin, the same server, and the tape instead of the platform. A row for each call of the plugin, and one for what the tape
/// had left.
pub async fn replay(bench: &dyn Bench, story: &Story) -> Vec<Row> {
    let tape = Arc::new(Tape::of(story.tape.clone()));
    let steps = match live(bench, story.seed, &tape).await {
        Ok(steps) => steps,
        Err(why) => return vec![Row::of("load", Err(why))],
    };
    let mut rows: Vec<Row> = story
        .steps
        .iter()
        .enumerate()
        .map(|(at, before)| {
            let now = steps.get(at).filter(|now| now.call == before.call);
            let outcome = match now {
                Some(now) if now.outcome == before.outcome => Ok(()),
                Some(now) => Err(format!("was `{}` and is `{}`", before.outcome, now.outcome)),
                None => Err("it did not come to it".to_owned()),
            };
            Row::of(before.call.clone(), outcome)
        })
        .collect();
    let left = tape.left();
    let all = if left.is_empty() { Ok(()) } else { Err(format!("never asked: {}", left.join(", "))) };
    rows.push(Row::of("everything that was asked is asked again", all));
    rows
}

async fn live(bench: &dyn Bench, seed: u64, tape: &Arc<Tape>) -> Result<Vec<Step>, String> {
    let state = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
    let id = |at: u64| seed.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let host = bench.host(state.path(), RunId::from_bits(id(1)), RunId::from_bits(id(2)));
    host.tape(Arc::clone(tape));
    let plugin = host.load(bench.plugin()).await.map_err(|error| error.to_string())?;
    let server = bench.server();
    let call = |at: u64| Call::new(RequestId::from_bits(id(2 + at)), PATIENCE);
    let mut steps = Vec::new();
    let mut step = |call: &str, outcome: Result<String, Failure>| {
        let outcome =
            outcome.unwrap_or_else(|failure| format!("{}: {}", failure.class.as_str(), failure.one_line()));
        steps.push(Step { call: call.to_owned(), outcome });
    };
    let prepared = plugin.prepare(&call(1), &[Arc::clone(&server)]).await;
    step("prepare", prepared.map(|_| "prepared".to_owned()));
    let validated = plugin.validate(&call(2), &server).await;
    step("validate", validated.map(|fields| format!("{fields:?}")));
    let planned = plugin.plan(&call(3), &server).await;
    step("plan", planned.map(|plan| format!("{:?}", plan.documents)));
    match plugin.provision(&call(4), &server).await {
        Err(failure) => step("provision", Err(failure)),
        Ok(provisioned) => {
            let objects: Vec<String> = provisioned.objects.iter().map(ToString::to_string).collect();
            step("provision", Ok(format!("up: {}", objects.join(", "))));
            let health = plugin.probe(&call(5), &provisioned.lease).await;
            step("probe", health.map(|health| format!("{:?}: {}", health.status, health.text)));
            let released = plugin.release(&call(6), &provisioned.lease, ReleaseReason::Ended).await;
            step("release", released.map(|()| "gone".to_owned()));
        }
    }
    // What was begun and failed is taken down by the host; the end waits for that.
    let behind = host.shutdown(PATIENCE).await;
    let left: Vec<String> = behind.iter().map(|left| left.failure.one_line()).collect();
    step("shutdown", Ok(if left.is_empty() { "nothing left".to_owned() } else { left.join("; ") }));
    Ok(steps)
}
