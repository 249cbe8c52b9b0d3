//! The pod of a server (`provisioning.md` 3.4, target manifest), and the Deployment that keeps one (4.4-7). Pure functions with golden files.

use crate::late::{self, Late};
use crate::names;
use crate::secret;
use crate::settings::{ClusterSettings, PullPolicy, Security, Stdio};
use gateway_plugin::types::{Access, ImageWorkload, Lifetime, MountSource};
use gateway_plugin::{Context, Error, Fields, Result, Server, Transport, Workload, value};
use serde_json::{Map, Value, json};

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
        "securityContext": pod_security(server, around.security),
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

#[derive(Default)]
struct Volumes {
    volumes: Vec<Value>,
    mounts: Vec<Value>,
}

fn container(
    server: &Server,
    around: &Around<'_>,
    fields: &mut Fields,
    volumes: &mut Volumes,
) -> Result<Value> {
    let image = image(server)?;
    let mut container = json!({
        "name": CONTAINER,
        "image": reference(image),
        "imagePullPolicy": match around.settings.image_pull_policy.unwrap_or(PullPolicy::Missing) {
            PullPolicy::Always => "Always",
            PullPolicy::Missing => "IfNotPresent",
            PullPolicy::Never => "Never",
        },
        "securityContext": container_security(server, around.security, fields)?,
        "resources": resources(server, around.settings, fields),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    mounts(server, around, volumes)?;
    let Some(map) = container.as_object_mut() else { return Ok(container) };
    let mut late = Late::new(server, around);
    let words = image.arguments.iter().map(|argument| late.word(argument)).collect::<Result<Vec<_>>>()?;
    if !words.is_empty() {
        map.insert("args".to_owned(), json!(words));
    }
    if let Some(entrypoint) = &image.entrypoint {
        map.insert(
            "command".to_owned(),
            json!(entrypoint.iter().map(|word| escaped(word)).collect::<Vec<_>>()),
        );
    }
    if let Some(directory) = &image.working_directory {
        map.insert("workingDir".to_owned(), Value::from(directory.as_str()));
    }
    let own =
        server.environment.iter().map(|variable| late.variable(variable)).collect::<Result<Vec<_>>>()?;
    let mut env = late.helpers();
    env.extend(own.into_iter().flatten());
    if !env.is_empty() {
        map.insert("env".to_owned(), Value::Array(env));
    }
    if let Some(config) = late::config_name(around.settings) {
        map.insert("envFrom".to_owned(), json!([{ "configMapRef": { "name": config, "optional": true } }]));
    }
    match (&server.transport, port(server)) {
        (Transport::Stdio, _) if around.is_bridged(server) => {}
        (Transport::Stdio, _) => {
            // A gateway that vanishes ends the server by the end of its input.
            map.insert("stdin".to_owned(), Value::from(true));
            map.insert("stdinOnce".to_owned(), Value::from(true));
        }
        (_, Some(port)) => {
            map.insert(
                "ports".to_owned(),
                json!([{ "name": "mcp", "containerPort": port, "protocol": "TCP" }]),
            );
            map.insert("readinessProbe".to_owned(), probe(server));
        }
        (_, None) => {
            return Err(Error::unsupported(
                "speak with the server over a transport that this plugin does not know",
            ));
        }
    }
    if !volumes.mounts.is_empty() {
        map.insert("volumeMounts".to_owned(), Value::Array(std::mem::take(&mut volumes.mounts)));
    }
    Ok(container)
}

/// A path that answers, or a port that accepts connections.
fn probe(server: &Server) -> Value {
    let health = match &server.transport {
        Transport::StreamableHttp(endpoint) | Transport::Sse(endpoint) => endpoint.health_path.as_deref(),
        _ => None,
    };
    match health {
        Some(path) => {
            json!({ "httpGet": { "path": path, "port": "mcp" }, "periodSeconds": 1, "failureThreshold": 30 })
        }
        None => json!({ "tcpSocket": { "port": "mcp" }, "periodSeconds": 1, "failureThreshold": 30 }),
    }
}

/// The cluster puts variables in the place of `$(NAME)`, and `$` in the place of `$$`; Docker does neither.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        if c == '$' && matches!(rest.peek(), Some('$' | '(')) {
            out.push('$');
        }
    }
    out
}

