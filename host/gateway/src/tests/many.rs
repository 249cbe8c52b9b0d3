//! Sessions that are opened and never closed.

use super::server::{Script, Speaks};
use super::world::World;
use crate::{FrontConfig, HttpConfig};
use serde_json::json;
use std::time::Duration;

/// What a session keeps is bounded by how many there may be: the idlest makes room, with its servers.
#[tokio::test]
async fn two_thousand_sessions_that_nobody_closes_are_as_many_as_may_be() {
    const CAP: usize = 100;
    let config = FrontConfig { session_cap: CAP, ..FrontConfig::default() };
    let world =
        World::with(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])], config, HttpConfig::default())
            .await;
    world.front.ready().await;
    let mut http = world.http().await;
    let mut first = None;
    for n in 0..2000 {
        http.session = None;
        http.initialize("2025-11-25").await;
        first.get_or_insert_with(|| http.session.clone());
        // Some of them use a server of their own.
        if n % 20 == 0 {
            http.ask("tools/call", json!({"name":"echo"})).await;
        }
    }
    assert_eq!(world.front.sessions(), CAP);
    // Servers of sessions that have gone go too; the one for everybody stays.
    tokio::time::timeout(Duration::from_secs(30), async {
        while world.provisioner.held().len() > CAP / 20 + 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    http.session = first.unwrap();
    assert_eq!(http.post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}").await.status, 404);
}
