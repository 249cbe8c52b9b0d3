//! The API server of the cluster itself away for a minute in the middle of calls. Stopped is worse than gone: connections stay open, and nobody says
//! anything on them.

use super::{LEGACY, World, answers, catalog, variable};
use gateway_tests::harness::eventually;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// How long it is away (the issue of clusters asks for that).
const AWAY: Duration = Duration::from_secs(60);

/// The API server, stopped. It goes on when this is dropped; also when this process is killed, because another one sees to it.
struct Stopped {
    pid: String,
    second: Child,
}

fn signal(signal: &str, pid: &str) -> bool {
    Command::new("kill").args([signal, pid]).status().is_ok_and(|status| status.success())
}

impl Stopped {
    fn new(pid: String) -> Self {
        let script = format!("sleep 120; kill -CONT {pid}");
        let quiet = || Stdio::null();
        let mut second = Command::new("sh");
        second.args(["-c", &script]).stdin(quiet()).stdout(quiet()).stderr(quiet());
        let stopped = Self { second: second.spawn().unwrap(), pid };
        assert!(signal("-STOP", &stopped.pid), "the API server can be stopped");
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let continued = signal("-CONT", &self.pid);
        // Only who has let it go on needs no second.
        if continued {
            let _ = self.second.kill();
            let _ = self.second.wait();
        }
    }
}

impl World {
    /// The process of the API server: the one that listens where the configuration leads, on this machine.
    async fn api_server(&self) -> String {
        let text = self.kubectl(&["config", "view", "--minify", "-o", "json"]).await;
        let config: Value = serde_json::from_str(&text).unwrap();
        let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
        let (host, port) = server.strip_prefix("https://").unwrap().rsplit_once(':').unwrap();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line).into_owned();
            let words: Vec<&str> = line.split('\0').collect();
            let has = |flag: &str, value: &str| {
                words.windows(2).any(|pair| pair == [flag, value])
                    || words.contains(&format!("{flag}={value}").as_str())
            };
            if words[0].ends_with("kube-apiserver")
                && has("--secure-port", port)
                && has("--bind-address", host)
            {
                found.push(name);
            }
        }
        assert_eq!(found.len(), 1, "one API server at {server} on this machine: {found:?}");
        found.remove(0)
    }

    /// Whether the API server answers.
    async fn is_there(&self) -> bool {
        let mut command = tokio::process::Command::new(variable("GATEWAY_TEST_KUBECTL"));
        let output =
            command.args(["--request-timeout=5s", "get", "--raw", "/readyz"]).output().await.unwrap();
        output.status.success()
    }
}

#[tokio::test]
#[ignore = "stops the API server for a minute; run it alone: `cargo test -p gateway-tests --test it -- --ignored away_for_a_minute`"]
async fn an_api_server_that_is_away_for_a_minute_in_mid_call_is_got_over() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("everything", "image: REGISTRY/mcp/everything:1")]));
    // Less than the API server is away, so that whoever waits for a start hears why there is none.
    let gateway = world.serve(&scene, "everything", &["--max-server-startup-timeout", "40s"]).await;
    let mut one = gateway.client(LEGACY).await;
    one.await_tools(&["echo"]).await;
    one.text("echo", json!({"message": "first"})).await;
    let session = world.get("leases").await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let pid = world.api_server().await;

    let stopped = Stopped::new(pid);
    let begin = Instant::now();
    // One call to a server that runs, and one whose server must be brought up first, because each client has its own.
    let running =
        one.begin("tools/call", json!({"name": "echo", "arguments": {"message": "in between"}})).await;
    let mut other = gateway.client(LEGACY).await;
    let starting =
        other.begin("tools/call", json!({"name": "echo", "arguments": {"message": "not there yet"}})).await;
    while begin.elapsed() < AWAY {
        assert!(!world.is_there().await, "it is stopped");
    }
    drop(stopped);
    eventually("the API server to answer", async || {
        if world.is_there().await { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;

    // Nothing of the first is lost: its connection was silent, and did not break. Or it says whose answer cannot come any more.
    match one.finish(running).await {
        Ok(answer) => assert!(answer.to_string().contains("in between"), "{answer}"),
        Err(error) => assert!(error.message.contains("everything"), "{error:?}"),
    }
    // The second was tried until its time was over, and says who did not answer.
    let error = other.finish(starting).await.expect_err("nobody could start it");
    for says in ["start server `everything`", "the API server at https://", "of context `", "does not answer"]
    {
        assert!(error.message.contains(says), "{says}: {error:?}");
    }
    for client in [&mut one, &mut other] {
        answers(client, "echo").await;
    }
    // Nobody took the session for dead meanwhile.
    let sessions = scene.run(["cluster", "sessions", &world.namespace, "--json"]).await.expect_code(0).json();
    let alive =
        sessions["sessions"].as_array().unwrap().iter().find(|one| one["session"] == session.as_str());
    assert_eq!(alive.map(|one| &one["alive"]), Some(&json!(true)), "{sessions}");
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}
