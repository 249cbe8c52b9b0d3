//! Many calls at once.

use super::*;
use host_provisioner::Class;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_provisions_at_once_all_succeed() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let begin = std::time::Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let plugin = Arc::clone(&plugin);
        calls.spawn(async move { provision(&plugin, "waits 50").await.unwrap().lease });
    }
    let leases = calls.join_all().await;
    println!("1,000 provisions at once, each of which waits 50 ms: {:?}", begin.elapsed());
    let ids: std::collections::BTreeSet<_> = leases.iter().map(|lease| lease.id.clone()).collect();
    assert_eq!(ids.len(), 1_000);
    assert_eq!(fixture.host.ledger.open().len(), 1_000);
    let mut releases = JoinSet::new();
    for lease in leases {
        let plugin = Arc::clone(&plugin);
        releases.spawn(async move {
            plugin.release(&call(), &lease, host_provisioner::ReleaseReason::Ended).await
        });
    }
    assert!(releases.join_all().await.iter().all(Result::is_ok));
    assert_eq!(fixture.host.ledger.open().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spinning_plugin_does_not_hold_the_others_up() {
    let fixture = Fixture::new();
    let spinning = fixture.plugin_with(|spec| spec.limits.cpu = Duration::from_secs(3)).await;
    let spin = tokio::spawn(async move { refusal(&spinning, "loop").await });
    let plugin = fixture.plugin_with(|spec| spec.name = "q".to_owned()).await;
    for _ in 0..20 {
        assert!(provision(&plugin, "ok").await.is_ok());
    }
    assert!(!spin.is_finished(), "twenty calls must not take as long as one that spins for seconds");
    assert_eq!(
        spin.await.unwrap().hint.unwrap(),
        "if the plugin is right to need that, raise `plugins.p.limits.cpu`"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_place_is_told_to_come_back() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin_with(|spec| spec.limits.concurrency = 1).await;
    let first = call();
    let cancel = first.cancelled.clone();
    let busy = {
        let plugin = Arc::clone(&plugin);
        tokio::spawn(async move { plugin.provision(&first, &server("waits 3600000")).await })
    };
    let mut second = call();
    let failure = loop {
        second.deadline = std::time::Instant::now() + Duration::from_millis(200);
        // The first may not have its place yet.
        match plugin.provision(&second, &server("ok")).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(failure) => break failure,
        }
    };
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Retryable, "plugin `p` is busy: as many calls run as may")
    );
    cancel.cancel();
    assert!(busy.await.unwrap().is_ok());
    assert!(provision(&plugin, "ok").await.is_ok());
}
