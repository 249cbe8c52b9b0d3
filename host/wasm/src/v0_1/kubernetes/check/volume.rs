//! Volumes of pods: what is the server's own, or named by the grant.

use super::pod::{granted, list};
use super::{Checked, Kubernetes};
use crate::grants::KubernetesGrant;
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::kubernetes::own::{SHOWN, text};
use crate::v0_1::types::FailureCategory;
use serde_json::Value;

impl Kubernetes<'_> {
    pub(super) fn volume_fits(
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
}
