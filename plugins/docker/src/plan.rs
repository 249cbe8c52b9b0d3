//! From a server's entry to the container that shall run, and which of its fields are honoured. Pure functions.

use crate::http;
use gateway_plugin::connection::HttpProtocol;
use gateway_plugin::docker::{ContainerSpec, EgressProxy, EngineInfo, ProxySpec};
use gateway_plugin::types::{Access, Egress, ImageWorkload, Label, MountSource};
use gateway_plugin::{Error, Fields, Result, Server, Workload, value};

/// What the plan depends on beside the entry.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// The engine.
    pub engine: &'a EngineInfo,
    /// The proxy through which the server reaches the network, where it may not reach everything.
    pub proxy: Option<&'a EgressProxy>,
    /// Why there is no proxy although the server needs one.
    pub no_proxy: Option<&'a str>,
    /// The operator lets every container have all rights of the engine's machine.
    pub privileged: bool,
    /// The context in which Docker's command line would have to be asked, if it is not the usual one.
    pub context: Option<&'a str>,
    /// Name of the container.
    pub name: &'a str,
}

/// What shall run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the engine is asked for.
    pub spec: ContainerSpec,
    /// What becomes of the fields of the entry that are not simply honoured.
    pub fields: Fields,
}

/// The image of a server.
///
/// # Errors
/// `unsupported` for a workload that is none.
pub fn image(server: &Server) -> Result<&ImageWorkload> {
    match &server.workload {
        Workload::Image(image) => Ok(image),
        Workload::Component(_) | Workload::Other(_) => {
            Err(Error::unsupported(format!("run `{}` with Docker: it is no container image", server.id))
                .hint("place the server on a provisioner that runs its kind"))
        }
    }
}

/// The reference that runs: with the digest that was approved, if one was.
#[must_use]
pub fn reference(image: &ImageWorkload) -> String {
    match &image.digest {
        Some(digest) if !image.reference.contains('@') => format!("{}@{digest}", image.reference),
        _ => image.reference.clone(),
    }
}

/// The name under which its proxy finds a server that is reached through it. It is alone with it in their network.
const ALIAS: &str = "server";

/// The proxy that a server needs, if it may not reach everything: absent for `unrestricted`, and for one that needs no network at all.
///
/// # Errors
/// `unsupported` for a limit of a later version, `config` for a transport that cannot be had here.
pub fn proxy(server: &Server, name: &str) -> Result<Option<ProxySpec>> {
    // An internal network publishes nothing, so who is reached is reached through the proxy.
    let ingress: Vec<u16> = http::speaks(&server.transport)?.iter().map(|at| at.endpoint.port).collect();
    let egress = match &server.network.egress {
        _ if server.network.detached => Egress::None,
        Egress::Other(_) => {
            return Err(Error::unsupported("limit the network in a way that this plugin does not know"));
        }
        egress => egress.clone(),
    };
    Ok(match &egress {
        Egress::Unrestricted => None,
        Egress::None if ingress.is_empty() => None,
        _ => Some(ProxySpec {
            name: name.to_owned(),
            server_alias: if ingress.is_empty() { String::new() } else { ALIAS.to_owned() },
            egress,
            ingress,
        }),
    })
}

