//! What goes wrong with containers: what the person sees, and that nothing is left.

use super::command::{docker, output};
use super::engine_front::{self, Refusals};
use super::events::{created, none_with, now};
use super::{ECHO, LEGACY, World, variable};
use crate::program::scene;
use gateway_tests::harness::{Answer, Client, Era, InFlight, Scene, eventually};
use serde_json::json;
use tokio::task::JoinHandle;

/// An MCP server as a shell script: `ok` answers, `hang` never does, `taken-back` says how many calls were cancelled. `STUBBORN` is what it does
/// when its input has ended.
const SERVER: &str = r#"
taken=0
while read -r line; do
  id=$(echo "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  answer() { echo '{"jsonrpc":"2.0","id":'"$id"',"result":'"$1"'}'; }
  case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}';;
    *'"tools/list"'*) answer '{"tools":[{"name":"ok","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}},{"name":"taken-back","inputSchema":{"type":"object"}}]}';;
    *'"notifications/cancelled"'*) taken=$((taken+1));;
    *'"name":"taken-back"'*) answer '{"content":[{"type":"text","text":"'"$taken"'"}]}';;
    *'"name":"ok"'*) answer '{"content":[{"type":"text","text":"fine"}]}';;
    *'"name":"hang"'*) ;;
    *'"id":'*) echo '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32601,"message":"no such method"}}';;
  esac
done
STUBBORN
"#;

/// A scene in which the world's server is the script.
fn scripted(world: &World, stubborn: &str) -> Scene {
    let scene = world.scene("image: none");
    let script = scene.file("srv/server.sh", SERVER.replace("STUBBORN", stubborn));
    let folder = script.parent().unwrap().display().to_string();
    let entry = format!(
        "image: mcp/busybox:1\n    command: [sh, /srv/server.sh]\n    volumes: ['{folder}:/srv', /anonymous]"
    );
    scene.file("catalog.yaml", format!("registry:\n  {}:\n    {entry}\n", world.name));
    scene
}

/// The volumes without a name of all containers of this test. There must be some.
async fn all_volumes(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for container in world.containers().await {
        all.extend(volumes(&container).await);
    }
    assert!(!all.is_empty(), "the entry has one");
    all
}

/// Containers of these tests take their volumes along, however they end.
async fn no_volumes(all: &[String]) {
    for volume in all {
        let left = output(docker().args(["volume", "inspect", volume])).await;
        assert!(
            left.is_err_and(|text| text.to_lowercase().contains("no such volume")),
            "volume {volume} is still there"
        );
    }
}

