//! From the grants and limits of the settings to those of the plugin host.

use crate::assemble::{clouds, kubernetes};
use crate::environment::{BIND_READABLE, BIND_WRITABLE, Environment};
use host_config as c;
use host_provisioner::Access;
use host_wasm as w;
use std::path::PathBuf;

/// What a plugin was granted. A bundled plugin without an entry, or without grants in it, gets what it was written for; `bundled` is the name
/// of the one that it is.
///
/// # Errors
/// A sentence: a pattern that the plugin host does not take, or a bundled plugin nobody wrote a grant for.
pub(crate) fn grants(
    plugin: &c::PluginSettings,
    bundled: Option<&str>,
    environment: &Environment,
) -> Result<w::Grants, String> {
    let given = plugin.grants.connect.clone();
    match bundled {
        Some(name) if plugin.grants == c::Grants::default() && clouds::grants(name).is_none() => {
            return written_for(name, environment);
        }
        Some(name) if only_connects(&plugin.grants) => {
            // Where servers are is the operator's to say, and no reason to write out everything else.
            if let Some(written) = clouds::grants(name) {
                let mut plugin = c::PluginSettings { grants: written?, ..plugin.clone() };
                plugin.grants.connect.extend(given);
                return grants(&plugin, None, environment);
            }
        }
        _ => {}
    }
    let embedded = match &plugin.grants.embedded {
        None => None,
        Some(grant) => Some(w::EmbeddedGrant {
            memory: grant.memory,
            cpu_millis: grant.cpu.map(|cpus| u32::try_from(cpus.millis()).unwrap_or(u32::MAX)),
            folders: grant.folders.iter().map(folder).collect(),
            hosts: if grant.hosts.is_empty() { None } else { Some(hosts(&grant.hosts)?) },
        }),
    };
    Ok(w::Grants {
        embedded,
        connect: hosts(&plugin.grants.connect)?,
        secrets: plugin.grants.secrets.iter().map(|s| s.name.clone()).collect(),
        docker: plugin.grants.docker.as_ref().map(docker),
        kubernetes: plugin.grants.kubernetes.as_ref().map(kubernetes::grant),
        http: plugin.grants.http.iter().map(http).collect::<Result<_, _>>()?,
        secret_hosts: plugin
            .grants
            .secrets
            .iter()
            .map(|secret| {
                Ok((secret.name.clone(), secret.hosts.iter().map(of_https).collect::<Result<_, String>>()?))
            })
            .collect::<Result<_, String>>()?,
        registry: match &plugin.grants.registry {
            None => None,
            Some(grant) => {
                Some(w::RegistryGrant { hosts: grant.hosts.iter().map(of_https).collect::<Result<_, _>>()? })
            }
        },
    })
}

/// Whether nothing is granted but connections.
fn only_connects(grants: &c::Grants) -> bool {
    c::Grants { connect: Vec::new(), ..grants.clone() } == c::Grants::default()
}

/// What a bundled plugin needs for what it is there for, and no more.
fn written_for(name: &str, environment: &Environment) -> Result<w::Grants, String> {
    match name {
        "docker" => Ok(w::Grants { docker: Some(as_in_the_original(environment)), ..w::Grants::default() }),
        "embedded" => Ok(w::Grants { embedded: Some(w::EmbeddedGrant::default()), ..w::Grants::default() }),
        "kubernetes" => {
            Ok(w::Grants { kubernetes: Some(w::KubernetesGrant::written_for()), ..w::Grants::default() })
        }
        // Not what another one needs: that would be a grant nobody gave.
        _ => Err(format!(
            "the bundled plugin `{name}` has no grant of its own in this program; name what it may do under `plugins.{name}.grants`"
        )),
    }
}

