//! Who shares what: attempts, clients, failures, places under the cap.

use super::harness::*;
use crate::{
    AcquireError, Client, Declared, Event, Outgoing, Owner, Pool, PoolConfig, SendError, ServerEntry,
    ServerState,
};
use host_provisioner::{Class, Lifetime, Progress, ProgressSink, ReleaseReason};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

fn spawn(pool: &Arc<Pool>, owner: &Owner) -> tokio::task::JoinHandle<Result<Arc<Client>, AcquireError>> {
    let (pool, owner) = (Arc::clone(pool), owner.clone());
    tokio::spawn(async move { pool.acquire("a", &owner, None).await })
}

#[tokio::test(start_paused = true)]
async fn many_who_want_one_client_share_one_attempt() {
    let stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    assert!(pool.peek("a", &Owner::Shared).is_none());
    let tasks: Vec<_> = (0..50).map(|_| spawn(&pool, &Owner::Shared)).collect();
    let mut clients = vec![];
    for task in tasks {
        clients.push(task.await.unwrap().unwrap());
    }
    assert_eq!(stage.fake.provisions(), 1);
    assert!(clients.iter().all(|client| Arc::ptr_eq(client, &clients[0])));
    assert!(Arc::ptr_eq(&pool.peek("a", &Owner::Shared).unwrap(), &clients[0]));
    // Another session has another client, and none by looking.
    assert!(pool.peek("a", &session("s")).is_none());
    let other = pool.acquire("a", &session("s"), None).await.unwrap();
    assert!(!Arc::ptr_eq(&other, &clients[0]));
    assert!(pool.peek("b", &Owner::Shared).is_none());
    let unknown = pool.acquire("b", &Owner::Shared, None).await.expect_err("no such server");
    assert_eq!(unknown.to_string(), "there is no server `b`");
}

#[tokio::test(start_paused = true)]
async fn a_shared_server_has_one_client_for_all() {
    let stage = Stage::one(legacy(echo));
    let pool = Pool::new(vec![stage.entry("a", Lifetime::Shared)], PoolConfig::default());
    let one = pool.acquire("a", &session("one"), None).await.unwrap();
    let two = pool.acquire("a", &session("two"), None).await.unwrap();
    assert!(Arc::ptr_eq(&one, &two));
    assert_eq!(one.owner(), Owner::Shared);
    pool.end_session("one");
    assert!(pool.peek("a", &session("two")).is_some_and(|client| client.is_alive()));
}

