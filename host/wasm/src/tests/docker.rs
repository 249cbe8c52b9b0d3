//! What a plugin with the grant `docker` can and cannot do, on a real engine. Skipped, with one line that says why, where none answers;
//! `GATEWAY_TEST_REQUIRE=docker` turns the skip into a failure.

mod refused;

use super::{LONG, eventually, shared_cache};
use crate::{
    DockerGrant, Grants, NamePattern, Plugin, PluginHost, PluginHostConfig, PluginSource, PluginSpec, RunId,
};
use host_provisioner::{
    Access, Call, Class, Connection, Egress, Failure, Mount, MountSource, Part, Provisioned, Provisioner,
    ReleaseReason, RequestId, ServerSpec, Value, Variable, Workload,
};
use host_resolver::{Resolver, Source};
use host_workload_docker::{DockerEngine, Endpoint, EngineConfig, NetworkSpec, PageRequest, Surroundings};
use host_workload_embedded::EmbeddedEngine;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tokio::io::AsyncReadExt;

const IMAGE: &str = "mcp/busybox:1";
const SECRET: &str = "hunter2-in-a-container";

#[expect(clippy::disallowed_methods, reason = "only this function of these tests reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A run of a gateway on a real engine.
struct Run {
    dir: Arc<tempfile::TempDir>,
    host: Arc<PluginHost>,
    engine: Arc<DockerEngine>,
    /// Id of the installation, by which everything that a test makes is found.
    gateway: String,
}

async fn engine() -> Option<Arc<DockerEngine>> {
    let around = Surroundings {
        host: variable("DOCKER_HOST"),
        context: variable("DOCKER_CONTEXT"),
        config_dir: variable("HOME").map(|home| Path::new(&home).join(".docker")),
        runtime_dir: variable("XDG_RUNTIME_DIR").map(Into::into),
        ..Surroundings::default()
    };
    let endpoint = Endpoint::find(&around).unwrap();
    let engine = DockerEngine::new(EngineConfig { endpoint, config_dir: None, own_container: None });
    let missing = match engine.image(IMAGE).await {
        Ok(Some(_)) => return Some(engine),
        Ok(None) => "no images (testenv/up images)".to_owned(),
        Err(error) => format!("no docker (testenv/up docker): {error}"),
    };
    let required = variable("GATEWAY_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|part| part == "docker"), "{missing}");
    println!("skipped: {missing}");
    None
}

impl Run {
    async fn new() -> Option<Self> {
        let mut bits = [0; 8];
        getrandom::fill(&mut bits).unwrap();
        Some(Self::of(engine().await?, u64::from_le_bytes(bits), 1, Arc::new(tempfile::tempdir().unwrap())))
    }

    fn of(engine: Arc<DockerEngine>, gateway: u64, session: u64, dir: Arc<tempfile::TempDir>) -> Self {
        let secrets = BTreeMap::from([("S_token".to_owned(), SECRET.to_owned())]);
        let resolver = Arc::new(Resolver::new(vec![Source::environment("S_", secrets)], [1; 16]));
        let gateway = RunId::from_bits(gateway);
        let host = PluginHost::new(PluginHostConfig {
            gateway: gateway.clone(),
            session: RunId::from_bits(session),
            state_dir: dir.path().join("state"),
            cache_dir: Some(shared_cache()),
            embedded: EmbeddedEngine::new(host_workload_embedded::EngineConfig::default()).unwrap(),
            docker: Ok(Arc::clone(&engine)),
            kubernetes: host_workload_kubernetes::Surroundings::default(),
            outbound: Arc::default(),
            resolver,
            bundled_servers: BTreeMap::new(),
            compile_limit: LONG,
        });
        Self { dir, host, engine, gateway: gateway.as_str().to_owned() }
    }

    async fn plugin(&self, name: &str, grant: DockerGrant) -> Arc<Plugin> {
        static GUEST: LazyLock<bytes::Bytes> =
            LazyLock::new(|| std::fs::read(test_artifacts::guest("plugin_docker")).unwrap().into());
        let spec = PluginSpec {
            name: name.to_owned(),
            source: PluginSource::Bytes(GUEST.clone()),
            grants: Grants { docker: Some(grant), ..Grants::default() },
            limits: crate::Limits::default(),
            settings: serde_json::Value::Null,
        };
        self.host.load(spec).await.unwrap()
    }

    /// Names of what exists with the label of this gateway.
    async fn left(&self) -> Vec<String> {
        let label = format!("gateway-id={}", self.gateway);
        let page = PageRequest { cursor: None, limit: 100 };
        let containers = self.engine.containers(&[&label], &page).await.unwrap().items;
        let networks = self.engine.networks(&[&label], &page).await.unwrap().items;
        containers.into_iter().map(|c| c.name).chain(networks.into_iter().map(|n| n.name)).collect()
    }

    /// Everything is taken down, and nothing is left.
    async fn ends(self) {
        self.host.shutdown(LONG).await;
        let left = async {
            while !self.left().await.is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, left).await.unwrap();
        drop(self.dir);
    }
}

/// A server that runs until its input ends.
fn server(name: &str) -> ServerSpec {
    image_server(name, &["cat"])
}

fn image_server(name: &str, words: &[&str]) -> ServerSpec {
    let arguments = words.iter().map(|word| (*word).to_owned()).collect();
    ServerSpec::new(name, Workload::Image { reference: IMAGE.to_owned(), digest: None, arguments })
}

fn with_secret(mut server: ServerSpec, host: &PluginHost) -> ServerSpec {
    let parts = vec![Part::Text("Bearer ".to_owned()), Part::Secret("token".to_owned())];
    server.environment = vec![Variable { name: "TOKEN".to_owned(), value: Value::Joined(parts) }];
    server.secrets = vec!["token".to_owned()];
    host.config.resolver.declare(server.id.as_str(), ["token".to_owned()]);
    server
}

fn mounted(mut server: ServerSpec, folder: &Path, access: Access, by_operator: bool) -> ServerSpec {
    let source = MountSource::Folder(folder.to_owned());
    server.mounts = vec![Mount {
        source,
        target: "/data".to_owned(),
        access,
        options: Vec::new(),
        written: String::new(),
        by_operator,
    }];
    server
}

/// A call of a request of its own: containers are named after it, and engines outlive tests.
fn call() -> Call {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).unwrap();
    Call::new(RequestId::from_bits(u64::from_le_bytes(bits)), LONG)
}