/// Without a word of the operator, catalogues get what Docker's gateway gives them: every image, the networks that the gateway's own container
/// is in, and folders below those for temporary files, for reading only; and what its two variables add (`docker-mcp-gateway.md` 12). A folder
/// that may be written may be with all that is in it, as whoever mounts it sees it anyway.
fn as_in_the_original(environment: &Environment) -> w::DockerGrant {
    let listed = |name: &str, access: Access| {
        let folders: Vec<_> =
            environment.get(name).map(|list| std::env::split_paths(list).collect()).unwrap_or_default();
        folders.into_iter().map(move |folder: PathBuf| (folder, access))
    };
    let temporary =
        ["/tmp", "/private/tmp", "/var/tmp"].map(PathBuf::from).into_iter().chain([std::env::temp_dir()]);
    let folders = temporary
        .map(|folder| (folder, Access::ReadOnly))
        .chain(listed(BIND_READABLE, Access::ReadOnly))
        .chain(listed(BIND_WRITABLE, Access::ReadWrite));
    let mut binds: Vec<w::FolderGrant> = Vec::new();
    for (folder, access) in folders {
        // One that is not there cannot be mounted, and none grants the whole file system.
        let Ok(path) = folder.canonicalize() else { continue };
        let bind = w::FolderGrant { path, access };
        if bind.path.parent().is_some() && !binds.contains(&bind) {
            binds.push(bind);
        }
    }
    w::DockerGrant { own_networks: true, binds, ..w::DockerGrant::default() }
}

fn docker(grant: &c::DockerGrant) -> w::DockerGrant {
    w::DockerGrant {
        images: names(&grant.images),
        networks: names(&grant.networks),
        own_networks: false,
        binds: grant.binds.iter().map(folder).collect(),
        privileged: grant.privileged,
    }
}

fn names(patterns: &[c::Pattern]) -> Vec<w::NamePattern> {
    patterns.iter().map(|pattern| w::NamePattern::new(pattern.as_str())).collect()
}

/// Without a port it is that of HTTPS.
fn of_https(host: &c::HostPattern) -> Result<w::HostPattern, String> {
    match host.port {
        c::PortPattern::Https => format!("{host}:443").parse(),
        c::PortPattern::Any | c::PortPattern::One(_) => host.to_string().parse(),
    }
}

fn http(grant: &c::HttpGrant) -> Result<w::HttpGrant, String> {
    Ok(w::HttpGrant {
        host: of_https(&grant.host)?,
        methods: grant.methods.clone(),
        paths: names(&grant.paths),
        operations: names(&grant.operations),
        reads: names(&grant.reads),
        secrets: grant.secrets.iter().map(place).collect(),
        signer: grant.sign.as_ref().map(signer),
        private: grant.private,
    })
}

fn place(place: &c::SecretPlace) -> w::SecretPlace {
    w::SecretPlace {
        at: match &place.at {
            c::PlaceAt::Json(pointer) => w::PlaceAt::Json(pointer.clone()),
            c::PlaceAt::Form(field) => w::PlaceAt::Form(field.clone()),
            c::PlaceAt::Header(name) => w::PlaceAt::Header(name.clone()),
        },
        operation: place.operation.as_ref().map(|pattern| w::NamePattern::new(pattern.as_str())),
    }
}

fn signer(signer: &c::Signer) -> w::Signer {
    let kind = match signer.signing.clone() {
        c::Signing::AwsSigV4 { service, region } => w::SignerKind::Aws { service, region },
        c::Signing::GoogleAccessToken { scopes } => w::SignerKind::GoogleAccess { scopes },
        c::Signing::GoogleIdToken { audience } => w::SignerKind::GoogleIdentity { audience },
        c::Signing::Bearer { secret } => w::SignerKind::Bearer { secret },
    };
    w::Signer { name: signer.name.clone(), kind }
}

