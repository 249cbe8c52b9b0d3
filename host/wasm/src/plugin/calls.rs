//! The trait's methods.

use crate::error;
use crate::ledger::{Record, Subject};
use crate::load::Loaded;
use crate::plugin::{Plugin, detached};
use crate::reaper::{self, Unfinished};
use crate::run::Done;
use crate::v0_1::bounds::Bounded;
use crate::v0_1::exports::{Enumerate, Plan, Prepare, Probe, Provision, Reconnect, Sweep, Validate};
use crate::v0_1::{answers, context, exported, server, types};
use async_trait::async_trait;
use host_provisioner::{
    Blueprint, Call, Class, Connection, Description, Failure, FieldReport, Health, Lease, ManagedObject,
    Phase, Provisioned, Provisioner, Reconnected, ReleaseReason, ServerSpec, SweepReport, ToolOutput,
    ToolRun,
};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;

/// Entries of a page that is asked for.
const PAGE: u32 = 500;
/// Pages of one listing. More is a plugin that never ends.
const PAGES: usize = 1_000;
/// How old something of a dead session must be before it is swept: a gateway that has just ended may still be at it.
const SWEEP_AGE: Duration = Duration::from_secs(60);

impl Plugin {
    /// The answer, with its lengths checked and a failure made ours.
    pub(super) fn answer<T: Bounded>(
        &self,
        phase: Phase,
        answer: Result<T, types::Failure>,
    ) -> Result<T, Failure> {
        let checked = match &answer {
            Ok(answer) => answer.bounded(),
            Err(failure) => failure.bounded(),
        };
        checked.map_err(|met| error::limit(self.name(), phase, &met))?;
        answer.map_err(|failure| answers::failure(self.name(), phase, failure))
    }

    pub(super) fn broken(&self, phase: Phase, what: &str) -> Failure {
        let text = format!("plugin `{}` broke the contract: {what}", self.name());
        error::named(Failure::new(phase, Class::Permanent, text), self.name())
    }

    /// The connection that a call answered with, out of its table.
    fn connection<T>(
        &self,
        phase: Phase,
        done: &mut Done<T>,
        returned: Option<Resource<crate::v0_1::connection::Held>>,
    ) -> Result<Connection, Failure> {
        match (returned, done.state.handed_over.take()) {
            (Some(handle), None) => match done.state.table.delete(handle) {
                Ok(held) => Ok(held.0),
                Err(_) => Err(self.broken(phase, "it returned a connection that was not made in this call")),
            },
            (None, Some(held)) => Ok(held.0),
            (Some(_), Some(_)) => {
                Err(self.broken(phase, "it returned one connection and handed over another"))
            }
            (None, None) => Err(self.broken(phase, "it reported success without a connection")),
        }
    }

    fn noted(&self, phase: Phase, outcome: std::io::Result<()>) -> Result<(), Failure> {
        outcome.map_err(|error| {
            let text = format!("the gateway's ledger cannot be written: {error}");
            let hint = format!("make room in, and access to, {}", self.host().config.state_dir.display());
            error::named(Failure::new(phase, Class::Retryable, text).with_hint(hint), self.name())
        })
    }