#[tokio::test(start_paused = true)]
async fn a_server_for_one_call_serves_one_and_ends() {
    let stage = Stage::new(vec![Ok(legacy(echo)), Ok(legacy(echo))]);
    let pool = Pool::new(vec![stage.entry("a", Lifetime::Call)], PoolConfig::default());
    let one = pool.acquire("a", &session("s"), None).await.unwrap();
    assert!(pool.peek("a", &session("s")).is_some());
    let first = call(&one, "tools/call", &json!({"name": "x"}));
    // Whoever comes now, also with the same client in hand, gets another.
    assert!(pool.peek("a", &session("s")).is_none());
    let second = params(&json!({"name": "y"}));
    let refused = one.request(Outgoing::new("tools/call").params(&second)).unwrap_err();
    assert!(matches!(refused, SendError::Gone { .. }), "{refused}");
    let two = pool.acquire("a", &session("s"), None).await.unwrap();
    assert!(!Arc::ptr_eq(&one, &two));
    answer(first).await;
    one.ended().await;
    assert!(two.is_alive());
    assert_eq!(stage.fake.provisions(), 2);
    // One that nobody calls goes by itself.
    two.ended().await;
    stage.nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_those_who_waited_and_then_forgotten() {
    let stage = Stage::new(vec![Err(failure(Class::Permanent, "no such image")), Ok(legacy(echo))]);
    let pool = stage.pool();
    let mut events = pool.events();
    let waiters: Vec<_> = (0..3).map(|_| spawn(&pool, &Owner::Shared)).collect();
    for waiter in waiters {
        let Err(AcquireError::Failed { server, failure }) = waiter.await.unwrap() else {
            panic!("no failure")
        };
        assert_eq!(
            (server.as_ref(), failure.text.as_str(), failure.plugin.as_str()),
            ("a", "no such image", "fake")
        );
    }
    assert_eq!(stage.tries(), 1);
    assert!(matches!(events.recv().await.unwrap(), Event::Failed { .. }));
    assert_eq!(pool.statuses()[0].state, ServerState::Failed);
    pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let status = &pool.statuses()[0];
    assert_eq!((status.state, status.clients, status.last_failure.is_none()), (ServerState::Ready, 1, true));
}

#[tokio::test(start_paused = true)]
async fn what_may_work_later_is_tried_again() {
    let mut throttled = failure(Class::Quota, "too many");
    throttled.retry_after = Some(Duration::from_secs(8));
    let stage = Stage::new(vec![Err(failure(Class::Retryable, "busy")), Err(throttled), Ok(legacy(echo))]);
    let pool = stage.pool();
    let start = Instant::now();
    pool.acquire("a", &Owner::Shared, None).await.unwrap();
    // Half a second of our own, then what the platform asked for.
    assert_eq!((stage.tries(), start.elapsed()), (3, Duration::from_millis(8500)));
}

#[tokio::test(start_paused = true)]
async fn trying_again_ends_with_the_time_for_the_start() {
    let stage = Stage::new(vec![Err(failure(Class::Retryable, "busy"))]);
    let pool = stage.pool_with(PoolConfig { start_timeout: Duration::from_secs(10), ..Default::default() });
    let start = Instant::now();
    let Err(AcquireError::Failed { failure, .. }) = pool.acquire("a", &Owner::Shared, None).await else {
        panic!()
    };
    assert_eq!(failure.text, "busy");
    // 0.5 + 1 + 2 + 4 seconds fit, 8 more do not.
    assert_eq!((stage.tries(), start.elapsed()), (5, Duration::from_millis(7500)));
    let mut late = super::harness::failure(Class::Retryable, "not before tomorrow");
    late.retry_after = Some(Duration::from_secs(86_400));
    let stage = Stage::new(vec![Err(late)]);
    let start = Instant::now();
    stage.pool().acquire("a", &Owner::Shared, None).await.expect_err("too late");
    assert_eq!((stage.tries(), start.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_outlives_one_waiter_but_not_all() {
    let stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    let (one, two) = (spawn(&pool, &Owner::Shared), spawn(&pool, &Owner::Shared));
    tokio::task::yield_now().await;
    one.abort();
    assert!(two.await.unwrap().is_ok());
    assert_eq!(stage.fake.provisions(), 1);

    let mut mute = Stage::one(Arc::new(silence));
    let pool = mute.pool();
    let (one, two) = (spawn(&pool, &Owner::Shared), spawn(&pool, &Owner::Shared));
    let mut peer = mute.peer().await;
    peer.sees("server/discover").await;
    assert_eq!(pool.statuses()[0].state, ServerState::Starting);
    one.abort();
    assert!(one.await.expect_err("aborted").is_cancelled());
    assert_eq!(mute.fake.held().len(), 1);
    two.abort();
    assert!(two.await.expect_err("aborted").is_cancelled());
    mute.nothing_held().await;
    assert_eq!(mute.fake.released(), vec![("fake-0".to_owned(), ReleaseReason::Unfinished)]);
    assert_eq!(pool.statuses()[0].state, ServerState::Idle);
    // The next one who wants it does not meet the attempt that was given up.
    let _three = spawn(&pool, &Owner::Shared);
    mute.peer().await;
    assert_eq!(mute.fake.provisions(), 2);
}

struct Sink(Mutex<Vec<String>>);

impl ProgressSink for Sink {
    fn report(&self, progress: Progress) {
        self.0.lock().unwrap().push(progress.text);
    }
}

#[tokio::test(start_paused = true)]
async fn progress_reaches_those_who_look() {
    let stage = Stage::new(vec![Err(failure(Class::Retryable, "busy")), Ok(legacy(echo))]);
    let sink = Arc::new(Sink(Mutex::default()));
    let pool = stage.pool();
    pool.acquire("a", &Owner::Shared, Some(Arc::clone(&sink) as Arc<dyn ProgressSink>)).await.unwrap();
    assert_eq!(*sink.0.lock().unwrap(), ["waiting 500ms to try again: busy"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_noticed_and_brought_up_anew() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    let client = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    let mut events = pool.events();
    let mut waiting = call(&client, "tools/call", &json!({}));
    stage.peer().await.dies();
    let gone = waiting.next().await.expect_err("gone");
    assert_eq!(gone.to_string(), "the server has gone: its output ended");
    assert!(!client.is_alive());
    assert!(pool.peek("a", &Owner::Shared).is_none());
    let refused = client.request(crate::Outgoing::new("ping")).expect_err("gone");
    assert_eq!(refused.to_string(), "the server has gone: its output ended");
    let again = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    assert!(again.is_alive() && !Arc::ptr_eq(&again, &client));
    let Event::Ended { reason: ReleaseReason::Died, .. } = events.recv().await.unwrap() else { panic!() };
    while stage.fake.held() != ["fake-1"] {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.fake.released(), vec![("fake-0".to_owned(), ReleaseReason::Died)]);
    let status = &pool.statuses()[0];
    assert_eq!(status.state, ServerState::Ready);
    let text = &status.last_failure.as_ref().unwrap().text;
    assert_eq!(text, "the server ended by itself: its output ended");
    let before = status.failed_for.unwrap();
    tokio::time::advance(Duration::from_secs(90)).await;
    assert_eq!(pool.statuses()[0].failed_for.unwrap() - before, Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_dying_is_left_alone_for_longer_and_longer() {
    let mut stage = Stage::one(legacy(silence));
    let pool = stage.pool();
    let mut waits = vec![];
    for _ in 0..9 {
        let start = Instant::now();
        pool.acquire("a", &Owner::Shared, None).await.unwrap();
        waits.push(start.elapsed().as_millis());
        stage.peer().await.dies();
        stage.nothing_held().await;
    }
    assert_eq!(waits, [0, 0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000]);
    assert_eq!(pool.statuses()[0].state, ServerState::BackingOff);
    // One that lived for a while starts at the beginning.
    pool.acquire("a", &Owner::Shared, None).await.unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    stage.peer().await.dies();
    stage.nothing_held().await;
    let start = Instant::now();
    pool.acquire("a", &Owner::Shared, None).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_cap_evicts_the_idlest_and_refuses_when_all_are_busy() {
    let stage = Stage::one(legacy(silence));
    let pool = stage.pool_with(PoolConfig { cap: Some(2), ..Default::default() });
    let one = pool.acquire("a", &session("1"), None).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let two = pool.acquire("a", &session("2"), None).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let busy = call(&one, "tools/call", &json!({}));
    let three = pool.acquire("a", &session("3"), None).await.unwrap();
    while two.is_alive() {
        tokio::task::yield_now().await;
    }
    assert!(one.is_alive() && three.is_alive());
    let also_busy = call(&three, "tools/call", &json!({}));
    let refused = pool.acquire("a", &session("4"), None).await.expect_err("all busy");
    assert_eq!(refused.to_string(), "all 2 clients that the gateway may keep are busy");
    drop((busy, also_busy));
    pool.acquire("a", &session("4"), None).await.unwrap();
    assert_eq!(pool.statuses()[0].clients, 2);
    while stage.fake.held().len() != 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_set_of_servers_keeps_what_did_not_change() {
    let stage = Stage::one(legacy(silence));
    let entries = |names: &[&str]| -> Vec<ServerEntry> {
        names.iter().map(|name| stage.entry(name, Lifetime::Shared)).collect()
    };
    let pool = Pool::new(entries(&["a", "b", "c"]), PoolConfig::default());
    let mut clients = vec![];
    for name in ["a", "b", "c"] {
        clients.push(pool.acquire(name, &Owner::Shared, None).await.unwrap());
    }
    let mut working = call(&clients[2], "tools/call", &json!({}));
    let mut set = entries(&["a", "b", "d"]);
    Arc::make_mut(&mut set[1].spec).settings = r#"{"changed":true}"#.to_owned();
    pool.replace_servers(set);
    assert!(Arc::ptr_eq(&pool.peek("a", &Owner::Shared).unwrap(), &clients[0]));
    assert!(pool.peek("b", &Owner::Shared).is_none());
    let names: Vec<_> = pool.statuses().iter().map(|status| status.name.to_string()).collect();
    assert_eq!(names, ["a", "b", "d"]);
    assert!(matches!(pool.acquire("c", &Owner::Shared, None).await, Err(AcquireError::UnknownServer(_))));
    // The changed one had nothing to do and is gone; the removed one may finish its call until the drain is over.
    while clients[1].is_alive() {
        tokio::task::yield_now().await;
    }
    assert!(clients[2].is_alive());
    let start = Instant::now();
    let gone = working.next().await.expect_err("cut");
    assert_eq!(gone.to_string(), "the server has gone: the server was removed or changed");
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    let new = pool.acquire("b", &Owner::Shared, None).await.unwrap();
    assert!(!Arc::ptr_eq(&new, &clients[1]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_changes_while_it_comes_up_comes_up_as_the_new_one() {
    let mut stage = Stage::new(vec![Ok(Arc::new(silence)), Ok(legacy(echo))]);
    let pool = stage.pool();
    let waiter = spawn(&pool, &Owner::Shared);
    stage.peer().await.sees("server/discover").await;
    let mut entry = stage.entry("a", Lifetime::Session);
    Arc::make_mut(&mut entry.spec).user = Some("nobody".to_owned());
    pool.replace_servers(vec![entry]);
    assert!(waiter.await.unwrap().unwrap().is_alive());
    assert_eq!(stage.fake.held(), ["fake-1"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_started_to_list_becomes_the_first_sessions_own() {
    let mut stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    let lister = pool.acquire_to_list("a").await.unwrap();
    let own = pool.acquire("a", &session("one"), None).await.unwrap();
    assert!(Arc::ptr_eq(&lister, &own));
    assert_eq!((own.owner(), stage.fake.provisions()), (session("one"), 1));
    assert!(pool.peek("a", &Owner::Shared).is_none());
    let two = pool.acquire("a", &session("two"), None).await.unwrap();
    assert!(!Arc::ptr_eq(&own, &two));
    // What it says from now on, it says to its session.
    let mut events = pool.events();
    stage.peer().await.says(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    let Event::ListChanged { owner, .. } = events.recv().await.unwrap() else { panic!() };
    assert_eq!(owner, session("one"));
    pool.end_session("one");
    own.ended().await;
    let Event::Ended { owner, .. } = events.recv().await.unwrap() else { panic!() };
    assert_eq!(owner, session("one"));
    while stage.fake.held() != ["fake-1"] {
        tokio::task::yield_now().await;
    }
    assert!(two.is_alive());
    assert_eq!(pool.statuses()[0].clients, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_for_what_is_being_started_to_list() {
    let stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    let lister = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.acquire_to_list("a").await })
    };
    tokio::task::yield_now().await;
    // Only one of them can have it, and the other does not wait for it in vain.
    let (one, two) = (spawn(&pool, &session("one")), spawn(&pool, &session("two")));
    let (lister, one) = (lister.await.unwrap().unwrap(), one.await.unwrap().unwrap());
    assert!(Arc::ptr_eq(&lister, &one));
    assert!(!Arc::ptr_eq(&one, &two.await.unwrap().unwrap()));
    assert_eq!(stage.fake.provisions(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_others_share_for_calls_stays_theirs() {
    let stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    let shared = pool.acquire_to_list("a").await.unwrap();
    assert!(pool.peek("a", &Owner::Shared).is_some());
    let own = pool.acquire("a", &session("s"), None).await.unwrap();
    assert!(!Arc::ptr_eq(&shared, &own) && shared.is_alive());
    // Somebody who shares it comes while it starts.
    let stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    let shared = spawn(&pool, &Owner::Shared);
    tokio::task::yield_now().await;
    let own = pool.acquire("a", &session("s"), None).await.unwrap();
    assert!(!Arc::ptr_eq(&shared.await.unwrap().unwrap(), &own));
    // Somebody without a session wants to hear of changes.
    let stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    let kept = pool.acquire_to_list("a").await.unwrap();
    pool.keep_listers();
    let own = pool.acquire("a", &session("s"), None).await.unwrap();
    pool.listed("a");
    assert!(!Arc::ptr_eq(&kept, &own) && kept.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_told_of_another_client_is_not_handed_over_and_ends_when_nobody_needs_it() {
    let stage = Stage::one(legacy(echo));
    let pool = stage.pool();
    pool.declare("s", Declared::of(br#"{"sampling":{}}"#));
    let lister = pool.acquire_to_list("a").await.unwrap();
    let busy = call(&lister, "tools/list", &json!({}));
    let own = pool.acquire("a", &session("s"), None).await.unwrap();
    assert!(!Arc::ptr_eq(&lister, &own));
    // It is still at it, and then it is not.
    assert!(lister.is_alive());
    answer(busy).await;
    pool.listed("a");
    lister.ended().await;
    while stage.fake.held() != ["fake-1"] {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.fake.released(), vec![("fake-0".to_owned(), ReleaseReason::Ended)]);
    assert!(own.is_alive());

    // A modern server is told with each call, so any client will do.
    let stage = Stage::one(modern(echo));
    let pool = stage.pool();
    pool.declare("s", Declared::of(br#"{"sampling":{}}"#));
    let lister = pool.acquire_to_list("a").await.unwrap();
    assert!(Arc::ptr_eq(&lister, &pool.acquire("a", &session("s"), None).await.unwrap()));
}
