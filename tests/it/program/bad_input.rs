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
    seen("component_missing", &scene.run(["tools", "list"]).await.expect_code(1));
    seen("component_missing_dry", &dry_run(&scene, &[]).await.expect_code(3));
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
    // What there is was printed, and the code says that it is not all.
    seen("server_never_answers", &done.expect_code(4));
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
    seen("server_prints_rubbish", &done.expect_code(4));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_that_ends_at_once() {
    let scene = scene();
    scene.component("exit.wasm", &guest("misbehave"));
    scene.settings("servers:\n  brief: {component: ./exit.wasm, args: [exit, '3']}\n");
    let done = scene.run(["tools", "list", "--max-server-startup-timeout", "3s"]).await;
    seen("server_ends_at_once", &done.expect_code(1));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_server_that_asks_for_a_folder_it_was_not_granted() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.settings("servers:\n  curious: {component: ./echo.wasm, volumes: ['/etc:/etc:ro']}\n");
    seen("folder_not_granted_when_it_runs", &scene.run(["tools", "list"]).await.expect_code(1));
    seen("folder_not_granted", &dry_run(&scene, &[]).await.expect_code(3));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn servers_that_this_version_or_this_machine_cannot_run() {
    let scene = scene().with_variable("DOCKER_HOST", "unix:///nowhere/docker.sock");
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
    seen("secret_missing", &scene.run(["tools", "list"]).await.expect_code(1));
    seen("secret_missing_dry", &dry_run(&scene, &[]).await.expect_code(3));
    scene.assert_nothing_left();
}

#[tokio::test]
async fn what_a_start_would_refuse_is_refused_by_the_dry_run() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.file("a-file", "");
    scene.settings(
        "plugins:
  embedded: {bundled: embedded, grants: {embedded: {memory: 32MiB, cpu: 0.5}}}
servers:
  gone: {component: ./echo.wasm, folders: [{path: ./gone, mount: /a}, {path: ./a-file, mount: /b}]}
  greedy: {component: ./echo.wasm, memory: 64MiB, cpus: 2}
  tiny: {component: ./echo.wasm, memory: 1MiB}
  fine: {component: ./echo.wasm, memory: 16MiB}
",
    );
    seen("dry_run_refuses", &dry_run(&scene, &[]).await.expect_code(3));
    let plan = dry_run(&scene, &["--json"]).await.expect_code(3).json();
    let problems = |at: usize| plan["servers"][at]["problems"].as_array().unwrap().len();
    assert_eq!((problems(0), problems(1), problems(2), problems(3)), (2, 2, 1, 0), "{plan}");
    // And the run refuses the same servers, no others.
    let listed = scene.run(["tools", "list", "--json"]).await.expect_code(4);
    for (server, failed) in [("gone", true), ("greedy", true), ("tiny", true), ("fine", false)] {
        let told = listed.stderr.contains(&format!("failed: server `{server}`"));
        assert_eq!(told, failed, "{server}: {}", listed.seen());
    }
    scene.assert_nothing_left();
}

#[tokio::test]
async fn what_has_no_effect_is_told_by_the_dry_run() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.file("acme.wasm", "this is a text");
    scene.settings(
        "secrets: [./secrets.env]
plugins:
  acme: {path: ./acme.wasm}
placement:
  - {servers: ['note*'], provisioner: acme}
  - {kind: component, provisioner: embedded}
  - {servers: [echo], provisioner: acme}
servers:
  echo: {component: ./echo.wasm}
",
    );
    seen("dry_run_warns", &dry_run(&scene, &[]).await.expect_code(0));
    let plan = dry_run(&scene, &["--json"]).await.expect_code(0).json();
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 5, "{plan}");
}

