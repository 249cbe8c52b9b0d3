//! What the host puts in front of a program in a pod: `gateway-bridge`, out of a ConfigMap of this session, so that neither an image of ours nor a
//! shell is needed there. A plugin cannot do so itself, because a container that carries secrets starts what its entry says, and nothing else.
//!
//! With `--attached` it is in front of a tool, which then runs when somebody is attached. With a port it is in front of a server on standard
//! streams, which is then reached through a tunnel; it listens on the pod's own loopback, so that nobody else in the cluster reaches it.

use super::Kubernetes;
use super::document::template_of;
use super::own::{CONFIG_MAP, SHOWN, text};
use super::pull::Logins;
use crate::image_words::BridgeProgram;
use crate::sanitize::line;
use crate::v0_1::types::{Failure, FailureCategory};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_workload_kubernetes::{ErrorKind, session_id};
use serde_json::{Value, json};

/// The annotation of a pod that asks for a front on this port of its own loopback.
const ASKED: &str = "mcp-gateway.docker.com/bridge";
/// Name of the volume and of the file in it, and the folder where it is mounted.
const NAME: &str = "gateway-bridge";
const FOLDER: &str = "/gateway-bridge";
/// Bytes of a ConfigMap in the API.
const MOST: usize = 1 << 20;

/// How a program is fronted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// It runs once, for whoever is attached.
    Attached,
    /// Each connection to this port runs it.
    Port(u16),
}

