//! The same relay to an embedded echo server. It runs in the gateway's process, so its own time is in the figures; measured alone, it can be
//! told from what the gateway adds. Beside it the load client's own echo over HTTP, without any gateway.

use super::load::{LoadClient, Target};
use super::report::{Report, Row};
use super::way::{Way, in_turns};
use super::{Effort, guest};
use crate::harness::{Scene, TOKEN};

const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// Latency, processor time and calls per second through the gateway to an embedded echo server.
///
/// # Panics
/// A call fails.
pub async fn measure(report: &mut Report, effort: Effort, scene: &Scene, client: &LoadClient) {
    let cache = tempfile::tempdir().unwrap();
    let alone = guest::measure(effort, cache.path()).await;
    let gateway = scene.serve([""; 0]).await;
    let through = Target::Http(gateway.endpoint().await.url(), Some(TOKEN.to_owned()));
    let (backend, http) = client.backend().await;
    for (sessions, alone) in [(1, alone.one_by_one), (guest::AT_ONCE, alone.together)] {
        let way = |revision| Way::new(through.clone(), revision, "echo", Some(gateway.pid()));
        let beside = Way::new(http.clone(), REVISIONS[0], "echo", backend.id());
        let [legacy, modern, http] =
            in_turns(effort, client, sessions, [way(REVISIONS[0]), way(REVISIONS[1]), beside]).await;
        for (revision, way) in REVISIONS.into_iter().zip([legacy, modern]) {
            let name = |what: &str| {
                let plural = if sessions == 1 { "" } else { "s" };
                format!("{sessions} session{plural}: {what} (embedded, {revision}), echo included")
            };
            let echo = "load client's HTTP echo";
            if sessions == 1 {
                report.add(Row::new(name("latency p50"), "ms", way.p50).beside(echo, http.p50));
            } else {
                let rate = Row::new(name("calls per second"), "1/s", way.per_second);
                report.add(rate.beside(echo, http.per_second));
            }
            let beside = format!("{echo} (the embedded one alone: {alone:.1})");
            report.add(
                Row::new(name("processor time per call"), "µs", way.processor).beside(beside, http.processor),
            );
        }
    }
    gateway.end().await;
}
