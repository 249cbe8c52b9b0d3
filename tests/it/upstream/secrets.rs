//! A secret is in no log at any level, and in nothing else that the gateway writes.

use super::remote::{Elsewhere, good};
use super::{SERVER, entry};
use crate::program::scene;
use gateway_tests::harness::{Era, Scene, TOKEN, eventually};
use serde_json::json;
use std::path::Path;

const LEGACY: Era = Era::Legacy("2025-11-25");

/// Where secrets are, each with a value that occurs nowhere else.
const SECRETS: [(&str, &str); 5] = [
    ("env.secret", "hush-environment-7b1"),
    ("header.secret", "hush-header-7b2"),
    ("url.secret", "hush-url-7b3"),
    ("arg.secret", "hush-argument-7b4"),
    ("wasm.secret", "hush-component-7b5"),
];

fn check(what: &str, text: &str) {
    for (name, value) in SECRETS {
        assert!(!text.contains(value), "{name} is in {what}:\n{}", around(text, value));
    }
    assert!(!text.contains(TOKEN), "the clients' token is in {what}:\n{}", around(text, TOKEN));
}

fn around(text: &str, value: &str) -> String {
    text.lines().filter(|line| line.contains(value)).take(3).collect::<Vec<_>>().join("\n")
}

/// Every file below a folder that is text.
fn files(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, into);
        } else if let Ok(text) = std::fs::read(&path) {
            into.push_str(&String::from_utf8_lossy(&text));
        }
    }
}

fn hushed(elsewhere: &Elsewhere, away: &str) -> Scene {
    let scene = scene()
        // Both names, though only one of them means something to the program.
        .with_variable("GATEWAY_LOG", "trace,cranelift_codegen=off,wasmtime=debug")
        .with_variable("RUST_LOG", "trace");
    let secrets: String = SECRETS.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    scene.file("secrets.env", secrets);
    scene.component("tools.wasm", &test_artifacts::guest("tool-server"));
    scene.settings(
        "secrets: [./secrets.env]
servers:
  wasm:
    component: ./tools.wasm
    prefix: wasm
    secrets: [{name: wasm.secret, env: TOKEN}]
    env: [{name: AUTH, value: 'Bearer $TOKEN'}]
",
    );
    let command =
        json!({"command": SERVER, "args": ["--banner", "welcome"], "env": {"TOKEN": "${input:env.secret}"}});
    // Arguments can be read by everybody on this machine, and URLs are written into logs on the way: both are refused.
    let argument = json!({"command": SERVER, "args": ["--banner", "${input:arg.secret}"]});
    let query = json!({"url": format!("{}?key=${{input:url.secret}}", elsewhere.url())});
    let mut dying = entry(&["--die-at-start"]);
    dying["env"] = json!({"TOKEN": "${input:env.secret}"});
    let headers = json!({"Authorization": "Bearer ${input:header.secret}"});
    let servers = json!({
        "command": command,
        "dying": dying,
        "remote": {"url": elsewhere.url(), "headers": headers},
        "away": {"url": format!("http://{away}/mcp"), "headers": headers},
        "argument": argument,
        "query": query,
    });
    scene.file("mcp.json", json!({"mcpServers": servers}).to_string());
    scene
}

#[tokio::test]
async fn no_secret_is_in_any_log_at_any_level() {
    // One of the servers refuses at some point, and says in its own words what it was shown.
    let elsewhere = Elsewhere::start(|asked| {
        let shown = asked.headers.get("authorization").cloned().unwrap_or_default();
        match asked.message["params"]["arguments"]["text"].as_str() {
            Some("refuse") => {
                (401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n".to_owned(), String::new())
            }
            _ => good(asked, "s", |_| shown.clone()),
        }
    })
    .await;
    // Nobody listens there.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let scene = hushed(&elsewhere, &away);
    let arguments = ["--verbose", "--mcp-servers", "mcp.json"];
    let gateway = scene.serve(arguments).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["environment", "say", "wasm__environment"]).await;
    // The secrets are where they belong.
    assert!(client.text("environment", json!({})).await.contains(SECRETS[0].1));
    assert_eq!(client.text("say", json!({})).await, format!("Bearer {}", SECRETS[1].1));
    assert!(client.text("wasm__environment", json!({})).await.contains(SECRETS[4].1));
    // Failures of all kinds.
    let refused = client.call("say", json!({"text": "refuse"})).await.unwrap_err();
    assert!(refused.message.starts_with("server `remote`: the server answered HTTP 401"), "{refused:?}");
    client.call("die", json!({})).await.unwrap_err();
    eventually("the failures", async || {
        let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        let failed = |name: &str| {
            let servers = list["servers"].as_array().unwrap();
            servers.iter().any(|server| server["name"] == name && !server["failure"].is_null())
        };
        if ["dying", "away", "argument", "query"].into_iter().all(failed) {
            Ok(())
        } else {
            Err(list.to_string())
        }
    })
    .await;
    // A client that is turned away, with a token of its own.
    let endpoint = gateway.endpoint().await;
    let wrong = [("authorization", "Bearer hush-url-7b3-of-a-stranger")];
    assert_eq!(endpoint.post(&wrong, &json!({})).await.unwrap().status, 401);
    // What asks a running gateway, and what only reads.
    for arguments in [
        &["server", "list"][..],
        &["server", "list", "--json"],
        &["server", "inspect", "command", "--json"],
        &["server", "inspect", "remote", "--json"],
        &["server", "inspect", "wasm", "--json"],
        &["secret", "list"],
        &["config", "check", "--mcp-servers", "mcp.json"],
        &["run", "--dry-run", "--json", "--mcp-servers", "mcp.json"],
    ] {
        let done = scene.run(arguments).await;
        check(&format!("{arguments:?}"), &done.stdout);
        check(&format!("the log of {arguments:?}"), &done.stderr);
    }
    let mut state = String::new();
    files(&scene.state(), &mut state);
    check("the state folder", &state);
    let said = gateway.end().await.finished.stderr;
    check("the log", &said);
    // The log is one: everything was on.
    for word in ["TRACE", "DEBUG", "INFO"] {
        assert!(said.contains(word), "no line of level {word}");
    }
}
