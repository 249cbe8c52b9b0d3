//! What a server may reach, as a NetworkPolicy (`provisioning.md` 4.4-5). Names of hosts cannot be written in one: only addresses can, and pods.

use crate::names;
use gateway_plugin::types::{Destination, Protocol};
use gateway_plugin::{Context, Egress, Fields, Server};
use serde_json::{Value, json};

/// Ranges that are not the internet: private, link-local with the clouds' metadata, this machine, shared.
const NOT_PUBLIC: [&str; 6] =
    ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];

/// A Service of the cluster that a server may reach: by its pods, because that is where the network lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// The destination as the entry has it.
    pub written: String,
    /// Its namespace.
    pub namespace: String,
    /// What its pods are found by.
    pub selector: serde_json::Map<String, Value>,
    /// The pods' port, a number or a name.
    pub port: Value,
}

/// The policy that a server needs; `None` where it may reach everything. `inside` are the destinations that are Services of this cluster;
/// `enforced` is what is known about the cluster.
#[must_use]
pub fn document(
    context: &Context,
    server: &Server,
    namespace: &str,
    name: &str,
    inside: &[Inside],
    enforced: Option<bool>,
    fields: &mut Fields,
) -> Option<Value> {
    let egress = match (&server.network.egress, server.network.detached) {
        (_, true) | (Egress::None, _) => json!([]),
        (Egress::Unrestricted, false) => return None,
        (Egress::Public, false) => json!([dns(), { "to": [everywhere()] }]),
        (Egress::Only(hosts), false) => Value::Array(rules(hosts, inside, fields)),
        (Egress::Other(_), false) => {
            fields.not_enforced("network.egress", "the limit is not known to this plugin");
            return None;
        }
    };
    match enforced {
        Some(true) => fields.honoured("network.egress"),
        Some(false) => fields.not_enforced("network.egress", "nothing in this cluster enforces network policies"),
        None => fields.approximated(
            "network.egress",
            "by a NetworkPolicy; whether this cluster enforces it is not known (`enforcesNetworkPolicy` of the plugin's settings says so)",
        ),
    }
    Some(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": names::labels(context, &server.name, "mcp-server"),
        },
        "spec": {
            "podSelector": { "matchLabels": names::selector(context) },
            "policyTypes": ["Egress"],
            "egress": egress,
        },
    }))
}

fn rules(hosts: &[Destination], inside: &[Inside], fields: &mut Fields) -> Vec<Value> {
    let mut rules = Vec::new();
    let (mut names, mut outside) = (false, Vec::new());
    for host in hosts {
        if let Some(found) = inside.iter().find(|inside| inside.written == host.written) {
            names = true;
            rules.push(json!({
                "to": [{
                    "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": found.namespace } },
                    "podSelector": { "matchLabels": found.selector },
                }],
                "ports": [{ "protocol": "TCP", "port": found.port }],
            }));
        } else if let Some(block) = block(&host.host) {
            rules.push(json!({ "to": [{ "ipBlock": { "cidr": block } }], "ports": ports(host) }));
        } else {
            names = true;
            outside.push(host.written.clone());
            rules.push(json!({ "to": [everywhere()], "ports": ports(host) }));
        }
    }
    if names {
        rules.insert(0, dns());
    }
    if !outside.is_empty() {
        let note = format!(
            "a NetworkPolicy knows addresses and no names: the ports of {} are open to every public address",
            outside.join(", ")
        );
        fields.not_enforced("network.egress", note);
    }
    rules
}

/// An address or a range, as the API writes it.
fn block(host: &str) -> Option<String> {
    use std::net::IpAddr;
    if let Some((address, bits)) = host.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        return (bits <= if address.is_ipv4() { 32 } else { 128 }).then(|| format!("{address}/{bits}"));
    }
    match host.parse().ok()? {
        IpAddr::V4(address) => Some(format!("{address}/32")),
        IpAddr::V6(address) => Some(format!("{address}/128")),
    }
}

fn ports(host: &Destination) -> Value {
    let protocol = if host.protocol == Protocol::Udp { "UDP" } else { "TCP" };
    match host.port {
        Some(port) => json!([{ "protocol": protocol, "port": port }]),
        None => json!([{ "protocol": protocol }]),
    }
}

fn everywhere() -> Value {
    json!({ "ipBlock": { "cidr": "0.0.0.0/0", "except": NOT_PUBLIC } })
}

/// Names must be looked up to be reached.
fn dns() -> Value {
    json!({
        "to": [{
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
            "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
        }],
        "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }],
    })
}

/// The Service of the cluster that a host could be, seen from a namespace: its namespace and name.
#[must_use]
pub fn service_of(host: &str, from: &str) -> Option<(String, String)> {
    let label = |text: &&str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let parts: Vec<&str> = host.split('.').collect();
    if !parts.iter().all(label) {
        return None;
    }
    match parts.as_slice() {
        [name] => Some((from.to_owned(), (*name).to_owned())),
        [name, namespace] | [name, namespace, "svc"] | [name, namespace, "svc", "cluster", "local"] => {
            Some(((*namespace).to_owned(), (*name).to_owned()))
        }
        _ => None,
    }
}
