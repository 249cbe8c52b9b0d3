//! What a server becomes: the request for its service, and what is not honoured. Pure functions.

use crate::settings::{Ingress, RunSettings};
use gateway_plugin::types::{
    Access, Egress, ImageWorkload, MountSource, Part, PullPolicy, ServerEndpoint, Value as Parts,
};
use gateway_plugin::value::{plain, refuse_unknown, secrets};
use gateway_plugin::{Error, Fields, Result, Server, Transport, Workload};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where a secret is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The host has its value, so a secret is made in Secret Manager.
    Value,
    /// It is in Secret Manager already, under this name.
    There(String),
}

/// A secret that is made for a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Name of the variable.
    pub variable: String,
    /// Its value, which the host fills in.
    pub value: Parts,
}

/// Everything that is decided about a server before anything is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Secrets to be made, in order.
    pub made: Vec<Made>,
    /// The request for the service, with `@N` for the name of the so manieth secret that is made.
    pub service: Value,
    /// What becomes of the fields that are not simply honoured.
    pub fields: Fields,
}

impl Plan {
    /// The request with the names of the secrets.
    #[must_use]
    pub fn with_secrets(&self, names: &[String]) -> Value {
        let mut service = self.service.clone();
        let variables = service.pointer_mut("/template/containers/0/env").and_then(Value::as_array_mut);
        for variable in variables.into_iter().flatten() {
            let Some(reference) = variable.pointer_mut("/valueSource/secretKeyRef/secret") else { continue };
            let at = reference.as_str().and_then(|text| text.strip_prefix('@')?.parse::<usize>().ok());
            if let Some(name) = at.and_then(|at| names.get(at)) {
                *reference = name.as_str().into();
            }
        }
        service
    }
}

/// How the server is spoken to: Cloud Run has HTTP and nothing else.
///
/// # Errors
/// `unsupported` for every other transport.
pub fn endpoint(server: &Server) -> Result<(&ServerEndpoint, bool)> {
    match &server.transport {
        Transport::StreamableHttp(endpoint) => Ok((endpoint, false)),
        Transport::Sse(endpoint) => Ok((endpoint, true)),
        _ => Err(Error::unsupported("speak to a server of Cloud Run over anything but HTTP")
            .hint("take an image that speaks streamable HTTP (`transport: http` and `ports` in its entry), or place it elsewhere")),
    }
}

/// The image of a server.
///
/// # Errors
/// `unsupported` for what is none.
pub fn image(server: &Server) -> Result<&ImageWorkload> {
    match &server.workload {
        Workload::Image(image) => Ok(image),
        _ => Err(Error::unsupported("run what is no container image on Cloud Run")
            .hint("place it on another provisioner, for example `embedded`")),
    }
}

