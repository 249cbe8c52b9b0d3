//! What a server becomes: which variables are secrets, how large the task is, and what is not honoured. Pure functions.

use crate::entry::{Entry, Speaks, TOKEN_VARIABLE, token};
use crate::price::{self, Bill};
use crate::settings::{EcsSettings, FileSystem, ServerSettings};
use crate::size::{self, Size};
use gateway_plugin::types::{Access, Egress, ImageWorkload, Mount, MountSource, Part, PullPolicy, Value};
use gateway_plugin::value::{plain, refuse_unknown, secret, secrets};
use gateway_plugin::{Error, Fields, Result};
use std::collections::BTreeMap;

/// Where a secret is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The host has its value, so a secret is made in Secrets Manager.
    Value,
    /// It is in Secrets Manager already, under this ARN.
    Arn(String),
}

/// Where the secrets of an entry are, by their names.
pub type Sources = BTreeMap<String, Source>;

/// A variable of the container.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Held,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// It stands in the task definition.
    Plain(String),
    /// It stands in a secret that is there already.
    Arn(String),
    /// A secret is made for it, the so manieth; the value is filled in by the host.
    Made(usize, Value),
}

/// A folder of the container.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// Where.
    pub target: String,
    /// Whether it may not be written to.
    pub read_only: bool,
    /// What it is on; `None`: empty, gone with the task.
    pub on: Option<FileSystem>,
}

/// Everything that is decided about an entry before anything is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Reference of the image, with its digest if one was approved.
    pub image: String,
    /// Variables; of two of one name, the last.
    pub variables: Vec<Variable>,
    /// Arguments after the entry point.
    pub arguments: Vec<String>,
    /// The server's own entry point, where it is said.
    pub entrypoint: Option<Vec<String>>,
    /// Folders.
    pub folders: Vec<Folder>,
    /// Size of the task.
    pub size: Size,
    /// Disk in GiB, where more than what comes with a task.
    pub disk_gib: Option<u32>,
    /// Whether the processor is 64-bit Arm.
    pub arm: bool,
    /// What becomes of the fields that are not simply honoured.
    pub fields: Fields,
}

impl Plan {
    /// What is to be paid for.
    #[must_use]
    pub fn bill(&self) -> Bill {
        let made = self.variables.iter().filter(|variable| matches!(variable.value, Held::Made(..)));
        Bill { size: self.size, disk_gib: self.disk_gib, secrets: made.count() }
    }

    /// Whether a secret of the server's reaches the container, in whatever way.
    #[must_use]
    pub fn carries_secrets(&self) -> bool {
        let secret = |variable: &&Variable| !matches!(variable.value, Held::Plain(_));
        self.variables.iter().filter(secret).any(|variable| variable.name != TOKEN_VARIABLE)
    }
}

/// Decides about an entry.
///
/// # Errors
/// What cannot be run as a task at all, whatever the operator accepts.
pub fn plan(
    entry: &Entry<'_>,
    settings: &EcsSettings,
    own: &ServerSettings,
    sources: &Sources,
) -> Result<Plan> {
    let mut fields = Fields::new();
    let image = image(entry, &mut fields)?;
    let arm = architecture(entry, settings)?;
    let variables = variables(entry, sources)?;
    let arguments =
        entry.image.arguments.iter().map(|value| known("an argument", value)).collect::<Result<_>>()?;
    let (entrypoint, arguments) = words(entry, own, arguments)?;
    let folders = folders(entry.mounts, settings, &mut fields);
    let (size, disk_gib) = limits(entry, &mut fields)?;
    refused(entry, &mut fields);
    let plan = Plan { image, variables, arguments, entrypoint, folders, size, disk_gib, arm, fields };
    bridge(entry, settings, &plan)?;
    if plan.variables.iter().any(|variable| !matches!(variable.value, Held::Plain(_)))
        && settings.execution_role.is_none()
    {
        return Err(Error::config("give the task its secrets without `executionRole`").hint(
            "ECS reads secrets by that role, also the token of the bridge; set it in the settings of the plugin",
        ));
    }
    price::check(settings, &plan.bill())?;
    Ok(plan)
}

fn image(entry: &Entry<'_>, fields: &mut Fields) -> Result<String> {
    let image = entry.image;
    if image.login.is_some() {
        return Err(Error::unsupported("pull the image with a login of the entry")
            .hint("put the image into ECR, or give the execution role what it needs to pull it"));
    }
    if image.pull == PullPolicy::Never {
        fields.not_enforced("workload.pull", "Fargate keeps no images and pulls each time");
    }
    Ok(reference(image))
}

