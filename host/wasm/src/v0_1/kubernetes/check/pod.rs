//! Specifications of pods. A list of what is allowed, not of what is forbidden: the API grows, and what it grows is refused until somebody has looked.

use super::{Checked, Kubernetes};
use crate::grants::{KubernetesGrant, NamePattern};
use crate::sanitize::line;
use crate::v0_1::kubernetes::document::carries_secrets;
use crate::v0_1::kubernetes::own::{SHOWN, text};
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

const POD_SECURITY: [&str; 7] = [
    "fsGroup",
    "fsGroupChangePolicy",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
    "supplementalGroups",
];

pub(super) fn list<'a>(at: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    at.get(key).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn granted(patterns: &[NamePattern], name: &str) -> bool {
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

    pub(super) fn security_fits(
        &self,
        context: Option<&Value>,
        known: &[&str],
        grant: &KubernetesGrant,
    ) -> Checked {
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
}
