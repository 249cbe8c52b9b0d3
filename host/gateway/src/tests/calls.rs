//! Calls: ids, progress, cancellation, servers that die, many at once.

use super::server::{Script, Speaks};
use super::world::World;
use crate::{FrontConfig, HttpConfig};
use serde_json::{Value, json};
use std::time::Duration;

fn call(id: &str, name: &str, more: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\"{more}}}}}"
    )
}

#[tokio::test]
async fn ids_keep_their_type() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    for id in ["1", "\"1\"", "-7", "9007199254740993", "\"\"", "\"\\u00e4\\n\""] {
        let body = http.post(&call(id, "echo", "")).await.body;
        assert!(body.starts_with(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},")), "{body}");
    }
    for id in ["null", "1.5", "true", "[1]", "{}"] {
        assert_eq!(http.post(&call(id, "echo", "")).await.status, 400, "{id}");
    }
}

#[tokio::test]
async fn progress_makes_a_stream_of_an_answer() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![Script::new("a", speaks).tools(&["progress"])]).await;
        world.front.ready().await;
        let mut http = world.http().await;
        http.initialize("2025-11-25").await;
        // The first call has to bring up the server, the second finds it: both ways.
        for token in ["\"7\"", "7"] {
            let events =
                http.post(&call("3", "progress", &format!(",\"_meta\":{{\"progressToken\":{token}}}"))).await;
            assert_eq!(events.headers["x-accel-buffering"], "no");
            let events = events.events();
            let token: Value = serde_json::from_str(token).unwrap();
            let values: Vec<_> =
                events.iter().filter_map(|event| event["params"]["progress"].as_f64()).collect();
            assert_eq!(values, [0.0, 50.0, 100.0]);
            assert!(
                events[..3]
                    .iter()
                    .all(|event| event["params"]["progressToken"] == token && event["params"]["x"] == "y")
            );
            assert_eq!((events.len(), &events[3]["id"]), (4, &json!(3)));
        }
        assert_eq!(
            http.post(&call("4", "progress", "")).await.json()["id"],
            4,
            "without a token there is no stream"
        );
        let session = http.session.clone().unwrap();
        let headers = [
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
            ("Mcp-Session-Id", &session),
        ];
        let quiet = http
            .send("POST", "/mcp", &headers, &call("5", "progress", ",\"_meta\":{\"progressToken\":1}"))
            .await;
        assert_eq!(quiet.json()["id"], 5, "who takes only JSON gets only JSON");

        let params = json!({"name":"progress","_meta":{"progressToken":"m"}});
        http.write_modern(json!("x"), "tools/call", params).await;
        let events = http.read().await.events();
        assert_eq!((events.len(), &events[3]["id"]), (4, &json!("x")));
        assert_eq!(events[3]["result"]["resultType"], "complete");
    }
}

#[tokio::test]
async fn a_legacy_client_takes_a_request_back_by_its_id() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang", "echo"])]).await;
    world.front.ready().await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let mut other = world.http().await;
    other.session.clone_from(&http.session);
    // First with a server that has to come up, then with one that is there.
    for id in ["\"a\"", "5"] {
        http.write_post(&call(id, "hang", ",\"arguments\":{}")).await;
        let before = world.servers["a"].count("notifications/cancelled");
        world.servers["a"].saw(|line| line.contains("hang")).await;
        let cancelled = |id: &str| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}}}"
            )
        };
        assert_eq!(other.post(&cancelled("\"5\"")).await.status, 202, "another id, by its type");
        while world.servers["a"].count("notifications/cancelled") == before {
            assert_eq!(other.post(&cancelled(id)).await.status, 202);
        }
        assert_eq!(http.read().await.status, 202, "nothing more is said about it");
    }
    assert_eq!(http.ask("tools/call", json!({"name":"echo"})).await["result"]["content"][0]["text"], "a:");
}

#[tokio::test]
async fn a_modern_client_takes_a_request_back_by_closing_and_a_legacy_one_does_not() {
    let world =
        World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang-legacy", "hang-modern", "echo"])])
            .await;
    world.front.ready().await;
    let mut legacy = world.http().await;
    legacy.initialize("2025-11-25").await;
    let session = legacy.session.clone();
    for round in 0..2 {
        legacy.write_post(&call("5", "hang-legacy", "")).await;
        let mut modern = world.http().await;
        modern.write_modern(json!(5), "tools/call", json!({"name":"hang-modern"})).await;
        let script = &world.servers["a"];
        script.saw(|line| line.contains("tools/call") && line.contains("hang-legacy")).await;
        script.saw(|line| line.contains("tools/call") && line.contains("hang-modern")).await;
        drop(legacy);
        drop(modern);
        let mut seen = script.seen.subscribe();
        seen.wait_for(|lines| {
            lines.iter().filter(|line| line.contains("notifications/cancelled")).count() > round
        })
        .await
        .unwrap();
        legacy = world.http().await;
        legacy.session.clone_from(&session);
        assert_eq!(
            legacy.ask("tools/call", json!({"name":"echo"})).await["result"]["content"][0]["text"],
            "a:"
        );
        assert_eq!(script.count("notifications/cancelled"), round + 1, "only the modern one");
    }
}

