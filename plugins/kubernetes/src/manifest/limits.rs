//! Who a server runs as, what it may do, and how much of a node it may use.

use crate::settings::{ClusterSettings, Security};
use gateway_plugin::{Error, Fields, Result, Server};
use serde_json::{Map, Value, json};

/// The numbers of `uid[:gid]`; a name cannot be told to a cluster.
fn user(server: &Server) -> Option<(Option<u32>, Option<u32>)> {
    let written = server.user.as_deref()?;
    let (uid, gid) = match written.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (written, None),
    };
    Some((uid.parse().ok(), gid.and_then(|gid| gid.parse().ok())))
}

/// What a whole pod keeps to.
pub(super) fn of_pod(server: &Server, security: Security) -> Value {
    let mut context = json!({ "seccompProfile": { "type": "RuntimeDefault" } });
    if security == Security::Restricted
        && !matches!(user(server), Some((Some(0), _)))
        && let Some(map) = context.as_object_mut()
    {
        map.insert("runAsNonRoot".to_owned(), Value::from(true));
    }
    context
}

/// Whom a container runs as, and what it may not do.
///
/// # Errors
/// `config` for a user that is a name.
pub(super) fn of_container(server: &Server, security: Security, fields: &mut Fields) -> Result<Value> {
    let mut context = Map::new();
    context.insert("allowPrivilegeEscalation".to_owned(), Value::from(false));
    context.insert("capabilities".to_owned(), json!({ "drop": ["ALL"] }));
    match user(server) {
        None => {}
        Some((Some(uid), gid)) => {
            context.insert("runAsUser".to_owned(), Value::from(uid));
            if let Some(gid) = gid {
                context.insert("runAsGroup".to_owned(), Value::from(gid));
            }
            if uid == 0 && security == Security::Restricted {
                fields.approximated(
                    "user",
                    "the entry asks for root, so the pod does not keep to the level `restricted`",
                );
            }
        }
        Some((None, _)) => {
            let written = server.user.as_deref().unwrap_or_default();
            return Err(Error::config(format!("run as `{written}`: a cluster knows users by their numbers"))
                .hint("write the number: `user: \"1000\"` or `user: \"1000:1000\"`"));
        }
    }
    if security == Security::Baseline {
        fields.approximated(
            "security",
            "the image's own user may be root, so the pod does not keep to the level `restricted`",
        );
    }
    Ok(Value::Object(context))
}

/// Limits as the entry has them; what is set aside is little, so that many servers that mostly wait fit on a node.
pub(super) fn resources(server: &Server, settings: &ClusterSettings, fields: &mut Fields) -> Value {
    let cpu = server.limits.cpu_millis.filter(|millis| *millis > 0);
    let memory = server.limits.memory.as_ref().map(|amount| amount.mib).filter(|mib| *mib > 0);
    if server.limits.processes.is_some() {
        fields.not_enforced("limits.processes", "a cluster limits processes per node, not per pod");
    }
    let mut limits = Map::new();
    let mut requests = Map::new();
    let least = |wanted: u32, most: Option<u32>| most.map_or(wanted, |most| most.min(wanted));
    requests.insert(
        "cpu".to_owned(),
        Value::from(format!("{}m", least(settings.requests.cpu_millis.unwrap_or(10), cpu))),
    );
    requests.insert(
        "memory".to_owned(),
        Value::from(format!("{}Mi", least(settings.requests.memory_mib.unwrap_or(32), memory))),
    );
    if let Some(millis) = cpu {
        limits.insert("cpu".to_owned(), Value::from(format!("{millis}m")));
    }
    if let Some(mib) = memory {
        limits.insert("memory".to_owned(), Value::from(format!("{mib}Mi")));
    }
    if let Some(disk) = &server.limits.disk {
        limits.insert("ephemeral-storage".to_owned(), Value::from(format!("{}Mi", disk.mib)));
    }
    if limits.is_empty() {
        json!({ "requests": requests })
    } else {
        json!({ "limits": limits, "requests": requests })
    }
}
