//! From the tenant's settings and a server's entry to what shall run. Pure: nothing here asks the gateway.

use gateway_plugin::embedded::{self, Spec};
use gateway_plugin::types::Amount;
use gateway_plugin::{Blueprint, Context, Document, Egress, Error, Fields, Result, Server, Transport, value};
use std::collections::BTreeMap;

gateway_plugin::settings! {
    /// What the operator says about the tenant, under `plugins.tenant.settings`.
    pub struct Settings {
        /// For people: logs and progress.
        pub tenant: String,
        /// Names of the servers that may run, as the operator's file has them. All others are refused.
        pub allow: Vec<String>,
        /// Ceiling of memory for each server, in MiB. A server may ask for less, not for more.
        pub memory_mib: Option<u32>,
        /// Variables that every server gets besides its own.
        pub environment: BTreeMap<String, String>,
    }
}

/// What is asked of the engine, and what becomes of the fields of the entry.
pub fn plan(settings: &Settings, server: &Server) -> Result<(Spec, Fields)> {
    // The operator writes names, so names are compared, byte for byte; objects are called after `server.id`.
    if !settings.allow.contains(&server.name) {
        return Err(Error::config(format!(
            "run server `{}`: tenant `{}` may not",
            server.name, settings.tenant
        ))
        .hint("add it to `plugins.tenant.settings.allow`"));
    }
    if server.transport != Transport::Stdio {
        return Err(Error::config(format!(
            "speak with server `{}` over a port: a component opens none",
            server.id
        )));
    }
    let mut fields = Fields::new();
    let mut spec = Spec::new(embedded::component(&server.workload)?);
    spec.environment = environment(settings, server)?;
    spec.mounts.clone_from(&server.mounts);
    if let Egress::Only(_) = &server.network.egress {
        spec.egress.clone_from(&server.network.egress);
    }
    spec.files.clone_from(&server.files);
    spec.limits.cpu_millis = server.limits.cpu_millis;
    spec.limits.memory = memory(settings, server, &mut fields);
    // Refuse, never ignore: what is asked for and not done is said, and stops the server unless the operator accepts it.
    for (field, asked) in [
        ("limits.disk", server.limits.disk.is_some()),
        ("limits.processes", server.limits.processes.is_some()),
        ("network.egress", matches!(server.network.egress, Egress::Public | Egress::Other(_))),
        ("network.extra-hosts", !server.network.extra_hosts.is_empty()),
        ("network.names", !server.network.names.is_empty()),
        ("network.ports", !server.network.ports.is_empty()),
        ("user", server.user.is_some()),
    ] {
        if asked {
            fields.not_enforced(field, "this plugin does not do it");
        }
    }
    Ok((spec, fields))
}

/// The same for a person who must agree. A secret shows as its name.
pub fn blueprint(settings: &Settings, server: &Server, context: &Context) -> Result<Blueprint> {
    let (spec, fields) = plan(settings, server)?;
    let environment: Vec<_> =
        spec.environment.iter().map(|v| format!("{}={}", v.name, value::display(&v.value))).collect();
    let document =
        Document::json(format!("component `{}` for tenant `{}`", server.id, settings.tenant), &environment)?;
    Ok(Blueprint { documents: vec![document], fields: fields.enforce(context)?, ..Blueprint::default() })
}

/// The host gives secrets only to a server whose environment is exactly that of its entry.
fn environment(settings: &Settings, server: &Server) -> Result<Vec<gateway_plugin::types::Variable>> {
    let added = settings.environment.iter().map(|(name, text)| value::variable(name, text));
    if !server.secrets.is_empty() && !settings.environment.is_empty() {
        return Err(Error::config(format!("add variables to server `{}`: it carries secrets", server.id))
            .hint("run servers with secrets without `plugins.tenant.settings.environment`"));
    }
    Ok(server.environment.iter().cloned().chain(added).collect())
}

fn memory(settings: &Settings, server: &Server, fields: &mut Fields) -> Option<Amount> {
    let Some(mib) = settings.memory_mib else { return server.limits.memory.clone() };
    match &server.limits.memory {
        Some(asked) if asked.mib <= mib => return Some(asked.clone()),
        Some(asked) => {
            fields.approximated("limits.memory", format!("`{}` is more than {mib} MiB", asked.written))
        }
        None => {}
    }
    Some(Amount { mib, written: format!("{mib}MiB") })
}
