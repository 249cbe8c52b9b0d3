//! Both engines in this process: a plugin call, the load of a plugin, the start of an embedded server.

use super::report::{Report, Row};
use super::{Effort, median, micros, millis};
use host_provisioner::{Call, Lease, Provisioner, RequestId, ServerSpec, Workload};
use host_resolver::Resolver;
use host_wasm::{
    EmbeddedGrant, Grants, Limits, Plugin, PluginHost, PluginHostConfig, PluginSource, PluginSpec, RunId,
};
use host_workload_embedded::{ComponentSource, EmbeddedEngine, EngineConfig, StartSpec};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const HELLO: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}
"#;

/// Loads the plugin at `plugin` and calls it; starts the echo server.
///
/// # Panics
/// One of them does not work.
pub async fn measure(report: &mut Report, effort: Effort, plugin: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let plugin_bytes = std::fs::read(plugin).unwrap();
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        let place = folder.path().join(round.to_string());
        for times in [&mut cold, &mut cached] {
            let host = host(&place);
            let begin = Instant::now();
            load(&host, plugin_bytes.clone()).await;
            times.push(millis(begin.elapsed()));
        }
    }
    let cold = median(cold);
    report.add(Row::new("plugin load, engine included, cold", "ms", cold));
    report.add(Row::new("plugin load, engine included, cached", "ms", median(cached)).beside("cold", cold));
    let plugin = load(&host(&folder.path().join("0")), plugin_bytes).await;
    // On a worker, as in the gateway, not on the thread that blocks.
    for row in tokio::spawn(calls(effort, plugin)).await.unwrap() {
        report.add(row);
    }
    starts(report, effort, folder.path()).await;
}

fn host(place: &Path) -> Arc<PluginHost> {
    let embedded = EngineConfig { cache_dir: Some(place.join("components")), ..EngineConfig::default() };
    PluginHost::new(PluginHostConfig {
        gateway: RunId::from_bits(1),
        session: RunId::from_bits(2),
        state_dir: place.join("state"),
        cache_dir: Some(place.join("plugins")),
        embedded: EmbeddedEngine::new(embedded).unwrap(),
        docker: Err(host_workload_docker::Error::unconfigured()),
        kubernetes: host_workload_kubernetes::Surroundings::default(),
        outbound: Arc::default(),
        resolver: Arc::new(Resolver::new(Vec::new(), [0; 16])),
        bundled_servers: BTreeMap::new(),
        compile_limit: Duration::from_secs(60),
    })
}

async fn load(host: &Arc<PluginHost>, bytes: Vec<u8>) -> Arc<Plugin> {
    let spec = PluginSpec {
        name: "embedded".to_owned(),
        source: PluginSource::Bytes(bytes.into()),
        grants: Grants { embedded: Some(EmbeddedGrant::default()), ..Grants::default() },
        limits: Limits::default(),
        settings: serde_json::json!({}),
    };
    host.load(spec).await.unwrap()
}

/// The cheapest call that reaches a host function, `probe`, and one that a start consists of, `validate`.
async fn calls(effort: Effort, plugin: Arc<Plugin>) -> [Row; 2] {
    let workload = Workload::Component { path: test_artifacts::guest("echo-server"), arguments: Vec::new() };
    let server = ServerSpec::new("echo", workload);
    let lease = Lease {
        id: "none".to_owned(),
        server_id: server.id.clone(),
        server_name: server.name.clone(),
        session: "s000000000000000".to_owned(),
        request: "r000000000000000".to_owned(),
        state: None,
        objects: Vec::new(),
        plugin: "embedded".to_owned(),
        plugin_version: String::new(),
        plugin_digest: String::new(),
    };
    let call = || Call::new(RequestId::from_bits(7), Duration::from_secs(10));
    for _ in 0..effort.calls / 10 {
        plugin.probe(&call(), &lease).await.unwrap();
        plugin.validate(&call(), &server).await.unwrap();
    }
    let (mut probes, mut validations, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.calls {
        let begin = Instant::now();
        plugin.probe(&call(), &lease).await.unwrap();
        probes.push(micros(begin.elapsed()));
        let begin = Instant::now();
        plugin.validate(&call(), &server).await.unwrap();
        validations.push(micros(begin.elapsed()));
        let begin = Instant::now();
        tokio::spawn(async {}).await.unwrap();
        tasks.push(micros(begin.elapsed()));
    }
    let (probe, task) = (median(probes), median(tasks));
    [
        Row::new("plugin call: store, instantiate, probe, drop", "µs", probe)
            .at_most(30.0, None)
            .beside("an empty task, spawned and awaited", task),
        Row::new("plugin call: the same with validate of a server", "µs", median(validations))
            .beside("probe", probe),
    ]
}

/// From nothing in memory but the engine, with the compiled code on disk, to the first answer.
async fn starts(report: &mut Report, effort: Effort, folder: &Path) {
    let file = test_artifacts::guest("echo-server");
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..=effort.rounds * 2 {
        let config = EngineConfig { cache_dir: Some(folder.join("servers")), ..EngineConfig::default() };
        let engine = EmbeddedEngine::new(config).unwrap();
        for times in [&mut cold, &mut warm] {
            let begin = Instant::now();
            let component = engine.load(ComponentSource::File(file.clone())).await.unwrap();
            let mut started = engine.start(StartSpec::new("echo", component)).await.unwrap();
            started.stdin.write_all(HELLO).await.unwrap();
            let mut line = Vec::new();
            BufReader::new(&mut started.stdout).read_until(b'\n', &mut line).await.unwrap();
            times.push(millis(begin.elapsed()));
            assert!(line.ends_with(b"}\n"));
            engine.stop("echo", Duration::from_secs(1)).await;
        }
    }
    // The first of all compiled it.
    cold.remove(0);
    report.add(
        Row::new("embedded server, cold start of a cached one to its first answer", "ms", median(cold))
            .at_most(10.0, None)
            .beside("the same once it is loaded", median(warm)),
    );
}
