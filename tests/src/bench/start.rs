//! Starts, and what a gateway that does nothing occupies.

use super::load::{LoadClient, exchange};
use super::report::{Report, Row};
use super::{Effort, median, millis, process};
use crate::harness::{Era, Scene};
use serde_json::json;
use std::time::Instant;
use tokio::process::Command;

const LEGACY: Era = Era::Legacy("2025-11-25");

/// What an editor sends first, all at once.
const HELLO: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
    "\n",
);

/// From the start of the process to the list that holds this tool, in milliseconds, as a median.
async fn first_list(effort: Effort, command: impl Fn() -> Command, tool: &str) -> f64 {
    let mut times = Vec::new();
    // One more than is counted: the first finds cold files.
    for _ in 0..=effort.rounds * 2 {
        let begin = Instant::now();
        let mut child = exchange(command(), HELLO, tool).await;
        times.push(millis(begin.elapsed()));
        drop(child.stdin.take());
        child.wait().await.unwrap();
    }
    times.remove(0);
    median(times)
}

/// Start to first `tools/list`, with one server and with fifty.
///
/// # Panics
/// A gateway does not start.
pub async fn lists(report: &mut Report, effort: Effort, scene: &Scene, client: Option<&LoadClient>) {
    let settings = |count: usize, late: u64| {
        let servers: String = (0..count)
            .map(|n| format!("  s{n}: {{component: ./tools.wasm, args: [--only, who, --late, '{late}']}}\n"))
            .collect();
        format!("front: {{names: all, listWait: 30s}}\nservers:\n{servers}")
    };
    let run = || scene.command(["run", "--settings", "start.yaml"]);
    scene.file("start.yaml", settings(1, 0));
    let one = first_list(effort, run, "s0__who").await;
    let version = first_version(effort, scene).await;
    let row = Row::new("start to first tools/list, one cached server", "ms", one).at_most(50.0, 20.0);
    report.add(match client {
        Some(client) => {
            let own = first_list(effort, || client.stdio_backend(), "echo").await;
            row.beside(format!("load client's echo alone (`--version`: {version:.1})"), own)
        }
        None => row.beside("the program with --version", version),
    });
    // What has to wait for something remote takes its time however fast we are: fifty of them must not take longer than one.
    const LATE: u64 = 500;
    scene.file("start.yaml", settings(1, LATE));
    let slowest = first_list(Effort { rounds: 2, ..effort }, run, "s0__who").await;
    scene.file("start.yaml", settings(50, LATE));
    let fifty = first_list(Effort { rounds: 2, ..effort }, run, "s49__who").await;
    report.add(
        Row::new("start of 50 servers that need 0.5 s each", "ms", fifty)
            .at_most(slowest * 1.1, None)
            .beside("start of one of them", slowest),
    );
}

async fn first_version(effort: Effort, scene: &Scene) -> f64 {
    let mut times = Vec::new();
    for _ in 0..effort.rounds * 2 {
        let begin = Instant::now();
        scene.run(["--version"]).await.expect_code(0);
        times.push(millis(begin.elapsed()));
    }
    median(times)
}

/// Resident memory of a gateway that waits, and of sessions that do.
///
/// # Panics
/// A gateway does not start.
pub async fn memory(report: &mut Report, effort: Effort, scene: &Scene) {
    scene.file("empty.yaml", "servers: {}\n");
    let gateway = scene.serve(["--settings", "empty.yaml"]).await;
    gateway.client(LEGACY).await.tools().await;
    let before = process::resident(gateway.pid()) / 1024.0;
    gateway.end().await;

    // Compiling takes memory that is given back late; whoever starts a gateway every day has it behind him.
    scene.run(["tools", "list"]).await.expect_code(0);
    let gateway = scene.serve([""; 0]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.text("echo", json!({"message": "hello"})).await;
    client.leave().await;
    let after = process::resident(gateway.pid()) / 1024.0;
    report.add(
        Row::new("resident when idle, before the plugin engine is needed", "MiB", before).at_most(15.0, 10.0),
    );
    report.add(
        Row::new("resident when idle, plugin engine loaded, one cached server used", "MiB", after)
            .at_most(30.0, 20.0)
            .beside("before the engine", before),
    );

    let endpoint = gateway.endpoint().await;
    let before = process::resident(gateway.pid());
    let mut kept = Vec::with_capacity(effort.sessions);
    for _ in 0..effort.sessions {
        kept.push(crate::harness::Client::over_http(endpoint.clone(), LEGACY).await);
    }
    let grown = process::resident(gateway.pid()) - before;
    #[expect(clippy::cast_precision_loss, reason = "a thousand is exact")]
    let each = grown / effort.sessions as f64;
    report.add(
        Row::new(format!("per idle client session, of {}", effort.sessions), "KiB", each).at_most(40.0, None),
    );
    drop(kept);
    gateway.end().await;
}
