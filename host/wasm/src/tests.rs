//! Plugins in the real engine: hostile guests, the ledger, replacing, secrets.

mod contract;
mod docker;
mod embedded;
mod endings;
mod hostile;
mod http;
mod http_guest;
mod kubernetes;
mod loading;
mod parallel;
mod registry;
mod swapping;

use crate::*;
use host_provisioner::{Call, Failure, Provisioned, Provisioner as _, RequestId, ServerSpec, Workload};
use host_resolver::{Resolver, Source};
use host_workload_embedded::{EmbeddedEngine, EngineConfig};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// More than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A host with folders of its own.
struct Fixture {
    dir: Arc<tempfile::TempDir>,
    host: Arc<PluginHost>,
    resolver: Arc<Resolver>,
}

impl Fixture {
    fn new() -> Self {
        Self::in_folder(Arc::new(tempfile::tempdir().unwrap()), 1)
    }

    /// Another run of the gateway with the same folders.
    fn in_folder(dir: Arc<tempfile::TempDir>, session: u64) -> Self {
        Self::with_client(dir, session, Arc::default())
    }

    fn with_client(dir: Arc<tempfile::TempDir>, session: u64, outbound: Arc<host_outbound::Client>) -> Self {
        let secrets = BTreeMap::from([("S_token".to_owned(), "hunter2".to_owned())]);
        let resolver = Arc::new(Resolver::new(vec![Source::environment("S_", secrets)], [1; 16]));
        let host = PluginHost::new(PluginHostConfig {
            gateway: RunId::from_bits(9),
            session: RunId::from_bits(session),
            state_dir: dir.path().join("state"),
            cache_dir: Some(shared_cache()),
            embedded: EmbeddedEngine::new(EngineConfig {
                files_dir: Some(dir.path().join("files")),
                max_workloads: 2_000,
                ..EngineConfig::default()
            })
            .unwrap(),
            docker: Err(host_workload_docker::Error::unconfigured()),
            kubernetes: host_workload_kubernetes::Surroundings::default(),
            outbound,
            resolver: Arc::clone(&resolver),
            bundled_servers: BTreeMap::from([("echo", echo())].map(|(k, v)| (k.to_owned(), v))),
            compile_limit: LONG,
        });
        Self { dir, host, resolver }
    }

    async fn plugin(&self) -> Arc<Plugin> {
        self.plugin_with(|_| {}).await
    }

    async fn plugin_with(&self, change: impl FnOnce(&mut PluginSpec)) -> Arc<Plugin> {
        let mut spec = spec();
        change(&mut spec);
        self.host.load(spec).await.unwrap()
    }

    fn ledger_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("state/ledger"));
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }
}

/// Compiling in a debug build takes a second, so all tests share what was compiled.
fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-plugin-cache")
}

fn echo() -> &'static [u8] {
    static ECHO: LazyLock<Vec<u8>> =
        LazyLock::new(|| std::fs::read(test_artifacts::guest("echo-server")).unwrap());
    &ECHO
}

fn hostile() -> bytes::Bytes {
    static HOSTILE: LazyLock<bytes::Bytes> =
        LazyLock::new(|| std::fs::read(test_artifacts::guest("plugin_hostile")).unwrap().into());
    HOSTILE.clone()
}

/// The plugin with another directive in its data.
fn directed(directive: &str) -> bytes::Bytes {
    let mut bytes = hostile().to_vec();
    let at = bytes.windows(10).position(|window| window == b"DIRECTIVE:").unwrap();
    let text = format!("DIRECTIVE:{directive};{:.<85}", "");
    bytes[at..at + 95].copy_from_slice(&text.as_bytes()[..95]);
    bytes.into()
}

/// The plugin with one text replaced by another of the same length, wherever it stands.
fn patched(from: &str, to: &str) -> bytes::Bytes {
    assert_eq!(from.len(), to.len());
    let mut bytes = hostile().to_vec();
    let mut count = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            count += 1;
        }
    }
    assert!(count > 0, "{from}");
    bytes.into()
}

fn spec() -> PluginSpec {
    PluginSpec {
        name: "p".to_owned(),
        source: PluginSource::Bytes(hostile()),
        grants: Grants {
            embedded: Some(EmbeddedGrant::default()),
            connect: vec!["127.0.0.1:*".parse().unwrap()],
            ..Grants::default()
        },
        limits: Limits::default(),
        settings: serde_json::Value::Null,
    }
}

/// A server whose name tells the plugin what to do.
fn server(name: &str) -> Arc<ServerSpec> {
    Arc::new(ServerSpec::new(name, Workload::Bundled { name: "echo".to_owned(), arguments: Vec::new() }))
}

fn call() -> Call {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Call::new(RequestId::from_bits(NEXT.fetch_add(1, Ordering::Relaxed)), LONG)
}

async fn provision(plugin: &Plugin, name: &str) -> Result<Provisioned, Failure> {
    plugin.provision(&call(), &server(name)).await
}

async fn refusal(plugin: &Plugin, name: &str) -> Failure {
    provision(plugin, name).await.map(|_| ()).expect_err(name)
}

/// What was logged in this process, for what has no other trace.
#[derive(Clone)]
struct Log;

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(|| Log)
                .with_max_level(tracing::Level::INFO)
                .init();
        });
    }

    /// Lines that hold a word that only one test uses.
    fn lines_with(word: &str) -> Vec<String> {
        let text = String::from_utf8(LOGGED.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

/// Waits for something that no event announces.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = tokio::time::Instant::now() + LONG;
    while !holds() {
        assert!(tokio::time::Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
