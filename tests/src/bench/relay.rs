//! The bar of design 10: latency, processor time and calls per second with three servers behind the gateway, each an echo over standard streams
//! in a process of its own, beside the same client at one such echo without any gateway and at an echo over HTTP.
//!
//! The processor time is that of the gateway's process alone. Legacy clients get a server each, as is the default; modern ones, who have no
//! sessions, share one, as in the direct run.

use super::Effort;
use super::load::{LoadClient, Target};
use super::report::{Report, Row};
use super::way::{Settled, Way, in_turns};
use crate::harness::{Scene, TOKEN};
use serde_json::json;

const OLDEST: &str = "2024-11-05";
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// Sessions at once.
const SESSIONS: [usize; 4] = [1, 8, 32, 256];

/// Runs the load client on all ways, in turns, for each number of sessions.
///
/// # Panics
/// A call fails.
pub async fn measure(report: &mut Report, effort: Effort, scene: &Scene, client: &LoadClient) {
    let ours = std::env::current_exe().unwrap().with_file_name("stdio-server");
    let mut servers = serde_json::Map::new();
    servers.insert("one".to_owned(), client.entry("echo"));
    servers.insert("two".to_owned(), client.entry("repeat"));
    servers.insert("three".to_owned(), json!({"command": ours, "args": ["--first-say", "working on it"]}));
    // Servers of one run end soon after it, and do not end because others want their places.
    let settings = json!({
        "mcpServers": servers, "pool": {"idle": "2s", "cap": 2000}, "front": {"names": "clash"},
    });
    scene.file("relay.yaml", settings.to_string());
    let gateway = scene.serve(["--settings", "relay.yaml"]).await;
    let url = gateway.endpoint().await.url();
    let (backend, http) = client.backend().await;
    let (pid, backend_pid) = (gateway.pid(), backend.id());
    let sse = Target::Sse(url.replace("/mcp", "/sse"), TOKEN.to_owned());
    let through = Target::Http(url, Some(TOKEN.to_owned()));
    for sessions in SESSIONS {
        let way = |target: &Target, revision, tool, pid| Way::new(target.clone(), revision, tool, pid);
        let ways = [
            way(&through, LEGACY, "repeat", Some(pid)),
            way(&through, MODERN, "repeat", Some(pid)),
            way(&sse, OLDEST, "repeat", Some(pid)),
            way(&through, LEGACY, "three__echo", Some(pid)),
            way(&http, LEGACY, "echo", backend_pid),
            way(&Target::OwnStdio, LEGACY, "echo", None),
        ];
        let [legacy, modern, sse, streamed, http, stdio] = in_turns(effort, client, sessions, ways).await;
        let table = Table { sessions, http, stdio };
        table.judged(report, "JSON, 2025-11-25, a server each", legacy);
        table.judged(report, "JSON, 2026-07-28, one server", modern);
        table.told(report, "SSE, 2025-11-25, with a log message, a server each", streamed);
        table.told(report, "HTTP+SSE, 2024-11-05", sse);
    }
    gateway.end().await;
}

/// What the rows of one number of sessions are held against.
struct Table {
    sessions: usize,
    http: Settled,
    stdio: Settled,
}

impl Table {
    fn name(&self, what: &str, how: &str) -> String {
        format!("{} session{}: {what} ({how})", self.sessions, if self.sessions == 1 { "" } else { "s" })
    }

    fn added(&self, how: &str, way: Settled) -> Row {
        let beside = format!("load client's HTTP echo (stdio alone: {:.3})", self.stdio.p50);
        Row::new(self.name("added latency p50", how), "ms", way.p50 - self.stdio.p50)
            .beside(beside, self.http.p50 - self.stdio.p50)
    }

    fn processor(&self, how: &str, way: Settled) -> Row {
        Row::new(self.name("processor time per call", how), "µs", way.processor)
            .beside("load client's HTTP echo", self.http.processor)
    }

    fn rate(&self, how: &str, way: Settled) -> Row {
        let beside = format!("load client's stdio echo (HTTP: {:.0})", self.http.per_second);
        Row::new(self.name("calls per second", how), "1/s", way.per_second)
            .beside(beside, self.stdio.per_second)
    }

    /// With the budgets of design 10, for the numbers of sessions that have them.
    fn judged(&self, report: &mut Report, how: &str, way: Settled) {
        let (added, processor, rate) = (self.added(how, way), self.processor(how, way), self.rate(how, way));
        match self.sessions {
            1 => {
                report.add(added.at_most(0.04, 0.03));
                report.add(processor.at_most(25.0, 22.0));
            }
            32 => {
                report.add(processor.at_most(15.0, 12.0));
                report.add(rate.at_least(40_000.0, 50_000.0));
            }
            _ => {
                report.add(processor);
                report.add(rate);
            }
        }
    }

    fn told(&self, report: &mut Report, how: &str, way: Settled) {
        let timed = if self.sessions == 1 { self.added(how, way) } else { self.rate(how, way) };
        report.add(self.processor(how, way));
        report.add(timed);
    }
}