/// The image, at its approved digest.
#[must_use]
pub(crate) fn reference(image: &ImageWorkload) -> String {
    match &image.digest {
        Some(digest) if !image.reference.contains('@') => {
            // `name:tag@digest` is refused by ECS; the digest alone decides.
            let (name, tag) = image.reference.rsplit_once(':').unwrap_or((&image.reference, ""));
            let name = if tag.contains('/') { &image.reference } else { name };
            format!("{name}@{digest}")
        }
        _ => image.reference.clone(),
    }
}

/// Whether the processor is 64-bit Arm.
///
/// # Errors
/// Fargate does not have the entry's.
pub(crate) fn architecture(entry: &Entry<'_>, settings: &EcsSettings) -> Result<bool> {
    match entry.image.platform.as_deref() {
        None => Ok(settings.architecture == crate::settings::Architecture::Arm64),
        Some("linux/amd64") => Ok(false),
        Some("linux/arm64" | "linux/arm64/v8") => Ok(true),
        Some(other) => Err(Error::unsupported(format!("run an image for `{other}`"))
            .hint("Fargate has linux/amd64 and linux/arm64")),
    }
}

fn known(what: &str, value: &[Part]) -> Result<String> {
    refuse_unknown(what, value)?;
    plain(value)
        .ok_or_else(|| Error::config(format!("give {what} its value: it is known on another platform only")))
}

fn variables(entry: &Entry<'_>, sources: &Sources) -> Result<Vec<Variable>> {
    let mut variables: Vec<Variable> = Vec::new();
    if entry.speaks == Speaks::Bridge
        && let Some(taken) = entry.environment.iter().find(|variable| variable.name == TOKEN_VARIABLE)
    {
        return Err(Error::config(format!("set variable `{}`: it is the bridge's own", taken.name))
            .hint("take another name in the server's entry"));
    }
    for variable in entry.environment {
        let what = format!("variable `{}`", variable.name);
        refuse_unknown(&what, &variable.value)?;
        let names: Vec<&str> = secrets(&variable.value).map(|secret| secret.name.as_str()).collect();
        let elsewhere = names.iter().find_map(|name| match sources.get(*name) {
            Some(Source::Arn(arn)) => Some((*name, arn)),
            _ => None,
        });
        let value = match (names.is_empty(), elsewhere) {
            (true, _) => Held::Plain(known(&what, &variable.value)?),
            (false, Some((_, arn))) if variable.value.len() == 1 => Held::Arn(arn.clone()),
            (false, Some((name, _))) => {
                return Err(Error::config(format!(
                    "put secret `{name}` into {what}: it is in Secrets Manager, and ECS puts nothing around it"
                ))
                .hint("keep the whole value there, or let the gateway have the secret's value"));
            }
            (false, None) => Held::Made(0, variable.value.clone()),
        };
        variables.retain(|known| known.name != variable.name);
        variables.push(Variable { name: variable.name.clone(), value });
    }
    if entry.speaks == Speaks::Bridge {
        variables.push(Variable { name: TOKEN_VARIABLE.to_owned(), value: Held::Made(0, secret(token())) });
    }
    let made = variables.iter_mut().filter_map(|variable| match &mut variable.value {
        Held::Made(at, _) => Some(at),
        Held::Plain(_) | Held::Arn(_) => None,
    });
    made.enumerate().for_each(|(number, at)| *at = number);
    Ok(variables)
}

/// Whether the image must be asked what it starts: the bridge stands before it, and nobody says it. ECS does not tell.
#[must_use]
pub(crate) fn must_ask(entry: &Entry<'_>, own: &ServerSettings) -> bool {
    entry.speaks == Speaks::Bridge
        && own.entrypoint.is_empty()
        && entry.image.entrypoint.as_ref().is_none_or(Vec::is_empty)
}

/// The entry point, where it is not left to the image, and the arguments.
fn words(
    entry: &Entry<'_>,
    own: &ServerSettings,
    arguments: Vec<String>,
) -> Result<(Option<Vec<String>>, Vec<String>)> {
    if let Some(words) = entry.image.entrypoint.as_ref().filter(|words| !words.is_empty()) {
        return Ok((Some(words.clone()), arguments));
    }
    if entry.speaks != Speaks::Bridge {
        return Ok((None, arguments));
    }
    if !own.entrypoint.is_empty() {
        return Ok((Some(own.entrypoint.clone()), arguments));
    }
    let hint = "say what the image runs, for example `settings: {entrypoint: [mcp-server-time]}` in the server's entry";
    let Some(says) = entry.says else {
        let text = "start the server behind the bridge without its entry point";
        return Err(Error::config(text).hint(hint));
    };
    // What an image gives to its entry point counts where the entry gives nothing.
    let arguments = if arguments.is_empty() { says.arguments.clone() } else { arguments };
    if says.entrypoint.is_empty() && arguments.is_empty() {
        let text = format!("start image `{}`: it starts nothing by itself", entry.image.reference);
        return Err(Error::config(text).hint(hint));
    }
    Ok((Some(says.entrypoint.clone()), arguments))
}

