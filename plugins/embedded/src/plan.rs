//! From a server's entry to what shall run, and which of its fields are honoured. Pure functions.

use gateway_plugin::embedded::{Spec, component};
use gateway_plugin::types::{
    Access, ComponentWorkload, Destination, Egress, File, Finding, Mount, MountSource, Pin, Protocol,
    Severity, Transport,
};
use gateway_plugin::{Blueprint, Context, Document, Error, Fields, Result, Server, Validation, value};
use serde::Serialize;

/// What shall run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the engine is asked for.
    pub spec: Spec,
    /// What becomes of the fields of the entry that are not simply honoured.
    pub fields: Fields,
    /// The approved meaning of the component.
    pub pin: Pin,
}

/// Plans a server.
///
/// # Errors
///
/// What cannot be run here at all, whatever the operator accepts: no component, or a value of a later version of the contract (`unsupported`),
/// no standard streams (`config`), or not the approved component (`image`).
pub fn plan(server: &Server) -> Result<Plan> {
    let component = component(&server.workload)?;
    refuse_transport(&server.transport)?;
    refuse_unknown(server, component)?;
    let pin = pin(server, component)?;
    let mut fields = Fields::new();
    let mut spec = Spec::new(component);
    spec.environment.clone_from(&server.environment);
    spec.mounts = mounts(&server.mounts, &mut fields);
    spec.files = files(server, &mut fields);
    spec.egress = egress(&server.network.egress, &mut fields)?;
    network(server, &mut fields);
    spec.limits.clone_from(&server.limits);
    if spec.limits.processes.take().is_some() {
        // One process with one thread is all that a component can be, so the engine needs no such limit.
        fields.honoured("limits.processes");
    }
    if let Some(disk) = spec.limits.disk.take() {
        fields.not_enforced(
            "limits.disk",
            format!("a component has no writable space but its mounts, so `{}` limits nothing", disk.written),
        );
    }
    if let Some(user) = &server.user {
        fields.not_enforced("user", format!("a component runs as no user, so not as `{user}`"));
    }
    Ok(Plan { spec, fields, pin })
}

fn refuse_transport(transport: &Transport) -> Result<()> {
    let name = match transport {
        Transport::Stdio => return Ok(()),
        Transport::StreamableHttp(_) => "streamable HTTP",
        Transport::Sse(_) => "HTTP+SSE",
        Transport::Tcp(_) => "TCP",
        Transport::Other(_) => "a transport this plugin does not know",
    };
    Err(Error::config(format!("speak with the server over {name}: a component opens no port")).hint(
        "build the server to speak over its standard streams, or place it on a provisioner that runs images",
    ))
}

fn refuse_unknown(server: &Server, component: &ComponentWorkload) -> Result<()> {
    for argument in &component.arguments {
        value::refuse_unknown("an argument", argument)?;
    }
    for variable in &server.environment {
        value::refuse_unknown(&format!("variable `{}`", variable.name), &variable.value)?;
    }
    for file in &server.files {
        value::refuse_unknown(&format!("file `{}`", file.path), &file.content)?;
    }
    Ok(())
}

fn pin(server: &Server, component: &ComponentWorkload) -> Result<Pin> {
    let approved = server.pins.iter().find(|pin| pin.reference == component.component);
    match approved {
        Some(pin) if pin.digest.trim_start_matches("sha256:") != component.digest => Err(Error::image(
            format!("run the component: its digest is `{}`, approved is `{}`", component.digest, pin.digest),
        )
        .hint("approve the new plan")),
        _ => {
            Ok(Pin { reference: component.component.clone(), digest: format!("sha256:{}", component.digest) })
        }
    }
}

/// The engine mounts folders. A volume is a thing of another platform.
fn mounts(mounts: &[Mount], fields: &mut Fields) -> Vec<Mount> {
    let mut kept = Vec::new();
    for mount in mounts {
        let target = &mount.target;
        for option in &mount.options {
            fields.not_enforced(
                "mounts.options",
                format!("`{option}` of `{target}` means nothing to the engine"),
            );
        }
        let cannot = match &mount.source {
            MountSource::Folder(_) => {
                kept.push(Mount { options: Vec::new(), ..mount.clone() });
                continue;
            }
            MountSource::Volume(name) => format!("volume `{name}`"),
            MountSource::Empty(_) => "an empty volume".to_owned(),
            MountSource::Other(_) => "a source this plugin does not know".to_owned(),
        };
        fields.not_enforced("mounts", format!("{cannot} cannot be mounted at `{target}`: name a folder"));
    }
    kept
}

