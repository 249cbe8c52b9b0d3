//! Servers that nobody here wrote, by every way that leads to one.

use super::{editor_scene, lives};
use crate::program::scene;
use gateway_tests::harness::{ERAS, Era, eventually, part};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const LEGACY: Era = Era::Legacy("2025-11-25");
const FILE: [&str; 2] = ["--mcp-servers", "mcp.json"];

/// Node and the entry of npm's server-everything, where they are.
pub(super) fn everything() -> Option<(String, String)> {
    Some((part("clients", "GATEWAY_TEST_NODE")?, part("clients", "GATEWAY_TEST_EVERYTHING")?))
}

/// server-everything as a process of its own that listens on a port; it ends when it is dropped.
pub(super) async fn listening(transport: &str, port: u16) -> Child {
    let (node, entry) = everything().unwrap();
    let mut command = Command::new(node);
    command.arg(entry).arg(transport).env("PORT", port.to_string()).kill_on_drop(true);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("a port that answers", async || {
        TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    child
}

/// A port for a server that must be told one and takes seconds to bind it. From below those that the system hands out by itself, or another
/// test that binds or connects meanwhile would get it; each process and each call begins elsewhere.
pub(super) async fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + u16::try_from(step % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

#[tokio::test]
async fn a_server_that_was_restarted_between_two_calls_is_not_noticed() {
    if everything().is_none() {
        return;
    }
    let port = free_port().await;
    let mut server = listening("streamableHttp", port).await;
    let scene = editor_scene(&json!({"everything": {"url": format!("http://127.0.0.1:{port}/mcp")}}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    assert_eq!(client.text("echo", json!({"message": "one"})).await, "Echo: one");
    server.kill().await.unwrap();
    let _server = listening("streamableHttp", port).await;
    assert_eq!(client.text("echo", json!({"message": "two"})).await, "Echo: two");
    gateway.end().await;
}

#[tokio::test]
async fn a_server_that_was_restarted_still_knows_what_is_subscribed_to() {
    if everything().is_none() {
        return;
    }
    let port = free_port().await;
    let mut server = listening("streamableHttp", port).await;
    let scene = editor_scene(&json!({"everything": {"url": format!("http://127.0.0.1:{port}/mcp")}}));
    let mut gateway = scene.pipe(FILE);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["toggle-subscriber-updates"]).await;
    let resources = client.request("resources/list", json!({})).await.unwrap();
    let uri = resources["resources"][0]["uri"].as_str().unwrap().to_owned();
    client.request("resources/subscribe", json!({"uri": uri})).await.unwrap();
    server.kill().await.unwrap();
    let _server = listening("streamableHttp", port).await;
    // The new one was told by nobody: the gateway does that when it hears of the loss, which is with this call.
    client.text("toggle-subscriber-updates", json!({})).await;
    let told = client.notified("notifications/resources/updated").await;
    assert_eq!(told["params"]["uri"], uri);
    drop(client);
    gateway.ended().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_named_and_comes_back() {
    if everything().is_none() {
        return;
    }
    let port = free_port().await;
    let mut server = listening("streamableHttp", port).await;
    let scene = editor_scene(&json!({"everything": {"url": format!("http://127.0.0.1:{port}/mcp")}}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    assert_eq!(client.text("echo", json!({"message": "one"})).await, "Echo: one");
    server.kill().await.unwrap();
    let mut errors = Vec::new();
    for _ in 0..2 {
        errors.push(client.call("echo", json!({"message": "two"})).await.unwrap_err().message);
    }
    let expected = format!("connecting to 127.0.0.1:{port} failed: ");
    assert!(errors.iter().all(|error| error.contains(&expected)), "{errors:?}");
    let _server = listening("streamableHttp", port).await;
    eventually("an answer again", async || {
        client.call("echo", json!({"message": "three"})).await.map(drop).map_err(|error| error.message)
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn python_servers_by_command() {
    let (Some(time), Some(git)) = (part("clients", "GATEWAY_TEST_TIME"), part("clients", "GATEWAY_TEST_GIT"))
    else {
        return;
    };
    let scene = editor_scene(&json!({
        "time": {"command": time, "args": ["--local-timezone", "UTC"]},
        "git": {"command": git, "args": ["--repository", "repository"]},
    }));
    let repository = scene.work().join("repository");
    let made = Command::new("git").args(["init", "-q"]).arg(&repository).status().await.unwrap();
    assert!(made.success());
    let scene = scene.with_variable("PATH", "/usr/local/bin:/usr/bin:/bin");
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(Era::Modern).await;
    client.await_tools(&["get_current_time", "git_status"]).await;
    let now = client.text("get_current_time", json!({"timezone": "UTC"})).await;
    assert!(now.contains("UTC"), "{now}");
    let status = client.text("git_status", json!({"repo_path": repository})).await;
    assert!(status.contains("No commits yet"), "{status}");
    gateway.end().await;
}

#[tokio::test]
async fn files_by_command() {
    let (Some(node), Some(entry)) =
        (part("clients", "GATEWAY_TEST_NODE"), part("clients", "GATEWAY_TEST_FILESYSTEM"))
    else {
        return;
    };
    let scene = scene();
    let there = std::fs::canonicalize(scene.file("files/there.txt", "was there").parent().unwrap()).unwrap();
    let servers = json!({"files": {"command": node, "args": [entry, there]}});
    scene.file("mcp.json", json!({"mcpServers": servers}).to_string());
    let gateway = scene.serve(FILE).await;
    for (number, era) in ERAS.into_iter().enumerate() {
        let mut client = gateway.client(era).await;
        client.await_tools(&["list_directory", "read_text_file", "write_file"]).await;
        let text = client.text("read_text_file", json!({"path": there.join("there.txt")})).await;
        assert_eq!(text, "was there", "{era:?}");
        let name = format!("new-{number}.txt");
        client.text("write_file", json!({"path": there.join(&name), "content": "new \u{e4}"})).await;
        assert_eq!(std::fs::read_to_string(there.join(&name)).unwrap(), "new \u{e4}");
        let listed = client.text("list_directory", json!({"path": there})).await;
        assert!(listed.contains("[FILE] there.txt") && listed.contains(&name), "{listed}");
        let refused = client.call("read_text_file", json!({"path": "/etc/passwd"})).await.unwrap();
        assert_eq!(refused["isError"], true, "{refused}");
    }
    gateway.end().await;
}

/// A bridge of the test: a process for each connection, as `docker-mcp-bridge` does it.
async fn bridge(program: String, arguments: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut command = Command::new(&program);
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let child = command.kill_on_drop(true).spawn().unwrap();
            tokio::spawn(async move {
                // The whole of it: a block that uses fields only takes those, and what stays outside kills the process at once.
                let mut child = child;
                let (mut from, mut to) = stream.into_split();
                let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
                tokio::select! {
                    _ = tokio::io::copy(&mut from, &mut stdin) => {}
                    _ = tokio::io::copy(&mut stdout, &mut to) => {}
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_up_already_behind_a_port() {
    let Some(time) = part("clients", "GATEWAY_TEST_TIME") else { return };
    let port = bridge(time, &["--local-timezone", "UTC"]).await;
    let scene = scene();
    // What starts it is nobody's business in static mode.
    scene.file("catalog.yaml", "registry:\n  time: {image: mcp/time, env: [{name: A, value: b}]}\n");
    let endpoint = format!("time=tcp://127.0.0.1:{port}");
    let arguments =
        ["--catalog", "catalog.yaml", "--servers", "time", "--static", "--static-endpoint", &endpoint];
    let gateway = scene.serve(arguments).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get_current_time"]).await;
    let now = client.text("get_current_time", json!({"timezone": "UTC"})).await;
    assert!(now.contains("UTC"), "{now}");
    gateway.end().await;
}

#[tokio::test]
async fn processes_of_others_end_with_the_gateway() {
    let Some((node, entry)) = everything() else { return };
    let scene = editor_scene(&json!({"everything": {"command": node, "args": [entry, "stdio"]}}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get-env"]).await;
    let environment: Value = serde_json::from_str(&client.text("get-env", json!({})).await).unwrap();
    assert_eq!(environment["MCP_GATEWAY_AUTH_TOKEN"], Value::Null, "{environment}");
    let mark = environment["GATEWAY_PROCESS"].as_str().unwrap().to_owned();
    gateway.end().await;
    let left: Vec<String> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark) && lives(pid)
        })
        .collect();
    assert_eq!(left, [""; 0]);
}
