//! Planted secrets: each is in the container that needs it and nowhere else, whatever happens to that container.

use crate::docker::{engine, on_engine};
use crate::program::scene;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::harness::{Era, Gateway, Scene, eventually};
use serde_json::json;
use std::path::Path;
use std::process::Command;

const LEGACY: Era = Era::Legacy("2025-11-25");

/// The names of these servers, which no other test has.
fn names() -> [String; 4] {
    ["keeper", "other", "broken", "missing"].map(|name| format!("planted-{name}-{}", std::process::id()))
}

fn secret(of: &str) -> String {
    format!("hunter2-planted-for-{of}")
}

/// Every file below a folder but the one that was planted in.
fn files_with(folder: &Path, what: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(kind) if kind.is_file() && !path.ends_with("planted.env") => {
                    let holds = std::fs::read(&path)
                        .is_ok_and(|bytes| bytes.windows(what.len()).any(|part| part == what.as_bytes()));
                    if holds {
                        found.push(path.display().to_string());
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Command lines of all processes of this machine that hold a text, but for those of this test itself.
fn command_lines_with(what: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(words) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        if line.contains(what) {
            found.push(line);
        }
    }
    found
}

/// What `docker inspect` says of every container of a server, running or not.
fn inspected(server: &str) -> Vec<String> {
    let filter = format!("label=docker-mcp-name={server}");
    let listed = Command::new("docker").args(["ps", "-aq", "--filter", &filter]).output().unwrap();
    let ids = String::from_utf8(listed.stdout).unwrap();
    let inspect = |id: &str| Command::new("docker").args(["inspect", id]).output().unwrap();
    ids.split_whitespace().map(|id| String::from_utf8(inspect(id).stdout).unwrap()).collect()
}

fn planted_scene() -> Scene {
    let scene = on_engine(scene()).with_variable("GATEWAY_LOG", "trace");
    let [keeper, other, broken, missing] = names();
    let entry = |name: &str, image: &str, more: &str| {
        format!("  {name}:\n    image: {image}\n    secrets: [{{name: {name}.token, env: TOKEN}}]\n{more}")
    };
    let catalog = [
        "registry:\n".to_owned(),
        entry(&keeper, "mcp/null:1", "    env: [{name: WHOLE, value: 'Bearer $TOKEN'}]\n"),
        entry(&other, "mcp/null:1", ""),
        entry(&broken, "mcp/busybox:1", "    command: [/not/there]\n"),
        entry(&missing, "127.0.0.1:1/mcp/none:9", ""),
    ];
    scene.file("catalog.yaml", catalog.concat());
    let lines = names().map(|name| format!("{name}.token={}\n", secret(&name)));
    scene.file("planted.env", lines.concat());
    scene.settings("secrets: [./planted.env]\n");
    scene
}

async fn running<'s>(scene: &'s Scene) -> Gateway<'s> {
    scene.serve(["--catalog", "catalog.yaml", "--servers", &names().join(","), "--verbose"]).await
}