#[tokio::test]
async fn a_plugin_without_grants_is_told_what_to_paste() {
    let scene = scene();
    let component = crate::plugins::exported(&scene).await;
    // Not byte by byte the bundled plugin, so it is a stranger's.
    scene.file("acme.wasm", crate::plugins::another_build(&component, "mine"));
    scene.settings("servers:\n  time: {bundled: time}\n");
    seen("plugin_not_granted", &scene.run(["run", "--plugin", "./acme.wasm"]).await.expect_code(1));
    seen("plugin_inspect_not_granted", &scene.run(["plugin", "inspect", "./acme.wasm"]).await.expect_code(0));

    // What it says can be pasted, and then it runs; the entry may leave the file to the flag.
    scene.settings(
        "plugins: {acme: {path: ./acme.wasm, grants: {embedded: true}}}\nservers:\n  time: {bundled: time}\n",
    );
    let called = scene.run(["tools", "call", "now", "--plugin", "./acme.wasm"]).await.expect_code(0);
    assert_eq!(called.stderr, "", "{}", called.seen());
    scene.settings("plugins: {acme: {grants: {embedded: true}}}\nservers:\n  time: {bundled: time}\n");
    scene.run(["tools", "call", "now", "--plugin", "./acme.wasm"]).await.expect_code(0);
    seen("plugin_without_a_path", &scene.run(["tools", "call", "now"]).await.expect_code(2));
    scene.settings("plugins: {acme: {path: ./acme.wasm}}\nservers:\n  time: {bundled: time}\nplacement: [{provisioner: acme}]\n");
    seen("plugin_with_an_entry_not_granted", &dry_run(&scene, &[]).await.expect_code(3));
}

#[tokio::test]
async fn a_file_with_a_bundled_name_has_no_bundled_grants() {
    let scene = scene();
    let component = crate::plugins::exported(&scene).await;
    scene.file("embedded.wasm", crate::plugins::another_build(&component, "not ours"));
    scene.settings("servers:\n  time: {bundled: time}\n");
    let done = scene.run(["plugin", "check", "./embedded.wasm"]).await.expect_code(3);
    assert!(
        done.stdout.contains("plugins: {embedded: {path: ./embedded.wasm, grants: {embedded: true}}}"),
        "{}",
        done.seen()
    );

    // And what was a copy of ours when the gateway started does not hand its grants on.
    scene.file("embedded.wasm", &component);
    let gateway = scene.serve(["--plugin", "./embedded.wasm"]).await;
    super::eventually_ready(&scene).await;
    let same = scene.run(["plugin", "reload"]).await.expect_code(0);
    assert!(same.stdout.contains("plugin `embedded` unchanged"), "{}", same.seen());
    scene.file("embedded.wasm", crate::plugins::another_build(&component, "not ours"));
    let kept = scene.run(["plugin", "reload"]).await.expect_code(3);
    assert!(kept.stdout.contains("has no grants of its own"), "{}", kept.seen());
    gateway.end().await;
}

#[tokio::test]
async fn names_that_fit_nothing_are_told_with_the_nearest() {
    let scene = scene();
    scene.settings("servers:\n  time: {bundled: time}\n");
    seen("tools_unfit", &scene.run(["tools", "list", "--tools", "nwo,time:*,tmie:*"]).await.expect_code(0));
    seen("tool_unknown", &scene.run(["tools", "call", "nwo"]).await.expect_code(1));
    let gateway = scene.serve(["--tools", "convrt"]).await;
    gateway.says("`--tools convrt` fits no tool; did you mean `convert`?").await;
    gateway.end().await;
}

#[tokio::test]
async fn a_state_folder_that_others_can_change_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene();
    scene.settings("state: ./state\nservers:\n  time: {bundled: time}\n");
    let state = scene.work().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    seen("state_open_to_others", &scene.run(["tools", "list"]).await.expect_code(2));
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
    scene.run(["tools", "list"]).await.expect_code(0);
}

#[tokio::test]
async fn a_clash_of_names_where_that_is_an_error() {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings("front: {names: fail}\nservers:\n  one: {component: ./tools.wasm}\n  two: {component: ./tools.wasm}\n");
    seen("names_clash", &scene.run(["tools", "list"]).await.expect_code(1));
    seen("names_clash_in_a_call", &scene.run(["tools", "call", "who"]).await.expect_code(1));
    // A prefix of one's own ends it.
    scene.settings(
        "front: {names: fail}\nservers:\n  one: {component: ./tools.wasm}\n  two: {component: ./tools.wasm, prefix: two}\n",
    );
    scene.run(["tools", "list"]).await.expect_code(0);
    scene.assert_nothing_left();
}
