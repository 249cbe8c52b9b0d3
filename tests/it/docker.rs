//! Container images as servers, on a real engine: Docker's own catalogue format, through the whole program. Skipped, with one line that says
//! why, where no engine answers; `GATEWAY_TEST_REQUIRE=docker` turns the skip into a failure.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unused_async,
    clippy::type_complexity,
    reason = "what is not as the story says ends the test there; its helpers are called like those that wait"
)]

mod command;
mod egress;
mod engine_front;
mod events;
mod far;
mod faults;
mod http;
mod inside;
mod inspect;
mod lines;
mod quickstart;
pub(crate) mod registry;
mod suite;
mod tools;

use crate::program::scene;
use gateway_tests::harness::{Era, Gateway, Scene, eventually};
use host_workload_docker::{DockerEngine, Endpoint, EngineConfig, PageRequest, Surroundings};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const LEGACY: Era = Era::Legacy("2025-11-25");
/// An echo over standard streams, in an image that holds nothing else.
const ECHO: &str = "mcp/null:1";
/// A static shell.
const BUSYBOX: &str = "mcp/busybox:1";

#[expect(clippy::disallowed_methods, reason = "only this function of these tests reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An engine, and a name that no other test has.
struct World {
    engine: Arc<DockerEngine>,
    name: String,
    /// State folders of its scenes: each has the id by which everything is found that a gateway there has made.
    states: Mutex<Vec<PathBuf>>,
}

