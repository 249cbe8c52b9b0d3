//! How a gateway ends: asked, urged, without a client, without notice. After each of them nothing is left.

#![expect(clippy::indexing_slicing, reason = "what is not as the story says ends the test there")]

use crate::program::{echo_scene, eventually_ready, scene, tools_scene};
use gateway_tests::harness::{Era, Scene, Signal, eventually};
use serde_json::json;
use test_artifacts::guest;

const LEGACY: Era = Era::Legacy("2025-11-25");
const NOBODY: [&str; 0] = [];

/// Waits until the first server has at least so many calls in flight: a list that waits behind a call counts too.
async fn eventually_in_flight(scene: &Scene, calls: u64) {
    eventually("calls in flight", async || {
        let answer = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        if answer["servers"][0]["calls"].as_u64() >= Some(calls) { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn it_ends_with_its_only_client() {
    let scene = tools_scene("");
    for in_flight in [false, true] {
        let mut gateway = scene.pipe(NOBODY);
        let mut client = gateway.only_client(LEGACY).await;
        client.await_tools(&["never"]).await;
        if in_flight {
            client.begin("tools/call", json!({"name": "never", "arguments": {}})).await;
            eventually_in_flight(&scene, 1).await;
        }
        drop(client);
        let ended = gateway.ended().await;
        assert_eq!(ended.finished.code, Some(0), "{}", ended.finished.stderr);
        scene.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_first_signal_lets_calls_in_flight_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let scene = tools_scene("");
        let gateway = scene.serve(NOBODY).await;
        let endpoint = gateway.endpoint().await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["wait"]).await;
        let sent = client.begin("tools/call", json!({"name": "wait", "arguments": {"millis": 5000}})).await;
        eventually_in_flight(&scene, 1).await;
        gateway.signal(signal);
        gateway.says("signal: finishing what runs").await;
        let answer =
            client.finish(sent).await.unwrap_or_else(|error| panic!("{error:?}\n{}", gateway.said()));
        assert_eq!(answer["content"][0]["text"], "waited");
        let ended = gateway.ended().await;
        assert_eq!(ended.finished.code, Some(0), "{}", ended.finished.stderr);
        assert!(!ended.finished.stderr.contains("warning"), "{}", ended.finished.stderr);
        let answer =
            endpoint.post(&[], &json!({})).await.map(|reply| reply.status).map_err(|error| error.kind());
        assert_eq!(answer, Err(std::io::ErrorKind::ConnectionRefused), "somebody still listens");
        scene.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_first_signal_lets_calls_over_standard_input_finish() {
    let scene = tools_scene("");
    let mut gateway = scene.pipe(NOBODY);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["wait"]).await;
    let sent = client.begin("tools/call", json!({"name": "wait", "arguments": {"millis": 5000}})).await;
    eventually_in_flight(&scene, 1).await;
    gateway.signal(Signal::TERM);
    let answer = client.finish(sent).await.unwrap_or_else(|error| panic!("{error:?}\n{}", gateway.said()));
    assert_eq!(answer["content"][0]["text"], "waited");
    let ended = gateway.ended().await;
    assert_eq!(ended.finished.code, Some(0), "{}", ended.finished.stderr);
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_second_signal_cuts_short() {
    let scene = tools_scene("");
    let gateway = scene.serve(NOBODY).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["never"]).await;
    let sent = client.begin("tools/call", json!({"name": "never", "arguments": {}})).await;
    eventually_in_flight(&scene, 1).await;
    gateway.signal(Signal::TERM);
    gateway.says("signal: finishing what runs").await;
    gateway.signal(Signal::TERM);
    gateway.says("second signal: ending now").await;
    let ended = gateway.ended().await;
    assert_eq!(ended.finished.code, Some(130), "{}", ended.finished.stderr);
    client.finish(sent).await.unwrap_err();
    scene.assert_nothing_left();
}

#[tokio::test]
async fn it_can_end_while_servers_still_start() {
    let scene = scene();
    scene.component("silent.wasm", &guest("misbehave"));
    scene.settings("servers:\n  mute: {component: ./silent.wasm, args: [silent]}\n");
    let gateway = scene.serve(NOBODY).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    eventually("something begun in the ledger", async || {
        if scene.ledger().is_empty() { Err("an empty ledger".to_owned()) } else { Ok(()) }
    })
    .await;
    gateway.end().await;
    drop(listing);
}

#[tokio::test]
async fn the_next_start_works_off_what_a_killed_gateway_has_left() {
    let scene = scene();
    scene.component("silent.wasm", &guest("misbehave"));
    scene.component("echo.wasm", &guest("echo-server"));
    scene.settings("servers:\n  mute: {component: ./silent.wasm, args: [silent]}\n");
    let gateway = scene.serve(NOBODY).await;
    let mut client = gateway.client(LEGACY).await;
    // In the middle of a provision: the workload is there, and the handshake waits for a server that never answers.
    let listing = client.begin("tools/list", json!({})).await;
    eventually("something begun in the ledger", async || {
        if scene.ledger().is_empty() { Err("an empty ledger".to_owned()) } else { Ok(()) }
    })
    .await;
    let killed = gateway.kill().await;
    assert_eq!(killed.finished.code, None);
    drop(listing);
    let left = scene.ledger();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].1.contains("mute"), "the ledger does not say for which server: {left:?}");

    scene.settings("servers:\n  echo: {component: ./echo.wasm}\n");
    let gateway = scene.serve(NOBODY).await;
    eventually("the old ledger to be worked off", async || {
        let there = scene.ledger();
        if there.iter().any(|(name, _)| *name == left[0].0) { Err(format!("{there:?}")) } else { Ok(()) }
    })
    .await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains("warning"), "{}", ended.finished.stderr);
}

#[tokio::test]
async fn a_killed_gateway_leaves_what_its_plugin_had_noted() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.component("hostile.wasm", &guest("plugin_hostile"));
    // The plugin writes down a state and an object, and then waits for ever, as for a roll-out.
    scene.settings(
        "plugins:
  hostile: {path: ./hostile.wasm, grants: {embedded: true}}
placement: [{provisioner: hostile}]
servers:
  checkpoint-hang: {component: ./echo.wasm}
",
    );
    let gateway = scene.serve(NOBODY).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    eventually("the object in the ledger", async || {
        let ledger = scene.ledger();
        if format!("{ledger:?}").contains("t2") { Ok(()) } else { Err(format!("{ledger:?}")) }
    })
    .await;
    gateway.kill().await;
    drop(listing);
    // Another set of servers, but still with that plugin: only it knows how to take down what it made.
    scene.settings("plugins:\n  hostile: {path: ./hostile.wasm, grants: {embedded: true}}\n");
    let gateway = scene.serve(["--verbose"]).await;
    let said = gateway.says("release checkpoint-hang").await;
    assert!(said.contains("halfway") && said.contains("t2") && said.contains("Orphaned"), "{said}");
    // What the dead one's servers shared is ended after them, and the file goes at the end.
    eventually("everything of the dead one to be released", async || {
        let text: String = scene.ledger().into_iter().map(|(_, text)| text).collect();
        let entries: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
        let leases = |kind: &str| -> Vec<String> {
            let of_kind = entries.iter().filter(|entry| entry["entry"] == kind);
            of_kind.map(|entry| entry["lease"].as_str().unwrap_or_default().to_owned()).collect()
        };
        let released = leases("released");
        if leases("begin").iter().all(|lease| released.contains(lease)) { Ok(()) } else { Err(text) }
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn what_is_not_taken_down_yet_is_said_at_the_end_and_left_to_the_next_start() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.component("hostile.wasm", &guest("plugin_hostile"));
    let plugin = "plugins:\n  hostile: {path: ./hostile.wasm, grants: {embedded: true}}\n";
    scene.settings(&format!(
        "{plugin}placement: [{{provisioner: hostile}}]\nservers:\n  checkpoint-hang: {{component: ./echo.wasm}}\n"
    ));
    let gateway = scene.serve(NOBODY).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    eventually("the object in the ledger", async || {
        let ledger = scene.ledger();
        if format!("{ledger:?}").contains("t2") { Ok(()) } else { Err(format!("{ledger:?}")) }
    })
    .await;
    gateway.kill().await;
    drop(listing);
    // This one does not know the plugin, so it can take nothing down: neither the server nor what `prepare` made for all.
    scene.settings("servers:\n  echo: {component: ./echo.wasm}\n");
    let gateway = scene.serve(NOBODY).await;
    gateway.says("warning: server `checkpoint-hang` of session ").await;
    gateway.signal(Signal::TERM);
    let ended = gateway.ended().await.finished;
    let note = "note: 2 things that killed gateways left are still there; the next start takes them down";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    assert!(!scene.ledger().is_empty());
    // The next start that can does it, and has nothing to say at its end.
    scene.settings(plugin);
    let gateway = scene.serve(NOBODY).await;
    gateway.says("took down server `checkpoint-hang`").await;
    let ended = gateway.end().await.finished;
    assert!(!ended.stderr.contains("still there"), "{}", ended.stderr);
}

#[tokio::test]
async fn two_gateways_of_one_user_leave_each_other_alone() {
    let scene = echo_scene();
    let one = scene.serve(NOBODY).await;
    let mut client = one.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let two = scene.serve(NOBODY).await;
    two.client(LEGACY).await.await_tools(&["echo"]).await;
    let both = scene.run(["server", "list"]).await.expect_code(1);
    assert!(both.stderr.contains("2 gateways run; choose one with `--session`"), "{}", both.seen());
    two.signal(Signal::TERM);
    assert_eq!(two.ended().await.finished.code, Some(0));
    assert_eq!(client.text("echo", json!({"message": "still here"})).await, "Echo: still here");
    eventually_ready(&scene).await;
    one.end().await;
}