    async fn bring_up(&self, call: &Call, spec: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        let phase = Phase::Provision;
        if let Some(failure) = self.refused().get(spec.id.as_str()) {
            return Err(failure.clone());
        }
        let server = self.server(phase, Arc::clone(spec)).await?;
        let loaded = self.current.load_full();
        // What an earlier attempt of this request has left is resumed, under the name that it has; else this is a new one.
        let resumed = self.halted.take(call);
        let number = resumed.as_ref().map_or(1, |attempt| attempt.number.saturating_add(1));
        let resume = resumed.as_ref().map(|attempt| self.resume(&loaded, &attempt.record));
        let record = resumed.map(|attempt| attempt.record);
        let record =
            record.unwrap_or_else(|| self.begin(&loaded, Subject::Server, spec, &context::request(call)));
        let request = record.begin.request.clone();
        let unfinished = Unfinished::new(self.this.upgrade(), Arc::clone(&record));
        let mut scope = self.scope(phase, call);
        scope.server = Some(Arc::clone(&server));
        scope.record = Some(Arc::clone(&record));
        let (mut context, wire) = (self.context(call, &request, Some(spec)), server::record(&server, false));
        context.attempt = number;
        context.resume = resume;
        let mut done = self.run_of(&loaded, scope, Provision { context: &context, server: &wire }).await?;
        let answer = std::mem::replace(&mut done.answer, Err(no_answer()));
        let exported::Provisioned { connection, state, fields, objects, extras } =
            match self.answer(phase, answer) {
                Ok(answer) => answer,
                Err(mut failure) => {
                    self.host().containers.explain(&self.identity().name, &mut failure).await;
                    if Self::may_resume(call, &record, &failure) {
                        unfinished.finished();
                        self.halt(call, record, number);
                    }
                    return Err(failure);
                }
            };
        self.no_required(phase, &extras)?;
        let connection = self.connection(phase, &mut done, connection)?;
        // From here on a crash of the gateway leaves what `release` needs.
        self.keep(phase, &loaded, &record, state)?;
        self.noted(phase, self.host().ledger.note_begin(&record))?;
        self.running().insert(record.begin.lease.clone(), Arc::clone(spec));
        unfinished.finished();
        Ok(Provisioned {
            connection,
            lease: record.lease(),
            fields: answers::fields(fields),
            objects: answers::objects(objects),
        })
    }

    /// Keeps the state that a call returned. Without one, what was checkpointed stays.
    fn keep(
        &self,
        phase: Phase,
        loaded: &Loaded,
        record: &Arc<Record>,
        state: Option<types::State>,
    ) -> Result<(), Failure> {
        let Some(state) = state else { return Ok(()) };
        if !loaded.description.reads_state.contains(&state.version) {
            let what = format!("it returned state of version {}, which it does not read", state.version);
            return Err(self.broken(phase, &what));
        }
        self.noted(phase, self.host().ledger.state(record, answers::state(state)))
    }

    /// What is known of the attempts before.
    fn resume(&self, loaded: &Loaded, record: &Record) -> types::Resume {
        let state = context::read(record.last_state(), &loaded.description.reads_state);
        let objects = record.objects();
        types::Resume {
            state: state.map(context::state),
            objects: objects.iter().map(context::object).collect(),
        }
    }

    pub(super) fn no_required(&self, phase: Phase, extras: &[types::Extra]) -> Result<(), Failure> {
        match extras.iter().find(|extra| extra.required) {
            None => Ok(()),
            Some(extra) => {
                let name = crate::sanitize::line(&extra.name, 60);
                Err(self.broken(
                    phase,
                    &format!("its answer requires `{name}`, which this gateway does not know"),
                ))
            }
        }
    }

    /// What the ledger knows of a lease that a caller holds.
    fn record_of(&self, lease: &Lease) -> Option<Arc<Record>> {
        self.host().ledger.find(&lease.id)
    }
}

/// Stands in the place of an answer that was taken out.
fn no_answer() -> types::Failure {
    types::Failure {
        phase: types::Phase::Other,
        category: types::FailureCategory::Other,
        step: None,
        text: String::new(),
        hint: None,
        details: Vec::new(),
        objects: Vec::new(),
        retry_after_ms: None,
        extras: Vec::new(),
    }
}

#[async_trait]
impl Provisioner for Plugin {
    fn name(&self) -> &str {
        Plugin::name(self)
    }

    fn description(&self) -> Arc<Description> {
        Arc::clone(&self.current.load().description)
    }