/// The engine; `None`, with one line that says why, where there is none.
pub(crate) async fn engine() -> Option<Arc<DockerEngine>> {
    let around = Surroundings { host: variable("DOCKER_HOST"), ..Surroundings::default() };
    let endpoint = Endpoint::find(&around).unwrap();
    let engine = DockerEngine::new(EngineConfig { endpoint, config_dir: None, own_container: None });
    let missing = match engine.image(ECHO).await {
        Ok(Some(_)) => return Some(engine),
        Ok(None) => "no images (testenv/up images)".to_owned(),
        Err(error) => format!("no docker (testenv/up docker): {error}"),
    };
    let required = variable("GATEWAY_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|part| ["docker", "images"].contains(&part.trim())), "{missing}");
    eprintln!("skipped: {missing}");
    None
}

/// The scene with the variable by which the engine is found, where there is one.
pub(crate) fn on_engine(scene: Scene) -> Scene {
    match variable("DOCKER_HOST") {
        Some(host) => scene.with_variable("DOCKER_HOST", &host),
        None => scene,
    }
}

impl World {
    async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let engine = engine().await?;
        let name = format!("it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Some(Self { engine, name, states: Mutex::default() })
    }

    /// A scene with a catalogue of this one server.
    fn scene(&self, entry: &str) -> Scene {
        let scene = on_engine(scene());
        self.states.lock().unwrap().push(scene.state());
        scene.file(
            "catalog.yaml",
            format!("registry:\n  {}:\n    {}\n", self.name, entry.replace('\n', "\n    ")),
        );
        scene
    }

    async fn serve<'s>(&self, scene: &'s Scene) -> Gateway<'s> {
        scene.serve(["--catalog", "catalog.yaml", "--servers", &self.name]).await
    }

    /// Ids of this test's containers, running or not.
    async fn containers(&self) -> Vec<String> {
        let label = format!("docker-mcp-name={}", self.name);
        let page = PageRequest { cursor: None, limit: 100 };
        let found = self.engine.containers(&[&label], &page).await.unwrap();
        found.items.into_iter().map(|container| container.id).collect()
    }

    /// The engine removes what has ended a moment later.
    async fn no_containers(&self) {
        eventually("no containers", async || {
            let left = self.containers().await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }

    /// Names of all containers and networks with the id of a gateway of this test's scenes: tools, interceptors and proxies too.
    async fn made(&self) -> Vec<String> {
        let states = self.states.lock().unwrap().clone();
        let page = PageRequest { cursor: None, limit: 1000 };
        let mut names = Vec::new();
        for id in states.iter().filter_map(|state| std::fs::read_to_string(state.join("gateway-id")).ok()) {
            let label = format!("gateway-id={}", id.trim());
            let containers = self.engine.containers(&[&label], &page).await.unwrap().items;
            let networks = self.engine.networks(&[&label], &page).await.unwrap().items;
            names.extend(containers.into_iter().map(|c| c.name).chain(networks.into_iter().map(|n| n.name)));
        }
        names
    }

    /// Nothing of this test's server, and nothing at all of its gateways. None of them may be running servers any more.
    async fn nothing_left(&self) {
        self.no_containers().await;
        eventually("neither containers nor networks", async || {
            let left = self.made().await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_docker_catalogue_serves_as_it_is_and_leaves_nothing() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}\ntitle: Echo"));
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    // One was started to list its tools; the session gets its own with its first call.
    client.call("echo", json!({"message": "first"})).await.unwrap();
    let containers = world.containers().await;
    assert!(!world.made().await.is_empty(), "they are found by the id of their gateway");
    assert!(containers.len() <= 2, "one for lists and one for all calls of the session: {containers:?}");
    for n in 0..5 {
        let answer = client.call("echo", json!({"message": format!("hello {n}")})).await.unwrap();
        assert!(answer.to_string().contains(&format!("hello {n}")), "{answer}");
    }
    assert_eq!(world.containers().await, containers);
    let info = world.engine.inspect(&containers[0]).await.unwrap().unwrap();
    let label = |key: &str| info.labels.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    assert_eq!((label("docker-mcp"), label("docker-mcp-transport")), (Some("true"), Some("stdio")));
    assert_eq!((label("docker-mcp-tool-type"), label("gateway-plugin")), (Some("mcp"), Some("docker")));
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains("warning"), "{}", ended.finished.stderr);
    world.nothing_left().await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_container_that_was_killed_is_started_anew() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}"));
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let first = world.containers().await;
    world.engine.remove(&first[0]).await.unwrap();
    eventually("another container that answers", async || {
        match client.call("echo", json!({"message": "again"})).await {
            Ok(answer) if answer["isError"] != true => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_ne!(world.containers().await, first);
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_killed_gateway_leaves_no_container_to_anybody() {
    let Some(world) = World::new().await else { return };
    // It does not care that its input has ended, so only the next gateway can take it down.
    let stubborn = "image: mcp/busybox:1\ncommand: [sh, -c, 'trap \"\" TERM; while :; do sleep 1; done']";
    let scene = world.scene(stubborn);
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    eventually("a container", async || {
        if world.containers().await.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;
    gateway.kill().await;
    drop(listing);
    assert_eq!(world.containers().await.len(), 1);
    scene.file("catalog.yaml", format!("registry:\n  echo:\n    image: {ECHO}\n"));
    let next = scene.serve(["--catalog", "catalog.yaml", "--servers", "echo"]).await;
    world.no_containers().await;
    next.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}

/// Servers that speak badly, as scripts: one that prints what is no MCP, one that refuses the handshake, one that answers well and writes
/// 8 MiB to its standard error before each answer.
const BAD: [(&str, &str); 3] = [
    ("rubbish", "echo this is no JSON; cat > /dev/null"),
    (
        "refusing",
        r#"
while read -r line; do
  id=$(echo "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  echo '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32000,"message":"not today"}}'
done"#,
    ),
    (
        "flooding",
        r#"
while read -r line; do
  head -c 8388608 /dev/zero | tr '\000' x | fold -w 1000 >&2
  id=$(echo "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  answer() { echo '{"jsonrpc":"2.0","id":'"$id"',"result":'"$1"'}'; }
  case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}';;
    *'"tools/list"'*) answer '{"tools":[{"name":"flooded","inputSchema":{"type":"object"}}]}';;
    *'"tools/call"'*) answer '{"content":[{"type":"text","text":"dry"}]}';;
    *'"id":'*) echo '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32601,"message":"no such method"}}';;
  esac
done"#,
    ),
];

#[tokio::test]
async fn what_is_wrong_with_an_image_is_said_and_the_others_serve() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}"));
    let mut catalog = format!(
        "registry:\n  {0}:\n    image: {ECHO}\n  missing:\n    image: 127.0.0.1:1/mcp/none:9\n  wrong:\n    image: {BUSYBOX}\n    command: [/not/there]\n",
        world.name
    );
    let mut servers = format!("{},missing,wrong", world.name);
    for (name, script) in BAD {
        let script = scene.file(&format!("bad/{name}.sh"), script);
        let folder = script.parent().unwrap().display();
        catalog.push_str(&format!(
            "  {name}:\n    image: {BUSYBOX}\n    command: [sh, /bad/{name}.sh]\n    volumes: ['{folder}:/bad']\n"
        ));
        servers.push_str(&format!(",{name}"));
    }
    scene.file("catalog.yaml", catalog);
    let gateway = scene.serve(["--catalog", "catalog.yaml", "--servers", &servers]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo", "flooded"]).await;
    let said = gateway.says("127.0.0.1:1/mcp/none:9").await;
    assert!(said.contains("pull image `127.0.0.1:1/mcp/none:9`"), "{said}");
    gateway.says("/not/there").await;
    let said = gateway.says("instead of MCP it printed `this is no JSON`").await;
    assert!(said.contains("rubbish"), "{said}");
    let said = gateway.says("the server refused `initialize` with error -32000: not today").await;
    assert!(said.contains("refusing"), "{said}");
    for _ in 0..3 {
        assert_eq!(client.text("flooded", json!({})).await, "dry");
        assert!(client.text("echo", json!({"message": "still here"})).await.contains("still here"));
    }
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn the_plan_is_the_line_of_the_original() {
    let Some(world) = World::new().await else { return };
    let entry = format!(
        "image: {BUSYBOX}\ncommand: [cat, --root, /data]\nuser: '1000:1000'\nenv: [{{name: A, value: b}}]\nextraHosts: ['db:10.1.2.3']"
    );
    let scene = world.scene(&entry);
    let arguments = ["run", "--dry-run", "--json", "--catalog", "catalog.yaml", "--servers", &world.name];
    let plan = scene.run(arguments).await.expect_code(0).json();
    let documents = plan["servers"][0]["documents"].as_array().unwrap_or_else(|| panic!("{plan}"));
    let words: Vec<String> = serde_json::from_str(documents[0]["text"].as_str().unwrap()).unwrap();
    let expected = format!(
        "docker run --rm -i --init --security-opt no-new-privileges --cpus 1 --memory 2Gb --pull never \
         -l docker-mcp=true -l docker-mcp-tool-type=mcp -l docker-mcp-name={} -l docker-mcp-transport=stdio -e A -u 1000:1000 \
         --add-host db:10.1.2.3 {BUSYBOX} cat --root /data",
        world.name
    );
    assert_eq!(words.join(" "), expected);
    world.nothing_left().await;
}

#[tokio::test]
async fn a_secret_is_in_the_container_and_nowhere_else() {
    let Some(world) = World::new().await else { return };
    let secret = "hunter2-planted-in-a-file";
    let entry = format!(
        "image: {BUSYBOX}\nsecrets: [{{name: {0}.token, env: TOKEN}}]\ncommand: [sh, -c, 'env >&2; cat > /dev/null']",
        world.name
    );
    let scene = world.scene(&entry);
    scene.file(".env", format!("{}.token={secret}\n", world.name));
    scene.settings("secrets: [./.env]\n");
    let gateway = scene.serve(["--catalog", "catalog.yaml", "--servers", &world.name, "--verbose"]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    eventually("a container", async || {
        if world.containers().await.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;
    let inspected = scene.run(["server", "inspect", &world.name]).await;
    drop(listing);
    let ended = gateway.end().await;
    let ledger = format!("{:?}", scene.ledger());
    for (where_, text) in [("inspect", inspected.seen()), ("ledger", ledger)] {
        assert!(!text.contains(secret), "{where_}: {text}");
    }
    // What the server itself prints is its own affair; the program adds nothing.
    for line in ended.finished.stderr.lines().filter(|line| line.contains(secret)) {
        assert!(line.contains("TOKEN="), "{line}");
    }
    world.nothing_left().await;
}
