//! What a plugin with the grant `kubernetes` for one namespace and five kinds cannot do, on a real cluster. Skipped, with one line that says why,
//! where there is none; `GATEWAY_TEST_REQUIRE=kubernetes` turns the skip into a failure.

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_namespace_and_no_other_kind_is_reached() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let elsewhere = run.pod(|pod| pod["metadata"]["namespace"] = json!(run.other));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "@NAME@", "namespace": run.namespace}});
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "@NAME@"}});
    let deeds = [
        ("apply", elsewhere.clone()),
        ("dry-run", elsewhere),
        ("get", format!("v1/Pod {} x", run.other)),
        ("remove", format!("v1/Pod {} x", run.other)),
        ("enumerate", format!("v1/Pod {} a", run.other)),
        ("keys", format!("{} x", run.other)),
        ("exec", format!("{} x env", run.other)),
        ("tunnel", format!("v1/Pod {} x", run.other)),
        ("get", "v1/Pod kube-system x".to_owned()),
        ("get", format!("v1/Pod {}/../kube-system x", run.namespace)),
        ("apply", map.to_string()),
        ("apply", role.to_string()),
        ("get", format!("v1/ConfigMap {} x", run.namespace)),
        ("remove", format!("v1/ConfigMap {} x", run.namespace)),
        ("enumerate", format!("v1/Node {} a", run.namespace)),
        ("get", format!("v1/Namespace {} {}", run.namespace, run.namespace)),
    ];
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    let namespace = format!("plugin `hostile` may do nothing in namespace `{}`", run.other);
    let kind = "plugin `hostile` may do nothing with objects of kind";
    let mut expected = vec![namespace.as_str(); 8];
    expected.extend([
        "plugin `hostile` may do nothing in namespace `kube-system`",
        "plugin `hostile` may do nothing in namespace",
    ]);
    expected.extend([kind; 6]);
    all_begin(&deeds, &answers, &expected);
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_neither_removed_nor_changed_nor_entered() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let pods = run.cluster.kind("v1/Pod").await.unwrap();
    // One without labels, one with a gateway's labels that says it is somebody else's.
    for (name, labels) in [
        ("plain", json!({})),
        (
            "theirs",
            json!({"app.kubernetes.io/managed-by": "mcp-gateway", "gateway-plugin": "hostile", "gateway-session": "kzzzzzzzzzzzzzzz", "gateway-id": "kzzzzzzzzzzzzzzz"}),
        ),
    ] {
        let mut pod: serde_json::Value = serde_json::from_str(&run.pod(|_| {})).unwrap();
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["labels"] = labels;
        run.cluster.create(&pods, &pod, false).await.unwrap();
    }
    let secrets = run.cluster.kind("v1/Secret").await.unwrap();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain", "namespace": run.namespace}, "stringData": {"k": SECRET}});
    run.cluster.create(&secrets, &secret, false).await.unwrap();
    let of = |what: &str, name: &str| format!("{what} {} {name}", run.namespace);
    let secret_document = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain", "namespace": run.namespace}});
    let deeds = [
        ("remove", of("v1/Pod", "plain")),
        ("remove", of("v1/Pod", "theirs")),
        ("remove", of("v1/Secret", "plain")),
        ("exec", format!("{} plain env", run.namespace)),
        ("exec-attached", format!("{} theirs env", run.namespace)),
        ("attach", of("v1/Pod", "theirs")),
        ("log", of("v1/Pod", "plain")),
        ("tunnel", of("v1/Pod", "plain")),
        ("keys", format!("{} plain", run.namespace)),
        ("apply", run.pod(|pod| pod["metadata"]["name"] = json!("plain"))),
        ("apply", secret_document.to_string()),
        (
            "apply",
            run.pod(|pod| pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "plain"}}])),
        ),
        (
            "apply",
            run.pod(|pod| {
                pod["spec"]["containers"][0]["env"] =
                    json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "plain", "key": "k"}}}])
            }),
        ),
        (
            "apply",
            run.pod(|pod| {
                pod["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "plain"}}])
            }),
        ),
    ];
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    let not_own = |name: &str| format!("Pod `{name}` is not one of this call");
    let belongs = format!("Pod `plain` in namespace `{}` belongs to somebody else", run.namespace);
    let expected = [
        &*not_own("plain"),
        &not_own("theirs"),
        "Secret `plain` is not one of this call",
        &not_own("plain"),
        &not_own("theirs"),
        &not_own("theirs"),
        &not_own("plain"),
        &not_own("plain"),
        "plugin `hostile` may not look at the Secret `plain`",
        &belongs,
        "a Secret is not applied as a document",
        "the Secret `plain` is neither made here for this server nor granted",
        "the variable `A` may not take the entry `k` of the Secret `plain`",
        "a whole Secret is never put into variables",
    ];
    all_begin(&deeds, &answers, &expected);
    // What may be seen of a Secret is that it is there.
    let seen = run.answers(&plugin, run.server(&[("get", of("v1/Secret", "plain"))])).await;
    assert!(seen[0].contains("\\\"name\\\":\\\"plain\\\"") && !seen[0].contains("\\\"data"), "{seen:?}");
    for name in ["plain", "theirs"] {
        assert!(
            run.cluster.get(&pods, &run.namespace, name).await.unwrap().is_some(),
            "{name} is still there"
        );
    }
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_has_no_rights_beyond_itself() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    type Change = fn(&mut serde_json::Value);
    let changes: [(Change, &str); 14] = [
        (
            |pod| pod["spec"]["hostNetwork"] = json!(true),
            "plugin `hostile` may not use namespaces of the node",
        ),
        (|pod| pod["spec"]["hostPID"] = json!(true), "plugin `hostile` may not use namespaces of the node"),
        (|pod| pod["spec"]["nodeName"] = json!("testnode"), "the pod has `nodeName`"),
        (|pod| pod["spec"]["ephemeralContainers"] = json!([]), "the pod has `ephemeralContainers`"),
        (|pod| pod["spec"]["serviceAccountName"] = json!("default"), "the service account `default`"),
        (
            |pod| pod["spec"]["automountServiceAccountToken"] = json!(true),
            "a pod without a service account of its own",
        ),
        (
            |pod| pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true}),
            "plugin `hostile` may not run a container privileged",
        ),
        (
            |pod| {
                pod["spec"]["containers"][0]["securityContext"] =
                    json!({"capabilities": {"add": ["SYS_ADMIN"]}})
            },
            "plugin `hostile` may not give a container the capability `SYS_ADMIN`",
        ),
        (
            |pod| pod["spec"]["containers"][0]["image"] = json!("evil/image"),
            "the image `evil/image` is not that of the server's entry",
        ),
        (
            |pod| pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]),
            "plugin `hostile` may not open a port of the node",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": "/"}}]),
            "plugin `hostile` may not use a volume of kind `hostPath`",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}])
            },
            "plugin `hostile` may not use a volume of kind `projected`",
        ),
        (
            |pod| pod["metadata"]["ownerReferences"] = json!([{"kind": "Node", "name": "testnode"}]),
            "an owner of an object can only be the gateway's own pod",
        ),
        (
            |pod| pod["metadata"]["annotations"] = json!({"mcp-gateway.docker.com/bridge": "80"}),
            "this gateway was built without `gateway-bridge`",
        ),
    ];
    let deeds: Vec<(&str, String)> = changes.iter().map(|(change, _)| ("apply", run.pod(*change))).collect();
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    let expected: Vec<&str> = changes.iter().map(|(_, expected)| *expected).collect();
    all_begin(&deeds, &answers, &expected);
    run.ends().await;
}

