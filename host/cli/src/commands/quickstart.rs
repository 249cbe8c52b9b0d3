//! `gateway quickstart`: the main job in one command, shown by a real MCP client over HTTP.

use crate::args::{QuickstartArgs, SourceArgs};
use crate::assemble::inputs::DEFAULT_SETTINGS;
use crate::assemble::{App, Inputs};
use crate::commands::serve;
use crate::environment::{self, Environment};
use crate::output::{print, say};
use anyhow::{Context, Result, bail};
use host_config::{Context as FileContext, Settings};
use host_gateway::Home;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) async fn run(args: QuickstartArgs, environment: &Environment) -> Result<u8> {
    let begun = Instant::now();
    std::fs::create_dir_all(&args.notes).with_context(|| format!("make folder {}", args.notes.display()))?;
    let notes = std::fs::canonicalize(&args.notes)
        .with_context(|| format!("find folder {}", args.notes.display()))?;
    // Its own settings and nothing else: what lies in this folder is for `gateway run`.
    let mut inputs = Inputs::with(settings(&notes)?, &SourceArgs::default(), environment)?;
    inputs.source = None;
    let app = App::assemble(inputs, environment).await?;
    say(&format!("1. assembled: servers `time` and `notes`, provisioner `embedded`  ({})", took(begun)));

    let token = serve::Token::from(environment.get(environment::AUTH_TOKEN))?;
    let secret = token.text().to_owned();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = serve::bind(address, Home::Streaming, Some(token)).await?;
    let once = args.once;
    serve::serve_with(app, listener, serve::Watching::default(), move |url| {
        Box::pin(async move {
            let url = url.context("the quickstart serves over HTTP")?;
            demonstrate(&url, &secret, &notes).await?;
            print(&format!("\nready {} after the start", took(begun)));
            if once {
                return Ok(());
            }
            explain(&url, &secret, &notes);
            std::future::pending().await
        })
    })
    .await
}

/// The same file that a person would write.
fn settings(notes: &Path) -> Result<Settings> {
    let text = format!(
        "front: {{listWait: 60s}}\nservers:\n  time: {{bundled: time}}\n  notes:\n    bundled: notes\n    folders: [{{path: {}, mount: /notes, access: readWrite}}]\n",
        json!(notes.to_string_lossy())
    );
    Ok(Settings::parse(
        &text,
        "quickstart",
        notes,
        &FileContext { bundled_plugins: &["embedded"], ..FileContext::default() },
    )?)
}

/// Does what an editor would do, and says what came back.
async fn demonstrate(url: &str, token: &str, notes: &Path) -> Result<()> {
    let step = Instant::now();
    let config = StreamableHttpClientTransportConfig::with_uri(url.to_owned()).auth_header(token.to_owned());
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = ().serve(transport).await.context("connect an MCP client to the gateway")?;
    say(&format!("2. connected an MCP client over HTTP  ({})", took(step)));

    let step = Instant::now();
    let tools = client.list_all_tools().await.context("list tools")?;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    say(&format!("3. both servers are up, {} tools: {}  ({})", names.len(), names.join(", "), took(step)));

    let title = format!("Hello from the gateway {}", std::process::id());
    for (number, tool, arguments) in [
        (4, "now", json!({"zone": "Europe/Berlin"})),
        (
            5,
            "create_note",
            json!({"title": title, "content": "Written by a WebAssembly component that sees this folder and nothing else."}),
        ),
    ] {
        let step = Instant::now();
        let answer = call(&client, tool, arguments).await?;
        say(&format!("{number}. called `{tool}`  ({})", took(step)));
        print(&answer.lines().map(|line| format!("     {line}")).collect::<Vec<_>>().join("\n"));
    }
    say(&format!("   the note is a file in {}", notes.display()));
    let _ = client.cancel().await;
    Ok(())
}

async fn call(
    client: &rmcp::service::RunningService<rmcp::RoleClient, ()>,
    tool: &str,
    arguments: Value,
) -> Result<String> {
    let mut request = CallToolRequestParams::new(tool.to_owned());
    request.arguments = arguments.as_object().cloned();
    let result = client.call_tool(request).await.with_context(|| format!("call `{tool}`"))?;
    let value = serde_json::to_value(&result)?;
    let text: Vec<&str> = value
        .get("content")
        .unwrap_or(&serde_json::Value::Null)
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|block| block["text"].as_str())
        .collect();
    if result.is_error == Some(true) {
        bail!("`{tool}` answered with an error: {}", text.join(" "));
    }
    Ok(text.join("\n"))
}

/// How to go on from here.
fn explain(url: &str, token: &str, notes: &Path) {
    let over_http = json!({"mcpServers": {"gateway": {"type": "http", "url": url, "headers": {"Authorization": format!("Bearer {token}")}}}});
    let program =
        std::env::current_exe().map_or_else(|_| "gateway".to_owned(), |path| path.display().to_string());
    // An editor starts programs wherever it likes, so every path is absolute.
    let settings = std::path::absolute(DEFAULT_SETTINGS).unwrap_or_else(|_| DEFAULT_SETTINGS.into());
    let settings = settings.display().to_string();
    let over_stdio =
        json!({"mcpServers": {"gateway": {"command": program, "args": ["run", "--settings", settings]}}});
    say(&format!(
        "\nConnect an editor to this gateway while it runs:\n\n    {over_http}\n\nor let the editor start one, with {settings} like this:\n\n    servers:\n      time: {{bundled: time}}\n      notes: {{bundled: notes, folders: [{{path: {}, mount: /notes, access: readWrite}}]}}\n\n    {over_stdio}\n\nServing until Ctrl-C.",
        notes.display()
    ));
}

fn took(since: Instant) -> String {
    let elapsed: Duration = since.elapsed();
    format!("{:.1} ms", elapsed.as_secs_f64() * 1000.0)
}
