//! Tools that are containers, behind one MCP server of ours: the gateway sees a server like any other, and each call of a tool runs a container
//! to its end.
//!
//! Relies on a [`Provisioner`] that runs tools, and on the resolver for templates. It must never know platforms, plugins, or secrets.

mod answer;
mod evaluate;
mod server;

use async_trait::async_trait;
use host_provisioner::{
    Blueprint, Call, Class, Connection, Description, Document, Failure, FieldReport, Health, Lease,
    ManagedObject, Phase, Provisioned, Provisioner, Reconnected, ReleaseReason, ServerSpec, Status, Streams,
    SweepReport, ToolSpec, Workload,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Bytes between the pool and the server; what is more waits.
const PIPE: usize = 64 << 10;

/// Brings up entries whose tools are containers ([`Workload::Tools`]).
pub struct Toolbox {
    inner: Arc<dyn Provisioner>,
    next: AtomicU64,
    /// Servers that run, by lease.
    running: Mutex<HashMap<String, CancellationToken>>,
}

impl Toolbox {
    /// `inner` runs the containers.
    #[must_use]
    pub fn new(inner: Arc<dyn Provisioner>) -> Arc<Self> {
        Arc::new(Self { inner, next: AtomicU64::new(0), running: Mutex::default() })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tools(phase: Phase, server: &ServerSpec) -> Result<&[ToolSpec], Failure> {
    match &server.workload {
        Workload::Tools { tools } => Ok(tools),
        _ => {
            let text = format!("server `{}` is no set of tools", server.name);
            Err(Failure::new(phase, Class::Config, text))
        }
    }
}

#[async_trait]
impl Provisioner for Toolbox {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn description(&self) -> Arc<Description> {
        self.inner.description()
    }

    async fn prepare(&self, _: &Call, _: &[Arc<ServerSpec>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn validate(&self, call: &Call, server: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        let mut fields: Vec<FieldReport> = Vec::new();
        for tool in tools(Phase::Validate, server)? {
            let run = evaluate::example(server, tool);
            for field in self.inner.validate_tool(call, &run).await? {
                if !fields.contains(&field) {
                    fields.push(field);
                }
            }
        }
        Ok(fields)
    }

    async fn plan(&self, call: &Call, server: &ServerSpec) -> Result<Blueprint, Failure> {
        let mut whole = Blueprint::default();
        for tool in tools(Phase::Plan, server)? {
            let one = self.inner.plan_tool(call, &evaluate::example(server, tool)).await?;
            let documents = one.documents.into_iter();
            whole.documents.extend(
                documents.map(|d| Document { title: format!("tool `{}`: {}", tool.name, d.title), ..d }),
            );
            if !tool.volumes.is_empty() {
                whole.documents.push(Document {
                    title: format!("tool `{}`: volumes, from the arguments of each call", tool.name),
                    media_type: "text/plain".to_owned(),
                    text: tool.volumes.join("\n"),
                });
            }
            for pin in one.pins {
                if !whole.pins.contains(&pin) {
                    whole.pins.push(pin);
                }
            }
            whole.fields.extend(one.fields);
        }
        Ok(whole)
    }

    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        tools(Phase::Provision, server)?;
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let ended = CancellationToken::new();
        let work = server::serve(Arc::clone(&self.inner), Arc::clone(server), theirs);
        let stopped = ended.clone();
        tokio::spawn(async move {
            // Dropping the server drops every run that is under way, and whoever runs it takes its container down.
            tokio::select! {
                () = stopped.cancelled() => {}
                () = work => {}
            }
        });
        let id = format!("tools-{}", self.next.fetch_add(1, Ordering::Relaxed));
        self.running().insert(id.clone(), ended);
        let (stdout, stdin) = tokio::io::split(ours);
        Ok(Provisioned {
            connection: Connection::Streams(Streams {
                label: format!("tools of {}", server.name),
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: None,
            }),
            lease: Lease {
                id,
                server_id: server.id.clone(),
                server_name: server.name.clone(),
                session: String::new(),
                request: call.request.as_str().to_owned(),
                state: None,
                objects: Vec::new(),
                plugin: self.name().to_owned(),
                plugin_version: String::new(),
                plugin_digest: String::new(),
            },
            fields: Vec::new(),
            objects: Vec::new(),
        })
    }

    async fn probe(&self, _: &Call, lease: &Lease) -> Result<Health, Failure> {
        let status = if self.running().contains_key(&lease.id) { Status::Running } else { Status::Ended };
        Ok(Health { status, text: String::new(), exit_code: None })
    }

    async fn reconnect(&self, _: &Call, _: &Lease) -> Result<Option<Reconnected>, Failure> {
        Ok(None)
    }

    async fn release(&self, _: &Call, lease: &Lease, _: ReleaseReason) -> Result<(), Failure> {
        if let Some(ended) = self.running().remove(&lease.id) {
            ended.cancel();
        }
        Ok(())
    }

    async fn enumerate(&self, _: &Call) -> Result<Vec<ManagedObject>, Failure> {
        Ok(Vec::new())
    }

    async fn sweep(&self, _: &Call) -> Result<SweepReport, Failure> {
        Ok(SweepReport::default())
    }

    async fn shutdown(&self, _: &Call) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
