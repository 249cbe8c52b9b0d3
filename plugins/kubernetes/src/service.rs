//! The Service of a server that speaks over the network (`provisioning.md` 4.4-1).

use crate::names;
use gateway_plugin::{Context, Server};
use serde_json::{Value, json};

/// The document: inside the cluster only, for the pod of this request and no other.
#[must_use]
pub fn document(context: &Context, server: &Server, namespace: &str, name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": names::labels(context, &server.name, "mcp-server"),
        },
        "spec": {
            "type": "ClusterIP",
            "selector": names::selector(context),
            "ports": [{ "name": "mcp", "protocol": "TCP", "port": port, "targetPort": "mcp" }],
        },
    })
}
