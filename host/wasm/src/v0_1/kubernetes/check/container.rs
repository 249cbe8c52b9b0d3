//! Containers of pods: their images, ports, mounts and variables.

use super::late::{self, HELPER};
use super::pod::{granted, list};
use super::{Checked, Kubernetes};
use crate::grants::KubernetesGrant;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::kubernetes::own::{SHOWN, text};
use crate::v0_1::types::{Failure, FailureCategory};
use host_provisioner as provisioner;
use host_provisioner::Workload;
use serde_json::Value;

const CONTAINER: [&str; 21] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePolicy",
    "tty",
    "volumeMounts",
    "workingDir",
];

const CONTAINER_SECURITY: [&str; 8] = [
    "allowPrivilegeEscalation",
    "capabilities",
    "privileged",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
];

impl Kubernetes<'_> {
    /// Checks one container. Tells whether it is the server's own, by its image.
    pub(super) fn container_fits(
        &self,
        namespace: &str,
        container: &Value,
        server: &ServerScope,
        grant: &KubernetesGrant,
    ) -> Result<bool, Failure> {
        self.only(container, "a container", &CONTAINER)?;
        self.security_fits(container.get("securityContext"), &CONTAINER_SECURITY, grant)?;
        let image = text(container, "/image");
        let own = is_image_of(image, server);
        if !own && !granted(&grant.images, image) {
            let plugin = &self.plugin.name;
            let shown = line(image, SHOWN);
            let text = format!("the image `{shown}` is not that of the server's entry");
            let hint = format!(
                "if you trust plugin `{plugin}` with it, add it to `plugins.{plugin}.grants.kubernetes.images`"
            );
            return Err(self.refuse_with(FailureCategory::Permission, text, hint));
        }
        for port in list(container, "ports") {
            if (port.get("hostPort").is_some() || port.get("hostIP").is_some()) && !grant.privileged {
                return Err(self.more_rights("open a port of the node"));
            }
        }
        for mount in list(container, "volumeMounts") {
            if mount.get("mountPropagation").is_some() && !grant.privileged {
                return Err(self.more_rights("let mounts propagate"));
            }
        }
        for source in list(container, "envFrom") {
            let secret = text(source, "/secretRef/name");
            let map = text(source, "/configMapRef/name");
            if !secret.is_empty() {
                return Err(
                    self.denied("a whole Secret is never put into variables: one variable, one entry")
                );
            }
            if !granted(&grant.config_maps, map) && grant.cluster_config.as_deref() != Some(map) {
                return Err(self.not_granted("the ConfigMap", "configMaps", map));
            }
        }
        for variable in list(container, "env") {
            self.variable_fits(namespace, variable, server, grant)?;
        }
        Ok(own)
    }

    fn variable_fits(
        &self,
        namespace: &str,
        variable: &Value,
        server: &ServerScope,
        grant: &KubernetesGrant,
    ) -> Checked {
        let Some(from) = variable.get("valueFrom").and_then(Value::as_object) else { return Ok(()) };
        for (source, reference) in from {
            let (name, key) = (text(reference, "/name"), text(reference, "/key"));
            match source.as_str() {
                "fieldRef" | "resourceFieldRef" => {}
                "configMapKeyRef" if granted(&grant.config_maps, name) => {}
                "configMapKeyRef" if grant.cluster_config.as_deref() == Some(name) => {}
                "configMapKeyRef" => return Err(self.not_granted("the ConfigMap", "configMaps", name)),
                "secretKeyRef" => {
                    let at = (namespace.to_owned(), name.to_owned(), key.to_owned());
                    let wanted = text(variable, "/name");
                    let own = server.spec.environment.iter().find(|own| own.name == wanted);
                    let made = self.host.kubernetes.value(&at, server.spec.id.as_str());
                    let in_cluster = grant.cluster_secret.as_deref() == Some(name);
                    let fits = match (&made, own) {
                        // That entry of the cluster's Secret which this variable is, or one that another variable is put together with.
                        (None, Some(own)) if in_cluster => {
                            late::meant(&own.value) == [provisioner::Part::Secret(key.to_owned())]
                        }
                        (None, None) if in_cluster && wanted.starts_with(HELPER) => {
                            late::is_declared(key, &server.spec)
                        }
                        (Some(value), Some(own)) => *value == own.value,
                        // Somebody else's Secret: the operator named it, and the entry says that this variable is a secret.
                        (None, Some(own)) => {
                            granted(&grant.secrets, name) && !matches!(own.value, provisioner::Value::Text(_))
                        }
                        (_, None) => false,
                    };
                    if !fits {
                        let text = format!(
                            "the variable `{}` may not take the entry `{}` of the Secret `{}`: the entry of server `{}` does not put it there",
                            line(wanted, SHOWN),
                            line(key, SHOWN),
                            line(name, SHOWN),
                            server.spec.name
                        );
                        return Err(self.denied(line(&text, crate::sanitize::LINE)));
                    }
                }
                other => {
                    let text = format!("this gateway does not know values from `{}`", line(other, SHOWN));
                    return Err(self.refuse(FailureCategory::Unsupported, text));
                }
            }
        }
        Ok(())
    }
}

/// Whether an image is the one of the entry: as written, or held fast by its digest.
fn is_image_of(image: &str, server: &ServerScope) -> bool {
    let Workload::Image { reference, digest, .. } = &server.spec.workload else { return false };
    if image == reference {
        return true;
    }
    let pinned = image.strip_prefix(reference.as_str()).and_then(|rest| rest.strip_prefix("@sha256:"));
    match (pinned, digest) {
        (Some(_), Some(digest)) => image.ends_with(digest.as_str()),
        (Some(hex), None) => hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        (None, _) => false,
    }
}
