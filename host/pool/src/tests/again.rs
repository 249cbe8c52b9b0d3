//! Servers that live although their connection broke: shared ones get another one, where their provisioner knows a way back.

use super::harness::*;
use crate::{Owner, Pool, PoolConfig, ServerEntry};
use host_provisioner::{Lifetime, ReleaseReason};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A shared server, and how often it was brought up.
fn shared(
    stage: &Stage,
    reconnects: bool,
) -> (Arc<Pool>, Arc<std::sync::Mutex<Vec<host_provisioner::Call>>>) {
    let spec = stage.entry("a", Lifetime::Shared).spec;
    let twisted = Twisted { reconnects, ..Twisted::of(&stage.fake) };
    let calls = Arc::clone(&twisted.calls);
    (Pool::new(vec![ServerEntry { spec, provisioner: Arc::new(twisted) }], PoolConfig::default()), calls)
}

#[tokio::test(start_paused = true)]
async fn a_shared_server_that_lives_gets_another_connection() {
    let mut stage = Stage::one(legacy(echo));
    let (pool, calls) = shared(&stage, true);
    let first = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    stage.peer().await.dies();
    while first.is_alive() {
        tokio::task::yield_now().await;
    }
    // Whoever comes meanwhile waits for the way back, and gets no other server.
    let second = pool.acquire("a", &session("s"), None).await.unwrap();
    assert!(second.is_alive());
    stage.peer().await.sees("initialize").await;
    assert_eq!((calls.lock().unwrap().len(), stage.fake.held()), (1, vec!["fake-0".to_owned()]));
    pool.shutdown(Duration::from_secs(1), CancellationToken::new()).await;
    assert_eq!(stage.fake.held(), Vec::<String>::new());
    assert_eq!(stage.fake.released().last(), Some(&("fake-0".to_owned(), ReleaseReason::Shutdown)));
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_way_back_it_is_begun_anew() {
    let mut stage = Stage::one(legacy(echo));
    let (pool, calls) = shared(&stage, false);
    let first = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    stage.peer().await.dies();
    while first.is_alive() {
        tokio::task::yield_now().await;
    }
    let second = pool.acquire("a", &Owner::Shared, None).await.unwrap();
    assert!(second.is_alive());
    while stage.fake.held() != ["fake-1"] {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls.lock().unwrap().len(), 2);
    assert_eq!(stage.fake.released(), [("fake-0".to_owned(), ReleaseReason::Died)]);
}

/// Nobody waits: it is taken down, and none is begun in its place.
#[tokio::test(start_paused = true)]
async fn one_that_nobody_waits_for_is_only_taken_down() {
    let mut stage = Stage::one(legacy(echo));
    let (pool, calls) = shared(&stage, false);
    drop(pool.acquire("a", &Owner::Shared, None).await.unwrap());
    stage.peer().await.dies();
    stage.nothing_held().await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls.lock().unwrap().len(), 1);
    pool.shutdown(Duration::from_secs(1), CancellationToken::new()).await;
}
