//! Legacy sessions over HTTP.

use super::client::Http;
use super::server::{Script, Speaks};
use super::world::World;
use crate::{FrontConfig, HttpConfig};
use host_pool::Owner;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_session_from_beginning_to_end() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    world.front.ready().await;
    let listed = world.provisioner.provisions();
    let mut http = world.http().await;
    let hello = http.initialize("2025-06-18").await;
    assert_eq!(hello["protocolVersion"], "2025-06-18");
    let changes = json!({"listChanged":true});
    let resources = json!({"listChanged":true,"subscribe":true});
    assert_eq!(
        hello["capabilities"],
        json!({"tools":changes,"prompts":changes,"resources":resources,"completions":{},"logging":{}})
    );
    assert_eq!(hello["serverInfo"]["name"], "gateway");
    let session = http.session.clone().unwrap();
    assert!(session.len() >= 32 && session.bytes().all(|b| b.is_ascii_graphic()));
    assert_eq!(http.ask("ping", json!({})).await["result"], json!({}));
    assert_eq!(world.provisioner.provisions(), listed, "a session that only exists starts nothing");
    http.ask("tools/call", json!({"name":"echo"})).await;
    assert_eq!(world.provisioner.provisions(), listed, "the first call takes over what was started to list");
    for method in ["server/discover", "subscriptions/listen", "tasks/list", "x"] {
        assert_eq!(http.ask(method, json!({})).await["error"]["code"], -32601, "{method}");
    }
    let headers = [("Mcp-Session-Id", session.as_str())];
    assert_eq!(http.send("DELETE", "/mcp", &headers, "").await.status, 204);
    let response = http.post("{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"}").await;
    assert_eq!((response.status, &response.json()["id"]), (404, &json!(9)));
    assert_eq!(http.post("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}").await.status, 404);
    assert_eq!(http.send("DELETE", "/mcp", &headers, "").await.status, 404);
    assert_eq!(world.front.sessions(), 0);
}

#[tokio::test]
async fn revisions() {
    let world = World::of(vec![]).await;
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let mut http = world.http().await;
        assert_eq!(http.initialize(asked).await["protocolVersion"], agreed);
    }
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let session = http.session.clone().unwrap();
    for (version, status) in
        [("2025-11-25", 200), ("2025-06-18", 200), ("2026-07-28", 200), ("1999-01-01", 400), ("", 400)]
    {
        let mut headers = super::client::JSON.to_vec();
        headers.push(("Mcp-Session-Id", &session));
        headers.push(("MCP-Protocol-Version", version));
        let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";
        assert_eq!(http.send("POST", "/mcp", &headers, ping).await.status, status, "{version}");
    }
}

#[tokio::test]
async fn without_a_session() {
    let world = World::of(vec![]).await;
    let mut http = world.http().await;
    for (body, status) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}", 400),
        ("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", 400),
        ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", 400),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", 400),
    ] {
        let response = http.post(body).await;
        assert_eq!(response.status, status, "{body}");
        assert_eq!(response.json()["error"]["code"], -32600);
    }
    http.session = Some("none".to_owned());
    let response = http.post("{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"method\":\"tools/list\"}").await;
    assert_eq!((response.status, &response.json()["id"]), (404, &json!("1")));
}

#[tokio::test]
async fn the_session_that_was_idle_longest_makes_room() {
    let config = FrontConfig { session_cap: 2, ..FrontConfig::default() };
    let world = World::with(vec![], config, HttpConfig::default()).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut http = world.http().await;
        http.initialize("2025-11-25").await;
        clients.push(http);
    }
    assert_eq!(world.front.sessions(), 2);
    let mut alive = 0;
    for http in &mut clients {
        alive +=
            usize::from(http.post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}").await.status == 200);
    }
    assert_eq!(alive, 2);
}

