//! ECS, as an operator would use it.

use super::{ECHO, EVERYTHING, LEGACY, aws_scene, nothing_left, stand_in};
use crate::docker::on_engine;
use gateway_tests::harness::{StandIn, eventually, part, patiently};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

const SECRET: &str = "planted-for-the-cloud-1f9c";

#[tokio::test]
async fn a_server_over_http_runs_as_a_task_with_a_secret_from_secrets_manager() {
    let Some(stand) = stand_in().await else { return };
    let there = stand.keep_secret("there", "kept-by-the-operator").await;
    let settings =
        stand.settings("cloud-ecs", &format!("secrets: {{acme.there: '{there}'}}\ntags: {{team: tests}}"));
    let entry = format!(
        "{EVERYTHING}\nsecrets: [{{name: acme.token, env: ACME_TOKEN}}, {{name: acme.there, env: ACME_THERE}}]\nenv: [{{name: PLAIN, value: plain}}]"
    );
    let scene = aws_scene(&settings, &[("everything", &entry)]);
    scene.file(".env", format!("acme.token={SECRET}\nacme.there=not-used\n"));
    // What shows variables shows secrets, so nobody may stop it here.
    let gateway = scene.serve(["--provisioner", "cloud", "--secrets", ".env", "--block-secrets=false"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let text = client.text("echo", json!({"message": "over the cloud"})).await;
    assert!(text.contains("over the cloud"), "{text}");
    let tools = client.tools().await;
    let shows =
        ["get-env", "printEnv"].into_iter().find(|name| tools.iter().any(|tool| tool == name)).unwrap();
    let variables = client.text(shows, json!({})).await;
    for (name, value) in [("ACME_TOKEN", SECRET), ("ACME_THERE", "kept-by-the-operator"), ("PLAIN", "plain")]
    {
        assert!(variables.contains(&format!("\"{name}\": \"{value}\"")), "{name} in {variables}");
    }
    let tags = stand.tags().await;
    assert!(
        !tags.is_empty()
            && tags.iter().all(|tags| tags["team"] == "tests" && tags["managed-by"] == "mcp-gateway")
    );
    assert!(
        tags.iter().all(|tags| tags.contains_key("gateway-session") && tags.contains_key("gateway-request"))
    );
    for file in scene.ledger() {
        assert!(!file.1.contains(SECRET), "the ledger holds no value");
    }
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains(SECRET));
    nothing_left(&stand).await;
    only_what_the_policy_allows(&stand);
    stand.end().await;
}

/// The operations that were called are among those of the plugin's page.
fn only_what_the_policy_allows(stand: &StandIn) {
    let mut allowed = allowed();
    allowed.insert("sts:GetCallerIdentity".to_owned());
    let called: BTreeSet<String> = stand.calls().into_iter().collect();
    let beyond: Vec<_> = called.difference(&allowed).collect();
    assert!(beyond.is_empty(), "called and not in the policy: {beyond:?}");
}

/// The actions of the policy on the plugin's page.
pub(super) fn allowed() -> BTreeSet<String> {
    let page =
        std::fs::read_to_string(gateway_tests::contract::repository().join("plugins/cloud-ecs/README.md"))
            .unwrap();
    let (_, after) = page.split_once("```json\n").unwrap();
    let policy: Value = serde_json::from_str(after.split_once("```").unwrap().0).unwrap();
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let actions = statement["Action"].as_array().unwrap().iter();
        allowed.extend(actions.map(|action| action.as_str().unwrap().to_owned()));
    }
    allowed
}

