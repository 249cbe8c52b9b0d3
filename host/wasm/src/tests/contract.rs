//! Rules of the contract that no other area has: resuming, states, generated secrets, bounds, categories.

use super::*;
use host_provisioner::{Class, Connection, Egress, File, ReleaseReason, Streams, Value, Variable};
use tokio::io::{AsyncBufReadExt, BufReader};

/// The next attempt of the same request.
fn again(call: &Call) -> Call {
    Call { attempt: call.attempt + 1, ..call.clone() }
}

fn misbehaving(name: &str, arguments: &[&str], change: impl FnOnce(&mut ServerSpec)) -> Arc<ServerSpec> {
    let mut spec = ServerSpec::clone(&server(name));
    spec.workload = Workload::Component {
        path: test_artifacts::guest("misbehave"),
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
    };
    change(&mut spec);
    Arc::new(spec)
}

async fn printed(provisioned: Provisioned) -> String {
    let Connection::Streams(Streams { stdout, .. }) = provisioned.connection else {
        panic!("streams expected")
    };
    let (mut text, mut stdout) = (String::new(), BufReader::new(stdout));
    while stdout.read_line(&mut text).await.unwrap() > 0 {}
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_ends_with_later_is_resumed_with_all_it_left() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = server("later 2 resumed");
    let first = call();
    let one = plugin.provision(&first, &server).await.unwrap_err();
    let second = again(&first);
    let two = plugin.provision(&second, &server).await.unwrap_err();
    let done = plugin.provision(&again(&second), &server).await.unwrap();
    let request = done.lease.request.clone();
    // One request, counted up; what is known grows.
    assert_eq!(one.text, format!("{request} 1: nothing"));
    assert_eq!(two.text, format!("{request} 2: after 1 t1"));
    let state = String::from_utf8(done.lease.state.clone().unwrap().data).unwrap();
    assert_eq!(state, format!("{request} 3: after 2 t1,t2"));
    // Nothing was released in between, and all of it is one lease.
    assert_eq!(fixture.host.ledger.open().len(), 1);
    assert!(Log::lines_with(&format!("release {}", server.id)).is_empty());
    plugin.release(&call(), &done.lease, ReleaseReason::Ended).await.unwrap();
    let line = Log::lines_with(&format!("release {}", server.id)).remove(0);
    assert!(line.contains("objects=t1,t2 reason=ReleaseReason::Ended"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_nobody_repeats_is_released_and_its_request_never_comes_back() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    // Because nobody waits any more.
    let server = server("later 9 cancelled");
    let first = call();
    let one = plugin.provision(&first, &server).await.unwrap_err();
    assert_eq!(fixture.host.ledger.open().len(), 1);
    first.cancelled.cancel();
    eventually("it is released", || fixture.host.ledger.open().is_empty()).await;
    let line = Log::lines_with(&format!("release {}", server.id)).remove(0);
    assert!(line.contains("state=after 1 objects=t1 reason=ReleaseReason::Unfinished"), "{line}");
    let mut second = again(&first);
    second.cancelled = tokio_util::sync::CancellationToken::new();
    let two = plugin.provision(&second, &server).await.unwrap_err();
    assert!(two.text.ends_with(" 1: nothing"), "{}", two.text);
    assert_ne!(two.text, one.text, "another request");
    // Because its time is over: at once when the platform says "not before" a time that does not come.
    let server = super::server("says 600000 too late");
    let mut short = call();
    short.deadline = std::time::Instant::now() + Duration::from_secs(300);
    let failure = plugin.provision(&short, &server).await.unwrap_err();
    assert_eq!(failure.class, Class::Quota, "{failure:?}");
    // Because the gateway ends: the last one is still open, and is taken down by the end.
    assert_eq!(fixture.host.ledger.open().len(), 1);
    assert!(fixture.host.shutdown(LONG).await.is_empty());
    assert!(fixture.host.ledger.open().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_is_kept_until_the_deadline_of_its_request() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let mut first = call();
    // Long enough for one call, short enough to be waited for.
    first.deadline = std::time::Instant::now() + Duration::from_secs(3);
    let server = server("later 9 left alone");
    plugin.provision(&first, &server).await.unwrap_err();
    eventually("it is released", || fixture.host.ledger.open().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_are_optional_and_of_versions_that_the_plugin_reads() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    // Without a state the lease is there all the same, and is released.
    let stateless = server("stateless");
    let lease = plugin.provision(&call(), &stateless).await.unwrap().lease;
    assert_eq!(lease.state, None);
    plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    assert_eq!(Log::lines_with(&format!("release {}", stateless.id)).len(), 1);
    let lease = provision(&plugin, "checkpoint-stays").await.unwrap().lease;
    assert_eq!(lease.state.unwrap().data, b"kept");
    for (name, what) in [
        ("state 7", "it returned state of version 7, which it does not read"),
        ("checkpoint-unread 7", "it checkpointed state of version 7, which it does not read"),
    ] {
        let failure = refusal(&plugin, name).await;
        let text = format!("plugin `p` broke the contract: {what}");
        assert!(failure.text.starts_with(&text), "{}", failure.text);
        assert_eq!(failure.class, Class::Permanent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_another_version_is_withheld() {
    Log::start();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let server = server("state 1 withheld");
    {
        let fixture = Fixture::in_folder(Arc::clone(&dir), 2);
        let plugin = fixture.plugin().await;
        plugin.provision(&call(), &server).await.unwrap();
        fixture.host.ledger.abandon();
    }
    // The next run has a plugin that does not know version 1.
    let fixture = Fixture::in_folder(Arc::clone(&dir), 3);
    let source = PluginSource::Bytes(directed("name=hostile;version=2.0.0;reads=2"));
    let _plugin = fixture.plugin_with(|spec| spec.source = source).await;
    assert!(fixture.host.work_off(LONG).await.is_empty());
    let line = Log::lines_with(&format!("release {}", server.id)).remove(0);
    assert!(line.contains("state= objects= reason=ReleaseReason::Orphaned version=1.0.0 by=2.0.0"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_secret_reaches_the_workload_and_not_the_plugin() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = misbehaving("component-generated", &["environment"], |_| {});
    let provisioned = plugin.provision(&call(), &server).await.unwrap();
    let lease = provisioned.lease.clone();
    let text = printed(provisioned).await;
    let record = fixture.host.ledger.find(&lease.id).unwrap();
    let value = record.generated.value("adapter").unwrap();
    assert!(text.contains(&format!("ADAPTER=Bearer {}", value.as_str())), "{text}");
    // It could tell the plugin by its exit code.
    eventually("it has ended", || fixture.host.config.embedded.workloads().is_empty()).await;
    let health = plugin.probe(&call(), &lease).await.unwrap();
    assert_eq!((health.text.as_str(), health.exit_code), ("WorkloadStatus::Ended: it has ended", None));
    let ledger = std::fs::read_to_string(fixture.ledger_files().remove(0)).unwrap();
    assert!(!ledger.contains(value.as_str()));
    plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    assert!(record.generated.value("adapter").is_none(), "gone with the lease");
    let failure =
        plugin.provision(&call(), &misbehaving("component-not-generated", &["environment"], |_| {})).await;
    let failure = failure.map(|_| ()).unwrap_err();
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Config, "no secret `never made` was generated for this lease")
    );
    assert!(provision(&plugin, "generates 63").await.is_ok());
    let failure = refusal(&plugin, "generates 64").await;
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Quota, "one lease has at most 64 generated secrets")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_workload_with_secrets_ended_is_not_told() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    for (name, secret) in [("component open", false), ("component closed", true)] {
        // WASI 0.2 knows success and failure; the engine calls the latter 1.
        let server = misbehaving(name, &["exit", "7"], |spec| {
            if secret {
                spec.secrets = vec!["token".to_owned()];
                let value = Value::Secret("token".to_owned());
                spec.environment = vec![Variable { name: "TOKEN".to_owned(), value }];
            }
        });
        fixture.resolver.declare(server.id.as_str(), ["token".to_owned()]);
        let lease = plugin.provision(&call(), &server).await.unwrap().lease;
        eventually("it has ended", || fixture.host.config.embedded.workloads().is_empty()).await;
        let health = plugin.probe(&call(), &lease).await.unwrap();
        let (text, code) = match secret {
            false => ("WorkloadStatus::Ended: ended by itself with exit code 1", Some(1)),
            true => ("WorkloadStatus::Ended: it has ended", None),
        };
        assert_eq!((health.text.as_str(), health.exit_code), (text, code));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_placed_as_the_entry_has_them_and_go_with_the_workload() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let of = |name: &str, arguments: &[&str]| {
        let server = misbehaving(name, arguments, |spec| {
            spec.secrets = vec!["token".to_owned()];
            let content = Value::Joined(vec![
                host_provisioner::Part::Text("token = ".to_owned()),
                host_provisioner::Part::Secret("token".to_owned()),
            ]);
            let path = "/etc/notes/notes.conf".to_owned();
            spec.files = vec![File { path, content, mode: 0o400 }];
        });
        fixture.resolver.declare(server.id.as_str(), ["token".to_owned()]);
        server
    };
    let server = of("component reads", &["read-file", "/etc/notes/notes.conf"]);
    let provisioned = plugin.provision(&call(), &server).await.unwrap();
    let lease = provisioned.lease.clone();
    assert_eq!(printed(provisioned).await, "ok token = hunter2\n");
    plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    let server = of("component writes", &["write-file", "/etc/notes/notes.conf"]);
    let text = printed(plugin.provision(&call(), &server).await.unwrap()).await;
    assert!(text.starts_with("error"), "{text}");
    // Only lock files are left: nothing with a value in it.
    let files = fixture.dir.path().join("files");
    eventually("nothing is left", || {
        let folders = std::fs::read_dir(&files).unwrap().flatten().filter(|entry| entry.path().is_dir());
        folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap()).count() == 0
    })
    .await;
    let foreign = "the file `/etc/notes/notes.conf` is not one of this call's server";
    for (name, text) in [
        ("component-file", "the file `/etc/passwd` is not one of this call's server"),
        ("component-file-content", foreign),
        ("component-file-mode", foreign),
    ] {
        let failure = plugin.provision(&call(), &of(name, &["environment"])).await.map(|_| ()).unwrap_err();
        assert_eq!((failure.class, failure.text.as_str()), (Class::Permission, text));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_reaches_only_what_its_entry_names() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let nowhere = "the embedded engine lets a server out only to what is named";
    let evil = "destination `evil.example:443` is not one of server `component-destination`";
    for (name, egress, class, text) in [
        // Without `allowHosts` nothing was named, and without a grant of the operator nobody else can say where.
        ("component-destination", Egress::Unrestricted, Class::Permission, evil),
        ("component-destination", Egress::None, Class::Permission, evil),
        ("component-unrestricted", Egress::Unrestricted, Class::Unsupported, nowhere),
        ("component-public", Egress::Unrestricted, Class::Unsupported, nowhere),
    ] {
        let mut spec = ServerSpec::clone(&server(name));
        spec.egress = egress;
        let failure = plugin.provision(&call(), &Arc::new(spec)).await.map(|_| ()).unwrap_err();
        assert_eq!((failure.class, failure.text.as_str()), (class, text));
    }
    // With a grant, its hosts are what an entry without `allowHosts` may reach.
    let granted = fixture
        .plugin_with(|spec| {
            let hosts = Some(vec!["evil.example:443".parse().unwrap()]);
            spec.grants.embedded = Some(EmbeddedGrant { hosts, ..EmbeddedGrant::default() });
        })
        .await;
    assert!(provision(&granted, "component-destination").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_runs_nothing_to_its_end_when_no_tool_was_called() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let failure = refusal(&plugin, "unwanted-run").await;
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Permission, "`embedded.run` is for tools, inside `container-runtime.run`")
    );
    let failure = refusal(&plugin, "component-unknown-value").await;
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Unsupported, "this variable holds what this gateway does not know")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_come_up_is_not_remembered() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let text = fixture.dir.path().join("text.wasm");
    std::fs::write(&text, "no component").unwrap();
    let mut spec = ServerSpec::clone(&server("component"));
    spec.workload = Workload::Component { path: text, arguments: Vec::new() };
    for _ in 0..3 {
        let failure = plugin.provision(&call(), &Arc::new(spec.clone())).await.unwrap_err();
        assert_eq!(failure.class, Class::Image, "{failure:?}");
    }
    assert_eq!(fixture.host.workloads.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_have_bounds_wherever_a_plugin_can_put_much() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let list = "plugin `p` gave more than the contract's limit of 4096 entries of a list";
    let text = "plugin `p` gave more than the contract's limit of 65536 bytes of text";
    let another = "plugin `p` broke the contract: it refused `another-1`, which it was not given";
    for (name, expected) in
        [("refuses-too-many", list), ("refuses-too-long", text), ("refuses-another", another)]
    {
        let failure = plugin.prepare(&call(), &[server(name)]).await.unwrap_err();
        assert_eq!((failure.class, failure.text.as_str()), (Class::Permanent, expected));
    }
    let failure = plugin.validate(&call(), &server("findings-too-many")).await.unwrap_err();
    assert_eq!(failure.text, list);
    let lease = provision(&plugin, "ok resists at length").await.unwrap().lease;
    let failure = plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap_err();
    assert_eq!(failure.text, text);
    let source = PluginSource::Bytes(directed("name=long-end;version=1.0.0;reads=1"));
    let long = fixture
        .plugin_with(|spec| {
            spec.name = "long".to_owned();
            spec.source = source;
        })
        .await;
    long.prepare(&call(), &[]).await.unwrap();
    let failure = long.shutdown(&call()).await.unwrap_err();
    assert_eq!(failure.text, text.replace("`p`", "`long`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn categories_keep_their_meaning() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    for (name, class) in [
        ("fails 0", Class::NotFound),
        ("fails 1", Class::Conflict),
        ("fails 2", Class::Unsupported),
        ("fails 3", Class::Permanent),
    ] {
        assert_eq!(refusal(&plugin, name).await.class, class, "{name}");
    }
}