impl Kubernetes<'_> {
    /// The front that a pod, or the template of a Deployment's, asks for by its annotation.
    pub(super) fn front_of(&self, kind: &str, document: &Value) -> Result<Option<Front>, Failure> {
        let asked = |at: &str| {
            let annotations = document.pointer(&format!("{at}/metadata/annotations"));
            annotations.and_then(|all| all.get(ASKED)).and_then(Value::as_str)
        };
        let (template, known) = match kind {
            "v1/Pod" => ("", true),
            "apps/v1/Deployment" => ("/spec/template", true),
            other => (template_of(other).unwrap_or_default(), false),
        };
        let Some(written) = asked(template).or_else(|| asked("")) else { return Ok(None) };
        match written.parse() {
            Ok(port @ 1..) if known && asked(template).is_some() => Ok(Some(Front::Port(port))),
            _ => {
                let text = format!(
                    "the annotation `{ASKED}` of a {} is `{}`: it is for pods and templates of Deployments, and a port",
                    line(kind, SHOWN),
                    line(written, SHOWN)
                );
                Err(self.refuse(FailureCategory::Config, text))
            }
        }
    }

    /// Puts it in front of the server's container of a pod, or a template of pods, that has been checked.
    pub(super) async fn fronted(
        &self,
        kind: &str,
        mut document: Value,
        front: Front,
    ) -> wasmtime::Result<Result<Value, Failure>> {
        let Some(program) = self.host.bridge() else {
            let text = "this gateway was built without `gateway-bridge`, which this needs in the pod";
            return Ok(Err(self.refuse(FailureCategory::Unsupported, text)));
        };
        let namespace = text(&document, "/metadata/namespace").to_owned();
        let Some(pod) = document.pointer_mut(template_of(kind).unwrap_or_default()) else {
            return Ok(Err(self.refuse(FailureCategory::Config, "a document of a set has no pod template")));
        };
        let words = match self.words(&namespace, pod, program.platform()).await {
            Ok(words) => words,
            Err(failure) => return Ok(Err(failure)),
        };
        let map = match self.keep_bridge(&namespace, program).await? {
            Ok(map) => map,
            Err(failure) => return Ok(Err(failure)),
        };
        put(pod, front, words, &map, program.platform());
        Ok(Ok(document))
    }

    /// What the container of a pod would start: `command` and `args`, in the cluster's writing.
    async fn words(&self, namespace: &str, pod: &Value, platform: &str) -> Result<Vec<Value>, Failure> {
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        let [container] = containers.map(Vec::as_slice).unwrap_or_default() else {
            let text =
                "the gateway puts its program in front of a pod's only container, and of none of several";
            return Err(self.refuse(FailureCategory::Config, text));
        };
        let list = |key: &str| container.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let (command, arguments) = (list("command"), list("args"));
        if !command.is_empty() {
            return Ok([command, arguments].concat());
        }
        let image = text(container, "/image");
        let Some(catalog) = self.host.image_catalog() else {
            let text = format!("find out what image `{}` starts: nobody here knows", line(image, SHOWN));
            return Err(self.refuse(FailureCategory::Unsupported, text));
        };
        let Logins { files, unread } = self.logins(namespace, pod).await?;
        let found = catalog.words(image, platform, &files).await.map_err(|refused| {
            let failure = self.not_trusted(refused);
            let category = match failure.category {
                FailureCategory::Permission => FailureCategory::Image,
                other => other,
            };
            Failure { category, hint: unread.or(failure.hint), ..failure }
        })?;
        let written =
            |words: &[String]| words.iter().map(|word| Value::from(escaped(word))).collect::<Vec<_>>();
        let arguments = if arguments.is_empty() { written(&found.arguments) } else { arguments };
        let words = [written(&found.entrypoint), arguments].concat();
        if words.is_empty() {
            let text = format!(
                "image `{}` starts nothing by itself, and the entry names no command",
                line(image, SHOWN)
            );
            return Err(self.refuse(FailureCategory::Config, text));
        }
        Ok(words)
    }

    /// Makes sure that the ConfigMap with the program is in a namespace, for the rest of the session; its name.
    async fn keep_bridge(
        &self,
        namespace: &str,
        program: &BridgeProgram,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let (cluster, grant) = match (self.cluster(), self.grant()) {
            (Ok(cluster), Ok(grant)) => (cluster, grant),
            (Err(failure), _) | (_, Err(failure)) => return Ok(Err(failure)),
        };
        let session = session_id(self.host.config.session.as_str());
        let name = format!("{NAME}-{}", session.rsplit('-').next().unwrap_or_default());
        let mut bridges = self.host.kubernetes.bridges.lock().await;
        let at = (grant.context, namespace.to_owned());
        if bridges.contains(&at) {
            return Ok(Ok(name));
        }
        if program.bytes.len() > MOST {
            let text = format!("a ConfigMap holds 1 MiB, and `{NAME}` has {} bytes", program.bytes.len());
            return Ok(Err(self.refuse(FailureCategory::Unsupported, text)));
        }
        let kind = match cluster.kind(CONFIG_MAP).await {
            Ok(kind) => kind,
            Err(error) => return Ok(Err(self.of_cluster(&error))),
        };
        // For the whole run: `shutdown` removes it, also after a crash.
        let Some(record) = self.host.plugin(&self.plugin.name).map(|plugin| plugin.shared_record()) else {
            return Ok(Err(self.refuse(FailureCategory::Retryable, "the gateway is ending")));
        };
        if let Err(failure) = self.note(&record, CONFIG_MAP, namespace, &name).await? {
            return Ok(Err(failure));
        }
        let mut metadata = json!({
            "name": name,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/component": "mcp-server-bridge", "app.kubernetes.io/name": NAME },
        });
        self.stamp(&mut metadata, &self.labels(&record, None));
        let document = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "immutable": true,
            "binaryData": { NAME: STANDARD.encode(&program.bytes) },
        });
        match cluster.create(&kind, &document, false).await {
            // Of this session it has this program in it.
            Err(error) if error.kind == ErrorKind::Conflict => {
                match cluster.get(&kind, namespace, &name).await {
                    Ok(Some(found))
                        if super::own::label(&found, super::own::SESSION)
                            == Some(self.host.config.session.as_str()) => {}
                    Ok(Some(found)) => return Ok(Err(self.taken(&kind, &found))),
                    Ok(None) => {
                        return Ok(Err(self.refuse(FailureCategory::Retryable, "a ConfigMap came and went")));
                    }
                    Err(error) => return Ok(Err(self.of_cluster(&error))),
                }
            }
            Err(error) => return Ok(Err(self.of_cluster(&error))),
            Ok(_) => {}
        }
        bridges.insert(at);
        Ok(Ok(name))
    }

    /// The ConfigMap is gone; whoever needs it makes it anew.
    pub(super) async fn forget_bridge(&self, namespace: &str) {
        if let Ok(grant) = self.grant() {
            self.host.kubernetes.bridges.lock().await.remove(&(grant.context, namespace.to_owned()));
        }
    }
}