/// Folders of the gateway's machine do not exist in a cluster: each needs a claim that the operator names for it.
fn mounts(server: &Server, around: &Around<'_>, volumes: &mut Volumes) -> Result<()> {
    for (index, mount) in server.mounts.iter().enumerate() {
        let name = format!("volume-{index}");
        let read_only = mount.access == Access::ReadOnly;
        let volume = match &mount.source {
            MountSource::Empty(mib) => {
                let limit = mib.map(|mib| json!({ "sizeLimit": format!("{mib}Mi") }));
                json!({ "name": name, "emptyDir": limit.unwrap_or_else(|| json!({})) })
            }
            MountSource::Folder(_) | MountSource::Volume(_) => {
                let Some(claim) = around.settings.volumes.get(&mount.label) else {
                    return Err(Error::config(format!(
                        "mount `{}` at `{}`: nothing in the cluster stands for it",
                        mount.label, mount.target
                    ))
                    .hint(format!(
                        "name a claim: `volumes: {{\"{}\": CLAIM}}` in the settings of the plugin, and the claim in its grant",
                        mount.label
                    )));
                };
                json!({ "name": name, "persistentVolumeClaim": { "claimName": claim, "readOnly": read_only } })
            }
            MountSource::Other(_) => {
                return Err(Error::unsupported(format!(
                    "mount `{}`: its source is not known here",
                    mount.target
                )));
            }
        };
        volumes.volumes.push(volume);
        volumes.mounts.push(json!({ "name": name, "mountPath": mount.target, "readOnly": read_only }));
    }
    for (index, file) in server.files.iter().enumerate() {
        value::refuse_unknown(&format!("file `{}`", file.path), &file.content)?;
        let name = format!("file-{index}");
        let key = secret::file_key(&server.id, &file.path);
        volumes.volumes.push(json!({
            "name": name,
            "secret": {
                "secretName": around.secret,
                "items": [{ "key": key, "path": "file", "mode": file.mode & 0o777 }],
            },
        }));
        volumes
            .mounts
            .push(json!({ "name": name, "mountPath": file.path, "subPath": "file", "readOnly": true }));
    }
    Ok(())
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

/// The numbers of `uid[:gid]`; a name cannot be told to a cluster.
fn user(server: &Server) -> Option<(Option<u32>, Option<u32>)> {
    let written = server.user.as_deref()?;
    let (uid, gid) = match written.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (written, None),
    };
    Some((uid.parse().ok(), gid.and_then(|gid| gid.parse().ok())))
}

fn pod_security(server: &Server, security: Security) -> Value {
    let mut context = json!({ "seccompProfile": { "type": "RuntimeDefault" } });
    if security == Security::Restricted
        && !matches!(user(server), Some((Some(0), _)))
        && let Some(map) = context.as_object_mut()
    {
        map.insert("runAsNonRoot".to_owned(), Value::from(true));
    }
    context
}

fn container_security(server: &Server, security: Security, fields: &mut Fields) -> Result<Value> {
    let mut context = Map::new();
    context.insert("allowPrivilegeEscalation".to_owned(), Value::from(false));
    context.insert("capabilities".to_owned(), json!({ "drop": ["ALL"] }));
    match user(server) {
        None => {}
        Some((Some(uid), gid)) => {
            context.insert("runAsUser".to_owned(), Value::from(uid));
            if let Some(gid) = gid {
                context.insert("runAsGroup".to_owned(), Value::from(gid));
            }
            if uid == 0 && security == Security::Restricted {
                fields.approximated(
                    "user",
                    "the entry asks for root, so the pod does not keep to the level `restricted`",
                );
            }
        }
        Some((None, _)) => {
            let written = server.user.as_deref().unwrap_or_default();
            return Err(Error::config(format!("run as `{written}`: a cluster knows users by their numbers"))
                .hint("write the number: `user: \"1000\"` or `user: \"1000:1000\"`"));
        }
    }
    if security == Security::Baseline {
        fields.approximated(
            "security",
            "the image's own user may be root, so the pod does not keep to the level `restricted`",
        );
    }
    Ok(Value::Object(context))
}

/// Limits as the entry has them; what is set aside is little, so that many servers that mostly wait fit on a node.
fn resources(server: &Server, settings: &ClusterSettings, fields: &mut Fields) -> Value {
    let cpu = server.limits.cpu_millis.filter(|millis| *millis > 0);
    let memory = server.limits.memory.as_ref().map(|amount| amount.mib).filter(|mib| *mib > 0);
    if server.limits.processes.is_some() {
        fields.not_enforced("limits.processes", "a cluster limits processes per node, not per pod");
    }
    let mut limits = Map::new();
    let mut requests = Map::new();
    let least = |wanted: u32, most: Option<u32>| most.map_or(wanted, |most| most.min(wanted));
    requests.insert(
        "cpu".to_owned(),
        Value::from(format!("{}m", least(settings.requests.cpu_millis.unwrap_or(10), cpu))),
    );
    requests.insert(
        "memory".to_owned(),
        Value::from(format!("{}Mi", least(settings.requests.memory_mib.unwrap_or(32), memory))),
    );
    if let Some(millis) = cpu {
        limits.insert("cpu".to_owned(), Value::from(format!("{millis}m")));
    }
    if let Some(mib) = memory {
        limits.insert("memory".to_owned(), Value::from(format!("{mib}Mi")));
    }
    if let Some(disk) = &server.limits.disk {
        limits.insert("ephemeral-storage".to_owned(), Value::from(format!("{}Mi", disk.mib)));
    }
    if limits.is_empty() {
        json!({ "requests": requests })
    } else {
        json!({ "limits": limits, "requests": requests })
    }
}
