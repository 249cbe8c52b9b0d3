//! A real cluster: starts beside `kubectl` by hand, what the API server is asked, what attached pods occupy, and what a call costs by each way.

use super::report::{Report, Row};
use super::{Effort, median, micros, millis, process};
use crate::harness::{Client, Era, Gateway, Scene, part};
use serde_json::{Value, json};
use std::time::Instant;
use tokio::process::Command;

const LEGACY: Era = Era::Legacy("2025-11-25");

/// What the environment says about the cluster.
struct Cluster {
    kubectl: String,
    kubeconfig: String,
    registry: String,
    namespace: String,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.namespace, "--wait=false"];
        let _ = std::process::Command::new(&self.kubectl).args(arguments).output();
    }
}

impl Cluster {
    async fn new() -> Option<Self> {
        part("kubernetes", "KUBECONFIG")?;
        #[expect(clippy::disallowed_methods, reason = "the environment says what there is to measure")]
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let cluster = Self {
            kubectl: variable("GATEWAY_TEST_KUBECTL"),
            kubeconfig: variable("KUBECONFIG"),
            registry: variable("GATEWAY_TEST_REGISTRY"),
            namespace: format!("bench-{}", std::process::id()),
        };
        cluster.kubectl(&["create", "namespace", &cluster.namespace]).await;
        Some(cluster)
    }

    async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.kubectl).args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn here(&self, arguments: &[&str]) -> String {
        self.kubectl(&[&["--namespace", self.namespace.as_str()], arguments].concat()).await
    }

    /// No pod is left, whoever made it.
    async fn empty(&self) {
        self.here(&["delete", "pods", "--all", "--grace-period=0", "--force", "--ignore-not-found"]).await;
        self.here(&["wait", "pods", "--all", "--for=delete", "--timeout=120s"]).await;
    }

    /// So many servers, each a pod.
    async fn serve<'s>(&self, scene: &'s Scene, servers: usize, more: &str, flags: &[&str]) -> Gateway<'s> {
        let image = format!("{}/mcp/null:1", self.registry);
        let servers: String = (0..servers).map(|n| format!("  s{n}: {{image: '{image}'{more}}}\n")).collect();
        scene.file("cluster.yaml", format!("front: {{names: all}}\nservers:\n{servers}"));
        let arguments =
            ["--settings", "cluster.yaml", "--provisioner", "k8s", "--namespace", &self.namespace];
        let timeout = ["--max-server-startup-timeout", "120"];
        scene.serve(arguments.into_iter().chain(timeout).chain(flags.iter().copied())).await
    }
}

async fn await_all(client: &mut Client, servers: usize) {
    let wanted: Vec<String> = (0..servers).map(|n| format!("s{n}__echo")).collect();
    client.await_tools(&wanted.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// # Panics
/// The cluster does not do what it is asked.
pub async fn measure(report: &mut Report, effort: Effort, scene: Scene) {
    let Some(cluster) = Cluster::new().await else {
        report.skip("a cluster: there is none (testenv/up kubernetes)");
        return;
    };
    let scene = scene.with_variable("KUBECONFIG", &cluster.kubeconfig);
    // The images are on the node before anything is counted.
    by_hand(&cluster, 1).await;
    for servers in [1, 20, 50] {
        let (mut ours, mut hand) = (Vec::new(), Vec::new());
        for _ in 0..if servers == 1 { effort.rounds } else { 1 } {
            hand.push(by_hand(&cluster, servers).await);
            ours.push(starts(&cluster, &scene, servers).await);
        }
        let what = format!("from nothing to a tool's answer of each of {servers} pods");
        let row = Row::new(what, "ms", median(ours));
        report.add(row.beside("kubectl apply and wait until they are ready", median(hand)));
    }
    memory(report, &cluster, &scene).await;
    requests(report, &cluster, &scene).await;
    calls(report, effort, &cluster, &scene).await;
}

/// Pods as one writes them by hand, until all are ready. They cannot be asked yet.
async fn by_hand(cluster: &Cluster, servers: usize) -> f64 {
    let image = format!("{}/mcp/null:1", cluster.registry);
    let pods: Vec<Value> = (0..servers)
        .map(|n| {
            let container = json!({"name": "c", "image": image, "stdin": true});
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("hand-{n}")}, "spec": {"containers": [container]}})
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pods.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string()).unwrap();
    let begin = Instant::now();
    cluster.here(&["apply", "-f", file.to_str().unwrap()]).await;
    cluster.here(&["wait", "pods", "--all", "--for=condition=Ready", "--timeout=120s"]).await;
    let time = millis(begin.elapsed());
    cluster.empty().await;
    time
}

