//! Servers on standard streams, both ways: by attaching, and behind the bridge that the gateway puts in front of them.

use super::{LEGACY, World, registry};
use gateway_tests::harness::eventually;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;

#[tokio::test]
async fn every_image_serves_on_standard_streams_in_both_ways() {
    let Some(world) = World::new().await else { return };
    let mut servers = String::new();
    for (name, rest) in
        [("time", "user: '65534'"), ("git", "user: '65534'"), ("everything", ""), ("filesystem", "")]
    {
        for (way, lifetime) in [("attach", "session"), ("bridge", "shared")] {
            let rest = if rest.is_empty() { String::new() } else { format!(", {rest}") };
            servers.push_str(&format!(
                "  {name}-{way}: {{image: '{}/mcp/{name}:1', lifetime: {lifetime}{rest}}}\n",
                registry()
            ));
        }
    }
    let scene = world.scene("registry: {}\n");
    scene.settings(&format!("servers:\n{servers}front: {{names: all}}\n"));
    let gateway = world.serve_settings(&scene, &[]).await;
    let mut client = gateway.client(LEGACY).await;
    for way in ["attach", "bridge"] {
        let tools = ["time", "everything", "filesystem"].map(|name| format!("{name}-{way}__"));
        let wanted = [
            format!("{}get_current_time", tools[0]),
            format!("{}echo", tools[1]),
            format!("{}list_directory", tools[2]),
        ];
        let git = format!("git-{way}__git_status");
        client.await_tools(&[&wanted[0], &wanted[1], &wanted[2], &git]).await;
        let answer = client.call(&git, json!({"repo_path": "/nowhere"})).await;
        assert!(format!("{answer:?}").contains("/nowhere"), "{answer:?}");
        let text = client.text(&wanted[0], json!({"timezone": "Europe/Berlin"})).await;
        assert!(text.contains("Europe/Berlin"), "{text}");
        let large = "x".repeat(1 << 20);
        let text = client.text(&wanted[1], json!({"message": large})).await;
        assert!(text.contains(&large), "a message of 1 MiB comes back");
        let text = client.text(&wanted[2], json!({"path": "/data"})).await;
        assert!(text.contains("hello.txt"), "{text}");
    }
    for pod in world.get("pods").await {
        let name = pod["metadata"]["annotations"]["mcp-gateway.docker.com/server-name"].as_str().unwrap();
        let container = &pod["spec"]["containers"][0];
        let bridged = container["command"][0] == "/gateway-bridge/gateway-bridge";
        assert_eq!(bridged, name.ends_with("-bridge"), "{name}: {container}");
        assert_eq!(container["stdinOnce"] == true, name.ends_with("-attach"), "{name}: {container}");
    }
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}

/// The word of the operator counts for more than the lifetime, both ways serve, and the plan says which it is.
#[tokio::test]
async fn the_operator_chooses_how_streams_are_reached_and_the_plan_says_it() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene("registry: {}\n");
    let image = format!("image: '{}/mcp/null:1'", registry());
    scene.settings(&format!(
        "servers:
  bridged: {{{image}, settings: {{stdio: bridge}}}}
  attached: {{{image}, lifetime: shared, settings: {{stdio: attach}}}}
front: {{names: all}}
",
    ));
    let arguments = ["run", "--dry-run", "--json", "--provisioner", "k8s", "--namespace", &world.namespace];
    let plan = scene.run(arguments).await.expect_code(0).json();
    for (name, title) in [("bridged", "Deployment"), ("attached", "Pod")] {
        let server = plan["servers"].as_array().unwrap().iter().find(|server| server["name"] == name);
        let document = &server.unwrap_or_else(|| panic!("{plan}"))["documents"][0];
        assert_eq!(document["title"], title, "{document}");
        let document: Value = serde_json::from_str(document["text"].as_str().unwrap()).unwrap();
        assert_eq!(document["kind"], title);
        let pod = if title == "Pod" { &document } else { &document["spec"]["template"] };
        let bridge = &pod["metadata"]["annotations"]["mcp-gateway.docker.com/bridge"];
        assert_eq!(bridge.is_string(), name == "bridged", "{pod}");
        assert_eq!(pod["spec"]["containers"][0]["stdin"] == true, name == "attached", "{pod}");
    }
    let gateway = world.serve_settings(&scene, &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["bridged__echo", "attached__echo"]).await;
    for name in ["bridged", "attached"] {
        let text = client.text(&format!("{name}__echo"), json!({"message": name})).await;
        assert!(text.contains(name), "{text}");
    }
    for pod in world.get("pods").await {
        let name = pod["metadata"]["annotations"]["mcp-gateway.docker.com/server-name"].as_str().unwrap();
        let owner = &pod["metadata"]["ownerReferences"][0]["kind"];
        assert_eq!(owner == "ReplicaSet", name == "bridged", "{name}: {pod}");
    }
    gateway.end().await;
    world.nothing_left().await;
}

/// TCP ports that a process listens on.
fn listening(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let open: HashSet<String> =
        open.filter_map(|fd| Some(fs::read_link(fd.path()).ok()?.to_str()?.to_owned())).collect();
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap());
    let sockets = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = sockets.map(|line| line.split_whitespace().collect::<Vec<_>>());
    // State and inode (proc(5)); 0A is LISTEN.
    fields.filter(|fields| fields[3] == "0A" && open.contains(&format!("socket:[{}]", fields[9]))).count()
}

/// One pod for all clients, which stays when one of them goes; and one that was deleted is replaced.
#[tokio::test]
async fn a_shared_server_behind_the_bridge_is_one_pod_for_all() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene("registry: {}\n");
    let secret = "hunter2-behind-the-bridge";
    scene.file(".env", format!("echo.token={secret}\n"));
    scene.settings(&format!(
        "secrets: [./.env]\nservers:\n  echo: {{image: '{}/mcp/null:1', lifetime: shared, secrets: [{{name: echo.token, env: TOKEN}}]}}\n",
        registry()
    ));
    let gateway = world.serve_settings(&scene, &[]).await;
    let mut one = gateway.client(LEGACY).await;
    one.await_tools(&["echo"]).await;
    let mut other = gateway.client(LEGACY).await;
    other.await_tools(&["echo"]).await;
    for n in 0..10 {
        let (text, again) = (format!("one {n}"), format!("other {n}"));
        assert!(one.text("echo", json!({"message": text})).await.contains(&text));
        assert!(other.text("echo", json!({"message": again})).await.contains(&again));
    }
    assert_eq!(
        listening(gateway.pid()),
        1,
        "nobody else gets through the tunnel: its own port is the only one"
    );
    let pods = world.get("pods").await;
    assert_eq!(pods.len(), 1);
    assert!(!pods[0].to_string().contains(secret), "{}", pods[0]);
    one.leave().await;
    assert!(other.text("echo", json!({"message": "still"})).await.contains("still"));
    assert_eq!(world.get("pods").await.len(), 1);
    world.kubectl(&["delete", "pods", "--all", "--grace-period=0", "--force"]).await;
    eventually("another pod that answers", async || {
        match other.call("echo", json!({"message": "again"})).await {
            Ok(answer) if answer["isError"] != true => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}
