//! The pod of a server (`provisioning.md` 3.4, target manifest), and the Deployment that keeps one (4.4-7). Pure functions with golden files.

mod container;
mod limits;

pub use container::escaped;

use crate::names;
use crate::secret;
use crate::settings::{ClusterSettings, Security, Stdio};
use container::{Volumes, container};
use gateway_plugin::types::{ImageWorkload, Lifetime};
use gateway_plugin::{Context, Error, Fields, Result, Server, Transport, Workload};
use serde_json::{Value, json};

/// Name of the server's container in its pod.
pub const CONTAINER: &str = "mcp-server";

/// What pods of servers and of tools are labelled.
pub const SERVER: &str = "mcp-server";
/// See [`SERVER`].
pub const TOOL: &str = "mcp-tool";

/// Where the bridge listens in a pod, on its loopback.
pub const BRIDGE_PORT: u16 = 4444;
/// The annotation by which the gateway is asked to put it in front (`wit/v0.1/kubernetes.wit`).
const BRIDGE: &str = "mcp-gateway.docker.com/bridge";

/// Seconds for a server to end by itself after its standard input was closed and it was told to.
pub const GRACE: u32 = 5;

/// What a manifest depends on beside the entry.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// Who asks.
    pub context: &'a Context,
    /// The plugin's settings.
    pub settings: &'a ClusterSettings,
    /// Which level the pod keeps to.
    pub security: Security,
    /// How its standard streams are reached, where the operator says.
    pub stdio: Option<Stdio>,
    /// Where it goes.
    pub namespace: &'a str,
    /// Name of the pod.
    pub name: &'a str,
    /// Name of the session's Secret.
    pub secret: &'a str,
    /// Keys of the cluster's ConfigMap, where the cluster has the settings and it may be looked at.
    pub config_keys: Option<&'a [String]>,
    /// [`SERVER`] or [`TOOL`].
    pub component: &'static str,
}

impl Around<'_> {
    /// Whether the bridge stands in front of a server.
    #[must_use]
    pub fn is_bridged(&self, server: &Server) -> bool {
        is_bridged(server, self.stdio)
    }

    /// Whether a Deployment keeps its pod.
    #[must_use]
    pub fn is_deployed(&self, server: &Server) -> bool {
        is_deployed(server, self.stdio)
    }
}

/// Whether the bridge stands in front of a server, about which the operator says this.
#[must_use]
pub fn is_bridged(server: &Server, stdio: Option<Stdio>) -> bool {
    let shared = server.lifetime == Lifetime::Shared;
    let wanted = stdio.map_or(shared, |stdio| stdio == Stdio::Bridge);
    wanted && server.transport == Transport::Stdio
}

/// Whether a Deployment keeps the pod of a server: of every one that is reached over the network. One that is attached ends with its connection,
/// and what came back in its place would wait for somebody who has gone.
#[must_use]
pub fn is_deployed(server: &Server, stdio: Option<Stdio>) -> bool {
    port(server).is_some() || is_bridged(server, stdio)
}

/// The image of a server.
///
/// # Errors
/// `unsupported` for a workload that is none.
pub fn image(server: &Server) -> Result<&ImageWorkload> {
    match &server.workload {
        Workload::Image(image) => Ok(image),
        Workload::Component(_) | Workload::Other(_) => {
            Err(Error::unsupported(format!("run `{}` in a cluster: it is no container image", server.id))
                .hint("place the server on a provisioner that runs its kind"))
        }
    }
}

/// The reference that runs: with the digest that was approved, if one was.
#[must_use]
pub fn reference(image: &ImageWorkload) -> String {
    match &image.digest {
        Some(digest) if !image.reference.contains('@') => format!("{}@{digest}", image.reference),
        _ => image.reference.clone(),
    }
}

/// The port of a server that speaks over the network.
#[must_use]
pub fn port(server: &Server) -> Option<u16> {
    match &server.transport {
        Transport::StreamableHttp(endpoint) | Transport::Sse(endpoint) => Some(endpoint.port),
        Transport::Tcp(port) => Some(*port),
        Transport::Stdio | Transport::Other(_) => None,
    }
}

/// The pod.
///
/// # Errors
/// What cannot be run as a pod at all: no image, a value of a later version of the contract (`unsupported`), a secret among the arguments
/// (`permission`), a mount that nothing in the cluster stands for (`config`).
pub fn pod(server: &Server, around: &Around<'_>, fields: &mut Fields) -> Result<Value> {
    let mut volumes = Volumes::default();
    let container = container(server, around, fields, &mut volumes)?;
    let mut spec = json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": limits::of_pod(server, around.security),
        "containers": [container],
    });
    if let Some(map) = spec.as_object_mut() {
        let settings = around.settings;
        if let Some(account) = &settings.service_account {
            map.insert("serviceAccountName".to_owned(), Value::from(account.as_str()));
        }
        let mut pulls = settings.image_pull_secrets.clone();
        pulls.extend(secret::pull_names(around.context, settings));
        if !pulls.is_empty() {
            let names = pulls.iter().map(|name| json!({ "name": name })).collect();
            map.insert("imagePullSecrets".to_owned(), Value::Array(names));
        }
        if !settings.node_selector.is_empty() {
            map.insert("nodeSelector".to_owned(), json!(settings.node_selector));
        }
        if !volumes.volumes.is_empty() {
            map.insert("volumes".to_owned(), Value::Array(volumes.volumes));
        }
        if !server.network.extra_hosts.is_empty() {
            map.insert("hostAliases".to_owned(), Value::Array(aliases(server)?));
        }
    }
    let mut annotations = json!({ names::NAME_ANNOTATION: server.name });
    if around.is_bridged(server)
        && let Some(annotations) = annotations.as_object_mut()
    {
        annotations.insert(BRIDGE.to_owned(), Value::from(BRIDGE_PORT.to_string()));
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": around.name,
            "namespace": around.namespace,
            "labels": names::labels(around.context, &server.name, around.component),
            "annotations": annotations,
        },
        "spec": spec,
    }))
}

/// The Deployment that keeps one such pod: what ends, is deleted or evicted comes back, and there are never two.
#[must_use]
pub fn deployment(mut pod: Value, around: &Around<'_>) -> Value {
    let mut part = |pointer: &str| pod.pointer_mut(pointer).map(Value::take).unwrap_or_default();
    let (labels, annotations) = (part("/metadata/labels"), part("/metadata/annotations"));
    let mut spec = part("/spec");
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("restartPolicy".to_owned(), Value::from("Always"));
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": around.name,
            "namespace": around.namespace,
            "labels": labels,
            "annotations": { names::NAME_ANNOTATION: annotations.get(names::NAME_ANNOTATION) },
        },
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": names::selector(around.context) },
            "template": { "metadata": { "labels": labels, "annotations": annotations }, "spec": spec },
        },
    })
}

/// `host:address` pairs.
fn aliases(server: &Server) -> Result<Vec<Value>> {
    let pair = |written: &String| {
        let (host, address) = written
            .split_once(':')
            .ok_or_else(|| Error::config(format!("add the host `{written}`: it is no `host:address`")))?;
        Ok(json!({ "ip": address, "hostnames": [host] }))
    };
    server.network.extra_hosts.iter().map(pair).collect()
}
