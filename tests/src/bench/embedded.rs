//! The same relay to an embedded echo server. It runs in the gateway's process, so its own time is in the figures; measured alone, it can be
//! told from what the gateway adds.

use super::load::{LoadClient, Target};
use super::report::{Report, Row};
use super::way::{Way, in_turns};
use super::{Effort, guest};
use crate::harness::{Scene, TOKEN};

/// Processor time per call through the gateway to an embedded echo server.
///
/// # Panics
/// A call fails.
pub async fn measure(report: &mut Report, effort: Effort, scene: &Scene, client: &LoadClient) {
    let cache = tempfile::tempdir().unwrap();
    let alone = guest::measure(effort, cache.path()).await;
    let gateway = scene.serve([""; 0]).await;
    let through = Target::Http(gateway.endpoint().await.url(), Some(TOKEN.to_owned()));
    for (sessions, alone) in [(1, alone.one_by_one), (guest::AT_ONCE, alone.together)] {
        let way = |revision| Way::new(through.clone(), revision, "echo", Some(gateway.pid()));
        let [legacy, modern] =
            in_turns(effort, client, sessions, [way("2025-11-25"), way("2026-07-28")]).await;
        for (revision, way) in [("2025-11-25", legacy), ("2026-07-28", modern)] {
            let name =
                format!("{sessions} at once: processor time per call (embedded, {revision}), echo included");
            report.add(Row::new(name, "µs", way.processor).beside("the echo alone", alone));
        }
    }
    gateway.end().await;
}