/// Changes the pod. It has one container.
fn put(pod: &mut Value, front: Front, words: Vec<Value>, map: &str, platform: &str) {
    let program = format!("{FOLDER}/{NAME}");
    let options = match front {
        Front::Attached => vec!["--attached".to_owned()],
        // A pod has five seconds to end; what it does for itself must fit.
        Front::Port(port) => ["--listen", &format!("127.0.0.1:{port}"), "--grace", "2s", "--drain", "1s"]
            .map(str::to_owned)
            .into(),
    };
    let command = std::iter::once(program.clone()).chain(options).chain(["--".to_owned()]).map(Value::from);
    if let Some(container) = pod.pointer_mut("/spec/containers/0").and_then(Value::as_object_mut) {
        container.insert("command".to_owned(), command.collect());
        container.insert("args".to_owned(), Value::Array(words));
        let attached = front == Front::Attached;
        container.insert("stdin".to_owned(), Value::from(attached));
        container.insert("stdinOnce".to_owned(), Value::from(attached));
        if let Front::Port(port) = front {
            let probe = [program.as_str(), "--probe", &format!("127.0.0.1:{port}")];
            let probe = json!({ "exec": { "command": probe }, "periodSeconds": 1, "failureThreshold": 60 });
            container.insert("startupProbe".to_owned(), probe);
        }
        let mount = json!({ "name": NAME, "mountPath": FOLDER, "readOnly": true });
        push(container.entry("volumeMounts"), mount);
    }
    if let Some(spec) = pod.pointer_mut("/spec").and_then(Value::as_object_mut) {
        // Whoever the image runs as must be able to read and start it.
        push(
            spec.entry("volumes"),
            json!({ "name": NAME, "configMap": { "name": map, "defaultMode": 0o555 } }),
        );
        let nodes = spec.entry("nodeSelector").or_insert_with(|| json!({}));
        if let Some(nodes) = nodes.as_object_mut() {
            nodes.entry("kubernetes.io/arch").or_insert_with(|| Value::from(platform));
        }
    }
}

fn push(list: serde_json::map::Entry<'_>, value: Value) {
    if let Value::Array(list) = list.or_insert_with(|| json!([])) {
        list.push(value);
    }
}

/// The cluster puts variables in the place of `$(NAME)`, and `$` in the place of `$$`; an image means neither.
fn escaped(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::{Front, put};
    use serde_json::json;

    #[test]
    fn the_pod_is_its_own_with_a_program_in_front() {
        let mut pod = json!({ "spec": { "containers": [{ "name": "c", "image": "i", "args": ["a"], "stdin": true, "stdinOnce": true }] } });
        put(&mut pod, Front::Port(4444), vec!["server".into(), "a".into()], "gateway-bridge-1", "amd64");
        assert_eq!(
            pod,
            json!({ "spec": {
                "containers": [{
                    "name": "c",
                    "image": "i",
                    "command": ["/gateway-bridge/gateway-bridge", "--listen", "127.0.0.1:4444", "--grace", "2s", "--drain", "1s", "--"],
                    "args": ["server", "a"],
                    "stdin": false,
                    "stdinOnce": false,
                    "startupProbe": {
                        "exec": { "command": ["/gateway-bridge/gateway-bridge", "--probe", "127.0.0.1:4444"] },
                        "periodSeconds": 1,
                        "failureThreshold": 60,
                    },
                    "volumeMounts": [{ "name": "gateway-bridge", "mountPath": "/gateway-bridge", "readOnly": true }],
                }],
                "volumes": [{ "name": "gateway-bridge", "configMap": { "name": "gateway-bridge-1", "defaultMode": 0o555 } }],
                "nodeSelector": { "kubernetes.io/arch": "amd64" },
            } })
        );
    }
}
