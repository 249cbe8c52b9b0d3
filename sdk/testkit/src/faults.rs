//! Every call of a host function that brings a server up, takes it down or runs a tool, disturbed in every way, one at a time.

use crate::stand::{PATIENCE, Stand, call};
use crate::{Bench, Row, tools};
use host_provisioner::{Call, Failure, Phase, Provisioner, ReleaseReason, ToolRun};
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

/// What is disturbed.
#[derive(Clone, Copy)]
enum Deed<'a> {
    /// A server is brought up and taken down.
    Server,
    /// A tool is run.
    Tool(&'a ToolRun),
}

impl Deed<'_> {
    /// The phases of its host calls.
    const fn phases(self) -> &'static [Phase] {
        match self {
            Self::Server => &[Phase::Provision, Phase::Release],
            Self::Tool(_) => &[Phase::Run],
        }
    }
}

/// Runs a server's life once undisturbed, to see which host functions it takes, and then once for each of them and each fault. The same with a tool,
/// where there are any.
pub async fn inject(bench: &dyn Bench) -> Vec<Row> {
    let mut rows = disturb(bench, "undisturbed", Deed::Server).await;
    if let Some(entry) = bench.tools() {
        let tool = tools::tool(&entry, "echo ran");
        rows.extend(disturb(bench, "a tool, undisturbed", Deed::Tool(&tool)).await);
    }
    rows
}

async fn disturb(bench: &dyn Bench, undisturbed: &str, deed: Deed<'_>) -> Vec<Row> {
    let calls = match calls(bench, deed).await {
        Ok(calls) => calls,
        Err(why) => return vec![Row::of(undisturbed, Err(why))],
    };
    let mut rows = vec![Row::of(undisturbed, Ok(()))];
    for phase in deed.phases() {
        let functions = calls.iter().filter(|(known, _)| known == phase).map(|(_, function)| function);
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
                let one = One { disturb: Some((*phase, at, fault)), ..One::default() };
                let outcome = life(bench, one, deed).await;
                let served = outcome.as_ref().ok().map(|(_, served)| *served);
                let row = Row::of(format!("{} · {function} · {name}", phase.as_str()), outcome.map(drop));
                rows.push(Row { served, ..row });
            }
        }
    }
    rows
}

async fn calls(bench: &dyn Bench, deed: Deed<'_>) -> Result<Vec<(Phase, String)>, String> {
    let (faults, _) = life(bench, One::default(), deed).await?;
    let seen = faults.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(seen)
}

/// Does it once, and looks at what is left. Whether the server came up, or the tool ran.
async fn life(bench: &dyn Bench, one: One, deed: Deed<'_>) -> Result<(Arc<One>, bool), String> {
    let stand = Stand::new(bench).await?;
    let undisturbed = one.disturb.is_none();
    let silent = matches!(one.disturb, Some((.., Fault::Silent)));
    let faults = Arc::new(one);
    stand.host.disturb(Arc::clone(&faults) as Arc<dyn Faults>);
    let within = if silent { SHORT } else { PATIENCE };
    let begun = call(within)?;
    let done = match deed {
        Deed::Server => up_and_down(&stand, &begun, within).await?,
        Deed::Tool(tool) => ran(&stand, &begun, tool).await?,
    };
    let served = match done {
        Ok(()) => true,
        Err(failure) if undisturbed => return Err(failure.one_line()),
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

/// Brings a server up, and takes it down if it came up.
async fn up_and_down(
    stand: &Stand<'_>,
    begun: &Call,
    within: Duration,
) -> Result<Result<(), Failure>, String> {
    let provisioned = match stand.plugin.provision(begun, &stand.server).await {
        Ok(provisioned) => provisioned,
        Err(failure) => return Ok(Err(failure)),
    };
    let released = stand.plugin.release(&call(within)?, &provisioned.lease, ReleaseReason::Ended).await;
    match released {
        // One that fails is repeated by the host until it succeeds; that is what is looked at afterwards.
        Err(failure) if failure.text.trim().is_empty() => Err("its release failed without a word".to_owned()),
        _ => Ok(Ok(())),
    }
}

/// Runs a tool. Whatever was disturbed, a run that is said to have ended well has done what it should.
async fn ran(stand: &Stand<'_>, begun: &Call, tool: &ToolRun) -> Result<Result<(), Failure>, String> {
    match stand.plugin.run_tool(begun, tool).await {
        Ok(output) if (output.exit_code, output.stdout.bytes.as_slice()) == (Some(0), b"ran\n") => Ok(Ok(())),
        Ok(output) => Err(format!("it is said to have run, and left {output:?}")),
        Err(failure) => Ok(Err(failure)),
    }
}
