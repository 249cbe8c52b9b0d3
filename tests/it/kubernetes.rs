//! Container images as pods of a real cluster, through the whole program. Skipped, with one line that says why, where there is none;
//! `GATEWAY_TEST_REQUIRE=kubernetes` turns the skip into a failure. Each test has a namespace of its own, and asks it afterwards what is left.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as the story says ends the test there"
)]

mod away;
mod bridge;
mod cluster_tools;
mod deployments;
mod faults;
mod http;
mod in_cluster;
mod leaks;
mod network;
mod objects;
mod placement;
mod pulls;
mod secrets;
mod security;
mod sessions;
mod suite;
mod tools;
mod workflow;

use crate::program::scene;
use gateway_tests::harness::{Client, Era, Gateway, Scene, eventually, part};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::process::Command;

const LEGACY: Era = Era::Legacy("2025-11-25");
/// What a gateway makes, and asks for.
const KINDS: &str = "pods,services,secrets,networkpolicies,leases,deployments,replicasets,configmaps";

/// An entry whose server speaks HTTP in its pod.
const HTTP: &str = "image: REGISTRY/mcp/everything:1\ncommand: [streamableHttp]\ntransport: http\nports: [{containerPort: 3001}]";

#[expect(clippy::disallowed_methods, reason = "only this function of these tests reads the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// A namespace that no other test has. It goes with everything in it when the test ends, also when it fails.
struct World {
    namespace: String,
}

impl Drop for World {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.namespace, "--wait=false"];
        let _ = std::process::Command::new(variable("GATEWAY_TEST_KUBECTL")).args(arguments).output();
    }
}

impl World {
    async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        part("kubernetes", "KUBECONFIG")?;
        let namespace = format!("it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let world = Self { namespace: namespace.clone() };
        world.kubectl(&["create", "namespace", &namespace]).await;
        Some(world)
    }

    async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new(variable("GATEWAY_TEST_KUBECTL"))
            .args(["--namespace", &self.namespace])
            .args(arguments)
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says, whether it succeeds or not.
    async fn kubectl_may_fail(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(variable("GATEWAY_TEST_KUBECTL"));
        let output = command.args(["--namespace", &self.namespace]).args(arguments).output().await.unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    async fn get(&self, what: &str) -> Vec<Value> {
        let arguments = ["get", what, "-o", "json", "-l", "app.kubernetes.io/managed-by=mcp-gateway"];
        let list: Value = serde_json::from_str(&self.kubectl(&arguments).await).unwrap();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// A scene with a catalogue.
    fn scene(&self, catalog: &str) -> Scene {
        let scene = scene().with_variable("KUBECONFIG", &variable("KUBECONFIG"));
        scene.file("catalog.yaml", catalog);
        scene
    }

    async fn serve<'s>(&self, scene: &'s Scene, servers: &str, more: &[&str]) -> Gateway<'s> {
        let mut arguments = vec!["--catalog", "catalog.yaml", "--servers", servers, "--provisioner", "k8s"];
        arguments.extend(["--namespace", self.namespace.as_str()]);
        arguments.extend(more);
        scene.serve(arguments).await
    }

    /// A gateway with the servers of its settings.
    async fn serve_settings<'s>(&self, scene: &'s Scene, more: &[&str]) -> Gateway<'s> {
        let mut arguments = vec!["--provisioner", "k8s", "--namespace", self.namespace.as_str()];
        arguments.extend(more);
        scene.serve(arguments).await
    }

    /// Nothing with a gateway's label, of whatever kind.
    async fn nothing_left(&self) {
        eventually("nothing of ours in the namespace", async || {
            let left = self.get(KINDS).await;
            let named =
                left.iter().map(|object| format!("{}/{}", object["kind"], object["metadata"]["name"]));
            let named: Vec<String> = named.collect();
            if named.is_empty() { Ok(()) } else { Err(named.join(", ")) }
        })
        .await;
    }
}