/// Names of the volumes without a name that this container has.
async fn volumes(container: &str) -> Vec<String> {
    let format = "{{range .Mounts}}{{if eq .Type \"volume\"}}{{.Name}} {{end}}{{end}}";
    // One that has gone meanwhile has none.
    let text = output(docker().args(["inspect", "--format", format, container])).await.unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Calls that are let go of.
const CALLS: usize = 100;

/// Begins a call that is never answered.
async fn hang(client: &mut Client) -> JoinHandle<Answer> {
    match client.begin("tools/call", json!({"name": "hang", "arguments": {}})).await {
        InFlight::Http(call) => call,
        InFlight::Stdio(_) => panic!("over HTTP"),
    }
}

/// Waits until the gateway has so many calls in flight at its only server: a request that was begun may not have been sent yet.
async fn in_flight(scene: &Scene, wanted: usize) {
    eventually("calls in flight", async || {
        let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        if list["servers"][0]["calls"] == wanted { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
}

/// A modern client takes a call back by going. A legacy one may come back for the answer, until its session ends.
#[tokio::test]
async fn a_hundred_calls_that_are_let_go_leave_nothing_and_hold_nobody_up() {
    let Some(world) = World::new().await else { return };
    let scene = scripted(&world, "");
    let gateway = world.serve(&scene).await;
    for era in [Era::Modern, LEGACY] {
        let mut client = gateway.client(era).await;
        client.await_tools(&["hang", "ok", "taken-back"]).await;
        assert_eq!(client.text("ok", json!({})).await, "fine");
        let before = world.containers().await;
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            calls.push(hang(&mut client).await);
        }
        in_flight(&scene, CALLS).await;
        for call in calls {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled(), "it was answered");
        }
        assert_eq!(client.text("ok", json!({})).await, "fine");
        if era == Era::Modern {
            in_flight(&scene, 0).await;
            assert_eq!(client.text("taken-back", json!({})).await, CALLS.to_string());
        } else {
            in_flight(&scene, CALLS).await;
        }
        assert_eq!(world.containers().await, before, "{era:?}");
        client.leave().await;
        in_flight(&scene, 0).await;
    }
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["hang", "ok"]).await;
    assert_eq!(client.text("ok", json!({})).await, "fine");
    let own = all_volumes(&world).await;
    // SIGTERM with a call in flight: the call is cut after a while, and the end is a good one.
    let hanging = hang(&mut client).await;
    in_flight(&scene, 1).await;
    gateway.end().await;
    let cut = hanging.await.unwrap().expect_err("an answer of a tool that gives none");
    assert!(!cut.message.is_empty());
    world.nothing_left().await;
    no_volumes(&own).await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_that_ignores_the_end_of_its_input_holds_nobody_up_and_does_not_stay() {
    let Some(world) = World::new().await else { return };
    let scene = scripted(&world, "trap '' TERM; while :; do sleep 1; done");
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["hang", "ok"]).await;
    for _ in 0..5 {
        assert_eq!(client.text("ok", json!({})).await, "fine");
    }
    // Killed in a call: the next start takes it down, whoever else runs on the engine.
    let hanging = hang(&mut client).await;
    in_flight(&scene, 1).await;
    gateway.kill().await;
    drop(hanging);
    let mut own = all_volumes(&world).await;
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    gateway.says("took down server").await;
    client.await_tools(&["ok"]).await;
    assert_eq!(client.text("ok", json!({})).await, "fine");
    own.extend(all_volumes(&world).await);
    // SIGTERM in a call.
    let hanging = hang(&mut client).await;
    in_flight(&scene, 1).await;
    gateway.end().await;
    drop(hanging);
    world.nothing_left().await;
    no_volumes(&own).await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn what_a_living_gateway_has_is_never_touched() {
    let Some(world) = World::new().await else { return };
    let (one, other) = (scripted(&world, "sleep 1000"), World::new().await.unwrap());
    let gateway = world.serve(&one).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["ok"]).await;
    assert_eq!(client.text("ok", json!({})).await, "fine");
    let living = world.containers().await;
    // A second gateway, with the same state folder even, is killed; what it leaves is swept by hand.
    let catalog = std::fs::read_to_string(one.work().join("catalog.yaml")).unwrap();
    one.file("other.yaml", catalog.replace(&world.name, &other.name));
    let arguments = ["--catalog", "other.yaml", "--servers", &other.name];
    let second = one.serve(arguments).await;
    let mut user = second.client(LEGACY).await;
    user.await_tools(&["ok"]).await;
    second.kill().await;
    let left = all_volumes(&other).await;
    // An engine closes the input of a container whose client has gone; this one does not care.
    let swept = one.run(["server", "sweep"].iter().chain(&arguments)).await.expect_code(0);
    assert!(swept.stdout.contains("took down server"), "{}", swept.seen());
    other.nothing_left().await;
    no_volumes(&left).await;
    assert_eq!(world.containers().await, living);
    assert_eq!(client.text("ok", json!({})).await, "fine");
    // A third, of somebody else, sees dead and living ones and touches neither.
    let strangers = scene();
    let swept = strangers.run(["server", "sweep"]).await.expect_code(0);
    assert!(swept.stdout.contains("nothing was left"), "{}", swept.seen());
    assert_eq!(world.containers().await, living);
    // The socket of the one that was killed lies there until the next start.
    gateway.signal(gateway_tests::harness::Signal::TERM);
    assert_eq!(gateway.ended().await.finished.code, Some(0));
    world.nothing_left().await;
    assert!(one.ledger().is_empty(), "{:?}", one.ledger());
}

#[tokio::test]
async fn an_engine_that_refuses_is_quoted_and_one_that_is_away_is_named() {
    let Some(world) = World::new().await else { return };
    let refusals = Refusals::default();
    let scene = world.scene(&format!("image: {ECHO}"));
    let host = engine_front::start(&scene.work(), &variable("DOCKER_HOST").unwrap_or_default(), &refusals);
    let scene = scene.with_variable("DOCKER_HOST", &host);
    let scene_file = |image: &str| {
        scene.file("catalog.yaml", format!("registry:\n  {}:\n    image: {image}\n", world.name))
    };
    refusals.refuse(
        "/containers/create",
        "500 Internal Server Error",
        r#"{"message": "this engine is on strike"}"#,
    );
    let gateway = world.serve(&scene).await;
    let said = gateway.says("this engine is on strike").await;
    assert!(said.contains("create container"), "{said}");
    gateway.end().await;
    refusals.none();
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    gateway.end().await;
    world.nothing_left().await;
    // A pull for which there is no room.
    scene_file("127.0.0.1:5000/mcp/not-here:1");
    let body = r#"{"errorDetail":{"message":"write /var/lib/x: no space left on device"},"error":"write /var/lib/x: no space left on device"}"#;
    refusals.refuse("/images/create", "200 OK", body);
    let gateway = world.serve(&scene).await;
    // The person sees it while it is tried again.
    eventually("the reason", async || {
        let list = scene.run(["server", "inspect", &world.name]).await.seen();
        if list.contains("no space left on device") { Ok(()) } else { Err(list) }
    })
    .await;
    gateway.end().await;
    refusals.none();
    // No engine at all: the gateway serves, and says where it looked.
    let nowhere = format!("unix://{}", scene.work().join("none.sock").display());
    let scene = scene.with_variable("DOCKER_HOST", &nowhere);
    let gateway = world.serve(&scene).await;
    let said = gateway.says("none.sock").await;
    assert!(said.contains("engine"), "{said}");
    gateway.end().await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn warm_by_default_and_a_container_a_call_on_request() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}"));
    let since = now();
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.text("echo", json!({"message": "first"})).await;
    let warm = created(&world.name, since).await;
    for _ in 0..5 {
        client.text("echo", json!({"message": "again"})).await;
    }
    assert_eq!(created(&world.name, since).await, warm, "a warm server starts nothing");
    gateway.end().await;
    world.nothing_left().await;

    let since = now() + 1;
    eventually("another second", async || if now() >= since { Ok(()) } else { Err(String::new()) }).await;
    let flags = ["--catalog", "catalog.yaml", "--servers", &world.name, "--container-per-call"];
    let gateway = scene.serve(flags).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    // What was started for the lists does not stay.
    world.nothing_left().await;
    let listed = created(&world.name, since).await;
    for n in 0..3 {
        assert!(
            client.text("echo", json!({"message": format!("call {n}")})).await.contains(&format!("call {n}"))
        );
    }
    assert_eq!(created(&world.name, since).await, listed + 3);
    world.nothing_left().await;
    gateway.end().await;

    // `longLived` is kept all the same.
    scene.file(
        "catalog.yaml",
        format!("registry:\n  {}:\n    image: {ECHO}\n    longLived: true\n", world.name),
    );
    let gateway = scene.serve(flags).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.text("echo", json!({"message": "first"})).await;
    let kept = world.containers().await;
    client.text("echo", json!({"message": "second"})).await;
    assert_eq!(world.containers().await, kept);
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn fifty_at_once_come_up_and_one_of_them_that_never_answers_holds_up_nobody() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene("image: none");
    let mut catalog = "registry:\n".to_owned();
    let names: Vec<String> = (0..50).map(|n| format!("{}-{n}", world.name)).collect();
    for name in &names {
        catalog.push_str(&format!("  {name}:\n    image: {ECHO}\n    prefix: {name}\n"));
    }
    let silent = format!("{}-silent", world.name);
    catalog.push_str(&format!(
        "  {silent}:\n    image: mcp/busybox:1\n    command: [sh, -c, 'cat > /dev/null']\n"
    ));
    scene.file("catalog.yaml", catalog);
    let servers = format!("{silent},{}", names.join(","));
    let gateway = scene.serve(["--catalog", "catalog.yaml", "--servers", &servers]).await;
    let mut client = gateway.client(LEGACY).await;
    let tools: Vec<String> = names.iter().map(|name| format!("{name}__echo")).collect();
    client.await_tools(&tools.iter().map(String::as_str).collect::<Vec<_>>()).await;
    gateway.end().await;
    for name in names.iter().chain([&silent]) {
        none_with(&format!("docker-mcp-name={name}")).await;
    }
    scene.assert_nothing_left();
}

