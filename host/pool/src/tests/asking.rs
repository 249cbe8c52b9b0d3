//! Servers that ask: who is asked, who answers, and that nobody is left waiting.

use super::harness::*;
use crate::pending::Caller;
use crate::wire::Wire;
use crate::{Declared, Event, Incoming, Owner, PoolConfig, ServerRequest};
use bytes::BufMut;
use host_provisioner::Streams;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;

fn declared(value: &Value) -> Declared {
    Declared::of(value.to_string().as_bytes())
}

async fn asked(call: &mut crate::InFlight) -> ServerRequest {
    match call.next().await.unwrap() {
        Incoming::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_is_relayed_is_declared() {
    let raw = br#"{"sampling":{"tools":{}},"tasks":{},"roots":{"listChanged":true},"x":1,"elicitation":null,"sampling":{}}"#;
    let found = Declared::of(raw);
    assert_eq!(found.raw(), r#"{"sampling":{"tools":{}},"roots":{"listChanged":true}}"#);
    assert!(found.allows("sampling/createMessage") && found.allows("roots/list"));
    assert!(!found.allows("elicitation/create") && !found.allows("tasks/list"));
    for nothing in [&b"{}"[..], b"null", b"[]", b"7", b"{\"tasks\":{}}", b"{\"sampling\":true}"] {
        assert_eq!(Declared::of(nothing), Declared::NONE);
    }
}

#[test]
fn tools_inside_a_sample_are_for_clients_that_take_them() {
    let ask = "sampling/createMessage";
    let lacks = |declares: Value, params: &str| declared(&declares).lacks(ask, params.as_bytes());
    let with = "{\"messages\":[],\"tools\":[],\"toolChoice\":{}}";
    assert_eq!(lacks(json!({"sampling": {}}), with), Some("tools"));
    assert_eq!(lacks(json!({"sampling": {"tools": true}}), with), Some("tools"));
    assert_eq!(lacks(json!({"sampling": {}}), "{\"toolChoice\":{}}"), Some("toolChoice"));
    assert_eq!(lacks(json!({"sampling": {}}), "{\"tools\":null}"), None);
    assert_eq!(lacks(json!({"sampling": {"tools": {}}}), with), None);
    assert_eq!(declared(&json!({"elicitation": {}})).lacks("elicitation/create", with.as_bytes()), None);
}

#[tokio::test(start_paused = true)]
async fn a_legacy_server_asks_the_newest_call_of_its_session() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    pool.declare("s", declared(&json!({ "elicitation": {}, "tasks": {} })));
    let mut events = pool.events();
    let client = pool.acquire("a", &session("s"), None).await.unwrap();
    let mut peer = stage.peer().await;
    assert_eq!(peer.sees("initialize").await["params"]["capabilities"], json!({ "elicitation": {} }));
    let _older = call(&client, "tools/call", &json!({ "n": 1 }));
    let mut newer = call(&client, "tools/call", &json!({ "n": 2 }));
    // Lists are no calls of anybody who could be asked.
    let _list = call(&client, "tools/list", &json!({}));
    let ask = |id: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": { "message": "m" } });
    peer.says(&ask("1"));
    let request = asked(&mut newer).await;
    assert_eq!(request.method(), "elicitation/create");
    assert_eq!(request.params().unwrap().raw(), "{\"message\":\"m\"}");
    request.answer(b"{\"action\":\"accept\"}");
    request.answer(b"{\"action\":\"decline\"}");
    assert_eq!(
        peer.sees("result").await,
        json!({ "jsonrpc": "2.0", "id": "1", "result": { "action": "accept" } })
    );
    // What was not declared is refused at once.
    peer.says(&json!({ "jsonrpc": "2.0", "id": 5, "method": "sampling/createMessage", "params": {} }));
    assert_eq!(peer.sees("error").await["error"]["code"], -32601);
    // A request that nobody answers is refused when it is let go.
    peer.says(&ask("2"));
    drop(asked(&mut newer).await);
    let refused = peer.sees("error").await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("2"), &json!(-32603)));
    peer.says(&ask("3"));
    asked(&mut newer).await.fail(b"{\"code\":-1,\"message\":\"no\",\"x\":[1.0]}");
    assert_eq!(peer.sees("error").await["error"], json!({ "code": -1, "message": "no", "x": [1.0] }));
    // One that is taken back wants no answer.
    peer.says(&ask("4"));
    let request = asked(&mut newer).await;
    peer.says(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "4" } }),
    );
    request.withdrawn().cancelled().await;
    request.answer(b"{}");
    // Without a call it is told to whoever listens.
    drop((newer, _older));
    peer.says(&ask("6"));
    let request = loop {
        if let Event::Asked { owner, request, .. } = events.recv().await.unwrap() {
            assert_eq!(owner, session("s"));
            break request;
        }
    };
    request.answer(b"{}");
    assert_eq!(peer.sees("result").await["id"], "6");
    // The end of the server takes all of its requests back.
    peer.says(&ask("7"));
    let request = loop {
        if let Event::Asked { request, .. } = events.recv().await.unwrap() {
            break request;
        }
    };
    peer.dies();
    request.withdrawn().cancelled().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_too_much_is_refused_and_one_that_is_shared_may_not_ask() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    pool.declare("s", declared(&json!({ "roots": {} })));
    let client = pool.acquire("a", &session("s"), None).await.unwrap();
    let mut peer = stage.peer().await;
    let mut one = call(&client, "tools/call", &json!({}));
    for id in 0..65 {
        peer.says(&json!({ "jsonrpc": "2.0", "id": id, "method": "roots/list" }));
    }
    assert_eq!(peer.sees("error").await["id"], 64);
    for _ in 0..64 {
        asked(&mut one).await.answer(b"{\"roots\":[]}");
    }
    peer.says(&json!({ "jsonrpc": "2.0", "id": 65, "method": "roots/list" }));
    asked(&mut one).await.answer(b"{\"roots\":[]}");
    pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let mut peer = stage.peer().await;
    assert_eq!(peer.sees("initialize").await["params"]["capabilities"], json!({}));
    peer.says(&json!({ "jsonrpc": "2.0", "id": 1, "method": "roots/list" }));
    assert_eq!(peer.sees("error").await["error"]["code"], -32601);
    assert_eq!((pool.is_shared("a"), pool.is_shared("b")), (Some(false), None));
}