/// What the image starts, its registry says; the port that the bridge opens is no use to whoever lacks the token.
#[tokio::test]
async fn a_server_over_standard_streams_stands_behind_the_bridge() {
    let Some(stand) = stand_in().await else { return };
    let Some(registry) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    let image = format!("{registry}/mcp/time:1");
    // The stand-in starts what the engine has.
    assert!(
        Command::new("docker").args(["pull", "--quiet", &image]).output().await.unwrap().status.success()
    );
    let bridge = bridge_image().await;
    let settings = stand.settings("cloud-ecs", &format!("bridgeImage: {bridge}"));
    let entry = format!("image: {image}\nuser: '65534'\ncommand: [--local-timezone, UTC]");
    let scene = aws_scene(&settings, &[("time", &entry)]);
    let gateway = scene.serve(["--provisioner", "ecs"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get_current_time"]).await;
    let answer = client.call("get_current_time", json!({"timezone": "Europe/Berlin"})).await.unwrap();
    assert!(answer.to_string().contains("Europe/Berlin"), "{answer}");
    let definitions = stand.definitions();
    let server = &definitions[0]["containerDefinitions"][1];
    let words: Vec<_> =
        server["entryPoint"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let front =
        ["/gateway/gateway-bridge", "--listen", ":4444", "--token-variable", "GATEWAY_BRIDGE_TOKEN", "--"];
    assert_eq!(words[..front.len()], front);
    assert!(words.len() > front.len(), "and behind it what the image starts: {words:?}");
    let arn = server["secrets"][0]["valueFrom"].as_str().unwrap();
    let token = stand.secret(arn).await;
    assert_eq!(token.len(), 43, "256 bits");
    assert!(
        !definitions[0].to_string().contains(&token),
        "the definition names the secret and does not hold it"
    );
    let bridges = stand.bridges().await;
    assert_eq!(bridges.len(), 1);
    for address in bridges {
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        for first in [hello.to_owned(), format!("{token}x\n{hello}")] {
            assert_eq!(said_at(&address, &first).await, "", "nobody is told anything without the token");
        }
    }
    for file in scene.ledger() {
        assert!(!file.1.contains(&token), "the ledger holds no value");
    }
    client.call("get_current_time", json!({"timezone": "Europe/Berlin"})).await.unwrap();
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains(&token));
    nothing_left(&stand).await;
    stand.end().await;
}

/// What a setting says is not asked for.
#[tokio::test]
async fn an_entry_point_that_is_said_needs_no_registry() {
    let Some(stand) = stand_in().await else { return };
    let bridge = bridge_image().await;
    let settings = stand.settings("cloud-ecs", &format!("bridgeImage: {bridge}"));
    // The engine has this image, and no registry that could be asked.
    let entry = "image: mcp/time:1\nuser: '65534'\ncommand: [--local-timezone, UTC]\nsettings: {entrypoint: [/usr/bin/python3, -m, mcp_server_time]}";
    let scene = aws_scene(&settings, &[("time", entry)]);
    let gateway = scene.serve(["--provisioner", "ecs"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get_current_time"]).await;
    gateway.end().await;
    nothing_left(&stand).await;
    stand.end().await;
}

#[tokio::test]
async fn an_image_that_no_registry_has_stops_a_start_before_anything_is_made() {
    let Some(stand) = stand_in().await else { return };
    let Some(registry) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    let settings = stand.settings("cloud-ecs", "bridgeImage: gateway-test/bridge:it");
    let missing = format!("image: {registry}/mcp/none:9");
    let nobody = "image: 127.0.0.1:1/mcp/time:1";
    let scene = aws_scene(&settings, &[("missing", &missing), ("nobody", nobody)]);
    let refused = scene.run(["run", "--dry-run", "--provisioner", "ecs"]).await;
    assert_ne!(refused.code, Some(0));
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("registry `127.0.0.1:1` could not be asked"), "{said}");
    assert!(said.contains("entrypoint: [PROGRAM]"), "{said}");
    let scene = aws_scene(&settings, &[("missing", &missing)]);
    let gateway = scene.serve(["--provisioner", "ecs"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.begin("tools/list", json!({})).await;
    // The line of the question, and that of the server, which says the way out.
    gateway.says(&format!("has no image `{registry}/mcp/none:9`")).await;
    gateway.says("entrypoint: [PROGRAM]").await;
    assert!(!stand.calls().iter().any(|call| call.contains("Register") || call.contains("CreateSecret")));
    gateway.end().await;
    nothing_left(&stand).await;
    stand.end().await;
}

/// What a port answers to this, until it is closed.
async fn said_at(address: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{text}\n").as_bytes()).await.unwrap();
    let mut said = String::new();
    // One that closes before it has read everything resets the connection.
    let _ = patiently("the end of the connection", stream.read_to_string(&mut said)).await;
    said
}

/// The log says by default what a plugin changes, and with a word what it asks; never a value.
#[tokio::test]
async fn each_signed_request_is_a_line_of_the_log() {
    let Some(stand) = stand_in().await else { return };
    let entry = format!("{ECHO}\nsecrets: [{{name: acme.token, env: TOKEN}}]");
    for filter in [None, Some("warn,audit=debug")] {
        let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", &entry)]);
        scene.file(".env", format!("acme.token={SECRET}\n"));
        let scene = match filter {
            Some(filter) => scene.with_variable("GATEWAY_LOG", filter),
            None => scene,
        };
        let before = stand.calls().len();
        let gateway = scene.serve(["--provisioner", "cloud", "--secrets", ".env"]).await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["echo"]).await;
        let ended = gateway.end().await;
        let calls = stand.calls().split_off(before);
        let log = ended.finished.stderr;
        let lines = |call: &str| {
            let operation = call.split_once(':').unwrap().1;
            let of = |line: &&str| line.contains("http request") && line.contains(&format!("{operation}\""));
            log.lines().filter(of).count()
        };
        for operation in calls.iter().collect::<BTreeSet<_>>() {
            let reads =
                ["Describe", "List", "Get"].iter().any(|start| operation.contains(&format!(":{start}")));
            let expected = match filter {
                None if reads => 0,
                _ => calls.iter().filter(|call| *call == operation).count(),
            };
            assert_eq!(lines(operation), expected, "{operation} with {filter:?} in\n{log}");
        }
        assert!(calls.iter().any(|call| call == "ecs:RunTask"));
        assert!(!log.contains(SECRET) && !log.contains("secret-key-of-the-tests"), "{log}");
        nothing_left(&stand).await;
    }
    stand.end().await;
}

/// An image with nothing but the bridge in it.
pub(super) async fn bridge_image() -> String {
    let program = test_artifacts::bridge();
    let folder = program.parent().unwrap();
    let tar =
        Command::new("tar").arg("-C").arg(folder).args(["-c", "gateway-bridge"]).output().await.unwrap();
    assert!(tar.status.success());
    let name = "gateway-test/bridge:it";
    let mut import = Command::new("docker")
        .args(["import", "--change", r#"ENTRYPOINT ["/gateway-bridge"]"#, "-", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    import.stdin.take().unwrap().write_all(&tar.stdout).await.unwrap();
    assert!(import.wait().await.unwrap().success());
    name.to_owned()
}

#[tokio::test]
async fn a_tool_runs_as_a_task_to_its_end() {
    let Some(stand) = stand_in().await else { return };
    let entry = "onUnenforced: report\ntools:\n  - name: words\n    parameters: {type: object, properties: {text: {type: string}}}\n    container: {image: mcp/argv:1, command: ['{{text}}']}\n  - name: fails\n    container: {image: mcp/argv:1, command: ['--argv-exit=7']}";
    let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("tools", entry)]);
    let gateway = scene.serve(["--provisioner", "cloud"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["words"]).await;
    let text = client.text("words", json!({"text": "from a task"})).await;
    assert!(text.contains(r#"["from a task"]"#), "{text}");
    let failed = client.call("fails", json!({})).await.unwrap();
    assert_eq!(failed["isError"], true);
    assert!(failed.to_string().contains('7'), "{failed}");
    gateway.end().await;
    nothing_left(&stand).await;
    stand.end().await;
}

#[tokio::test]
async fn each_reason_not_to_come_up_is_said_and_leaves_nothing() {
    let Some(stand) = stand_in().await else { return };
    let crash =
        "image: mcp/argv:1\ncommand: ['--argv-exit=7']\ntransport: http\nports: [{containerPort: 8000}]";
    let missing = ECHO.replace("mcp/null:1", "mcp/none:9");
    let scene = aws_scene(
        &stand.settings("cloud-ecs", ""),
        &[("crash", crash), ("missing", &missing), ("echo", ECHO)],
    );
    let gateway = scene.serve(["--provisioner", "cloud"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    gateway.says("it ended with exit code 7").await;
    let said = gateway.says("pull the image").await;
    assert!(said.contains("missing"), "{said}");
    gateway.end().await;
    nothing_left(&stand).await;
    stand.end().await;
}

#[tokio::test]
async fn a_task_that_was_stopped_is_replaced() {
    let Some(stand) = stand_in().await else { return };
    let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", ECHO)]);
    let gateway = scene.serve(["--provisioner", "cloud"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.text("echo", json!({"message": "one"})).await;
    stand.kill_containers().await;
    eventually("another task that answers", async || {
        match client.call("echo", json!({"message": "again"})).await {
            Ok(answer) if answer["isError"] != true => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    gateway.end().await;
    nothing_left(&stand).await;
    stand.end().await;
}

#[tokio::test]
async fn a_dry_run_asks_and_estimates_and_makes_nothing() {
    let Some(stand) = stand_in().await else { return };
    let prices =
        "prices: {source: 'list of 2026-11', cpuHour: 0.04, gibHour: 0.004}\naccount: '123456789012'";
    let scene = aws_scene(&stand.settings("cloud-ecs", prices), &[("echo", ECHO)]);
    let plan =
        scene.run(["run", "--dry-run", "--json", "--provisioner", "cloud"]).await.expect_code(0).json();
    let documents = plan["servers"][0]["documents"].as_array().unwrap_or_else(|| panic!("{plan}"));
    let titles: Vec<_> = documents.iter().map(|document| document["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["ecs:RegisterTaskDefinition", "ecs:RunTask"]);
    // The gateway gives every container a processor and 2 GiB unless its entry says otherwise.
    assert!(plan.to_string().contains("0.0480"), "0.04 and 2 times 0.004: {plan}");
    nothing_left(&stand).await;
    let wrong = stand.settings("cloud-ecs", "account: '1'").replace("cluster: ", "cluster: no-");
    let scene = on_engine(aws_scene(&wrong, &[("echo", ECHO)]));
    let refused = scene.run(["run", "--dry-run", "--provisioner", "cloud"]).await;
    assert_ne!(refused.code, Some(0));
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("belong to `123456789012`"), "{said}");
    assert!(said.contains("it is not there"), "every finding at once: {said}");
    stand.end().await;
}
