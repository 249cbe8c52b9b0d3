//! `call`: time, cancellation, waiting, and what the ledger is told.

use crate::ledger::Liveness;
use crate::limits::{Met, OBJECT_NAME, STATE};
use crate::state::{CallState, Scope};
use crate::v0_1::imported::call::{Host, Wake};
use crate::v0_1::types::{self, Failure, FailureCategory, ObjectRef};
use host_provisioner::{Phase, State};
use std::sync::Arc;
use std::time::Duration;

/// How long before its end a call is told by `sleep`.
const NOTICE: Duration = Duration::from_secs(1);

impl Host for CallState {
    fn remaining_ms(&mut self) -> wasmtime::Result<u32> {
        self.enter("call.remaining-ms")?;
        Ok(u32::try_from(self.remaining().as_millis()).unwrap_or(u32::MAX))
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        self.enter("call.cancelled")?;
        Ok(self.scope.call.cancelled.is_cancelled())
    }

    async fn sleep(&mut self, ms: u32) -> wasmtime::Result<Wake> {
        self.enter("call.sleep")?;
        let wanted = Duration::from_millis(u64::from(ms));
        let most = self.remaining().saturating_sub(NOTICE);
        let wait = wanted.min(most);
        tokio::select! {
            biased;
            () = self.scope.call.cancelled.cancelled() => Ok(Wake::Cancelled),
            () = tokio::time::sleep(wait) => Ok(if wanted > most { Wake::Deadline } else { Wake::Elapsed }),
        }
    }

    async fn checkpoint(&mut self, state: types::State) -> wasmtime::Result<Result<(), Failure>> {
        self.enter("call.checkpoint")?;
        let allowed = self.scope.may_create() || self.scope.phase == Phase::Release;
        let record = match &self.scope.record {
            Some(record) if allowed => Arc::clone(record),
            _ => return Ok(Err(self.scope.nothing_to_note("checkpoint"))),
        };
        self.allowance.checkpoint()?;
        if state.data.len() > STATE {
            return Err(Met::Fixed("bytes of state", STATE).into());
        }
        if !self.scope.reads(state.version) {
            let text = format!("it checkpointed state of version {}, which it does not read", state.version);
            return Err(crate::error::Broken(text).into());
        }
        let state = State { version: state.version, data: state.data };
        let noted = self.scope.host.ledger.state(&record, state);
        self.scope.durable(noted).await
    }

    async fn record_object(&mut self, object: ObjectRef) -> wasmtime::Result<Result<(), Failure>> {
        self.enter("call.record-object")?;
        let record = match &self.scope.record {
            Some(record) if self.scope.may_create() => Arc::clone(record),
            _ => return Ok(Err(self.scope.nothing_to_note("record-object"))),
        };
        self.allowance.object()?;
        if [&object.kind, &object.scope, &object.name].iter().any(|part| part.len() > OBJECT_NAME) {
            return Err(Met::Fixed("bytes in a part of an object's name", OBJECT_NAME).into());
        }
        let object = crate::v0_1::answers::object(object);
        let noted = self.scope.host.ledger.object(&record, object, true);
        self.scope.durable(noted).await
    }

    fn forget_object(&mut self, object: ObjectRef) -> wasmtime::Result<Result<(), Failure>> {
        self.enter("call.forget-object")?;
        let record = match &self.scope.record {
            Some(record) if self.scope.may_remove() => Arc::clone(record),
            _ => return Ok(Err(self.scope.nothing_to_note("forget-object"))),
        };
        let object = crate::v0_1::answers::object(object);
        let noted = self.scope.host.ledger.forget(&record, &object, true);
        Ok(noted.map_err(|error| self.scope.unwritten(&error)))
    }

    fn session_liveness(&mut self, session: String) -> wasmtime::Result<types::Liveness> {
        self.enter("call.session-liveness")?;
        Ok(match self.scope.host.ledger.liveness(&session) {
            Liveness::ThisSession => types::Liveness::ThisSession,
            Liveness::Alive => types::Liveness::Alive,
            Liveness::Dead => types::Liveness::Dead,
            Liveness::Unknown => types::Liveness::Unknown,
        })
    }
}

impl Scope {
    /// Flushes what was just noted: another machine keeps what it stands for, so it must survive the end of this one.
    pub(crate) async fn durable(&self, noted: std::io::Result<()>) -> wasmtime::Result<Result<(), Failure>> {
        let flushed = match (noted, self.host.ledger.to_flush()) {
            (Ok(()), Some(file)) => tokio::task::spawn_blocking(move || file.sync_data()).await?,
            (noted, _) => noted,
        };
        Ok(flushed.map_err(|error| self.unwritten(&error)))
    }

    /// Nothing may be created that cannot be noted.
    pub(crate) fn unwritten(&self, error: &std::io::Error) -> Failure {
        let text = format!("the gateway's ledger cannot be written: {error}");
        let folder = self.host.config.state_dir.display();
        self.refuse_with(FailureCategory::Retryable, text, format!("make room in, and access to, {folder}"))
    }

    fn nothing_to_note(&self, function: &str) -> Failure {
        let text = format!("`{function}` is not for `{}`", self.phase.as_str());
        self.refuse(FailureCategory::Permission, text)
    }
}
