//! The gateway itself in a container: ports of servers are reached on a network of both, and a limited way out stays limited
//! (`docker-mcp-gateway.md` 13.1: in the original it is not limited at all then).

use super::egress::{EXPECTED, Targets};
use super::{LEGACY, World, variable};
use gateway_tests::harness::{Gateway, Scene};
use host_workload_docker::NetworkSpec;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A scene whose program is the program in a container, in this network, with Docker's own command line in front.
fn inside(world: &World, entry: &str, socket: &str) -> Scene {
    let program = env!("CARGO_BIN_EXE_gateway-under-test");
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let cache = shared.join("compiled");
    std::fs::create_dir_all(&cache).unwrap();
    let folder = shared.join(format!("inside-{}", world.name));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("catalog.yaml"),
        format!("registry:\n  {}:\n    {}\n", world.name, entry.replace('\n', "\n    ")),
    )
    .unwrap();
    let script = folder.join("gateway");
    let text = format!(
        "#!/bin/sh\nexec docker run -i --rm --name {0}-gateway --network {0}-net --user 0 -e DOCKER_MCP_IN_CONTAINER=1 -e HOME=/root \
         -e GATEWAY_STATE=/tmp/state -e GATEWAY_CACHE=/cache -v {program}:/gateway:ro -v {1}:/cache -v {2}:/work -w /work \
         -v {socket}:/var/run/docker.sock --entrypoint /gateway mcp/time:1 \"$@\"\n",
        world.name,
        cache.display(),
        folder.display(),
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    Scene::new(script, shared)
}

struct Net(World);

impl Net {
    async fn new() -> Option<(Self, String)> {
        let world = World::new().await?;
        let host = variable("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        let Some(socket) = host.strip_prefix("unix://").map(str::to_owned) else {
            eprintln!("skipped: the engine has no socket that a container could be given");
            return None;
        };
        let name = format!("{}-net", world.name);
        let spec = NetworkSpec { name, internal: false, labels: Vec::new() };
        world.engine.create_network(&spec).await.unwrap();
        Some((Self(world), socket))
    }

    async fn serve<'s>(&self, scene: &'s Scene, further: &[&str]) -> Gateway<'s> {
        let name = self.0.name.as_str();
        let arguments = ["--catalog", "./catalog.yaml", "--servers", name].into_iter();
        scene.pipe(arguments.chain(further.iter().copied()))
    }

    async fn end(self) {
        self.0.nothing_left().await;
        let label = format!("gateway-server={}", host_provisioner::ServerId::from_name(&self.0.name));
        let page = host_workload_docker::PageRequest { cursor: None, limit: 100 };
        let left = self.0.engine.containers(&[&label], &page).await.unwrap().items;
        assert!(left.is_empty(), "{left:?}");
        assert!(self.0.engine.networks(&[&label], &page).await.unwrap().items.is_empty());
        let _ = self.0.engine.remove(&format!("{}-gateway", self.0.name)).await;
        self.0.engine.remove_network(&format!("{}-net", self.0.name)).await.unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("inside-{}", self.0.name));
        std::fs::remove_dir_all(folder).unwrap();
    }
}

const EVERYTHING: &str =
    "image: mcp/everything:1\ncommand: [streamableHttp]\ntransport: http\nports: [{containerPort: 3001}]";

#[tokio::test]
async fn a_gateway_in_a_container_reaches_servers_over_http_limited_or_not() {
    for further in [[].as_slice(), &["--block-network"]] {
        let Some((net, socket)) = Net::new().await else { return };
        let scene = inside(&net.0, EVERYTHING, &socket);
        let mut gateway = net.serve(&scene, further).await;
        let mut client = gateway.only_client(LEGACY).await;
        client.await_tools(&["echo"]).await;
        let text = client.text("echo", json!({"message": "inside"})).await;
        assert!(text.contains("inside"), "{text}");
        let container = net.0.containers().await.pop().unwrap();
        let networks = net.0.engine.networks_of(&container).await.unwrap();
        let own = format!("{}-net", net.0.name);
        assert_eq!(networks.contains(&own), further.is_empty(), "{networks:?}");
        assert_eq!(networks.len(), 1, "{networks:?}");
        gateway.end().await;
        net.end().await;
    }
}

#[tokio::test]
async fn a_gateway_in_a_container_limits_what_is_reached_as_one_on_the_host_does() {
    let Some((net, socket)) = Net::new().await else { return };
    let Some(targets) = Targets::new().await else { return };
    let scene = inside(&net.0, &targets.hosts(), &socket);
    let mut gateway = net.serve(&scene, &["--block-network", "--verbose"]).await;
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["get_current_time"]).await;
    let answer = client.call("get_current_time", json!({"timezone": "UTC"})).await.unwrap();
    assert_ne!(answer["isError"], true, "{answer}");
    assert_eq!(targets.probe_in(&net.0).await.unwrap(), EXPECTED);
    gateway.says("refused: other.test:8000 is not listed").await;
    gateway.end().await;
    net.end().await;
    targets.end().await;
}
