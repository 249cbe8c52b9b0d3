//! Cloud Run, as an operator would use it.

use super::{ECHO, EVERYTHING, LEGACY, entries};
use crate::docker::{engine, on_engine};
use gateway_tests::harness::{CloudRunDouble, Scene, eventually};
use serde_json::json;

const SECRET: &str = "planted-for-the-cloud-run";

/// A scene that is a service account, and these servers.
pub(super) fn scene(double: &CloudRunDouble, servers: &[(&str, &str)]) -> Scene {
    let scene = on_engine(crate::program::scene());
    let file = scene.file("credentials.json", double.credentials().text);
    let scene = scene.with_variable("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap());
    scene.settings(&format!("{}{}", double.settings(), entries(servers)));
    scene.file(".env", format!("acme.token={SECRET}\n"));
    scene
}

pub(super) async fn nothing_left(double: &CloudRunDouble) {
    eventually("nothing in the project", async || {
        let left = double.left().await;
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
    assert_eq!(double.wrong(), [""; 0]);
}

#[tokio::test]
async fn a_server_runs_as_a_service_and_every_request_shows_a_fresh_identity() {
    if engine().await.is_none() {
        return;
    }
    let Some(double) = CloudRunDouble::new().await else { return };
    let entry = format!("{EVERYTHING}\nsecrets: [{{name: acme.token, env: ACME_TOKEN}}]");
    let scene = scene(&double, &[("everything", &entry)]);
    let gateway =
        scene.serve(["--provisioner", "cloud-run", "--secrets", ".env", "--block-secrets=false"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let tools = client.tools().await;
    let shows =
        ["get-env", "printEnv"].into_iter().find(|name| tools.iter().any(|tool| tool == name)).unwrap();
    let variables = client.text(shows, json!({})).await;
    assert!(variables.contains(&format!("\"ACME_TOKEN\": \"{SECRET}\"")), "{variables}");
    let before = double.identities();
    assert!(before > 0);
    for n in 0..3 {
        let text = client.text("echo", json!({"message": format!("again {n}")})).await;
        assert!(text.contains(&format!("again {n}")), "{text}");
    }
    assert!(double.identities() >= before + 3, "each request has a token of its own: these end at once");
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains(SECRET));
    nothing_left(&double).await;
}

#[tokio::test]
async fn each_reason_not_to_come_up_is_said_and_leaves_nothing() {
    if engine().await.is_none() {
        return;
    }
    let Some(double) = CloudRunDouble::new().await else { return };
    let missing = ECHO.replace("mcp/null:1", "mcp/none:9");
    let scene = scene(&double, &[("echo", ECHO), ("missing", &missing), ("stdio", "image: mcp/time:1")]);
    let gateway = scene.serve(["--provisioner", "cloud-run"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    gateway.says("start the service: CONTAINER_MISSING").await;
    gateway.says("speak to a server of Cloud Run over anything but HTTP").await;
    gateway.end().await;
    nothing_left(&double).await;
}