/// Decides about a server.
///
/// # Errors
/// What cannot be run as a service at all, whatever the operator accepts.
pub fn plan(
    server: &Server,
    settings: &RunSettings,
    min_instances: Option<u32>,
    labels: &BTreeMap<String, String>,
    sources: &BTreeMap<String, Source>,
) -> Result<Plan> {
    let mut fields = Fields::new();
    let (endpoint, _) = endpoint(server)?;
    let image = image(server)?;
    if image.login.is_some() {
        return Err(Error::unsupported("pull the image with a login of the entry")
            .hint("put the image into Artifact Registry"));
    }
    if image.pull == PullPolicy::Never {
        fields.not_enforced("workload.pull", "Cloud Run pulls each image when its service is made");
    }
    if let Some(platform) = image.platform.as_deref().filter(|platform| *platform != "linux/amd64") {
        return Err(
            Error::unsupported(format!("run an image for `{platform}`")).hint("Cloud Run has linux/amd64")
        );
    }
    let (env, made) = environment(server, sources)?;
    if made.is_empty() && !server.secrets.is_empty() && env.is_empty() {
        fields.not_enforced("files", "secrets reach a service by its variables only");
    }
    let (volumes, mounts) = volumes(server, settings, &mut fields);
    let mut container = Map::new();
    let mut set = |key: &str, value: Value| {
        let empty = value.as_array().is_some_and(Vec::is_empty);
        if !empty && !value.is_null() {
            container.insert(key.to_owned(), value);
        }
    };
    set("name", "server".into());
    set("image", reference(image).into());
    set("command", image.entrypoint.clone().unwrap_or_default().into());
    let arguments =
        image.arguments.iter().map(|value| known("an argument", value)).collect::<Result<Vec<_>>>()?;
    set("args", arguments.into());
    set("workingDir", image.working_directory.as_deref().into());
    set("env", env.into());
    set("ports", json!([{"name": "http1", "containerPort": endpoint.port}]));
    set("resources", resources(server, &mut fields)?);
    set("volumeMounts", mounts.into());
    set("startupProbe", probe(endpoint));
    refused(server, &mut fields);
    let mut template = json!({
        "containers": [container],
        // One instance, because an MCP session lives in the process that began it.
        "scaling": {"minInstanceCount": min_instances.or(settings.min_instances).unwrap_or(1), "maxInstanceCount": 1},
        "timeout": "3600s",
        "sessionAffinity": true,
    });
    if let Some(template) = template.as_object_mut() {
        if !volumes.is_empty() {
            template.insert("volumes".to_owned(), volumes.into());
        }
        if let Some(account) = &settings.service_account {
            template.insert("serviceAccount".to_owned(), account.as_str().into());
        }
    }
    let ingress = match settings.ingress {
        Ingress::All => "INGRESS_TRAFFIC_ALL",
        Ingress::Internal => "INGRESS_TRAFFIC_INTERNAL_ONLY",
    };
    let service = json!({"labels": labels, "ingress": ingress, "template": template});
    if !made.is_empty() && settings.service_account.is_none() {
        return Err(Error::config("let the service read its secrets without `serviceAccount`")
            .hint("secrets are opened for that account only; set it in the settings of the plugin"));
    }
    Ok(Plan { made, service, fields })
}

fn reference(image: &ImageWorkload) -> String {
    match &image.digest {
        Some(digest) if !image.reference.contains('@') => format!("{}@{digest}", image.reference),
        _ => image.reference.clone(),
    }
}

fn known(what: &str, value: &[Part]) -> Result<String> {
    refuse_unknown(what, value)?;
    plain(value)
        .ok_or_else(|| Error::config(format!("give {what} its value: it is known on another platform only")))
}

fn environment(server: &Server, sources: &BTreeMap<String, Source>) -> Result<(Vec<Value>, Vec<Made>)> {
    let (mut env, mut made): (Vec<Value>, Vec<Made>) = (Vec::new(), Vec::new());
    for (at, variable) in server.environment.iter().enumerate() {
        // Of two of one name the last counts.
        if server.environment.iter().skip(at + 1).any(|later| later.name == variable.name) {
            continue;
        }
        let what = format!("variable `{}`", variable.name);
        refuse_unknown(&what, &variable.value)?;
        let reference = |secret: &str| json!({"name": variable.name, "valueSource": {"secretKeyRef": {"secret": secret, "version": "latest"}}});
        let mut there = secrets(&variable.value).filter_map(|secret| match sources.get(&secret.name) {
            Some(Source::There(name)) => Some((secret.name.as_str(), name.as_str())),
            _ => None,
        });
        match there.next() {
            Some((_, name)) if variable.value.len() == 1 => env.push(reference(name)),
            Some((secret, _)) => {
                return Err(Error::config(format!(
                    "put secret `{secret}` into {what}: it is in Secret Manager, and Cloud Run puts nothing around it"
                ))
                .hint("keep the whole value there, or let the gateway have the secret's value"));
            }
            None if secrets(&variable.value).next().is_some() => {
                env.push(reference(&format!("@{}", made.len())));
                made.push(Made { variable: variable.name.clone(), value: variable.value.clone() });
            }
            None if variable.name == "PORT" => {
                // Cloud Run sets it to the container's port by itself, and refuses it in a request.
            }
            None => env.push(json!({"name": variable.name, "value": known(&what, &variable.value)?})),
        }
    }
    Ok((env, made))
}

