//! What many servers share: the rights are looked at once, and one Secret is made for all, before any of them starts.

use crate::settings::{ClusterSettings, Provider};
use crate::{Kubernetes, late, manifest, names, plan, secret};
use gateway_plugin::kubernetes::{Right, SecretEntry, Target};
use gateway_plugin::types::{ObjectRef, Prepared, Refused, SecretName};
use gateway_plugin::{Call, Error, FailureCategory, Result, Server, State, value};
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
    /// The gateway's own pod, where it runs in that namespace: the owner of what is made.
    #[serde(default)]
    pub owner: Option<serde_json::Value>,
}

/// The gateway's own pod as an owner, where it runs in this namespace.
fn owner(call: &Call<Kubernetes>, namespace: &str) -> Result<Option<serde_json::Value>> {
    let own = call.host.kubernetes().cluster()?.own_pod.filter(|pod| pod.namespace == namespace);
    Ok(own.map(
        |pod| serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid }),
    ))
}

/// Where things go.
pub(crate) fn namespace(call: &Call<Kubernetes>) -> Result<String> {
    match &call.settings.namespace {
        Some(namespace) => Ok(namespace.clone()),
        None => Ok(call.host.kubernetes().cluster()?.default_namespace),
    }
}

/// How servers are reached.
#[derive(Debug, Clone, Copy)]
struct Ways {
    attach: bool,
    tunnel: bool,
    /// The gateway's own program is put in front of some.
    front: bool,
    /// A Deployment keeps the pods of some.
    deployed: bool,
}

impl Ways {
    fn of(call: &Call<Kubernetes>, servers: &[Server], tools: bool) -> Result<Self> {
        let mut ways = Self { attach: tools, tunnel: false, front: tools, deployed: false };
        for server in servers {
            // Settings that cannot be read fail their own server, later.
            let stdio = call.server_settings(server).ok().and_then(|settings| settings.stdio);
            ways.deployed |= manifest::is_deployed(server, stdio);
            if manifest::port(server).is_some() {
                ways.tunnel |= !call.host.kubernetes().cluster()?.inside;
            } else if manifest::is_bridged(server, stdio) {
                (ways.tunnel, ways.front) = (true, true);
            } else {
                ways.attach = true;
            }
        }
        Ok(ways)
    }
}

/// What a gateway needs to run these servers (`provisioning.md` 3.11).
fn rights(namespace: &str, servers: &[Server], ways: Ways, settings: &ClusterSettings) -> Vec<Right> {
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
    if ways.attach {
        rights.push(right("", "pods", Some("attach"), "create"));
    }
    if ways.tunnel {
        rights.push(right("", "pods", Some("portforward"), "create"));
    }
    if ways.deployed {
        let verbs = ["create", "get", "list", "watch", "delete"];
        rights.extend(verbs.map(|verb| right("apps", "deployments", None, verb)));
    }
    if servers.iter().any(|server| manifest::port(server).is_some()) {
        rights.extend(["create", "get", "delete"].map(|verb| right("", "services", None, verb)));
    }
    if ways.front {
        rights.extend(["create", "get", "delete"].map(|verb| right("", "configmaps", None, verb)));
    }
    let has_entries = |server: &Server| !secret::entries(server, settings.secret_provider).is_empty();
    if servers.iter().any(has_entries) || !settings.registry_logins.is_empty() {
        rights.extend(["create", "get", "delete"].map(|verb| right("", "secrets", None, verb)));
    }
    if servers.iter().any(|server| !matches!(server.network.egress, gateway_plugin::Egress::Unrestricted)) {
        let group = "networking.k8s.io";
        rights.extend(["create", "get", "delete"].map(|verb| right(group, "networkpolicies", None, verb)));
    }
    rights
}

