//! What comes without being an answer: progress, log messages, changes; and what is taken back.

use super::{Pair, Speaks, bare};
use serde_json::{Value, json};

super::pairs! {
    progress
    cancellation
    logging
    list_changed
    subscriptions
}

/// Progress comes on the stream of its call, before the answer, rising, under the client's token.
async fn progress(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["progress"])).await;
    for token in [json!("7"), json!(7)] {
        let params = json!({"name": "progress", "_meta": {"progressToken": token}});
        m.write(json!("c"), "tools/call", params).await;
        let events = m.http.read().await.events();
        let values: Vec<_> = events.iter().filter_map(|event| event["params"]["progress"].as_f64()).collect();
        assert_eq!(values, [0.0, 50.0, 100.0]);
        assert!(events[..3].iter().all(|event| event["params"]["progressToken"] == token));
        assert_eq!((events.len(), &events[3]["id"]), (4, &json!("c")));
    }
}

/// What a client takes back is taken back from the server, whichever way its era has.
async fn cancellation(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["hang", "echo"])).await;
    for round in 1..=2 {
        m.write(json!(5), "tools/call", json!({"name": "hang", "arguments": {"round": round}})).await;
        let mark = format!("\"round\":{round}");
        let call = m.server().saw(|line| line.contains("tools/call") && line.contains(&mark)).await;
        let call: Value = serde_json::from_str(&call).unwrap();
        let mut other = m.connection().await;
        if m.is_modern() {
            m.http = other;
        } else {
            let params = json!({"requestId": 5, "reason": "enough"});
            let message = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
            assert_eq!(other.post(&message.to_string()).await.status, 202);
            assert_eq!(m.http.read().await.status, 202, "nothing more is said about it");
        }
        let cancelled = |line: &str| {
            let message: Value = serde_json::from_str(line).unwrap();
            message["method"] == "notifications/cancelled" && message["params"]["requestId"] == call["id"]
        };
        m.server().saw(cancelled).await;
    }
    assert!(m.call("echo", json!({})).await["result"].is_object());
}

/// A client gets the levels that it asked for: for its session, or for one request.
async fn logging(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["log"])).await;
    let mut params = json!({"name": "log"});
    if m.is_modern() {
        params["_meta"]["io.modelcontextprotocol/logLevel"] = "warning".into();
    } else {
        assert_eq!(m.ask("logging/setLevel", json!({"level": "warning"})).await["result"], json!({}));
    }
    for _ in 0..2 {
        m.write(json!(1), "tools/call", params.clone()).await;
        let events = m.http.read().await.events();
        let levels: Vec<_> = events.iter().filter_map(|event| event["params"]["level"].as_str()).collect();
        assert_eq!(levels, ["warning", "error"]);
        assert_eq!(events.last().unwrap()["id"], 1);
    }
    let asked =
        if pair.server == Speaks::Modern { "io.modelcontextprotocol/logLevel" } else { "logging/setLevel" };
    assert!(m.server().count(asked) > 0);
}

/// A list that changes is told to who wants to know, and fetched again.
async fn list_changed(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["echo"])).await;
    m.ask("tools/list", json!({})).await;
    let mut news = m.news(json!({"toolsListChanged": true})).await;
    if pair.server == Speaks::Modern {
        m.server().saw(|line| line.contains("subscriptions/listen")).await;
    }
    m.server().change("tools", vec!["{\"name\":\"fresh\"}".to_owned()]).await;
    let told = bare(news.event().await.unwrap(), m.is_modern());
    assert_eq!(told, json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    let listed = m.ask("tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"], json!([{"name": "fresh"}]));
}

/// Who subscribed to a resource hears of it, also when the server has started anew.
async fn subscriptions(pair: Pair) {
    let resources = ["r://one", "r://two"].map(|uri| format!("{{\"uri\":\"{uri}\"}}"));
    let script = pair.script().tools(&["update", "die"]).raw("resources", resources.to_vec());
    let mut m = pair.meet(script).await;
    let mut news = m.news(json!({"resourceSubscriptions": ["r://one"]})).await;
    if !m.is_modern() {
        assert_eq!(m.ask("resources/subscribe", json!({"uri": "r://one"})).await["result"], json!({}));
    }
    let expected =
        json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "r://one"}});
    m.call("update", json!({"uri": "r://two"})).await;
    m.call("update", json!({"uri": "r://one"})).await;
    assert_eq!(bare(news.event().await.unwrap(), m.is_modern()), expected, "and nothing of the other");
    let asks = |line: &&String| {
        (line.contains("resources/subscribe") || line.contains("subscriptions/listen"))
            && line.contains("r://one")
    };
    let before = m.server().seen.borrow().iter().filter(asks).count();
    let mut seen = m.server().seen.subscribe();
    m.call("die", json!({})).await;
    seen.wait_for(|lines| lines.iter().filter(asks).count() > before).await.unwrap();
    m.call("update", json!({"uri": "r://one"})).await;
    assert_eq!(bare(news.event().await.unwrap(), m.is_modern()), expected);
}
