//! Servers that are up already: what is dialled, and what is refused.

use super::{SERVER, editor_scene};
use crate::program::scene;
use gateway_tests::harness::{Era, eventually};
use serde_json::json;
use std::process::Stdio;
use tokio::net::UnixListener;

const LEGACY: Era = Era::Legacy("2025-11-25");

#[tokio::test]
async fn a_socket_in_the_file_system_is_an_endpoint() {
    let scene = scene();
    scene.settings("servers:\n  a: {image: x}\n");
    let path = scene.work().join("a.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            let input = Stdio::from(std::os::fd::OwnedFd::from(stream.try_clone().unwrap()));
            let output = Stdio::from(std::os::fd::OwnedFd::from(stream));
            // The connection is its standard streams; it ends with it.
            tokio::process::Command::new(SERVER).stdin(input).stdout(output).spawn().unwrap();
        }
    });
    let gateway = scene.serve(["--static-endpoint", &format!("a=unix://{}", path.display())]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    assert_eq!(client.text("echo", json!({"text": "x"})).await, "x");
    gateway.end().await;
}

#[tokio::test]
async fn static_mode_dials_the_usual_name_of_a_server() {
    let scene = scene();
    scene.settings("servers:\n  time: {image: x, startTimeout: 1s}\n");
    let plan = scene.run(["run", "--dry-run", "--static"]).await.expect_code(0);
    assert!(plan.stdout.contains("connects to tcp://mcp-time:4444"), "{}", plan.seen());
    let gateway = scene.serve(["--static"]).await;
    eventually("a failure", async || {
        let servers = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        let text = servers["servers"][0]["failure"]["text"].as_str().unwrap_or_default().to_owned();
        if text.starts_with("connecting to mcp-time:4444 failed: ") {
            Ok(())
        } else {
            Err(servers.to_string())
        }
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn an_endpoint_of_nobody_and_a_malformed_one_are_refused() {
    let scene = editor_scene(&json!({}));
    for (endpoint, expected) in [
        ("b=tcp://127.0.0.1:1", "`--static-endpoint b=…`: no server of that name runs"),
        ("b", "`b` is no `NAME=URL`"),
        ("b=127.0.0.1:1", "`127.0.0.1:1` is no `tcp://HOST:PORT`, `unix:///PATH` or URL"),
    ] {
        let done = scene.run(["run", "--dry-run", "--static-endpoint", endpoint]).await.expect_code(2);
        assert!(done.stderr.contains(expected), "{}", done.seen());
    }
}

#[tokio::test]
async fn urls_inside_are_for_the_operator_to_name_and_for_nobody_else() {
    let scene = editor_scene(&json!({
        "plain": {"url": "http://mcp.example/mcp"},
        "inside": {"url": "https://10.0.0.1/mcp"},
    }));
    scene.file(
        "catalog.yaml",
        "registry:\n  sly: {remote: {url: 'https://169.254.169.254/mcp', transport_type: http}}\n  local: {remote: {url: 'https://localhost/mcp', transport_type: http}}\n",
    );
    let arguments = [
        "run",
        "--dry-run",
        "--json",
        "--mcp-servers",
        "mcp.json",
        "--catalog",
        "catalog.yaml",
        "--servers",
        "plain,inside,sly,local",
    ];
    let plan = scene.run(arguments).await.json();
    let failure = |plan: &serde_json::Value, name: &str| {
        let servers = plan["servers"].as_array().unwrap();
        servers.iter().find(|server| server["name"] == name).unwrap()["problems"].to_string()
    };
    assert!(failure(&plan, "plain").contains("must use https"), "{plan}");
    assert!(
        failure(&plan, "plain").contains("if you trust it, allow it with `--allow-host mcp.example:80`"),
        "{plan}"
    );
    assert_eq!(failure(&plan, "inside"), "[]", "{plan}");
    assert!(failure(&plan, "sly").contains("`169.254.169.254` is not a public address"), "{plan}");
    assert!(
        failure(&plan, "local").contains("`localhost` is a name of this machine or its network"),
        "{plan}"
    );
    let allowed = [&arguments[..], &["--allow-host", "mcp.example:80,localhost:443"]].concat();
    let plan = scene.run(allowed).await.json();
    for name in ["plain", "local"] {
        assert_eq!(failure(&plan, name), "[]", "{plan}");
    }
}