/// Plans a server.
///
/// # Errors
/// What cannot be run here at all, whatever the operator accepts: no image, or something of a later version of the contract (`unsupported`),
/// or no standard streams (`config`).
pub fn plan(server: &Server, around: &Around<'_>) -> Result<Plan> {
    let image = image(server)?;
    let speaks = http::speaks(&server.transport)?;
    refuse_unknown(server, image)?;
    let mut fields = Fields::new();
    let mut spec = ContainerSpec::new(around.name, reference(image));
    spec.entrypoint.clone_from(&image.entrypoint);
    spec.working_directory.clone_from(&image.working_directory);
    spec.arguments = words(image)?;
    // Variables of the proxy come first, so that the entry's own win, as on the command line.
    let through = around.proxy.map(|proxy| &proxy.environment);
    spec.environment =
        through.into_iter().flatten().map(|(k, v)| value::variable(k.as_str(), v.as_str())).collect();
    spec.environment.extend(server.environment.iter().cloned());
    spec.files.clone_from(&server.files);
    spec.mounts.clone_from(&server.mounts);
    for mount in &mut spec.mounts {
        // For a named volume it makes a difference to the engine whether `rw` was said or not: who says nothing gets `z`.
        let said = mount.written.splitn(3, ':').nth(2).unwrap_or_default();
        if mount.access == Access::ReadWrite && said.split(',').any(|word| word == "rw") {
            mount.options.insert(0, "rw".to_owned());
        }
    }
    if publishes(server, around) {
        spec.publish = http::published(server);
    }
    network(server, around, &mut spec, &mut fields);
    if let Some(why) = around.no_proxy {
        fields.not_enforced("network.egress", why);
    }
    spec.user.clone_from(&server.user);
    limits(server, around.engine, &mut spec, &mut fields);
    spec.init = true;
    spec.no_new_privileges = true;
    spec.privileged = around.privileged;
    spec.labels = labels(&server.name, speaks.map(|speaks| speaks.protocol)).into();
    if !around.engine.local {
        folders_elsewhere(server, &mut fields);
    }
    Ok(Plan { spec, fields })
}

/// Labels by which tools for Docker's gateway find its containers (`provisioning.md` 2.1, row 6). The name is the entry's; it is for people, and
/// nothing is decided by it.
fn labels(name: &str, http: Option<HttpProtocol>) -> [Label; 4] {
    let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
    [
        label("docker-mcp", "true"),
        label("docker-mcp-tool-type", "mcp"),
        label("docker-mcp-name", name),
        label("docker-mcp-transport", transport(http)),
    ]
}

/// Whether ports are published: not in a network without a way out, and not without one.
pub(crate) fn publishes(server: &Server, around: &Around<'_>) -> bool {
    around.proxy.is_none() && !server.network.detached && !matches!(server.network.egress, Egress::None)
}

/// The word of the label; the original knows only the first.
pub(crate) fn transport(http: Option<HttpProtocol>) -> &'static str {
    match http {
        None => "stdio",
        Some(HttpProtocol::Sse) => "sse",
        Some(_) => "http",
    }
}

/// A value that holds what this version of the contract has no word for is refused by the name of its place.
fn refuse_unknown(server: &Server, image: &ImageWorkload) -> Result<()> {
    for argument in &image.arguments {
        value::refuse_unknown("an argument", argument)?;
    }
    for variable in &server.environment {
        value::refuse_unknown(&format!("variable `{}`", variable.name), &variable.value)?;
    }
    for file in &server.files {
        value::refuse_unknown(&format!("file `{}`", file.path), &file.content)?;
    }
    let later = server.mounts.iter().find(|mount| matches!(mount.source, MountSource::Other(_)));
    match later {
        Some(mount) => {
            Err(Error::unsupported(format!("mount `{}`: its source is not known here", mount.target)))
        }
        None => Ok(()),
    }
}

/// Arguments are texts: a secret in them could be read by everybody on the machine.
pub(crate) fn words(image: &ImageWorkload) -> Result<Vec<String>> {
    image
        .arguments
        .iter()
        .map(|argument| {
            value::plain(argument).ok_or_else(|| {
                Error::permission(format!(
                    "pass the argument `{}`: its value is not known here",
                    value::display(argument)
                ))
                .hint("give it to the server in a variable")
            })
        })
        .collect()
}

