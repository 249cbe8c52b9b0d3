//! Latency and processor time per call, through the gateway to an embedded echo server and beside it.

use super::load::{LoadClient, Target};
use super::report::{Report, Row};
use super::{Effort, guest, median, micros, process};
use crate::harness::{Scene, TOKEN};

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// Figures of one way to the echo.
#[derive(Default)]
struct Way {
    p50: Vec<f64>,
    per_second: Vec<f64>,
    cpu: Vec<f64>,
}

impl Way {
    async fn run(
        &mut self,
        client: &LoadClient,
        target: &Target,
        revision: &str,
        sessions: usize,
        seconds: f64,
        pid: u32,
    ) {
        let before = (pid != 0).then(|| process::processor(pid));
        let load = client.run(target, revision, sessions, seconds).await;
        if let Some(before) = before {
            self.cpu.push(micros(process::processor(pid).saturating_sub(before)) / load.calls);
        }
        self.p50.push(load.p50);
        self.per_second.push(load.per_second);
    }

    fn settled(self) -> (f64, f64, f64) {
        let cpu = if self.cpu.is_empty() { 0.0 } else { median(self.cpu) };
        (median(self.p50), median(self.per_second), cpu)
    }
}

/// Runs the load client through the gateway, at its own HTTP echo and at its own stdio echo, in turns.
///
/// # Panics
/// A call fails.
pub async fn measure(report: &mut Report, effort: Effort, scene: &Scene, client: &LoadClient) {
    let cache = tempfile::tempdir().unwrap();
    let alone = guest::measure(effort, cache.path()).await;
    report.add(
        Row::new(
            format!("the echo alone, {} calls at once: processor time per call", guest::AT_ONCE),
            "µs",
            alone.together,
        )
        .beside("one after the other, with a wake-up each way", alone.one_by_one),
    );
    let gateway = scene.serve([""; 0]).await;
    let through = Target::Http(gateway.endpoint().await.url(), Some(TOKEN.to_owned()));
    let (backend, direct) = client.backend().await;
    let (gateway_pid, backend_pid) = (gateway.pid(), backend.id().unwrap());
    for (revision, sessions) in [(LEGACY, 1), (LEGACY, 32), (MODERN, 1), (MODERN, 32)] {
        // Servers come up, caches fill and branches are learned before anything counts.
        client.run(&through, revision, sessions, 0.3).await;
        client.run(&direct, revision, sessions, 0.3).await;
        let (mut ours, mut http, mut stdio) = (Way::default(), Way::default(), Way::default());
        for _ in 0..effort.rounds {
            let seconds = effort.load_seconds;
            ours.run(client, &through, revision, sessions, seconds, gateway_pid).await;
            http.run(client, &direct, revision, sessions, seconds, backend_pid).await;
            stdio.run(client, &Target::OwnStdio, revision, sessions, seconds, 0).await;
        }
        let (ours, http, stdio) = (ours.settled(), http.settled(), stdio.settled());
        let name = |what: &str| {
            format!("{what}, {sessions} session{}, {revision}", if sessions == 1 { "" } else { "s" })
        };
        if sessions == 1 {
            report.add(
                Row::new(name("added latency p50"), "ms", ours.0 - stdio.0).at_most(0.04, 0.03).beside(
                    format!("load client's HTTP echo (stdio alone: {:.3})", stdio.0),
                    http.0 - stdio.0,
                ),
            );
            let cpu = Row::new(name("processor time per call"), "µs", ours.2).at_most(25.0, 22.0);
            report.add(cpu.beside("load client's HTTP echo", http.2));
            let without = Row::new(name("of which not the echo's own"), "µs", ours.2 - alone.one_by_one);
            report.add(without.beside("the echo alone, one call after the other", alone.one_by_one));
        } else {
            let cpu = Row::new(name("processor time per call"), "µs", ours.2).at_most(15.0, 12.0);
            report.add(cpu.beside("load client's HTTP echo", http.2));
            let without = Row::new(name("of which not the echo's own"), "µs", ours.2 - alone.together);
            report.add(without.beside("the echo alone, as many calls at once", alone.together));
            let rate = Row::new(name("calls per second"), "1/s", ours.1).at_least(40_000.0, 50_000.0);
            report.add(rate.beside("load client's HTTP echo", http.1));
        }
    }
    gateway.end().await;
}
