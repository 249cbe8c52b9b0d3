//! Tools that are containers: `container-runtime` of the plugin.

use crate::ledger::Subject;
use crate::plugin::Plugin;
use crate::reaper::Unfinished;
use crate::run::{self, Lane};
use crate::server::ServerScope;
use crate::state::Scope;
use crate::v0_1::exports::{PlanRun, Run, ValidateRun};
use crate::v0_1::{answers, context, tool, types};
use host_provisioner::{Blueprint, Call, Class, Failure, FieldReport, Phase, ToolOutput, ToolRun};
use std::sync::Arc;
use std::time::Duration;

/// What a call may take beside the container's own time: the pull, the making and the removing.
const AROUND: Duration = Duration::from_secs(60);

impl Plugin {
    /// Scope, context and record of one call for a tool.
    async fn of_tool(
        &self,
        phase: Phase,
        call: &Call,
        tool: &ToolRun,
    ) -> Result<(Scope, types::Context, types::ToolContainer, Arc<ServerScope>), Failure> {
        let server = self.server(phase, Arc::clone(&tool.server)).await?;
        let mut scope = self.scope(phase, call);
        scope.server = Some(Arc::clone(&server));
        let context = self.context(call, &context::request(call), Some(&tool.server));
        let wire = tool::record(&server, tool);
        Ok((scope, context, wire, server))
    }

    pub(super) async fn tool_run(&self, call: &Call, tool: &ToolRun) -> Result<ToolOutput, Failure> {
        let phase = Phase::Run;
        let (mut scope, mut context, wire, _server) = self.of_tool(phase, call, tool).await?;
        let loaded = self.current.load_full();
        let record = self.begin(&loaded, Subject::Tool, &tool.server, &context.request);
        // Whatever ends this future, what the call made is taken down.
        let unfinished = Unfinished::new(self.this.upgrade(), Arc::clone(&record));
        scope.record = Some(Arc::clone(&record));
        scope.description = Some(Arc::clone(&loaded.description));
        // The container's time is the operator's to choose, not the plugin's limit.
        let mut limits = self.identity().limits.clone();
        limits.call = limits.call.max(tool.timeout.saturating_add(AROUND));
        let most = u32::try_from(limits.call.min(call.remaining()).as_millis()).unwrap_or(u32::MAX);
        context.deadline_ms = most;
        let engines = self.host().engines().await.map_err(|text| Failure::new(phase, Class::Other, text))?;
        let run = Run { context: &context, container: &wire };
        let mut done = run::run(&engines, &loaded, &limits, Lane::Work(&self.work), scope, run).await?;
        let ran = self.answer(phase, done.answer)?;
        self.no_required(phase, &ran.extras)?;
        let output =
            match (ran.output, done.state.handed_output.take()) {
                (Some(handle), None) => done.state.table.delete(handle).map_err(|_| {
                    self.broken(phase, "it returned an output that was not made in this call")
                })?,
                (None, Some(output)) => output,
                (Some(_), Some(_)) => {
                    return Err(self.broken(phase, "it returned one output and handed over another"));
                }
                (None, None) => return Err(self.broken(phase, "it reported success without an output")),
            };
        if record.objects().is_empty() {
            self.host().ledger.released(&record);
            unfinished.finished();
        }
        Ok(ToolOutput { fields: answers::fields(ran.fields), ..output.ran })
    }

    pub(super) async fn tool_validation(
        &self,
        call: &Call,
        tool: &ToolRun,
    ) -> Result<Vec<FieldReport>, Failure> {
        let phase = Phase::Validate;
        let (scope, context, wire, _server) = self.of_tool(phase, call, tool).await?;
        let done = self.run(scope, ValidateRun { context: &context, container: &wire }).await?;
        let validation = self.answer(phase, done.answer)?;
        self.no_required(phase, &validation.extras)?;
        answers::validation(self.name(), validation)
    }

    pub(super) async fn tool_plan(&self, call: &Call, tool: &ToolRun) -> Result<Blueprint, Failure> {
        let phase = Phase::Plan;
        let (scope, context, wire, _server) = self.of_tool(phase, call, tool).await?;
        let done = self.run(scope, PlanRun { context: &context, container: &wire }).await?;
        let blueprint = self.answer(phase, done.answer)?;
        self.no_required(phase, &blueprint.extras)?;
        Ok(answers::blueprint(blueprint))
    }
}