fn folder(folder: &c::FolderGrant) -> w::FolderGrant {
    w::FolderGrant {
        // Now, before anything runs that could put a link in its place.
        path: folder.path.path.canonicalize().unwrap_or_else(|_| folder.path.path.clone()),
        access: access(folder.access),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(grants: &str) -> c::PluginSettings {
        let text = format!("plugins: {{acme: {{path: ./acme.wasm, grants: {grants}}}}}");
        let folder = std::path::Path::new("/work");
        let settings = c::Settings::parse(&text, "gateway.yaml", folder, &c::Context::default()).unwrap();
        settings.plugins.into_iter().next().unwrap()
    }

    #[test]
    fn every_form_of_a_host_with_a_port_reaches_the_plugin_host() {
        let forms = [
            ("api.example:443", "api.example:443"),
            ("API.Example.:443", "api.example:443"),
            ("*.example:8443", "*.example:8443"),
            ("ecs.*.amazonaws.com:443", "ecs.*.amazonaws.com:443"),
            ("db.example:5432/tcp", "db.example:5432"),
            ("api.example:*", "api.example:*"),
            ("*:443", "*:443"),
            ("*:*", "*:*"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("[fe80::1]:80", "[fe80::1]:80"),
            ("[fe80::1]:*/tcp", "[fe80::1]:*"),
        ];
        for (written, taken) in forms {
            let plugin = plugin(&format!("{{embedded: {{hosts: ['{written}']}}, connect: ['{written}']}}"));
            let grants = grants(&plugin, None, &Environment::default()).unwrap();
            let shown = |hosts: &[w::HostPattern]| hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(shown(&grants.connect), [taken], "{written}");
            assert_eq!(shown(&grants.embedded.unwrap().hosts.unwrap()), [taken], "{written}");
        }
    }

    #[test]
    fn what_is_not_said_means_the_same_on_both_sides() {
        assert_eq!(limits(&c::Limits::default()), w::Limits::default());
        let grants = grants(&plugin("{embedded: true}"), None, &Environment::default()).unwrap();
        assert_eq!(grants, w::Grants { embedded: Some(w::EmbeddedGrant::default()), ..w::Grants::default() });
    }

    #[test]
    fn a_bundled_plugin_gets_what_it_was_written_for_and_an_unknown_one_nothing() {
        let silent = plugin("{}");
        for (name, _) in crate::bundled::PLUGINS {
            let own = grants(&silent, Some(name), &Environment::default()).unwrap();
            assert_ne!(own, w::Grants::default(), "{name}");
            assert_eq!(own.embedded.is_some(), *name == "embedded", "{name}");
        }
        let error = grants(&silent, Some("magic"), &Environment::default()).unwrap_err();
        assert!(error.starts_with("the bundled plugin `magic` has no grant of its own"), "{error}");
        assert_eq!(grants(&silent, None, &Environment::default()), Ok(w::Grants::default()));
    }

    #[test]
    fn the_variables_of_the_original_add_folders_and_never_all_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = dir.path().canonicalize().unwrap().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (one, other, kept) = (folder("one"), folder("other"), folder("kept"));
        let readable = format!("{}:/:{}:/is-not-there", one.display(), other.display());
        let environment = Environment::of([
            ("MCP_GATEWAY_DOCKER_BIND_ALLOWED_PATHS", readable.as_str()),
            ("MCP_GATEWAY_DOCKER_BIND_ALLOW_WRITABLE_PATHS", kept.to_str().unwrap()),
        ]);
        let silent = plugin("{}");
        let usual = grants(&silent, Some("docker"), &Environment::default()).unwrap().docker.unwrap().binds;
        let binds = grants(&silent, Some("docker"), &environment).unwrap().docker.unwrap().binds;
        assert_eq!(binds[..usual.len()], usual);
        let bind = |path, access| w::FolderGrant { path, access };
        let more =
            [bind(one, Access::ReadOnly), bind(other, Access::ReadOnly), bind(kept, Access::ReadWrite)];
        assert_eq!(binds[usual.len()..], more);
        // What the operator's own file grants is all there is.
        let own = grants(&plugin("{docker: {images: ['mcp/*']}}"), Some("docker"), &environment).unwrap();
        assert_eq!(own.docker.unwrap().binds, []);
    }
}
