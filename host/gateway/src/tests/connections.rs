//! Connections themselves: who may hold one, for how long, and what a slow or silent one costs. Where time matters the connection is a
//! stream in memory under a clock that stands still.

use super::client::{Http, JSON};
use super::server::{Script, Speaks};
use super::world::World;
use crate::http::{over_stream, strangers};
use crate::{FrontConfig, HttpConfig, Token};
use serde_json::json;
use std::time::Duration;

const PING: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";
const MINUTE: Duration = Duration::from_secs(60);

/// A connection in memory.
fn in_memory(world: &World, config: &HttpConfig) -> Http {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(over_stream(
        theirs,
        strangers(config).enter(),
        world.front.clone(),
        config,
        world.stop.clone(),
    ));
    Http::over(ours)
}

fn guarded() -> FrontConfig {
    FrontConfig { token: Some(Token::new("secret")), ..FrontConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn head_and_body_of_a_slow_request_are_timed_apart() {
    let world = World::of(vec![]).await;
    let config = HttpConfig { header_timeout: MINUTE, body_timeout: 3 * MINUTE, ..HttpConfig::default() };
    let mut http = in_memory(&world, &config);
    http.initialize("2025-11-25").await;
    let session = http.session.clone().unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\nMcp-Session-Id: {session}\r\n"
    );
    let (start, end) = PING.split_at(10);
    // The head takes its time, then the body takes much longer than a head may.
    http.raw(&head).await;
    tokio::time::sleep(MINUTE / 2).await;
    http.raw(&format!("Content-Length: {}\r\n\r\n{start}", PING.len())).await;
    tokio::time::sleep(MINUTE * 5 / 2).await;
    http.raw(end).await;
    let answer = http.read().await;
    assert_eq!((answer.status, &answer.json()["result"]), (200, &json!({})));
    // A body that takes too long is refused, and ends the connection, which would go on with the rest of it.
    http.raw(&format!("{head}Content-Length: {}\r\n\r\n{start}", PING.len())).await;
    let answer = http.read().await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (408, "close"));
    assert_eq!(http.rest().await, "");
    // A head that takes too long is not answered at all.
    let mut http = in_memory(&world, &config);
    assert_eq!(http.send("GET", "/health", &[], "").await.status, 200);
    http.raw(&head).await;
    let start = tokio::time::Instant::now();
    assert_eq!(http.rest().await, "");
    assert!(start.elapsed() <= 2 * MINUTE, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_ends() {
    let world = World::of(vec![]).await;
    let config = HttpConfig { header_timeout: MINUTE, idle_timeout: 10 * MINUTE, ..HttpConfig::default() };
    let mut http = in_memory(&world, &config);
    for _ in 0..3 {
        assert_eq!(http.send("GET", "/health", &[], "").await.status, 200);
        tokio::time::sleep(9 * MINUTE).await;
    }
    let start = tokio::time::Instant::now();
    assert_eq!(http.rest().await, "");
    assert!(start.elapsed() < 4 * MINUTE, "{:?}", start.elapsed());
    // One on which nothing was ever asked has the time of a head.
    let start = tokio::time::Instant::now();
    assert_eq!(in_memory(&world, &config).rest().await, "");
    assert_eq!(start.elapsed(), MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_is_a_connection_in_use() {
    let world = World::of(vec![]).await;
    let config = HttpConfig { header_timeout: MINUTE, idle_timeout: MINUTE, ..HttpConfig::default() };
    let mut http = in_memory(&world, &config);
    http.initialize("2025-11-25").await;
    let session = http.session.clone().unwrap();
    http.write("GET", "/mcp", &[("Mcp-Session-Id", &session), ("Accept", "text/event-stream")], "").await;
    assert_eq!(http.head().await.status, 200);
    assert_eq!(http.chunk().await, "id: 0-0\ndata: \n\n");
    for _ in 0..100 {
        assert_eq!(http.chunk().await, ":\n\n");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_silent_call_is_not_cut_and_shows_signs_of_life() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang", "echo"])]).await;
    world.front.ready().await;
    let config = HttpConfig::default();
    let mut http = in_memory(&world, &config);
    http.initialize("2025-11-25").await;
    // First the server has to come up, then it is there: both ways.
    for id in [7, 8] {
        let params = json!({"name":"hang","arguments":{"n":id}});
        http.write_post(&json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":params}).to_string())
            .await;
        let head = http.head().await;
        assert_eq!((head.status, head.headers["content-type"].as_str()), (200, "text/event-stream"));
        assert!(http.chunk().await.starts_with("id: "), "at once, with an id to come back to");
        for _ in 0..40 {
            assert_eq!(http.chunk().await, ":\n\n", "every fifteen seconds, for ten minutes");
        }
        let line = world.servers["a"].saw(|line| line.contains(&format!("\"n\":{id}"))).await;
        let upward: serde_json::Value = serde_json::from_str(&line).unwrap();
        world.servers["a"].say(&json!({"jsonrpc":"2.0","id":upward["id"],"result":{"content":[]}})).await;
        assert_eq!(http.event().await.unwrap(), json!({"jsonrpc":"2.0","id":id,"result":{"content":[]}}));
        assert_eq!(http.event().await, None);
    }
    assert_eq!(world.servers["a"].count("notifications/cancelled"), 0);
    // Who takes only JSON waits in silence, and is not cut either.
    let session = http.session.clone().unwrap();
    let headers =
        [("Content-Type", "application/json"), ("Accept", "application/json"), ("Mcp-Session-Id", &session)];
    let params = json!({"name":"hang","arguments":{"n":9}});
    let call = json!({"jsonrpc":"2.0","id":9,"method":"tools/call","params":params});
    http.write("POST", "/mcp", &headers, &call.to_string()).await;
    let line = world.servers["a"].saw(|line| line.contains("\"n\":9")).await;
    tokio::time::sleep(10 * MINUTE).await;
    let upward: serde_json::Value = serde_json::from_str(&line).unwrap();
    world.servers["a"].say(&json!({"jsonrpc":"2.0","id":upward["id"],"result":{"content":[]}})).await;
    assert_eq!(http.read().await.json()["result"], json!({"content":[]}));
}

#[tokio::test]
async fn too_many_strangers_take_nothing_from_clients() {
    let config = HttpConfig { stranger_cap: 2, ..HttpConfig::default() };
    let world = World::with(vec![], guarded(), config).await;
    let good = ("Authorization", "Bearer secret");
    let mut client = world.http().await;
    let mut headers = JSON.to_vec();
    headers.push(good);
    assert_eq!(client.send("POST", "/mcp", &headers, PING).await.status, 400, "known by its token");
    // These say nothing, or ask for what anybody may see.
    let mut silent = world.http().await;
    let mut health = world.http().await;
    let status = health.send("GET", "/health", &[], "").await.status;
    assert!(matches!(status, 200 | 503));
    let mut third = world.http().await;
    assert_eq!(silent.rest().await, "", "the oldest stranger made room");
    assert_eq!(third.send("POST", "/mcp", &headers, PING).await.status, 400);
    // It is none any more: two others have room beside the one that asked for its health.
    let mut fourth = world.http().await;
    assert_eq!(fourth.send("POST", "/mcp", JSON, PING).await.status, 401);
    assert_eq!(fourth.rest().await, "");
    let _fifth = world.http().await;
    let _sixth = world.http().await;
    assert_eq!(health.rest().await, "");
    for known in [&mut client, &mut third] {
        assert_eq!(known.send("POST", "/mcp", &headers, PING).await.status, 400);
    }
}

#[tokio::test]
async fn connections_beyond_the_cap_wait() {
    let config = HttpConfig { connection_cap: 1, ..HttpConfig::default() };
    let world = World::with(vec![], FrontConfig::default(), config).await;
    world.front.ready().await;
    let mut first = world.http().await;
    assert_eq!(first.send("GET", "/health", &[], "").await.status, 200);
    let mut second = world.http().await;
    second.write("GET", "/health", &[], "").await;
    for _ in 0..100 {
        assert_eq!(first.send("GET", "/health", &[], "").await.status, 200);
        assert!(!second.has_bytes(), "it is not served");
    }
    drop(first);
    assert_eq!(second.read().await.status, 200);
}
