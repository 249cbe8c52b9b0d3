//! The workflow that the original documents for its cluster tools, command by command: from the catalogue to a tool call.

use super::{LEGACY, World, catalog};
use serde_json::{Value, json};

const SERVER: &str = "image: REGISTRY/mcp/everything:1
secrets: [{name: acme-mcp-server.token, env: ACME_TOKEN}]
env:
  - {name: ACME_REGION, value: '{{acme-mcp-server.region}}'}
  - {name: ENABLE_ADDING, value: 'false'}
config: [{name: acme-mcp-server, type: object, properties: {region: {type: string}}, required: [region]}]";

#[tokio::test]
async fn the_workflow_of_the_documents_leads_from_the_catalogue_to_a_tool_call() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("acme-mcp-server", SERVER)]));
    let namespace = world.namespace.as_str();
    let run = async |arguments: &[&str]| scene.run(["cluster"].iter().chain(arguments)).await.expect_code(0);

    // 1. Generate configuration files.
    let generated = run(&["generate-env", "acme-mcp-server", "acme", "--catalog", "catalog.yaml"]).await;
    assert!(
        generated.stdout.contains("Generated config file: acme-config.env (1 variables)"),
        "{}",
        generated.stdout
    );

    // 2. Edit them.
    for (file, placeholder, value) in [
        ("acme-config.env", "<REPLACE_WITH_YOUR_VALUE>", "eu-central-1"),
        ("acme-secret.env", "<REPLACE_WITH_YOUR_SECRET>", "hunter2-of-the-cluster"),
    ] {
        let text = std::fs::read_to_string(scene.work().join(file)).unwrap();
        assert_eq!(text.matches(placeholder).count(), 1, "{text}");
        scene.file(file, text.replace(placeholder, value));
    }

    // 3. Create Kubernetes resources.
    run(&["populate-configmap", "acme-config.env", "my-mcp-config", namespace]).await;
    run(&["populate-secret", "acme-secret.env", "my-mcp-secrets", namespace]).await;

    // 4. Run the gateway, with the flags as they are written there. The documents leave `--provisioner` out; `serve` gives it.
    let flags = [
        "--cluster-config-provider",
        "cluster",
        "--cluster-secret-provider",
        "cluster",
        "--cluster-config-name",
        "my-mcp-config",
        "--cluster-secret-name",
        "my-mcp-secrets",
    ];
    let gateway = world.serve(&scene, "acme-mcp-server", &flags).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get-env", "echo"]).await;
    let variables: Value = serde_json::from_str(&client.text("get-env", json!({})).await).unwrap();
    for (name, value) in [
        ("ACME_REGION", "eu-central-1"),
        ("ACME_TOKEN", "hunter2-of-the-cluster"),
        ("ENABLE_ADDING", "false"),
    ] {
        assert_eq!(variables[name], value, "{name}");
    }

    // Management: the pods are there under the documents' labels, and go with the session.
    let listed = run(&["list", namespace]).await;
    assert!(
        listed.stdout.contains("acme-mcp-server") && listed.stdout.contains("alive"),
        "{}",
        listed.stdout
    );
    for label in [
        "app.kubernetes.io/managed-by=mcp-gateway",
        "app.kubernetes.io/component=mcp-server",
        "app.kubernetes.io/name=acme-mcp-server",
    ] {
        assert!(!world.kubectl(&["get", "pods", "-l", label, "-o", "name"]).await.is_empty(), "{label}");
    }
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains("hunter2"), "{}", ended.finished.stderr);
    world.nothing_left().await;
    // The operator's objects stay for the next one.
    world.kubectl(&["get", "secret/my-mcp-secrets", "configmap/my-mcp-config"]).await;
}
