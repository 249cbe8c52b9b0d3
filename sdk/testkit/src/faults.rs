//! Every call of a host function that brings a server up and takes it down, disturbed in every way, one at a time.

use crate::stand::{PATIENCE, Stand, call};
use crate::{Bench, Row};
use host_provisioner::{Phase, Provisioner, ReleaseReason};
use host_wasm::{Fault, Faults};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a call may take in which a host function never answers.
const SHORT: Duration = Duration::from_secs(3);

/// What can happen, with its name in the table.
const ALL: [(&str, Fault); 7] = [
    ("refused", Fault::Refused),
    ("conflict", Fault::Conflict),
    ("away", Fault::Away),
    ("slow", Fault::Slow(Duration::from_millis(500))),
    ("never answered", Fault::Silent),
    ("answer lost", Fault::Lost),
    ("cut", Fault::Trap),
];

/// What can happen besides to an answer that comes over HTTP. The words are those of one cloud; another one meets them as a stranger's.
const OVER_HTTP: [(&str, Fault); 6] = [
    (
        "throttled in a 400",
        Fault::Status(400, r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#),
    ),
    ("throttled", Fault::Status(429, r#"{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}"#)),
    ("503 with JSON", Fault::Status(503, r#"{"__type": "ServiceUnavailableException", "message": "later"}"#)),
    ("502 without JSON", Fault::Status(502, "<!doctype html>\n<title>502 Bad Gateway</title>")),
    ("half a body", Fault::Status(200, "{\"tasks\": [{\"taskA")),
    ("broken off", Fault::Truncated),
];

/// Writes down which host functions are called, and disturbs one of them: the so manieth of a phase.
#[derive(Default)]
struct One {
    seen: Mutex<Vec<(Phase, String)>>,
    disturb: Option<(Phase, usize, Fault)>,
}

impl Faults for One {
    fn at(&self, phase: Phase, function: &str) -> Option<Fault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.iter().filter(|(known, _)| *known == phase).count();
        seen.push((phase, function.to_owned()));
        // Only once: what is repeated afterwards finds a platform that is well again.
        self.disturb.filter(|(where_, at, _)| *where_ == phase && *at == before).map(|(.., fault)| fault)
    }
}

/// Runs a server's life once undisturbed, to see which host functions it takes, and then once for each of them and each fault.
pub async fn inject(bench: &dyn Bench) -> Vec<Row> {
    let calls = match calls(bench).await {
        Ok(calls) => calls,
        Err(why) => return vec![Row::of("undisturbed", Err(why))],
    };
    let mut rows = vec![Row::of("undisturbed", Ok(()))];
    for phase in [Phase::Provision, Phase::Release] {
        let functions = calls.iter().filter(|(known, _)| *known == phase).map(|(_, function)| function);
        for (at, function) in functions.enumerate() {
            // What acts on no platform cannot fail on one.
            if !["docker.", "embedded.", "kubernetes.", "http.", "registry."]
                .iter()
                .any(|i| function.starts_with(i))
            {
                continue;
            }
            let over_http: &[_] = if function == "http.send" { &OVER_HTTP } else { &[] };
            for (name, fault) in ALL.iter().chain(over_http).copied() {
                let outcome = life(bench, One { disturb: Some((phase, at, fault)), ..One::default() }).await;
                let served = outcome.as_ref().ok().map(|(_, served)| *served);
                let row = Row::of(format!("{} · {function} · {name}", phase.as_str()), outcome.map(drop));
                rows.push(Row { served, ..row });
            }
        }
    }
    rows
}

async fn calls(bench: &dyn Bench) -> Result<Vec<(Phase, String)>, String> {
    let (faults, _) = life(bench, One::default()).await?;
    let seen = faults.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(seen)
}

/// Brings a server up, takes it down if it came up, and looks at what is left. Whether it came up.
async fn life(bench: &dyn Bench, one: One) -> Result<(Arc<One>, bool), String> {
    let stand = Stand::new(bench).await?;
    let undisturbed = one.disturb.is_none();
    let silent = matches!(one.disturb, Some((.., Fault::Silent)));
    let faults = Arc::new(one);
    stand.host.disturb(Arc::clone(&faults) as Arc<dyn Faults>);
    let within = if silent { SHORT } else { PATIENCE };
    let begun = call(within)?;
    let served = match stand.plugin.provision(&begun, &stand.server).await {
        Ok(provisioned) => {
            let released =
                stand.plugin.release(&call(within)?, &provisioned.lease, ReleaseReason::Ended).await;
            // One that fails is repeated by the host until it succeeds; that is what is looked at below.
            if let Err(failure) = released
                && failure.text.trim().is_empty()
            {
                return Err("its release failed without a word".to_owned());
            }
            true
        }
        Err(failure) if undisturbed => return Err(format!("provision: {}", failure.one_line())),
        Err(failure) if failure.text.trim().is_empty() => return Err("it failed without a word".to_owned()),
        // What is to be gone on with is kept as long as somebody waits for it. Nobody does.
        Err(_) => {
            begun.cancelled.cancel();
            false
        }
    };
    stand.end().await?;
    Ok((faults, served))
}