fn roots(id: usize, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "roots/list", "params": params })
}

fn taken_back(id: usize) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

#[tokio::test(start_paused = true)]
async fn what_a_server_takes_back_waits_for_nobody_and_has_its_place_while_it_is_held() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    pool.declare("s", declared(&json!({ "roots": {} })));
    let client = pool.acquire("a", &session("s"), None).await.unwrap();
    let mut peer = stage.peer().await;
    let mut one = call(&client, "tools/call", &json!({}));
    // Nobody looks at the call meanwhile.
    for n in 0..200 {
        peer.says(&roots(n, &json!({ "n": n })));
        peer.says(&taken_back(n));
    }
    peer.says(&roots(200, &json!({ "n": 200 })));
    peer.says(&json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" }));
    assert_eq!(peer.sees("result").await["id"], "p");
    let mut held = vec![asked(&mut one).await];
    assert_eq!(held[0].params().unwrap().raw(), "{\"n\":200}", "the others are gone");
    for n in 201..264 {
        peer.says(&roots(n, &json!({})));
        held.push(asked(&mut one).await);
    }
    for n in 200..264 {
        peer.says(&taken_back(n));
    }
    for request in &held {
        request.withdrawn().cancelled().await;
    }
    peer.says(&roots(300, &json!({})));
    assert_eq!(peer.sees("error").await["id"], 300, "64 are still held");
    held.pop();
    peer.says(&roots(301, &json!({})));
    asked(&mut one).await.answer(b"{\"roots\":[]}");
    assert_eq!(peer.sees("result").await["id"], 301);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_asks_is_bounded_in_bytes() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    pool.declare("s", declared(&json!({ "roots": {} })));
    let client = pool.acquire("a", &session("s"), None).await.unwrap();
    let mut peer = stage.peer().await;
    let mut one = call(&client, "tools/call", &json!({}));
    let ask = |id: usize, size: usize| roots(id, &json!({ "x": "x".repeat(size) }));
    let too_long = |ask: &Value| {
        let size = ask.to_string().len();
        format!("the request has {size} bytes, and all that are open may have 8388608 together")
    };
    peer.says(&ask(1, 6 << 20));
    let first = asked(&mut one).await;
    peer.says(&ask(2, 3 << 20));
    let refused = peer.sees("error").await;
    assert_eq!(
        (&refused["id"], &refused["error"]["message"]),
        (&json!(2), &json!(too_long(&ask(2, 3 << 20))))
    );
    // The place is free before its answer is there.
    first.answer(b"{\"roots\":[]}");
    assert_eq!(peer.sees("result").await["id"], 1);
    peer.says(&ask(3, 3 << 20));
    let third = asked(&mut one).await;
    peer.says(&ask(4, 8 << 20));
    assert_eq!(peer.sees("error").await["error"]["message"], too_long(&ask(4, 8 << 20)));
    drop((first, third));
    assert_eq!(peer.sees("error").await["id"], 3, "nobody answers it");
    peer.says(&ask(5, 7 << 20));
    asked(&mut one).await.answer(b"{\"roots\":[]}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_with_a_question_in_it_ends_a_server_that_takes_no_answer() {
    let ((stdin, their_stdin), (stdout, _their_stdout)) = (tokio::io::duplex(1 << 10), tokio::io::duplex(64));
    let streams =
        Streams { label: "test".to_owned(), stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: None };
    let (declared, config) = (declared(&json!({ "roots": {} })), PoolConfig::default());
    let (events, tracker) = (broadcast::Sender::new(16), TaskTracker::new());
    let wire = Wire::start(Arc::from("a"), session("s"), streams, declared, &config, events, &tracker);
    let call = wire.send_request(Caller::Client, "tools/call", None, |_, out| {
        out.put_u8(b'}');
        Ok(())
    });
    wire.line(roots(1, &json!({})).to_string().into());
    drop(their_stdin);
    // Refuses the question, which nobody reads.
    drop(call.unwrap());
    assert_eq!(wire.pending.gone().as_deref(), Some("writing to it failed: broken pipe"));
}

#[tokio::test(start_paused = true)]
async fn a_modern_server_is_told_with_each_request() {
    let stage = Stage::one(modern(echo));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let declared = declared(&json!({ "sampling": {} }));
    let key = "io.modelcontextprotocol/clientCapabilities";
    for theirs in [json!({}), json!({ "_meta": null }), json!({ "_meta": { key: { "tasks": {} } } })] {
        let params = params(&theirs);
        let outgoing = crate::Outgoing::new("tools/call").params(&params).declared(&declared);
        let seen = answer(client.request(outgoing).unwrap()).await;
        assert_eq!(seen["result"]["params"]["_meta"][key], json!({ "sampling": {} }), "{theirs}");
        let nothing = Declared::NONE;
        let outgoing = crate::Outgoing::new("tools/call").params(&params).declared(&nothing);
        let seen = answer(client.request(outgoing).unwrap()).await;
        assert_eq!(seen["result"]["params"]["_meta"][key], json!({}), "{theirs}");
    }
}
