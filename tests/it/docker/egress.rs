//! `--block-network`: a server reaches what its entry names, through an egress proxy of its own, and nothing else (`docker-mcp-gateway.md` 13,
//! `provisioning.md` 7, N-2). What it reaches is asked from inside its container.

use super::{LEGACY, World};
use gateway_tests::harness::{Client, Gateway, Scene, eventually};
use host_provisioner::ServerId;
use host_workload_docker::{ContainerSpec, PageRequest};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Asks for names and connections, with what a program in this container would use; prints a line for each.
const PROBE: &str = r#"
import os, socket, sys
def name(host):
    try: return socket.gethostbyname(host) and "found"
    except OSError: return "unknown"
def ask(host, port, text):
    s = socket.socket(); s.settimeout(4)
    try:
        s.connect((host, port)); s.sendall(text.encode())
        answer = s.recv(100)
        return answer.split(b"\r\n")[0].decode() or "closed"
    except OSError: return "refused"
def get(host, port, said): return ask(host, port, f"GET /mcp HTTP/1.1\r\nHost: {said}\r\n\r\n")
target = sys.argv[1]
for host in ["api.test", "deep.down.wild.test", "other.test"]:
    print("name", host, name(host))
print("by name", get("api.test", 8000, "api.test:8000"))
print("by wildcard", get("deep.down.wild.test", 8000, "deep.down.wild.test"))
print("plain tcp", get("db.test", 9000, "whatever"))
print("other host", get("api.test", 8000, "other.test"))
print("by address", get(target, 8000, "api.test:8000"))
print("other name", get("other.test", 8000, "other.test"))
proxy, port = os.environ["http_proxy"].split(":")
assert os.environ["https_proxy"] == os.environ["http_proxy"]
print("connect", ask(proxy, int(port), "CONNECT api.test:8000 HTTP/1.1\r\n\r\n"))
print("connect other", ask(proxy, int(port), "CONNECT other.test:8000 HTTP/1.1\r\n\r\n"))
print("connect port", ask(proxy, int(port), "CONNECT api.test:22 HTTP/1.1\r\n\r\n"))
print("connect address", ask(proxy, int(port), f"CONNECT {target}:8000 HTTP/1.1\r\n\r\n"))
print("connect machine", ask(proxy, int(port), "CONNECT localhost:8080 HTTP/1.1\r\n\r\n"))
print("forward", ask(proxy, int(port), "GET http://api.test:8000/mcp HTTP/1.1\r\nHost: other.test\r\n\r\n"))
print("gateway", get(open("/proc/net/route").read().split("\n")[1] and sys.argv[2], int(sys.argv[3]), "x"))
"#;

/// What it prints where a server reaches what its entry names and nothing else.
pub(super) const EXPECTED: &str = "name api.test found\n\
                        name deep.down.wild.test found\n\
                        name other.test unknown\n\
                        by name HTTP/1.1 405 Method Not Allowed\n\
                        by wildcard HTTP/1.1 405 Method Not Allowed\n\
                        plain tcp HTTP/1.1 405 Method Not Allowed\n\
                        other host closed\n\
                        by address refused\n\
                        other name refused\n\
                        connect HTTP/1.1 200 Connection established\n\
                        connect other HTTP/1.1 403 Forbidden\n\
                        connect port HTTP/1.1 403 Forbidden\n\
                        connect address HTTP/1.1 403 Forbidden\n\
                        connect machine HTTP/1.1 403 Forbidden\n\
                        forward HTTP/1.1 405 Method Not Allowed\n\
                        gateway refused\n";

/// Two servers that answer, on the engine's usual network; removed with it.
pub(super) struct Targets {
    world: World,
    address: String,
}

impl Targets {
    pub(super) async fn new() -> Option<Self> {
        let world = World::new().await?;
        let mut address = String::new();
        for port in ["9000", "8000"] {
            let mut spec = ContainerSpec::new(format!("{}-target-{port}", world.name), "mcp/null:1");
            spec.arguments = ["--port", port, "--bind", "0.0.0.0"].map(str::to_owned).into();
            let id = world.engine.create(&spec).await.unwrap();
            world.engine.start(&id).await.unwrap();
            let info = world.engine.inspect(&id).await.unwrap().unwrap();
            let at = info.networks[0].1.clone();
            address = if address.is_empty() { at } else { format!("{at} {address}") };
        }
        Some(Self { world, address })
    }

    /// Addresses of the one on port 8000, and of the one on port 9000.
    fn addresses(&self) -> (&str, &str) {
        self.address.split_once(' ').unwrap()
    }

    /// An entry that may reach both of them, and nothing else.
    pub(super) fn hosts(&self) -> String {
        let (api, db) = self.addresses();
        format!(
            "image: mcp/time:1\nallowHosts: ['api.test:8000', '*.wild.test:8000', 'db.test:9000/tcp']\n\
             extraHosts: ['api.test:{api}', 'deep.down.wild.test:{api}', 'db.test:{db}']"
        )
    }

