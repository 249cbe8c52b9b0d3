//! `gateway plugin list|inspect|check|export|reload`.

use crate::args::{PluginCommand, SourceArgs};
use crate::assemble::asks;
use crate::assemble::deferred::Deferred;
use crate::assemble::inputs::is_path;
use crate::assemble::{App, Inputs};
use crate::bundled;
use crate::commands::plugin_test::{self, What};
use crate::commands::{running, server};
use crate::control::Request;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, digest, print, print_json, say, table};
use anyhow::{Context, Result};
use host_config::{format_duration, format_size};
use host_provisioner::{Description, Provisioner};
use host_wasm::{Limits, LoadError, LoadErrorKind};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

pub(super) async fn run(command: PluginCommand, environment: &Environment) -> Result<u8> {
    match command {
        PluginCommand::List { source, json } => list(&source.into(), environment, json).await,
        PluginCommand::Inspect { plugin, source, json } => {
            Box::pin(inspect(source.into(), environment, &plugin, json)).await
        }
        PluginCommand::Check { plugin, source, json } => {
            Box::pin(check(source.into(), environment, &plugin, json)).await
        }
        PluginCommand::Test { plugin, inject, record, replay, source, json } => {
            let what = match (record, replay) {
                (Some(file), _) => What::Record(file),
                (None, Some(file)) => What::Replay(file),
                (None, None) if inject => What::Inject,
                (None, None) => What::Contract,
            };
            Box::pin(plugin_test::run(*source, environment, &plugin, what, json)).await
        }
        PluginCommand::Export { folder, force } => export(&folder, force),
        PluginCommand::Reload { plugin, running, json } => {
            let answer = server::ask(&running, environment, &Request::Reload { plugin }).await?;
            let rows = answer.get("plugins").and_then(Value::as_array).cloned().unwrap_or_default();
            if json {
                print_json(&answer);
            } else {
                rows.iter().for_each(|row| print(&running::reload_line(row)));
            }
            let kept = rows.iter().any(|row| row["outcome"] == "kept");
            Ok(if kept { exit::SAID_NO } else { exit::DONE })
        }
    }
}