/// The engine gives a file's folder to the component, for reading; a folder that is a mount cannot be given twice.
fn files(server: &Server, fields: &mut Fields) -> Vec<File> {
    let mut kept = Vec::new();
    for file in &server.files {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if server.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == folder) {
            let note = format!("`{}` cannot be placed in a mount: put it into the mounted folder", file.path);
            fields.not_enforced("files", note);
            continue;
        }
        if file.mode & 0o222 != 0 {
            fields.approximated("files", format!("`{}` can be read, not written", file.path));
        }
        kept.push(file.clone());
    }
    kept
}

/// Whatever the platform allows by default is nothing here: a component reaches exactly what its entry names.
fn egress(egress: &Egress, fields: &mut Fields) -> Result<Egress> {
    match egress {
        // An entry without a word about the network asks for what the platform allows by itself, and here that is nothing.
        Egress::None | Egress::Unrestricted => Ok(Egress::None),
        Egress::Public => {
            fields.not_enforced(
                "network.egress",
                "a component reaches only what its entry names, not every public address",
            );
            Ok(Egress::None)
        }
        Egress::Only(named) => {
            let mut reached = Vec::new();
            for destination in named {
                match cannot_reach(destination) {
                    None => reached.push(destination.clone()),
                    Some(why) => {
                        fields.not_enforced("network.egress", format!("`{}` {why}", destination.written));
                    }
                }
            }
            Ok(Egress::Only(reached))
        }
        Egress::Other(_) => {
            Err(Error::unsupported("limit the network in a way that this plugin does not know"))
        }
    }
}

/// The engine opens TCP connections to a name or an address, and to one port.
fn cannot_reach(destination: &Destination) -> Option<&'static str> {
    match destination.protocol {
        Protocol::Any | Protocol::Tcp | Protocol::Http | Protocol::Https => {}
        Protocol::Udp | Protocol::Other => return Some("is not reached over TCP"),
    }
    if destination.host.contains('/') {
        return Some("is a range of addresses: name each address");
    }
    destination.port.is_none().then_some("names no port")
}

fn network(server: &Server, fields: &mut Fields) {
    for name in &server.network.names {
        fields.not_enforced("network.names", format!("a component joins no network, so not `{name}`"));
    }
    for host in &server.network.extra_hosts {
        fields.not_enforced("network.extra-hosts", format!("a component has no table of hosts for `{host}`"));
    }
    for port in &server.network.ports {
        fields.not_enforced(
            "network.ports",
            format!("a component opens no port, so not {}", port.container_port),
        );
    }
}

impl Plan {
    /// The plan as a person reads it.
    ///
    /// # Errors
    ///
    /// `config` if the operator refuses what is not enforced.
    pub fn blueprint(self, context: &Context) -> Result<Blueprint> {
        let document = Document::json("embedded component", &Shown::of(&self))?;
        Ok(Blueprint {
            documents: vec![document],
            fields: self.fields.enforce(context)?,
            pins: vec![self.pin],
            ..Blueprint::default()
        })
    }
}

/// Everything that stands against a server, and what becomes of its fields.
#[must_use]
pub fn validation(server: &Server, context: &Context) -> Validation {
    match plan(server) {
        Ok(plan) => {
            let (fields, findings) = plan.fields.findings(context);
            Validation { fields, findings, ..Validation::default() }
        }
        Err(error) => Validation {
            findings: vec![Finding { severity: Severity::Problem, failure: error.into() }],
            ..Validation::default()
        },
    }
}

/// What a person approves. Secrets are their names; mounts are what the operator wrote, not the host's references.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    digest: String,
    arguments: Vec<String>,
    environment: Vec<String>,
    mounts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    destinations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mib: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_millis: Option<u32>,
}

impl Shown {
    fn of(plan: &Plan) -> Self {
        let Plan { spec, pin, .. } = plan;
        Self {
            digest: pin.digest.clone(),
            arguments: spec.arguments.iter().map(|argument| value::display(argument)).collect(),
            environment: spec
                .environment
                .iter()
                .map(|variable| format!("{}={}", variable.name, value::display(&variable.value)))
                .collect(),
            mounts: spec
                .mounts
                .iter()
                .map(|mount| {
                    let access = match mount.access {
                        Access::ReadOnly => "ro",
                        Access::ReadWrite => "rw",
                    };
                    format!("{}:{}:{access}", mount.label, mount.target)
                })
                .collect(),
            files: spec.files.iter().map(|file| format!("{}:ro", file.path)).collect(),
            destinations: match &spec.egress {
                Egress::Only(named) => named.iter().map(|destination| destination.written.clone()).collect(),
                _ => Vec::new(),
            },
            memory_mib: spec.limits.memory.as_ref().map(|amount| amount.mib),
            cpu_millis: spec.limits.cpu_millis,
        }
    }
}

#[cfg(test)]
mod tests;