/// The networks in their order: those of the gateway's own container, those of the entry; with a limited way out only the proxy's, because
/// any other would be a way around it.
fn network(server: &Server, around: &Around<'_>, spec: &mut ContainerSpec, fields: &mut Fields) {
    spec.extra_hosts = extra_hosts(server, around.proxy);
    if let Some(proxy) = around.proxy {
        let endpoint = http::speaks(&server.transport).ok().flatten().map(|speaks| speaks.endpoint.port);
        for port in &server.network.ports {
            if Some(port.container_port) != endpoint || port.host_port.is_some() {
                fields.not_enforced(
                    "network.ports",
                    format!(
                        "port {} is not published: a network without a way out publishes nothing",
                        port.container_port
                    ),
                );
            }
        }
        if endpoint.is_some() {
            spec.network_aliases = vec![ALIAS.to_owned()];
        }
        spec.networks.clone_from(&proxy.networks);
        spec.links.clone_from(&proxy.links);
        spec.dns.clone_from(&proxy.dns);
    } else if server.network.detached || matches!(server.network.egress, Egress::None) {
        spec.no_network = true;
    } else {
        spec.networks = usual_networks(server, around.engine);
    }
}

/// Names that lead to the proxy are the proxy's to look up, so what the entry says of them is not for the server: it would go past the proxy.
pub(crate) fn extra_hosts(server: &Server, proxy: Option<&EgressProxy>) -> Vec<String> {
    let Some(proxy) = proxy else { return server.network.extra_hosts.clone() };
    let through = |host: &&String| {
        let name = host.split_once(':').map_or(host.as_str(), |(name, _)| name);
        match &server.network.egress {
            Egress::Only(destinations) => destinations.iter().any(|d| covers(&d.host, name)),
            _ => true,
        }
    };
    let own = server.network.extra_hosts.iter().filter(|host| !through(host));
    own.chain(&proxy.extra_hosts).cloned().collect()
}

/// Whether a destination's host (a name, `*.name` or `*`) covers a name.
fn covers(host: &str, name: &str) -> bool {
    match host.strip_prefix('*') {
        Some(below) => {
            name.len() > below.len() && name.to_ascii_lowercase().ends_with(&below.to_ascii_lowercase())
        }
        None => host.eq_ignore_ascii_case(name),
    }
}

/// `provisioning.md` 2.1, row 7': sorted by name; then what the entry names besides, in its order.
pub(crate) fn usual_networks(server: &Server, engine: &EngineInfo) -> Vec<String> {
    let mut networks = engine.own_networks.clone();
    networks.sort();
    for name in &server.network.names {
        if !networks.contains(name) {
            networks.push(name.clone());
        }
    }
    networks
}

/// A limit that the engine does not enforce is not asked for: it would refuse the container, or silently do nothing.
fn limits(server: &Server, engine: &EngineInfo, spec: &mut ContainerSpec, fields: &mut Fields) {
    let enforced = |name: &str| engine.limits.iter().any(|limit| limit == name);
    let why = "this engine does not enforce it, as some rootless engines do not";
    spec.limits.clone_from(&server.limits);
    if spec.limits.memory.is_some() && !enforced("memory") {
        spec.limits.memory = None;
        fields.not_enforced("limits.memory", why);
    }
    if spec.limits.cpu_millis.is_some() && !enforced("cpu") {
        spec.limits.cpu_millis = None;
        fields.not_enforced("limits.cpu-millis", why);
    }
    if spec.limits.processes.is_some() && !enforced("processes") {
        spec.limits.processes = None;
        fields.not_enforced("limits.processes", why);
    }
    if spec.limits.disk.is_some() && !enforced("disk") {
        spec.limits.disk = None;
        fields.not_enforced("limits.disk", "the engine's storage does not limit what a container writes");
    }
}

/// A folder is one of the gateway's machine. On an engine elsewhere the same path is another folder, or none.
fn folders_elsewhere(server: &Server, fields: &mut Fields) {
    for mount in &server.mounts {
        if matches!(mount.source, MountSource::Folder(_)) {
            fields.not_enforced(
                "mounts",
                format!("`{}` is a folder of this machine, and the engine runs on another", mount.label),
            );
        }
    }
}

#[cfg(test)]
mod tests;