    async fn prepare(&self, call: &Call, servers: &[Arc<ServerSpec>]) -> Result<(), Failure> {
        let phase = Phase::Prepare;
        let (mut wire, mut prepared) = (Vec::with_capacity(servers.len()), Vec::new());
        let mut refused = std::collections::HashMap::new();
        for spec in servers {
            match self.server(phase, Arc::clone(spec)).await {
                Ok(scope) => {
                    wire.push(server::record(&scope, true));
                    prepared.push(Arc::clone(spec));
                }
                // Its component is missing: it fails, the others go on.
                Err(failure) => {
                    refused.insert(spec.id.as_str().to_owned(), failure);
                }
            }
        }
        let record = self.shared_record();
        let mut scope = self.scope(phase, call);
        scope.record = Some(Arc::clone(&record));
        scope.prepared = Some(prepared.into());
        let request = context::request(call);
        let context = self.context(call, &request, None);
        let tools = Vec::new();
        let loaded = self.current.load_full();
        let prepare = Prepare { context: &context, servers: &wire, tools: &tools };
        let done = self.run_of(&loaded, scope, prepare).await?;
        let prepared = self.answer(phase, done.answer)?;
        self.no_required(phase, &prepared.extras)?;
        if let Some(shared) = prepared.shared {
            let state = answers::state(shared.clone());
            self.keep(phase, &loaded, &record, Some(shared))?;
            self.shared.store(Some(Arc::new(state)));
        } else {
            self.shared.store(None);
        }
        for one in prepared.refused {
            if !wire.iter().any(|server| server.id == one.id) {
                let id = crate::sanitize::line(&one.id, 64);
                return Err(self.broken(phase, &format!("it refused `{id}`, which it was not given")));
            }
            let failure = answers::failure(Plugin::name(self), phase, one.failure);
            tracing::warn!(plugin = Plugin::name(self), server = one.id, "{}", failure.one_line());
            refused.insert(one.id, failure);
        }
        *self.refused() = refused;
        Ok(())
    }

    async fn validate(&self, call: &Call, spec: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        let phase = Phase::Validate;
        let server = self.server(phase, Arc::new(spec.clone())).await?;
        let mut scope = self.scope(phase, call);
        scope.server = Some(Arc::clone(&server));
        let context = self.context(call, &context::request(call), Some(spec));
        let wire = server::record(&server, false);
        let done = self.run(scope, Validate { context: &context, server: &wire }).await?;
        let validation = self.answer(phase, done.answer)?;
        self.no_required(phase, &validation.extras)?;
        answers::validation(Plugin::name(self), validation)
    }

