//! Specifications of pods. A list of what is allowed, not of what is forbidden: the API grows, and what it grows is refused until somebody has looked.

use super::late::{self, HELPER};
use super::{Checked, Kubernetes};
use crate::grants::{KubernetesGrant, NamePattern};
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::kubernetes::document::carries_secrets;
use crate::v0_1::kubernetes::own::{SHOWN, text};
use crate::v0_1::types::{Failure, FailureCategory};
use host_provisioner as provisioner;
use host_provisioner::Workload;
use serde_json::Value;

const POD: [&str; 24] = [
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "hostname",
    "imagePullSecrets",
    "initContainers",
    "nodeSelector",
    "restartPolicy",
    "runtimeClassName",
    "securityContext",
    "serviceAccountName",
    "shareProcessNamespace",
    "terminationGracePeriodSeconds",
    "tolerations",
    "volumes",
];

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

const POD_SECURITY: [&str; 7] = [
    "fsGroup",
    "fsGroupChangePolicy",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
    "supplementalGroups",
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

fn list<'a>(at: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    at.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn granted(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

impl Kubernetes<'_> {
    /// Checks the specification of a pod of the server of this call.
    pub(super) fn pod_fits(&self, namespace: &str, spec: &Value) -> Checked {
        let Some(server) = self.server.clone() else {
            return Err(self.not_in_this_phase("run in a pod"));
        };
        let grant = self.grant()?;
        self.only(spec, "the pod", &POD)?;
        self.host_stays_out(spec, &grant)?;
        self.account_fits(spec, &grant)?;
        self.security_fits(spec.get("securityContext"), &POD_SECURITY, &grant)?;
        for volume in list(spec, "volumes") {
            self.volume_fits(namespace, volume, &server, &grant)?;
        }
        for pull in list(spec, "imagePullSecrets") {
            let name = text(pull, "/name");
            if !granted(&grant.secrets, name) && !self.host.kubernetes.made(namespace, name) {
                return Err(self.not_granted("the Secret", "secrets", name));
            }
        }
        let closed = carries_secrets(Some(spec));
        let mut own = 0;
        for (container, init) in list(spec, "initContainers")
            .map(|c| (c, true))
            .chain(list(spec, "containers").map(|c| (c, false)))
        {
            let is_own = self.container_fits(namespace, container, &server, &grant)?;
            if closed && (init || !is_own) && !granted(&grant.images, text(container, "/image")) {
                return Err(self.denied("a pod that carries secrets has no container but the server's own"));
            }
            if closed && is_own {
                self.closed_fits(container, &server, &grant)?;
            }
            own += usize::from(is_own && !init);
        }
        // What a plugin wrote into labels and annotations would lie where the server looks for its own files, its program too.
        if closed && list(spec, "volumes").any(|volume| volume.get("downwardAPI").is_some()) {
            return Err(self.denied("a pod that carries secrets has no volume of a plugin's own texts"));
        }
        if closed && (own != 1 || spec.get("dnsConfig").is_some() || spec.get("hostAliases").is_some()) {
            return Err(self.denied(
                "a pod that carries secrets has one container, the server's own, and names as its entry has them",
            ));
        }
        Ok(())
    }

    fn host_stays_out(&self, spec: &Value, grant: &KubernetesGrant) -> Checked {
        let is = |key: &str| spec.get(key).and_then(Value::as_bool) == Some(true);
        let what = if is("hostNetwork") || is("hostPID") || is("hostIPC") {
            "use namespaces of the node"
        } else if is("shareProcessNamespace") {
            "share processes between containers"
        } else {
            return Ok(());
        };
        if grant.privileged { Ok(()) } else { Err(self.more_rights(what)) }
    }

    /// Without a grant a pod has no account: a token in it would be a right that nobody gave.
    fn account_fits(&self, spec: &Value, grant: &KubernetesGrant) -> Checked {
        let account = text(spec, "/serviceAccountName");
        if !account.is_empty() && !granted(&grant.service_accounts, account) {
            return Err(self.not_granted("the service account", "serviceAccounts", account));
        }
        let mounts = spec.get("automountServiceAccountToken").and_then(Value::as_bool) != Some(false);
        if mounts && account.is_empty() {
            return Err(self.denied(
                "a pod without a service account of its own needs `automountServiceAccountToken: false`",
            ));
        }
        Ok(())
    }

    fn security_fits(&self, context: Option<&Value>, known: &[&str], grant: &KubernetesGrant) -> Checked {
        let Some(context) = context else { return Ok(()) };
        if grant.privileged {
            return Ok(());
        }
        self.only(context, "`securityContext`", known)?;
        if context.get("privileged").and_then(Value::as_bool) == Some(true) {
            return Err(self.more_rights("run a container privileged"));
        }
        if let Some(added) = context.pointer("/capabilities/add").and_then(Value::as_array)
            && let Some(first) = added.iter().find(|name| name.as_str() != Some("NET_BIND_SERVICE"))
        {
            let name = line(first.as_str().unwrap_or_default(), SHOWN);
            return Err(self.more_rights(&format!("give a container the capability `{name}`")));
        }
        match text(context, "/seccompProfile/type") {
            "" | "RuntimeDefault" => Ok(()),
            _ => Err(self.more_rights("choose a seccomp profile of its own")),
        }
    }

    fn volume_fits(
        &self,
        namespace: &str,
        volume: &Value,
        server: &ServerScope,
        grant: &KubernetesGrant,
    ) -> Checked {
        let sources: Vec<&String> =
            volume.as_object().into_iter().flat_map(|map| map.keys()).filter(|key| *key != "name").collect();
        match sources.as_slice() {
            [source] => match source.as_str() {
                "emptyDir" | "downwardAPI" => Ok(()),
                "secret" => self.secret_volume_fits(namespace, volume, server, grant),
                "configMap" => {
                    let name = text(volume, "/configMap/name");
                    if granted(&grant.config_maps, name) {
                        Ok(())
                    } else {
                        Err(self.not_granted("the ConfigMap", "configMaps", name))
                    }
                }
                "persistentVolumeClaim" => {
                    let name = text(volume, "/persistentVolumeClaim/claimName");
                    if granted(&grant.claims, name) {
                        Ok(())
                    } else {
                        Err(self.not_granted("the claim", "claims", name))
                    }
                }
                "hostPath" if grant.privileged => Ok(()),
                other => Err(self.more_rights(&format!("use a volume of kind `{}`", line(other, SHOWN)))),
            },
            _ => Err(self.refuse(FailureCategory::Config, "a volume has one source")),
        }
    }

    /// Entries that are files of this server, and no others.
    fn secret_volume_fits(
        &self,
        namespace: &str,
        volume: &Value,
        server: &ServerScope,
        grant: &KubernetesGrant,
    ) -> Checked {
        let name = text(volume, "/secret/secretName");
        if granted(&grant.secrets, name) {
            return Ok(());
        }
        let items: Vec<&Value> = list(volume.get("secret").unwrap_or(&Value::Null), "items").collect();
        let is_file = |item: &&Value| {
            let at = (namespace.to_owned(), name.to_owned(), text(item, "/key").to_owned());
            let value = self.host.kubernetes.value(&at, server.spec.id.as_str());
            value.is_some_and(|value| server.spec.files.iter().any(|file| file.content == value))
        };
        if !items.is_empty() && items.iter().all(is_file) {
            return Ok(());
        }
        Err(self.not_granted("the Secret", "secrets", name))
    }

    /// Checks one container. Tells whether it is the server's own, by its image.
    fn container_fits(
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

    /// A container that carries secrets is the entry's own, unchanged: a stranger's word in it could send them elsewhere.
    fn closed_fits(&self, container: &Value, server: &ServerScope, grant: &KubernetesGrant) -> Checked {
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

/// What a text means to the cluster, which puts variables in the place of `$(NAME)`; `None` if it holds such a reference.
pub(super) fn literal(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '$' {
            out.push(c);
            continue;
        }
        match rest.peek().copied() {
            Some('$') => {
                rest.next();
                out.push('$');
            }
            Some('(') if rest.clone().any(|c| c == ')') => return None,
            _ => out.push('$'),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn references_are_seen_as_the_cluster_sees_them() {
        for (text, means) in [
            ("plain", Some("plain")),
            ("$$(A)", Some("$(A)")),
            ("$(A)", None),
            ("x$(A", Some("x$(A")),
            ("$5", Some("$5")),
            ("a$$b", Some("a$b")),
            ("$", Some("$")),
            ("$$$(A)", None),
        ] {
            assert_eq!(literal(text).as_deref(), means, "{text}");
        }
    }
}
