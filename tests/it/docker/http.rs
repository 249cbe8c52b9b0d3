//! Servers that speak HTTP in their containers: `provisioning.md` 7, phase 3.

use super::{BUSYBOX, LEGACY, World};
use serde_json::json;

const EVERYTHING: &str =
    "image: mcp/everything:1\ncommand: [streamableHttp]\ntransport: http\nports: [{containerPort: 3001}]";

#[tokio::test]
async fn a_server_over_http_serves_and_leaves_nothing() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(EVERYTHING);
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let text = client.text("echo", json!({"message": "over HTTP"})).await;
    assert!(text.contains("over HTTP"), "{text}");
    let containers = world.containers().await;
    for container in &containers {
        let info = world.engine.inspect(container).await.unwrap().unwrap();
        let published: Vec<_> = info.published.iter().map(|p| (p.container_port, p.host.as_str())).collect();
        assert_eq!(published, [(3001, "127.0.0.1")]);
        assert!(info.published[0].host_port >= 1024, "the engine chose it");
        let transport = info.labels.iter().find(|(key, _)| key == "docker-mcp-transport");
        assert_eq!(transport.map(|(_, value)| value.as_str()), Some("http"));
    }
    for n in 0..20 {
        let text = client.text("echo", json!({"message": format!("again {n}")})).await;
        assert!(text.contains(&format!("again {n}")), "{text}");
    }
    let mut after = world.containers().await;
    after.retain(|container| containers.contains(container));
    assert!(!after.is_empty(), "a warm server stays");
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_over_http_that_was_killed_is_started_anew() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(EVERYTHING);
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.call("echo", json!({"message": "first"})).await.unwrap();
    let first = world.containers().await;
    for container in &first {
        world.engine.remove(container).await.unwrap();
    }
    gateway_tests::harness::eventually("another container that answers", async || {
        match client.call("echo", json!({"message": "again"})).await {
            Ok(answer) if answer["isError"] != true => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(world.containers().await.iter().all(|container| !first.contains(container)));
    gateway.end().await;
    world.nothing_left().await;
}

/// What a person sees who has the wrong port, or a server that does not come up; and nothing is left of it.
#[tokio::test]
async fn a_server_that_does_not_listen_says_why() {
    let Some(world) = World::new().await else { return };
    let never = format!(
        "image: {BUSYBOX}\ncommand: [sh, -c, 'echo warming up; sleep 600']\ntransport: http\nports: [{{containerPort: 3001}}]"
    );
    let exits = format!(
        "image: {BUSYBOX}\ncommand: [sh, -c, 'echo no licence >&2; exit 3']\ntransport: http\nports: [{{containerPort: 3001}}]"
    );
    let wrong = EVERYTHING.replace("3001", "3002");
    let cases: [(&str, &str, &[&str]); 3] = [
        (&never, "nothing listens there", &["it wrote: warming up"]),
        (&exits, "the container has ended", &["ended with exit code 3", "it wrote: no licence"]),
        (&wrong, "nothing listens there", &["name its port first in `ports`"]),
    ];
    for (entry, why, more) in cases {
        let scene = world.scene(entry);
        let arguments =
            ["--catalog", "catalog.yaml", "--servers", &world.name, "--max-server-startup-timeout", "6"];
        let gateway = scene.serve(arguments).await;
        let line = gateway.says(why).await;
        assert!(line.contains(&world.name), "{line}");
        for text in more {
            gateway.says(text).await;
        }
        gateway.end().await;
        world.nothing_left().await;
        scene.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_health_path_is_waited_for_and_a_taken_port_is_said() {
    let Some(world) = World::new().await else { return };
    // Its MCP endpoint answers 400 to a plain GET, so a health path that is not there never becomes ready.
    let scene = world.scene(&format!("{EVERYTHING}\nhealthPath: /not/there"));
    let arguments =
        ["--catalog", "catalog.yaml", "--servers", &world.name, "--max-server-startup-timeout", "6"];
    let gateway = scene.serve(arguments).await;
    gateway.says("`/not/there` has not answered").await;
    gateway.end().await;
    world.nothing_left().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let scene = world.scene("image: mcp/everything:1");
    scene.settings(&format!(
        "servers:\n  {}:\n    image: mcp/everything:1\n    command: [streamableHttp]\n    transport: http\n    ports: [{{containerPort: 3001, hostPort: {port}}}]\n",
        world.name
    ));
    let gateway = scene.serve(["run"; 0]).await;
    gateway.says(&format!("{port}")).await;
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}
