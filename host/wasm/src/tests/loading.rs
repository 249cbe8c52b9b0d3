//! What can be wrong with a file, and with what it asks for.

use super::*;

async fn refused(fixture: &Fixture, source: PluginSource) -> LoadError {
    refused_with(fixture, source, |_| {}).await
}

async fn refused_with(
    fixture: &Fixture,
    source: PluginSource,
    change: impl FnOnce(&mut PluginSpec),
) -> LoadError {
    let mut spec = PluginSpec { source, ..spec() };
    change(&mut spec);
    fixture.host.load(spec).await.map(|_| ()).unwrap_err()
}

fn bytes(bytes: impl Into<bytes::Bytes>) -> PluginSource {
    PluginSource::Bytes(bytes.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_no_plugins_are_named() {
    let fixture = Fixture::new();
    let missing = fixture.dir.path().join("missing.wasm");
    let error = refused(&fixture, PluginSource::File(missing.clone())).await;
    assert_eq!(error.kind, LoadErrorKind::File);
    assert!(error.text.starts_with(&format!("cannot be read from `{}`: ", missing.display())), "{error}");
    let error = refused(&fixture, PluginSource::File(fixture.dir.path().to_owned())).await;
    assert!(error.text.ends_with(": it is a folder"), "{error}");

    let large = fixture.dir.path().join("large.wasm");
    std::fs::File::create(&large).unwrap().set_len(65 << 20).unwrap();
    let error = refused(&fixture, PluginSource::File(large)).await;
    assert_eq!(error.text, "has 65 MiB, and a plugin may have 64");

    let whole = hostile();
    let error = refused(&fixture, bytes(whole.slice(..whole.len() / 2))).await;
    let text = format!("is cut off: it ends at byte {} in the middle of something", whole.len() / 2);
    assert_eq!((error.kind, error.text), (LoadErrorKind::Format, text));

    let error = refused(&fixture, bytes(echo())).await;
    assert_eq!(error.text, "is a program (it exports `wasi:cli/run`), not a plugin");
    let hint = "if it is an MCP server, put it under `servers:` as `NAME: {component: FILE}`";
    assert_eq!(error.hint.as_deref(), Some(hint));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_track_is_named_with_both_versions() {
    let fixture = Fixture::new();
    let error = refused(&fixture, bytes(patched("@0.1.0", "@0.2.0"))).await;
    assert_eq!(error.kind, LoadErrorKind::Contract);
    assert_eq!(error.text, "needs version 0.2 of the contract, and this gateway offers 0.1");
    // A later version of the same track runs, as long as it needs nothing new.
    assert!(
        fixture.host.load(PluginSpec { source: bytes(patched("@0.1.0", "@0.1.9")), ..spec() }).await.is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_refused_by_name_and_setting() {
    let fixture = Fixture::new();
    // Also what comes with the program, of which less is looked at.
    let carried = PluginSource::Carried(Box::leak(hostile().to_vec().into_boxed_slice()));
    for source in [bytes(hostile()), carried] {
        let error = refused_with(&fixture, source.clone(), |spec| spec.grants = Grants::default()).await;
        assert_eq!(error.kind, LoadErrorKind::Grant);
        assert_eq!(error.text, "imports `gateway:provisioner/embedded@0.1.0`, which it is not granted");
        assert_eq!(
            error.hint.as_deref(),
            Some("if you trust it with that, grant it with `plugins.p.grants.embedded`")
        );
        let fixture = Fixture::new();
        assert!(fixture.host.load(PluginSpec { source, ..spec() }).await.is_ok());
    }
    let registry = patched("gateway:provisioner/embedded", "gateway:provisioner/registry");
    let error = refused(&fixture, bytes(registry)).await;
    assert_eq!(error.text, "imports `gateway:provisioner/registry@0.1.0`, which it is not granted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_description_must_be_had_and_keep_the_rules() {
    let fixture = Fixture::new();
    for (directive, text) in [
        (
            "name=\u{1b}[2J;version=1.0.0;reads=1",
            "breaks a rule with its description: its name `\\u{1b}[2J` is not up to 40 lower-case letters, digits and `-`",
        ),
        (
            "name=p;version=\u{7};reads=1",
            "breaks a rule with its description: its version `\\u{7}` is not like `1.2.3`",
        ),
        (
            "name=p;version=1.0.0;reads=1;describe=loop",
            "cannot describe itself: plugin `p` computed longer than its limit of 2 s",
        ),
        (
            "name=p;version=1.0.0;reads=1;describe=call",
            "cannot describe itself: plugin `p` broke the contract: it called `call.remaining-ms` in `describe`",
        ),
        (
            "name=p;version=1.0.0;reads=1;describe=panic",
            "cannot describe itself: plugin `p` gave up (a panic or an abort)",
        ),
    ] {
        let error = refused(&fixture, bytes(directed(directive))).await;
        assert!(error.text.starts_with(text), "{error}");
        assert!(!error.text.contains(char::is_control));
        assert_eq!(error.kind, LoadErrorKind::Description);
    }
    let settings = directed("name=p;version=1.0.0;reads=1;describe=settings");
    let plugin = fixture
        .plugin_with(|spec| {
            spec.source = bytes(settings);
            spec.settings = serde_json::json!({"a": 1});
        })
        .await;
    assert_eq!(plugin.description().abilities, ["embedded"]);
    assert_eq!(plugin.description().digest.len(), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_settings_are_checked() {
    let fixture = Fixture::new();
    let error = refused_with(&fixture, bytes(hostile()), |spec| spec.name = "P\u{1b}".to_owned()).await;
    assert_eq!((error.kind, error.plugin.as_str()), (LoadErrorKind::Settings, "P\\u{1b}"));
    let error = refused_with(&fixture, bytes(hostile()), |spec| spec.settings = serde_json::json!([])).await;
    assert_eq!(error.text, "does not take its settings: `plugins.p.settings` must be a map");
    // `{}` and `{}` are the two schemas of the description; the first becomes one that takes nothing.
    let closed =
        patched("SETTINGS:{                            }", "SETTINGS:{\"additionalProperties\":false}");
    let error =
        refused_with(&fixture, bytes(closed.clone()), |spec| spec.settings = serde_json::json!({"a": 1}))
            .await;
    assert_eq!(error.kind, LoadErrorKind::Settings);
    assert_eq!(error.text, "does not take its settings: `plugins.p.settings.a` is not known (known: none)");
    let plugin = fixture.plugin_with(|spec| spec.source = bytes(closed)).await;
    let mut spec = ServerSpec::clone(&server("ok"));
    spec.settings = "{\"b\": 1}".to_owned();
    let failure = plugin.provision(&call(), &Arc::new(spec)).await.unwrap_err();
    assert_eq!(
        failure.text,
        "the settings of server `ok` do not fit plugin `p`: `settings.b` is not known (known: none)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_plugin_cannot_have_the_places_of_all() {
    let fixture = Fixture::new();
    let error = refused_with(&fixture, bytes(hostile()), |spec| spec.limits.concurrency = 513).await;
    assert_eq!(error.kind, LoadErrorKind::Settings);
    assert_eq!(
        error.to_string(),
        "plugin `p` cannot have 513 calls run at once: the places of all plugins are shared, and one may have 512 (lower \
         `plugins.p.limits.concurrency`)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compiled_code_that_was_changed_is_not_run() {
    let cache = tempfile::tempdir().unwrap();
    let engines = |folder: &Path| crate::engine::Engines::build(Some(folder)).unwrap();
    let files = |folder: &Path| {
        let mut found = Vec::new();
        let mut folders = vec![folder.join("code")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.path().extension().is_none() {
                    found.push(entry.path());
                }
            }
        }
        found
    };
    let compile = |engines: &crate::engine::Engines| {
        let engine = engines.for_memory(1).unwrap();
        let cache = engines.cache.as_ref().unwrap();
        let known = cache.verify();
        wasmtime::component::Component::from_binary(&engine, echo()).unwrap();
        cache.bless(&known);
        (cache.wasmtime().cache_hits(), cache.wasmtime().cache_misses())
    };
    assert_eq!(compile(&engines(cache.path())), (0, 1));
    assert_eq!(compile(&engines(cache.path())), (1, 0));
    let code = files(cache.path()).remove(0);
    let mut bytes = std::fs::read(&code).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&code, bytes).unwrap();
    assert_eq!(compile(&engines(cache.path())), (0, 1));
    assert_eq!(compile(&engines(cache.path())), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_too_large_for_the_pool_runs_without_it() {
    let fixture = Fixture::new();
    let plugin = fixture.plugin_with(|spec| spec.limits.memory = 512 << 20).await;
    assert!(provision(&plugin, "ok").await.is_ok());
    let engines = fixture.host.engines().await.unwrap();
    assert!(!engines.is_pooled(plugin.current.load().engine()));
}
