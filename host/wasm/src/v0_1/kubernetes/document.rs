//! Documents as they come from a plugin and as they go back to one: parsed, with the call's labels, and without what nobody may read.

use super::Kubernetes;
use super::own::{SHOWN, text};
use crate::sanitize::line;
use crate::v0_1::types::{Failure, FailureCategory};
use host_workload_kubernetes::Kind;
use serde_json::Value;

/// Where `kubectl` keeps a copy of what it applied, data of Secrets included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Where the pod template of a kind is.
pub(super) fn template_of(kind: &str) -> Option<&'static str> {
    match kind {
        "v1/Pod" => Some(""),
        "apps/v1/Deployment"
        | "apps/v1/StatefulSet"
        | "apps/v1/ReplicaSet"
        | "apps/v1/DaemonSet"
        | "batch/v1/Job" => Some("/spec/template"),
        "batch/v1/CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

impl Kubernetes<'_> {
    /// A document with its kind and its namespace, which is the context's where it names none.
    pub(super) async fn parsed(&self, document: &str) -> Result<(Kind, Value), Failure> {
        let config = |text: String| self.refuse(FailureCategory::Config, text);
        let mut document: Value = serde_json::from_str(document)
            .map_err(|error| config(format!("understand a document: {error}")))?;
        let written = format!("{}/{}", text(&document, "/apiVersion"), text(&document, "/kind"));
        if text(&document, "/metadata/name").is_empty() {
            return Err(config(format!(
                "a document of kind `{}` has no `metadata.name`",
                line(&written, SHOWN)
            )));
        }
        let kind = self.kind(&written).await?;
        if !kind.namespaced {
            return Err(
                self.denied(format!("objects of kind `{}` are in no namespace", line(&written, SHOWN)))
            );
        }
        if text(&document, "/metadata/namespace").is_empty() {
            let cluster = self.cluster()?;
            let around = cluster.config().await.map_err(|error| self.of_cluster(&error))?;
            if let Some(metadata) = document.pointer_mut("/metadata").and_then(Value::as_object_mut) {
                metadata.insert("namespace".to_owned(), Value::from(around.namespace.as_str()));
            }
        }
        self.namespace_fits(text(&document, "/metadata/namespace")).await?;
        Ok((kind, document))
    }
}

/// An object as a plugin may see it.
pub(super) fn shown(mut object: Value) -> Value {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        // It names the keys of Secrets, and is longer than everything else.
        metadata.remove("managedFields");
    }
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    let written = format!("{}/{}", text(&object, "/apiVersion"), text(&object, "/kind"));
    if written == super::own::SECRET
        && let Some(map) = object.as_object_mut()
    {
        map.remove("data");
        map.remove("stringData");
    }
    if written == "v1/Pod" && carries_secrets(object.pointer("/spec")) {
        hide_endings(&mut object);
    }
    object
}

/// What a program that knows a secret says with its end.
fn hide_endings(pod: &mut Value) {
    for key in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        let statuses = pod.pointer_mut(&format!("/status/{key}")).and_then(Value::as_array_mut);
        for status in statuses.into_iter().flatten() {
            for at in ["/state/terminated", "/lastState/terminated"] {
                if let Some(ended) = status.pointer_mut(at).and_then(Value::as_object_mut) {
                    ended.remove("exitCode");
                    ended.remove("message");
                    ended.remove("signal");
                }
            }
        }
    }
}

/// Whether a container of a pod's specification gets anything out of a Secret.
pub(super) fn carries_secrets(spec: Option<&Value>) -> bool {
    let Some(spec) = spec else { return false };
    let list = |at: &Value, key: &str| at.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let volume = |volume: &Value| {
        let projected = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
        volume.get("secret").is_some()
            || projected
                .into_iter()
                .any(|source| source.get("secret").is_some() || source.get("serviceAccountToken").is_some())
    };
    let container = |container: &Value| {
        list(container, "env").iter().any(|variable| variable.pointer("/valueFrom/secretKeyRef").is_some())
            || list(container, "envFrom").iter().any(|source| source.get("secretRef").is_some())
    };
    list(spec, "volumes").iter().any(volume)
        || ["initContainers", "containers", "ephemeralContainers"]
            .iter()
            .any(|key| list(spec, key).iter().any(container))
}

#[cfg(test)]
mod tests {
    use super::{carries_secrets, shown};
    use serde_json::json;

    #[test]
    fn nothing_secret_goes_back() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "s", "managedFields": [{ "fieldsV1": { "f:data": { "f:k": {} } } }], "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b" } },
            "data": { "k": "dg==" }, "stringData": { "k": "v" }, "type": "Opaque",
        });
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "annotations": { "a": "b" } }, "type": "Opaque",
        });
        assert_eq!(shown(secret), expected);
        let ended = json!({ "terminated": { "exitCode": 65, "message": "A", "reason": "Error" } });
        let pod = |env: serde_json::Value| {
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
                "spec": { "containers": [{ "name": "c", "env": [env] }] },
                "status": { "containerStatuses": [{ "name": "c", "state": ended }] },
            })
        };
        let open = pod(json!({ "name": "A", "value": "b" }));
        assert_eq!(shown(open.clone()), open);
        let closed =
            shown(pod(json!({ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } })));
        assert_eq!(
            closed["status"]["containerStatuses"][0]["state"]["terminated"],
            json!({ "reason": "Error" })
        );
    }

    #[test]
    fn every_way_to_a_secret_is_known() {
        for spec in [
            json!({ "containers": [{ "envFrom": [{ "secretRef": { "name": "s" } }] }] }),
            json!({ "initContainers": [{ "env": [{ "name": "A", "valueFrom": { "secretKeyRef": {} } }] }] }),
            json!({ "volumes": [{ "name": "v", "secret": { "secretName": "s" } }] }),
            json!({ "volumes": [{ "name": "v", "projected": { "sources": [{ "secret": { "name": "s" } }] } }] }),
        ] {
            assert!(carries_secrets(Some(&spec)), "{spec}");
        }
        assert!(!carries_secrets(Some(
            &json!({ "containers": [{ "env": [{ "name": "A", "value": "b" }] }] })
        )));
    }
}