fn bridge(entry: &Entry<'_>, settings: &EcsSettings, plan: &Plan) -> Result<()> {
    if entry.speaks != Speaks::Bridge {
        return Ok(());
    }
    let Some(image) = &settings.bridge_image else {
        return Err(Error::config("run a server over standard streams without `bridgeImage`").hint(
            "Fargate has no standard input; name an image with gateway-bridge in the settings of the plugin",
        ));
    };
    if plan.carries_secrets() && !image.contains("@sha256:") {
        return Err(Error::config(format!(
            "put `{image}` beside a server that carries secrets: it is not pinned"
        ))
        .hint("write `bridgeImage` with its digest: `NAME@sha256:…`"));
    }
    Ok(())
}

fn folders(mounts: &[Mount], settings: &EcsSettings, fields: &mut Fields) -> Vec<Folder> {
    let mut folders = Vec::new();
    for mount in mounts {
        let on = match &mount.source {
            MountSource::Empty(_) => None,
            MountSource::Folder(_) | MountSource::Volume(_) => match settings.volumes.get(&mount.label) {
                Some(volume) => Some(volume.clone()),
                None => {
                    let text = format!(
                        "`{}` has no file system in `volumes` of the settings of the plugin",
                        mount.label
                    );
                    fields.not_enforced("mounts", text);
                    continue;
                }
            },
            MountSource::Other(_) => {
                fields.not_enforced("mounts", format!("`{}` is of an unknown kind", mount.label));
                continue;
            }
        };
        if let Some(word) = mount.options.first() {
            fields
                .not_enforced("mounts", format!("`{word}` of `{}` means nothing on Fargate", mount.written));
        }
        let read_only = mount.access == Access::ReadOnly;
        folders.push(Folder { target: mount.target.clone(), read_only, on });
    }
    folders
}

fn limits(entry: &Entry<'_>, fields: &mut Fields) -> Result<(Size, Option<u32>)> {
    let limits = entry.limits;
    let memory = limits.memory.as_ref().map(|memory| memory.mib);
    let size = size::smallest(limits.cpu_millis, memory)?;
    if let Some(millis) = limits.cpu_millis {
        if u64::from(size.cpu_units) * 1000 == u64::from(millis) * 1024 {
            fields.honoured("limits.cpu-millis");
        } else {
            fields.approximated(
                "limits.cpu-millis",
                format!("Fargate has no smaller step: the task has {} millis", size.cpu_units * 1000 / 1024),
            );
        }
    }
    if memory.is_some() {
        // The container has its own ceiling inside the task's.
        fields.honoured("limits.memory");
    }
    if limits.processes.is_some() {
        fields.not_enforced("limits.processes", "Fargate does not limit the number of processes");
    }
    let disk_gib = match &limits.disk {
        None => None,
        Some(disk) => {
            let gib = disk.mib.div_ceil(1024);
            if gib > 200 {
                return Err(Error::config(format!("give the task {} of disk", disk.written))
                    .hint("Fargate has at most 200 GiB"));
            }
            fields.approximated("limits.disk", format!("the whole task has {} GiB", gib.max(21)));
            Some(gib.max(21))
        }
    };
    Ok((size, disk_gib))
}

/// What Fargate does not have.
fn refused(entry: &Entry<'_>, fields: &mut Fields) {
    if !entry.files.is_empty() {
        fields.not_enforced("files", "nobody can place files in a task before it starts");
    }
    let network = entry.network;
    if network.egress != Egress::Unrestricted {
        let text =
            "the security groups of the settings decide what a task reaches, by address and not by name";
        fields.not_enforced("network.egress", text);
    }
    if network.detached {
        fields.not_enforced("network.detached", "a task is always in its subnet");
    }
    if !network.names.is_empty() {
        fields.not_enforced("network.names", "a task is in the subnets of the settings");
    }
    if !network.extra_hosts.is_empty() {
        fields.not_enforced("network.extra-hosts", "Fargate does not change `/etc/hosts`");
    }
    if network.ports.iter().any(|port| port.host_port.is_some()) {
        fields.not_enforced(
            "network.ports",
            "a task has an address of its own and no host whose port it could take",
        );
    }
    if let Speaks::Http(endpoint) = entry.speaks
        && endpoint.health_path.is_some()
    {
        fields.approximated("transport.health-path", "readiness is an answer of the MCP endpoint");
    }
}

#[cfg(test)]
mod tests;
