//! From the grants and limits of the settings to those of the plugin host.

use host_config as c;
use host_provisioner::Access;
use host_wasm as w;

/// What a plugin was granted. A bundled plugin without an entry, or without grants in it, gets what it was written for.
pub(crate) fn grants(plugin: &c::PluginSettings, bundled: bool) -> Result<w::Grants, String> {
    if bundled && plugin.grants == c::Grants::default() {
        return Ok(w::Grants { embedded: Some(w::EmbeddedGrant::default()), ..w::Grants::default() });
    }
    let embedded = match &plugin.grants.embedded {
        None => None,
        Some(grant) => Some(w::EmbeddedGrant {
            memory: grant.memory,
            cpu_millis: grant.cpu.map(|cpus| u32::try_from(cpus.millis()).unwrap_or(u32::MAX)),
            folders: grant
                .folders
                .iter()
                .map(|folder| w::FolderGrant {
                    // Now, before anything runs that could put a link in its place.
                    path: folder.path.path.canonicalize().unwrap_or_else(|_| folder.path.path.clone()),
                    access: access(folder.access),
                })
                .collect(),
            hosts: if grant.hosts.is_empty() { None } else { Some(hosts(&grant.hosts)?) },
        }),
    };
    Ok(w::Grants {
        embedded,
        connect: hosts(&plugin.grants.connect)?,
        secrets: plugin.grants.secrets.iter().map(|s| s.name.clone()).collect(),
        docker: plugin.grants.docker.is_some(),
        kubernetes: plugin.grants.kubernetes.is_some(),
        http: !plugin.grants.http.is_empty(),
        registry: plugin.grants.registry.is_some(),
    })
}

fn hosts(patterns: &[c::HostPattern]) -> Result<Vec<w::HostPattern>, String> {
    patterns.iter().map(|pattern| pattern.to_string().parse()).collect()
}

fn access(access: c::Access) -> Access {
    match access {
        c::Access::ReadOnly => Access::ReadOnly,
        c::Access::ReadWrite => Access::ReadWrite,
    }
}

/// Limits of the settings, as the host takes them.
pub(crate) fn limits(limits: &c::Limits) -> w::Limits {
    w::Limits {
        memory: limits.memory,
        call: limits.call,
        cpu: limits.cpu,
        handles: limits.handles,
        host_calls: limits.host_calls,
        concurrency: limits.concurrency,
        data: limits.data,
    }
}
