//! Bad input, each with all that a person gets to read.
//!
//! `INSTA_UPDATE=always cargo test -p gateway-tests` takes new snapshots.

use super::scene;
use gateway_tests::harness::{Finished, Scene, redacted};
use test_artifacts::guest;

#[track_caller]
fn seen(name: &str, done: &Finished) {
    redacted().bind(|| insta::assert_snapshot!(name, done.seen()));
}

/// Runs the dry run, which checks everything that a start checks.
async fn dry_run(scene: &Scene, more: &[&str]) -> Finished {
    scene.run([&["run", "--dry-run"], more].concat()).await
}

#[tokio::test]
async fn unknown_keys_are_all_told_at_once() {
    let scene = scene();
    scene.settings(
        "servers:\n  echo: {component: ./echo.wasm, memroy: 64MiB}\nplacment: []\nfront:\n  porte: 1\n",
    );
    seen("unknown_keys", &dry_run(&scene, &[]).await.expect_code(2));
}

#[tokio::test]
async fn wrong_types_are_all_told_at_once() {
    let scene = scene();
    scene.settings(
        "servers:\n  echo: {component: ./echo.wasm, memory: lots}\npool: {cap: many, idle: 10}\nfront: [1]\n",
    );
    seen("wrong_types", &dry_run(&scene, &[]).await.expect_code(2));
}

#[tokio::test]
async fn what_is_no_yaml_is_shown_with_its_place() {
    let scene = scene();
    scene.settings("servers:\n  echo: {component: ./echo.wasm\n  other: [\n");
    seen("no_yaml", &dry_run(&scene, &[]).await.expect_code(2));
}

#[tokio::test]
async fn a_server_twice() {
    let scene = scene();
    scene.settings(
        "servers:\n  echo: {component: ./a.wasm}\n  time: {bundled: time}\n  echo: {component: ./b.wasm}\n",
    );
    seen("duplicate_server", &dry_run(&scene, &[]).await.expect_code(2));
}

#[tokio::test]
async fn two_plugins_of_one_name() {
    let scene = scene();
    scene.settings("plugins:\n  acme: {path: ./a.wasm}\n  acme: {path: ./b.wasm}\n");
    seen("two_plugins_of_one_name", &dry_run(&scene, &[]).await.expect_code(2));
}

#[tokio::test]
async fn two_plugins_of_one_name_on_the_command_line() {
    let scene = scene();
    let done = dry_run(&scene, &["--plugin", "./a/acme.wasm", "--plugin", "./b/acme.wasm"]).await;
    seen("two_plugins_of_one_name_as_flags", &done.expect_code(2));
}

#[tokio::test]
async fn a_plugin_that_is_not_there() {
    let scene = scene();
    let done = dry_run(&scene, &["--plugin", "./acme.wasm"]).await;
    seen("plugin_missing_as_flag", &done.expect_code(1));
    scene.settings("plugins:\n  acme: {path: ./acme.wasm}\nservers:\n  time: {bundled: time}\nplacement: [{provisioner: acme}]\n");
    seen("plugin_missing_in_settings", &dry_run(&scene, &[]).await.expect_code(3));
}

#[tokio::test]
async fn files_that_cannot_be_read() {
    let scene = scene();
    seen("settings_missing", &dry_run(&scene, &["--settings", "none.yaml"]).await.expect_code(2));
    scene.file("folder/inside", "");
    seen("settings_are_a_folder", &dry_run(&scene, &["--settings", "folder"]).await.expect_code(2));
    scene.file("bytes.yaml", b"servers: {\xff\xfe: 1}\n");
    seen("settings_are_no_text", &dry_run(&scene, &["--settings", "bytes.yaml"]).await.expect_code(2));
    seen(
        "catalog_missing",
        &dry_run(&scene, &["--catalog", "none.yaml", "--servers", "a"]).await.expect_code(2),
    );
}

#[tokio::test]
async fn a_component_that_is_not_there_or_none() {
    let scene = scene();
    scene.file("text.wasm", "this is a text\n");
    scene.settings("servers:\n  gone: {component: ./gone.wasm}\n  text: {component: ./text.wasm}\n");
    seen("component_missing", &scene.run(["tools", "list"]).await.expect_code(0));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_port_that_is_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let done = scene().run(["run", "--transport", "streaming", "--port", &port]).await;
    seen("port_in_use", &done.expect_code(1));
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let scene = scene();
    scene.component("silent.wasm", &guest("misbehave"));
    scene.settings("servers:\n  mute: {component: ./silent.wasm, args: [silent]}\n  time: {bundled: time}\n");
    let done = scene.run(["tools", "list", "--max-server-startup-timeout", "3s"]).await;
    seen("server_never_answers", &done.expect_code(0));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_that_prints_rubbish() {
    let scene = scene();
    scene.component("rubbish.wasm", &guest("misbehave"));
    scene.settings(
        "servers:\n  noisy: {component: ./rubbish.wasm, args: [rubbish]}\n  time: {bundled: time}\n",
    );
    let done = scene.run(["tools", "list", "--max-server-startup-timeout", "3s"]).await;
    seen("server_prints_rubbish", &done.expect_code(0));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_that_ends_at_once() {
    let scene = scene();
    scene.component("exit.wasm", &guest("misbehave"));
    scene.settings("servers:\n  brief: {component: ./exit.wasm, args: [exit, '3']}\n");
    let done = scene.run(["tools", "list", "--max-server-startup-timeout", "3s"]).await;
    seen("server_ends_at_once", &done.expect_code(0));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_that_asks_for_a_folder_it_was_not_granted() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.settings("servers:\n  curious: {component: ./echo.wasm, volumes: ['/etc:/etc:ro']}\n");
    seen("folder_not_granted_when_it_runs", &scene.run(["tools", "list"]).await.expect_code(0));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn servers_that_this_version_cannot_run() {
    let scene = scene();
    scene.file(
        "catalog.yaml",
        "registry:\n  image: {image: acme/server:1}\n  remote: {remote: {url: 'https://acme.example/mcp'}}\n",
    );
    let done = dry_run(&scene, &["--catalog", "catalog.yaml", "--servers", "image,remote"]).await;
    seen("not_in_this_version", &done.expect_code(3));
}

#[tokio::test]
async fn a_server_or_a_secret_that_is_unknown() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.file(".env", "OTHER=1\n");
    scene.settings(
        "secrets: [./.env]\nservers:\n  needs: {component: ./echo.wasm, secrets: [{name: acme.token, env: TOKEN}]}\n",
    );
    seen("server_unknown", &dry_run(&scene, &["--servers", "need,neds"]).await.expect_code(2));
    seen("secret_missing", &scene.run(["tools", "list"]).await.expect_code(0));
    scene.assert_nothing_left();
}
