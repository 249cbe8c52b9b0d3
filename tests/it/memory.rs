//! What the gateway keeps: of many sessions that nobody ever closes, and of answers as long as they may be.

use crate::program::echo_scene;
use crate::upstream::{editor_scene, entry};
use gateway_tests::bench::process::resident;
use gateway_tests::harness::{Client, Era};
use serde_json::json;

const LEGACY: Era = Era::Legacy("2025-11-25");
/// Sessions that are opened and never closed.
const SESSIONS: usize = 2000;
/// KiB that a session may keep, its share of the servers included: the budget of an idle session (design 10) is 40, of an optimised build.
const MOST: f64 = 64.0;

#[tokio::test]
async fn two_thousand_sessions_that_nobody_closes_are_bounded() {
    let scene = echo_scene();
    let gateway = scene.serve([""; 0]).await;
    let endpoint = gateway.endpoint().await;
    let use_one = async || {
        let mut client = Client::over_http(endpoint.clone(), LEGACY).await;
        assert_eq!(client.text("echo", json!({"message": "x"})).await, "Echo: x");
        client
    };
    gateway.client(LEGACY).await.await_tools(&["echo"]).await;
    // As many as there may be servers at once, so that from here on each that starts takes the place of another.
    let mut kept = Vec::new();
    for _ in 0..150 {
        kept.push(use_one().await);
    }
    let before = resident(gateway.pid());
    for _ in 0..SESSIONS {
        kept.push(use_one().await);
    }
    let after = resident(gateway.pid());
    #[expect(clippy::cast_precision_loss, reason = "two thousand are exact")]
    let each = (after - before) / SESSIONS as f64;
    eprintln!(
        "{SESSIONS} sessions, each with one call: {:.1} MiB before, {:.1} MiB after, {each:.1} KiB for each",
        before / 1024.0,
        after / 1024.0
    );
    assert!(each <= MOST, "{each:.1} KiB for each session");
    let servers = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
    let up = servers["servers"][0]["clients"].as_u64().unwrap_or_else(|| panic!("{servers}"));
    assert!(up <= 100, "{servers}");
    // The first of them is as good as ever.
    assert_eq!(kept[0].text("echo", json!({"message": "y"})).await, "Echo: y");
    gateway.end().await;
}

/// MiB of one answer: with its envelope it is below the longest line that a server may write.
const LONG: usize = 15;
/// MiB that may be kept after any number of them: what the allocator of a debug build holds on to for a few such answers, of 364 that came.
const KEPT: f64 = 128.0;

/// In the original a tool that prints 64 MB costs 500 MiB that stay (`docker-mcp-gateway.md` 33).
#[tokio::test]
async fn answers_that_are_as_long_as_may_be_leave_no_memory_behind() {
    let scene = editor_scene(&json!({"a": entry(&[])}));
    let gateway = scene.serve(["--mcp-servers", "mcp.json"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["long"]).await;
    assert_eq!(client.text("long", json!({"bytes": 1000})).await.len(), 1000);
    let before = resident(gateway.pid());
    for _ in 0..20 {
        assert_eq!(client.text("long", json!({"bytes": LONG << 20})).await.len(), LONG << 20);
    }
    // What is longer is not taken, and is not kept either.
    let error = client.call("long", json!({"bytes": 64 << 20})).await.unwrap_err();
    let why = "server `a`: the server has gone: a line of its output is longer than 16777216 bytes";
    assert!(error.message.starts_with(why), "{error:?}");
    assert_eq!(client.text("long", json!({"bytes": 1000})).await.len(), 1000);
    let kept = (resident(gateway.pid()) - before) / 1024.0;
    eprintln!("20 answers of {LONG} MiB and one of 64: {kept:.1} MiB are kept");
    assert!(kept <= KEPT, "{kept:.1} MiB are kept");
    gateway.end().await;
}
