//! The contract suite of `sdk/testkit` on the bundled plugin and the real cluster, with every fault at every host call.

use super::{HTTP, World, catalog};
use serde_json::Value;
use std::time::Duration;

/// A few hundred pods one after the other.
const WITHIN: Duration = Duration::from_secs(3600);

const ECHO: &str = "image: REGISTRY/mcp/null:1";

#[tokio::test]
async fn the_kubernetes_plugin_does_what_every_provisioner_must() {
    suite(ECHO, &[]).await;
}

/// The same of what a Deployment keeps.
#[tokio::test]
async fn the_kubernetes_plugin_does_what_every_provisioner_must_with_deployments() {
    suite(HTTP, &[]).await;
}

#[tokio::test]
#[ignore = "takes a quarter of an hour; `cargo test -p gateway-tests --test it -- --ignored every_fault` runs it"]
async fn the_kubernetes_plugin_leaves_nothing_after_every_fault_of_every_host_call() {
    // One without a fault, and seven faults at each of the host calls.
    assert!(suite(ECHO, &["--inject"]).await >= 12 + 7 * 5);
}

#[tokio::test]
#[ignore = "takes half an hour; `cargo test -p gateway-tests --test it -- --ignored every_fault` runs it"]
async fn the_kubernetes_plugin_leaves_no_deployment_after_every_fault_of_every_host_call() {
    assert!(suite(HTTP, &["--inject"]).await >= 12 + 7 * 7);
}

/// Every case passes and nothing is left; how many there were.
async fn suite(entry: &str, flags: &[&str]) -> usize {
    let Some(world) = World::new().await else { return usize::MAX };
    let scene = world.scene(&catalog(&[("echo", entry)]));
    let arguments = ["plugin", "test", "--json", "kubernetes", "--catalog", "catalog.yaml"];
    let arguments = [&arguments[..], &["--servers", "echo", "--provisioner", "kubernetes"], flags].concat();
    let mut command = scene.command(arguments.into_iter().chain(["--namespace", &world.namespace]));
    command.stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(WITHIN, command.output()).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    let cases = report["cases"].as_array().unwrap();
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| case["passed"] != true)
        .map(|case| format!("{}: {}", case["case"], case["failure"]))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(output.status.code(), Some(0));
    assert!(cases.len() >= 11, "{}", cases.len());
    // A run that the suite kills goes on in this process, and so does its Lease; nothing else may stay.
    let left = world.get("pods,services,secrets,networkpolicies,deployments,replicasets,configmaps").await;
    assert!(left.is_empty(), "{left:?}");
    cases.len()
}
