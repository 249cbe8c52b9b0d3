//! `list_changed` on its way to clients of both eras.

use super::client::{Http, JSON, modern};
use super::server::{Script, Speaks};
use super::world::World;
use crate::{FrontConfig, HttpConfig};
use serde_json::json;
use std::time::Duration;

const NEW_TOOL: &str = "{\"name\":\"fresh\"}";

async fn open_stream(world: &World, session: &str) -> Http {
    let mut stream = world.http().await;
    stream.write("GET", "/mcp", &[("Mcp-Session-Id", session), ("Accept", "text/event-stream")], "").await;
    let head = stream.head().await;
    assert_eq!((head.status, head.headers["content-type"].as_str()), (200, "text/event-stream"));
    stream
}

#[tokio::test]
async fn legacy_clients_hear_of_changes_on_their_stream() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![Script::new("a", speaks).tools(&["echo"])]).await;
        let mut http = world.http().await;
        http.initialize("2025-11-25").await;
        let session = http.session.clone().unwrap();
        let mut stream = open_stream(&world, &session).await;
        http.ask("tools/list", json!({})).await;
        http.ask("prompts/list", json!({})).await;
        if speaks == Speaks::Modern {
            world.servers["a"].saw(|line| line.contains("subscriptions/listen")).await;
        }
        world.servers["a"].change("tools", vec![NEW_TOOL.to_owned()]).await;
        let expected = json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"});
        assert_eq!(stream.event().await, Some(expected));
        let list = http.ask("tools/list", json!({})).await;
        assert_eq!(list["result"]["tools"], json!([{"name":"fresh"}]));
        world.servers["a"].change("prompts", vec![NEW_TOOL.to_owned()]).await;
        assert_eq!(stream.event().await.unwrap()["method"], "notifications/prompts/list_changed");

        // A second stream takes the place of the first, and a change without a stream waits for one.
        let mut second = open_stream(&world, &session).await;
        assert_eq!(stream.event().await, None);
        world.servers["a"].change("resources", vec!["{\"uri\":\"a:b\"}".to_owned()]).await;
        assert_eq!(second.event().await.unwrap()["method"], "notifications/resources/list_changed");
        assert_eq!(http.send("DELETE", "/mcp", &[("Mcp-Session-Id", &session)], "").await.status, 204);
        assert_eq!(second.event().await, None, "the stream ends with its session");
    }
}

#[tokio::test]
async fn modern_clients_hear_of_what_they_subscribed_to() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    let mut http = world.http().await;
    http.ask_modern("tools/list", json!({})).await;
    let mut stream = world.http().await;
    let filter = json!({"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}});
    stream.write_modern(json!("L"), "subscriptions/listen", filter).await;
    let head = stream.head().await;
    assert_eq!((head.status, head.headers["x-accel-buffering"].as_str()), (200, "no"));
    let meta = json!({"io.modelcontextprotocol/subscriptionId":"L"});
    let acknowledged = json!({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged",
                              "params":{"_meta":meta,"notifications":{"toolsListChanged":true}}});
    assert_eq!(stream.event().await, Some(acknowledged));
    world.servers["a"].change("prompts", vec![NEW_TOOL.to_owned()]).await;
    world.servers["a"].change("tools", vec![NEW_TOOL.to_owned()]).await;
    let changed =
        json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":meta}});
    assert_eq!(stream.event().await, Some(changed));
    world.stop.drain.cancel();
    let end = json!({"jsonrpc":"2.0","id":"L","result":{"resultType":"complete","_meta":meta}});
    assert_eq!(stream.event().await, Some(end));
    assert_eq!(stream.event().await, None);
    world.serving.await.unwrap();
}

#[tokio::test]
async fn a_subscription_needs_a_stream_and_a_filter() {
    let world = World::of(vec![]).await;
    let mut http = world.http().await;
    assert_eq!(http.ask_modern("subscriptions/listen", json!({})).await.1["error"]["code"], -32602);
    let body = json!({"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":modern(json!({"notifications":{}}))});
    let headers = [
        JSON[0],
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    assert_eq!(http.send("POST", "/mcp", &headers, &body.to_string()).await.status, 400);
}

#[tokio::test]
async fn a_late_server_announces_itself_and_streams_show_signs_of_life() {
    let config = FrontConfig {
        list_wait: Duration::from_millis(1),
        keep_alive: Duration::from_millis(5),
        ..FrontConfig::default()
    };
    let late = Script::new("late", Speaks::Legacy).tools(&["echo"]);
    late.open.send_replace(false);
    let world = World::with(vec![late], config, HttpConfig::default()).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let mut stream = open_stream(&world, &http.session.clone().unwrap()).await;
    let first = http.ask("tools/list", json!({})).await;
    assert_eq!(first["result"]["tools"], json!([]));
    world.servers["late"].open.send_replace(true);
    assert_eq!(stream.event().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(http.ask("tools/list", json!({})).await["result"]["tools"][0]["name"], "echo");
    assert_eq!(stream.chunk().await, ":\n\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_a_list_sees_the_change_in_it() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![Script::new("a", speaks).tools(&["grow"])]).await;
        world.front.ready().await;
        if speaks == Speaks::Modern {
            world.servers["a"].saw(|line| line.contains("subscriptions/listen")).await;
        }
        let mut http = world.http().await;
        // A modern client, and standard streams, use the same connection to the server that listens for changes.
        for n in 2..8 {
            let grown = http.ask_modern("tools/call", json!({"name":"grow"})).await.1;
            assert_eq!(grown["result"]["content"][0]["text"], "grown");
            let list = http.ask_modern("tools/list", json!({})).await.1;
            assert_eq!(list["result"]["tools"].as_array().unwrap().len(), n);
        }
    }
}
