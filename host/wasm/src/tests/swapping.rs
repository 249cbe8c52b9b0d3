//! Replacing a plugin while it runs.

use super::*;
use host_provisioner::ReleaseReason;
use std::sync::atomic::AtomicBool;

fn version(version: u32) -> PluginSource {
    PluginSource::Bytes(directed(&format!("name=hostile;version={version}.0.0;reads=1")))
}

/// Provisions per second while the plugin is replaced. What a machine cannot keep up with comes late, and is not left out.
const RATE: u32 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_plugins_file_is_replaced_again_and_again() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("plugin.wasm");
    std::fs::write(&path, hostile()).unwrap();
    let plugin = fixture.plugin_with(|spec| spec.source = PluginSource::File(path.clone())).await;
    let stop = Arc::new(AtomicBool::new(false));
    let begin = std::time::Instant::now();
    let load = {
        let (plugin, stop) = (Arc::clone(&plugin), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_secs(1) / RATE);
            let mut calls = tokio::task::JoinSet::new();
            while !stop.load(Ordering::SeqCst) || calls.len() < RATE as usize {
                beat.tick().await;
                let plugin = Arc::clone(&plugin);
                calls.spawn(async move {
                    let lease = provision(&plugin, "waits 5").await.unwrap().lease;
                    plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
                    lease.plugin_version
                });
            }
            calls.join_all().await
        })
    };
    for round in 1..=20 {
        let source = if round % 5 == 0 {
            hostile().slice(..1000)
        } else {
            match version(round) {
                PluginSource::Bytes(bytes) => bytes,
                _ => unreachable!(),
            }
        };
        let beside = fixture.dir.path().join("plugin.new");
        std::fs::write(&beside, source).unwrap();
        std::fs::rename(&beside, &path).unwrap();
        let replaced = plugin.replace(PluginSource::File(path.clone())).await;
        if round % 5 == 0 {
            let error = replaced.unwrap_err();
            assert_eq!(error.kind, LoadErrorKind::Format);
            assert_eq!(plugin.status().last_error.as_ref(), Some(&error));
            assert_eq!(plugin.status().description.version, format!("{}.0.0", round - 1));
        } else {
            assert_eq!(replaced.unwrap().version, format!("{round}.0.0"));
            assert_eq!(plugin.status().last_error, None);
        }
        assert!(provision(&plugin, "ok").await.is_ok());
    }
    let swapped = begin.elapsed();
    stop.store(true, Ordering::SeqCst);
    // A call that failed has panicked, and joining it panics too.
    let versions = load.await.unwrap();
    let took = begin.elapsed();
    println!(
        "{} provisions and releases in {took:?} ({:.0} per second), none failed, while the file was replaced 20 times within {swapped:?}, \
         every fifth time by a broken one",
        versions.len(),
        f64::from(u32::try_from(versions.len()).unwrap()) / took.as_secs_f64()
    );
    let versions: std::collections::BTreeSet<_> = versions.into_iter().collect();
    assert!(versions.len() > 1, "the load saw more than one version: {versions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_flight_ends_on_the_old_one_which_then_goes() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let old = Arc::downgrade(&plugin.current.load_full());
    let first = call();
    let cancel = first.cancelled.clone();
    let flight = {
        let plugin = Arc::clone(&plugin);
        tokio::spawn(async move { plugin.provision(&first, &server("waits 3600000")).await.unwrap().lease })
    };
    eventually("the call runs", || old.strong_count() > 1).await;
    plugin.replace(version(2)).await.unwrap();
    assert_eq!(provision(&plugin, "ok").await.unwrap().lease.plugin_version, "2.0.0");
    assert!(old.upgrade().is_some());
    cancel.cancel();
    assert_eq!(flight.await.unwrap().plugin_version, "1.0.0");
    eventually("the old one is gone", || old.strong_count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_old_one_made_is_released_by_the_new_one_which_must_understand_it() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = server("state 1 swapped");
    let lease = plugin.provision(&call(), &server).await.unwrap().lease;
    let forgetful = PluginSource::Bytes(directed("name=hostile;version=2.0.0;reads=2,3"));
    let error = plugin.replace(forgetful.clone()).await.unwrap_err();
    assert_eq!(error.kind, LoadErrorKind::Replace);
    assert_eq!(
        error.text,
        "cannot replace version 1.0.0: servers that run have state of version 1, which version 2.0.0 does not read"
    );
    plugin.replace(version(3)).await.unwrap();
    plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    let line = Log::lines_with(&format!("release {}", server.id)).remove(0);
    assert!(line.contains("version=1.0.0 by=3.0.0"), "{line}");
    // Nothing runs any more that it would have to understand.
    plugin.replace(forgetful).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_may_not_ask_for_more_than_was_granted() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let registry = patched("gateway:provisioner/embedded", "gateway:provisioner/registry");
    let error = plugin.replace(PluginSource::Bytes(registry)).await.unwrap_err();
    assert_eq!(error.kind, LoadErrorKind::Grant);
    assert!(provision(&plugin, "ok").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_noticed_however_it_is_written() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("plugin.wasm");
    std::fs::write(&path, hostile()).unwrap();
    let plugin = fixture.plugin_with(|spec| spec.source = PluginSource::File(path.clone())).await;
    let _watch = Watch::new(&plugin).unwrap();
    let bytes = |number: u32| match version(number) {
        PluginSource::Bytes(bytes) => bytes,
        _ => unreachable!(),
    };
    // In place.
    std::fs::write(&path, bytes(2)).unwrap();
    eventually("the second", || plugin.description().version == "2.0.0").await;
    // By renaming.
    let beside = fixture.dir.path().join("plugin.new");
    std::fs::write(&beside, bytes(3)).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    eventually("the third", || plugin.description().version == "3.0.0").await;
    // Half of it, then the whole.
    let whole = bytes(4);
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    eventually("the failure", || plugin.status().last_error.is_some()).await;
    assert_eq!(plugin.description().version, "3.0.0");
    std::fs::write(&path, &whole).unwrap();
    eventually("the fourth", || plugin.description().version == "4.0.0").await;
    eventually("no failure", || plugin.status().last_error.is_none()).await;
    let error = Watch::new(&fixture.plugin().await).err().unwrap();
    assert_eq!(error, "plugin `p` came from no file, so there is nothing to watch");
}
