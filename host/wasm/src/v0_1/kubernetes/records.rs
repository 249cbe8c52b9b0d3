//! What is known about the cluster, in the contract's records.

use super::Kubernetes;
use super::own::text;
use crate::v0_1::imported::kubernetes::{ClusterInfo, OwnPod};
use crate::v0_1::types::{Failure, Label};
use host_workload_kubernetes::{Cluster, Kind};
use serde_json::Value;

impl Kubernetes<'_> {
    pub(super) async fn info(&self) -> Result<ClusterInfo, Failure> {
        let cluster = self.cluster()?;
        let failed = |error| self.of_cluster(&error);
        let config = cluster.config().await.map_err(failed)?;
        let version = cluster.version().await.map_err(failed)?;
        let mut kinds = Vec::new();
        for kind in self.grant()?.kinds {
            match cluster.kind(&kind).await {
                Ok(_) => kinds.push(kind),
                // Granted, and not there: that is what this list is for.
                Err(error) if error.kind == host_workload_kubernetes::ErrorKind::Unsupported => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(ClusterInfo {
            version,
            context: config.context.clone(),
            default_namespace: config.namespace.clone(),
            inside: config.inside,
            own_pod: self.own_pod(&cluster, &config.namespace, config.inside).await,
            namespaces: self.namespaces().await?,
            kinds,
            // No API tells. The plugin's settings can.
            enforces_network_policy: None,
        })
    }

    async fn own_pod(&self, cluster: &Cluster, namespace: &str, inside: bool) -> Option<OwnPod> {
        let name = self.host.kubernetes.own_pod().filter(|_| inside)?;
        // Without the right to look, nothing is known.
        let pod = cluster.get(&Kind::known("v1/Pod")?, namespace, name).await.ok()??;
        let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
        let label = |(key, value): (&String, &Value)| Label {
            key: key.clone(),
            value: value.as_str().unwrap_or_default().to_owned(),
        };
        Some(OwnPod {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: text(&pod, "/metadata/uid").to_owned(),
            labels: labels.into_iter().flatten().map(label).collect(),
        })
    }
}
