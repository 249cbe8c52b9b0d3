//! The contract suite of `sdk/testkit` on the bundled plugins, with every fault at every host call, and on one that is to fail it.

use super::{BUSYBOX, ECHO, World};
use crate::program::scene;
use gateway_tests::harness::Scene;
use serde_json::Value;
use std::time::Duration;
use test_artifacts::guest;

/// The suite takes minutes on a busy machine; the harness gives up on anything else much sooner.
const WITHIN: Duration = Duration::from_secs(1500);

/// Runs the suite: its exit code, and its cases.
async fn run(scene: &Scene, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let mut command = scene.command(["plugin", "test", "--json"].iter().chain(arguments));
    command.stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(WITHIN, command.output()).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report["cases"].as_array().unwrap().clone())
}

/// The cases that failed, each with the reason.
fn failed(cases: &[Value]) -> Vec<String> {
    let failed = cases.iter().filter(|case| case["passed"] != true);
    failed.map(|case| format!("{}: {}", case["case"], case["failure"])).collect()
}

/// Runs the suite with every fault; all of it must pass. Names of its cases.
async fn suite(scene: &Scene, arguments: &[&str]) -> Vec<String> {
    let (code, cases) = run(scene, &[arguments, &["--inject"]].concat()).await;
    let failed = failed(&cases);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(code, Some(0));
    let served = |up: bool| cases.iter().filter(|case| case["served"] == up).count();
    eprintln!("{arguments:?}: {} cases, {} came up, {} did not", cases.len(), served(true), served(false));
    cases.iter().map(|case| case["case"].as_str().unwrap().to_owned()).collect()
}

/// How many of the cases disturb a call of this host function.
fn disturbed(cases: &[String], call: &str) -> usize {
    cases.iter().filter(|case| case.starts_with(&format!("{call} · "))).count()
}

#[tokio::test]
async fn the_embedded_plugin_does_what_every_provisioner_must() {
    let scene = scene();
    let cases = suite(&scene, &["embedded"]).await;
    assert!(cases.len() > 11, "{cases:?}");
}

#[tokio::test]
async fn a_plugin_that_passes_over_what_it_cannot_do_fails_the_case_about_it_and_no_other() {
    let scene = scene();
    scene.component("deaf.wasm", &guest("plugin_deaf"));
    scene.settings("plugins: {deaf: {path: ./deaf.wasm, grants: {embedded: true}}}");
    let (code, cases) = run(&scene, &["deaf"]).await;
    assert_eq!(code, Some(3));
    assert_eq!(
        failed(&cases),
        [
            "\"a field is honoured, reported, or refused by name\": \"allowHosts: it ran although neither its plan nor a report says what became of that\""
        ]
    );
}

/// A server over standard streams, and a tool of another entry.
#[tokio::test]
async fn the_docker_plugin_does_what_every_provisioner_must() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}"));
    let (name, tools) = (&world.name, format!("{}-tools", world.name));
    scene.file(
        "catalog.yaml",
        format!(
            "registry:\n  {name}:\n    image: {ECHO}\n  {tools}:\n    tools: [{{name: shell, container: {{image: '{BUSYBOX}', command: [sh]}}}}]\n"
        ),
    );
    let servers = format!("{name},{tools}");
    let cases = suite(&scene, &["docker", "--catalog", "catalog.yaml", "--servers", &servers]).await;
    // Seven faults at each of the host calls.
    for call in ["provision · docker.start-attached", "release · docker.stop", "run · docker.run"] {
        assert_eq!(disturbed(&cases, call), 7, "{call}: {cases:?}");
    }
    assert!(cases.iter().any(|case| case.starts_with("a tool has its real exit code")), "{cases:?}");
    world.nothing_left().await;
}

/// One that speaks HTTP: a published port, waited for.
#[tokio::test]
async fn the_docker_plugin_leaves_nothing_of_a_server_over_http() {
    let Some(world) = World::new().await else { return };
    let entry = format!(
        "image: {ECHO}\ncommand: [--port, '8000', --bind, 0.0.0.0]\ntransport: http\nports: [{{containerPort: 8000}}]"
    );
    let scene = world.scene(&entry);
    let cases = suite(&scene, &["docker", "--catalog", "catalog.yaml", "--servers", &world.name]).await;
    for call in ["provision · docker.start", "provision · docker.address-of"] {
        assert_eq!(disturbed(&cases, call), 7, "{call}: {cases:?}");
    }
    world.nothing_left().await;
}

/// One with a limited way out: a network and a proxy of its own.
#[tokio::test]
async fn the_docker_plugin_leaves_nothing_of_a_server_with_a_limited_way_out() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}\nallowHosts: ['allowed.test:443', 'db.test:5432/tcp']"));
    let arguments = ["docker", "--catalog", "catalog.yaml", "--servers", &world.name, "--block-network"];
    let cases = suite(&scene, &arguments).await;
    for call in ["provision · docker.start-egress-proxy", "release · docker.remove-network"] {
        assert_eq!(disturbed(&cases, call), 7, "{call}: {cases:?}");
    }
    world.nothing_left().await;
}
