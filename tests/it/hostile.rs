//! Plugins and servers that mean no good, in the program, while it answers everybody else.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what is not as the story says ends the test there"
)]

use crate::program::scene;
use gateway_tests::harness::{Era, Gateway, Scene, eventually};
use serde_json::{Value, json};
use test_artifacts::guest;

const LEGACY: Era = Era::Legacy("2025-11-25");

/// What the status says about one server.
async fn status(scene: &Scene, name: &str) -> Value {
    let answer = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
    answer["servers"].as_array().unwrap().iter().find(|server| server["name"] == name).unwrap().clone()
}

/// Waits until the server has failed, calling the good one all the while, and gives the failure's text.
async fn failure_beside_calls(scene: &Scene, gateway: &Gateway<'_>, name: &str) -> String {
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let mut number = 0;
    eventually(&format!("{name} to fail"), async || {
        number += 1;
        assert_eq!(
            client.text("echo", json!({"message": number.to_string()})).await,
            format!("Echo: {number}")
        );
        let status = status(scene, name).await;
        status["failure"]["text"].as_str().map(str::to_owned).ok_or_else(|| status.to_string())
    })
    .await
}

/// What a plugin does on request, which is the server's name, and what is said about it.
const DEEDS: [(&str, &str); 8] = [
    ("loop", "computed longer than its limit of 500 ms"),
    ("trap", "boom"),
    ("exit", "ended itself"),
    ("overflow", "stack"),
    ("memory", "needed more memory than its limit of 16 MiB"),
    ("host-calls", "used more than its limit of 200 host functions"),
    ("stubborn", "took longer than its limit of 2 s"),
    ("none", "connection"),
];

#[tokio::test]
async fn a_plugin_that_misbehaves_costs_only_its_own_calls() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.component("hostile.wasm", &guest("plugin_hostile"));
    let servers: String = DEEDS
        .iter()
        .map(|(deed, _)| format!("  {deed}: {{component: ./echo.wasm, startTimeout: 6s}}\n"))
        .collect();
    scene.settings(&format!(
        "plugins:
  hostile:
    path: ./hostile.wasm
    grants: {{embedded: true}}
    limits: {{call: 2s, cpu: 500ms, memory: 16MiB, hostCalls: 200}}
placement: [{{servers: [echo], provisioner: embedded}}, {{provisioner: hostile}}]
servers:
  echo: {{component: ./echo.wasm}}
{servers}"
    ));
    let gateway = scene.serve([""; 0]).await;
    let mut wrong = Vec::new();
    for (deed, expected) in DEEDS {
        let text = failure_beside_calls(&scene, &gateway, deed).await;
        if !text.contains(expected) || !text.contains("hostile") || text.chars().any(char::is_control) {
            wrong.push(format!("{deed}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!gateway.said().contains('\u{1b}'), "{}", gateway.said());
    gateway.end().await;
}

#[tokio::test]
async fn servers_that_misbehave_cost_only_themselves() {
    let cases = [
        ("trap", "as asked"),
        ("recurse", "stack"),
        ("memory", "memory"),
        ("spin", "the server does not speak MCP: it did not complete the handshake in time"),
        ("flood-stdout", "the server does not speak MCP: "),
        ("flood-stderr", "the server does not speak MCP: it did not complete the handshake in time"),
        ("exit, '3'", "exit code 1"),
    ];
    for (mode, expected) in cases {
        let scene = scene();
        scene.component("echo.wasm", &guest("echo-server"));
        scene.component("bad.wasm", &guest("misbehave"));
        scene.settings(&format!(
            "servers:\n  bad: {{component: ./bad.wasm, args: [{mode}], memory: 32MiB, startTimeout: 3s}}\n  echo: {{component: ./echo.wasm}}\n"
        ));
        let gateway = scene.serve([""; 0]).await;
        let text = failure_beside_calls(&scene, &gateway, "bad").await;
        assert!(text.contains(expected), "{mode}: {text}");
        assert!(!text.contains('\u{1b}') && text.len() < 4096, "{mode}: {text}");
        gateway.end().await;
    }
}

/// Somebody who may write to the state folder could have the next start believe that it must take down anything.
#[cfg(unix)]
#[tokio::test]
async fn a_state_folder_that_others_can_write_to_is_named_and_nothing_is_started() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.settings("servers:\n  echo: {component: ./echo.wasm}\n");
    std::fs::create_dir(scene.state()).unwrap();
    std::fs::set_permissions(scene.state(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let called = scene.run(["tools", "call", "echo", "message=x"]).await;
    assert_ne!(called.code, Some(0), "{}", called.seen());
    let state = scene.state();
    let text =
        format!("state folder {} cannot be used: other users can write to it (mode 777)", state.display());
    assert!(called.stderr.contains(&text), "{}", called.stderr);
    scene.assert_nothing_left();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
    scene.run(["tools", "call", "echo", "message=x"]).await.expect_code(0);
}

/// A server that may write to a folder cannot put a link there for another server's folder to lead out of it.
#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_replaced_by_a_link_while_the_gateway_runs_is_refused() {
    let scene = scene();
    scene.component("bad.wasm", &guest("misbehave"));
    scene.component("echo.wasm", &guest("echo-server"));
    let folder = scene.work().canonicalize().unwrap().join("data");
    std::fs::create_dir(&folder).unwrap();
    scene.settings(
        "servers:
  echo: {component: ./echo.wasm}
  reads: {component: ./bad.wasm, args: [read-file, /data/secret], folders: [{path: ./data, mount: /data}], startTimeout: 3s}
",
    );
    let secret = scene.work().join("elsewhere");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("secret"), "hunter2").unwrap();
    let gateway = scene.serve([""; 0]).await;
    std::fs::remove_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&secret, &folder).unwrap();
    let text = failure_beside_calls(&scene, &gateway, "reads").await;
    let shown = folder.display();
    assert!(text.contains(&format!("the folder `{shown}` is reached through the link `{shown}`")), "{text}");
    assert!(!gateway.said().contains("hunter2"), "{}", gateway.said());
    gateway.end().await;
}