#[tokio::test]
async fn an_engine_that_restarts_costs_the_calls_of_that_moment() {
    let Some(world) = World::new().await else { return };
    let refusals = Refusals::default();
    let scene = scripted(&world, "");
    let host = engine_front::start(&scene.work(), &variable("DOCKER_HOST").unwrap_or_default(), &refusals);
    let scene = scene.with_variable("DOCKER_HOST", &host);
    // A start that waits for the engine gives up soon.
    let soon = ["--catalog", "catalog.yaml", "--servers", &world.name, "--max-server-startup-timeout", "5s"];
    let gateway = scene.serve(soon).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["hang", "ok"]).await;
    assert_eq!(client.text("ok", json!({})).await, "fine");
    let hanging = hang(&mut client).await;
    in_flight(&scene, 1).await;
    // It takes its containers along, and whoever was attached.
    refusals.away(true);
    for container in world.containers().await {
        world.engine.remove(&container).await.unwrap();
    }
    let error = hanging.await.unwrap().expect_err("an answer from a server that is gone");
    assert!(error.message.contains(&world.name), "{error:?}");
    // Until it is back, who calls is told so.
    let error = client.call("ok", json!({})).await.expect_err("an answer without an engine");
    assert!(error.message.contains("engine"), "{error:?}");
    refusals.away(false);
    eventually("a server on the engine that is back", async || {
        client.call("ok", json!({})).await.map(drop).map_err(|error| format!("{error:?}"))
    })
    .await;
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}
