//! `gateway server list|inspect`: how the servers of a running gateway fare.

use crate::args::{RunningArgs, ServerCommand, SourceArgs};
use crate::assemble::inputs::DEFAULT_SETTINGS;
use crate::assemble::sweep::Whose;
use crate::assemble::{App, Inputs};
use crate::commands::plan;
use crate::control::{self, Request};
use crate::environment::Environment;
use crate::exit;
use crate::output::{print, print_json, say, table};
use anyhow::{Context, Result};
use host_config::Settings;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(super) async fn run(command: ServerCommand, environment: &Environment) -> Result<u8> {
    match command {
        ServerCommand::List { running, json } => {
            let answer = ask(&running, environment, &Request::Servers).await?;
            if json {
                print_json(&answer);
                return Ok(exit::DONE);
            }
            let rows: Vec<Vec<String>> =
                answer.get("servers").and_then(Value::as_array).into_iter().flatten().map(line).collect();
            print(&table(&["SERVER", "STATE", "PROVISIONER", "CLIENTS", "SINCE", "NOTE"], &rows));
        }
        ServerCommand::Inspect { server, running, json } => {
            let answer = ask(&running, environment, &Request::Server { name: server }).await?;
            if json {
                print_json(&answer);
            } else {
                print(&describe(&answer));
            }
        }
        ServerCommand::Sweep { source } => return sweep(&source, environment).await,
    }
    Ok(exit::DONE)
}

/// Does what a start does with what dead runs have left, and starts nothing.
async fn sweep(source: &SourceArgs, environment: &Environment) -> Result<u8> {
    let app = App::assemble(Inputs::load(source, environment)?, environment).await?;
    let (lines, clean) = app.sweep(Whose::All).await;
    lines.iter().for_each(|line| if line.starts_with("warning") { say(line) } else { print(line) });
    if lines.is_empty() {
        print("nothing was left");
    }
    app.close().await;
    Ok(if clean { exit::DONE } else { exit::FAILED })
}

/// Asks the running gateway that the options name.
pub(super) async fn ask(
    running: &RunningArgs,
    environment: &Environment,
    request: &Request,
) -> Result<Value> {
    let state = match &running.state {
        Some(folder) => folder.clone(),
        None => state_of(running, environment)?,
    };
    control::ask(&state, running.session.as_deref(), request).await
}

/// The state folder as `run` would find it: what the settings name, else the usual one.
fn state_of(running: &RunningArgs, environment: &Environment) -> Result<PathBuf> {
    let named = match &running.settings {
        Some(file) => Settings::state_of(file)?,
        None if Path::new(DEFAULT_SETTINGS).exists() => Settings::state_of(Path::new(DEFAULT_SETTINGS))?,
        None => None,
    };
    match named {
        Some(folder) => Ok(folder.path),
        None => environment
            .state_dir()
            .context("there is no place for state: set HOME or GATEWAY_STATE, or use `--state`"),
    }
}

fn line(server: &Value) -> Vec<String> {
    let text = |key: &str| server[key].as_str().unwrap_or_default().to_owned();
    let seconds = server["unchangedForSeconds"].as_u64().unwrap_or_default();
    vec![
        text("name"),
        text("state"),
        text("provisioner"),
        server["clients"].to_string(),
        since(seconds),
        note(server),
    ]
}

/// What happens, or why it did not come up and when. Of one that is up again, nobody asks any more.
fn note(server: &Value) -> String {
    let failure = &server["failure"];
    if server["state"] == "ready" {
        return String::new();
    }
    match (server["progress"].as_str(), failure["text"].as_str()) {
        (Some(progress), _) => progress.to_owned(),
        (None, Some(text)) => format!("{text}{}", ago(failure)),
        (None, None) => String::new(),
    }
}

/// How long ago a failure was, in brackets.
fn ago(failure: &Value) -> String {
    failure["secondsAgo"].as_u64().map_or_else(String::new, |seconds| format!(" ({} ago)", since(seconds)))
}

fn since(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

/// The status line by line, then the plan as `gateway run --dry-run` prints it.
fn describe(answer: &Value) -> String {
    let mut lines = Vec::new();
    for (key, value) in answer["status"].as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => lines.push(format!("{key}: {text}")),
            // The plan below has them, with what was planned.
            Value::Array(_) if key == "fields" => {}
            Value::Object(parts) => {
                let said =
                    parts.iter().filter(|(_, part)| part.as_str().is_some_and(|text| !text.is_empty()));
                let said = said.map(|(name, part)| format!("{name}={}", part.as_str().unwrap_or_default()));
                lines.push(format!("{key}{}: {}", ago(value), said.collect::<Vec<_>>().join(" · ")));
            }
            other => lines.push(format!("{key}: {other}")),
        }
    }
    lines.push(plan::text(&answer["plan"]));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_note_says_when_it_was_and_goes_when_the_server_is_up() {
        let failure = json!({"text": "no such image", "secondsAgo": 190});
        for (server, expected) in [
            (json!({"state": "failed", "failure": failure}), "no such image (3m ago)"),
            (json!({"state": "backing-off", "failure": failure, "progress": null}), "no such image (3m ago)"),
            (json!({"state": "starting", "failure": failure, "progress": "pulling"}), "pulling"),
            (json!({"state": "ready", "failure": failure}), ""),
            (json!({"state": "idle", "failure": null}), ""),
        ] {
            assert_eq!(note(&server), expected, "{server}");
        }
        let status = json!({"state": "ready", "failure": failure});
        let page = describe(&json!({"status": status, "plan": {}}));
        assert!(page.contains("failure (3m ago): text=no such image"), "{page}");
    }
}
