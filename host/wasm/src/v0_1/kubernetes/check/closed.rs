//! Containers that carry secrets: the entry's own, unchanged.

use super::late;
use super::pod::{granted, list};
use super::{Checked, Kubernetes};
use crate::grants::KubernetesGrant;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::kubernetes::own::{SHOWN, text};
use host_provisioner as provisioner;
use host_provisioner::Workload;
use serde_json::Value;

impl Kubernetes<'_> {
    /// A container that carries secrets is the entry's own, unchanged: a stranger's word in it could send them elsewhere.
    pub(super) fn closed_fits(
        &self,
        container: &Value,
        server: &ServerScope,
        grant: &KubernetesGrant,
    ) -> Checked {
        let spec = &server.spec;
        let own: Vec<Vec<provisioner::Part>> = match &spec.workload {
            _ if !spec.late_arguments.is_empty() => spec.late_arguments.iter().map(late::meant).collect(),
            Workload::Image { arguments, .. } => {
                arguments.iter().map(|word| late::meant(&provisioner::Value::Text(word.clone()))).collect()
            }
            _ => Vec::new(),
        };
        let helpers = late::helpers(container, spec, grant);
        let given: Vec<_> =
            list(container, "args").map(|arg| late::meaning(arg.as_str()?, &helpers)).collect();
        let same = given.len() == own.len()
            && given.iter().zip(&own).all(|(given, own)| given.as_ref() == Some(own));
        let foreign = |variable: &Value| {
            let name = text(variable, "/name");
            let own = spec.environment.iter().find(|own| own.name == name);
            match (own, variable.get("value").and_then(Value::as_str)) {
                (Some(own), Some(value)) => late::meaning(value, &helpers) != Some(late::meant(&own.value)),
                // From the pod's own fields comes what a plugin wrote there.
                (Some(_), None) if variable.pointer("/valueFrom/fieldRef").is_some() => true,
                // From a Secret, as was checked; from a ConfigMap only what the entry says.
                (Some(own), None) => {
                    let key = variable.pointer("/valueFrom/configMapKeyRef").map(|from| text(from, "/key"));
                    key.is_some_and(|key| {
                        !matches!(late::meant(&own.value).as_slice(), [provisioner::Part::Setting(own)] if own.key == key)
                            && !granted(&grant.config_maps, text(variable, "/valueFrom/configMapKeyRef/name"))
                    })
                }
                (None, _) => !helpers.contains_key(name),
            }
        };
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
        let speaks = |probe: &&str| {
            container.get(*probe).is_some_and(|probe| {
                probe.get("exec").is_some()
                    || probe.pointer("/httpGet/host").is_some()
                    || probe.pointer("/tcpSocket/host").is_some()
            })
        };
        let what = if container.get("command").is_some() {
            "another entry point"
        } else if !same {
            "other arguments than its entry's"
        } else if container.get("workingDir").is_some() {
            "another working directory"
        } else if container.get("lifecycle").is_some() || probes.iter().any(speaks) {
            "programs that a plugin chose"
        } else if let Some(variable) = list(container, "env").find(|variable| foreign(variable)) {
            let name = line(text(variable, "/name"), SHOWN);
            return Err(self.denied(format!(
                "the variable `{name}` of a server that carries secrets must be that of its entry"
            )));
        } else {
            return Ok(());
        };
        Err(self.denied(format!("a container that carries secrets cannot have {what}")))
    }
}
