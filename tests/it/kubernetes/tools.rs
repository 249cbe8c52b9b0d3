//! Tools that are containers, as pods: what a client gets must be what it gets from Docker, byte for byte.

use super::{LEGACY, World, catalog};
use crate::docker;
use gateway_tests::harness::{Client, Scene, eventually};
use serde_json::{Value, json};

/// `mcp/argv` has no shell in it; `mcp/busybox` has one for those that ask for one.
const ENTRY: &str = r#"secrets: [{name: tools.key, env: KEY}]
env: [{name: PLAIN, value: 'plain $(KEY) $$'}]
tools:
  - name: argv
    parameters: {type: object, properties: {words: {type: array, items: {type: string}}}}
    container: {image: 'REGISTRY/mcp/argv:1', command: ['{{words|into}}']}
  - name: shell
    parameters: {type: object, properties: {script: {type: string}}, required: [script]}
    container: {image: 'REGISTRY/mcp/busybox:1', command: [sh, -c, '{{script}}'], user: '65534'}"#;

/// Tool, arguments.
fn corpus() -> Vec<(&'static str, Value)> {
    let argv = |words: &[&str]| ("argv", json!({"words": words}));
    let shell = |script: &str| ("shell", json!({"script": script}));
    let many: Vec<String> = (0..500).map(|n| format!("word {n}")).collect();
    vec![
        argv(&["plain", "", "two words"]),
        argv(&["; touch /tmp/x", "a && b | c > d", "`id`", "$(id)"]),
        argv(&["$(KEY)", "$$(KEY)", "$$", "$", "$HOME", "${HOME}", "%s"]),
        argv(&["'\"\\", "{\"k\": [1]}", "{{words}}", "*"]),
        argv(&["--", "-rf", "--attached", "--help"]),
        argv(&["é😀", "line\nbreak", "\ttab ", "\u{7f}"]),
        ("argv", json!({"words": many})),
        ("argv", json!({})),
        argv(&["--argv-exit=7", "--argv-stderr=last words"]),
        argv(&["--argv-full-not", "--argv-sleep-ms=300"]),
        argv(&["--argv-bytes=10485760"]),
        argv(&["--argv-bytes=20971520"]),
        shell("printf '\\377\\000\\001\\r\\n'"),
        shell("printf 'no end of line'; printf 'nor here' >&2"),
        shell("echo out; echo err >&2; echo out again; exit 3"),
        shell("true"),
        shell("exit 255"),
        shell("kill -9 $$"),
        shell("kill -15 $$; echo not here"),
        shell("cat; echo end"),
        shell("sleep 600 & echo gone with it"),
        shell("echo \"$PLAIN\" ${#KEY}; id -u; pwd"),
        shell("i=0; while [ $i -lt 20000 ]; do echo \"line $i\" >&2; i=$((i+1)); done; exit 1"),
    ]
}

fn scene(world: &World, name: &str) -> Scene {
    let scene = world.scene(&catalog(&[(name, ENTRY)]));
    scene.file(".env", "tools.key=planted-s3cret\n");
    scene.settings("secrets: [./.env]\n");
    scene
}

async fn answers(client: &mut Client) -> Vec<Value> {
    client.await_tools(&["argv", "shell"]).await;
    let mut answers = Vec::new();
    for (tool, arguments) in corpus() {
        answers.push(client.call(tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error:?}")));
    }
    answers
}

/// The whole answer is compared: content, its kind, the exit code, and what was left out.
#[tokio::test]
async fn a_tool_answers_as_it_does_on_docker_byte_for_byte() {
    let Some(world) = World::new().await else { return };
    if docker::engine().await.is_none() {
        return;
    }
    let name = world.namespace.clone();
    let here = scene(&world, &name);
    let gateway = world.serve(&here, &name, &[]).await;
    let mut client = gateway.client(LEGACY).await;
    let on_the_cluster = answers(&mut client).await;
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains("planted-s3cret"), "{}", ended.finished.stderr);
    world.nothing_left().await;
    here.assert_nothing_left();

    let there = docker::on_engine(scene(&world, &name));
    let gateway = there.serve(["--catalog", "catalog.yaml", "--servers", &name]).await;
    let mut client = gateway.client(LEGACY).await;
    let on_docker = answers(&mut client).await;
    gateway.end().await;

    let shown = |answer: &Value| {
        let text = answer.to_string();
        text.chars().take(400).collect::<String>()
    };
    let mut wrong = Vec::new();
    for ((case, cluster), docker) in corpus().iter().zip(&on_the_cluster).zip(&on_docker) {
        if cluster != docker {
            wrong.push(format!("{case:?}\n  cluster: {}\n  docker:  {}", shown(cluster), shown(docker)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And not because both say nothing.
    assert_eq!(on_the_cluster[8]["_meta"]["gateway/exitCode"], 7);
    assert_eq!(on_the_cluster[10]["content"][0]["text"].as_str().map(str::len), Some((10 << 20) + 1));
    assert_eq!(on_the_cluster[12]["content"][0]["resource"]["blob"], "/wABDQo=");
}

#[tokio::test]
async fn what_a_tool_needs_goes_with_it_and_what_cannot_run_says_why() {
    let Some(world) = World::new().await else { return };
    let more = r#"
  - name: missing
    container: {image: 'REGISTRY/mcp/none:9', command: [x]}
  - name: wrong
    container: {image: 'REGISTRY/mcp/busybox:1', command: [/not/there], user: '65534'}
  - name: root
    container: {image: 'REGISTRY/mcp/busybox:1', command: ['true']}"#;
    let scene = world.scene(&catalog(&[("tools", &format!("{ENTRY}{more}"))]));
    scene.file(".env", "tools.key=planted-s3cret\n");
    scene.settings("secrets: [./.env]\n");
    let gateway = world.serve(&scene, "tools", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["shell", "missing", "wrong", "root"]).await;
    let why = async |client: &mut Client, tool: &str| {
        let answer = client.call(tool, json!({})).await.unwrap();
        assert_eq!(answer["isError"], true, "{answer}");
        answer["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let missing = why(&mut client, "missing").await;
    assert!(missing.contains("mcp/none:9"), "{missing}");
    let wrong = why(&mut client, "wrong").await;
    assert!(wrong.contains("/not/there: No such file"), "{wrong}");
    let root = why(&mut client, "root").await;
    assert!(root.contains("runAsNonRoot"), "{root}");

    // While it runs it is labelled like everything else, and its secret is in no manifest.
    let running =
        client.begin("tools/call", json!({"name": "shell", "arguments": {"script": "sleep 600"}})).await;
    eventually("the pod of a tool", async || match world.get("pods").await.as_slice() {
        [pod] if pod["status"]["phase"] == "Running" => {
            let labels = &pod["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/component"], "mcp-tool");
            assert_eq!((&labels["app"], &labels["tool"]), (&json!("mcp-tool"), &json!("shell")));
            assert!(labels["mcp-gateway.docker.com/session"].as_str().unwrap().starts_with("mcp-gateway-"));
            assert!(pod["spec"]["activeDeadlineSeconds"].as_u64().is_some());
            assert!(!pod.to_string().contains("planted-s3cret"), "{pod}");
            Ok(())
        }
        other => Err(format!("{} pods", other.len())),
    })
    .await;
    // Nobody waits any more: gone with its Secret, in the middle of the session.
    drop(running);
    client.leave().await;
    eventually("neither pod nor Secret", async || {
        let left = world.get("pods,secrets").await.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
    })
    .await;
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}