/// Calls a tool until it answers.
async fn answers(client: &mut Client, tool: &str) {
    eventually(&format!("`{tool}` to answer"), async || {
        match client.call(tool, json!({"message": "again"})).await {
            Ok(answer) if answer["isError"] != true => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

fn registry() -> String {
    variable("GATEWAY_TEST_REGISTRY")
}

fn catalog(entries: &[(&str, &str)]) -> String {
    let mut text = "registry:\n".to_owned();
    for (name, entry) in entries {
        text.push_str(&format!(
            "  {name}:\n    {}\n",
            entry.replace("REGISTRY", &registry()).replace('\n', "\n    ")
        ));
    }
    text
}

#[tokio::test]
async fn a_server_runs_as_a_pod_and_nothing_is_left() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("time", "image: REGISTRY/mcp/time:1\nuser: '65534'")]));
    let gateway = world.serve(&scene, "time", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get_current_time", "convert_time"]).await;
    let answer = client.call("get_current_time", json!({"timezone": "Europe/Berlin"})).await.unwrap();
    assert!(answer.to_string().contains("Europe/Berlin"), "{answer}");
    let pods = world.get("pods").await;
    assert!(!pods.is_empty() && pods.len() <= 2, "one for lists and one for the session: {}", pods.len());
    let labels = &pods[0]["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/component"], "mcp-server");
    assert_eq!(labels["app.kubernetes.io/name"], "time");
    let session = labels["mcp-gateway.docker.com/session"].as_str().unwrap();
    assert_eq!(labels["app.kubernetes.io/instance"], session);
    let leases = world.get("leases").await;
    assert_eq!(leases[0]["metadata"]["name"], session);
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains("warning"), "{}", ended.finished.stderr);
    world.nothing_left().await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_pod_that_was_deleted_is_replaced_and_large_messages_pass() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1")]));
    let gateway = world.serve(&scene, "echo", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let large = "x".repeat(1 << 20);
    let answer = client.call("echo", json!({"message": large})).await.unwrap();
    assert!(answer.to_string().contains(&large), "a message of 1 MiB comes back");
    world.kubectl(&["delete", "pods", "--all", "--grace-period=0", "--force"]).await;
    eventually("another pod that answers", async || {
        match client.call("echo", json!({"message": "again"})).await {
            Ok(answer) if answer["isError"] != true => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_secret_is_in_the_cluster_s_secret_and_in_no_manifest() {
    let Some(world) = World::new().await else { return };
    let secret = "hunter2-planted-in-a-file";
    let scene = world.scene(&catalog(&[
        ("one", "image: REGISTRY/mcp/null:1\nsecrets: [{name: one.token, env: TOKEN}]"),
        ("two", "image: REGISTRY/mcp/null:1\nsecrets: [{name: two.token, env: TOKEN}]\nprefix: two"),
    ]));
    scene.file(".env", format!("one.token={secret}\ntwo.token=other\n"));
    let gateway = world.serve(&scene, "one,two", &["--secrets", ".env"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo", "two__echo"]).await;
    let pods = world.get("pods").await;
    for pod in &pods {
        assert!(!pod.to_string().contains(secret), "{pod}");
        let from = &pod["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"];
        let server = pod["metadata"]["labels"]["gateway-server"].as_str().unwrap();
        assert_eq!(from["key"], format!("{server}.TOKEN"), "its own, and nobody else's");
    }
    let made = world.get("secrets").await;
    assert_eq!(made.len(), 1, "one for all servers");
    assert_eq!(made[0]["data"].as_object().unwrap().len(), 2);
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains(secret));
    world.nothing_left().await;
}

#[tokio::test]
async fn each_reason_not_to_come_up_is_said_and_leaves_nothing() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[
        ("echo", "image: REGISTRY/mcp/null:1"),
        ("missing", "image: REGISTRY/mcp/none:9"),
        ("crash", "image: REGISTRY/mcp/argv:1\ncommand: ['--argv-exit=7', '--argv-stderr=last words']"),
        ("root", "image: REGISTRY/mcp/busybox:1\ncommand: [cat]"),
    ]));
    let gateway = world.serve(&scene, "echo,missing,crash,root", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let said = gateway.says("mcp/none:9`").await;
    assert!(said.contains("ErrImagePull") || said.contains("ImagePullBackOff"), "{said}");
    gateway.says("exit code 7").await;
    gateway.says("runAsNonRoot").await;
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_killed_gateway_leaves_its_pods_to_the_next_which_removes_them() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1")]));
    let gateway = world.serve(&scene, "echo", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let session = world.get("leases").await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    gateway.kill().await;
    let next = world.serve(&scene, "echo", &[]).await;
    eventually("nothing of the dead session", async || {
        let left = world.get(KINDS).await;
        let of_dead = |object: &&Value| {
            object["metadata"]["labels"]["mcp-gateway.docker.com/session"] == session.as_str()
        };
        let left: Vec<String> =
            left.iter().filter(of_dead).map(|object| object["metadata"]["name"].to_string()).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
    next.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn the_plan_is_the_manifest_and_creates_nothing() {
    let Some(world) = World::new().await else { return };
    let scene =
        world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1\nenv: [{name: A, value: '$(B)'}]")]));
    let arguments = ["run", "--dry-run", "--json", "--catalog", "catalog.yaml", "--servers", "echo"];
    let arguments =
        arguments.into_iter().chain(["--provisioner", "kubernetes", "--namespace", &world.namespace]);
    let plan = scene.run(arguments).await.expect_code(0).json();
    let documents = plan["servers"][0]["documents"].as_array().unwrap_or_else(|| panic!("{plan}"));
    let pod: Value = serde_json::from_str(documents[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(pod["metadata"]["namespace"], world.namespace.as_str());
    assert_eq!(pod["spec"]["containers"][0]["env"], json!([{ "name": "A", "value": "$$(B)" }]));
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    world.nothing_left().await;
}

#[tokio::test]
async fn missing_rights_are_told_with_the_rule_that_gives_them() {
    let Some(world) = World::new().await else { return };
    world.kubectl(&["create", "serviceaccount", "poor"]).await;
    world.kubectl(&["create", "role", "poor", "--verb=get,list,watch", "--resource=pods"]).await;
    let subject = format!("--serviceaccount={}:poor", world.namespace);
    world.kubectl(&["create", "rolebinding", "poor", "--role=poor", &subject]).await;
    let token = world.kubectl(&["create", "token", "poor"]).await;
    let mut config: Value =
        serde_json::from_str(&world.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"]).await)
            .unwrap();
    config["users"][0]["user"] = json!({ "token": token.trim() });
    let scene = world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1")]));
    scene.file("poor.yaml", config.to_string());
    let gateway = world.serve(&scene, "echo", &["--kubeconfig", "poor.yaml"]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    let said = gateway.says("pods.create").await;
    assert!(said.contains("pods/attach.create"), "every missing right at once: {said}");
    drop(listing);
    gateway.end().await;
    world.nothing_left().await;
}