/// In no way that a pod, or a template of pods, has to name one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reference_leads_into_a_secret_that_nobody_named() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let secrets = run.cluster.kind("v1/Secret").await.unwrap();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "namespace": run.namespace}, "stringData": {"k": SECRET, "token": SECRET}});
    run.cluster.create(&secrets, &secret, false).await.unwrap();
    type Change = fn(&mut serde_json::Value);
    let changes: [(Change, &str); 12] = [
        (
            |pod| {
                pod["spec"]["containers"][0]["env"] = json!([{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "token"}}}])
            },
            "the variable `TOKEN` may not take the entry `token` of the Secret `theirs`",
        ),
        (
            |pod| {
                let helper = json!({"name": "MCPCFG_token", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "token"}}});
                pod["spec"]["containers"][0]["env"] =
                    json!([helper, {"name": "TOKEN", "value": "$(MCPCFG_token)"}]);
            },
            "the variable `MCPCFG_token` may not take the entry `token` of the Secret `theirs`",
        ),
        (
            |pod| {
                let mut init = pod["spec"]["containers"][0].clone();
                init["name"] = json!("init");
                init["env"] =
                    json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "k"}}}]);
                pod["spec"]["initContainers"] = json!([init]);
            },
            "the variable `A` may not take the entry `k` of the Secret `theirs`",
        ),
        (
            |pod| pod["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "theirs"}}]),
            "a whole Secret is never put into variables",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "theirs"}}]),
            "the Secret `theirs` is neither made here for this server nor granted",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "theirs", "items": [{"key": "k", "path": "p"}]}}]),
            "the Secret `theirs` is neither made here for this server nor granted",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "projected": {"sources": [{"secret": {"name": "theirs"}}]}}])
            },
            "plugin `hostile` may not use a volume of kind `projected`",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "theirs"}}}])
            },
            "plugin `hostile` may not use a volume of kind `csi`",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] =
                    json!([{"name": "v", "emptyDir": {}, "secret": {"secretName": "theirs"}}])
            },
            "a volume has one source",
        ),
        (
            |pod| pod["spec"]["imagePullSecrets"] = json!([{"name": "theirs"}]),
            "the Secret `theirs` is neither made here for this server nor granted",
        ),
        (
            |pod| pod["spec"]["serviceAccountName"] = json!("default"),
            "the service account `default` is neither made here for this server nor granted",
        ),
        (|pod| pod["spec"]["serviceAccount"] = json!("default"), "the pod has `serviceAccount`"),
    ];
    let expected: Vec<&str> = changes.iter().map(|(_, expected)| *expected).collect();
    for (verb, set) in [("apply", false), ("apply", true), ("dry-run", true)] {
        let document = |change: Change| if set { run.deployment(change) } else { run.pod(change) };
        let deeds: Vec<(&str, String)> =
            changes.iter().map(|(change, _)| (verb, document(*change))).collect();
        // A server with a secret of its own, so that the variable is one of its entry's.
        let answers = run.answers(&plugin, run.with_secret(run.server(&deeds))).await;
        all_begin(&deeds, &answers, &expected);
    }
    run.made_nothing().await;
    run.ends().await;
}

