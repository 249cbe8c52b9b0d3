//! What a plugin with the grant `kubernetes` for one namespace and five kinds cannot do, on a real cluster. Skipped, with one line that says why,
//! where there is none; `GATEWAY_TEST_REQUIRE=kubernetes` turns the skip into a failure.

mod pods;
mod reach;
mod secrets;

use super::{LONG, shared_cache};
use crate::{Grants, KubernetesGrant, Plugin, PluginHost, PluginHostConfig, PluginSource, PluginSpec, RunId};
use host_provisioner::{Call, Failure, Part, Provisioner, RequestId, ServerSpec, Value, Variable, Workload};
use host_resolver::{Resolver, Source};
use host_workload_embedded::EmbeddedEngine;
use host_workload_kubernetes::{Cluster, Kind, Surroundings};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

const SECRET: &str = "hunter2-in-a-cluster";
const KINDS: [&str; 5] =
    ["v1/Pod", "v1/Service", "v1/Secret", "apps/v1/Deployment", "networking.k8s.io/v1/NetworkPolicy"];

#[expect(clippy::disallowed_methods, reason = "only this function of these tests reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A gateway's plugin host, and two namespaces: one that is granted and one that is not.
struct Run {
    _dir: tempfile::TempDir,
    host: Arc<PluginHost>,
    cluster: Arc<Cluster>,
    namespace: String,
    other: String,
    image: String,
}

/// The namespaces go with everything in them, also when a test fails.
impl Drop for Run {
    fn drop(&mut self) {
        let Some(kubectl) = variable("GATEWAY_TEST_KUBECTL") else { return };
        let arguments = ["delete", "namespace", "--wait=false", &self.namespace, &self.other];
        let _ = std::process::Command::new(kubectl).args(arguments).output();
    }
}

fn namespaces() -> Kind {
    Kind {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        plural: "namespaces".to_owned(),
        namespaced: false,
    }
}