fn volumes(server: &Server, settings: &RunSettings, fields: &mut Fields) -> (Vec<Value>, Vec<Value>) {
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    for mount in &server.mounts {
        let name = format!("folder-{}", volumes.len());
        let read_only = mount.access == Access::ReadOnly;
        match (&mount.source, settings.volumes.get(&mount.label)) {
            (MountSource::Empty(most), _) => {
                let size = format!("{}Mi", most.unwrap_or(64));
                volumes.push(json!({"name": name, "emptyDir": {"medium": "MEMORY", "sizeLimit": size}}));
            }
            (MountSource::Folder(_) | MountSource::Volume(_), Some(bucket)) => {
                volumes.push(json!({"name": name, "gcs": {"bucket": bucket, "readOnly": read_only}}));
                fields
                    .approximated("mounts", "a bucket is no file system: no locks, and the last writer wins");
            }
            _ => {
                let text =
                    format!("`{}` has no bucket in `volumes` of the settings of the plugin", mount.label);
                fields.not_enforced("mounts", text);
                continue;
            }
        }
        if let Some(word) = mount.options.first() {
            fields.not_enforced(
                "mounts",
                format!("`{word}` of `{}` means nothing on Cloud Run", mount.written),
            );
        }
        mounts.push(json!({"name": name, "mountPath": mount.target}));
    }
    (volumes, mounts)
}

/// Processors come whole where they are not taken away between requests, and memory asks for processors.
fn resources(server: &Server, fields: &mut Fields) -> Result<Value> {
    let memory = server.limits.memory.as_ref().map_or(512, |memory| memory.mib.max(512));
    if memory > 32 * 1024 {
        return Err(
            Error::config(format!("give a service {memory} MiB")).hint("Cloud Run has at most 32 GiB")
        );
    }
    let asked = server.limits.cpu_millis.unwrap_or(0).div_ceil(1000);
    let for_memory = match memory {
        ..=4096 => 1,
        4097..=8192 => 2,
        8193..=16_384 => 4,
        16_385..=24_576 => 6,
        _ => 8,
    };
    let cpus = [1, 2, 4, 6, 8].into_iter().find(|cpus| *cpus >= asked.max(for_memory));
    let cpus = cpus.ok_or_else(|| {
        Error::config(format!("give a service {asked} processors")).hint("Cloud Run has at most 8")
    })?;
    if let Some(millis) = server.limits.cpu_millis.filter(|millis| *millis != cpus * 1000) {
        fields.approximated(
            "limits.cpu-millis",
            format!("{cpus} whole processors instead of {millis} thousandths"),
        );
    }
    if let Some(asked) = server.limits.memory.as_ref().filter(|asked| asked.mib < 512) {
        fields.approximated(
            "limits.memory",
            format!("512 MiB instead of {}: Cloud Run has no less", asked.written),
        );
    }
    Ok(json!({"limits": {"cpu": cpus.to_string(), "memory": format!("{memory}Mi")}, "cpuIdle": false}))
}

fn probe(endpoint: &ServerEndpoint) -> Value {
    let mut probe = json!({"periodSeconds": 2, "timeoutSeconds": 1, "failureThreshold": 60});
    let (key, check) = match &endpoint.health_path {
        Some(path) => ("httpGet", json!({"path": path, "port": endpoint.port})),
        None => ("tcpSocket", json!({"port": endpoint.port})),
    };
    if let Some(probe) = probe.as_object_mut() {
        probe.insert(key.to_owned(), check);
    }
    probe
}

/// What Cloud Run does not have.
fn refused(server: &Server, fields: &mut Fields) {
    let (network, limits) = (&server.network, &server.limits);
    for (field, asked, why) in [
        ("files", !server.files.is_empty(), "nobody can place files in a service before it starts"),
        ("user", server.user.is_some(), "Cloud Run runs the image's own user"),
        (
            "network.egress",
            network.egress != Egress::Unrestricted,
            "the network of the project decides what a service reaches",
        ),
        ("network.detached", network.detached, "a service always has Google's network"),
        ("network.names", !network.names.is_empty(), "there are no networks to join"),
        ("network.extra-hosts", !network.extra_hosts.is_empty(), "Cloud Run does not change `/etc/hosts`"),
        (
            "network.ports",
            network.ports.iter().any(|port| port.host_port.is_some()),
            "a service has a URL and no host port",
        ),
        ("limits.processes", limits.processes.is_some(), "Cloud Run does not limit the number of processes"),
        ("limits.disk", limits.disk.is_some(), "what a service writes is memory, and counts as such"),
    ] {
        if asked {
            fields.not_enforced(field, why);
        }
    }
}

#[cfg(test)]
mod tests;
