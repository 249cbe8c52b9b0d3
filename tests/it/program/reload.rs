//! Files that change while the gateway runs.

use super::scene;
use gateway_tests::harness::{Era, Scene, Signal};
use serde_json::json;
use test_artifacts::guest;

const TWO: &str = "servers:\n  stays: {component: ./tools.wasm, prefix: stays}\n  goes: {component: ./tools.wasm, prefix: goes}\n";
const OTHER: &str = "servers:\n  stays: {component: ./tools.wasm, prefix: stays}\n  comes: {component: ./tools.wasm, prefix: comes}\n";

fn two() -> Scene {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings(TWO);
    scene
}

#[tokio::test]
async fn changed_settings_replace_only_the_servers_that_changed() {
    let scene = two();
    let gateway = scene.serve([""; 0]).await;
    let mut client = gateway.client(Era::Legacy("2025-11-25")).await;
    client.await_tools(&["stays__calls", "goes__calls"]).await;
    assert_eq!(client.text("stays__calls", json!({})).await, "1");

    scene.settings(OTHER);
    let said = gateway.says("`comes` added").await;
    assert!(said.contains("reloaded"), "{said}");
    gateway.says("`goes` removed").await;
    client.await_tools(&["stays__calls", "comes__calls"]).await;
    let tools = client.tools().await;
    assert!(!tools.iter().any(|tool| tool.starts_with("goes__")), "{tools:?}");
    // The same copy of it answers, with what it remembers.
    assert_eq!(client.text("stays__calls", json!({})).await, "2");

    scene.settings("servers: [nonsense\n");
    gateway.says("what runs stays").await;
    scene.settings("servers:\n  stays: {component: ./tools.wasm, memroy: 1}\n");
    gateway.says("did you mean `memory`?").await;
    assert_eq!(client.text("stays__calls", json!({})).await, "3");
    assert_eq!(client.text("comes__calls", json!({})).await, "1");

    scene.settings(
        "servers:\n  stays: {component: ./tools.wasm, prefix: stays, env: [{name: A, value: b}]}\n",
    );
    gateway.says("`stays` replaced (environment)").await;
    assert_eq!(client.text("stays__calls", json!({})).await, "1");
    gateway.end().await;
}

#[tokio::test]
async fn a_call_in_flight_finishes_on_the_server_that_was_removed() {
    let scene = two();
    let gateway = scene.serve([""; 0]).await;
    let mut client = gateway.client(Era::Legacy("2025-11-25")).await;
    client.await_tools(&["goes__wait"]).await;
    let flying =
        client.begin("tools/call", json!({"name": "goes__wait", "arguments": {"millis": 3000}})).await;
    scene.settings(OTHER);
    gateway.says("`goes` removed").await;
    let answer = client.finish(flying).await.unwrap();
    assert_eq!(answer["content"][0]["text"], "waited");
    gateway.end().await;
}

#[tokio::test]
async fn a_hangup_reads_the_files_and_says_if_nothing_has_changed() {
    let scene = two();
    let gateway = scene.serve(["--watch=false"]).await;
    gateway.signal(Signal::HUP);
    gateway.says("reloaded: no server has changed").await;
    scene.settings(OTHER);
    gateway.signal(Signal::HUP);
    gateway.says("`comes` added").await;
    gateway.end().await;
}