impl Run {
    async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let required = variable("GATEWAY_TEST_REQUIRE").unwrap_or_default();
        let (Some(kubeconfig), Some(registry)) = (variable("KUBECONFIG"), variable("GATEWAY_TEST_REGISTRY"))
        else {
            assert!(!required.split(',').any(|part| part == "kubernetes"), "no kubernetes");
            println!("skipped: no kubernetes (testenv/up kubernetes)");
            return None;
        };
        let namespace = format!("hostile-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let other = format!("{namespace}-other");
        let around = Surroundings {
            kubeconfig_flag: Some(kubeconfig.into()),
            namespace: Some(namespace.clone()),
            ..Surroundings::default()
        };
        let cluster = Cluster::new(around.clone());
        for name in [&namespace, &other] {
            let document = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            cluster.create(&namespaces(), &document, false).await.unwrap();
        }
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).unwrap();
        let (gateway, session) = (
            u64::from_le_bytes(bits[..8].try_into().unwrap()),
            u64::from_le_bytes(bits[8..].try_into().unwrap()),
        );
        let dir = tempfile::tempdir().unwrap();
        let secrets = BTreeMap::from([("S_token".to_owned(), SECRET.to_owned())]);
        let host = PluginHost::new(PluginHostConfig {
            gateway: RunId::from_bits(gateway),
            session: RunId::from_bits(session),
            state_dir: dir.path().join("state"),
            cache_dir: Some(shared_cache()),
            embedded: EmbeddedEngine::new(host_workload_embedded::EngineConfig::default()).unwrap(),
            docker: Err(host_workload_docker::Error::unconfigured()),
            kubernetes: around,
            outbound: Arc::default(),
            resolver: Arc::new(Resolver::new(vec![Source::environment("S_", secrets)], [1; 16])),
            bundled_servers: BTreeMap::new(),
            compile_limit: LONG,
        });
        let image = format!("{registry}/mcp/busybox:1");
        Some(Self { _dir: dir, host, cluster, namespace, other, image })
    }

    async fn plugin(&self) -> Arc<Plugin> {
        static GUEST: LazyLock<bytes::Bytes> =
            LazyLock::new(|| std::fs::read(test_artifacts::guest("plugin_kubernetes")).unwrap().into());
        let grant = KubernetesGrant {
            namespaces: vec![self.namespace.clone()],
            kinds: KINDS.map(str::to_owned).into(),
            ..KubernetesGrant::default()
        };
        let spec = PluginSpec {
            name: "hostile".to_owned(),
            source: PluginSource::Bytes(GUEST.clone()),
            grants: Grants { kubernetes: Some(grant), ..Grants::default() },
            limits: crate::Limits::default(),
            settings: serde_json::Value::Null,
        };
        self.host.load(spec).await.unwrap()
    }

    fn server(&self, deeds: &[(&str, String)]) -> ServerSpec {
        let arguments = ["sleep", "600"].map(str::to_owned).into();
        let mut server = ServerSpec::new(
            "victim",
            Workload::Image { reference: self.image.clone(), digest: None, arguments },
        );
        server.annotations =
            deeds.iter().map(|(verb, argument)| ((*verb).to_owned(), argument.clone())).collect();
        server
    }

    fn with_secret(&self, mut server: ServerSpec) -> ServerSpec {
        let value = Value::Joined(vec![Part::Secret("token".to_owned())]);
        let url = Variable { name: "URL".to_owned(), value: Value::Text("https://api.example".to_owned()) };
        server.environment = vec![Variable { name: "TOKEN".to_owned(), value }, url];
        server.secrets = vec!["token".to_owned()];
        self.host.config.resolver.declare(server.id.as_str(), ["token".to_owned()]);
        server
    }

    /// The answers of the deeds.
    async fn answers(&self, plugin: &Plugin, server: ServerSpec) -> Vec<String> {
        let failure = provision(plugin, server).await;
        assert!(!format!("{failure:?}").contains(SECRET), "{failure:?}");
        failure.text.split(" / ").map(str::to_owned).collect()
    }

    /// The pod of a server, honestly, and then what is changed in it.
    fn pod(&self, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "@NAME@", "namespace": self.namespace},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "image": self.image, "args": ["sleep", "600"]}],
            },
        });
        change(&mut pod);
        pod.to_string()
    }

    /// A Deployment of that pod.
    fn deployment(&self, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let pod: serde_json::Value = serde_json::from_str(&self.pod(change)).unwrap();
        let labels = json!({"gateway-server": "@SERVER@"});
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": pod["metadata"],
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
            },
        });
        deployment.to_string()
    }

    /// Nothing with this gateway's labels but the Lease.
    async fn made_nothing(&self) {
        let own = format!("gateway-id={}", self.host.config.gateway.as_str());
        for kind in ["v1/Pod", "apps/v1/Deployment"] {
            let kind = self.cluster.kind(kind).await.unwrap();
            let found = self.cluster.list(&kind, &self.namespace, &own, "", 10, None).await.unwrap().items;
            assert!(found.is_empty(), "{found:?}");
        }
    }

    async fn ends(self) {
        self.host.shutdown(LONG).await;
        let pods = self.cluster.kind("v1/Pod").await.unwrap();
        let own = format!("gateway-id={}", self.host.config.gateway.as_str());
        let left = async {
            while !self
                .cluster
                .list(&pods, &self.namespace, &own, "", 10, None)
                .await
                .unwrap()
                .items
                .is_empty()
            {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LONG, left).await.unwrap();
    }
}

async fn provision(plugin: &Plugin, server: ServerSpec) -> Failure {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).unwrap();
    let call = Call::new(RequestId::from_bits(u64::from_le_bytes(bits)), LONG);
    plugin.provision(&call, &Arc::new(server)).await.map(drop).expect_err("it only asks")
}

/// Compares the beginnings of answers with what they must be.
fn all_begin(deeds: &[(&str, String)], answers: &[String], expected: &[&str]) {
    assert_eq!(answers.len(), expected.len(), "{answers:#?}");
    for ((deed, answer), expected) in deeds.iter().zip(answers).zip(expected) {
        assert!(answer.starts_with(expected), "{deed:?}:\n  {answer}\n  {expected}");
    }
}
