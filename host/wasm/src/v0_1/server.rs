//! A server as this track's record has it.

use crate::server::ServerScope;
use crate::v0_1::types::{
    Access, Amount, ComponentWorkload, Destination, Egress, File, ImageWorkload, Lifetime, Limits, Mount,
    MountSource, Network, Part, Pin, Port, Protocol, PullPolicy, SecretName, SecretOwner, Server,
    ServerEndpoint, SettingRef, Transport, Value, Variable, Workload,
};
use host_provisioner as provisioner;
use host_provisioner::ServerSpec;

/// The opaque reference of a server's `at`th folder.
pub(crate) fn folder(at: usize) -> String {
    format!("folder-{at}")
}

/// The record. `named` writes the server's id into each secret's name, as `prepare` needs it.
pub(crate) fn record(scope: &ServerScope, named: bool) -> Server {
    let spec = &*scope.spec;
    let owner = named.then(|| spec.id.as_str());
    Server {
        id: spec.id.as_str().to_owned(),
        name: spec.name.clone(),
        revision: scope.revision.clone(),
        workload: workload(scope),
        transport: transport(&spec.transport),
        lifetime: match spec.lifetime {
            // To a plugin both are a server of one client.
            provisioner::Lifetime::Session | provisioner::Lifetime::Call => Lifetime::Session,
            provisioner::Lifetime::Shared => Lifetime::Shared,
        },
        environment: spec
            .environment
            .iter()
            .map(|variable| Variable { name: variable.name.clone(), value: value(&variable.value, owner) })
            .collect(),
        files: spec
            .files
            .iter()
            .map(|file| File {
                path: file.path.clone(),
                content: value(&file.content, owner),
                mode: file.mode,
            })
            .collect(),
        mounts: spec.mounts.iter().enumerate().map(|(at, m)| mount(at, m)).collect(),
        network: network(spec),
        limits: Limits {
            memory: spec.limits.memory_mib.map(|mib| Amount {
                mib,
                written: match spec.limits.memory_written.as_str() {
                    "" => in_dockers_words(mib),
                    written => written.to_owned(),
                },
            }),
            cpu_millis: spec.limits.cpu_millis,
            processes: None,
            disk: None,
        },
        user: spec.user.clone(),
        secrets: spec.secrets.clone(),
        pins: pins(spec),
        settings: spec.settings.clone(),
        annotations: spec.annotations.clone(),
        extras: Vec::new(),
    }
}

/// `2Gb`, `512m`: as Docker's gateway and its documents write amounts of memory.
fn in_dockers_words(mib: u32) -> String {
    if mib > 0 && mib.is_multiple_of(1024) { format!("{}Gb", mib / 1024) } else { format!("{mib}m") }
}

fn workload(scope: &ServerScope) -> Workload {
    let words = |arguments: &[String]| arguments.iter().map(|word| vec![Part::Text(word.clone())]).collect();
    let late = &scope.spec.late_arguments;
    match (&scope.spec.workload, &scope.component) {
        (
            provisioner::Workload::Component { arguments, .. }
            | provisioner::Workload::Bundled { arguments, .. },
            component,
        ) => Workload::Component(ComponentWorkload {
            component: component.as_ref().map(|c| c.reference.clone()).unwrap_or_default(),
            digest: component.as_ref().map(|c| c.digest.clone()).unwrap_or_default(),
            arguments: words(arguments),
        }),
        (provisioner::Workload::Image { reference, digest, arguments }, _) => {
            Workload::Image(ImageWorkload {
                reference: reference.clone(),
                digest: digest.clone(),
                entrypoint: None,
                arguments: if late.is_empty() {
                    words(arguments)
                } else {
                    late.iter().map(|word| value(word, None)).collect()
                },
                working_directory: None,
                platform: None,
                pull: PullPolicy::Missing,
                login: None,
            })
        }
        // No plugin is asked about these; `component_of` has refused them.
        (
            provisioner::Workload::Command { .. }
            | provisioner::Workload::Remote { .. }
            | provisioner::Workload::Tools { .. }
            | provisioner::Workload::Listening { .. },
            _,
        ) => Workload::Component(ComponentWorkload {
            component: String::new(),
            digest: String::new(),
            arguments: Vec::new(),
        }),
    }
}

