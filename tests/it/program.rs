//! The program at its edges: bad input, exit codes, what programs read.

#![expect(clippy::indexing_slicing, reason = "what is not as the story says ends the test there")]

mod bad_input;
mod pages;
mod reload;
mod sessions;
mod settings;

use gateway_tests::harness::Scene;
use serde_json::{Value, json};
use std::path::Path;

/// A scene with the program of this package, and with the compiled components that all tests share.
pub(crate) fn scene() -> Scene {
    Scene::new(env!("CARGO_BIN_EXE_gateway-under-test"), Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// A scene whose settings are one embedded echo server.
pub(crate) fn echo_scene() -> Scene {
    let scene = scene();
    scene.component("echo.wasm", &test_artifacts::guest("echo-server"));
    scene.settings("servers:\n  echo: {component: ./echo.wasm}\n");
    scene
}

/// A scene with the server of many tools under the name `tools`, and these further keys of its entry.
pub(crate) fn tools_scene(keys: &str) -> Scene {
    let scene = scene();
    scene.component("tools.wasm", &test_artifacts::guest("tool-server"));
    scene.settings(&format!("servers:\n  tools: {{component: ./tools.wasm{keys}}}\n"));
    scene
}

#[tokio::test]
async fn exit_codes_mean_what_the_help_says() {
    let scene = tools_scene("");
    scene.file("text.wasm", "this is a text\n");
    let cases: &[(&[&str], i32)] = &[
        (&["--version"], 0),
        (&["--help"], 0),
        (&["run", "--help"], 0),
        (&[], 2),
        (&["fly"], 2),
        (&["run", "--transport", "pigeon"], 2),
        (&["run", "--port", "1"], 2),
        (&["run", "--host", "127.0.0.1"], 2),
        (&["run", "--allow-unauthenticated"], 2),
        (&["plugin", "list", "-v"], 2),
        (&["plugin", "list", "--tools", "now"], 2),
        (&["plugin", "inspect", "embedded", "--servers", "time"], 2),
        (&["plugin", "check", "embedded", "--max-server-startup-timeout", "1s"], 2),
        (&["run", "--json"], 2),
        (&["run", "--transport", "stdio", "--port", "1"], 2),
        (&["run", "--names", "some"], 2),
        (&["run", "--provisioner", "nobody", "--dry-run"], 2),
        (&["run", "--servers", "nobody", "--dry-run"], 2),
        (&["run", "--max-server-startup-timeout", "soon"], 2),
        (&["run", "--transport", "streaming", "--host", "0.0.0.0", "--allow-unauthenticated"], 2),
        (&["tools", "call", "who", "not a pair"], 2),
        (&["plugin", "inspect", "nobody"], 2),
        (&["server", "list"], 1),
        (&["plugin", "reload"], 1),
        (&["tools", "call", "nothing-of-this-name"], 1),
        (&["plugin", "check", "./text.wasm"], 3),
        (&["tools", "call", "read", "path=/etc/passwd"], 3),
        (&["tools", "call", "who"], 0),
    ];
    let mut wrong = Vec::new();
    for (arguments, code) in cases {
        let done = scene.run(*arguments).await;
        if done.code != Some(*code) {
            wrong.push(format!("{arguments:?} should give {code}:\n{}", done.seen()));
        }
        scene.assert_nothing_left();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn completions_are_there_for_every_shell() {
    let scene = scene();
    for shell in ["bash", "zsh", "fish"] {
        let done = scene.run(["completions", shell]).await.expect_code(0);
        assert_eq!(done.stderr, "", "{shell}");
        for word in ["gateway", "quickstart", "max-server-startup-timeout"] {
            assert!(done.stdout.contains(word), "{shell} does not complete {word}");
        }
    }
}

#[tokio::test]
async fn help_is_as_it_was() {
    let scene = scene();
    for command in [&["--help"][..], &["run", "--help"], &["plugin", "--help"], &["quickstart", "--help"]] {
        let done = scene.run(command).await.expect_code(0);
        gateway_tests::harness::redacted().bind(|| {
            insta::assert_snapshot!(
                format!("help_{}", command.first().unwrap().trim_matches('-')),
                done.seen()
            );
        });
    }
}

#[tokio::test]
async fn programs_can_read_every_answer() {
    let scene = tools_scene("");
    let plugins = scene.run(["plugin", "list", "--json"]).await.expect_code(0).json();
    let names: Vec<_> = plugins["plugins"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert_eq!(names, ["cloud-ecs", "cloud-run", "docker", "embedded", "kubernetes"]);
    let embedded = &plugins["plugins"][3];
    assert_eq!(embedded["runs"], json!(["component"]));
    let inspected = scene.run(["plugin", "inspect", "embedded", "--json"]).await.expect_code(0).json();
    assert_eq!(&inspected, embedded);
    assert_eq!(inspected["granted"], json!(["embedded"]));
    assert_eq!(inspected["limits"]["memory"], "64MiB");
    assert!(inspected["digest"].as_str().unwrap().starts_with("sha256:"), "{inspected}");
    let checked = scene.run(["plugin", "check", "embedded", "--json"]).await.expect_code(0).json();
    assert_eq!(checked["ok"], true);
    assert_eq!(checked["plugin"]["digest"], inspected["digest"]);

    let plan = scene.run(["run", "--dry-run", "--json"]).await.expect_code(0).json();
    assert_eq!(plan["servers"][0]["name"], "tools");
    assert_eq!(plan["servers"][0]["provisioner"], "embedded");
    assert!(!plan["servers"][0]["documents"].as_array().unwrap().is_empty(), "{plan}");

    let tools = scene.run(["tools", "list", "--json"]).await.expect_code(0).json();
    let names: Vec<_> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"who"), "{names:?}");
    let result = scene.run(["tools", "call", "who", "--json"]).await.expect_code(0).json();
    assert_eq!(result["content"][0]["text"], "tool-server");

    let gateway = scene.serve([""; 0]).await;
    let servers = eventually_ready(&scene).await;
    assert_eq!(servers["servers"][0]["name"], "tools");
    assert_eq!(servers["servers"][0]["provisioner"], "embedded");
    let one = scene.run(["server", "inspect", "tools", "--json"]).await.expect_code(0).json();
    assert_eq!(one["status"]["state"], "ready");
    assert_eq!(one["plan"]["kind"], "component");
    let reloaded = scene.run(["plugin", "reload", "--json"]).await.expect_code(0).json();
    let embedded =
        reloaded["plugins"].as_array().unwrap().iter().find(|plugin| plugin["plugin"] == "embedded");
    assert_eq!(embedded.unwrap()["outcome"], "unchanged", "{reloaded}");
    gateway.end().await;
}

/// Asks a running gateway until its first server is ready.
pub(crate) async fn eventually_ready(scene: &Scene) -> Value {
    gateway_tests::harness::eventually("a server that is ready", async || {
        let answer = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        if answer["servers"][0]["state"] == "ready" { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await
}
