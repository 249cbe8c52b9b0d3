//! Sessions of gateways in a cluster (`provisioning.md` 3.9, 3.10): an id in the form of the documents, a Lease, and an ending that does not wait for
//! what will not go.

use super::{KINDS, LEGACY, World, catalog};
use gateway_tests::harness::{Signal, eventually};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// The budget of the documents for the end of a session, beside the time that calls in flight have.
const BUDGET: Duration = Duration::from_secs(30);
const DRAIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_ending_is_bounded_also_where_a_pod_does_not_go() {
    let Some(world) = World::new().await else { return };
    let names: Vec<String> = (0..8).map(|n| format!("echo{n}")).collect();
    let entries: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), "image: REGISTRY/mcp/null:1")).collect();
    let scene = world.scene(&catalog(&entries));
    let gateway = world.serve(&scene, &names.join(","), &[]).await;
    let mut client = gateway.client(LEGACY).await;
    let tools: Vec<String> = names.iter().map(|name| format!("{name}__echo")).collect();
    client.await_tools(&tools.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Somebody's finalizer keeps one of them.
    let pods = world.get("pods").await;
    let stuck = pods[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let patch = |finalizers: serde_json::Value| json!({"metadata": {"finalizers": finalizers}}).to_string();
    world
        .kubectl(&["patch", "pod", &stuck, "--type=merge", "-p", &patch(json!(["tests.example/stuck"]))])
        .await;
    drop(client);
    let begin = Instant::now();
    gateway.signal(Signal::TERM);
    let ended = gateway.ended().await;
    let took = begin.elapsed();
    assert!(took < BUDGET + DRAIN, "{took:?}: {}", ended.finished.stderr);
    world.gone(KINDS, |object| object["metadata"]["name"] != stuck.as_str()).await;
    world.kubectl(&["patch", "pod", &stuck, "--type=merge", "-p", &patch(json!(null))]).await;
    world.nothing_left().await;
}

/// So that others see whose a session is, and that it lives; and so that nobody takes a dead one for alive.
#[tokio::test]
async fn a_lease_names_its_gateway_is_renewed_and_goes() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1")]));
    let gateway = world.serve(&scene, "echo", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let lease = async || match world.get("leases").await.as_slice() {
        [lease] => lease.clone(),
        other => panic!("one Lease, not {}", other.len()),
    };
    let first = lease().await;
    let own = first["metadata"]["labels"]["gateway-id"].as_str().unwrap();
    let holder = format!("gateway {own} process {}", gateway.pid());
    assert_eq!(first["spec"]["holderIdentity"], holder.as_str());
    assert_eq!(first["spec"]["leaseDurationSeconds"], 180);
    let shown = scene.run(["cluster", "sessions", &world.namespace, "--json"]).await.expect_code(0).json();
    assert_eq!(shown["sessions"][0]["holder"], holder.as_str(), "{shown}");
    assert_eq!(shown["sessions"][0]["session"], first["metadata"]["name"]);
    let renewed = eventually("a renewal", async || {
        let now = lease().await;
        if now["spec"]["renewTime"] == first["spec"]["renewTime"] {
            return Err(now["spec"].to_string());
        }
        Ok(now)
    })
    .await;
    assert!(renewed["spec"]["renewTime"].as_str() > first["spec"]["renewTime"].as_str());
    assert_eq!(renewed["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(renewed["spec"]["holderIdentity"], holder.as_str());
    gateway.end().await;
    assert_eq!(world.get("leases").await.len(), 0, "it goes with its session");
    world.nothing_left().await;
}

#[tokio::test]
async fn a_session_has_the_id_of_the_documents_everywhere() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[(
        "echo",
        "image: REGISTRY/mcp/null:1\nsecrets: [{name: a.b, env: A}]\ndisableNetwork: true",
    )]));
    scene.file(".env", "a.b=c\n");
    let gateway = world.serve(&scene, "echo", &["--secrets", ".env", "--verbose"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let said = gateway.says("gateway session ID: mcp-gateway-").await;
    let id = said.split_once("gateway session ID: ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    let tail = id.strip_prefix("mcp-gateway-").unwrap();
    assert!(tail.len() == 8 && tail.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let objects = world.get(KINDS).await;
    for kind in ["Pod", "Secret", "NetworkPolicy", "Lease"] {
        assert!(objects.iter().any(|object| object["kind"] == kind), "{kind}");
    }
    for object in &objects {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["mcp-gateway.docker.com/session"], id.as_str(), "{object}");
        assert_eq!(labels["app.kubernetes.io/instance"], id.as_str(), "{object}");
    }
    gateway.end().await;
    world.nothing_left().await;
}