/// All missing rights in one failure, each with its rule.
pub(crate) fn may(call: &Call<Kubernetes>, namespace: &str, servers: &[Server], tools: bool) -> Result<()> {
    let ways = Ways::of(call, servers, tools)?;
    let missing = call.host.kubernetes().missing_rights(&rights(namespace, servers, ways, &call.settings))?;
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

pub(crate) fn prepare(call: &Call<Kubernetes>, servers: &[Server], tools: bool) -> Result<Prepared> {
    if servers.is_empty() && !tools {
        return Ok(Prepared::default());
    }
    let namespace = namespace(call)?;
    may(call, &namespace, servers, tools)?;
    let name = secret::name(&call.context, &call.settings);
    if let Some((one, other)) = late::collision(secret_names(call, servers)) {
        return Err(Error::config(format!(
            "`{one}` and `{other}` would be one key in the cluster, `{}`",
            secret::key(one)
        ))
        .hint("rename one of them: everything outside of letters, digits, `.`, `_` and `-` becomes `___`"));
    }
    let in_cluster = in_cluster(call, &namespace)?;
    let owner = owner(call, &namespace)?;
    let mut prepared = Prepared::default();
    let mut entries: Vec<SecretEntry> = Vec::new();
    for server in servers {
        match missing(call, server).or_else(|| in_cluster.missing(server, &namespace)) {
            None => entries.extend(secret::entries(server, call.settings.secret_provider)),
            // It fails, the others go on.
            Some(error) => prepared.refused.push(Refused { id: server.id.clone(), failure: error.into() }),
        }
    }
    if let Some(twice) = collision(&entries) {
        return Err(Error::config(format!("two values of server secrets would have the key `{twice}`"))
            .hint("rename a variable or a file of the server"));
    }
    if !entries.is_empty() {
        let mut document = secret::document(&call.context, &namespace, &name);
        plan::own(&mut document, owner.as_ref());
        call.host.kubernetes().apply_secret(&document.to_string(), &entries)?;
        prepared.objects.push(ObjectRef::new(names::SECRET, &namespace, &name));
    }
    let pulls = secret::pull_names(&call.context, &call.settings);
    for (name, login) in pulls.iter().zip(&call.settings.registry_logins) {
        if [&login.registry, &login.username, &login.password_secret].iter().any(|text| text.is_empty()) {
            return Err(Error::config(
                "use a login under `registryLogins`: it needs `registry`, `username` and `passwordSecret`",
            ));
        }
        let (mut document, entry) = secret::pull(&call.context, &namespace, name, login);
        plan::own(&mut document, owner.as_ref());
        call.host.kubernetes().apply_secret(&document.to_string(), &[entry])?;
        prepared.objects.push(ObjectRef::new(names::SECRET, &namespace, name));
    }
    prepared.shared = Some(State::new(SHARED, &Shared { secret: name, namespace, owner })?);
    Ok(prepared)
}

/// Names that become keys where the cluster has the values.
fn secret_names<'s>(call: &Call<Kubernetes>, servers: &'s [Server]) -> impl Iterator<Item = &'s str> {
    let cluster = call.settings.secret_provider == Provider::Cluster;
    servers.iter().filter(move |_| cluster).flat_map(|server| server.secrets.iter().map(String::as_str))
}

/// What is known of the Secret that an operator made.
enum InCluster {
    /// Nothing is taken from it, or it may not be looked at: then the pod says what is missing.
    Unknown,
    /// It is not there.
    Absent(String),
    /// Its keys.
    Keys(String, Vec<String>),
}

fn in_cluster(call: &Call<Kubernetes>, namespace: &str) -> Result<InCluster> {
    let Some(name) = late::secret_name(&call.settings) else { return Ok(InCluster::Unknown) };
    match call.host.kubernetes().secret_keys(namespace, name) {
        Ok(Some(keys)) => Ok(InCluster::Keys(name.to_owned(), keys)),
        Ok(None) => Ok(InCluster::Absent(name.to_owned())),
        Err(error) if error.category() == FailureCategory::Permission => {
            call.host.info(&format!("Secret `{name}` in namespace `{namespace}` may not be looked at, so what it lacks is seen when a pod starts"));
            Ok(InCluster::Unknown)
        }
        Err(error) => Err(error),
    }
}

impl InCluster {
    /// Why a server cannot start with it.
    fn missing(&self, server: &Server, namespace: &str) -> Option<Error> {
        let hint = |name: &str| format!("add it: `gateway cluster populate-secret FILE {name} {namespace}`");
        match self {
            Self::Absent(name) if !server.secrets.is_empty() => Some(
                Error::config(format!(
                    "use the secrets of `{}`: there is no Secret `{name}` in namespace `{namespace}`",
                    server.name
                ))
                .hint(hint(name)),
            ),
            Self::Keys(name, keys) => {
                let lacks = |secret: &&String| !keys.contains(&secret::key(secret));
                let lacking: Vec<String> = server
                    .secrets
                    .iter()
                    .filter(lacks)
                    .map(|secret| format!("`{}`", secret::key(secret)))
                    .collect();
                (!lacking.is_empty()).then(|| {
                    let text = format!(
                        "use the secrets of `{}`: Secret `{name}` in namespace `{namespace}` has no key {}",
                        server.name,
                        lacking.join(", ")
                    );
                    Error::config(text).hint(hint(name))
                })
            }
            Self::Unknown | Self::Absent(_) => None,
        }
    }
}

/// Keys of the ConfigMap that an operator made; none where nothing is taken from it, or where it may not be looked at. One that is not there has
/// none.
pub(crate) fn config_keys(call: &Call<Kubernetes>, namespace: &str) -> Result<Option<Vec<String>>> {
    let Some(name) = late::config_name(&call.settings) else { return Ok(None) };
    let found = match call.host.kubernetes().get(&Target::new(names::CONFIG, namespace, name)) {
        Ok(found) => found,
        Err(error) if error.category() == FailureCategory::Permission => return Ok(None),
        Err(error) => return Err(error),
    };
    let document: serde_json::Value = match found {
        Some(document) => serde_json::from_str(&document)?,
        None => serde_json::Value::Null,
    };
    let data = document.get("data").and_then(serde_json::Value::as_object);
    Ok(Some(data.into_iter().flatten().map(|(key, _)| key.clone()).collect()))
}

/// The first secret of a server that nobody has.
fn missing(call: &Call<Kubernetes>, server: &Server) -> Option<Error> {
    let values = server.environment.iter().map(|variable| &variable.value);
    let values = values.chain(server.files.iter().map(|file| &file.content));
    let names = values.flat_map(|parts| value::secrets(parts));
    names.into_iter().find_map(|name| {
        let named = SecretName { server_id: Some(server.id.clone()), ..name.clone() };
        match call.host.secrets().lookup(&named) {
            // What only the cluster has, `in_cluster` looks for.
            Ok(info) if info.available || info.reference.is_some() => None,
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