    /// A scene with this entry, and the secret that it declares: a container with a secret may have fewer things, but these.
    fn scene(&self) -> Scene {
        let entry = format!("{}\nsecrets: [{{name: {}.token, env: TOKEN}}]", self.hosts(), self.world.name);
        let scene = self.world.scene(&entry);
        scene.file(".env", format!("{}.token=planted\n", self.world.name));
        scene.settings("secrets: [./.env]\n");
        scene
    }

    async fn serve<'s>(&self, scene: &'s Scene) -> Gateway<'s> {
        let name = &self.world.name;
        scene.serve(["--catalog", "catalog.yaml", "--servers", name, "--block-network", "--verbose"]).await
    }

    /// Names of proxies and networks of this test's server.
    async fn ways(&self) -> Vec<String> {
        let server = format!("gateway-server={}", ServerId::from_name(&self.world.name));
        let page = PageRequest { cursor: None, limit: 100 };
        let engine = &self.world.engine;
        let proxies = engine.containers(&[&server, "docker-mcp-proxy=true"], &page).await.unwrap().items;
        let networks = engine.networks(&[&server], &page).await.unwrap().items;
        proxies.into_iter().map(|c| c.name).chain(networks.into_iter().map(|n| n.name)).collect()
    }

    async fn nothing_left(&self) {
        self.gone().await;
        self.world.nothing_left().await;
    }

    /// Nothing of the server is left; its gateway may run others.
    async fn gone(&self) {
        self.world.no_containers().await;
        eventually("no proxies and networks", async || {
            let left = self.ways().await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }

    pub(super) async fn end(self) {
        for port in ["8000", "9000"] {
            self.world.engine.remove(&format!("{}-target-{port}", self.world.name)).await.unwrap();
        }
    }

    /// What the probe says inside one of the server's containers.
    ///
    /// # Errors
    /// It has none, or none that still stands.
    async fn probe(&self) -> Result<String, String> {
        self.probe_in(&self.world).await
    }

    /// The same in a container of another world's server.
    ///
    /// # Errors
    /// As [`Self::probe`].
    pub(super) async fn probe_in(&self, world: &World) -> Result<String, String> {
        // Something of this machine that listens on all its addresses.
        let machine = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = machine.local_addr().unwrap().port().to_string();
        let container = world.containers().await.pop().ok_or("no container")?;
        let info = self.world.engine.inspect(&container).await.unwrap().ok_or("it has just gone")?;
        let (network, own) = info.networks.first().ok_or("it has just left its network")?;
        assert!(network.ends_with("-inside") && info.networks.len() == 1, "{:?}", info.networks);
        let (subnet, _) = own.rsplit_once('.').ok_or("it has just lost its address")?;
        let gateway = format!("{subnet}.1");
        let words = ["python3", "-c", PROBE, self.addresses().0, &gateway, &port].map(str::to_owned);
        let ran =
            self.world.engine.exec(&container, &words, 1 << 16).await.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(text(&ran.stdout.bytes) + &text(&ran.stderr.bytes))
    }
}

async fn ready(client: &mut Client) {
    client.await_tools(&["get_current_time"]).await;
}

#[tokio::test]
async fn a_listed_host_is_reached_and_nothing_else() {
    let Some(targets) = Targets::new().await else { return };
    let scene = targets.scene();
    let gateway = targets.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    ready(&mut client).await;
    assert_eq!(targets.probe().await.unwrap(), EXPECTED);
    // Whoever runs it sees what was refused.
    gateway.says("refused: other.test:8000 is not listed").await;
    let plan = scene
        .run([
            "run",
            "--dry-run",
            "--json",
            "--block-network",
            "--catalog",
            "catalog.yaml",
            "--servers",
            &targets.world.name,
        ])
        .await
        .expect_code(0)
        .json();
    let words: Vec<String> =
        serde_json::from_str(plan["servers"][0]["documents"][0]["text"].as_str().unwrap()).unwrap();
    let line = words.join(" ");
    for part in [
        "--network mcp-egress-",
        "--link mcp-egress-",
        ":db.test --link mcp-egress-",
        "-e http_proxy=mcp-egress-",
        ":8080 -e https_proxy=mcp-egress-",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    gateway.end().await;
    targets.nothing_left().await;
    scene.assert_nothing_left();
    targets.end().await;
}

#[tokio::test]
async fn a_server_over_http_without_a_way_out_is_reached_all_the_same() {
    let Some(targets) = Targets::new().await else { return };
    let scene = targets.world.scene(
        "image: mcp/everything:1\ncommand: [streamableHttp]\ntransport: http\nports: [{containerPort: 3001}]",
    );
    let gateway = targets.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let text = client.text("echo", json!({"message": "from inside"})).await;
    assert!(text.contains("from inside"), "{text}");
    for container in targets.world.containers().await {
        let info = targets.world.engine.inspect(&container).await.unwrap().unwrap();
        assert_eq!(info.published, [], "its network leads nowhere");
    }
    gateway.end().await;
    targets.nothing_left().await;
    targets.end().await;
}

#[tokio::test]
async fn a_proxy_that_dies_is_said_and_replaced_with_its_server() {
    let Some(targets) = Targets::new().await else { return };
    let scene = targets.scene();
    let gateway = targets.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    ready(&mut client).await;
    client.call("get_current_time", json!({"timezone": "UTC"})).await.unwrap();
    let before = targets.ways().await;
    for name in before.iter().filter(|name| !name.ends_with("-inside")) {
        targets.world.engine.stop(name, std::time::Duration::ZERO).await.unwrap();
    }
    gateway.says("the server reaches nothing without it").await;
    // The old one may answer another call on its way out, so a call starts the new one only after a while.
    eventually("the ways out of another server that answers", async || {
        match client.call("get_current_time", json!({"timezone": "UTC"})).await {
            Ok(answer) if answer["isError"] != true => {}
            other => return Err(format!("{other:?}")),
        }
        let (ways, seen) = (targets.ways().await, targets.probe().await?);
        if seen == EXPECTED && ways != before { Ok(()) } else { Err(format!("{ways:?}: {seen}")) }
    })
    .await;
    gateway.end().await;
    targets.nothing_left().await;
    scene.assert_nothing_left();
    targets.end().await;
}

#[tokio::test]
async fn a_killed_gateway_leaves_no_network_and_two_do_not_touch_each_other() {
    let Some(targets) = Targets::new().await else { return };
    let scene = targets.scene();
    let gateway = targets.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    ready(&mut client).await;
    // Another one on the same engine, with the same server.
    let Some(other) = Targets::new().await else { return };
    let second_scene = other.scene();
    let second = other.serve(&second_scene).await;
    let mut second_client = second.client(LEGACY).await;
    ready(&mut second_client).await;
    gateway.kill().await;
    // Servers and proxies end with their input; what is a mere object is left to the next start.
    targets.world.no_containers().await;
    eventually("no proxy", async || {
        let left = targets.ways().await;
        if left.iter().all(|name| name.ends_with("-inside")) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    assert!(!targets.ways().await.is_empty());
    scene.file("catalog.yaml", "registry:\n  echo:\n    image: mcp/null:1\n");
    let next = scene.serve(["--catalog", "catalog.yaml", "--servers", "echo"]).await;
    targets.gone().await;
    next.end().await;
    targets.nothing_left().await;
    scene.assert_nothing_left();
    assert_eq!(other.probe().await.unwrap(), EXPECTED);
    second.end().await;
    other.nothing_left().await;
    targets.end().await;
    other.end().await;
}

/// The answer of an engine whose pools are taken.
fn no_networks() -> String {
    let body = r#"{"message":"could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"}"#;
    let head = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An engine that has no network left to give: the real one, with one question answered in its place. The socket is removed by the scene.
async fn without_networks(scene: &Scene) -> Option<String> {
    let host = super::variable("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let engine = host.strip_prefix("unix://")?.to_owned();
    let path = scene.work().join("engine.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let engine = engine.clone();
            tokio::spawn(async move {
                let far = tokio::net::UnixStream::connect(engine).await.unwrap();
                let ((mut from_near, mut to_near), (mut from_far, mut to_far)) =
                    (tokio::io::split(near), tokio::io::split(far));
                let answers = async move {
                    let (mut buffer, mut back) = (vec![0; 65536], vec![0; 65536]);
                    let mut refused = false;
                    loop {
                        tokio::select! {
                            read = from_near.read(&mut buffer) => {
                                let Ok(read) = read else { return };
                                let asked = String::from_utf8_lossy(&buffer[..read.min(200)]).into_owned();
                                if asked.starts_with("POST ") && asked.contains("/networks/create") {
                                    refused = true;
                                    let _ = to_near.write_all(no_networks().as_bytes()).await;
                                }
                                if read == 0 || refused || to_far.write_all(&buffer[..read]).await.is_err() {
                                    return;
                                }
                            }
                            read = from_far.read(&mut back) => {
                                let Ok(read) = read else { return };
                                if read == 0 || to_near.write_all(&back[..read]).await.is_err() {
                                    return;
                                }
                            }
                        }
                    }
                };
                answers.await;
            });
        }
    });
    Some(format!("unix://{}", path.display()))
}

#[tokio::test]
async fn an_engine_without_networks_to_give_is_said_and_nothing_is_left() {
    let Some(targets) = Targets::new().await else { return };
    let scene = targets.scene();
    let Some(host) = without_networks(&scene).await else { return };
    let scene = scene.with_variable("DOCKER_HOST", &host);
    let gateway = targets.serve(&scene).await;
    let line = gateway.says("non-overlapping IPv4 address pool").await;
    assert!(line.contains("create network `mcp-egress-"), "{line}");
    gateway.says("docker network prune").await;
    gateway.end().await;
    targets.nothing_left().await;
    targets.end().await;
}
