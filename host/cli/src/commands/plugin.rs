//! `gateway plugin list|inspect|check|export|reload`.

use crate::args::{PluginCommand, SourceArgs};
use crate::assemble::{App, Inputs};
use crate::bundled;
use crate::commands::{running, server};
use crate::control::Request;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, print, print_json, say, table};
use anyhow::{Context, Result};
use host_provisioner::{Description, Provisioner};
use host_wasm::LoadError;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

pub(super) async fn run(command: PluginCommand, environment: &Environment) -> Result<u8> {
    match command {
        PluginCommand::List { source, json } => list(&source, environment, json).await,
        PluginCommand::Inspect { plugin, source, json } => inspect(source, environment, &plugin, json).await,
        PluginCommand::Check { plugin, source, json } => check(source, environment, &plugin, json).await,
        PluginCommand::Export { folder, force } => export(&folder, force),
        PluginCommand::Reload { plugin, running, json } => {
            let answer = server::ask(&running, environment, &Request::Reload { plugin }).await?;
            let rows = answer["plugins"].as_array().cloned().unwrap_or_default();
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
            Ok(plugin) => value(name, &plugin.description()),
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

/// The plugin that a path or name means, loaded.
async fn load(
    mut source: SourceArgs,
    environment: &Environment,
    given: &str,
) -> Result<(App, Result<Arc<Description>, LoadError>, String)> {
    let is_path = given.contains('/') || given.ends_with(".wasm");
    if is_path || bundled::plugin(given).is_some() {
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
    Ok((app, loaded, name))
}

async fn inspect(source: SourceArgs, environment: &Environment, given: &str, as_json: bool) -> Result<u8> {
    let (app, loaded, name) = load(source, environment, given).await?;
    app.close().await;
    let description = loaded.map_err(crate::assemble::deferred::failure).context("load the plugin")?;
    let value = value(&name, &description);
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
            other => other.to_string(),
        };
        print(&format!("{key}: {text}"));
    }
    Ok(exit::DONE)
}

async fn check(source: SourceArgs, environment: &Environment, given: &str, as_json: bool) -> Result<u8> {
    let (app, loaded, name) = load(source, environment, given).await?;
    app.close().await;
    match loaded {
        Ok(description) => {
            if as_json {
                print_json(&json!({"ok": true, "plugin": value(&name, &description)}));
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

fn value(name: &str, description: &Description) -> Value {
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    json!({
        "name": name,
        "ownName": description.name,
        "version": description.version,
        "digest": description.digest,
        "summary": description.summary,
        "runs": description.runs.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "abilities": description.abilities,
        "readsState": description.reads_state,
        "settingsSchema": schema(&description.settings_schema),
        "serverSettingsSchema": schema(&description.server_settings_schema),
    })
}

/// Writes the bundled plugins as files, `k8s.wasm` for `kubernetes`.
fn export(folder: &Path, force: bool) -> Result<u8> {
    std::fs::create_dir_all(folder).with_context(|| format!("make folder {}", folder.display()))?;
    let mut written = Vec::new();
    for (name, bytes) in bundled::PLUGINS {
        let file = folder.join(format!("{}.wasm", if *name == "kubernetes" { "k8s" } else { name }));
        if file.exists() && !force && std::fs::read(&file).is_ok_and(|there| there != *bytes) {
            return Err(Usage(format!(
                "{} is there and is another file; `--force` writes over it",
                file.display()
            ))
            .into());
        }
        written.push((file, *bytes));
    }
    for (file, bytes) in written {
        // Beside it first, then over it: a gateway that watches the file never sees half of it.
        let fresh = file.with_extension("wasm.new");
        std::fs::write(&fresh, bytes).with_context(|| format!("write {}", fresh.display()))?;
        std::fs::rename(&fresh, &file).with_context(|| format!("write {}", file.display()))?;
        say(&format!("wrote {} ({} KiB)", file.display(), bytes.len().div_ceil(1024)));
    }
    Ok(exit::DONE)
}
