//! Subscriptions to single resources, between all eras.

use super::client::Http;
use super::server::{Script, Speaks};
use super::world::World;
use serde_json::{Value, json};

async fn world(speaks: Speaks) -> World {
    let resources = ["r://one", "r://two", "r://missing"].map(|uri| format!("{{\"uri\":\"{uri}\"}}"));
    let script = Script::new("a", speaks).tools(&["update", "die"]).raw("resources", resources.to_vec());
    let world = World::of(vec![script]).await;
    world.front.ready().await;
    world
}

async fn stream(world: &World, http: &Http) -> Http {
    let session = http.session.clone().unwrap();
    let mut stream = world.http().await;
    stream.write("GET", "/mcp", &[("Mcp-Session-Id", &session), ("Accept", "text/event-stream")], "").await;
    assert_eq!(stream.head().await.status, 200);
    stream
}

async fn update(http: &mut Http, uri: &str) {
    let answer = http.ask("tools/call", json!({"name":"update","arguments":{"uri":uri}})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "updated");
}

fn updated(uri: &str) -> Value {
    json!({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":uri}})
}

#[tokio::test]
async fn a_legacy_client_hears_of_what_it_subscribed_to() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = world(speaks).await;
        let mut http = world.http().await;
        http.initialize("2025-11-25").await;
        let mut stream = stream(&world, &http).await;
        assert_eq!(http.ask("resources/subscribe", json!({"uri":"r://one"})).await["result"], json!({}));
        update(&mut http, "r://two").await;
        update(&mut http, "r://one").await;
        assert_eq!(stream.event().await, Some(updated("r://one")), "and nothing of the other");
        // A part of what is subscribed to.
        update(&mut http, "r://one/part").await;
        assert_eq!(stream.event().await, Some(updated("r://one/part")));
        update(&mut http, &format!("r://one/{}", "x".repeat(9000))).await;
        assert_eq!(stream.event().await, Some(updated("r://one")), "the part has too long a name");
        assert_eq!(http.ask("resources/subscribe", json!({"uri":"r://two"})).await["result"], json!({}));
        assert_eq!(http.ask("resources/unsubscribe", json!({"uri":"r://one"})).await["result"], json!({}));
        update(&mut http, "r://one").await;
        update(&mut http, "r://two").await;
        assert_eq!(stream.event().await, Some(updated("r://two")));
        for uri in ["r://missing", "nobody://x"] {
            let answer = http.ask("resources/subscribe", json!({"uri":uri})).await;
            if speaks == Speaks::Legacy || uri == "nobody://x" {
                assert_eq!(answer["error"]["code"], -32002, "{uri} {answer}");
            }
        }
        // The server starts again, and knows what is wanted.
        assert!(http.ask("tools/call", json!({"name":"die"})).await["error"].is_object());
        let script = &world.servers["a"];
        let subscribes = |line: &&String| {
            (line.contains("resources/subscribe") || line.contains("subscriptions/listen"))
                && line.contains("r://two")
        };
        let before = script.seen.borrow().iter().filter(subscribes).count();
        let mut seen = script.seen.subscribe();
        seen.wait_for(|lines| lines.iter().filter(subscribes).count() > before).await.unwrap();
        update(&mut http, "r://two").await;
        assert_eq!(stream.event().await, Some(updated("r://two")));
    }
}

#[tokio::test]
async fn many_modern_clients_are_one_subscription_upward() {
    let world = world(Speaks::Legacy).await;
    let filter = |uris: &[&str]| json!({"notifications":{"resourceSubscriptions":uris}});
    let mut streams = Vec::new();
    for id in 0..5 {
        let mut stream = world.http().await;
        stream.write_modern(json!(id), "subscriptions/listen", filter(&["r://one", "nobody://x"])).await;
        assert_eq!(stream.head().await.status, 200);
        let granted = stream.event().await.unwrap();
        assert_eq!(granted["params"]["notifications"], json!({"resourceSubscriptions":["r://one"]}));
        streams.push((id, stream));
    }
    let script = &world.servers["a"];
    assert_eq!(script.count("resources/subscribe"), 1);
    let mut http = world.http().await;
    let params = json!({"name":"update","arguments":{"uri":"r://one"}});
    http.ask_modern("tools/call", params).await;
    for (id, stream) in &mut streams {
        let told = stream.event().await.unwrap();
        assert_eq!(
            (&told["method"], &told["params"]["uri"]),
            (&json!("notifications/resources/updated"), &json!("r://one"))
        );
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], *id);
    }
    // It ends with the last of them.
    let last = streams.pop();
    drop(streams);
    assert_eq!(script.count("resources/unsubscribe"), 0);
    drop(last);
    script.saw(|line| line.contains("resources/unsubscribe")).await;
}