#[tokio::test]
async fn idle_sessions_take_their_servers_along() {
    let config = FrontConfig { session_idle: Duration::from_millis(50), ..FrontConfig::default() };
    let world =
        World::with(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])], config, HttpConfig::default())
            .await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    http.ask("tools/call", json!({"name":"echo"})).await;
    while world.front.sessions() > 0 || world.provisioner.held().len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(http.post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}").await.status, 404);
}

#[tokio::test]
async fn batches() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo", "progress"])]).await;
    world.front.ready().await;
    let mut http = world.http().await;
    http.initialize("2025-03-26").await;
    let call = |id: &str, name: &str, more: &str| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\"{more}}}}}"
        )
    };
    let notification = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}";
    let body = format!(
        "[{},{notification},{},7,{}]",
        call("1", "echo", ""),
        call("\"1\"", "echo", ""),
        call("2", "none", "")
    );
    let answers = http.post(&body).await.json();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 4);
    let with = |id: serde_json::Value| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(with(json!(1))["result"]["content"][0]["text"], "a:");
    assert_eq!(with(json!("1"))["result"]["content"][0]["text"], "a:");
    assert_eq!(with(json!(2))["error"]["code"], -32602);
    assert_eq!(with(json!(null))["error"]["code"], -32600);
    assert_eq!(http.post(&format!("[{notification}]")).await.status, 202);

    let token = ",\"_meta\":{\"progressToken\":9}";
    let body = format!("[{},{}]", call("3", "echo", ""), call("4", "progress", token));
    let events = http.post(&body).await.events();
    assert_eq!(events.iter().filter(|event| event["method"] == "notifications/progress").count(), 3);
    assert_eq!(events.iter().filter(|event| event["result"].is_object()).count(), 2);
    let initialize = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}]";
    assert_eq!(http.post(initialize).await.json()[0]["error"]["code"], -32600);
}

#[tokio::test]
async fn a_batch_has_its_bounds() {
    let world = World::of(vec![]).await;
    let mut http = world.http().await;
    http.initialize("2025-03-26").await;
    let most = host_message::MAX_BATCH;
    let batch = |n: usize| {
        serde_json::Value::from_iter((0..n).map(|id| json!({"jsonrpc":"2.0","id":id,"method":"ping"})))
            .to_string()
    };
    assert_eq!(http.post(&batch(most)).await.json().as_array().unwrap().len(), most);
    let refused = http.post(&batch(most + 1)).await;
    let error = json!({"code":-32600,"message":"the batch holds more than 1000 messages"});
    assert_eq!((refused.status, &refused.json()["error"]), (400, &error));
    // What is counted are messages, whatever they are: sixteen megabytes of zeros are eight million.
    let zeros = format!("[{}0]", "0,".repeat(1 << 20));
    assert_eq!(http.post(&zeros).await.json()["error"], error);
}

#[tokio::test]
async fn servers_are_started_when_a_session_begins_if_that_is_wanted() {
    for prestart in [false, true] {
        let scripts = ["a", "b"].map(|name| Script::new(name, Speaks::Legacy).tools(&["echo"]));
        let config = FrontConfig { prestart, ..FrontConfig::default() };
        let world = World::with(scripts.into(), config, HttpConfig::default()).await;
        world.front.ready().await;
        // The first session takes over what was started to list; the second one finds nothing.
        let (mut first, mut second) = (world.http().await, world.http().await);
        first.initialize("2025-11-25").await;
        while prestart && owned(&world, &first) < 2 {
            tokio::task::yield_now().await;
        }
        second.initialize("2025-11-25").await;
        if prestart {
            while owned(&world, &second) < 2 {
                tokio::task::yield_now().await;
            }
            assert_eq!(world.provisioner.provisions(), 4);
        } else {
            second.ask("ping", json!({})).await;
            assert_eq!((owned(&world, &second), world.provisioner.provisions()), (0, 2));
        }
    }
}

/// How many servers a session has for itself.
fn owned(world: &World, client: &Http) -> usize {
    let session = client.session.as_deref().unwrap();
    world.pool.clients(&Owner::Session(session.into())).len()
}
