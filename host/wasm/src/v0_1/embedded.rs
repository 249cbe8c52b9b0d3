//! `embedded`: servers that are components, in this process. What may be asked for is checked in `check`; here it is done.

mod check;
mod own;

pub(crate) use own::Workloads;

use crate::state::{CallState, Scope};
use crate::v0_1::bounds::Bounded;
use crate::v0_1::connection::{Held, RunOutput};
use crate::v0_1::imported::embedded::{Host, Spec, Started, WorkloadInfo, WorkloadStatus};
use crate::v0_1::types::{Failure, FailureCategory, ObjectRef};
use host_provisioner as provisioner;
use host_provisioner::{Ending, Phase, Streams};
use host_workload_embedded::{Error, ErrorKind, Status};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;

/// Kind of the objects in the ledger.
pub(crate) const KIND: &str = "component";

impl Host for CallState {
    async fn start(&mut self, spec: Spec) -> wasmtime::Result<Result<Started, Failure>> {
        self.enter("embedded.start")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        spec.bounded()?;
        let (server, record, id) = match self.begin(spec).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(failure)),
        };
        let engine = Arc::clone(&self.scope.host.config.embedded);
        let started = match engine.start(server).await {
            Ok(started) => started,
            Err(error) => {
                self.scope.unbegin(&record, &id);
                return Ok(Err(self.scope.translated(&error)));
            }
        };
        let name = self.scope.server.as_ref().map_or("", |server| server.spec.id.as_str());
        let streams = Streams {
            label: format!("stdio of component {name}"),
            stdin: Box::new(started.stdin),
            stdout: Box::new(started.stdout),
            stderr: Some(Box::new(started.stderr)),
        };
        let connection = self.push(Held(provisioner::Connection::Streams(streams)))?;
        Ok(Ok(Started { workload: id, connection }))
    }

    async fn run(
        &mut self,
        spec: Spec,
        input: Option<Vec<u8>>,
        output_limit: u32,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<Resource<RunOutput>, Failure>> {
        self.enter("embedded.run")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        spec.bounded()?;
        // With input of its own, a plugin could call a server's tools with the user's folders and secrets, and no client would have asked.
        if self.scope.phase != Phase::Run {
            let text = "`embedded.run` is for tools, inside `container-runtime.run`";
            return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
        }
        let (server, record, id) = match self.begin(spec).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(failure)),
        };
        let engine = Arc::clone(&self.scope.host.config.embedded);
        let time = Duration::from_millis(u64::from(timeout_ms)).min(self.remaining());
        let limit = (output_limit as usize).min(16 << 20);
        let closed = self.scope.host.workloads.is_closed(&id);
        let ran = engine.run(server, input.unwrap_or_default().into(), limit, time).await;
        self.scope.unbegin(&record, &id);
        match ran {
            Err(error) => Ok(Err(self.scope.translated(&error))),
            Ok(ran) => {
                let ending = match ran.info.exit_code {
                    _ if ran.timed_out => Ending::TimedOut,
                    Some(_) => Ending::Exited,
                    None if ran.info.out_of_memory => Ending::OutOfMemory,
                    None => Ending::Lost,
                };
                let captured = |stream: host_workload_embedded::Captured| provisioner::Captured {
                    bytes: stream.bytes,
                    left_out: Some(stream.truncated),
                };
                let exit_code = ran.info.exit_code;
                let (stdout, stderr) = (captured(ran.stdout), captured(ran.stderr));
                let ran = provisioner::ToolOutput { ending, exit_code, stdout, stderr, fields: Vec::new() };
                let output = RunOutput { label: format!("output of component {id}"), ran, closed };
                Ok(Ok(self.push(output)?))
            }
        }
    }

    fn info(&mut self, workload: String) -> wasmtime::Result<WorkloadInfo> {
        self.enter("embedded.info")?;
        if !self.scope.owns(&workload) {
            let text = "not known here".to_owned();
            return Ok(WorkloadInfo { status: WorkloadStatus::Unknown, exit_code: None, text });
        }
        let info = self.scope.host.config.embedded.info(&workload);
        let status = match info.status {
            Status::Running => WorkloadStatus::Running,
            Status::Ended => WorkloadStatus::Ended,
            Status::Unknown => WorkloadStatus::Unknown,
        };
        // A program that has secrets could tell them by its exit code, bit by bit.
        if status == WorkloadStatus::Ended && self.scope.host.workloads.is_closed(&workload) {
            return Ok(WorkloadInfo { status, exit_code: None, text: "it has ended".to_owned() });
        }
        Ok(WorkloadInfo { status, exit_code: info.exit_code, text: info.text })
    }

    async fn stop(&mut self, workload: String, grace_ms: u32) -> wasmtime::Result<Result<(), Failure>> {
        self.enter("embedded.stop")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        if !self.scope.may_remove() {
            let text = format!("nothing is stopped in `{}`", self.scope.phase.as_str());
            return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
        }
        if self.scope.owns(&workload) {
            let grace = Duration::from_millis(u64::from(grace_ms)).min(self.remaining());
            self.scope.host.config.embedded.stop(&workload, grace).await;
        }
        // Also when it is not there: then it has ended before, and need not be remembered. Another's is not in this call's lease.
        if self.scope.owns(&workload) {
            self.scope.host.workloads.remove(&workload);
        }
        if let Some(record) = self.scope.record.clone() {
            self.scope.noted_gone(&record, &workload);
        }
        Ok(Ok(()))
    }

    fn workloads(&mut self) -> wasmtime::Result<Vec<ObjectRef>> {
        self.enter("embedded.workloads")?;
        let own = self.scope.host.workloads.of(&self.scope.plugin.name, self.scope.acts_for().as_deref());
        let running = self.scope.host.config.embedded.workloads();
        let own = own.into_iter().filter(|id| running.contains(id));
        Ok(own.map(|name| ObjectRef { kind: KIND.to_owned(), scope: String::new(), name }).collect())
    }
}

