//! What the pool may ask for: the trait between it and whoever brings servers up, with its values and errors.
//!
//! Relies on nothing of ours. It must never know that plugins exist, what a container is made of, or a secret value.

mod blot;
mod call;
mod connection;
mod error;
pub mod fake;
mod http;
mod provisioned;
pub mod sanitize;
mod spec;
mod tool;

pub use blot::{Blot, Blotter, Found, Words};
pub use call::{Call, Progress, ProgressSink, RequestId, Unenforced};
pub use connection::{
    BoxRead, BoxWrite, Connection, Dial, DialledEndpoint, HttpEndpoint, HttpProtocol, Streams,
};
pub use error::{Class, Failure, ObjectRef, Phase};
pub use http::{BoxBody, HttpBody, HttpChannel, HttpFailure};
pub use provisioned::{
    Blueprint, Cost, Description, Document, FieldReport, Health, Honoured, Lease, ManagedObject, Ownership,
    Pin, Provisioned, Reconnected, ReleaseReason, State, Status, SweepReport, WorkloadKind,
};
pub use spec::{
    Access, Address, Egress, File, Lifetime, Limits, Mount, MountSource, Part, Port, ServerEndpoint,
    ServerId, ServerSpec, Setting, Transport, Value, Variable, Workload,
};

pub use tool::{Captured, Ending, ToolOutput, ToolRun, ToolSpec};

use async_trait::async_trait;
use std::sync::Arc;

/// The role that brings a server up and takes it down.
///
/// The methods mirror the exports of the contract (`wit/v0.1/lifecycle.wit`), which says what each must do, what may be repeated and
/// what happens when it is cut. Every method may be dropped at any await; the implementation then still releases what was begun.
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// The operator's name for it.
    fn name(&self) -> &str;

    /// What it said about itself when it was loaded last. Changes when it is replaced while running.
    fn description(&self) -> Arc<Description>;

    /// Gives it all servers placed on it, at start and at every reload, before any `provision`.
    ///
    /// # Errors
    /// Settings that are wrong, or shared objects that cannot be made; every server placed here then fails with it.
    async fn prepare(&self, call: &Call, servers: &[Arc<ServerSpec>]) -> Result<(), Failure>;

    /// Checks a server without creating anything.
    ///
    /// # Errors
    /// The reason why `provision` would fail.
    async fn validate(&self, call: &Call, server: &ServerSpec) -> Result<Vec<FieldReport>, Failure>;

    /// What `provision` would create, for a person.
    ///
    /// # Errors
    /// The reason why there is no such thing.
    async fn plan(&self, call: &Call, server: &ServerSpec) -> Result<Blueprint, Failure>;

    /// Brings a server up. On an error, and when the future is dropped, everything created has been or will be released by the
    /// implementation; the caller owns nothing.
    ///
    /// # Errors
    /// Why it is not up, with a class that says whether to try again.
    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure>;

    /// How a workload fares.
    ///
    /// # Errors
    /// The platform could not be asked.
    async fn probe(&self, call: &Call, lease: &Lease) -> Result<Health, Failure>;

    /// A new connection to a workload that still lives, or `None` where there is no way back.
    ///
    /// # Errors
    /// The platform could not be asked.
    async fn reconnect(&self, call: &Call, lease: &Lease) -> Result<Option<Reconnected>, Failure>;

    /// Takes a server down. Idempotent.
    ///
    /// # Errors
    /// What is left. The lease stays in the ledger and is worked off later.
    async fn release(&self, call: &Call, lease: &Lease, reason: ReleaseReason) -> Result<(), Failure>;

    /// Everything on the platform that carries a gateway's labels.
    ///
    /// # Errors
    /// The platform could not be asked.
    async fn enumerate(&self, call: &Call) -> Result<Vec<ManagedObject>, Failure>;

    /// Removes what belongs to dead gateways, and nothing else.
    ///
    /// # Errors
    /// The platform could not be asked; single objects that resist are in the report.
    async fn sweep(&self, call: &Call) -> Result<SweepReport, Failure>;

    /// Runs a tool container to its end; nothing of it is left afterwards, also when the future is dropped. An exit code and the end of its time
    /// are no errors.
    ///
    /// # Errors
    /// Why it did not run; class `unsupported` where this provisioner runs no tools.
    async fn run_tool(&self, _: &Call, tool: &ToolRun) -> Result<ToolOutput, Failure> {
        Err(no_tools(self.name(), Phase::Run, tool))
    }

    /// Checks a tool without creating anything.
    ///
    /// # Errors
    /// The reason why `run_tool` would fail.
    async fn validate_tool(&self, _: &Call, tool: &ToolRun) -> Result<Vec<FieldReport>, Failure> {
        Err(no_tools(self.name(), Phase::Validate, tool))
    }

    /// What `run_tool` would do, for a person.
    ///
    /// # Errors
    /// The reason why there is no such thing.
    async fn plan_tool(&self, _: &Call, tool: &ToolRun) -> Result<Blueprint, Failure> {
        Err(no_tools(self.name(), Phase::Plan, tool))
    }

    /// The gateway ends: works off what is left of this session. Called once, after all releases.
    ///
    /// # Errors
    /// What is left behind.
    async fn shutdown(&self, call: &Call) -> Result<(), Failure>;
}

fn no_tools(provisioner: &str, phase: Phase, tool: &ToolRun) -> Failure {
    let text = format!("provisioner `{provisioner}` does not run tools, so not `{}`", tool.tool);
    Failure::new(phase, Class::Unsupported, text)
}