#[tokio::test]
async fn a_planted_secret_is_nowhere_but_in_its_container() {
    if engine().await.is_none() {
        return;
    }
    let scene = planted_scene();
    let [keeper, other, broken, missing] = names();
    let gateway = running(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    eventually("both containers, and the failures of the others", async || {
        let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        let state = |name: &str| {
            let servers = list["servers"].as_array().unwrap();
            servers.iter().find(|server| server["name"] == name).map(|server| server["failure"].is_object())
        };
        let failed = state(&broken) == Some(true) && state(&missing) == Some(true);
        let up = !inspected(&keeper).is_empty() && !inspected(&other).is_empty();
        if failed && up { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
    // In its own container, in both forms, and in no other.
    for container in inspected(&keeper) {
        assert!(container.contains(&format!("\"TOKEN={}\"", secret(&keeper))), "{container}");
        assert!(container.contains(&format!("\"WHOLE=Bearer {}\"", secret(&keeper))), "{container}");
        assert!(!container.contains(&secret(&other)), "{container}");
    }
    for container in inspected(&other) {
        assert!(container.contains(&secret(&other)) && !container.contains(&secret(&keeper)), "{container}");
    }
    // A call, an error, and everything that tells about servers.
    let call = format!("{keeper}__echo");
    let answers = [
        format!("{:?}", client.call(&call, json!({"message": "x"})).await),
        format!("{:?}", client.call("nothing", json!({})).await),
        format!("{:?}", client.tools().await),
    ];
    let mut told = vec![answers.join("\n")];
    for name in names() {
        told.push(scene.run(["server", "inspect", &name]).await.seen());
        told.push(scene.run(["server", "inspect", &name, "--json"]).await.seen());
    }
    told.push(scene.run(["server", "list"]).await.seen());
    let files = ["--catalog", "catalog.yaml", "--servers"];
    for command in [
        &["run", "--dry-run"][..],
        &["run", "--dry-run", "--json"],
        &["secret", "list"],
        &["config", "check"],
    ] {
        told.push(
            scene.run(command.iter().copied().chain(files).chain([names().join(",").as_str()])).await.seen(),
        );
    }
    let argv: Vec<String> = names().iter().flat_map(|name| command_lines_with(&secret(name))).collect();
    assert_eq!(argv, [""; 0]);
    client.leave().await;
    let ended = gateway.end().await;
    told.push(ended.finished.stderr);
    // State, ledger, compiled code, and what else was written.
    let root = scene.work().parent().unwrap().to_owned();
    for name in names() {
        let secret = secret(&name);
        for text in &told {
            let line = text.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{name}");
            // Nor its beginning, which the original prints.
            assert!(!text.contains("hunt*") && !text.contains("TOKEN=hunt"), "{name}");
        }
        assert_eq!(files_with(&root, &secret), [""; 0], "{name}");
    }
    eventually("no containers", async || {
        let left: Vec<String> = names().iter().flat_map(|name| inspected(name)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{} left", left.len())) }
    })
    .await;
}

/// A server that answers, and cares neither for the end of its input nor for SIGTERM.
const STUBBORN: &str = r#"trap "" TERM
while read -r line; do
  id=$(echo "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
  case "$line" in
  *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}' ;;
  *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"tools":[{"name":"stay","inputSchema":{"type":"object"}}]}}' ;;
  *'"tools/call"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"content":[{"type":"text","text":"here"}]}}' ;;
  *'"id"'*) echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32601,"message":"no"}}' ;;
  esac
done
while :; do sleep 1; done
"#;

#[tokio::test]
async fn a_call_does_not_wait_for_a_server_that_ignores_its_end() {
    if engine().await.is_none() {
        return;
    }
    let name = format!("stubborn-{}", std::process::id());
    let scene = on_engine(scene());
    // Encoded, because `$` means something in a catalogue.
    let script = STANDARD.encode(STUBBORN);
    let start = format!("echo {script} | base64 -d > /tmp/server; exec sh /tmp/server");
    let entry =
        json!({"registry": {name.as_str(): {"image": "mcp/busybox:1", "command": ["sh", "-c", start]}}});
    scene.file("catalog.yaml", entry.to_string());
    let gateway = scene.serve(["--catalog", "catalog.yaml", "--servers", &name]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["stay"]).await;
    assert_eq!(client.text("stay", json!({})).await, "here");
    let before = inspected(&name).len();
    for _ in 0..20 {
        // With the original each of them waits until the container of the last one has been killed.
        assert_eq!(client.text("stay", json!({})).await, "here");
    }
    assert_eq!(inspected(&name).len(), before);
    gateway.end().await;
    eventually("no containers", async || {
        if inspected(&name).is_empty() { Ok(()) } else { Err("still there".to_owned()) }
    })
    .await;
}