impl Scope {
    /// Id of the server that this call acts for: in a call for a server or lease, only its own workloads exist.
    fn acts_for(&self) -> Option<String> {
        match (&self.server, &self.record) {
            (Some(server), _) => Some(server.spec.id.as_str().to_owned()),
            (None, Some(record)) if !record.begin.server_id.is_empty() => {
                Some(record.begin.server_id.clone())
            }
            _ => None,
        }
    }

    fn owns(&self, workload: &str) -> bool {
        self.host.workloads.owns(workload, &self.plugin.name, self.acts_for().as_deref())
    }

    /// Undoes what `begin` noted, for a workload that did not come up or has ended.
    fn unbegin(&self, record: &Arc<crate::ledger::Record>, id: &str) {
        self.host.workloads.remove(id);
        self.noted_gone(record, id);
    }

    /// Takes a workload out of the ledger that is not there (any more). At worst it is stopped once more.
    fn noted_gone(&self, record: &Arc<crate::ledger::Record>, id: &str) {
        let object = own::object(id);
        if let Err(error) = self.host.ledger.forget(record, &object, false) {
            tracing::warn!(%error, "the ledger could not be brought up to date");
        }
    }

    fn translated(&self, error: &Error) -> Failure {
        let category = match error.kind {
            ErrorKind::Component => FailureCategory::Image,
            ErrorKind::Specification => FailureCategory::Config,
            ErrorKind::Busy => FailureCategory::Quota,
            ErrorKind::Start | ErrorKind::Exists => FailureCategory::Permanent,
            ErrorKind::Engine => FailureCategory::Retryable,
        };
        Failure { hint: error.hint.clone(), ..self.refuse(category, error.text.clone()) }
    }

    /// Whether this call is one that starts servers.
    pub(crate) fn starts(&self) -> bool {
        matches!(self.phase, Phase::Provision | Phase::Reconnect | Phase::Run)
    }
}
