//! Which documents a server needs, and which fields of its entry are honoured. Pure functions.

use crate::manifest::{self, Around};
use crate::names;
use crate::policy::{self, Inside};
use crate::service;
use gateway_plugin::{Fields, Result, Server};
use serde_json::Value;

/// What shall be made, in the order of creation.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The network policy, if the server may not reach everything. Before the pod, so that the pod never runs without.
    pub policy: Option<Value>,
    /// The pod; of a server that is reached over the network, the Deployment that keeps one.
    pub workload: Value,
    /// It is a Deployment.
    pub deployed: bool,
    /// The Service, if the server speaks over the network.
    pub service: Option<Value>,
    /// The bridge stands in front of the server.
    pub bridged: bool,
    /// What becomes of the fields of the entry that are not simply honoured.
    pub fields: Fields,
}

impl Plan {
    /// Gives everything to an owner: it goes when that does, whoever notices.
    #[must_use]
    pub fn owned_by(mut self, owner: Option<&Value>) -> Self {
        let documents =
            self.policy.iter_mut().chain(std::iter::once(&mut self.workload)).chain(self.service.iter_mut());
        documents.for_each(|document| own(document, owner));
        self
    }

    /// Kind of the workload.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.deployed { names::DEPLOYMENT } else { names::POD }
    }
}

/// Gives one document to an owner, if there is one.
pub fn own(document: &mut Value, owner: Option<&Value>) {
    let metadata = document.pointer_mut("/metadata").and_then(Value::as_object_mut);
    if let (Some(metadata), Some(owner)) = (metadata, owner) {
        metadata.insert("ownerReferences".to_owned(), Value::Array(vec![owner.clone()]));
    }
}

/// Plans a server. `inside` are destinations that are Services of the cluster.
///
/// # Errors
/// What cannot be run as a pod at all, whatever the operator accepts.
pub fn plan(server: &Server, around: &Around<'_>, inside: &[Inside]) -> Result<Plan> {
    let mut fields = Fields::new();
    let pod = manifest::pod(server, around, &mut fields)?;
    let policy = policy::document(
        around.context,
        server,
        around.namespace,
        around.name,
        inside,
        around.settings.enforces_network_policy,
        &mut fields,
    );
    if !server.network.names.is_empty() {
        fields
            .not_enforced("network.names", "a cluster has one network; its namespaces and policies part it");
    }
    let service = manifest::port(server)
        .map(|port| service::document(around.context, server, around.namespace, around.name, port));
    let deployed = around.is_deployed(server);
    let workload = if deployed { manifest::deployment(pod, around) } else { pod };
    Ok(Plan { policy, workload, deployed, service, bridged: around.is_bridged(server), fields })
}

#[cfg(test)]
mod tests;
