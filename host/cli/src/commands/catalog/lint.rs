//! `gateway catalog lint`: a catalogue as its author would want to hear about it.
//!
//! What refuses a file is a problem here too; the rest evaluates, and is nearly always a mistake all the same. Shapes of `config` are
//! those that Docker's snapshots are held to (`docker-mcp-gateway.md` 7.6), in its words.

use crate::assemble::templates::{self, Templated};
use crate::exit;
use crate::output::{print, print_json};
use anyhow::Result;
use host_config::{AllowedHost, Catalog, Kind, Map, Server, Value};
use host_resolver::{template, unknown_variables};
use serde_json::json;
use std::path::PathBuf;

pub(super) fn run(files: &[PathBuf], json: bool) -> Result<u8> {
    let mut findings: Vec<String> = Vec::new();
    let mut servers = 0;
    let mut refused = false;
    for file in files {
        match Catalog::load(file) {
            Ok((catalog, warnings)) => {
                servers += catalog.servers.len();
                findings.extend(warnings.iter().map(ToString::to_string));
                for server in &catalog.servers {
                    findings.extend(
                        complaints(server)
                            .into_iter()
                            .map(|text| format!("{}: `{}`: {text}", server.place, server.name)),
                    );
                }
            }
            Err(problems) => {
                refused = true;
                findings.extend(problems.iter().map(ToString::to_string));
            }
        }
    }
    if json {
        print_json(&json!({"servers": servers, "refused": refused, "findings": findings}));
    } else {
        findings.iter().for_each(|finding| print(finding));
        print(&match (refused, findings.len()) {
            (true, count) => format!("{count} findings; a file is refused"),
            (false, 0) => format!("{servers} servers, nothing to complain about"),
            (false, count) => format!("{servers} servers, {count} findings"),
        });
    }
    Ok(if findings.is_empty() { exit::DONE } else { exit::SAID_NO })
}

/// What is probably a mistake in an entry.
fn complaints(server: &Server) -> Vec<String> {
    let mut found = Vec::new();
    if server.kind() == Kind::Image && !server.image.contains("@sha256:") {
        found.push(format!("image `{}` has no digest, so what runs can change", server.image));
    }
    if let Err(misfit) = server.endpoint() {
        found.push(format!("`transport_type`: {misfit}"));
    }
    evaluated(server, &mut found);
    variables(server, &mut found);
    for host in &server.allow_hosts {
        let parsed: Result<AllowedHost, _> = host.parse();
        found.extend(parsed.err().map(|misfit| format!("`allowHosts`: {misfit}")));
    }
    for (index, schema) in server.config.iter().enumerate() {
        shape(schema, index, &mut found);
    }
    found
}

fn evaluated(server: &Server, found: &mut Vec<String>) {
    let canonical = server.canonical_name();
    let root = template::server_root(&canonical, None);
    found.extend(templates::complaints(server));
    for Templated { field, text, .. } in templates::of_server(server).into_iter().filter(|one| one.evaluated)
    {
        let evaluated = match template::text(text, &root) {
            Ok(evaluated) => evaluated,
            Err(error) => {
                found.push(format!("`{field}`: {error}"));
                continue;
            }
        };
        for path in evaluated.missing {
            if path.split('.').next().map(str::trim) != Some(&canonical) {
                found.push(format!(
                    "`{field}`: `{{{{{path}}}}}` is never found; paths start with `{canonical}.`"
                ));
            }
        }
    }
}

/// Variables that `$NAME` stands for and nobody sets.
fn variables(server: &Server, found: &mut Vec<String>) {
    let mut known: Vec<&str> = Vec::new();
    for secret in &server.secrets {
        if secret.name.is_empty() || (secret.env.is_empty() && server.kind() != Kind::Remote) {
            found.push("`secrets`: an element without `name` or `env` has no effect".to_owned());
        }
        known.push(&secret.env);
    }
    if let Some(remote) = &server.remote {
        for (name, value) in &remote.headers {
            for variable in unknown_variables(value, &known) {
                found.push(format!("`headers`: `{name}` uses `${variable}`, which no secret of the entry is for; it becomes empty"));
            }
        }
    }
    for entry in &server.env {
        if !template::is_template(&entry.value) {
            for variable in unknown_variables(&entry.value, &known) {
                found.push(format!(
                    "`env`: `{}` uses `${variable}`, which nothing before it sets; it becomes empty",
                    entry.name
                ));
            }
        }
        if known.contains(&entry.name.as_str()) {
            found.push(format!("`env`: `{}` is set twice; the last counts", entry.name));
        }
        known.push(&entry.name);
    }
    for word in &server.command {
        for variable in unknown_variables(word, &known) {
            found.push(format!(
                "`command`: `{word}` uses `${variable}`, which nothing sets; it becomes empty"
            ));
        }
    }
}

/// Section 7.6: an element is a map with `name`, `description` and `type: object`; properties have types.
fn shape(schema: &Value, index: usize, found: &mut Vec<String>) {
    let Some(map) = schema.as_map() else {
        found.push(format!("config[{index}] must be a map"));
        return;
    };
    for field in ["name", "description"] {
        if map.get(field).and_then(Value::as_text).is_none() {
            found.push(format!("config[{index}] has no {field} field"));
        }
    }
    match map.get("type").and_then(Value::as_text) {
        Some("object") => {}
        Some(other) => found.push(format!("config[{index}].type must be 'object', got '{other}'")),
        None => found.push(format!("config[{index}] has no type field")),
    }
    properties(map, &format!("config[{index}]"), found);
}

fn properties(map: &Map, at: &str, found: &mut Vec<String>) {
    let Some(all) = map.get("properties") else { return };
    let Some(all) = all.as_map() else {
        found.push(format!("{at}.properties must be a map"));
        return;
    };
    for (name, property) in &all.entries {
        let at = format!("{at}.properties.{name}");
        let Some(property) = property.as_map() else {
            found.push(format!("{at} must be a map"));
            continue;
        };
        match property.get("type").and_then(Value::as_text) {
            Some("string" | "integer" | "number" | "boolean") => {}
            Some("object") => properties(property, &at, found),
            Some("array") => {
                let items = property.get("items").and_then(Value::as_map).and_then(|items| items.get("type"));
                if items.and_then(Value::as_text) != Some("string") {
                    found.push(format!("{at}.items type must be string"));
                }
            }
            Some(other) => found.push(format!("{at}.type {other} is not supported")),
            None => found.push(format!("{at}.type null is not supported")),
        }
    }
}
