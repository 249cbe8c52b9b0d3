//! What many servers share: the rights are looked at once, and one Secret is made for all, before any of them starts.

use crate::{Kubernetes, names, secret};
use gateway_plugin::kubernetes::{Right, SecretEntry};
use gateway_plugin::types::{ObjectRef, Prepared, Refused, SecretName};
use gateway_plugin::{Call, Error, Result, Server, State, value};
use serde::{Deserialize, Serialize};

/// Version of what is shared.
pub(crate) const SHARED: u32 = 2;

/// What every later call gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// Name of the Secret.
    pub secret: String,
    /// Where things go.
    pub namespace: String,
}

/// Where things go.
pub(crate) fn namespace(call: &Call<Kubernetes>) -> Result<String> {
    match &call.settings.namespace {
        Some(namespace) => Ok(namespace.clone()),
        None => Ok(call.host.kubernetes().cluster()?.default_namespace),
    }
}

/// What a gateway needs to run these servers (`provisioning.md` 3.11).
pub(crate) fn rights(namespace: &str, servers: &[Server]) -> Vec<Right> {
    let right = |group: &str, plural: &str, subresource: Option<&str>, verb: &str| Right {
        verb: verb.to_owned(),
        group: group.to_owned(),
        plural: plural.to_owned(),
        subresource: subresource.map(str::to_owned),
        namespace: namespace.to_owned(),
        name: None,
    };
    let mut rights: Vec<Right> =
        ["create", "get", "list", "watch", "delete"].map(|verb| right("", "pods", None, verb)).into();
    let listens = servers.iter().any(|server| crate::manifest::port(server).is_some());
    if servers.iter().any(|server| crate::manifest::port(server).is_none()) {
        rights.push(right("", "pods", Some("attach"), "create"));
    }
    if listens {
        rights.extend(["create", "get", "delete"].map(|verb| right("", "services", None, verb)));
    }
    if servers.iter().any(|server| !secret::entries(server).is_empty()) {
        rights.extend(["create", "get", "delete"].map(|verb| right("", "secrets", None, verb)));
    }
    if servers.iter().any(|server| !matches!(server.network.egress, gateway_plugin::Egress::Unrestricted)) {
        let group = "networking.k8s.io";
        rights.extend(["create", "get", "delete"].map(|verb| right(group, "networkpolicies", None, verb)));
    }
    rights
}

/// All missing rights in one failure, each with its rule.
pub(crate) fn may(call: &Call<Kubernetes>, namespace: &str, servers: &[Server]) -> Result<()> {
    let missing = call.host.kubernetes().missing_rights(&rights(namespace, servers))?;
    let Some((_, first)) = missing.first() else { return Ok(()) };
    let named: Vec<String> = missing
        .iter()
        .map(|(right, _)| match &right.subresource {
            Some(sub) => format!("{}/{sub}.{}", right.plural, right.verb),
            None => format!("{}.{}", right.plural, right.verb),
        })
        .collect();
    let text = format!("run pods in namespace `{namespace}`: these credentials may not {}", named.join(", "));
    let mut error = Error::permission(text).hint(first.clone()).step("rights");
    for (_, rule) in &missing {
        error = error.detail(rule.clone());
    }
    Err(error)
}

pub(crate) fn prepare(call: &Call<Kubernetes>, servers: &[Server]) -> Result<Prepared> {
    if servers.is_empty() {
        return Ok(Prepared::default());
    }
    let namespace = namespace(call)?;
    may(call, &namespace, servers)?;
    let name = secret::name(&call.context, call.settings.secret_name.as_deref());
    let mut prepared = Prepared::default();
    let mut entries: Vec<SecretEntry> = Vec::new();
    for server in servers {
        match missing(call, server) {
            None => entries.extend(secret::entries(server)),
            // It fails, the others go on.
            Some(error) => prepared.refused.push(Refused { id: server.id.clone(), failure: error.into() }),
        }
    }
    if let Some(twice) = collision(&entries) {
        return Err(Error::config(format!("two values of server secrets would have the key `{twice}`"))
            .hint("rename a variable or a file of the server"));
    }
    if !entries.is_empty() {
        let document = secret::document(&call.context, &namespace, &name);
        call.host.kubernetes().apply_secret(&document.to_string(), &entries)?;
        prepared.objects.push(ObjectRef::new(names::SECRET, &namespace, &name));
    }
    prepared.shared = Some(State::new(SHARED, &Shared { secret: name, namespace })?);
    Ok(prepared)
}

/// The first secret of a server that nobody has.
fn missing(call: &Call<Kubernetes>, server: &Server) -> Option<Error> {
    let values = server.environment.iter().map(|variable| &variable.value);
    let values = values.chain(server.files.iter().map(|file| &file.content));
    let names = values.flat_map(|parts| value::secrets(parts));
    names.into_iter().find_map(|name| {
        let named = SecretName { server_id: Some(server.id.clone()), ..name.clone() };
        match call.host.secrets().lookup(&named) {
            Ok(info) if info.available => None,
            Ok(_) => Some(Error::config(format!("use the secret `{}`: nobody here has it", name.name))),
            Err(error) => Some(error),
        }
    })
}

fn collision(entries: &[SecretEntry]) -> Option<&str> {
    let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(*a),
        _ => None,
    })
}
