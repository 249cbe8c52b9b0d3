//! Servers that are components, started through the real engine: honestly, and not.

use super::*;
use host_provisioner::{
    Access, Class, Connection, Egress, Mount, MountSource, ReleaseReason, Streams, Value, Variable,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

fn with(name: &str, change: impl FnOnce(&mut ServerSpec)) -> Arc<ServerSpec> {
    let mut spec = ServerSpec::clone(&server(name));
    change(&mut spec);
    Arc::new(spec)
}

async fn fails(plugin: &Plugin, server: &Arc<ServerSpec>) -> Failure {
    plugin.provision(&call(), server).await.map(|_| ()).expect_err(&server.name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_started_spoken_to_and_taken_down() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let provisioned = provision(&plugin, "component").await.unwrap();
    let Connection::Streams(Streams { mut stdin, stdout, label, .. }) = provisioned.connection else {
        panic!("streams expected")
    };
    assert!(label.starts_with("stdio of component component-"), "{label}");
    let ask = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}\n";
    stdin.write_all(ask.as_bytes()).await.unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(stdout);
    stdout.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("{\"jsonrpc\":\"2.0\",\"id\":7,"), "{line}");
    let engine = &fixture.host.config.embedded;
    assert_eq!(engine.workloads().len(), 1);
    assert_eq!(provisioned.lease.objects[0].name, engine.workloads()[0]);
    let health = plugin.probe(&call(), &provisioned.lease).await.unwrap();
    assert!(health.text.starts_with("WorkloadStatus::Running"), "{health:?}");
    plugin.release(&call(), &provisioned.lease, ReleaseReason::Ended).await.unwrap();
    assert_eq!(engine.workloads().len(), 0);
    assert_eq!(fixture.host.ledger.open().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_started_by_a_call_that_traps_is_stopped() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let failure = refusal(&plugin, "component-trap").await;
    assert!(failure.text.contains("with w"), "{}", failure.text);
    eventually("it is stopped", || fixture.host.config.embedded.workloads().is_empty()).await;
    eventually("nothing is open", || fixture.host.ledger.open().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_whose_release_fails_is_stopped_all_the_same() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let lease = provision(&plugin, "component resists").await.unwrap().lease;
    let failure = plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap_err();
    assert_eq!((failure.class, failure.text.as_str()), (Class::Retryable, "it does not go away"));
    assert_eq!(fixture.host.config.embedded.workloads().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_that_are_not_there_or_no_programs_are_named() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let failure = fails(
        &plugin,
        &with("component", |spec| {
            spec.workload = Workload::Component { path: "/nowhere/x.wasm".into(), arguments: Vec::new() };
        }),
    )
    .await;
    assert!(
        failure.text.starts_with("the component `/nowhere/x.wasm` of server `component` cannot be read: ")
    );
    assert_eq!((failure.class, failure.plugin.as_str()), (Class::Image, "p"));
    let failure = fails(
        &plugin,
        &with("component", |spec| {
            spec.workload = Workload::Bundled { name: "nope".to_owned(), arguments: Vec::new() };
        }),
    )
    .await;
    assert_eq!(failure.text, "the gateway carries no server `nope` inside itself");
    assert_eq!(failure.hint.as_deref(), Some("it carries: echo"));
    let text = fixture.dir.path().join("text.wasm");
    std::fs::write(&text, "hello").unwrap();
    let failure = fails(
        &plugin,
        &with("component", |spec| spec.workload = Workload::Component { path: text, arguments: Vec::new() }),
    )
    .await;
    assert_eq!(failure.class, Class::Image, "{failure:?}");
    assert!(fixture.host.config.embedded.workloads().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_component_of_the_call_with_what_its_entry_has() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let folder = fixture.dir.path().canonicalize().unwrap();
    let mount = |by_operator| Mount {
        source: MountSource::Folder(folder.clone()),
        target: "/data".to_owned(),
        access: Access::ReadOnly,
        options: Vec::new(),
        written: String::new(),
        by_operator,
    };
    for (name, text) in [
        ("component-other", "the component is not that of this call's server".to_owned()),
        ("component-write", "the server's entry allows only reading at `/data`".to_owned()),
        ("component-target", "the mount at `/etc` is not one of this call's server".to_owned()),
        ("component-folder", "the mount at `/data` is not one of this call's server".to_owned()),
        (
            "component-destination",
            "destination `evil.example:443` is not one of server `component-destination`".to_owned(),
        ),
        (
            "component-memory",
            "4000 MiB of memory are more than the 256 MiB that plugin `p` may give".to_owned(),
        ),
    ] {
        let server = with(name, |spec| {
            spec.mounts = vec![mount(true)];
            spec.egress = Egress::Hosts(vec!["api.example:443".to_owned()]);
        });
        let failure = fails(&plugin, &server).await;
        assert_eq!((failure.class, failure.text), (Class::Permission, text));
    }
    let server = with("component", |spec| {
        spec.mounts = vec![mount(true)];
        spec.egress = Egress::Hosts(vec!["api.example:443".to_owned()]);
    });
    assert!(plugin.provision(&call(), &server).await.is_ok());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_only_a_catalogue_asks_for_needs_a_grant() {
    let fixture = Fixture::new();
    let root = fixture.dir.path().canonicalize().unwrap();
    let (granted, secret) = (root.join("granted"), root.join("secret"));
    for folder in [&granted, &secret] {
        std::fs::create_dir(folder).unwrap();
    }
    std::os::unix::fs::symlink(&secret, granted.join("link")).unwrap();
    std::fs::create_dir(granted.join("inner")).unwrap();
    let plugin = fixture
        .plugin_with(|spec| {
            let folders = vec![FolderGrant { path: granted.clone(), access: Access::ReadOnly }];
            spec.grants.embedded = Some(EmbeddedGrant { folders, ..EmbeddedGrant::default() });
        })
        .await;
    let asks = |path: &Path, access| {
        with("component", |spec| {
            let source = MountSource::Folder(path.to_owned());
            spec.mounts = vec![Mount {
                source,
                target: "/data".to_owned(),
                access,
                options: Vec::new(),
                written: String::new(),
                by_operator: false,
            }];
        })
    };
    assert!(plugin.provision(&call(), &asks(&granted.join("inner"), Access::ReadOnly)).await.is_ok());
    let hint = "if it may have it, add the folder to `plugins.p.grants.embedded.folders`";
    let (link, shown) = (granted.join("link"), secret.display());
    for (path, access, rest) in [
        (secret.clone(), Access::ReadOnly, String::new()),
        (granted.join("../secret"), Access::ReadOnly, format!(" (which is `{shown}`)")),
        (link, Access::ReadOnly, format!(" (which is `{shown}`)")),
        (granted.clone(), Access::ReadWrite, " for writing".to_owned()),
    ] {
        let failure = fails(&plugin, &asks(&path, access)).await;
        let text = format!(
            "server `component` asks for the folder `{}`{rest}, which no grant covers",
            path.display()
        );
        assert_eq!((failure.text, failure.hint.as_deref()), (text, Some(hint)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_go_where_the_entry_has_them_and_nowhere_else() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let misbehave = test_artifacts::guest("misbehave");
    let of = |name: &str| {
        let server = with(name, |spec| {
            spec.workload =
                Workload::Component { path: misbehave.clone(), arguments: vec!["environment".to_owned()] };
            spec.secrets = vec!["token".to_owned()];
            let value = Value::Secret("token".to_owned());
            spec.environment = vec![
                Variable { name: "TOKEN".to_owned(), value },
                Variable { name: "PLAIN".to_owned(), value: Value::Text("plain".to_owned()) },
            ];
        });
        fixture.resolver.declare(server.id.as_str(), ["token".to_owned()]);
        server
    };
    fixture.resolver.declare("other-1", ["token".to_owned()]);
    let nowhere = |name: &str, variable: &str| {
        format!(
            "secret `token` may not go into the variable `{variable}`: the entry of server `{name}` does not put it there so"
        )
    };
    for (name, text) in [
        ("component-secret-elsewhere", nowhere("component-secret-elsewhere", "ELSEWHERE")),
        ("component-secret-prefixed", nowhere("component-secret-prefixed", "TOKEN")),
        ("component-secret-of-other", nowhere("component-secret-of-other", "TOKEN")),
        ("component-secret-argument", "secret `token` cannot go into an argument".to_owned()),
        (
            "component-secret-and-argument",
            "the arguments of a server that carries secrets must be those of its entry".to_owned(),
        ),
        (
            "component-secret-and-variable",
            "the variable `LD_PRELOAD` of a server that carries secrets must be that of its entry".to_owned(),
        ),
    ] {
        let failure = fails(&plugin, &of(name)).await;
        assert_eq!((failure.class, failure.text), (Class::Permission, text));
    }
    // The plan, which shows all that the plugin knows, does not know the value; the process does.
    let server = of("component");
    let plan = format!("{:?}", plugin.plan(&call(), &server).await.unwrap());
    assert!(!plan.contains("hunter2"));
    let provisioned = plugin.provision(&call(), &server).await.unwrap();
    let Connection::Streams(Streams { stdout, .. }) = provisioned.connection else {
        panic!("streams expected")
    };
    let mut text = String::new();
    let mut stdout = BufReader::new(stdout);
    while stdout.read_line(&mut text).await.unwrap() > 0 {}
    assert!(text.contains("TOKEN=hunter2") && text.contains("PLAIN=plain"), "{text}");
    fixture.resolver.declare(server.id.as_str(), []);
    let failure = fails(&plugin, &server).await;
    let id = &server.id;
    let text =
        format!("secret `token` is not declared by server `{id}`: name it under `secrets` of its entry");
    assert_eq!((failure.class, failure.text), (Class::Config, text));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workloads_of_others_look_as_if_they_were_not_there() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let other = fixture.plugin_with(|spec| spec.name = "other".to_owned()).await;
    let mine = provision(&plugin, "component").await.unwrap();
    let mut call = call();
    call.client = Some(mine.lease.objects[0].name.clone());
    for plugin in [&other, &plugin] {
        // Another plugin's; and the same plugin's, but in a call for another server.
        let failure = plugin.provision(&call, &server("component-stop-other")).await.unwrap_err();
        assert_eq!(failure.text, "WorkloadStatus::Unknown, 0");
    }
    assert_eq!(fixture.host.config.embedded.workloads().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_is_not_made_of_any_number_of_components() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let failure = refusal(&plugin, "component-many").await;
    assert_eq!(failure.text, "a server may be made of 8 components, and this one has so many");
    eventually("what it started is gone", || fixture.host.config.embedded.workloads().is_empty()).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_the_operators_that_becomes_a_link_is_not_followed() {
    let fixture = Fixture::new();
    let root = fixture.dir.path().canonicalize().unwrap();
    let (folder, secret) = (root.join("folder"), root.join("secret"));
    for folder in [&folder, &secret] {
        std::fs::create_dir(folder).unwrap();
    }
    let plugin = fixture.plugin().await;
    let server = with("component", |spec| {
        let source = MountSource::Folder(folder.clone());
        let target = "/data".to_owned();
        spec.mounts = vec![Mount {
            source,
            target,
            access: Access::ReadWrite,
            options: Vec::new(),
            written: String::new(),
            by_operator: true,
        }];
    });
    assert!(plugin.provision(&call(), &server).await.is_ok());
    std::fs::remove_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&secret, &folder).unwrap();
    let failure = fails(&plugin, &server).await;
    let shown = folder.display();
    assert_eq!(failure.text, format!("the folder `{shown}` is reached through the link `{shown}`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_full_is_a_quota() {
    let fixture = Fixture::new();
    let embedded = EmbeddedEngine::new(EngineConfig { max_workloads: 1, ..EngineConfig::default() }).unwrap();
    let full = PluginHost::new(PluginHostConfig {
        gateway: RunId::from_bits(9),
        session: RunId::from_bits(5),
        state_dir: fixture.dir.path().join("state"),
        cache_dir: Some(shared_cache()),
        embedded,
        docker: Err(host_workload_docker::Error::unconfigured()),
        kubernetes: host_workload_kubernetes::Surroundings::default(),
        outbound: Arc::default(),
        resolver: Arc::clone(&fixture.resolver),
        bundled_servers: BTreeMap::from([("echo".to_owned(), echo())]),
        compile_limit: LONG,
    });
    let plugin = full.load(spec()).await.unwrap();
    let _first = provision(&plugin, "component").await.unwrap();
    let failure = refusal(&plugin, "component two").await;
    assert_eq!(failure.class, Class::Quota, "{failure:?}");
    eventually("only the first is noted", || full.ledger.open().len() == 1).await;
}
