//! What a plugin call costs, beside what cannot be cheaper: an empty task of the same run. Prints medians; run it in release:
//! `cargo run --release -p host-wasm --example plugin_call`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for engineers, which prints and may stop"
)]

use host_provisioner::{Call, Provisioner as _, ReleaseReason, RequestId, ServerSpec, Workload};
use host_resolver::Resolver;
use host_wasm::{
    EmbeddedGrant, Grants, Limits, PluginHost, PluginHostConfig, PluginSource, PluginSpec, RunId,
};
use host_workload_embedded::{EmbeddedEngine, EngineConfig};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 4_000;
const WARM: usize = 400;

fn host(dir: &Path, echo: &'static [u8]) -> Arc<PluginHost> {
    PluginHost::new(PluginHostConfig {
        gateway: RunId::from_bits(1),
        session: RunId::from_bits(2),
        state_dir: dir.join("state"),
        cache_dir: Some(dir.join("cache")),
        embedded: EmbeddedEngine::new(EngineConfig::default()).unwrap(),
        docker: Err(host_workload_docker::Error::unconfigured()),
        kubernetes: host_workload_kubernetes::Surroundings::default(),
        outbound: Arc::default(),
        resolver: Arc::new(Resolver::new(Vec::new(), [0; 16])),
        bundled_servers: BTreeMap::from([("echo".to_owned(), echo)]),
        compile_limit: Duration::from_secs(60),
    })
}

fn spec(bytes: &[u8]) -> PluginSpec {
    PluginSpec {
        name: "p".to_owned(),
        source: PluginSource::Bytes(bytes.to_vec().into()),
        grants: Grants {
            embedded: Some(EmbeddedGrant::default()),
            connect: vec!["127.0.0.1:*".parse().unwrap()],
            ..Grants::default()
        },
        limits: Limits::default(),
        settings: serde_json::Value::Null,
    }
}

fn call() -> Call {
    Call::new(RequestId::from_bits(7), Duration::from_secs(60))
}

async fn measure<T>(name: &str, mut work: impl AsyncFnMut() -> T) {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + WARM {
        let begin = Instant::now();
        let answer = work().await;
        let took = begin.elapsed();
        drop(answer);
        if round >= WARM {
            times.push(took);
        }
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |t| t.as_secs_f64() * 1e6);
    println!("{name:<58} median {:8.2} µs   p90 {:8.2} µs   p99 {:8.2} µs", at(50), at(90), at(99));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let guest = |name: &str| std::fs::read(test_artifacts::guest(name)).unwrap();
    let echo: &'static [u8] = Box::leak(guest("echo-server").into_boxed_slice());
    let bytes = guest("plugin_hostile");
    let dir = tempfile::tempdir().unwrap();
    println!("component of {} KiB", bytes.len() >> 10);
    for name in ["load, cold cache (engine, check, compile, describe)", "load, warm cache, new engine"] {
        let begin = Instant::now();
        let plugin = host(dir.path(), echo).load(spec(&bytes)).await.unwrap();
        println!("{name:<58}        {:8.2} ms", begin.elapsed().as_secs_f64() * 1e3);
        drop(plugin);
    }
    let host = host(dir.path(), echo);
    let plugin = host.load(spec(&bytes)).await.unwrap();
    let begin = Instant::now();
    let again = host.load(PluginSpec { name: "again".to_owned(), ..spec(&bytes) }).await.unwrap();
    println!("{:<58}        {:8.2} ms", "load, warm cache, same engine", begin.elapsed().as_secs_f64() * 1e3);
    drop(again);

    let lease = {
        let server = server("ok");
        plugin.provision(&call(), &server).await.unwrap().lease
    };
    measure("baseline: an empty task", async || tokio::spawn(async {}).await).await;
    let plain = server("reports");
    measure("probe: store, instantiate, call with one host call, drop", async || {
        plugin.probe(&call(), &lease).await.unwrap()
    })
    .await;
    measure("reconnect: refused by the plugin, two records in", async || {
        plugin.reconnect(&call(), &lease).await.unwrap()
    })
    .await;
    measure("plan: a server in, documents out", async || plugin.plan(&call(), &plain).await.unwrap()).await;
    measure("provision and release, with the ledger", async || {
        let lease = plugin.provision(&call(), &plain).await.unwrap().lease;
        plugin.release(&call(), &lease, ReleaseReason::Ended).await.unwrap();
    })
    .await;
}

fn server(name: &str) -> Arc<ServerSpec> {
    Arc::new(ServerSpec::new(name, Workload::Bundled { name: "echo".to_owned(), arguments: Vec::new() }))
}
