//! One gateway, four platforms.

use super::{ECHO, LEGACY, aws_scene, nothing_left, stand_in};
use gateway_tests::harness::part;
use serde_json::json;

#[tokio::test]
async fn one_gateway_has_servers_on_four_platforms_at_once() {
    let Some(config) = part("kubernetes", "KUBECONFIG") else { return };
    let Some(registry) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    let Some(stand) = stand_in().await else { return };
    let in_cluster = format!("image: {registry}/mcp/null:1\nprefix: k8s");
    let on_ecs = format!("{ECHO}\nprefix: ecs");
    let settings = format!(
        "{}placement:\n  - {{servers: [here], provisioner: embedded}}\n  - {{servers: [container], provisioner: docker}}\n  - {{servers: [pod], provisioner: kubernetes}}\n  - {{servers: [task], provisioner: cloud-ecs}}\n",
        stand.settings("cloud-ecs", "")
    );
    let servers = [
        ("here", "bundled: time"),
        ("container", "image: mcp/null:1\nprefix: docker"),
        ("pod", in_cluster.as_str()),
        ("task", on_ecs.as_str()),
    ];
    let scene = aws_scene(&settings, &servers).with_variable("KUBECONFIG", &config);
    let gateway = scene.serve(["run"; 0]).await;
    let mut client = gateway.client(LEGACY).await;
    let names = ["now", "docker__echo", "k8s__echo", "ecs__echo"];
    client.await_tools(&names).await;
    for name in &names[1..] {
        let text = client.text(name, json!({"message": format!("from {name}")})).await;
        assert!(text.contains(&format!("from {name}")), "{text}");
    }
    client.call("now", json!({"zone": "Europe/Berlin"})).await.unwrap();
    gateway.end().await;
    nothing_left(&stand).await;
    scene.assert_nothing_left();
    stand.end().await;
}
