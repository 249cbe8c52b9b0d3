//! Everything a plugin must not do, and the sentence for it.

use super::*;
use host_provisioner::{Class, Connection};

async fn says(plugin: &Plugin, name: &str, class: Class, text: &str, hint: Option<&str>) {
    let failure = refusal(plugin, name).await;
    assert!(failure.text.starts_with(text), "{name}: {}", failure.text);
    assert_eq!(
        (failure.class, failure.hint.as_deref(), failure.plugin.as_str()),
        (class, hint, "p"),
        "{name}: {failure:?}"
    );
    // A plugin that misbehaved once is called again as if nothing had happened.
    assert!(provision(plugin, "ok").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_has_its_sentence_and_setting() {
    let fixture = Fixture::new();
    let plugin = fixture
        .plugin_with(|spec| {
            spec.limits.cpu = Duration::from_millis(200);
            spec.limits.memory = 16 << 20;
            spec.limits.data = 1 << 20;
            spec.limits.handles = 100;
            spec.limits.host_calls = 500;
        })
        .await;
    let hint =
        |setting: &str| format!("if the plugin is right to need that, raise `plugins.p.limits.{setting}`");
    for (name, text, setting) in [
        ("loop", "plugin `p` computed longer than its limit of 200 ms", "cpu"),
        ("memory", "plugin `p` needed more memory than its limit of 16 MiB", "memory"),
        ("handles", "plugin `p` held more than its limit of 100 handles", "handles"),
        ("host-calls", "plugin `p` used more than its limit of 500 host functions", "hostCalls"),
        ("data 2000000", "plugin `p` handed over more than its limit of 1024 KiB at once", "data"),
    ] {
        says(&plugin, name, Class::Permanent, text, Some(&hint(setting))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_the_contract_have_their_sentences() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    for (name, text) in [
        ("big-state 65537", "plugin `p` gave more than the contract's limit of 65536 bytes of state"),
        ("big-text 65537", "plugin `p` gave more than the contract's limit of 65536 bytes of text"),
        ("checkpoints 65", "plugin `p` gave more than the contract's limit of 64 checkpoints in one call"),
    ] {
        says(&plugin, name, Class::Permanent, text, None).await;
    }
    assert!(provision(&plugin, "big-state 65536").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traps_are_told_with_the_last_words_and_no_control_characters() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let failure = refusal(&plugin, "trap").await;
    assert!(
        failure.text.starts_with("plugin `p` gave up (a panic or an abort); its last words: "),
        "{}",
        failure.text
    );
    assert!(failure.text.contains("boom \\u{1b}[31m\\u{202e}"), "{}", failure.text);
    assert_eq!(failure.class, Class::Permanent);
    let failure = refusal(&plugin, "prints 2000").await;
    assert!(failure.text.contains("to stderr 1999 | "), "{}", failure.text);
    assert!(failure.text.len() < 5_000);
    for (name, text) in [
        ("overflow", "plugin `p` ran out of stack: it calls itself too deeply"),
        ("exit", "plugin `p` ended itself with exit code "),
    ] {
        says(&plugin, name, Class::Permanent, text, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_answers_are_breaches_of_the_contract() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    for (name, text) in [
        ("none", "plugin `p` broke the contract: it reported success without a connection"),
        ("both", "plugin `p` broke the contract: it returned one connection and handed over another"),
    ] {
        says(&plugin, name, Class::Permanent, text, None).await;
    }
    let handed = provision(&plugin, "hands-over 4711").await.unwrap();
    assert!(matches!(handed.connection, Connection::Tcp(host, 4711) if host == "127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_says_is_its_words_escaped() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let failure = refusal(&plugin, "says").await;
    assert_eq!(failure.text, "no \\u{1b}[2J place\\u{202e} left\\n");
    assert_eq!(failure.step.as_deref(), Some("schedule"));
    assert_eq!(failure.details, ["event \\u{9b}31m one"]);
    assert_eq!(failure.hint.as_deref(), Some("buy\\u{7} more"));
    assert_eq!((failure.class, failure.retry_after), (Class::Quota, Some(Duration::from_millis(1500))));
    assert_eq!(plugin.description().summary, "does what it must not\\u{1b}[31m");
    let fields = plugin.validate(&call(), &server("x")).await.unwrap();
    assert_eq!(fields[1].note, "there are no\\u{7} users");
    let failure = plugin.validate(&call(), &server("findings")).await.unwrap_err();
    assert_eq!(failure.text, "one; two");
    let failure = plugin.validate(&call(), &server("creates")).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Permission, "`checkpoint` is not for `validate`")
    );
    let plan = plugin.plan(&call(), &server("x")).await.unwrap();
    assert!(plan.documents[0].text.ends_with("\n\\u{1b}[31m"), "{:?}", plan.documents[0].text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_costs_no_processor_time() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin_with(|spec| spec.limits.cpu = Duration::from_millis(200)).await;
    // Longer than the budget in one wait, and in many.
    assert!(provision(&plugin, "waits 1000").await.is_ok());
    assert!(provision(&plugin, "polls 60").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_never_answers_is_stopped_at_its_limit_or_the_deadline() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin_with(|spec| spec.limits.call = Duration::from_millis(300)).await;
    let hint = "if the plugin is right to need that, raise `plugins.p.limits.call`";
    // One sleeps in the host's function, which tells it that the end is near; it does not listen. The other sleeps in WASI's.
    for name in ["stubborn", "forever"] {
        let failure = refusal(&plugin, name).await;
        if failure.class == Class::Permanent {
            // It was told so often that the end is near that it met another limit first.
            assert!(
                failure.text.contains("host functions") || failure.text.contains("computed"),
                "{}",
                failure.text
            );
            continue;
        }
        assert_eq!((failure.class, failure.hint.as_deref()), (Class::Timeout, Some(hint)));
        assert_eq!(failure.text, "plugin `p` took longer than its limit of 300 ms");
    }
    let mut short = call();
    short.deadline = std::time::Instant::now() + Duration::from_millis(100);
    let failure = plugin.provision(&short, &server("stubborn")).await.unwrap_err();
    assert_eq!((failure.class, failure.text.as_str()), (Class::Timeout, "plugin `p` did not answer in time"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_waited_for_when_its_time_was_over_is_told() {
    struct Stuck;
    impl Faults for Stuck {
        fn at(&self, _: host_provisioner::Phase, function: &str) -> Option<Fault> {
            (function == "embedded.start").then_some(Fault::Silent)
        }
    }
    let fixture = Fixture::new();
    fixture.host.disturb(Arc::new(Stuck));
    let plugin = fixture.plugin_with(|spec| spec.limits.call = Duration::from_secs(2)).await;
    let failure = refusal(&plugin, "component").await;
    assert_eq!(failure.text, "plugin `p` took longer than its limit of 2 s");
    assert_eq!(failure.details, ["the last that it asked the gateway for is `embedded.start`"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_call_ends_soon_whether_the_plugin_listens_or_not() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    for name in ["waits 3600000", "stubborn"] {
        let call = call();
        call.cancelled.cancel();
        let outcome = plugin.provision(&call, &server(name)).await;
        match name {
            // It returned from its sleep and answered.
            "waits 3600000" => assert!(outcome.is_ok()),
            _ => assert_eq!(outcome.unwrap_err().class, Class::Cancelled),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_lines_is_cut() {
    Log::start();
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let server = server("floods 1000");
    assert!(plugin.provision(&call(), &server).await.is_ok());
    assert_eq!(Log::lines_with(&format!("{}: flood", server.id)).len(), 200);
    let summary = Log::lines_with("dropped=800");
    assert_eq!(summary.len(), 1, "{summary:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_paced_and_the_last_update_always_arrives() {
    struct Sink(Mutex<Vec<Option<u32>>>);
    impl host_provisioner::ProgressSink for Sink {
        fn report(&self, progress: host_provisioner::Progress) {
            self.0.lock().unwrap().push(progress.done);
        }
    }
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let sink = Arc::new(Sink(Mutex::default()));
    let mut call = call();
    call.progress = Some(Arc::<Sink>::clone(&sink));
    assert!(plugin.provision(&call, &server("progress 500")).await.is_ok());
    let shown = sink.0.lock().unwrap();
    assert_eq!((shown.first(), shown.last()), (Some(&Some(0)), Some(&Some(499))));
    assert!(shown.len() < 100, "{}", shown.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_stay_inside_the_grant() {
    let fixture = Fixture::new();
    let plugin =
        fixture.plugin_with(|spec| spec.grants.connect = vec!["127.0.0.1:8000".parse().unwrap()]).await;
    let failure = refusal(&plugin, "ok").await;
    assert_eq!(failure.text, "plugin `p` may not connect servers at 127.0.0.1:7");
    assert_eq!(
        failure.hint.as_deref(),
        Some("if you trust it with that, add `127.0.0.1:7` to `plugins.p.grants.connect`")
    );
    assert_eq!(failure.class, Class::Permission);
    for (url, outcome) in [
        ("http://127.0.0.1:8000/mcp", Ok(())),
        ("http://127.0.0.1:8001/mcp", Err("plugin `p` may not connect servers at 127.0.0.1:8001")),
        ("http://169.254.169.254/latest", Err("plugin `p` may not connect servers at 169.254.169.254:80")),
        (
            "http://127.0.0.1:8000@evil/",
            Err("`http://127.0.0.1:8000@evil/` is no absolute http or https URL"),
        ),
    ] {
        let mut spec = ServerSpec::clone(&server("http"));
        spec.settings = format!("\"{url}\"");
        let got = plugin.provision(&call(), &Arc::new(spec)).await;
        assert_eq!(got.as_ref().map(|_| ()).map_err(|failure| failure.text.as_str()), outcome, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_waited_for() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(provision(&plugin, &format!("waits-ready {port}")).await.is_ok());
    drop(listener);
    let failure = refusal(&plugin, &format!("waits-ready {port}")).await;
    assert_eq!(failure.text, format!("nothing answered at 127.0.0.1:{port} in time"));
    assert_eq!(failure.class, Class::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_are_read_to_their_end_if_they_have_one() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin().await;
    let objects = plugin.enumerate(&call()).await.unwrap();
    let seen: Vec<_> = objects.iter().map(|o| (o.object.name.as_str(), o.ownership)).collect();
    assert_eq!(
        seen,
        [("a", host_provisioner::Ownership::Unknown), ("b", host_provisioner::Ownership::Unknown)]
    );
    let failure = plugin.sweep(&call()).await.unwrap_err();
    assert_eq!(failure.text, "plugin `p` broke the contract: its listing has no end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_known_about_secrets() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin_with(|spec| spec.grants.secrets = vec!["key".to_owned()]).await;
    fixture.resolver.declare("other-1", ["token".to_owned()]);
    for (name, text) in [
        ("secret server token", "known: true true"),
        (
            "secret server gone",
            "secret `gone` is not declared by server `ID`: name it under `secrets` of its entry",
        ),
        ("secret server token other-1", "server `other-1` is not the server of this call"),
        ("secret plugin token", "secret `token` is not granted to plugin `p`"),
        (
            "secret plugin key",
            "secret `key` is not granted to plugin `p`: name it under `plugins.p.grants.secrets`",
        ),
        ("secret generated x", "nothing is to be found out about a generated secret"),
    ] {
        let server = server(name);
        fixture.resolver.declare(server.id.as_str(), ["token".to_owned()]);
        let failure = plugin.provision(&call(), &server).await.unwrap_err();
        assert_eq!(failure.text, text.replace("`ID`", &format!("`{}`", server.id)), "{name}");
    }
}