async fn list(source: &SourceArgs, environment: &Environment, as_json: bool) -> Result<u8> {
    let app = App::assemble(Inputs::load(source, environment)?, environment).await?;
    let mut values = Vec::new();
    for (name, deferred) in &app.provisioners {
        values.push(match deferred.plugin().await {
            Ok(plugin) => value(name, deferred, Some(&plugin.description())).await,
            Err(error) => json!({"name": name, "error": error.to_string()}),
        });
    }
    app.close().await;
    if as_json {
        print_json(&json!({"plugins": values}));
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = values
        .iter()
        .map(|v| {
            let text = |key: &str| v[key].as_str().unwrap_or_default().to_owned();
            let words = |key: &str| {
                v[key]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let summary = v["error"]
                .as_str()
                .map_or_else(|| text("summary"), |error| format!("cannot be used: {error}"));
            vec![text("name"), text("version"), words("runs"), words("abilities"), summary]
        })
        .collect();
    print(&table(&["PLUGIN", "VERSION", "RUNS", "USES", "SUMMARY"], &rows));
    Ok(exit::DONE)
}

/// A plugin that was named on the command line.
struct Named {
    app: App,
    name: String,
    deferred: Arc<Deferred>,
    loaded: Result<Arc<Description>, LoadError>,
}

/// The plugin that a path or name means, loaded.
async fn load(mut source: SourceArgs, environment: &Environment, given: &str) -> Result<Named> {
    if is_path(given) || bundled::plugin(given).is_some() {
        source.plugin.push(given.to_owned());
        // Placement is not wanted here, and a plugin that cannot be loaded is an answer, not an error.
        source.provisioner.get_or_insert_with(|| "embedded".to_owned());
    }
    let inputs = Inputs::load(&source, environment)?;
    let name = match inputs.chosen.last() {
        Some(name) => name.clone(),
        None => given.to_owned(),
    };
    let app = App::assemble(inputs, environment).await?;
    let deferred = app.provisioners.get(&name).cloned().ok_or_else(|| {
        let known = app.provisioners.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        Usage(format!("there is no plugin `{given}` (there are {known}); a file is given by its path"))
    })?;
    let loaded = deferred.plugin().await.map(|plugin| plugin.description());
    Ok(Named { app, name, deferred, loaded })
}

async fn inspect(source: SourceArgs, environment: &Environment, given: &str, as_json: bool) -> Result<u8> {
    let Named { app, name, deferred, loaded } = load(source, environment, given).await?;
    app.close().await;
    let value = match loaded {
        Ok(description) => value(&name, &deferred, Some(&description)).await,
        // It is not run before it is granted what it asks for; what it asks for can be read without that.
        Err(error) if error.kind == LoadErrorKind::Grant => value(&name, &deferred, None).await,
        Err(error) => return Err(crate::assemble::deferred::failure(error)).context("load the plugin"),
    };
    if as_json {
        print_json(&value);
        return Ok(exit::DONE);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items
                .iter()
                .map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(", "),
            Value::Object(parts) if key == "limits" => parts
                .iter()
                .map(|(name, part)| {
                    format!("{name} {}", part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                })
                .collect::<Vec<_>>()
                .join(", "),
            other => other.to_string(),
        };
        print(&format!("{key}: {text}"));
    }
    Ok(exit::DONE)
}

async fn check(source: SourceArgs, environment: &Environment, given: &str, as_json: bool) -> Result<u8> {
    let Named { app, name, deferred, loaded } = load(source, environment, given).await?;
    app.close().await;
    match loaded {
        Ok(description) => {
            if as_json {
                let plugin = value(&name, &deferred, Some(&description)).await;
                print_json(&json!({"ok": true, "plugin": plugin}));
            } else {
                print(&format!("ok: plugin `{name}` version {} can be used", description.version));
            }
            Ok(exit::DONE)
        }
        Err(error) => {
            if as_json {
                print_json(&json!({"ok": false, "error": error.text, "hint": error.hint}));
            } else {
                print(&format!("no: plugin `{}` {}", error.plugin, error.text));
                if let Some(hint) = &error.hint {
                    print(&format!("hint: {hint}"));
                }
            }
            Ok(exit::SAID_NO)
        }
    }
}

/// Everything about a plugin: what its component asks for, what it was given, and what it says about itself, if it could be asked.
async fn value(name: &str, deferred: &Deferred, description: Option<&Description>) -> Value {
    let mut value = json!({
        "name": name,
        "granted": asks::granted(deferred.grants()),
        "limits": limits(deferred.limits()),
    });
    let mut add = |more: Value| {
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
    };
    if let Ok(asks) = deferred.asks().await {
        let missing = asks::missing(&asks, deferred.grants());
        // Names of imports are text from a stranger's file.
        let imports: Vec<String> = asks.imports.iter().map(|name| name.escape_debug().to_string()).collect();
        add(json!({"digest": digest(&asks.digest), "imports": imports, "abilities": asks.abilities}));
        if !missing.is_empty() {
            let advice = deferred.named().advice(&missing, deferred.grants());
            add(json!({"missing": missing, "toGrant": advice}));
        }
    }
    let Some(description) = description else { return value };
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    add(json!({
        "ownName": description.name,
        "version": description.version,
        "digest": digest(&description.digest),
        "summary": description.summary,
        "runs": description.runs.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "abilities": description.abilities,
        "readsState": description.reads_state,
        "settingsSchema": schema(&description.settings_schema),
        "serverSettingsSchema": schema(&description.server_settings_schema),
    }));
    value
}

/// Limits, by their keys in the settings.
fn limits(limits: &Limits) -> Value {
    json!({
        "memory": format_size(limits.memory),
        "call": format_duration(limits.call),
        "cpu": format_duration(limits.cpu),
        "handles": limits.handles,
        "hostCalls": limits.host_calls,
        "concurrency": limits.concurrency,
        "data": format_size(limits.data),
    })
}

/// What the bridge is called.
const BRIDGE: &str = "gateway-bridge";

#[cfg(unix)]
fn make_executable(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Writes the bundled plugins as files, `k8s.wasm` for `kubernetes`, and the bridge, for whoever makes an image of it.
fn export(folder: &Path, force: bool) -> Result<u8> {
    std::fs::create_dir_all(folder).with_context(|| format!("make folder {}", folder.display()))?;
    let mut written = Vec::new();
    let plugins = bundled::PLUGINS.iter().map(|(name, bytes)| {
        (format!("{}.wasm", if *name == "kubernetes" { "k8s" } else { name }), *bytes, false)
    });
    let bridge = bundled::BRIDGE.map(|(_, bytes)| (BRIDGE.to_owned(), bytes, true));
    for (name, bytes, program) in plugins.chain(bridge) {
        let file = folder.join(name);
        if file.exists() && !force && std::fs::read(&file).is_ok_and(|there| there != bytes) {
            return Err(Usage(format!(
                "{} is there and is another file; `--force` writes over it",
                file.display()
            ))
            .into());
        }
        written.push((file, bytes, program));
    }
    for (file, bytes, program) in written {
        // Beside it first, then over it: a gateway that watches the file never sees half of it.
        let fresh = file.with_extension(if program { "new" } else { "wasm.new" });
        std::fs::write(&fresh, bytes).with_context(|| format!("write {}", fresh.display()))?;
        if program {
            make_executable(&fresh).with_context(|| format!("write {}", fresh.display()))?;
        }
        std::fs::rename(&fresh, &file).with_context(|| format!("write {}", file.display()))?;
        say(&format!("wrote {} ({} KiB)", file.display(), bytes.len().div_ceil(1024)));
    }
    Ok(exit::DONE)
}
