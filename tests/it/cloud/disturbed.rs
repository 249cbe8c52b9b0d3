//! Answers of the platform that are late, cut, strange or missing, at every operation that brings a server up and takes it down. Either the server
//! works all the same, or its failure is said; and nothing is left.

use super::{ECHO, LEGACY, aws_scene, nothing_left, run, stand_in};
use gateway_tests::harness::{CloudRunDouble, Disturbance, Gateway, StandIn, eventually};
use serde_json::json;

/// Brings the server up, whatever happens on the way, asks it, and ends it.
async fn life(gateway: Gateway<'_>) {
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let text = client.text("echo", json!({"message": "after all"})).await;
    assert!(text.contains("after all"), "{text}");
    gateway.end().await;
}

const SHARED: &str = "secrets: [{name: acme.token, env: TOKEN}]\nlifetime: shared";

/// A life in which one answer of the platform is disturbed, and after which nothing is left. What only releases call is disturbed at the release.
async fn survives(stand: &StandIn, operation: &str, disturbance: Disturbance) {
    let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", &format!("{ECHO}\n{SHARED}"))]);
    scene.file(".env", "acme.token=planted-for-the-cloud-3\n");
    stand.disturb(operation, disturbance);
    let gateway = scene.serve(["--provisioner", "cloud", "--secrets", ".env"]).await;
    life(gateway).await;
    assert!(!stand.is_undisturbed(), "{operation} was never called");
    eventually(&format!("nothing after {disturbance:?} of {operation}"), async || {
        let left = stand.left().await;
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
}

#[tokio::test]
async fn an_ending_gets_over_an_answer_that_never_goes_on() {
    let Some(stand) = stand_in().await else { return };
    survives(&stand, "DeleteLogGroup", Disturbance::Slow).await;
    nothing_left(&stand).await;
    stand.end().await;
}

#[tokio::test]
#[ignore = "takes a quarter of an hour; `cargo test -p gateway-tests --test it -- --ignored` runs it"]
async fn ecs_comes_up_after_every_disturbance_of_every_operation() {
    let Some(stand) = stand_in().await else { return };
    let operations = [
        "DescribeClusters",
        "CreateLogGroup",
        "CreateSecret",
        "RegisterTaskDefinition",
        "RunTask",
        "DescribeTasks",
        "ListTasks",
        "StopTask",
        "ListTaskDefinitions",
        "DeregisterTaskDefinition",
        "DeleteTaskDefinitions",
        "DeleteSecret",
        "DeleteLogGroup",
    ];
    for operation in operations {
        for disturbance in Disturbance::ALL {
            survives(&stand, operation, disturbance).await;
        }
    }
    nothing_left(&stand).await;
    stand.end().await;
}

#[tokio::test]
#[ignore = "takes a quarter of an hour; `cargo test -p gateway-tests --test it -- --ignored` runs it"]
async fn cloud_run_comes_up_after_every_disturbance_of_every_call() {
    if crate::docker::engine().await.is_none() {
        return;
    }
    let Some(double) = CloudRunDouble::new().await else { return };
    let entry = format!("{ECHO}\n{SHARED}");
    let calls = [
        "GET services",
        "POST secrets",
        "addVersion",
        "getIamPolicy",
        "setIamPolicy",
        "POST services",
        "GET operations",
        "DELETE services",
        "DELETE secrets",
    ];
    for call in calls {
        for disturbance in Disturbance::ALL {
            let scene = run::scene(&double, &[("echo", &entry)]);
            double.disturb(call, disturbance);
            let gateway = scene.serve(["--provisioner", "cloud-run", "--secrets", ".env"]).await;
            life(gateway).await;
            run::nothing_left(&double).await;
        }
    }
}