#[tokio::test]
async fn a_server_that_dies_says_so_and_the_next_call_brings_it_up() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![Script::new("a", speaks).tools(&["die", "echo"])]).await;
        let mut http = world.http().await;
        http.initialize("2025-11-25").await;
        for _ in 0..2 {
            let error = http.ask("tools/call", json!({"name":"die"})).await["error"].clone();
            assert_eq!(error["code"], crate::error::SERVER_GONE, "{error}");
            assert_eq!(error["data"], json!({"server":"a"}));
            let text = error["message"].as_str().unwrap();
            assert!(text.contains("server `a`") && text.contains("starts the server again"), "{text}");
            assert_eq!(
                http.ask("tools/call", json!({"name":"echo"})).await["result"]["content"][0]["text"],
                "a:"
            );
        }
    }
}

/// The clock stands still, because a server that keeps dying is left alone for longer and longer.
#[tokio::test(start_paused = true)]
async fn a_server_that_dies_ten_times_in_a_row_is_brought_up_ten_times() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["die", "echo"])]).await;
    world.front.ready().await;
    let mut pipe = super::streams::Pipe::open(&world);
    let hello =
        json!({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}});
    pipe.ask(0, "initialize", hello).await;
    let before = world.provisioner.provisions();
    let mut ask = async |id: i64, name: &str| {
        pipe.write(&call(&id.to_string(), name, "")).await;
        loop {
            // Lists may change when a server comes back.
            let message = pipe.read().await.unwrap();
            if message["id"] == id {
                return message;
            }
        }
    };
    for n in 1..=10 {
        let died = ask(n * 2, "die").await;
        assert_eq!(died["error"]["code"], crate::error::SERVER_GONE, "{n}: {died}");
        let answer = ask(n * 2 + 1, "echo").await;
        assert_eq!(answer["result"]["content"][0]["text"], "a:", "{n}: {answer}");
    }
    assert_eq!(world.provisioner.provisions(), before + 10);
    assert_eq!(world.provisioner.held().len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_come_up_says_why() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    assert_eq!(http.ask("tools/list", json!({})).await["result"]["tools"][0]["name"], "echo");
    // The name is known, and now its server cannot start any more.
    let failing = host_provisioner::fake::FakeProvisioner::new(|_, _| {
        let class = host_provisioner::Class::Image;
        let failure =
            host_provisioner::Failure::new(host_provisioner::Phase::Provision, class, "the image is missing");
        Err(failure.with_hint("pull it"))
    });
    world.pool.replace_servers(vec![super::world::entry("a", &failing)]);
    let error = http.ask("tools/call", json!({"name":"echo"})).await["error"].clone();
    assert_eq!(error["code"], crate::error::START_FAILED, "{error}");
    let data = json!({"server":"a","phase":"provision","class":"image","hint":"pull it"});
    assert_eq!(error["data"], data);
    assert_eq!(error["message"], "failed to start server `a`: the image is missing (pull it)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_with_many_calls_are_never_mixed() {
    let names: Vec<String> = (0..4).map(|n| format!("echo-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with(
        vec![
            Script::new("old", Speaks::Legacy).tools(&names[..2]),
            Script::new("new", Speaks::Modern).tools(&names[2..]),
        ],
        FrontConfig::default(),
        HttpConfig::default(),
    )
    .await;
    world.front.ready().await;
    let address = world.address;
    let clients = (0..32).map(|client| {
        tokio::spawn(async move {
            let mut http = super::client::Http::connect(address).await;
            http.initialize("2025-11-25").await;
            for n in 0..100 {
                let (name, server) = [("echo-0", "old"), ("echo-3", "new")][n % 2];
                let text = format!("{client}/{n}");
                let params = json!({"name":name,"arguments":{"text":text}});
                let answer = if n % 3 == 0 {
                    http.ask_modern("tools/call", params).await.1
                } else {
                    http.ask("tools/call", params).await
                };
                assert_eq!(answer["result"]["content"][0]["text"], format!("{server}:{text}"));
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert_eq!(world.front.sessions(), 32);
    world.stop.drain.cancel();
    world.serving.await.unwrap();
    world.front.shutdown(Duration::from_secs(5)).await;
    let report =
        world.pool.shutdown(Duration::from_secs(5), tokio_util::sync::CancellationToken::new()).await;
    assert!(report.unfinished.is_empty());
    assert_eq!(world.provisioner.held(), [""; 0]);
}
