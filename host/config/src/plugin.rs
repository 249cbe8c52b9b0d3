//! A plugin the settings name: where its component is, what it is granted, what it may use up.

use crate::decode::Fields;
use crate::decode::table::{Form, Table, key};
use crate::grants::{GRANTS, Grants};
use crate::limits::{LIMITS, Limits};
use crate::nearest::suggestion;
use crate::path::{Base, Located};
use crate::problem::Place;
use crate::report::Report;
use crate::settings::Context;
use crate::yaml::scalar::Schema;
use crate::yaml::{Position, Value};

/// A plugin of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSettings {
    /// Its name: `[a-z][a-z0-9-]{0,39}`.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Its component.
    pub source: PluginSource,
    /// What it is allowed to do.
    pub grants: Grants,
    /// What it may use up.
    pub limits: Limits,
    /// Handed to the plugin as it is; an object, empty unless said.
    pub settings: serde_json::Value,
}

/// Where the component of a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginSource {
    /// A file.
    File(Located),
    /// One that the gateway carries inside itself, by name.
    Bundled(String),
}

pub(crate) static PLUGIN: Table = Table::new(
    "plugins.NAME",
    "A plugin. Its name has up to 40 lower-case letters, digits and `-`, and starts with a letter. It \
     has exactly one of `path` and `bundled`, or neither if its file is given with `--plugin`.",
    &[&[
        key("path", Form::Path, "Its component, relative to this file."),
        key("bundled", Form::Text, "Name of a plugin that the gateway carries inside itself."),
        key("grants", Form::Group(&GRANTS), "What it is allowed to do.").or("nothing"),
        key("limits", Form::Group(&LIMITS), "What it may use up."),
        key("settings", Form::Any, "A map that is handed to the plugin as it is.").or("{}"),
    ]],
);

impl PluginSettings {
    pub(crate) fn decode(
        name: String,
        at: Position,
        fields: Fields<'_>,
        base: &Base,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Option<PluginSettings> {
        check_name(&name, at, report);
        let source = source(&name, at, &fields, base, context, report);
        let grants = Grants::decode(fields.group_or_empty("grants", report), base, report);
        let limits = Limits::decode(fields.group_or_empty("limits", report), report);
        let settings = serde_json::Value::Object(settings(&fields, report));
        fields.done();
        Some(PluginSettings { name, place: report.place(at), source: source?, grants, limits, settings })
    }
}

fn check_name(name: &str, at: Position, report: &mut Report) {
    let fits = (1..=40).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        let what = format!("`{}` cannot be the name of a plugin", name.escape_debug());
        let hint = "use up to 40 lower-case letters, digits and `-`, starting with a letter";
        report.problem_with_hint(at, what, hint);
    }
}

fn source(
    name: &str,
    at: Position,
    fields: &Fields<'_>,
    base: &Base,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<PluginSource> {
    let path = fields.path("path", base, report);
    let bundled = fields.some_text("bundled", report);
    match (fields.has("path"), fields.has("bundled")) {
        (true, true) => {
            let hint = "a plugin comes from a file or from inside the gateway; keep one";
            report.problem_with_hint(fields.at_key("bundled"), "both `path` and `bundled`", hint);
        }
        (false, false) => {
            if let Some((_, file)) = context.given_plugins.iter().find(|(given, _)| given == name) {
                return Some(PluginSource::File(file.clone()));
            }
            let what = format!("nothing says where the plugin `{name}` is");
            let hint = format!(
                "for example `path: ./{name}.wasm` here, or `--plugin ./{name}.wasm` on the command line"
            );
            report.problem_with_hint(at, what, hint);
        }
        _ => {}
    }
    if let Some(bundled) = &bundled
        && !context.bundled_plugins.contains(&bundled.as_str())
    {
        let what = format!("the gateway carries no plugin `{bundled}` inside itself");
        let hint = suggestion(bundled, context.bundled_plugins.iter().copied());
        report.problem_maybe_hint(fields.at_key("bundled"), what, hint);
    }
    path.map(PluginSource::File).or(bundled.map(PluginSource::Bundled))
}

/// A map that is handed on as it is, from the key `settings`.
pub(crate) fn settings(
    fields: &Fields<'_>,
    report: &mut Report,
) -> serde_json::Map<String, serde_json::Value> {
    let Some(node) = fields.node("settings") else { return serde_json::Map::new() };
    if node.entries().is_none() {
        report.problem(node.at(), format!("`settings` must be a map, not {}", node.noun()));
        return serde_json::Map::new();
    }
    match Value::decode(node, Schema::Core, report).to_json() {
        serde_json::Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}