    async fn plan(&self, call: &Call, spec: &ServerSpec) -> Result<Blueprint, Failure> {
        let phase = Phase::Plan;
        let server = self.server(phase, Arc::new(spec.clone())).await?;
        let mut scope = self.scope(phase, call);
        scope.server = Some(Arc::clone(&server));
        let context = self.context(call, &context::request(call), Some(spec));
        let wire = server::record(&server, false);
        let done = self.run(scope, Plan { context: &context, server: &wire }).await?;
        let blueprint = self.answer(phase, done.answer)?;
        self.no_required(phase, &blueprint.extras)?;
        Ok(answers::blueprint(blueprint))
    }

    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        self.bring_up(call, server).await
    }

    async fn probe(&self, call: &Call, lease: &Lease) -> Result<Health, Failure> {
        let phase = Phase::Probe;
        let mut scope = self.scope(phase, call);
        scope.record = self.record_of(lease);
        let context = self.context(call, &context::request(call), None);
        let loaded = self.current.load_full();
        let wire = context::lease(lease, Subject::Server, &loaded.description.reads_state);
        let done = self.run_of(&loaded, scope, Probe { context: &context, lease: &wire }).await?;
        let health = self.answer(phase, done.answer)?;
        Ok(answers::health(Plugin::name(self), health))
    }

    async fn reconnect(&self, call: &Call, lease: &Lease) -> Result<Option<Reconnected>, Failure> {
        let phase = Phase::Reconnect;
        // Only what runs has an entry; a lease of an earlier run is released, not reconnected.
        let Some(spec) = self.running().get(&lease.id).cloned() else { return Ok(None) };
        let Some(record) = self.record_of(lease) else { return Ok(None) };
        let server = self.server(phase, Arc::clone(&spec)).await?;
        let mut scope = self.scope(phase, call);
        scope.server = Some(Arc::clone(&server));
        scope.record = Some(Arc::clone(&record));
        let context = self.context(call, &record.begin.request, Some(&spec));
        let wire = server::record(&server, false);
        let loaded = self.current.load_full();
        let held = context::lease(&record.lease(), record.begin.subject, &loaded.description.reads_state);
        let reconnect = Reconnect { context: &context, server: &wire, lease: &held };
        let mut done = self.run_of(&loaded, scope, reconnect).await?;
        let answer = std::mem::replace(&mut done.answer, Err(no_answer()));
        match self.answer(phase, answer)? {
            None => Ok(None),
            Some(reconnected) => {
                self.no_required(phase, &reconnected.extras)?;
                let connection = self.connection(phase, &mut done, reconnected.connection)?;
                self.keep(phase, &loaded, &record, reconnected.state)?;
                let same_process = reconnected.same_process;
                Ok(Some(Reconnected { connection, same_process, lease: record.lease() }))
            }
        }
    }

    async fn release(&self, call: &Call, lease: &Lease, reason: ReleaseReason) -> Result<(), Failure> {
        let Some(plugin) = self.this.upgrade() else { return Ok(()) };
        // Not in the ledger: it was released, by whoever came first.
        let Some(record) = self.record_of(lease) else { return Ok(()) };
        let call = detached(call);
        // A task of its own: the caller may go, the clean-up must not.
        let task = self.host().reaper.spawn(async move {
            let Some(host) = plugin.host().this() else { return Ok(()) };
            let done = reaper::once(&host, Some(&plugin), &record, reason, call.remaining()).await;
            if done.is_err() {
                host.reaper.take(Arc::clone(&plugin), record, reason);
            }
            done
        });
        task.await.unwrap_or_else(|_| {
            let text = "the gateway ended before the server was released";
            Err(error::named(Failure::new(Phase::Release, Class::Other, text), Plugin::name(self)))
        })
    }

    async fn enumerate(&self, call: &Call) -> Result<Vec<ManagedObject>, Failure> {
        let phase = Phase::Enumerate;
        let context = self.context(call, &context::request(call), None);
        let gateway = self.host().config.gateway.as_str();
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = types::Page { cursor, limit: PAGE };
            let done =
                self.run(self.scope(phase, call), Enumerate { context: &context, page: &page }).await?;
            let page = self.answer(phase, done.answer)?;
            for object in page.objects {
                all.push(answers::managed(object, gateway, |session| self.host().ledger.liveness(session)));
            }
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
        Err(self.broken(phase, "its listing has no end"))
    }

    async fn sweep(&self, call: &Call) -> Result<SweepReport, Failure> {
        let phase = Phase::Sweep;
        let context = self.context(call, &context::request(call), None);
        let age = u32::try_from(SWEEP_AGE.as_secs()).unwrap_or(u32::MAX);
        let (mut report, mut cursor) = (SweepReport::default(), None);
        for _ in 0..PAGES {
            let page = types::Page { cursor, limit: PAGE };
            let sweep = Sweep { context: &context, older_than_seconds: &age, page: &page };
            let done = self.run(self.scope(phase, call), sweep).await?;
            let page = self.answer(phase, done.answer)?;
            report.removed.extend(answers::objects(page.removed));
            let name = Plugin::name(self);
            report
                .failed
                .extend(page.failed.into_iter().map(|failure| answers::failure(name, phase, failure)));
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(report),
            }
        }
        Err(self.broken(phase, "its listing has no end"))
    }

    async fn run_tool(&self, call: &Call, tool: &ToolRun) -> Result<ToolOutput, Failure> {
        self.tool_run(call, tool).await
    }

    async fn validate_tool(&self, call: &Call, tool: &ToolRun) -> Result<Vec<FieldReport>, Failure> {
        self.tool_validation(call, tool).await
    }

    async fn plan_tool(&self, call: &Call, tool: &ToolRun) -> Result<Blueprint, Failure> {
        self.tool_plan(call, tool).await
    }

    async fn shutdown(&self, call: &Call) -> Result<(), Failure> {
        self.end(&self.shared_record(), call.remaining()).await
    }
}
