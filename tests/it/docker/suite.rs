//! The contract suite of `sdk/testkit` on the bundled plugins, with every fault at every host call.

use super::{ECHO, World};
use crate::program::scene;
use gateway_tests::harness::{Scene, eventually};
use serde_json::Value;
use std::time::Duration;

/// The suite takes minutes on a busy machine; the harness gives up on anything else much sooner.
const WITHIN: Duration = Duration::from_secs(900);

async fn suite(scene: &Scene, arguments: &[&str]) -> Vec<Value> {
    let mut command = scene.command(["plugin", "test", "--inject", "--json"].iter().chain(arguments));
    command.stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(WITHIN, command.output()).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    let cases = report["cases"].as_array().unwrap().clone();
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| case["passed"] != true)
        .map(|case| format!("{}: {}", case["case"], case["failure"]))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(output.status.code(), Some(0));
    cases
}

#[tokio::test]
async fn the_embedded_plugin_does_what_every_provisioner_must() {
    let scene = scene();
    let cases = suite(&scene, &["embedded"]).await;
    assert!(cases.len() > 11, "{cases:?}");
}

#[tokio::test]
async fn the_docker_plugin_does_what_every_provisioner_must() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}"));
    let cases = suite(&scene, &["docker", "--catalog", "catalog.yaml", "--servers", &world.name]).await;
    // Eleven cases, one without a fault, and seven faults at each of the host calls.
    assert!(cases.len() >= 12 + 7 * 5, "{cases:?}");
    eventually("no containers", async || {
        let left = world.containers().await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
