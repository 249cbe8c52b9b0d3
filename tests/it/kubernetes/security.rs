//! Pods where the cluster enforces the Pod Security level `restricted`: of every way a server is reached, and of tools.

use super::{HTTP, LEGACY, World, answers, catalog, registry};
use serde_json::json;

const TOOL: &str = "tools:
  - name: argv
    parameters: {type: object, properties: {words: {type: array, items: {type: string}}}}
    container: {image: 'REGISTRY/mcp/argv:1', command: ['{{words|into}}']}";

#[tokio::test]
async fn every_kind_of_pod_passes_where_restricted_is_enforced_and_what_needs_more_is_told() {
    let Some(world) = World::new().await else { return };
    let level = "pod-security.kubernetes.io/enforce=restricted";
    world.kubectl(&["label", "namespace", &world.namespace, level]).await;
    let root = "image: REGISTRY/mcp/busybox:1\nuser: '0'\ncommand: [cat]";
    let scene = world.scene(&catalog(&[("http", HTTP), ("tool", TOOL), ("root", root)]));
    scene.settings(&format!(
        "servers:
  attached: {{image: '{0}/mcp/null:1'}}
  bridged: {{image: '{0}/mcp/null:1', lifetime: shared}}
front: {{names: all}}
",
        registry()
    ));
    let gateway = world.serve(&scene, "attached,bridged,http,tool,root", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["attached__echo", "bridged__echo", "http__echo", "tool__argv"]).await;
    for tool in ["attached__echo", "bridged__echo", "http__echo"] {
        answers(&mut client, tool).await;
    }
    let said = client.text("tool__argv", json!({"words": ["a b"]})).await;
    assert!(said.contains("a b"), "{said}");
    let refused = gateway.says("violates PodSecurity").await;
    assert!(refused.contains("root"), "{refused}");
    assert!(refused.contains("the namespace enforces a Pod Security level"), "{refused}");
    gateway.end().await;

    // Where nobody enforces anything it runs, and the plan says what it does not keep to.
    world.kubectl(&["label", "namespace", &world.namespace, "pod-security.kubernetes.io/enforce-"]).await;
    let arguments =
        ["run", "--dry-run", "--catalog", "catalog.yaml", "--servers", "root", "--provisioner", "k8s"];
    let plan = scene.run(arguments.into_iter().chain(["--namespace", &world.namespace])).await;
    let plan = plan.seen();
    assert!(plan.contains("so the pod does not keep to the level `restricted`"), "{plan}");
    world.nothing_left().await;
    scene.assert_nothing_left();
}
