//! Kinds of objects: where their requests go.

use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind};
use crate::name;
use crate::rights::Right;
use serde_json::Value;
use std::sync::{Arc, PoisonError};

/// A kind of object as the API serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// `pods`.
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// Kinds that every cluster serves, so that nothing has to be asked before a pod can start.
const KNOWN: [(&str, &str, &str); 12] = [
    ("v1", "Pod", "pods"),
    ("v1", "Service", "services"),
    ("v1", "Secret", "secrets"),
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "ResourceQuota", "resourcequotas"),
    ("v1", "LimitRange", "limitranges"),
    ("v1", "Event", "events"),
    ("apps/v1", "Deployment", "deployments"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("coordination.k8s.io/v1", "Lease", "leases"),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
];

impl Kind {
    /// One of the kinds that every cluster serves: `v1/Pod`.
    #[must_use]
    pub fn known(written: &str) -> Option<Self> {
        let (api_version, kind) = written.rsplit_once('/')?;
        let (.., plural) = KNOWN.iter().find(|(v, k, _)| *v == api_version && *k == kind)?;
        Some(Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: (*plural).to_owned(),
            namespaced: true,
        })
    }

    /// API group; empty for the core one.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// `v1/Pod`.
    #[must_use]
    pub fn written(&self) -> String {
        format!("{}/{}", self.api_version, self.kind)
    }

    /// The path of its collection; in all namespaces when none is named.
    pub(crate) fn path(&self, namespace: &str) -> Result<String, Error> {
        let base = if self.group().is_empty() {
            format!("/api/{}", self.api_version)
        } else {
            format!("/apis/{}", self.api_version)
        };
        if self.namespaced && !namespace.is_empty() {
            return Ok(format!("{base}/namespaces/{}/{}", name::label(namespace)?, self.plural));
        }
        Ok(format!("{base}/{}", self.plural))
    }

    /// The path of one object.
    pub(crate) fn object(&self, namespace: &str, object: &str) -> Result<String, Error> {
        if self.namespaced && namespace.is_empty() {
            let text = format!("`{object}` ({}) needs a namespace", self.written());
            return Err(Error::specification(text));
        }
        Ok(format!("{}/{}", self.path(namespace)?, name::object(object)?))
    }

    /// What a request for it needs.
    #[must_use]
    pub fn right(&self, verb: &str, namespace: &str) -> Right {
        let namespace = if self.namespaced { namespace } else { "" };
        Right::new(verb, self.group(), &self.plural, namespace)
    }
}

impl Cluster {
    /// The kind of that name, `apps/v1/Deployment`, if the cluster serves it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where it does not.
    pub async fn kind(&self, written: &str) -> Result<Kind, Error> {
        if let Some(kind) = Kind::known(written) {
            return Ok(kind);
        }
        let missing =
            || Error::new(ErrorKind::Unsupported, format!("this cluster does not serve `{written}`"));
        let (api_version, wanted) = written.rsplit_once('/').ok_or_else(missing)?;
        let served = self.served(api_version).await?;
        served.iter().find(|kind| kind.kind == wanted).cloned().ok_or_else(missing)
    }

    /// Kinds of one version of an API group; none where the cluster does not have it.
    async fn served(&self, api_version: &str) -> Result<Arc<Vec<Kind>>, Error> {
        let lock = || self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(api_version) {
            return Ok(Arc::clone(known));
        }
        let fits = !api_version.is_empty()
            && api_version.split('/').count() <= 2
            && api_version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'/'));
        if !fits || api_version.contains("..") {
            return Err(Error::specification(format!("`{api_version}` is no version of an API")));
        }
        let path = if api_version.contains('/') {
            format!("/apis/{api_version}")
        } else {
            format!("/api/{api_version}")
        };
        let right = Right::new("get", "", "api", "");
        let found = match self
            .request(&format!("look up the kinds of `{api_version}`"), &right, "GET", &path, None)
            .await
        {
            Ok(found) => found,
            Err(error) if error.is_not_found() => Value::Null,
            Err(error) => return Err(error),
        };
        let text = |resource: &Value, key: &str| resource.get(key).and_then(Value::as_str).map(str::to_owned);
        let resources = found.get("resources").and_then(Value::as_array).cloned().unwrap_or_default();
        let kinds = resources.iter().filter_map(|resource| {
            let plural = text(resource, "name").filter(|name| !name.contains('/'))?;
            Some(Kind {
                api_version: api_version.to_owned(),
                kind: text(resource, "kind")?,
                plural,
                namespaced: resource.get("namespaced").and_then(Value::as_bool) == Some(true),
            })
        });
        let kinds = Arc::new(kinds.collect::<Vec<_>>());
        lock().insert(api_version.to_owned(), Arc::clone(&kinds));
        Ok(kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn paths_are_those_of_the_api() {
        let pod = Kind::known("v1/Pod").unwrap();
        assert_eq!(pod.object("mcp", "a").unwrap(), "/api/v1/namespaces/mcp/pods/a");
        assert_eq!(pod.path("").unwrap(), "/api/v1/pods");
        pod.object("", "a").unwrap_err();
        pod.object("mcp", "../secrets/a").unwrap_err();
        let deployment = Kind::known("apps/v1/Deployment").unwrap();
        assert_eq!(deployment.object("a", "b").unwrap(), "/apis/apps/v1/namespaces/a/deployments/b");
    }
}