async fn starts(cluster: &Cluster, scene: &Scene, servers: usize) -> f64 {
    let begin = Instant::now();
    let gateway = cluster.serve(scene, servers, "", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    await_all(&mut client, servers).await;
    for n in 0..servers {
        client.text(&format!("s{n}__echo"), json!({"message": "hello"})).await;
    }
    let time = millis(begin.elapsed());
    gateway.end().await;
    time
}

/// Fifty attached pods beside one.
async fn memory(report: &mut Report, cluster: &Cluster, scene: &Scene) {
    let mut resident = Vec::new();
    for servers in [1, 50] {
        let gateway = cluster.serve(scene, servers, "", &[]).await;
        let mut client = gateway.client(LEGACY).await;
        await_all(&mut client, servers).await;
        for n in 0..servers {
            client.text(&format!("s{n}__echo"), json!({"message": "hello"})).await;
        }
        resident.push(process::resident(gateway.pid()) / 1024.0);
        gateway.end().await;
    }
    let row = Row::new("resident with 50 attached pods", "MiB", resident[1]);
    report.add(row.beside("with one", resident[0]));
}

/// What the API server counts of one account. It counts a watch and an attached connection by their beginning, or not at all.
async fn requests(report: &mut Report, cluster: &Cluster, scene: &Scene) {
    let name = cluster.namespace.clone();
    let schema = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": 50,
            "priorityLevelConfiguration": {"name": "workload-low"},
            "rules": [{
                "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "bench", "namespace": name}}],
                "resourceRules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "namespaces": ["*"], "clusterScope": true}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }],
        },
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.json");
    std::fs::write(&file, schema.to_string()).unwrap();
    cluster.here(&["create", "serviceaccount", "bench"]).await;
    let subject = format!("--serviceaccount={name}:bench");
    cluster.here(&["create", "rolebinding", "bench", "--clusterrole=admin", &subject]).await;
    cluster.here(&["create", "role", "leases", "--verb=*", "--resource=leases"]).await;
    cluster.here(&["create", "rolebinding", "leases", "--role=leases", &subject]).await;
    cluster.kubectl(&["apply", "-f", file.to_str().unwrap()]).await;
    let token = cluster.here(&["create", "token", "bench"]).await;
    let text = cluster.kubectl(&["config", "view", "--raw", "--flatten", "--minify", "-o", "json"]).await;
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"] = json!({ "token": token.trim() });
    scene.file("bench.kubeconfig", config.to_string());
    let counted = async || {
        let metrics = cluster.kubectl(&["get", "--raw", "/metrics"]).await;
        let own = |line: &&str| {
            line.starts_with("apiserver_flowcontrol_dispatched_requests_total{")
                && line.contains(&format!("flow_schema=\"{name}\""))
        };
        let counts =
            metrics.lines().filter(own).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        counts.sum::<f64>()
    };
    let mut each = Vec::new();
    for servers in [1_u8, 21] {
        let before = counted().await;
        let gateway = cluster.serve(scene, servers.into(), "", &["--kubeconfig", "bench.kubeconfig"]).await;
        let mut client = gateway.client(LEGACY).await;
        await_all(&mut client, servers.into()).await;
        for n in 0..servers {
            client.text(&format!("s{n}__echo"), json!({"message": "hello"})).await;
        }
        gateway.end().await;
        each.push(counted().await - before);
    }
    cluster.kubectl(&["delete", "flowschema", &name]).await;
    let more = (each[1] - each[0]) / 20.0;
    let row = Row::new("requests to the API server per further server, from start to end", "", more);
    report.add(row.beside("of a gateway with one server in all", each[0]));
}

/// One call after the other, by each way to a pod, beside the same program as a process of this machine.
async fn calls(report: &mut Report, effort: Effort, cluster: &Cluster, scene: &Scene) {
    let mut found = Vec::new();
    for (what, more) in
        [("attached to its pod", ""), ("behind the bridge and a tunnel", ", lifetime: shared")]
    {
        let gateway = cluster.serve(scene, 1, more, &[]).await;
        found.push((what, call(&gateway, effort, "s0__echo").await));
        gateway.end().await;
    }
    let gateway = scene.serve([""; 0]).await;
    let own = call(&gateway, effort, "echo").await;
    gateway.end().await;
    for (what, time) in found {
        let row = Row::new(format!("a call of a server {what}"), "µs", time);
        report.add(row.beside("of an embedded one through the same gateway", own));
    }
}

async fn call(gateway: &Gateway<'_>, effort: Effort, tool: &str) -> f64 {
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&[tool]).await;
    let mut times = Vec::new();
    for n in 0..effort.calls / 10 + 10 {
        let begin = Instant::now();
        client.text(tool, json!({"message": n.to_string()})).await;
        times.push(micros(begin.elapsed()));
    }
    median(times.split_off(10))
}
