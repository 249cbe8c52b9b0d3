//! Servers that print their own secrets: on standard output in the place of MCP, on standard error before they die, in HTTP errors. What they
//! print is told without the values, in logs of every level and in every error.

#![expect(clippy::indexing_slicing, reason = "what is not as the story says ends the test there")]

use crate::docker::{engine, on_engine};
use crate::program::scene;
use crate::upstream::remote::{Elsewhere, good};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::harness::{Era, Gateway, Scene, eventually};
use serde_json::json;

const LEGACY: Era = Era::Legacy("2025-11-25");

/// The value, which occurs nowhere else.
pub(crate) const VALUE: &str = "hush-told-by-its-own-server-8c1";

/// Says its secret in the place of MCP, as it is and in JSON; on standard error in two pieces, and with its whole environment; and dies.
const TELLTALE: &str = r#"
echo "starting with $TOKEN"
echo "{\"token\": \"$TOKEN\", }"
first=${TOKEN%??????}
printf 'dying with %s' "$first" >&2
sleep 0.1
printf '%s, among\n' "${TOKEN#"$first"}" >&2
env >&2
exit 3
"#;

/// The words for a shell that do so. Encoded, because `$` means something in a catalogue; without a file, because not every container may write.
pub(crate) fn telltale() -> String {
    format!("echo {} | base64 -d | sh", STANDARD.encode(TELLTALE))
}

/// The same scene, with the secret in a file and the loudest log.
pub(crate) fn loud(scene: Scene, names: &[&str]) -> Scene {
    let scene = scene.with_variable("GATEWAY_LOG", "trace,cranelift_codegen=off,wasmtime=debug");
    let lines: String = names.iter().map(|name| format!("{name}={VALUE}\n")).collect();
    scene.file("planted.env", lines);
    scene
}

/// Waits until these servers have failed, asks everything that tells about them, ends the gateway, and looks for the value everywhere. Each of
/// the failures, and the log, says that something was taken out.
pub(crate) async fn nothing_is_told(scene: &Scene, gateway: Gateway<'_>, servers: &[&str]) {
    let failure = async |name: &str| {
        let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        let servers = list["servers"].as_array().unwrap();
        let server = servers.iter().find(|server| server["name"] == name).unwrap().clone();
        server["failure"].is_object().then(|| server["failure"].to_string()).ok_or(server.to_string())
    };
    let mut told = Vec::new();
    for name in servers {
        eventually(&format!("the failure of {name}"), async || failure(name).await.map(drop)).await;
        let failure = failure(name).await.unwrap();
        // Of a pod with secrets, a failure repeats no words at all.
        let withheld = failure.contains("its pod carries secrets, so only the gateway's log says more");
        assert!(failure.contains("***") || withheld, "{name}: {failure}");
        told.push(failure);
        told.push(scene.run(["server", "inspect", name]).await.seen());
        told.push(scene.run(["server", "inspect", name, "--json"]).await.seen());
    }
    told.push(scene.run(["server", "list"]).await.seen());
    let mut client = gateway.client(LEGACY).await;
    told.push(format!("{:?}", client.tools().await));
    client.leave().await;
    let log = gateway.end().await.finished.stderr;
    assert!(log.contains("***"), "{log}");
    told.push(log);
    for text in told {
        // Nor a piece of it that would be left where a text was cut.
        for piece in [VALUE, &VALUE[..12], &VALUE[VALUE.len() - 12..]] {
            assert_eq!(text.lines().find(|line| line.contains(piece)), None, "{piece}");
        }
    }
}

#[tokio::test]
async fn what_servers_of_this_machine_and_elsewhere_print_is_told_without_their_secrets() {
    let shown = |asked: &crate::upstream::remote::Asked| {
        asked.headers.get("authorization").cloned().unwrap_or_default()
    };
    let says = |status: u16, text: String| (status, String::new(), text);
    // The value stands where the text is cut that a failure shows.
    let refusing =
        Elsewhere::start(move |asked| says(500, format!("{} {}", "x".repeat(280), shown(asked)))).await;
    let explaining = Elsewhere::start(move |asked| {
        let error = json!({"code": -32603, "message": format!("no session for {}", shown(asked))});
        says(200, json!({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}).to_string())
    })
    .await;
    let failing = Elsewhere::start(move |asked| match asked.message["method"].as_str() {
        Some("tools/call") => says(500, format!("called with {}", shown(asked))),
        _ => good(asked, "s", |_| String::new()),
    })
    .await;
    let scene = loud(scene(), &["told"]);
    scene.component("tools.wasm", &test_artifacts::guest("tool-server"));
    scene.settings(
        "secrets: [./planted.env]
servers:
  component:
    component: ./tools.wasm
    args: [--tell, TOKEN]
    secrets: [{name: told, env: TOKEN}]
",
    );
    let headers = json!({"Authorization": "Bearer ${input:told}"});
    let elsewhere = |server: &Elsewhere| json!({"url": server.url(), "headers": headers});
    let servers = json!({
        "command": {"command": "/bin/sh", "args": ["-c", telltale()], "env": {"TOKEN": "${input:told}"}},
        "refusing": elsewhere(&refusing),
        "explaining": elsewhere(&explaining),
        "failing": elsewhere(&failing),
    });
    scene.file("mcp.json", json!({"mcpServers": servers}).to_string());
    let arguments = ["--mcp-servers", "mcp.json", "--verbose"];
    let listed = scene.run(["tools", "list"].into_iter().chain(arguments)).await.seen();
    assert!(listed.contains("***") && !listed.contains(VALUE), "{listed}");
    let gateway = scene.serve(arguments).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["say"]).await;
    let failed = client.call("say", json!({})).await.unwrap_err();
    assert_eq!(
        failed.message,
        "server `failing`: the server answered HTTP 500 Internal Server Error: called with Bearer ***"
    );
    client.leave().await;
    nothing_is_told(&scene, gateway, &["component", "command", "refusing", "explaining"]).await;
}

#[tokio::test]
async fn what_containers_print_is_told_without_their_secrets() {
    if engine().await.is_none() {
        return;
    }
    let [streams, http] = ["streams", "http"].map(|name| format!("leak-{name}-{}", std::process::id()));
    let scene = loud(on_engine(scene()), &["told"]);
    let start = json!(["sh", "-c", telltale()]);
    let secrets = json!([{"name": "told", "env": "TOKEN"}]);
    let port = json!([{"containerPort": 3000}]);
    let entries = json!({"registry": {
        streams.as_str(): {"image": "mcp/busybox:1", "command": start, "secrets": secrets},
        http.as_str(): {"image": "mcp/busybox:1", "command": start, "secrets": secrets, "transport": "http", "ports": port},
    }});
    scene.file("catalog.yaml", entries.to_string());
    scene.settings("secrets: [./planted.env]\n");
    let names = format!("{streams},{http}");
    let gateway = scene.serve(["--catalog", "catalog.yaml", "--servers", &names, "--verbose"]).await;
    // To one that is reached over its port nobody listens but the log.
    gateway.says("dying with ***, among").await;
    nothing_is_told(&scene, gateway, &[&streams]).await;
}
