//! Images of a registry that asks who is there: the nodes pull with the pod's pull secrets, and so does the gateway look up what an image starts.

use super::{LEGACY, World};
use crate::docker::registry::{PASSWORD, Private, USER};
use gateway_tests::harness::part;
use serde_json::json;

/// Behind the bridge, so that the program of the image must be known before the pod is made; and once for each call, likewise.
#[tokio::test]
async fn an_image_behind_a_login_is_looked_up_and_pulled_with_the_pull_secrets() {
    let Some(world) = World::new().await else { return };
    let Some(behind) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    let scene = world.scene("registry: {}\n");
    scene.file(".env", format!("registry.password={PASSWORD}\n"));
    // One that is there and that the operator names; then one of this session, out of a secret of the plugin's own.
    for named in [true, false] {
        // Another address each time: the node does not have the image of it.
        let registry = Private::start(&behind, true).await;
        let (grant, setting) = if named {
            let server = format!("--docker-server={}", registry.address);
            let (user, password) =
                (format!("--docker-username={USER}"), format!("--docker-password={PASSWORD}"));
            world.kubectl(&["create", "secret", "docker-registry", "pull", &server, &user, &password]).await;
            (
                "kinds: [v1/Pod, apps/v1/Deployment], secrets: [pull]}".to_owned(),
                "imagePullSecrets: [pull]".to_owned(),
            )
        } else {
            (
                format!(
                    "kinds: [v1/Pod, v1/Secret, apps/v1/Deployment]}}\n      secrets: [{{name: registry.password, hosts: ['{}']}}]",
                    registry.address
                ),
                format!(
                    "registryLogins: [{{registry: '{}', username: {USER}, passwordSecret: registry.password}}]",
                    registry.address
                ),
            )
        };
        scene.settings(&format!(
            "secrets: [./.env]
plugins:
  kubernetes:
    bundled: kubernetes
    grants:
      kubernetes: {{namespaces: [{}], {grant}
    settings: {{{setting}}}
servers:
  echo: {{image: '{}', lifetime: shared}}
",
            world.namespace,
            registry.image()
        ));
        let gateway = world.serve_settings(&scene, &[]).await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["echo"]).await;
        assert!(client.text("echo", json!({"message": "pulled"})).await.contains("pulled"));
        let ended = gateway.end().await;
        assert!(!ended.finished.stderr.contains(PASSWORD), "{}", ended.finished.stderr);
        world.nothing_left().await;
    }
}

#[tokio::test]
async fn without_a_login_the_registry_is_named_and_nothing_is_made() {
    let Some(world) = World::new().await else { return };
    let Some(behind) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    let registry = Private::start(&behind, true).await;
    let scene = world.scene("registry: {}\n");
    scene.settings(&format!("servers:\n  echo: {{image: '{}', lifetime: shared}}\n", registry.image()));
    let gateway = world.serve_settings(&scene, &[]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    let said = gateway.says("wants a login").await;
    assert!(said.contains(&registry.address), "{said}");
    assert_eq!(world.get("pods,deployments").await.len(), 0);
    drop(listing);
    gateway.end().await;
    world.nothing_left().await;
}
