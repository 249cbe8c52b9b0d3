//! What a plugin may make: documents of kinds whose meaning is known here, and pods that have no rights beyond themselves.

mod closed;
mod container;
mod late;
mod pod;
mod volume;

pub(crate) use late::key;

use super::Kubernetes;
use super::document::template_of;
use super::own::{SERVER, SHOWN, label, text};
use crate::sanitize::line;
use crate::v0_1::context;
use crate::v0_1::types::{Failure, FailureCategory};
use host_workload_kubernetes::Kind;
use serde_json::{Map, Value};

/// Kinds without pods in them. Everything else is refused, because nobody here could say what it does.
const PLAIN: [&str; 7] = [
    "v1/Service",
    "v1/ConfigMap",
    "v1/PersistentVolumeClaim",
    "networking.k8s.io/v1/NetworkPolicy",
    "networking.k8s.io/v1/Ingress",
    "policy/v1/PodDisruptionBudget",
    "cilium.io/v2/CiliumNetworkPolicy",
];

type Checked = Result<(), Failure>;

impl Kubernetes<'_> {
    /// Checks a document. Its namespace and kind are granted.
    pub(super) fn document_fits(&self, kind: &Kind, document: &Value) -> Checked {
        let written = kind.written();
        let known = ["apiVersion", "kind", "metadata", "spec", "data", "binaryData", "immutable"];
        self.only(document, "the document", &known)?;
        self.metadata_fits(document.get("metadata"))?;
        if let Some(at) = template_of(&written) {
            let template = document.pointer(at).unwrap_or(&Value::Null);
            if !at.is_empty() {
                self.only(template, "the pod template", &["metadata", "spec"])?;
                self.template_metadata_fits(template.get("metadata"))?;
            }
            let namespace = text(document, "/metadata/namespace");
            if !at.is_empty() {
                self.set_fits(&written, document)?;
            }
            return self.pod_fits(namespace, template.get("spec").unwrap_or(&Value::Null));
        }
        match written.as_str() {
            "v1/Service" => self.service_fits(document),
            "networking.k8s.io/v1/NetworkPolicy" => self.policy_fits(document, "/spec/podSelector"),
            "cilium.io/v2/CiliumNetworkPolicy" => self.policy_fits(document, "/spec/endpointSelector"),
            other if PLAIN.contains(&other) => Ok(()),
            other => {
                Err(self.denied(format!("this gateway makes no objects of kind `{}`", line(other, SHOWN))))
            }
        }
    }

    fn metadata_fits(&self, metadata: Option<&Value>) -> Checked {
        let metadata = metadata.unwrap_or(&Value::Null);
        let known = ["name", "namespace", "labels", "annotations", "ownerReferences", "resourceVersion"];
        self.only(metadata, "`metadata`", &known)?;
        // Whoever owns an object decides when it goes; only the pod that the gateway runs in may.
        let owners = metadata.get("ownerReferences").and_then(Value::as_array);
        for owner in owners.into_iter().flatten() {
            let own = self.host.kubernetes.own_pod();
            if text(owner, "/kind") != "Pod"
                || own.is_none()
                || own != owner.get("name").and_then(Value::as_str)
            {
                return Err(self.denied("an owner of an object can only be the gateway's own pod"));
            }
        }
        self.annotations_fit(metadata)
    }

    fn template_metadata_fits(&self, metadata: Option<&Value>) -> Checked {
        let metadata = metadata.unwrap_or(&Value::Null);
        self.only(metadata, "`template.metadata`", &["labels", "annotations", "creationTimestamp"])?;
        self.annotations_fit(metadata)
    }

    /// Some annotations are fields in disguise.
    fn annotations_fit(&self, metadata: &Value) -> Checked {
        let annotations = metadata.get("annotations").and_then(Value::as_object);
        let taken = annotations.into_iter().flatten().find(|(key, _)| {
            key.contains("apparmor.security")
                || key.contains("seccomp.security")
                || key.contains("kubernetes.io/service-account")
        });
        match taken {
            None => Ok(()),
            Some((key, _)) => {
                Err(self.denied(format!("the annotation `{}` is not a plugin's to set", line(key, SHOWN))))
            }
        }
    }

    /// Inside the cluster only, unless the grant says more: other types open a port of every node, or of the internet.
    fn service_fits(&self, service: &Value) -> Checked {
        let spec = service.get("spec").unwrap_or(&Value::Null);
        let kind = text(spec, "/type");
        let outside = !matches!(kind, "" | "ClusterIP")
            || spec.get("externalIPs").is_some()
            || spec.get("externalName").is_some()
            || spec.get("loadBalancerIP").is_some();
        if outside && !self.grant()?.privileged {
            return Err(self.more_rights("lead into the cluster from outside"));
        }
        self.selects_own(spec.get("selector"), "a Service")
    }

    /// A set takes whatever its selector names for its own, and removes what is too much of it.
    fn set_fits(&self, kind: &str, set: &Value) -> Checked {
        let job = match kind {
            "batch/v1/Job" => set.get("spec"),
            "batch/v1/CronJob" => set.pointer("/spec/jobTemplate/spec"),
            _ => {
                let selector = set.pointer("/spec/selector/matchLabels");
                return self.selects_own(selector, "a set of pods");
            }
        };
        let chooses = |key: &str| job.is_some_and(|job| job.get(key).is_some());
        if chooses("selector") || chooses("manualSelector") {
            return Err(self.denied("a Job knows its pods by itself, and is told no selector"));
        }
        Ok(())
    }

    /// A policy may shut in, or open, only pods of this call.
    fn policy_fits(&self, policy: &Value, selector: &str) -> Checked {
        self.selects_own(
            policy.pointer(selector).and_then(|selector| selector.get("matchLabels")),
            "a network policy",
        )
    }

    /// A selector names one of the labels that only the host gives: those of this request, or of this server in this session.
    fn selects_own(&self, selector: Option<&Value>, what: &str) -> Checked {
        let labels = match &self.record {
            Some(record) => self.labels(record, self.acts_for()),
            None => match &self.server {
                // A dry run is of no lease; the labels of the context are those it would have.
                Some(server) => vec![(SERVER.to_owned(), context::label_value(server.spec.id.as_str()))],
                None => Vec::new(),
            },
        };
        let empty = Map::new();
        let chosen = selector.and_then(Value::as_object).unwrap_or(&empty);
        let narrow = [SERVER, super::own::REQUEST];
        let own = labels.iter().any(|(key, value)| {
            narrow.contains(&key.as_str()) && chosen.get(key).and_then(Value::as_str) == Some(value.as_str())
        });
        if own {
            return Ok(());
        }
        let text = format!(
            "{what} must select by the label `{SERVER}` or `{}` of its own server",
            super::own::REQUEST
        );
        Err(self.denied(text))
    }

    /// Everything in a map that is not known here might mean anything.
    fn only(&self, map: &Value, what: &str, known: &[&str]) -> Checked {
        let unknown = map.as_object().into_iter().flatten().find(|(key, _)| !known.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some((key, _)) => {
                let text = format!("{what} has `{}`, which is not a plugin's to set", line(key, SHOWN));
                Err(self.denied(text))
            }
        }
    }

    fn more_rights(&self, what: &str) -> Failure {
        let plugin = &self.plugin.name;
        let text = format!("plugin `{plugin}` may not {what}");
        let hint =
            format!("if you trust it with that, set `plugins.{plugin}.grants.kubernetes.privileged: true`");
        self.refuse_with(FailureCategory::Permission, text, hint)
    }

    /// A name that is neither granted nor made here for the server.
    fn not_granted(&self, what: &str, key: &str, name: &str) -> Failure {
        let plugin = &self.plugin.name;
        let name = line(name, SHOWN);
        let text = format!("{what} `{name}` is neither made here for this server nor granted");
        let hint = format!(
            "if you trust plugin `{plugin}` with it, add `{name}` to `plugins.{plugin}.grants.kubernetes.{key}`"
        );
        self.refuse_with(FailureCategory::Permission, text, hint)
    }

    /// Whether an object that is there was made by this very request.
    pub(super) fn is_of_request(&self, object: &Value) -> bool {
        let request = self.record.as_ref().map(|record| record.begin.request.as_str());
        request.is_some() && label(object, super::own::REQUEST) == request
    }
}
