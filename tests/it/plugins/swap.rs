//! Another build of a plugin takes the place of the one that runs: by command, by signal, by itself.

use super::{LEGACY, another_build, exported};
use crate::program::scene;
use gateway_tests::harness::{Gateway, Scene, Signal};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use test_artifacts::guest;

/// A scene in which the plugin `acme`, a build of the bundled one, runs everything.
async fn acme_scene() -> (Scene, Vec<u8>) {
    let scene = scene();
    let component = exported(&scene).await;
    scene.file("acme.wasm", another_build(&component, "first"));
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings(
        "plugins:
  acme: {path: ./acme.wasm, grants: {embedded: true}}
placement: [{provisioner: acme}]
servers:
  tools: {component: ./tools.wasm}
",
    );
    (scene, component)
}

/// What `gateway plugin reload` says about `acme`.
async fn reload(scene: &Scene, code: i32) -> Value {
    scene.run(["plugin", "reload", "acme", "--json"]).await.expect_code(code).json()["plugins"][0].clone()
}

#[tokio::test]
async fn servers_keep_their_connections_when_their_plugin_is_exchanged() {
    let (scene, component) = acme_scene().await;
    let gateway = scene.serve([""; 0]).await;
    let mut old = gateway.client(LEGACY).await;
    old.await_tools(&["calls"]).await;
    assert_eq!(old.text("calls", json!({})).await, "1");
    let same = reload(&scene, 0).await;

    scene.file("acme.wasm", another_build(&component, "second"));
    let fresh = reload(&scene, 0).await;
    assert_eq!(fresh["outcome"], "replaced");
    assert_ne!(fresh["digest"], same["digest"]);
    assert_eq!(old.text("calls", json!({})).await, "2", "the connection was lost");
    let mut new = gateway.client(LEGACY).await;
    assert_eq!(new.text("calls", json!({})).await, "1");

    scene.file("acme.wasm", &component[..component.len() / 2]);
    let kept = reload(&scene, 3).await;
    assert_eq!(kept["outcome"], "kept");
    assert!(kept["error"].as_str().unwrap().contains("is cut off"), "{kept}");
    assert_eq!(old.text("calls", json!({})).await, "3");
    assert_eq!(gateway.client(LEGACY).await.text("calls", json!({})).await, "1");

    let unknown = scene.run(["plugin", "reload", "nobody"]).await.expect_code(1);
    assert!(unknown.stderr.contains("there is no plugin `nobody` here"), "{}", unknown.seen());
    // Servers of the first build are released by the second.
    gateway.end().await;
}

#[tokio::test]
async fn a_hangup_signal_and_a_changed_file_do_the_same() {
    let (scene, component) = acme_scene().await;
    let by_signal = scene.serve([""; 0]).await;
    let tell = || by_signal.signal(Signal::HUP);
    exchange(&scene, &by_signal, &component, tell, ["`acme` replaced", "`acme` kept"]).await;
    by_signal.end().await;
    scene.file("acme.wasm", another_build(&component, "first"));
    let watching = scene.serve(["--watch", "--verbose"]).await;
    exchange(&scene, &watching, &component, || {}, ["`acme` replaced", "the changed file is not used"]).await;
    watching.end().await;
}

/// A good build and a broken one are put in its place; `tell` makes the gateway look, and it says one of `said`.
async fn exchange(scene: &Scene, gateway: &Gateway<'_>, component: &[u8], tell: impl Fn(), said: [&str; 2]) {
    let [replaced, kept] = said;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["calls"]).await;
    assert_eq!(client.text("calls", json!({})).await, "1");
    scene.file("acme.wasm", another_build(component, "second"));
    tell();
    gateway.says(replaced).await;
    assert_eq!(client.text("calls", json!({})).await, "2");
    scene.file("acme.wasm", "not even WebAssembly");
    tell();
    let kept = gateway.says(kept).await;
    assert!(kept.contains("is not WebAssembly"), "{kept}");
    assert_eq!(client.text("calls", json!({})).await, "3");
}

#[tokio::test]
async fn no_call_fails_while_the_plugin_is_exchanged_twenty_times() {
    let (scene, component) = acme_scene().await;
    let gateway = scene.serve([""; 0]).await;
    gateway.client(LEGACY).await.await_tools(&["calls"]).await;
    let over = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (over, calls) = (Arc::clone(&over), Arc::clone(&calls));
        let endpoint = gateway.endpoint().await;
        callers.spawn(async move {
            // Each session has a copy of its own, so each first call is a provision through whichever build is in place.
            while !over.load(Ordering::SeqCst) {
                let mut client = gateway_tests::harness::Client::over_http(endpoint.clone(), LEGACY).await;
                assert_eq!(client.text("calls", json!({})).await, "1");
                client.leave().await;
                calls.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for number in 1..=20 {
        let seen = calls.load(Ordering::SeqCst);
        if number % 5 == 0 {
            scene.file("acme.wasm", &component[..component.len() / 3]);
            assert_eq!(reload(&scene, 3).await["outcome"], "kept");
        } else {
            scene.file("acme.wasm", another_build(&component, &format!("number {number}")));
            assert_eq!(reload(&scene, 0).await["outcome"], "replaced");
        }
        gateway_tests::harness::eventually("calls to go on", async || {
            let now = calls.load(Ordering::SeqCst);
            if now > seen { Ok(()) } else { Err(format!("still {now}")) }
        })
        .await;
    }
    over.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    gateway.end().await;
}
