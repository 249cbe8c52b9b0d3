//! Files of Docker and of editors on the command line: what is read, what is refused, what is said. Each bad input is a snapshot.

use super::{scene, tools_scene};
use gateway_tests::harness::{Finished, Scene, redacted};
use test_artifacts::guest;

#[track_caller]
fn seen(name: &str, done: &Finished) {
    redacted().bind(|| insta::assert_snapshot!(name, done.seen()));
}

const ENTRY: &str = "servers:
  tools:
    component: ./tools.wasm
    secrets: [{name: tools.token, env: TOKEN}]
    env: [{name: URL, value: '{{tools.url}}/api'}, {name: MODE, value: '{{tools.mode|or:quiet}}'}]
    config:
      - {name: tools, description: Its values., type: object, properties: {url: {type: string}, mode: {type: string}}, required: [url]}
";

/// A server that needs a value and a secret.
fn needy() -> Scene {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings(ENTRY);
    scene
}

#[tokio::test]
async fn values_and_secrets_reach_the_server() {
    let scene = needy();
    scene.file("values.yaml", "tools: {url: 'https://notes.example'}\n");
    scene.file("one.env", "tools.token=hunter2\n");
    let files = ["--config", "./values.yaml", "--secrets", "none.env:one.env"];
    let done = scene.run([&["tools", "call", "environment"][..], &files].concat()).await.expect_code(0);
    for line in ["URL=https://notes.example/api", "MODE=quiet", "TOKEN=hunter2"] {
        assert!(done.stdout.lines().any(|said| said == line), "{line}: {}", done.seen());
    }
    seen("config_check_fine", &scene.run([&["config", "check"][..], &files].concat()).await.expect_code(0));
    let json = scene.run([&["config", "check", "--json"][..], &files].concat()).await.expect_code(0).json();
    assert_eq!((&json["ok"], &json["servers"][0]["problems"]), (&true.into(), &serde_json::json!([])));
    let json = scene.run([&["secret", "list", "--json"][..], &files].concat()).await.expect_code(0).json();
    assert_eq!(json["secrets"][0]["foundIn"], "file one.env");
    let listed = scene.run([&["secret", "list"][..], &files].concat()).await.expect_code(0);
    assert!(!listed.seen().contains("hunter2"), "{}", listed.seen());
    seen("secret_list", &listed);
}

#[tokio::test]
async fn a_template_without_value_and_a_secret_that_is_missing() {
    let scene = needy();
    seen("template_without_value", &scene.run(["tools", "list"]).await.expect_code(1));
    seen("config_check_template_and_secret", &scene.run(["config", "check"]).await.expect_code(3));
    scene.file("values.yaml", "tools: {url: x}\n");
    scene.file("empty.env", "");
    let done = scene.run(["tools", "list", "--config", "./values.yaml", "--secrets", "empty.env"]).await;
    seen("secret_missing_in_search", &done.expect_code(1));
    scene.file("bad.env", "hunter2\n");
    let done =
        scene.run(["tools", "list", "--secrets", "none.env:bad.env:docker-desktop"]).await.expect_code(2);
    assert!(!done.seen().contains("hunter2"), "{}", done.seen());
    seen("secrets_nothing_readable", &done);
}

/// No test has a session bus, and most servers have none either.
#[tokio::test]
async fn a_machine_without_a_keychain_says_so_and_other_places_count() {
    let scene = needy();
    scene.file("one.env", "tools.token=hunter2\n");
    scene.file("values.yaml", "tools: {url: x}\n");
    scene.settings(&format!("secrets: [keychain, ./one.env]\n{ENTRY}"));
    let check = ["config", "check", "--config", "./values.yaml"];
    scene.run(check).await.expect_code(0);
    scene.settings(&format!("secrets: [keychain]\n{ENTRY}"));
    let done = scene.run(check).await.expect_code(3);
    let said = "secret `tools.token` was not found in keychain, service `gateway` (no keychain answers on this machine: ";
    assert!(done.stdout.contains(said), "{}", done.seen());
}

