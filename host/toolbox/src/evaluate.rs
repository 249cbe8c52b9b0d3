//! From the arguments of a call to the run of a container (`docker-mcp-gateway.md` 10.5, 11.3). The words reach the program as they are; there
//! is no shell on the way.

use host_config::{Map, Value};
use host_provisioner::{ServerSpec, ToolRun, ToolSpec, Workload};
use host_resolver::{template, volume};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;

/// How long a tool may run where its entry says nothing.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The last moments of a call in which its result must still get back.
const LAST_MOMENTS: Duration = Duration::from_secs(2);
/// Bytes of each stream that are kept where the entry says nothing.
pub(crate) const OUTPUT_LIMIT: usize = 16 << 20;

/// The run that a call asks for.
///
/// # Errors
/// A sentence for whoever called: an argument is missing or of another type, or a volume or user cannot be used.
pub(crate) fn run(server: &ServerSpec, tool: &ToolSpec, arguments: &Json) -> Result<ToolRun, String> {
    check(tool, arguments)?;
    let root = root(arguments);
    let mut run = bare(server, tool, &root)?;
    let mut mounts = Vec::new();
    for written in &tool.volumes {
        for text in words(tool, written, &root)?.iter().filter(|text| !text.is_empty()) {
            let mount =
                volume::mount(text).map_err(|why| format!("validate volume for {}: {why}", tool.name))?;
            mounts.push(mount);
        }
    }
    Arc::make_mut(&mut run.server).mounts.extend(mounts);
    Ok(run)
}

/// The run of a call that nobody has made: each argument stands for itself, and what is mounted is not known.
pub(crate) fn example(server: &ServerSpec, tool: &ToolSpec) -> ToolRun {
    let properties = tool.schema.get("properties").and_then(Json::as_object);
    let named = properties.into_iter().flatten().map(|(name, property)| {
        let itself = Value::Text(format!("{{{{{name}}}}}"));
        let list = property.get("type").and_then(Json::as_str) == Some("array");
        (name.clone(), if list { Value::List(vec![itself]) } else { itself })
    });
    let root = Map { entries: named.collect(), has_other_keys: false };
    bare(server, tool, &root).unwrap_or_else(|_| of(server, tool, tool.command.clone(), None))
}

fn bare(server: &ServerSpec, tool: &ToolSpec, root: &Map) -> Result<ToolRun, String> {
    let mut arguments = Vec::new();
    for written in &tool.command {
        arguments.extend(words(tool, written, root)?);
    }
    let user = template::text(&tool.user, root).map_err(|error| format!("{}: {error}", tool.name))?.value;
    if user.starts_with('-') {
        return Err(format!("user of {}: `{user}` looks like a flag", tool.name));
    }
    Ok(of(server, tool, arguments, Some(user).filter(|user| !user.is_empty())))
}

fn of(server: &ServerSpec, tool: &ToolSpec, arguments: Vec<String>, user: Option<String>) -> ToolRun {
    let mut spec = server.clone();
    spec.workload = Workload::Image { reference: tool.image.clone(), digest: None, arguments };
    spec.user = user.or(spec.user);
    let timeout = match server.call_timeout {
        Some(limit) => limit.saturating_sub(LAST_MOMENTS.min(limit / 10)),
        None => TIMEOUT,
    };
    ToolRun {
        tool: tool.name.clone(),
        timeout,
        output_limit: server.output_limit.unwrap_or(OUTPUT_LIMIT).min(OUTPUT_LIMIT),
        input: None,
        server: Arc::new(spec),
    }
}

fn words(tool: &ToolSpec, written: &str, root: &Map) -> Result<Vec<String>, String> {
    Ok(template::words(written, root).map_err(|error| format!("{}: {error}", tool.name))?.value)
}

/// What is required is there, and what is there has its type. The original checks neither.
fn check(tool: &ToolSpec, arguments: &Json) -> Result<(), String> {
    let required = tool.schema.get("required").and_then(Json::as_array).into_iter().flatten();
    let missing: Vec<&str> = required
        .filter_map(Json::as_str)
        .filter(|name| arguments.get(name).is_none_or(Json::is_null))
        .collect();
    if !missing.is_empty() {
        return Err(format!("tool {} needs the argument `{}`", tool.name, missing.join("`, `")));
    }
    let properties = tool.schema.get("properties").and_then(Json::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let (Some(value), Some(wanted)) = (arguments.get(name), property.get("type").and_then(Json::as_str))
        else {
            continue;
        };
        if !value.is_null() && !is(value, wanted) {
            return Err(format!("tool {}: the argument `{name}` must be of type {wanted}", tool.name));
        }
    }
    Ok(())
}

/// Whether a value is of a JSON type. Of a type that nobody knows, everything is.
fn is(value: &Json, wanted: &str) -> bool {
    match wanted {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// What templates of a tool look their paths up in. Arguments that are no object are none.
fn root(arguments: &Json) -> Map {
    match value(arguments) {
        Value::Map(map) => map,
        _ => Map::default(),
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => Value::Integer(integer),
            (None, Some(integer), _) => Value::Unsigned(integer),
            (None, None, Some(float)) => Value::Float(float),
            (None, None, None) => Value::Null,
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(map) => Value::Map(Map {
            entries: map.iter().map(|(key, one)| (key.clone(), value(one))).collect(),
            has_other_keys: false,
        }),
    }
}
