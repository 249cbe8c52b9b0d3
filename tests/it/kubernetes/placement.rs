//! One gateway, three platforms: by placement a component runs inside, one image on the machine's engine and another in the cluster. Clients see one
//! list.

use super::{LEGACY, World, registry, variable};
use crate::docker::{engine, on_engine};
use crate::program::scene;
use gateway_tests::harness::eventually;
use host_workload_docker::PageRequest;
use serde_json::json;

#[tokio::test]
async fn servers_of_three_platforms_are_one_list_and_each_is_called() {
    let Some(world) = World::new().await else { return };
    let Some(engine) = engine().await else { return };
    let scene = on_engine(scene()).with_variable("KUBECONFIG", &variable("KUBECONFIG"));
    scene.component("echo.wasm", &test_artifacts::guest("echo-server"));
    // Names that no other test has, because the engine is everybody's.
    let here = format!("here-{}", world.namespace);
    scene.settings(&format!(
        "servers:
  inside: {{component: ./echo.wasm}}
  {here}: {{image: mcp/null:1, prefix: here}}
  there: {{image: {}/mcp/null:1}}
placement:
  - {{servers: [there], provisioner: kubernetes}}
  - {{servers: ['{here}'], provisioner: docker}}
",
        registry()
    ));
    let gateway = scene.serve(["--namespace", world.namespace.as_str()]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["inside__echo", "here__echo", "there__echo"]).await;
    for tool in ["inside__echo", "here__echo", "there__echo"] {
        let text = client.text(tool, json!({"message": tool})).await;
        assert!(text.contains(tool), "{tool}: {text}");
    }
    // Each is where it was placed, and nowhere else.
    assert!(!world.get("pods").await.is_empty());
    let pods = world.get("pods").await;
    assert!(
        pods.iter().all(|pod| pod["metadata"]["labels"]["app.kubernetes.io/name"] == "there"),
        "{pods:?}"
    );
    let label = format!("gateway-server={}", host_provisioner::ServerId::from_name(&here));
    let page = PageRequest { cursor: None, limit: 100 };
    assert!(!engine.containers(&[&label], &page).await.unwrap().items.is_empty());
    let listed = scene.run(["server", "list"]).await.expect_code(0).stdout;
    for provisioner in ["embedded", "docker", "kubernetes"] {
        assert!(listed.contains(provisioner), "{listed}");
    }
    gateway.end().await;
    world.nothing_left().await;
    eventually("no container of ours", async || {
        let left = engine.containers(&[&label], &page).await.unwrap().items;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
