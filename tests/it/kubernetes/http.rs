//! Servers that speak HTTP in their pods (`provisioning.md` 7, phase 4.4), reached by port-forward, because these tests run outside the cluster.

use super::{HTTP, LEGACY, World, answers, catalog};
use gateway_tests::harness::eventually;
use serde_json::json;

#[tokio::test]
async fn a_server_over_http_has_a_service_and_is_reached_by_port_forward() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("everything", HTTP)]));
    let gateway = world.serve(&scene, "everything", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    for n in 0..20 {
        let text = client.text("echo", json!({"message": format!("over HTTP {n}")})).await;
        assert!(text.contains(&format!("over HTTP {n}")), "{text}");
    }
    let services = world.get("services").await;
    let pods = world.get("pods").await;
    assert_eq!(services.len(), pods.len(), "each pod has its own");
    assert_eq!(world.get("deployments").await.len(), pods.len(), "and is kept by one");
    for service in &services {
        assert_eq!(service["spec"]["type"], "ClusterIP");
        assert_eq!(service["spec"]["ports"][0]["name"], "mcp");
        assert_eq!(service["spec"]["ports"][0]["port"], 3001);
        let request = &service["spec"]["selector"]["gateway-request"];
        assert!(pods.iter().any(|pod| pod["metadata"]["labels"]["gateway-request"] == *request));
    }
    for pod in &pods {
        let digest = pod["metadata"]["labels"]["gateway-plugin-digest"].as_str().unwrap();
        assert!(digest.starts_with("sha256-") && digest.len() == 63, "{digest}");
    }
    // The pod goes; the next call finds another one.
    world.kubectl(&["delete", "pods", "--all", "--grace-period=0", "--force"]).await;
    answers(&mut client, "echo").await;
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_that_is_never_ready_says_so_and_is_gone() {
    let Some(world) = World::new().await else { return };
    let wrong = HTTP.replace("3001", "3002");
    let scene = world.scene(&catalog(&[("wrong", &wrong)]));
    let gateway = world.serve(&scene, "wrong", &["--max-server-startup-timeout", "8"]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    let said = gateway.says("was not ready after").await;
    assert!(said.contains("wrong"), "{said}");
    drop(listing);
    eventually("no pod and no Service", async || {
        let left = world.get("pods,services").await.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
    })
    .await;
    gateway.end().await;
    world.nothing_left().await;
}
