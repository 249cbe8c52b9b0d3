//! `gateway tools list|call`: the same assembly as `run`, spoken to in process by an MCP client.

use crate::args::{SourceArgs, ToolsCommand};
use crate::assemble::{App, Inputs};
use crate::commands::serve;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, print, print_json, say, table};
use crate::signals::Signals;
use anyhow::{Context, Result};
use host_config::nearest;
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
            let (code, servers) =
                with_client(&source, environment, async |client| list(client, json).await).await?;
            if servers == Servers::None {
                say("error: no server came up, so there are no tools");
            }
            Ok(if code == exit::DONE { of_list(servers) } else { code })
        }
        ToolsCommand::Call { tool, arguments, source, json } => {
            let arguments = parse(&arguments)?;
            let called =
                with_client(&source, environment, async |client| call(client, &tool, arguments, json).await);
            // The servers that did not come up have no part in the answer of another one.
            Ok(called.await?.0)
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
) -> Result<(u8, Servers)> {
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
        async move { front.serve_stdio(input, output, std::future::pending(), stop).await }
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
    let failed = serve::failed(&pool);
    let names: Vec<String> = failed.iter().map(|(name, _)| name.clone()).collect();
    app.tools_asked.unfit(&names).iter().for_each(|line| say(line));
    for (name, why) in &failed {
        say(&format!("failed: server `{name}`: {why}"));
    }
    let left = serve::end(&app, &front, &pool, &signals).await;
    serving.abort();
    let servers = if failed.is_empty() {
        Servers::All
    } else if failed.len() < app.placed.len() {
        Servers::Some
    } else {
        Servers::None
    };
    done.map(|code| (if left && code == exit::DONE { exit::FAILED } else { code }, servers))
}

/// How many servers came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Servers {
    All,
    Some,
    None,
}

/// The exit code of a list: what is there was printed, and whoever relies on all of it must be able to tell.
fn of_list(servers: Servers) -> u8 {
    match servers {
        Servers::All => exit::DONE,
        Servers::Some => exit::PARTLY,
        Servers::None => exit::FAILED,
    }
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
    let result = match client.call_tool(request).await {
        Ok(result) => result,
        Err(error) => {
            let error = anyhow::Error::new(error).context(format!("call `{tool}`"));
            return Err(match suggestion(client, tool).await {
                Some(meant) => error.context(meant),
                None => error,
            });
        }
    };
    let value = serde_json::to_value(&result)?;
    if json {
        print_json(&value);
    } else {
        for block in value.get("content").and_then(Value::as_array).into_iter().flatten() {
            match block["text"].as_str() {
                Some(text) => print(text),
                None => print(&block.to_string()),
            }
        }
    }
    Ok(if result.is_error == Some(true) { exit::SAID_NO } else { exit::DONE })
}

/// What was probably meant, if there is no tool of that name.
async fn suggestion(client: &Client, tool: &str) -> Option<String> {
    let tools = client.list_all_tools().await.ok()?;
    if tools.iter().any(|known| known.name == tool) {
        return None;
    }
    let near = nearest(tool, tools.iter().map(|known| known.name.as_ref()));
    Some(match near {
        Some(near) => format!("there is no tool `{tool}`; did you mean `{near}`?"),
        None => format!(
            "there is no tool `{tool}`; `gateway tools list` shows the {} that there are",
            tools.len()
        ),
    })
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
