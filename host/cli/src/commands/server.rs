//! `gateway server list|inspect`: how the servers of a running gateway fare.

use crate::args::{RunningArgs, ServerCommand};
use crate::control::{self, Request};
use crate::environment::Environment;
use crate::exit;
use crate::output::{print, print_json, table};
use anyhow::{Context, Result};
use serde_json::Value;

pub(super) async fn run(command: ServerCommand, environment: &Environment) -> Result<u8> {
    match command {
        ServerCommand::List { running, json } => {
            let answer = ask(&running, environment, &Request::Servers).await?;
            if json {
                print_json(&answer);
                return Ok(exit::DONE);
            }
            let rows: Vec<Vec<String>> =
                answer["servers"].as_array().into_iter().flatten().map(line).collect();
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
    }
    Ok(exit::DONE)
}

/// Asks the running gateway that the options name.
pub(super) async fn ask(
    running: &RunningArgs,
    environment: &Environment,
    request: &Request,
) -> Result<Value> {
    let state = match &running.state {
        Some(folder) => folder.clone(),
        None => environment
            .state_dir()
            .context("there is no place for state: set HOME or GATEWAY_STATE, or use `--state`")?,
    };
    control::ask(&state, running.session.as_deref(), request).await
}

fn line(server: &Value) -> Vec<String> {
    let text = |key: &str| server[key].as_str().unwrap_or_default().to_owned();
    let note = server["failure"]["text"].as_str().or(server["progress"].as_str()).unwrap_or_default();
    let seconds = server["unchangedForSeconds"].as_u64().unwrap_or_default();
    vec![
        text("name"),
        text("state"),
        text("provisioner"),
        server["clients"].to_string(),
        since(seconds),
        note.to_owned(),
    ]
}

fn since(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

fn describe(answer: &Value) -> String {
    let mut lines = Vec::new();
    for part in ["status", "plan"] {
        lines.push(format!("{part}:"));
        for (key, value) in answer[part].as_object().into_iter().flatten() {
            match value {
                Value::Null => {}
                Value::String(text) => lines.push(format!("  {key}: {text}")),
                Value::Array(items) => {
                    for item in items {
                        lines.push(format!("  {key}: {}", one_line(item)));
                    }
                }
                other => lines.push(format!("  {key}: {}", one_line(other))),
            }
        }
    }
    lines.join("\n")
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null() && value.as_str() != Some(""))
            .map(|(key, value)| {
                format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect::<Vec<_>>()
            .join(" · "),
        other => other.to_string(),
    }
}