fn pins(spec: &ServerSpec) -> Vec<Pin> {
    match &spec.workload {
        provisioner::Workload::Image { reference, digest: Some(digest), .. } => {
            vec![Pin { reference: reference.clone(), digest: digest.clone() }]
        }
        _ => Vec::new(),
    }
}

fn transport(transport: &provisioner::Transport) -> Transport {
    let endpoint = |endpoint: &provisioner::ServerEndpoint| ServerEndpoint {
        port: endpoint.port,
        path: endpoint.path.clone(),
        health_path: endpoint.health_path.clone(),
        headers: Vec::new(),
    };
    match transport {
        provisioner::Transport::Stdio => Transport::Stdio,
        provisioner::Transport::StreamableHttp(at) => Transport::StreamableHttp(endpoint(at)),
        provisioner::Transport::Sse(at) => Transport::Sse(endpoint(at)),
    }
}

/// A value, part by part.
pub(crate) fn value(value: &provisioner::Value, owner: Option<&str>) -> Value {
    let secret = |name: &str| {
        Part::Secret(SecretName {
            owner: SecretOwner::Server,
            server_id: owner.map(str::to_owned),
            name: name.to_owned(),
        })
    };
    match value {
        provisioner::Value::Text(text) => vec![Part::Text(text.clone())],
        provisioner::Value::Secret(name) => vec![secret(name)],
        provisioner::Value::Joined(parts) => parts
            .iter()
            .map(|part| match part {
                provisioner::Part::Text(text) => Part::Text(text.clone()),
                provisioner::Part::Secret(name) => secret(name),
                provisioner::Part::Setting(setting) => Part::Setting(SettingRef {
                    key: setting.key.clone(),
                    text: None,
                    default: setting.default.clone(),
                }),
            })
            .collect(),
    }
}

fn mount(at: usize, mount: &provisioner::Mount) -> Mount {
    let (source, label) = match &mount.source {
        provisioner::MountSource::Folder(path) => {
            (MountSource::Folder(folder(at)), path.display().to_string())
        }
        provisioner::MountSource::Volume(name) => (MountSource::Volume(name.clone()), name.clone()),
        provisioner::MountSource::Empty => (MountSource::Empty(None), String::new()),
    };
    let written = if mount.written.is_empty() { written(mount, &label) } else { mount.written.clone() };
    let access = match mount.access {
        provisioner::Access::ReadOnly => Access::ReadOnly,
        provisioner::Access::ReadWrite => Access::ReadWrite,
    };
    Mount { source, label, target: mount.target.clone(), access, options: mount.options.clone(), written }
}

/// As the operator's file has it, in Docker's words.
fn written(mount: &provisioner::Mount, label: &str) -> String {
    let source = if label.is_empty() { String::new() } else { format!("{label}:") };
    let access = if mount.access == provisioner::Access::ReadOnly { ":ro" } else { "" };
    format!("{source}{}{access}", mount.target)
}

fn network(spec: &ServerSpec) -> Network {
    Network {
        egress: match &spec.egress {
            provisioner::Egress::Unrestricted => Egress::Unrestricted,
            provisioner::Egress::None => Egress::None,
            provisioner::Egress::Hosts(hosts) => {
                Egress::Only(hosts.iter().map(|host| destination(host)).collect())
            }
        },
        detached: false,
        names: Vec::new(),
        extra_hosts: spec.extra_hosts.clone(),
        ports: spec.ports.iter().map(port).collect(),
    }
}

fn port(port: &provisioner::Port) -> Port {
    Port {
        container_port: port.container_port,
        protocol: if port.udp { Protocol::Udp } else { Protocol::Tcp },
        host_port: port.host_port,
    }
}

/// Reads `host:port[/protocol]`; HTTP unless it says otherwise, as in Docker's gateway. What it cannot split is all host.
pub(crate) fn destination(written: &str) -> Destination {
    let (address, protocol) = match written.rsplit_once('/') {
        Some((address, "tcp")) => (address, Protocol::Tcp),
        Some((address, "udp")) => (address, Protocol::Udp),
        Some((address, "https")) => (address, Protocol::Https),
        Some((address, "http")) => (address, Protocol::Http),
        _ => (written, Protocol::Http),
    };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (address, None),
        },
        None => (address, None),
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Destination { host: host.to_owned(), port, protocol, written: written.to_owned() }
}
