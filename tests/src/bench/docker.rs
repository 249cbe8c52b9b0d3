//! Containers: cold calls and starts beside `docker run` by hand, and the relay with a warm container behind it beside the same client at
//! `docker run -i` itself. Needs an engine, its command line, and the image `mcp/null:1` of the test environment.

use super::load::{LoadClient, Target, exchange};
use super::report::{Report, Row};
use super::way::{Settled, Way, in_turns};
use super::{Effort, median, millis};
use crate::harness::{Era, Scene, TOKEN};
use futures_util::future::join_all;
use serde_json::json;
use std::time::Instant;
use tokio::process::Command;

const IMAGE: &str = "mcp/null:1";
const LEGACY: &str = "2025-11-25";
/// Servers that start at once.
const MANY: usize = 20;

/// A whole session: the handshake and one call.
const SESSION: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}"#,
    "\n",
);

/// What a person types instead of having a gateway: the line that the gateway prints, as far as it matters to the time.
fn by_hand() -> Command {
    let mut command = Command::new("docker");
    command
        .args(["run", "--rm", "-i", "--init", "--cpus", "1", "--memory", "2Gb", "--pull", "never", IMAGE])
        .kill_on_drop(true);
    command
}

/// From nothing to the answer of the first call, by hand.
async fn answered_by_hand() {
    let mut child = exchange(by_hand(), SESSION, "Echo: hello").await;
    drop(child.stdin.take());
    child.wait().await.unwrap();
}

/// Whether the engine and the image are there.
async fn usable() -> bool {
    let look = Command::new("docker").args(["image", "inspect", IMAGE]).output().await;
    look.is_ok_and(|output| output.status.success())
}

/// Measures all of it.
///
/// # Panics
/// A server does not start, or a call fails.
pub async fn measure(report: &mut Report, effort: Effort, scene: &Scene, client: &LoadClient) {
    if !usable().await {
        report.skip("containers: no `docker`, or no image mcp/null:1 (testenv/up docker images)");
        return;
    }
    scene.settings("servers: {}\nfront: {listWait: 60s}\n");
    cold(report, effort, scene).await;
    many(report, scene).await;
    warm(report, effort, scene, client).await;
}

fn catalog(scene: &Scene, count: usize) {
    let entries: String = (0..count).map(|n| format!("  bench{n}: {{image: {IMAGE}}}\n")).collect();
    scene.file("docker.yaml", format!("registry:\n{entries}"));
}

/// A container for each call, as Docker's gateway has it: what a call takes that finds nothing.
async fn cold(report: &mut Report, effort: Effort, scene: &Scene) {
    catalog(scene, 1);
    let gateway =
        scene.serve(["--catalog", "docker.yaml", "--enable-all-servers", "--container-per-call"]).await;
    let mut client = gateway.client(Era::Legacy(LEGACY)).await;
    client.await_tools(&["echo"]).await;
    let (mut ours, mut hand) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let begin = Instant::now();
        client.text("echo", json!({"message": "hello"})).await;
        ours.push(millis(begin.elapsed()));
        let begin = Instant::now();
        answered_by_hand().await;
        hand.push(millis(begin.elapsed()));
    }
    gateway.end().await;
    report.add(
        Row::new("containers: a call that starts its own", "ms", median(ours))
            .beside("docker run by hand", median(hand)),
    );
}

/// From the start of the gateway to the list of all servers, which are containers.
async fn many(report: &mut Report, scene: &Scene) {
    catalog(scene, MANY);
    let flags = ["run", "--catalog", "docker.yaml", "--enable-all-servers", "--names", "all"];
    let last = format!("bench{}__echo", MANY - 1);
    let (mut ours, mut hand) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let begin = Instant::now();
        let mut child =
            exchange(scene.command(flags), &SESSION.replace("tools/call", "tools/list"), &last).await;
        ours.push(millis(begin.elapsed()));
        drop(child.stdin.take());
        child.wait().await.unwrap();
        let begin = Instant::now();
        join_all((0..MANY).map(|_| answered_by_hand())).await;
        hand.push(millis(begin.elapsed()));
    }
    report.add(
        Row::new(format!("containers: start of {MANY}, until all are listed"), "ms", median(ours))
            .beside("as many docker run by hand, with their ends", median(hand)),
    );
}

/// What a call may take beyond `docker run -i` itself, in ms.
const ADDED: f64 = 0.04;
/// Which part of the rate of `docker run -i` itself must be left.
const OF_ITS_RATE: f64 = 0.9;

/// The same client and image with Docker's gateway, on another day and machine (`docker-mcp-gateway.md` 33).
const DOCKERS: &str = "containers, Docker's gateway with --long-lived, November 2026: p50 0.37 ms and 980 to 1,466 calls/s with 1 session, 16.7 ms and \
                       1,469 to 2,518 calls/s with 32; by default, with a container for each call, 404 ms and 2.3 to 3.8 calls/s with 1, 4,833 ms and 4.5 to 5.8 \
                       calls/s with 32; docker run -i beside it: 0.070 ms and 12,000 to 12,700 calls/s with 1, 0.45 ms and 53,000 to 68,000 calls/s with 32";

/// The relay with a container behind it.
async fn warm(report: &mut Report, effort: Effort, scene: &Scene, client: &LoadClient) {
    catalog(scene, 1);
    let gateway = scene.serve(["--catalog", "docker.yaml", "--enable-all-servers"]).await;
    let (url, pid) = (gateway.endpoint().await.url(), gateway.pid());
    let through = Target::Http(url, Some(TOKEN.to_owned()));
    let alone = Target::Command(format!("docker run --rm -i --init --pull never {IMAGE}"));
    for sessions in [1, 32] {
        let ways = [
            Way::new(through.clone(), "2026-07-28", "echo", Some(pid)),
            Way::new(alone.clone(), LEGACY, "echo", None),
        ];
        let [ours, hand]: [Settled; 2] = in_turns(effort, client, sessions, ways).await;
        let name = |what: &str| format!("containers, {sessions} sessions on one: {what}");
        report.add(
            Row::new(name("added latency p50"), "ms", ours.p50 - hand.p50)
                .at_most(ADDED, None)
                .beside("docker run -i alone, whole", hand.p50),
        );
        report.add(
            Row::new(name("calls per second"), "1/s", ours.per_second)
                .at_least(hand.per_second * OF_ITS_RATE, None)
                .beside("docker run -i", hand.per_second),
        );
    }
    report.note(DOCKERS);
    gateway.end().await;
}
