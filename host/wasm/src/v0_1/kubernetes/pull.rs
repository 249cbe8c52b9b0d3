//! The logins with which a cluster pulls the images of a pod, for what the host itself asks their registry. No plugin sees them.

use super::Kubernetes;
use super::own::{SECRET, text};
use crate::v0_1::types::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_workload_docker::LoginFile;
use host_workload_kubernetes::ErrorKind;
use serde_json::Value;
use zeroize::Zeroizing;

/// What the pull Secrets of a pod hold.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// One of each Secret that could be read.
    pub(super) files: Vec<LoginFile>,
    /// What lets the others be read, if there are any.
    pub(super) unread: Option<String>,
}

impl Kubernetes<'_> {
    /// The logins of a pod that has been checked: whatever it names is granted, or was made here.
    pub(super) async fn logins(&self, namespace: &str, pod: &Value) -> Result<Logins, Failure> {
        let named = pod.pointer("/spec/imagePullSecrets").and_then(Value::as_array);
        let mut logins = Logins::default();
        for name in named.into_iter().flatten().map(|named| text(named, "/name")) {
            let cluster = self.cluster()?;
            let kind = cluster.kind(SECRET).await.map_err(|error| self.of_cluster(&error))?;
            match cluster.get(&kind, namespace, name).await {
                Ok(Some(secret)) => logins.files.extend(file_of(&secret)),
                // The node pulls without it, too.
                Ok(None) => {}
                // The image may well be public, or known by the logins of this machine.
                Err(error) if error.kind == ErrorKind::Denied => logins.unread = error.hint,
                Err(error) => return Err(self.of_cluster(&error)),
            }
        }
        Ok(logins)
    }
}

/// The file of logins in a Secret: that of its type, or in the older form, which has the map of registries alone.
fn file_of(secret: &Value) -> Option<LoginFile> {
    let data = |key: &str| {
        let written = secret.get("data")?.get(key)?.as_str()?;
        let bytes = Zeroizing::new(STANDARD.decode(written).ok()?);
        Some(Zeroizing::new(std::str::from_utf8(&bytes).ok()?.to_owned()))
    };
    match text(secret, "/type") {
        "kubernetes.io/dockerconfigjson" => Some(LoginFile::new(data(".dockerconfigjson")?.as_str())),
        "kubernetes.io/dockercfg" => {
            Some(LoginFile::new(format!("{{\"auths\":{}}}", data(".dockercfg")?.as_str())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_of_pull_secrets_are_read() {
        let auths = r#"{"r.example": {"username": "me", "password": "pw"}}"#;
        for (kind, key, content) in [
            ("kubernetes.io/dockerconfigjson", ".dockerconfigjson", format!("{{\"auths\": {auths}}}")),
            ("kubernetes.io/dockercfg", ".dockercfg", auths.to_owned()),
        ] {
            let secret = json!({ "type": kind, "data": { key: STANDARD.encode(content) } });
            let login = file_of(&secret).unwrap().login("r.example").unwrap().unwrap();
            assert_eq!(login.username, "me", "{kind}");
        }
        assert!(file_of(&json!({ "type": "Opaque", "data": { ".dockerconfigjson": "e30=" } })).is_none());
    }
}