#[tokio::test]
async fn wrong_types_in_every_file_are_told_at_once() {
    let scene = scene();
    scene.file("registry.yaml", "registry: [a]\n");
    scene.file("values.yaml", "a: x\nb: [1]\n");
    scene.file("tools.yaml", "a: {x: 1}\n");
    scene.file("catalog.yaml", "registry: {a: {image: [i], env: {A: b}, longLived: 'true'}}\n");
    scene.file("mcp.json", "{\"mcpServers\": {\"a\": {\"args\": \"x\"}}}\n");
    let files = [
        "--registry",
        "./registry.yaml",
        "--config",
        "./values.yaml",
        "--tools-config",
        "./tools.yaml",
        "--catalog",
        "./catalog.yaml",
        "--mcp-servers",
        "mcp.json",
    ];
    seen(
        "wrong_types_of_all_files",
        &scene.run([&["config", "check"][..], &files].concat()).await.expect_code(2),
    );
}

#[tokio::test]
async fn a_server_that_nothing_has() {
    let scene = scene();
    scene.file("catalog.yaml", "registry: {acme-notes: {image: i}, acme-web: {image: j}}\n");
    let done =
        scene.run(["run", "--dry-run", "--catalog", "catalog.yaml", "--servers", "acme-note,zzz"]).await;
    seen("server_not_found_on_the_command_line", &done.expect_code(2));
    scene.file("registry.yaml", "registry:\n  acme-note:\n  acme-web:\n");
    scene.file("values.yaml", "acme-wbe: {x: 1}\nacme-notes: {x: 1}\n");
    let done = scene
        .run([
            "config",
            "check",
            "--catalog",
            "catalog.yaml",
            "--registry",
            "registry.yaml",
            "--config",
            "values.yaml",
        ])
        .await;
    seen("server_not_found_in_a_registry", &done.expect_code(3));
    let done = scene.run(["run", "--enable-all-servers", "--servers", "a"]).await;
    seen("all_and_some_servers", &done.expect_code(2));
}

#[tokio::test]
async fn a_variable_and_a_secret_that_an_editors_file_lacks() {
    let scene = scene();
    scene.file(
        ".cursor/mcp.json",
        "{\n  // pasted\n  \"mcpServers\": {\n    \"api\": {\"url\": \"https://${HOST_OF_API}/mcp\", \"headers\": {\"Authorization\": \"Bearer ${input:api_key}\"}},\n    \"ok\": {\"command\": \"true\", \"args\": [\"${NONE:-x}\"]}\n  }\n}\n",
    );
    let done = scene.run(["config", "check", "--mcp-servers", ".cursor/mcp.json"]).await;
    seen("config_check_of_an_editors_file", &done.expect_code(3));
}

#[tokio::test]
async fn tool_lists_of_a_file_count_unless_tools_are_named() {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings("servers:\n  tools: {component: ./tools.wasm}\n");
    scene.file("tools.yaml", "tools: [who, calls]\n");
    let listed = scene.run(["tools", "list", "--tools-config", "./tools.yaml"]).await.expect_code(0);
    let names: Vec<&str> = listed.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(
        names.contains(&"who") && names.contains(&"calls") && !names.contains(&"die"),
        "{}",
        listed.seen()
    );
    let listed =
        scene.run(["tools", "list", "--tools-config", "./tools.yaml", "--tools", "die"]).await.expect_code(0);
    assert!(listed.stdout.contains("die") && !listed.stdout.contains("who"), "{}", listed.seen());
}

#[tokio::test]
async fn docker_s_own_files_run_without_any_flag() {
    let scene = scene();
    let docker = scene.work().parent().unwrap().join("home/.docker/mcp");
    std::fs::create_dir_all(docker.join("catalogs")).unwrap();
    std::fs::write(docker.join("registry.yaml"), "registry: {web: {ref: ''}}\n").unwrap();
    std::fs::write(docker.join("config.yaml"), "web: {port: 8080}\n").unwrap();
    std::fs::write(
        docker.join("catalogs/docker-mcp.yaml"),
        "registry: {web: {image: 'acme/web:1', command: ['--port={{web.port}}']}, other: {image: o}}\n",
    )
    .unwrap();
    seen("config_check_of_docker_s_files", &scene.run(["config", "check"]).await.expect_code(0));
    seen("catalog_list", &scene.run(["catalog", "list"]).await.expect_code(0));
}

