//! The container of a server: what it starts, with which words, variables, ports and files.

use super::{Around, CONTAINER, image, limits, port, reference};
use crate::late::{self, Late};
use crate::secret;
use crate::settings::PullPolicy;
use gateway_plugin::types::{Access, MountSource};
use gateway_plugin::{Error, Fields, Result, Server, Transport, value};
use serde_json::{Value, json};

/// The volumes of a pod, and where its container has them.
#[derive(Default)]
pub(super) struct Volumes {
    pub(super) volumes: Vec<Value>,
    mounts: Vec<Value>,
}

/// The container of a server.
///
/// # Errors
/// As of the pod.
pub(super) fn container(
    server: &Server,
    around: &Around<'_>,
    fields: &mut Fields,
    volumes: &mut Volumes,
) -> Result<Value> {
    let image = image(server)?;
    let mut container = json!({
        "name": CONTAINER,
        "image": reference(image),
        "imagePullPolicy": match around.settings.image_pull_policy.unwrap_or(PullPolicy::Missing) {
            PullPolicy::Always => "Always",
            PullPolicy::Missing => "IfNotPresent",
            PullPolicy::Never => "Never",
        },
        "securityContext": limits::of_container(server, around.security, fields)?,
        "resources": limits::resources(server, around.settings, fields),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    mounts(server, around, volumes)?;
    let Some(map) = container.as_object_mut() else { return Ok(container) };
    let mut late = Late::new(server, around);
    let words = image.arguments.iter().map(|argument| late.word(argument)).collect::<Result<Vec<_>>>()?;
    if !words.is_empty() {
        map.insert("args".to_owned(), json!(words));
    }
    if let Some(entrypoint) = &image.entrypoint {
        map.insert(
            "command".to_owned(),
            json!(entrypoint.iter().map(|word| escaped(word)).collect::<Vec<_>>()),
        );
    }
    if let Some(directory) = &image.working_directory {
        map.insert("workingDir".to_owned(), Value::from(directory.as_str()));
    }
    let own =
        server.environment.iter().map(|variable| late.variable(variable)).collect::<Result<Vec<_>>>()?;
    let mut env = late.helpers();
    env.extend(own.into_iter().flatten());
    if !env.is_empty() {
        map.insert("env".to_owned(), Value::Array(env));
    }
    if let Some(config) = late::config_name(around.settings) {
        map.insert("envFrom".to_owned(), json!([{ "configMapRef": { "name": config, "optional": true } }]));
    }
    match (&server.transport, port(server)) {
        (Transport::Stdio, _) if around.is_bridged(server) => {}
        (Transport::Stdio, _) => {
            // A gateway that vanishes ends the server by the end of its input.
            map.insert("stdin".to_owned(), Value::from(true));
            map.insert("stdinOnce".to_owned(), Value::from(true));
        }
        (_, Some(port)) => {
            map.insert(
                "ports".to_owned(),
                json!([{ "name": "mcp", "containerPort": port, "protocol": "TCP" }]),
            );
            map.insert("readinessProbe".to_owned(), probe(server));
        }
        (_, None) => {
            return Err(Error::unsupported(
                "speak with the server over a transport that this plugin does not know",
            ));
        }
    }
    if !volumes.mounts.is_empty() {
        map.insert("volumeMounts".to_owned(), Value::Array(std::mem::take(&mut volumes.mounts)));
    }
    Ok(container)
}

/// A path that answers, or a port that accepts connections.
fn probe(server: &Server) -> Value {
    let health = match &server.transport {
        Transport::StreamableHttp(endpoint) | Transport::Sse(endpoint) => endpoint.health_path.as_deref(),
        _ => None,
    };
    match health {
        Some(path) => {
            json!({ "httpGet": { "path": path, "port": "mcp" }, "periodSeconds": 1, "failureThreshold": 30 })
        }
        None => json!({ "tcpSocket": { "port": "mcp" }, "periodSeconds": 1, "failureThreshold": 30 }),
    }
}

/// The cluster puts variables in the place of `$(NAME)`, and `$` in the place of `$$`; Docker does neither.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        if c == '$' && matches!(rest.peek(), Some('$' | '(')) {
            out.push('$');
        }
    }
    out
}

/// Folders of the gateway's machine do not exist in a cluster: each needs a claim that the operator names for it.
fn mounts(server: &Server, around: &Around<'_>, volumes: &mut Volumes) -> Result<()> {
    for (index, mount) in server.mounts.iter().enumerate() {
        let name = format!("volume-{index}");
        let read_only = mount.access == Access::ReadOnly;
        let volume = match &mount.source {
            MountSource::Empty(mib) => {
                let limit = mib.map(|mib| json!({ "sizeLimit": format!("{mib}Mi") }));
                json!({ "name": name, "emptyDir": limit.unwrap_or_else(|| json!({})) })
            }
            MountSource::Folder(_) | MountSource::Volume(_) => {
                let Some(claim) = around.settings.volumes.get(&mount.label) else {
                    return Err(Error::config(format!(
                        "mount `{}` at `{}`: nothing in the cluster stands for it",
                        mount.label, mount.target
                    ))
                    .hint(format!(
                        "name a claim: `volumes: {{\"{}\": CLAIM}}` in the settings of the plugin, and the claim in its grant",
                        mount.label
                    )));
                };
                json!({ "name": name, "persistentVolumeClaim": { "claimName": claim, "readOnly": read_only } })
            }
            MountSource::Other(_) => {
                return Err(Error::unsupported(format!(
                    "mount `{}`: its source is not known here",
                    mount.target
                )));
            }
        };
        volumes.volumes.push(volume);
        volumes.mounts.push(json!({ "name": name, "mountPath": mount.target, "readOnly": read_only }));
    }
    for (index, file) in server.files.iter().enumerate() {
        value::refuse_unknown(&format!("file `{}`", file.path), &file.content)?;
        let name = format!("file-{index}");
        let key = secret::file_key(&server.id, &file.path);
        volumes.volumes.push(json!({
            "name": name,
            "secret": {
                "secretName": around.secret,
                "items": [{ "key": key, "path": "file", "mode": file.mode & 0o777 }],
            },
        }));
        volumes
            .mounts
            .push(json!({ "name": name, "mountPath": file.path, "subPath": "file", "readOnly": true }));
    }
    Ok(())
}
