//! Calls in flight: answers, progress, cancellation, and what a server says besides.

use super::harness::*;
use crate::{CallError, Changed, Event, Outgoing, Owner, Pool, PoolConfig, SendError};
use host_provisioner::Lifetime;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn ids_are_never_mixed_under_a_thousand_calls() {
    // Answers in packs of a hundred, each pack backwards.
    let waiting: Mutex<Vec<Value>> = Mutex::default();
    let manner = legacy(move |message| {
        let mut waiting = waiting.lock().unwrap();
        waiting.push(message.clone());
        if waiting.len() < 100 {
            return vec![];
        }
        waiting.drain(..).rev().flat_map(|message| echo(&message)).collect()
    });
    let stage = Stage::one(manner);
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let mut ids = HashSet::new();
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..3 {
        for n in 0..1000 {
            let in_flight = call(&client, "tools/call", &json!({ "arguments": { "n": n, "round": round } }));
            assert!(ids.insert(in_flight.id()), "an id was given out twice");
            assert!(in_flight.id() < 1 << 53);
            tasks.spawn(async move { (n, round, answer(in_flight).await) });
        }
        while let Some(done) = tasks.join_next().await {
            let (n, round, answer) = done.unwrap();
            assert_eq!(answer["result"]["params"]["arguments"], json!({ "n": n, "round": round }));
        }
        assert_eq!(client.calls(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn progress_comes_before_the_answer_and_nothing_after_it() {
    let manner = legacy(|message| {
        let token = &message["params"]["_meta"]["progressToken"];
        let progress = |n| {
            say(&json!({
                "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": token, "progress": n },
            }))
        };
        let mut says = vec![progress(1), progress(2)];
        says.extend(echo(message));
        says.push(progress(3));
        says
    });
    let mut stage = Stage::one(manner);
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let mut one = call(&client, "tools/call", &json!({ "_meta": { "progressToken": "theirs" } }));
    let id = one.id();
    assert_eq!(next(&mut one).await.unwrap(), ("progress", json!({ "progressToken": id, "progress": 1 })));
    assert_eq!(next(&mut one).await.unwrap(), ("progress", json!({ "progressToken": id, "progress": 2 })));
    let (kind, answer) = next(&mut one).await.unwrap();
    assert_eq!((kind, &answer["id"]), ("response", &json!(id)));
    assert_eq!(next(&mut one).await, Err(CallError::Over));
    drop(one);
    // An answered call is not cancelled.
    let _ = self::call(&client, "tools/call", &json!({})).response().await.unwrap();
    let seen = stage.peer().await.seen_so_far();
    assert!(seen.iter().all(|message| message["method"] != "notifications/cancelled"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_cancelled_and_its_late_answer_thrown_away() {
    let mut stage = Stage::one(legacy(silence));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let mut peer = stage.peer().await;
    let one = call(&client, "tools/call", &json!({}));
    let id = one.id();
    drop(one);
    let cancelled = peer.sees("notifications/cancelled").await;
    assert_eq!(cancelled["params"], json!({ "requestId": id, "reason": "the caller has gone" }));
    let two = call(&client, "tools/call", &json!({}));
    // The place is used again, the id is not.
    assert_ne!(two.id(), id);
    peer.says(&json!({ "jsonrpc": "2.0", "id": id, "result": "late" }));
    peer.says(&json!({ "jsonrpc": "2.0", "id": two.id(), "result": "right" }));
    assert_eq!(answer(two).await["result"], "right");
    assert_eq!(client.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_a_limit_if_it_wants_one() {
    let mut stage = Stage::one(legacy(silence));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let limit = Duration::from_secs(7);
    let mut call = client.request(Outgoing::new("tools/call").timeout(limit)).unwrap();
    assert_eq!(next(&mut call).await, Err(CallError::TimedOut { after: limit }));
    assert_eq!(next(&mut call).await, Err(CallError::Over));
    let cancelled = stage.peer().await.sees("notifications/cancelled").await;
    assert_eq!(cancelled["params"]["requestId"], json!(call.id()));
}

#[tokio::test(start_paused = true)]
async fn errors_are_answers() {
    let stage = Stage::one(legacy(|message| error(message, -32002, "not there")));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let answer = answer(call(&client, "resources/read", &json!({ "uri": "x:y" }))).await;
    assert_eq!(answer["error"], json!({ "code": -32002, "message": "not there" }));
}

#[tokio::test(start_paused = true)]
async fn an_unusable_answer_is_an_error_for_its_caller() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    for broken in [
        "{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":1,\"result\":2}".to_owned(),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{deep}}}"),
        "{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":".to_owned(),
    ] {
        let manner = legacy(move |message| vec![Say::Line(broken.replace("ID", &message["id"].to_string()))]);
        let stage = Stage::one(manner);
        let pool = stage.pool();
        let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
        let answer = answer(call(&client, "tools/call", &json!({}))).await;
        assert_eq!(answer["error"]["code"], -32603);
        let text = answer["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("server `a`: the server's answer is not usable: "), "{text}");
        assert!(client.is_alive());
        assert_eq!(pool.statuses()[0].rubbish, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_in_a_batch_reach_their_callers() {
    let held: Mutex<Vec<Value>> = Mutex::default();
    let manner = legacy(move |message| {
        let mut held = held.lock().unwrap();
        held.push(json!({ "jsonrpc": "2.0", "id": message["id"], "result": message["params"]["n"] }));
        if held.len() < 2 { vec![] } else { vec![say(&json!(*held))] }
    });
    let stage = Stage::one(manner);
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let (one, two) = (call(&client, "x", &json!({ "n": 1 })), call(&client, "x", &json!({ "n": 2 })));
    assert_eq!(answer(two).await["result"], 2);
    assert_eq!(answer(one).await["result"], 1);
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_server_are_answered() {
    let mut stage = Stage::one(legacy(silence));
    let _client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let mut peer = stage.peer().await;
    peer.says(&json!({ "jsonrpc": "2.0", "id": "p-1", "method": "ping" }));
    assert_eq!(peer.sees("result").await, json!({ "jsonrpc": "2.0", "id": "p-1", "result": {} }));
    peer.says(&json!({ "jsonrpc": "2.0", "id": 4, "method": "sampling/createMessage", "params": {} }));
    let refused = peer.sees("error").await;
    assert_eq!(refused["id"], 4);
    let expected = json!({ "code": -32601, "message": "the client does not serve `sampling/createMessage`" });
    assert_eq!(refused["error"], expected);
}

#[tokio::test(start_paused = true)]
async fn notifications_go_to_the_one_call_or_to_everybody() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    let mut events = pool.events();
    let owner = session("s");
    let client = pool.acquire("a", &owner, None).await.unwrap();
    let peer = stage.peer().await;
    assert!(matches!(events.recv().await.unwrap(), Event::Ready { server, .. } if *server == *"a"));
    let log = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": 1 } });
    let mut one = call(&client, "tools/call", &json!({}));
    peer.says(&log);
    assert_eq!(next(&mut one).await.unwrap(), ("notification", log.clone()));
    // With two calls in flight nobody knows whose it is.
    let _two = call(&client, "tools/call", &json!({}));
    peer.says(&log);
    let Event::Notification { server, owner: whose, message } = events.recv().await.unwrap() else {
        panic!()
    };
    assert_eq!((server.as_ref(), whose, value(&message)), ("a", owner.clone(), log));
    for (method, expected) in [
        ("notifications/tools/list_changed", Changed::Tools),
        ("notifications/prompts/list_changed", Changed::Prompts),
        ("notifications/resources/list_changed", Changed::Resources),
    ] {
        peer.says(&json!({ "jsonrpc": "2.0", "method": method }));
        let Event::ListChanged { what, owner: whose, .. } = events.recv().await.unwrap() else {
            panic!("{method}")
        };
        assert_eq!((what, whose), (expected, owner.clone()));
    }
    peer.says(
        &json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": "x:y" } }),
    );
    let Event::Notification { message, .. } = events.recv().await.unwrap() else { panic!() };
    assert_eq!(message.method(), Some("notifications/resources/updated"));
}

#[tokio::test(start_paused = true)]
async fn subscriptions_get_what_is_theirs() {
    let mut stage = Stage::one(modern(silence));
    let pool = stage.pool();
    let mut events = pool.events();
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let mut peer = stage.peer().await;
    events.recv().await.unwrap();
    let ours = peer.sees("subscriptions/listen").await["id"].as_u64().unwrap();
    let filter = json!({ "notifications": { "resourceSubscriptions": ["x:y"] } });
    let mut listen = call(&client, "subscriptions/listen", &filter);
    let about = |id: u64, method: &str| json!({ "jsonrpc": "2.0", "method": method, "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": id } } });
    for method in ["notifications/subscriptions/acknowledged", "notifications/resources/updated"] {
        peer.says(&about(listen.id(), method));
        assert_eq!(next(&mut listen).await.unwrap(), ("notification", about(listen.id(), method)));
    }
    // That of the pool becomes an event.
    peer.says(&about(ours, "notifications/tools/list_changed"));
    assert!(matches!(events.recv().await.unwrap(), Event::ListChanged { what: Changed::Tools, .. }));
    // A subscription is no work that a shutdown would wait for, but the client is in use.
    assert_eq!((client.calls(), client.is_idle()), (0, false));
    peer.says(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": listen.id() } }));
    assert_eq!(next(&mut listen).await.unwrap().1["method"], "notifications/cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_leaves_no_trace() {
    let stage = Stage::one(legacy(echo));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let params = params(&json!({ "name": "a" }));
    let mut outgoing = Outgoing::new("tools/call").params(&params);
    outgoing.edits().replace(0..900, b"");
    let error = client.request(outgoing).expect_err("an edit outside");
    assert_eq!(error, SendError::Edits(host_message::SpliceError::Outside));
    assert_eq!(client.calls(), 0);
    let answer = answer(call(&client, "tools/call", &json!({ "n": 1 }))).await;
    assert_eq!(answer["result"]["params"], json!({ "n": 1 }));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_notifications_go_when_a_caller_does_not_read() {
    let mut stage = Stage::one(legacy(silence));
    let config = crate::PoolConfig { queue_limit: 3, ..Default::default() };
    let client = stage.pool_with(config).acquire("a", &Owner::Shared, None).await.unwrap();
    let peer = stage.peer().await;
    let mut one = call(&client, "tools/call", &json!({ "_meta": { "progressToken": 1 } }));
    for n in 0..10 {
        peer.says(&json!({
            "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": one.id(), "progress": n },
        }));
    }
    peer.says(&json!({ "jsonrpc": "2.0", "id": one.id(), "result": {} }));
    let other = Arc::clone(&client);
    // By the time the answer to a second call is here, everything before it is.
    let mut two = call(&other, "ping", &json!({}));
    peer.says(&json!({ "jsonrpc": "2.0", "id": two.id(), "result": {} }));
    two.response().await.unwrap();
    let mut seen = vec![];
    while let ("progress", params) = next(&mut one).await.unwrap() {
        seen.push(params["progress"].clone());
    }
    assert_eq!(seen, vec![json!(7), json!(8), json!(9)]);
}

#[tokio::test(start_paused = true)]
async fn notifications_that_wait_are_bounded_in_bytes_too() {
    let mut stage = Stage::one(legacy(silence));
    let config = crate::PoolConfig { queue_bytes: 1000, ..Default::default() };
    let client = stage.pool_with(config).acquire("a", &Owner::Shared, None).await.unwrap();
    let peer = stage.peer().await;
    let mut one = call(&client, "tools/call", &json!({ "_meta": { "progressToken": 1 } }));
    let progress = |n: i32, filler: usize| {
        let params = json!({ "progressToken": one.id(), "progress": n, "message": "x".repeat(filler) });
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
    };
    // Longer than all that may wait: it waits alone, and goes when the next one comes.
    peer.says(&progress(0, 5000));
    for n in 1..10 {
        peer.says(&progress(n, 300));
    }
    let mut two = call(&client, "ping", &json!({}));
    peer.says(&json!({ "jsonrpc": "2.0", "id": two.id(), "result": {} }));
    two.response().await.unwrap();
    let long = progress(20, 5000);
    let mut seen = vec![];
    for _ in 0..2 {
        seen.push(next(&mut one).await.unwrap().1["progress"].clone());
    }
    assert_eq!(seen, [8, 9]);
    peer.says(&long);
    assert_eq!(next(&mut one).await.unwrap().1["progress"], 20, "a long one that need not wait is not lost");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_limit_is_never_cut() {
    let mut stage = Stage::one(legacy(silence));
    let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
    let mut peer = stage.peer().await;
    let mut one = call(&client, "tools/call", &json!({}));
    let id = peer.sees("tools/call").await["id"].clone();
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    peer.says(&json!({ "jsonrpc": "2.0", "id": id, "result": "at last" }));
    assert_eq!(value(&one.response().await.unwrap())["result"], "at last");
    assert!(peer.seen_so_far().iter().all(|message| message["method"] != "notifications/cancelled"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_beyond_all_bounds_ends_the_server() {
    let most = host_message::MAX_BATCH;
    for (items, alive) in [(most, true), (most + 1, false)] {
        let mut stage = Stage::one(legacy(silence));
        let client = stage.pool().acquire("a", &Owner::Shared, None).await.unwrap();
        let peer = stage.peer().await;
        let mut one = call(&client, "tools/call", &json!({}));
        let batch = vec![json!({ "jsonrpc": "2.0", "method": "notifications/x" }); items];
        peer.says(&json!(batch));
        peer.says(&json!({ "jsonrpc": "2.0", "id": one.id(), "result": 1 }));
        match next(&mut one).await {
            Ok((kind, _)) => assert!(alive && kind == "response"),
            Err(error) => {
                let text = "the server has gone: it sent a batch of more than 1000 messages";
                assert!(!alive && error.to_string() == text, "{error}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_gets_as_many_calls_at_once_as_its_entry_says() {
    let mut stage = Stage::one(legacy(silence));
    let mut entry = stage.entry("a", Lifetime::Session);
    let mut spec = (*entry.spec).clone();
    spec.concurrency = Some(2);
    entry.spec = std::sync::Arc::new(spec);
    let pool = Pool::new(vec![entry], PoolConfig::default());
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let mut peer = stage.peer().await;
    let mut calls: Vec<_> = (0..5).map(|n| Some(call(&client, "tools/call", &json!({ "n": n })))).collect();
    let first = peer.sees("tools/call").await;
    assert_eq!(
        (first["params"]["n"].as_u64(), peer.sees("tools/call").await["params"]["n"].as_u64()),
        (Some(0), Some(1))
    );
    let second = calls[1].as_ref().unwrap().id();
    // One in the line is given up, and nobody is told; one that the server has is given up, and makes room.
    drop(calls[2].take());
    drop(calls[1].take());
    assert_eq!(peer.sees("notifications/cancelled").await["params"]["requestId"], second);
    assert_eq!(peer.sees("tools/call").await["params"]["n"], 3);
    assert_eq!(peer.seen_so_far(), [] as [Value; 0]);
    peer.says(&json!({ "jsonrpc": "2.0", "id": first["id"], "result": {} }));
    calls[0].take().unwrap().response().await.unwrap();
    assert_eq!(peer.sees("tools/call").await["params"]["n"], 4);
}
