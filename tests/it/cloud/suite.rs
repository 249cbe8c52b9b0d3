//! The contract suite of `sdk/testkit` on the plugins for clouds, with every fault at every host call.

use super::{ECHO, aws_scene, nothing_left, run, stand_in};
use gateway_tests::harness::{CloudRunDouble, Scene};
use serde_json::Value;
use std::time::Duration;

/// The suite takes minutes on a busy machine; the harness gives up on anything else much sooner.
const WITHIN: Duration = Duration::from_secs(1800);

async fn suite(scene: &Scene, plugin: &str, more: &[&str]) -> Vec<Value> {
    let mut command =
        scene.command(["plugin", "test", "--json", plugin, "--provisioner", plugin].iter().chain(more));
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
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
    let times = |served: bool| cases.iter().filter(|case| case["served"] == served).count();
    #[expect(clippy::print_stdout, reason = "for `tests/faults.md`")]
    {
        println!(
            "{plugin}: {} times the server came up, {} times the start failed and left nothing",
            times(true),
            times(false)
        );
    }
    cases
}

async fn ecs(more: &[&str], least: usize) {
    let Some(stand) = stand_in().await else { return };
    let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", ECHO)]);
    let cases = suite(&scene, "cloud-ecs", more).await;
    assert!(cases.len() >= least, "{}", cases.len());
    nothing_left(&stand).await;
    stand.end().await;
}

async fn cloud_run(more: &[&str], least: usize) {
    if crate::docker::engine().await.is_none() {
        return;
    }
    let Some(double) = CloudRunDouble::new().await else { return };
    let scene = run::scene(&double, &[("echo", ECHO)]);
    let cases = suite(&scene, "cloud-run", more).await;
    assert!(cases.len() >= least, "{}", cases.len());
    run::nothing_left(&double).await;
}

#[tokio::test]
async fn the_plugin_for_ecs_does_what_every_provisioner_must() {
    ecs(&[], 11).await;
}

#[tokio::test]
async fn the_plugin_for_cloud_run_does_what_every_provisioner_must() {
    cloud_run(&[], 11).await;
}

/// Eleven cases, one without a fault, and thirteen faults at each request.
#[tokio::test]
#[ignore = "takes a quarter of an hour; `cargo test -p gateway-tests --test it -- --ignored every_fault` runs it"]
async fn the_plugin_for_ecs_leaves_nothing_after_every_fault_of_every_request() {
    ecs(&["--inject"], 12 + 13 * 8).await;
}

#[tokio::test]
#[ignore = "takes a quarter of an hour; `cargo test -p gateway-tests --test it -- --ignored every_fault` runs it"]
async fn the_plugin_for_cloud_run_leaves_nothing_after_every_fault_of_every_request() {
    cloud_run(&["--inject"], 12 + 13 * 6).await;
}
