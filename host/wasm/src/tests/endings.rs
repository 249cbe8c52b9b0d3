//! What is left after a call that did not come to its end, after a crash, and at the end of the gateway.

use super::*;
use host_provisioner::{Class, ReleaseReason};

/// The class of the failure of a call that is to trap, and not to fail in any other way.
async fn trapped(plugin: &Plugin, server: &Arc<ServerSpec>) -> Class {
    let failure = plugin.provision(&call(), server).await.unwrap_err();
    assert!(failure.text.starts_with("plugin `p` gave up (a panic or an abort)"), "{failure:?}");
    failure.class
}

/// Whether a server was released, and how: the fields that the plugin logged.
async fn released(id: &str) -> String {
    let word = format!("release {id}");
    eventually(&word, || !Log::lines_with(&word).is_empty()).await;
    Log::lines_with(&word).remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_after_a_checkpoint_is_cleaned_up_from_it() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = server("checkpoint-trap one");
    assert_eq!(trapped(&plugin, &server).await, Class::Permanent);
    let line = released(server.id.as_str()).await;
    assert!(line.contains("state=halfway objects= reason=ReleaseReason::Unfinished version=1.0.0"), "{line}");
    eventually("nothing is open", || fixture.host.ledger.open().is_empty()).await;
    // Without anything noted there is nothing to release.
    let server = super::server("trap two");
    assert_eq!(trapped(&plugin, &server).await, Class::Permanent);
    assert!(fixture.host.shutdown(LONG).await.is_empty());
    assert!(Log::lines_with(&format!("release {}", server.id)).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_is_cleaned_up_with_all_it_noted() {
    struct Seen(tokio::sync::Notify);
    impl host_provisioner::ProgressSink for Seen {
        fn report(&self, _: host_provisioner::Progress) {
            self.0.notify_one();
        }
    }
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = server("checkpoint-hang one");
    let seen = Arc::new(Seen(tokio::sync::Notify::new()));
    let mut call = call();
    call.progress = Some(Arc::<Seen>::clone(&seen));
    tokio::select! {
        _ = plugin.provision(&call, &server) => panic!("it never answers"),
        () = seen.0.notified() => {}
    }
    let line = released(server.id.as_str()).await;
    assert!(line.contains("state=halfway objects=t2 reason=ReleaseReason::Unfinished"), "{line}");
    eventually("nothing is open", || fixture.host.ledger.open().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_noted_is_on_disk_before_the_call_goes_on() {
    struct Look(PathBuf, Mutex<String>);
    impl host_provisioner::ProgressSink for Look {
        fn report(&self, _: host_provisioner::Progress) {
            let file = std::fs::read_dir(&self.0).unwrap().flatten().next().unwrap().path();
            *self.1.lock().unwrap() = std::fs::read_to_string(file).unwrap();
        }
    }
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let look = Arc::new(Look(fixture.dir.path().join("state/ledger"), Mutex::default()));
    let mut call = call();
    call.progress = Some(Arc::<Look>::clone(&look));
    let server = server("checkpoint-hang two");
    let provision = plugin.provision(&call, &server);
    tokio::select! {
        _ = provision => panic!("it never answers"),
        () = eventually("progress", || !look.1.lock().unwrap().is_empty()) => {}
    }
    let text = look.1.lock().unwrap().clone();
    let entries: Vec<&str> = text.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!(entries, ["begin", "state", "object", "object", "forget"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_start_works_off_what_a_dead_run_left() {
    Log::start();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let (one, two, gone) = (server("state 1 one"), server("state 1 two"), server("state 1 gone"));
    let dead = {
        let fixture = Fixture::in_folder(Arc::clone(&dir), 2);
        let plugin = fixture.plugin().await;
        let other = fixture.plugin_with(|spec| spec.name = "other".to_owned()).await;
        plugin.prepare(&call(), &[]).await.unwrap();
        plugin.provision(&call(), &one).await.unwrap();
        plugin.provision(&call(), &two).await.unwrap();
        other.provision(&call(), &gone).await.unwrap();
        // As a crash would have it: nothing is said to anybody, only the lock goes.
        fixture.host.ledger.abandon();
        RunId::from_bits(2)
    };
    let fixture = Fixture::in_folder(Arc::clone(&dir), 3);
    assert_eq!(fixture.host.ledger.liveness(dead.as_str()), crate::ledger::Liveness::Dead);
    let found = fixture.host.abandoned().await;
    // Whoever ends now leaves all of it to the next start.
    assert_eq!(fixture.host.not_worked_off().len(), found.len());
    // What `prepare` made has no server.
    let servers = found.iter().filter(|lease| !lease.server_name.is_empty());
    let names: Vec<_> = servers.map(|lease| (lease.server_name.as_str(), lease.session.as_str())).collect();
    let session = dead.as_str();
    assert_eq!(names, [("state 1 one", session), ("state 1 two", session), ("state 1 gone", session)]);

    let _plugin = fixture.plugin().await;
    let left = fixture.host.work_off(LONG).await;
    assert_eq!(left.len(), 1);
    let rest: Vec<_> = fixture.host.not_worked_off().into_iter().map(|lease| lease.id).collect();
    assert_eq!(rest, [left[0].lease.id.as_str()]);
    assert_eq!(left[0].failure.text, "plugin `other`, which made it, is not loaded");
    assert_eq!(
        left[0].failure.hint.as_deref(),
        Some("start the gateway once with plugin `other`, or remove the objects by hand")
    );
    for server in [&one, &two] {
        let line = released(server.id.as_str()).await;
        assert!(
            line.contains(&format!("state={} objects= reason=ReleaseReason::Orphaned", server.id)),
            "{line}"
        );
    }
    let line = Log::lines_with(&format!("session={session}")).remove(0);
    assert!(line.contains("shutdown") && line.contains("objects=shared"), "{line}");
    assert_eq!(fixture.host.ledger.liveness(session), crate::ledger::Liveness::Dead);
    // What could not be released is in this run's ledger now, and only there.
    assert_eq!(fixture.ledger_files().len(), 1);
    assert_eq!(fixture.host.ledger.open()[0].begin.server_name, "state 1 gone");
    let left = fixture.host.shutdown(LONG).await;
    assert_eq!(left.len(), 1);
    assert_eq!(fixture.ledger_files().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_fails_stays_in_the_ledger_and_is_reported_at_the_end() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = server("ok resists");
    let provisioned = plugin.provision(&call(), &server).await.unwrap();
    let failure = plugin.release(&call(), &provisioned.lease, ReleaseReason::Ended).await.unwrap_err();
    assert_eq!(failure.text, "it does not go away");
    let left = fixture.host.shutdown(LONG).await;
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].lease.server_name.as_str(), left[0].failure.text.as_str()),
        ("ok resists", "it does not go away")
    );
    assert_eq!(fixture.ledger_files().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_goes_on_without_its_caller_and_a_second_one_finds_nothing_to_do() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = server("ok goes-on");
    let lease = plugin.provision(&call(), &server).await.unwrap().lease;
    let called = call();
    {
        let release = std::pin::pin!(plugin.release(&called, &lease, ReleaseReason::Ended));
        // Begun, then given up.
        let _ = futures_poll(release);
    }
    released(server.id.as_str()).await;
    eventually("nothing is open", || fixture.host.ledger.open().is_empty()).await;
    plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    assert_eq!(Log::lines_with(&format!("release {}", server.id)).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_whose_release_hangs_does_not_keep_the_others_from_cleaning_up() {
    let fixture = Fixture::new();
    let hanging = fixture.plugin().await;
    let other = fixture.plugin_with(|spec| spec.name = "other".to_owned()).await;
    let lease = provision(&other, "ok").await.unwrap().lease;
    let mut releases = tokio::task::JoinSet::new();
    // More than there are places for one plugin's clean-up, or were for everybody's.
    for _ in 0..100 {
        let lease = provision(&hanging, "ok hangs").await.unwrap().lease;
        let plugin = Arc::clone(&hanging);
        releases.spawn(async move { plugin.release(&call(), &lease, ReleaseReason::Ended).await });
    }
    eventually("all places taken", || hanging.clean_up.available_permits() == 0).await;
    other.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    assert_eq!(hanging.clean_up.available_permits(), 0, "it was not waited for");
    assert!(provision(&hanging, "ok").await.is_ok(), "nor do its own starts wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_hangs_leaves_time_for_what_all_servers_share_and_is_named() {
    Log::start();
    let fixture = Fixture::in_folder(Arc::new(tempfile::tempdir().unwrap()), 78);
    let plugin = fixture.plugin().await;
    plugin.prepare(&call(), &[]).await.unwrap();
    let lease = provision(&plugin, "ok hangs").await.unwrap().lease;
    let left = fixture.host.shutdown(Duration::from_secs(6)).await;
    let session = RunId::from_bits(78);
    let session = session.as_str();
    assert_eq!(left.iter().map(|behind| &behind.lease.id).collect::<Vec<_>>(), [&lease.id]);
    let line = left[0].to_string();
    assert!(line.starts_with(&format!("server `ok hangs` of session {session} is still there: ")), "{line}");
    let line = Log::lines_with(&format!("session={session}")).remove(0);
    assert!(line.contains("shutdown") && line.contains("objects=shared"), "{line}");
}

#[test]
fn what_is_left_behind_is_told_with_its_objects_and_harmless() {
    let objects = |count| {
        let object = |n| host_provisioner::ObjectRef {
            kind: "AWS::Logs::LogGroup".to_owned(),
            scope: "eu-central-1".to_owned(),
            name: format!("/mcp/{n}\u{1b}"),
        };
        (0..count).map(object).collect::<Vec<_>>()
    };
    let mut behind = LeftBehind {
        lease: host_provisioner::Lease {
            id: "s-1".to_owned(),
            server_id: host_provisioner::ServerId::from_name(""),
            server_name: String::new(),
            session: "s".to_owned(),
            request: String::new(),
            state: None,
            objects: objects(1),
            plugin: "cloud-ecs".to_owned(),
            plugin_version: String::new(),
            plugin_digest: String::new(),
        },
        failure: Failure::new(host_provisioner::Phase::Shutdown, Class::Retryable, "it does not go"),
    };
    assert_eq!(
        behind.to_string(),
        r"what plugin `cloud-ecs` made for all servers of session s is still there (AWS::Logs::LogGroup `/mcp/0\u{1b}`): it does not go"
    );
    "notes".clone_into(&mut behind.lease.server_name);
    behind.lease.objects = objects(8);
    let line = behind.to_string();
    assert!(
        line.starts_with("server `notes` of session s is still there (AWS::Logs::LogGroup `/mcp/0"),
        "{line}"
    );
    assert!(line.ends_with("`/mcp/4\\u{1b}`, 3 more): it does not go"), "{line}");
    behind.lease.objects.clear();
    assert_eq!(behind.to_string(), "server `notes` of session s is still there: it does not go");
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_prepare_refused_is_not_provisioned_and_what_it_made_is_ended() {
    Log::start();
    let fixture = Fixture::in_folder(Arc::new(tempfile::tempdir().unwrap()), 77);
    let plugin = fixture.plugin().await;
    plugin.prepare(&call(), &[server("refused"), server("ok")]).await.unwrap();
    assert_eq!(refusal(&plugin, "refused").await.text, "it is not wanted here");
    let lease = provision(&plugin, "ok").await.unwrap().lease;
    plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    assert!(fixture.host.shutdown(LONG).await.is_empty());
    let line = Log::lines_with(&format!("session={}", RunId::from_bits(77).as_str())).remove(0);
    assert!(line.contains("objects=shared"), "{line}");
    assert_eq!(fixture.ledger_files(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_cannot_be_written_lets_nothing_be_created() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(fixture.dir.path().join("state")).unwrap();
    std::fs::write(fixture.dir.path().join("state/ledger"), "in the way").unwrap();
    let plugin = fixture.plugin().await;
    for name in ["ok", "checkpoint-trap", "component"] {
        let failure = refusal(&plugin, name).await;
        assert!(
            failure.text.starts_with("the gateway's ledger cannot be written: "),
            "{name}: {}",
            failure.text
        );
        assert_eq!(failure.class, host_provisioner::Class::Retryable);
    }
    assert!(fixture.host.config.embedded.workloads().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_broke_can_be_made_again() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let lease = provision(&plugin, "reconnects").await.unwrap().lease;
    let again = plugin.reconnect(&call(), &lease).await.unwrap().unwrap();
    assert!(matches!(again.connection, host_provisioner::Connection::Tcp(_, 7)));
    assert!(again.same_process);
    assert_eq!(again.lease.state.map(|state| state.data).as_deref(), Some(b"again".as_slice()));
    let state = fixture.host.ledger.find(&lease.id).unwrap().last_state().unwrap();
    assert_eq!(state.data, b"again");
    // With another process behind it the lease stays, and so does its state, which the plugin did not replace.
    let lease = provision(&plugin, "reconnects-anew").await.unwrap().lease;
    let again = plugin.reconnect(&call(), &lease).await.unwrap().unwrap();
    assert!(!again.same_process);
    assert_eq!((again.lease.id, again.lease.state), (lease.id, lease.state));
    let lease = provision(&plugin, "ok").await.unwrap().lease;
    assert!(plugin.reconnect(&call(), &lease).await.unwrap().is_none());
}
