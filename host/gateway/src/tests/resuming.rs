//! Legacy clients that come back to a stream whose connection broke.

use super::client::Http;
use super::server::{Script, Speaks};
use super::world::World;
use serde_json::{Value, json};

async fn back(world: &World, session: &str, last: &str) -> Http {
    let mut stream = world.http().await;
    let headers = [("Mcp-Session-Id", session), ("Accept", "text/event-stream"), ("Last-Event-ID", last)];
    stream.write("GET", "/mcp", &headers, "").await;
    assert_eq!(stream.head().await.status, 200);
    stream
}

fn upward(line: &str) -> Value {
    serde_json::from_str::<Value>(line).unwrap()
}

#[tokio::test]
async fn the_rest_of_a_call_is_waiting() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang", "echo"])]).await;
    world.front.ready().await;
    let script = &world.servers["a"];
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let session = http.session.clone().unwrap();
    let params = json!({"name":"hang","_meta":{"progressToken":"p"}});
    http.write_post(&json!({"jsonrpc":"2.0","id":"c","method":"tools/call","params":params}).to_string())
        .await;
    let call = upward(&script.saw(|line| line.contains("hang")).await);
    let progress = |n: i32| {
        let params = json!({"progressToken":call["params"]["_meta"]["progressToken"],"progress":n});
        json!({"jsonrpc":"2.0","method":"notifications/progress","params":params})
    };
    script.say(&progress(1)).await;
    assert_eq!(http.head().await.status, 200);
    assert_eq!(http.event().await.unwrap()["params"]["progress"], 1);
    script.say(&progress(2)).await;
    let (last, event) = http.event_with_id().await.unwrap();
    assert_eq!(event["params"]["progress"], 2);
    drop(http);
    // All this happens while nobody is there.
    for n in 3..6 {
        script.say(&progress(n)).await;
    }
    script.say(&json!({"jsonrpc":"2.0","id":call["id"],"result":{"content":[]}})).await;
    // Its own ask shows that the answer has been taken, since one connection carries both in order.
    let mut other = world.http().await;
    other.session = Some(session.clone());
    other.ask("tools/call", json!({"name":"echo"})).await;
    let mut again = back(&world, &session, &last).await;
    for n in 3..6 {
        assert_eq!(again.event().await.unwrap()["params"]["progress"], n);
    }
    assert_eq!(again.event().await.unwrap(), json!({"jsonrpc":"2.0","id":"c","result":{"content":[]}}));
    assert_eq!(again.event().await, None);
    assert_eq!(script.count("notifications/cancelled"), 0);
    // That this connection did not break at the very end nobody can know, so the same is there once more.
    let mut once_more = back(&world, &session, &last).await;
    assert_eq!(once_more.event().await.unwrap()["params"]["progress"], 3);
}

#[tokio::test]
async fn the_stream_for_the_unasked_is_come_back_to() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    let mut http = world.http().await;
    http.initialize_with("2025-11-25", json!({"roots":{}})).await;
    http.ask("tools/call", json!({"name":"echo"})).await;
    let session = http.session.clone().unwrap();
    let say =
        |n: i32| json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":n}});
    let script = &world.servers["a"];
    let mut stream = back(&world, &session, "").await;
    for n in 1..4 {
        script.say(&say(n)).await;
    }
    let mut messages = Vec::new();
    while messages.len() < 3 {
        let (id, event) = stream.event_with_id().await.unwrap();
        if event["params"]["data"].is_number() {
            messages.push((id, event["params"]["data"].clone()));
        }
    }
    drop(stream);
    // It has got the first; the other two were sent and may have been lost.
    let mut again = back(&world, &session, &messages[0].0).await;
    for (id, data) in &messages[1..] {
        let (again_id, event) = again.event_with_id().await.unwrap();
        assert_eq!((&again_id, &event["params"]["data"]), (id, data));
    }
    script.say(&say(4)).await;
    assert_eq!(again.event().await.unwrap()["params"]["data"], 4);
}

#[tokio::test]
async fn nobody_comes_back_to_the_stream_of_another() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["hang"])]).await;
    world.front.ready().await;
    let script = &world.servers["a"];
    let mut mine = world.http().await;
    mine.initialize("2025-11-25").await;
    let params = json!({"name":"hang","_meta":{"progressToken":1}});
    mine.write_post(&json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":params}).to_string()).await;
    let call = upward(&script.saw(|line| line.contains("hang")).await);
    let token = &call["params"]["_meta"]["progressToken"];
    script
        .say(&json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":1}}))
        .await;
    mine.head().await;
    let (id, _) = mine.event_with_id().await.unwrap();
    let mut other = world.http().await;
    other.initialize("2025-11-25").await;
    let session = other.session.clone().unwrap();
    let mut stream = back(&world, &session, &id).await;
    assert_eq!(stream.chunk().await, "id: 0-0\ndata: \n\n", "its own stream for the unasked");
    script.say(&json!({"jsonrpc":"2.0","id":call["id"],"result":{"content":[]}})).await;
    assert_eq!(mine.event().await.unwrap()["id"], 1);
    assert!(!stream.has_bytes());
}
