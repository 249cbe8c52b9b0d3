//! `gateway tools list|call`: the same assembly as `run`, spoken to in process by an MCP client.

use crate::args::{SourceArgs, ToolsCommand};
use crate::assemble::{App, Inputs};
use crate::commands::serve;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, print, print_json, say, table};
use crate::signals::Signals;
use anyhow::{Context, Result};
use host_gateway::Stop;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn run(command: ToolsCommand, environment: &Environment) -> Result<u8> {
    match command {
        ToolsCommand::List { source, json } => {
            with_client(&source, environment, async |client| list(client, json).await).await
        }
        ToolsCommand::Call { tool, arguments, source, json } => {
            let arguments = parse(&arguments)?;
            with_client(&source, environment, async |client| call(client, &tool, arguments, json).await).await
        }
    }
}

/// Longer than any server may take to start.
const ALL_SETTLED: Duration = Duration::from_secs(24 * 60 * 60);

type Client = RunningService<RoleClient, ()>;

async fn with_client(
    source: &SourceArgs,
    environment: &Environment,
    work: impl AsyncFnOnce(&Client) -> Result<u8>,
) -> Result<u8> {
    let inputs = Inputs::load(source, environment)?;
    if inputs.servers.is_empty() {
        return Err(Usage(inputs.no_servers()).into());
    }
    let app = App::assemble(inputs, environment).await?;
    let pool = app.pool();
    // Nobody refreshes here, so every server has its whole time to come up or to say why not.
    let front = serve::front(&app, &pool, None, Some(ALL_SETTLED));
    let signals = Signals::listen(|| {})?;
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (input, output) = tokio::io::split(theirs);
    let stop = Stop { drain: signals.drain.clone(), cut: signals.cut.clone() };
    let serving = tokio::spawn({
        let front = Arc::clone(&front);
        async move { front.serve_stdio(input, output, stop).await }
    });
    let done = tokio::select! {
        done = async {
            front.ready().await;
            let client = ().serve(ours).await.context("speak to the gateway")?;
            let done = work(&client).await;
            let _ = client.cancel().await;
            done
        } => done,
        () = signals.drain.cancelled() => Ok(exit::INTERRUPTED),
    };
    for status in pool.statuses() {
        if let Some(failure) = &status.last_failure {
            say(&format!("warning: server `{}`: {}", status.name, failure.one_line()));
        }
    }
    let left = serve::end(&app, &front, &pool, &signals).await;
    serving.abort();
    done.map(|code| if left && code == exit::DONE { exit::FAILED } else { code })
}

async fn list(client: &Client, json: bool) -> Result<u8> {
    let tools = client.list_all_tools().await.context("list tools")?;
    if json {
        print_json(&serde_json::to_value(&tools)?);
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = tools
        .iter()
        .map(|tool| {
            let about = tool.description.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
            vec![tool.name.to_string(), about.chars().take(100).collect()]
        })
        .collect();
    print(&table(&["TOOL", "WHAT IT DOES"], &rows));
    Ok(exit::DONE)
}

async fn call(client: &Client, tool: &str, arguments: Map<String, Value>, json: bool) -> Result<u8> {
    let mut request = CallToolRequestParams::new(tool.to_owned());
    request.arguments = Some(arguments);
    let result = client.call_tool(request).await.with_context(|| format!("call `{tool}`"))?;
    let value = serde_json::to_value(&result)?;
    if json {
        print_json(&value);
    } else {
        for block in value["content"].as_array().into_iter().flatten() {
            match block["text"].as_str() {
                Some(text) => print(text),
                None => print(&block.to_string()),
            }
        }
    }
    Ok(if result.is_error == Some(true) { exit::SAID_NO } else { exit::DONE })
}

/// `name=value` pairs, or one JSON object.
fn parse(words: &[String]) -> Result<Map<String, Value>> {
    if let [word] = words
        && word.trim_start().starts_with('{')
    {
        return serde_json::from_str(word)
            .map_err(|error| Usage(format!("the argument is no JSON object: {error}")).into());
    }
    words
        .iter()
        .map(|word| {
            let (name, value) = word.split_once('=').ok_or_else(|| {
                Usage(format!(
                    "the argument `{word}` is not `name=value`; a JSON object is given as one word"
                ))
            })?;
            Ok((
                name.to_owned(),
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_json_where_they_parse() {
        let words = ["zone=Europe/Berlin", "n=3", "on=true", "s=\"3\"", "o={\"a\":1}"].map(str::to_owned);
        let map = parse(&words).unwrap();
        assert_eq!(
            Value::Object(map).to_string(),
            r#"{"n":3,"o":{"a":1},"on":true,"s":"3","zone":"Europe/Berlin"}"#
        );
        let error = parse(&["zone".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("the argument `zone` is not `name=value`"), "{error}");
    }
}
