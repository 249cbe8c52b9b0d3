//! Endings: idle clients, sessions, shutdown with calls in flight. Afterwards nothing is held.

use super::harness::*;
use crate::{
    AcquireError, Owner, Pool, PoolConfig, SendError, ServerEntry, ServerState, ShutdownReport, Unfinished,
};
use host_provisioner::ReleaseReason;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn reasons(stage: &Stage) -> Vec<ReleaseReason> {
    stage.fake.released().into_iter().map(|(_, reason)| reason).collect()
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_goes_and_a_busy_one_stays() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool_with(PoolConfig { idle: Some(Duration::from_secs(100)), ..Default::default() });
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let peer = stage.peer().await;
    let start = Instant::now();
    let mut busy = call(&client, "tools/call", &json!({}));
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(client.is_alive());
    peer.says(&json!({ "jsonrpc": "2.0", "id": busy.id(), "result": {} }));
    busy.response().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    // Used again before its time, it starts anew.
    drop(call(&client, "ping", &json!({})));
    while client.is_alive() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(start.elapsed().as_secs() / 10, 116);
    stage.nothing_held().await;
    assert_eq!(reasons(&stage), [ReleaseReason::Ended]);
    assert_eq!(pool.statuses()[0].state, ServerState::Idle);
    assert!(matches!(client.request(crate::Outgoing::new("ping")), Err(SendError::Gone { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_keeps_a_client_from_being_idle() {
    let stage = Stage::one(modern(silence));
    let pool = stage.pool_with(PoolConfig { idle: Some(Duration::from_secs(100)), ..Default::default() });
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let listen = call(&client, "subscriptions/listen", &json!({ "notifications": {} }));
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(client.is_alive());
    drop(listen);
    tokio::time::sleep(Duration::from_secs(201)).await;
    assert!(!client.is_alive());
    stage.nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_takes_its_clients_along() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    let mine = pool.acquire("a", &session("mine"), None).await.unwrap();
    let other = pool.acquire("a", &session("other"), None).await.unwrap();
    let mut waiting = call(&mine, "tools/call", &json!({}));
    let mut peer = stage.peer().await;
    pool.end_session("mine");
    let gone = waiting.next().await.expect_err("cut");
    assert_eq!(gone.to_string(), "the server has gone: the session has ended");
    // The server sees the end of its input.
    while peer.seen.recv().await.is_some() {}
    assert!(other.is_alive());
    while stage.fake.held() != ["fake-1"] {
        tokio::task::yield_now().await;
    }
    assert_eq!(reasons(&stage), [ReleaseReason::Ended]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_early_gives_up_what_comes_up() {
    let mut stage = Stage::one(Arc::new(silence));
    let pool = stage.pool();
    let waiter = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.acquire("a", &session("mine"), None).await })
    };
    stage.peer().await.sees("server/discover").await;
    pool.end_session("mine");
    assert!(matches!(waiter.await.unwrap(), Err(AcquireError::Retired)));
    stage.nothing_held().await;
    assert_eq!(reasons(&stage), [ReleaseReason::Unfinished]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_calls_finish() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let peer = stage.peer().await;
    let mut working = call(&client, "tools/call", &json!({}));
    let closing = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.shutdown(Duration::from_secs(60), CancellationToken::new()).await })
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    let refused = pool.acquire("a", &session("new"), None).await.expect_err("too late");
    assert!(matches!(refused, AcquireError::ShuttingDown), "{refused:?}");
    assert!(client.is_alive());
    let start = Instant::now();
    peer.says(&json!({ "jsonrpc": "2.0", "id": working.id(), "result": "done" }));
    assert_eq!(value(&working.response().await.unwrap())["result"], "done");
    assert_eq!(closing.await.unwrap(), ShutdownReport::default());
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!((stage.fake.held(), reasons(&stage)), (vec![], vec![ReleaseReason::Shutdown]));
}

async fn cut_short(drain: Duration, cut_after: Option<Duration>, expected: Duration) {
    let stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    let mut calls = vec![];
    for n in 0..5 {
        let client = pool.acquire("a", &session(&n.to_string()), None).await.unwrap();
        calls.push(call(&client, "tools/call", &json!({})));
    }
    let cut = CancellationToken::new();
    if let Some(after) = cut_after {
        let cut = cut.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            cut.cancel();
        });
    }
    let start = Instant::now();
    assert_eq!(pool.shutdown(drain, cut).await, ShutdownReport::default());
    assert_eq!(start.elapsed(), expected);
    for mut call in calls {
        let gone = call.next().await.expect_err("cut");
        assert_eq!(gone.to_string(), "the server has gone: the gateway is shutting down");
    }
    assert_eq!(stage.fake.held(), Vec::<String>::new());
    assert_eq!(reasons(&stage), [ReleaseReason::Shutdown; 5]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_what_does_not_finish() {
    let second = Duration::from_secs(1);
    cut_short(10 * second, None, 10 * second).await;
    cut_short(10 * second, Some(2 * second), 2 * second).await;
    cut_short(Duration::ZERO, None, Duration::ZERO).await;
    cut_short(Duration::MAX, Some(second), second).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_gives_up_what_comes_up_and_ends_what_drains() {
    let mut stage = Stage::new(vec![Ok(legacy(silence)), Ok(Arc::new(silence))]);
    let pool = stage.pool();
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let _working = call(&client, "tools/call", &json!({}));
    pool.replace_servers(vec![stage.entry("b", host_provisioner::Lifetime::Session)]);
    stage.peer().await;
    let waiter = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.acquire("b", &Owner::Shared, None).await })
    };
    stage.peer().await.sees("server/discover").await;
    let report = pool.shutdown(Duration::from_secs(3), CancellationToken::new()).await;
    assert_eq!(report, ShutdownReport::default());
    assert!(matches!(waiter.await.unwrap(), Err(AcquireError::ShuttingDown)));
    assert_eq!(stage.fake.held(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_was_never_used_ends_at_once() {
    let stage = Stage::one(legacy(silence));
    let pool: Arc<Pool> = stage.pool();
    let report = pool.shutdown(Duration::from_secs(60), CancellationToken::new()).await;
    assert_eq!((report, stage.tries()), (ShutdownReport::default(), 0));
}

/// A pool whose one server is brought up with a twist.
fn twisted(stage: &Stage, twist: impl FnOnce(Twisted) -> Twisted) -> Arc<Pool> {
    let spec = stage.entry("a", host_provisioner::Lifetime::Session).spec;
    let provisioner = Arc::new(twist(Twisted::of(&stage.fake)));
    Pool::new(vec![ServerEntry { spec, provisioner }], PoolConfig::default())
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_down_is_reported() {
    let stage = Stage::one(legacy(silence));
    let pool = twisted(&stage, |twisted| Twisted { keeps: true, ..twisted });
    pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let report = pool.shutdown(Duration::from_secs(1), CancellationToken::new()).await;
    let text = Some("not allowed to delete it".to_owned());
    let unfinished = vec![Unfinished { server: Arc::from("a"), lease: "fake-0".to_owned(), text }];
    assert_eq!(report, ShutdownReport { unfinished, stuck_tasks: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_provisioner_that_hangs_is_left_when_the_time_is_over_or_nobody_waits() {
    let stage = Stage::one(legacy(silence));
    let calls = Arc::default();
    let pool = twisted(&stage, |twisted| Twisted { hangs: true, calls: Arc::clone(&calls), ..twisted });
    let start = Instant::now();
    let Err(AcquireError::Failed { failure, .. }) = pool.acquire("a", &session("s"), None).await else {
        panic!()
    };
    assert_eq!(failure.text, "the server did not come up in time");
    assert_eq!(failure.class, host_provisioner::Class::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(60));
    let call = calls.lock().unwrap().pop().unwrap();
    assert_eq!((call.attempt, call.client.as_deref()), (1, Some("s")));
    let waiter = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.acquire("a", &Owner::Shared, None).await })
    };
    while calls.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    waiter.abort();
    let call = calls.lock().unwrap().pop().unwrap();
    assert_eq!(call.client, None);
    call.cancelled.cancelled().await;
    let report = pool.shutdown(Duration::ZERO, CancellationToken::new()).await;
    assert_eq!((report, stage.fake.provisions()), (ShutdownReport::default(), 0));
}

/// Threads, servers that die at any time, callers that leave at any time, a shutdown in the middle: no answer goes to the wrong one, and
/// nothing is held afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_at_once() {
    let counter = std::sync::atomic::AtomicU64::new(0);
    let stage = Stage::one(legacy(move |message| {
        match counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 97 {
            96 => vec![Say::Die],
            n if n % 7 == 0 => vec![],
            _ => echo(message),
        }
    }));
    let pool = stage.pool_with(PoolConfig {
        cap: Some(6),
        longest_backoff: Duration::from_millis(1),
        ..Default::default()
    });
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16u64 {
        let pool = Arc::clone(&pool);
        tasks.spawn(async move {
            let mut answers = 0u64;
            for round in 0..300u64 {
                let owner = session(&((task + round) % 8).to_string());
                let client = match pool.acquire("a", &owner, None).await {
                    Ok(client) => client,
                    Err(AcquireError::ShuttingDown) => return answers,
                    Err(_) => continue,
                };
                let with = super::harness::params(&json!({ "task": task, "round": round }));
                let Ok(mut call) = client.request(crate::Outgoing::new("x").params(&with)) else { continue };
                tokio::select! {
                    answer = call.response() => {
                        let Ok(answer) = answer else { continue };
                        assert_eq!(value(&answer)["result"]["params"], json!({ "task": task, "round": round }));
                        answers += 1;
                    }
                    () = async { for _ in 0..200 { tokio::task::yield_now().await } } => {}
                }
                if round % 50 == 49 {
                    pool.end_session(&(task % 8).to_string());
                }
            }
            answers
        });
    }
    let mut answers = 0;
    for _ in 0..8 {
        answers += tasks.join_next().await.unwrap().unwrap();
    }
    let report = pool.shutdown(Duration::from_secs(1), CancellationToken::new()).await;
    assert_eq!(report, ShutdownReport::default());
    while let Some(done) = tasks.join_next().await {
        answers += done.unwrap();
    }
    assert!(answers > 100, "only {answers} answers");
    assert_eq!(stage.fake.held(), Vec::<String>::new());
    assert_eq!(stage.fake.released().len() as u64, stage.fake.provisions());
}
