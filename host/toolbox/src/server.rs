//! The MCP server of one entry: it lists the tools of the entry and runs a container for each call.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON values: what is not there is null, and what is written to is an object"
)]

use crate::{answer, evaluate};
use host_provisioner::{
    Call, Progress, ProgressSink, Provisioner, RequestId, ServerSpec, ToolSpec, Workload,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The newest revision with a handshake; the gateway translates for clients of others.
const REVISION: &str = "2025-11-25";
/// What a call may take beside the tool's own time: its image may have to be pulled first.
const AROUND: Duration = Duration::from_secs(600);

/// Lines on their way to the gateway.
type Out = mpsc::UnboundedSender<String>;

struct Tools {
    runner: Arc<dyn Provisioner>,
    server: Arc<ServerSpec>,
    /// Calls that are under way, by their ids as text.
    calls: Mutex<HashMap<String, CancellationToken>>,
}

/// Serves until the gateway closes the stream. Dropped, it drops every run.
pub(crate) async fn serve(runner: Arc<dyn Provisioner>, server: Arc<ServerSpec>, stream: DuplexStream) {
    let (read, mut write) = tokio::io::split(stream);
    let (out, mut lines) = mpsc::unbounded_channel::<String>();
    let tools = Arc::new(Tools { runner, server, calls: Mutex::default() });
    let write = async {
        while let Some(mut line) = lines.recv().await {
            line.push('\n');
            if write.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let read = async {
        let mut running = JoinSet::new();
        let mut messages = BufReader::new(read).lines();
        while let Ok(Some(line)) = messages.next_line().await {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if message["method"] == "tools/call" {
                running.spawn(Arc::clone(&tools).call(message, out.clone()));
            } else if let Some(said) = tools.answer(&message) {
                let _ = out.send(said.to_string());
            }
            while running.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}

impl Tools {
    fn tools(&self) -> &[ToolSpec] {
        match &self.server.workload {
            Workload::Tools { tools } => tools,
            _ => &[],
        }
    }

    /// The answer to anything but a call; `None` for what has none.
    fn answer(&self, message: &Value) -> Option<Value> {
        let method = message["method"].as_str()?;
        if method == "notifications/cancelled" {
            let id = message["params"]["requestId"].to_string();
            let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(call) = calls.get(&id) {
                call.cancel();
            }
        }
        let id = message.get("id")?.clone();
        let result = match method {
            "initialize" => json!({
                "protocolVersion": REVISION,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": self.server.name, "version": env!("CARGO_PKG_VERSION")},
            }),
            "ping" => json!({}),
            "tools/list" => json!({"tools": self.tools().iter().map(listed).collect::<Vec<_>>()}),
            _ => {
                let error = json!({"code": -32601, "message": format!("there is no method `{method}` here")});
                return Some(json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
        };
        Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }

    /// Runs one call to its end and answers it; one that nobody waits for is not answered.
    async fn call(self: Arc<Self>, message: Value, out: Out) {
        let Some(id) = message.get("id").cloned() else { return };
        let key = id.to_string();
        let cancelled = CancellationToken::new();
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), cancelled.clone());
        let result = tokio::select! {
            biased;
            // Dropping the run takes its container down.
            () = cancelled.cancelled() => None,
            result = self.result(&message["params"], &cancelled, &out) => Some(result),
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let said = match result {
            None => return,
            Some(Ok(result)) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Some(Err(text)) => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": text}})
            }
        };
        let _ = out.send(said.to_string());
    }

    async fn result(
        &self,
        params: &Value,
        cancelled: &CancellationToken,
        out: &Out,
    ) -> Result<Value, String> {
        let name = params["name"].as_str().unwrap_or_default();
        let tool = self.tools().iter().find(|tool| tool.name == name);
        let tool = tool.ok_or_else(|| format!("server `{}` has no tool `{name}`", self.server.name))?;
        let run = match evaluate::run(&self.server, tool, &params["arguments"]) {
            Ok(run) => run,
            Err(why) => return Ok(answer::refused(&why)),
        };
        let bits = getrandom::u64().map_err(|error| format!("no random bytes: {error}"))?;
        let mut call = Call::new(RequestId::from_bits(bits), run.timeout.saturating_add(AROUND));
        call.cancelled = cancelled.clone();
        if let Some(token) = params.pointer("/_meta/progressToken") {
            call.progress =
                Some(Arc::new(Told { token: token.clone(), out: out.clone(), steps: Mutex::new(0) }));
        }
        Ok(match self.runner.run_tool(&call, &run).await {
            Ok(output) => answer::of(&tool.name, &output),
            Err(failure) => answer::failed(&failure),
        })
    }
}

fn listed(tool: &ToolSpec) -> Value {
    let mut listed = json!({"name": tool.name, "inputSchema": tool.schema});
    if !tool.description.is_empty() {
        listed["description"] = json!(tool.description);
    }
    if let Some(annotations) = &tool.annotations {
        listed["annotations"] = annotations.clone();
    }
    listed
}

/// Tells whoever called what is being done: a pull takes its time.
struct Told {
    token: Value,
    out: Out,
    steps: Mutex<u64>,
}

impl ProgressSink for Told {
    fn report(&self, progress: Progress) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        *steps += 1;
        let params = json!({"progressToken": self.token, "progress": *steps, "message": progress.text});
        let said = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
        let _ = self.out.send(said.to_string());
    }
}