/// A set takes what its selector names for its own, and removes what is too much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_of_pods_selects_its_own() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let with = |selector: serde_json::Value| {
        let mut deployment: serde_json::Value = serde_json::from_str(&run.deployment(|_| {})).unwrap();
        deployment["spec"]["selector"] = selector;
        deployment.to_string()
    };
    let deeds = [
        ("apply", with(json!({"matchLabels": {"app.kubernetes.io/managed-by": "mcp-gateway"}}))),
        ("apply", with(json!({"matchLabels": {"gateway-server": "somebody-else"}}))),
        ("apply", with(json!({"matchExpressions": [{"key": "gateway-server", "operator": "Exists"}]}))),
        ("apply", with(json!(null))),
    ];
    let answers = run.answers(&plugin, run.server(&deeds)).await;
    all_begin(&deeds, &answers, &["a set of pods must select by the label"; 4]);
    run.made_nothing().await;
    run.ends().await;
}

/// A pod that carries a secret is made honestly; then everything is tried to get at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_not_had_out_of_the_pod_that_carries_it() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let env = json!([{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "@NAME@", "key": "key"}}}]);
    let carrying = |change: &dyn Fn(&mut serde_json::Value)| {
        run.pod(|pod| {
            pod["spec"]["containers"][0]["env"] = env.clone();
            change(pod);
        })
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "@NAME@", "namespace": run.namespace}});
    let own = |what: &str| format!("{what} {} @NAME@", run.namespace);
    let deeds = [
        ("secret", secret.to_string()),
        ("get", own("v1/Secret")),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["command"] = json!(["env"]))),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["args"] = json!(["env"]))),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["env"][0]["name"] = json!("OTHER"))),
        (
            "apply",
            carrying(&|pod| {
                let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
                env.push(json!({"name": "LD_PRELOAD", "value": "x"}));
            }),
        ),
        ("apply", carrying(&|pod| pod["spec"]["containers"][0]["workingDir"] = json!("/evil"))),
        (
            "apply",
            carrying(&|pod| {
                let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
                env.push(json!({"name": "URL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['evil']"}}}));
            }),
        ),
        (
            "apply",
            carrying(&|pod| {
                let item = json!({"path": "sleep", "mode": 0o755, "fieldRef": {"fieldPath": "metadata.annotations['evil']"}});
                pod["spec"]["volumes"] = json!([{"name": "v", "downwardAPI": {"items": [item]}}]);
                pod["spec"]["containers"][0]["volumeMounts"] =
                    json!([{"name": "v", "mountPath": "/bin/sleep", "subPath": "sleep"}]);
            }),
        ),
        (
            "apply",
            carrying(&|pod| {
                pod["spec"]["containers"][0]["lifecycle"] =
                    json!({"postStart": {"exec": {"command": ["env"]}}})
            }),
        ),
        ("apply", carrying(&|pod| pod["spec"]["initContainers"] = pod["spec"]["containers"].clone())),
        (
            "apply",
            carrying(&|pod| {
                pod["spec"]["hostAliases"] = json!([{"ip": "10.0.0.1", "hostnames": ["api.example"]}])
            }),
        ),
        ("run-pod", carrying(&|pod| pod["spec"]["containers"][0]["args"] = json!(["env"]))),
        ("apply", carrying(&|_| {})),
        ("ready", own("v1/Pod")),
        ("exec", format!("{} @NAME@ env", run.namespace)),
        ("exec-attached", format!("{} @NAME@ env", run.namespace)),
        ("log", own("v1/Pod")),
        ("get", own("v1/Pod")),
    ];
    let answers = run.answers(&plugin, run.with_secret(run.server(&deeds))).await;
    let closed = "a container that carries secrets cannot have";
    let expected = [
        "()",
        "Some(",
        &*format!("{closed} another entry point"),
        &format!("{closed} other arguments than its entry's"),
        "the variable `OTHER` may not take the entry `key`",
        "the variable `LD_PRELOAD` of a server that carries secrets must be that of its entry",
        &format!("{closed} another working directory"),
        "the variable `URL` of a server that carries secrets must be that of its entry",
        "a pod that carries secrets has no volume of a plugin's own texts",
        &format!("{closed} programs that a plugin chose"),
        "a pod that carries secrets has no container but the server's own",
        "a pod that carries secrets has one container",
        &format!("{closed} other arguments than its entry's"),
        "()",
        "0",
        "run a program in pod",
        "run a program in pod",
        "read the output of pod",
        "Some(",
    ];
    all_begin(&deeds, &answers, &expected);
    assert!(!answers[1].contains("\\\"data"), "{}", answers[1]);
    for (at, answer) in answers.iter().enumerate().skip(15).take(3) {
        assert!(answer.ends_with(": it carries secrets"), "{at}: {answer}");
    }
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_in_calls_that_only_read() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin().await;
    let deeds = [
        ("apply", run.pod(|pod| pod["metadata"]["name"] = json!("made"))),
        ("remove", format!("v1/Pod {} made", run.namespace)),
        ("exec", format!("{} made env", run.namespace)),
        ("run-pod", run.pod(|pod| pod["metadata"]["name"] = json!("made"))),
        ("tunnel", format!("v1/Pod {} made", run.namespace)),
    ];
    let call = Call::new(RequestId::from_bits(1), LONG);
    let failure =
        plugin.validate(&call, &Arc::new(run.server(&deeds))).await.map(drop).expect_err("it only asks");
    let answers: Vec<String> = failure.text.split(" / ").map(str::to_owned).collect();
    let expected =
        ["applied", "removed", "run", "run", "opened"].map(|what| format!("nothing is {what} in `validate`"));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    all_begin(&deeds, &answers, &expected);
    run.ends().await;
}