#[tokio::test]
async fn a_catalogue_is_looked_at() {
    let scene = scene();
    scene.file(
        "catalog.yaml",
        "name: acme
registry:
  notes:
    title: Acme Notes
    description: Search and edit notes.
    image: mcp/acme-notes
    imge: x
    secrets: [{name: notes.token, env: TOKEN}]
    env: [{name: URL, value: '{{note.url}}'}, {name: HEADER, value: 'Bearer $TOKN'}, {name: LEVEL, value: '{{notes.level| or:info}}'}]
    command: ['--root', '{{notes.root|path}}']
    allowHosts: ['api.acme.example']
    config: [{name: notes, description: Its values., type: object, properties: {url: {type: string, description: API root}, root: {type: path}}, required: [url]}]
",
    );
    seen("catalog_lint", &scene.run(["catalog", "lint", "catalog.yaml"]).await.expect_code(3));
    scene.file("values.yaml", "notes: {root: /srv}\n");
    let shown = scene
        .run(["catalog", "show", "notes", "--catalog", "catalog.yaml", "--config", "./values.yaml"])
        .await;
    seen("catalog_show", &shown.expect_code(0));
    let json = scene
        .run(["catalog", "show", "notes", "--catalog", "catalog.yaml", "--json"])
        .await
        .expect_code(0)
        .json();
    assert_eq!(
        (&json["config"][0]["path"], &json["config"][0]["required"]),
        (&"notes.url".into(), &true.into())
    );
    let done = scene.run(["catalog", "show", "note", "--catalog", "catalog.yaml"]).await;
    seen("catalog_show_unknown", &done.expect_code(2));
    scene.file("fine.yaml", "registry: {a: {image: 'a@sha256:00'}}\n");
    let done = scene.run(["catalog", "lint", "fine.yaml"]).await.expect_code(0);
    assert_eq!(done.stdout.trim(), "1 servers, nothing to complain about");
}

#[tokio::test]
async fn what_has_no_effect_in_lists_and_templates_is_told_to_who_runs_with_it() {
    let scene = tools_scene("");
    scene.file("lists.yaml", "tools: [who, wiat]\ntool: [who]\n");
    let listed = scene.run(["tools", "list", "--tools-config", "lists.yaml"]).await.expect_code(0);
    assert_eq!(
        listed.stderr,
        "lists.yaml:2:1: there is no server `tool`, so these tools have no effect\n  hint: did you mean `tools`?\n\
         lists.yaml:1:1: server `tools` has no tool `wiat`\n  hint: did you mean `wait`?\n"
    );
    // With `--tools` nobody consults the list.
    let listed = scene.run(["tools", "list", "--tools-config", "lists.yaml", "--tools", "who"]).await;
    assert!(!listed.stderr.contains("wiat"), "{}", listed.stderr);
    scene.file(
        "catalog.yaml",
        "registry:\n  fine: {image: i}\n  odd: {image: i, command: ['{{odd.a|or:x|upper}}', '{{odd.b']}\n",
    );
    let told = |servers: &'static str| {
        let scene = &scene;
        async move {
            let done =
                scene.run(["run", "--dry-run", "--catalog", "catalog.yaml", "--servers", servers]).await;
            done.stderr.lines().filter(|line| line.contains("server `odd`: ")).map(str::to_owned).collect()
        }
    };
    let fine: Vec<String> = told("fine").await;
    assert_eq!(fine, [""; 0], "nobody runs it");
    let odd: Vec<String> = told("odd").await;
    assert_eq!(odd.len(), 2, "{odd:?}");
    assert!(odd[0].starts_with("catalog.yaml:3:3: server `odd`: `command`: `|upper` is no pipe"), "{odd:?}");
    assert!(
        odd[1].ends_with("`{{` without `}}` is taken as text; close it, or write the value itself"),
        "{odd:?}"
    );
}