async fn provision(plugin: &Plugin, server: ServerSpec) -> Result<Provisioned, Failure> {
    plugin.provision(&call(), &Arc::new(server)).await
}

async fn refused(plugin: &Plugin, server: ServerSpec) -> Failure {
    let name = server.name.clone();
    provision(plugin, server).await.map(drop).expect_err(&name)
}

/// Reads a server's standard output to its end.
async fn output(provisioned: &mut Provisioned) -> String {
    let Connection::Streams(streams) = &mut provisioned.connection else { panic!("no streams") };
    let mut text = String::new();
    tokio::time::timeout(LONG, streams.stdout.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_runs_with_its_labels_and_its_secret_and_goes() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    let server = with_secret(image_server("forge", &["sh", "-c", "echo $TOKEN; cat"]), &run.host);
    let mut provisioned = provision(&plugin, server).await.unwrap();
    let name = &provisioned.lease.objects[0].name;
    let info = run.engine.inspect(name).await.unwrap().unwrap();
    let label = |key: &str| info.labels.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    assert_eq!(label("gateway-id"), Some(run.gateway.as_str()));
    assert_eq!(label("gateway-plugin"), Some("docker"));
    let digest = format!("sha256-{}", plugin.status().description.digest.get(..56).unwrap());
    assert_eq!(label("gateway-plugin-digest"), Some(digest.as_str()), "of the bytes that made it");
    assert_eq!(label("gateway-session"), Some(run.host.config.session.as_str()), "a plugin cannot forge it");
    assert_eq!((label("gateway-x"), label("mine")), (None, Some("yes")));
    assert_eq!(label("gateway-server"), Some(provisioned.lease.server_id.as_str()));
    let Connection::Streams(streams) = &mut provisioned.connection else { panic!("no streams") };
    tokio::io::AsyncWriteExt::shutdown(&mut streams.stdin).await.unwrap();
    assert_eq!(output(&mut provisioned).await, format!("Bearer {SECRET}\n"));
    plugin.release(&call(), &provisioned.lease, ReleaseReason::Ended).await.unwrap();
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_finds_what_it_made_and_another_request_does_not() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    // Not one that ends with its input: the first two ways to it are dropped.
    let lasting = image_server("twice", &["sleep", "1000"]);
    let provisioned = provision(&plugin, lasting).await.unwrap();
    assert_eq!(run.left().await.len(), 1);
    // Under a name that another request has taken, nothing is found.
    let taken = &provisioned.lease.objects[0].name;
    let again = format!("as {taken}");
    let mut same = server(&again);
    same.id = provisioned.lease.server_id.clone();
    let failure = refused(&plugin, same).await;
    assert_eq!(failure.class, Class::Conflict, "{failure:?}");
    plugin.release(&call(), &provisioned.lease, ReleaseReason::Ended).await.unwrap();
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_for_a_lease_goes_with_it() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    let joined = provision(&plugin, server("join")).await.unwrap();
    let kinds: Vec<_> = joined.lease.objects.iter().map(|object| object.kind.as_str()).collect();
    assert_eq!(kinds, ["network", "container"]);
    assert_eq!(run.left().await.len(), 2);
    plugin.release(&call(), &joined.lease, ReleaseReason::Ended).await.unwrap();
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_gateway_left_is_taken_down_by_the_next() {
    let Some(first) = Run::new().await else { return };
    let plugin = first.plugin("docker", DockerGrant::default()).await;
    let provisioned = provision(&plugin, image_server("run", &["sleep", "1000"])).await.unwrap();
    let name = provisioned.lease.objects[0].name.clone();
    // As the end of the process does: nobody releases, the lock goes.
    first.host.ledger.abandon();
    let second = Run {
        dir: Arc::clone(&first.dir),
        host: {
            let config = &first.host.config;
            PluginHost::new(PluginHostConfig {
                gateway: config.gateway.clone(),
                session: RunId::from_bits(2),
                state_dir: config.state_dir.clone(),
                cache_dir: Some(shared_cache()),
                embedded: Arc::clone(&config.embedded),
                docker: Ok(Arc::clone(&first.engine)),
                kubernetes: host_workload_kubernetes::Surroundings::default(),
                outbound: Arc::default(),
                resolver: Arc::clone(&config.resolver),
                bundled_servers: BTreeMap::new(),
                compile_limit: LONG,
            })
        },
        engine: Arc::clone(&first.engine),
        gateway: first.gateway.clone(),
    };
    let _plugin = second.plugin("docker", DockerGrant::default()).await;
    assert_eq!(second.host.work_off(LONG).await.len(), 0);
    assert_eq!(second.engine.inspect(&name).await.unwrap(), None);
    eventually("nothing is open any more", || second.host.ledger.open().is_empty()).await;
    drop(provisioned);
    second.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_egress_proxy_lets_through_what_the_entry_names_and_no_plugin_more() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    let limited = |name: &str| {
        let mut server = server(name);
        server.egress = Egress::Hosts(vec!["api.example:443".to_owned(), "h:1/udp".to_owned()]);
        server
    };
    // Who was given no program says so.
    let text = refused(&plugin, limited("egress api.example")).await.text;
    assert_eq!(text, "this gateway was built without its egress proxy");
    let bytes = std::fs::read(test_artifacts::egress()).unwrap().into();
    run.host.carry_egress(crate::EgressProgram { bytes, architecture: std::env::consts::ARCH.to_owned() });
    for wider in ["evil.example", "public"] {
        let text = refused(&plugin, limited(&format!("egress {wider}"))).await.text;
        assert!(text.ends_with("reach more than its entry names"), "{wider}: {text}");
    }
    let text = refused(&plugin, limited("egress everything")).await.text;
    assert!(text.starts_with("an egress proxy that limits nothing"), "{text}");
    let mut none = limited("egress api.example");
    none.egress = Egress::None;
    let text = refused(&plugin, none).await.text;
    assert!(text.ends_with("reach more than its entry names"), "{text}");
    assert_eq!(run.left().await, Vec::<String>::new());
    // The guest fails after it was started, so that it is taken down like everything else.
    let text = refused(&plugin, limited("egress api.example")).await.text;
    assert!(text.starts_with("[\"mcp-egress-") && text.ends_with(":api.example\"]"), "{text}");
    run.ends().await;
}
