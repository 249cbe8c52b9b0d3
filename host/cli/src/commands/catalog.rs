//! `gateway catalog list|show|lint`: what catalogues say.

mod lint;

use crate::args::{CatalogCommand, SourceArgs};
use crate::assemble::Inputs;
use crate::assemble::secret_places::resolver;
use crate::commands::secret;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, print, print_json, table};
use anyhow::Result;
use host_config::{Kind, Map, Server, Value, nearest};
use serde_json::json;

pub(super) fn run(command: CatalogCommand, environment: &Environment) -> Result<u8> {
    match command {
        CatalogCommand::List { source, json } => {
            let inputs = load(*source, environment)?;
            let servers = &inputs.files.catalog.servers;
            if json {
                print_json(&json!({"servers": servers.iter().map(entry).collect::<Vec<_>>()}));
            } else {
                let rows: Vec<Vec<String>> = servers.iter().map(row).collect();
                print(&table(&["SERVER", "KIND", "NEEDS", "TITLE"], &rows));
            }
            Ok(exit::DONE)
        }
        CatalogCommand::Show { name, source, json } => {
            show(&name, &load(*source, environment)?, json, environment)
        }
        CatalogCommand::Lint { files, json } => lint::run(&files, json),
    }
}

/// Reads the catalogues whatever is enabled.
fn load(mut source: SourceArgs, environment: &Environment) -> Result<Inputs> {
    source.servers.clear();
    source.files.enable_all_servers = true;
    Inputs::load(&source, environment)
}

fn row(server: &Server) -> Vec<String> {
    let mut needs: Vec<String> = server.secrets.iter().map(|secret| secret.name.clone()).collect();
    needs.extend(
        properties(server).into_iter().filter(|property| property.required).map(|property| property.path),
    );
    vec![server.name.clone(), server.kind().to_string(), needs.join(", "), server.title.clone()]
}

fn entry(server: &Server) -> serde_json::Value {
    json!({
        "name": server.name,
        "kind": server.kind().as_str(),
        "title": server.title,
        "description": server.description,
        "image": Some(&server.image).filter(|image| !image.is_empty()),
        "url": server.endpoint().ok().flatten().map(|endpoint| endpoint.url),
        "secrets": server.secrets.iter().map(|secret| json!({"name": secret.name, "env": secret.env})).collect::<Vec<_>>(),
        "config": properties(server).iter().map(|property| json!({
            "path": property.path, "type": property.kind, "required": property.required, "description": property.about,
        })).collect::<Vec<_>>(),
        "tools": server.tools.iter().map(|tool| &tool.name).collect::<Vec<_>>(),
    })
}

/// A value that an entry takes.
struct Property {
    /// As a template names it, without the braces.
    path: String,
    kind: String,
    required: bool,
    about: String,
}

fn properties(server: &Server) -> Vec<Property> {
    let mut found = Vec::new();
    for schema in server.config.iter().filter_map(Value::as_map) {
        collect(schema, &server.canonical_name(), true, &mut found);
    }
    found
}

fn collect(schema: &Map, path: &str, required: bool, found: &mut Vec<Property>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_map) else { return };
    let listed = schema.get("required").and_then(Value::as_list).unwrap_or_default();
    for (name, property) in &properties.entries {
        let path = format!("{path}.{name}");
        let required = required && listed.iter().any(|word| word.as_text() == Some(name));
        let Some(property) = property.as_map() else { continue };
        if property.get("properties").is_some() {
            collect(property, &path, required, found);
            continue;
        }
        let text = |key: &str| property.get(key).and_then(Value::as_text).unwrap_or_default().to_owned();
        found.push(Property { path, kind: text("type"), required, about: text("description") });
    }
}

fn show(name: &str, inputs: &Inputs, json: bool, environment: &Environment) -> Result<u8> {
    let catalog = &inputs.files.catalog;
    let Some(server) = catalog.get(name) else {
        let near = nearest(name, catalog.servers.iter().map(|server| server.name.as_str()));
        let hint = match (near, catalog.servers.len()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, 0) => "there is no catalogue; name one with `--catalog FILE`".to_owned(),
            (None, many) => format!("the catalogues have {many} others, see `gateway catalog list`"),
        };
        return Err(Usage(format!("MCP server not found: `{name}` ({hint})")).into());
    };
    if json {
        print_json(&entry(server));
        return Ok(exit::DONE);
    }
    let mut lines = vec![format!("{} ({}, {})", server.name, server.kind(), server.place)];
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("  {key:<12} {}", value.trim()));
        }
    };
    line("title", &server.title);
    line("description", &server.description);
    match server.kind() {
        Kind::Remote => {
            let endpoint = server.endpoint();
            match &endpoint {
                Ok(Some(endpoint)) => line("url", &format!("{} ({})", endpoint.url, endpoint.transport)),
                Ok(None) => {}
                Err(misfit) => line("url", &misfit.to_string()),
            }
        }
        _ => line("image", &server.image),
    }
    let resolver = resolver(inputs, environment)?;
    for (secret, declared) in secret::of_server(server, &resolver).into_iter().zip(&server.secrets) {
        let found = secret.found.map_or_else(|_| "missing".to_owned(), |found| format!("in {found}"));
        line("secret", &format!("{} as {}: {found}", secret.name, declared.env));
    }
    let values = inputs.files.configs.servers.get(&server.canonical_name());
    for property in properties(server) {
        let key = property.path.split_once('.').map_or("", |(_, key)| key);
        let mut steps = key.split('.');
        let first = values.and_then(|config| config.values.get(steps.next()?));
        let is_set = steps
            .try_fold(first, |value, key| Some(value?.as_map().and_then(|map| map.get(key))))
            .flatten()
            .is_some();
        let state = match (is_set, property.required) {
            (true, _) => "set",
            (false, true) => "required, missing",
            (false, false) => "optional, not set",
        };
        line("value", &format!("{} ({}): {state} {}", property.path, property.kind, property.about));
    }
    for variable in &server.env {
        line("env", &format!("{}={}", variable.name, variable.value));
    }
    line("command", &server.command.join(" "));
    for volume in &server.volumes {
        line("volume", volume);
    }
    line("hosts", &server.allow_hosts.join(", "));
    let tools: Vec<&str> = server.tools.iter().map(|tool| tool.name.as_str()).collect();
    line("tools", &tools.join(", "));
    print(&lines.join("\n"));
    Ok(exit::DONE)
}
