//! The optional trait: tools that are containers, run once per call.

use crate::answer::{Provisioned, Ran};
use crate::call::Call;
use crate::provisioner::Provisioner;
use crate::types::{Blueprint, Lease, ReleaseReason, ToolContainer, Validation, WorkloadKind};
use crate::{Error, Result};

/// Runs tool containers. Register a plugin that has it with `export!(MyPlugin, tools)`.
///
/// Without it, and for every function that is not implemented, the host gets category `unsupported`.
pub trait ContainerRuntime: Provisioner {
    /// Which tool containers it can run.
    const RUNS_TOOLS: &'static [WorkloadKind];

    /// Runs the container to its end. An exit code other than zero is a result, and so is being killed at `timeout_ms`. Nothing of it
    /// is left afterwards.
    ///
    /// # Errors
    ///
    /// Whatever kept it from running, by its category.
    fn run(call: &Call<Self>, container: &ToolContainer) -> Result<Ran>;

    /// Ends what `start` began, or what a cut `run` left. Idempotent, like [`Provisioner::release`].
    ///
    /// # Errors
    ///
    /// What still stands in the way.
    fn stop(call: &Call<Self>, lease: &Lease, reason: ReleaseReason) -> Result<()>;

    /// As [`Provisioner::validate`], for a tool. No findings by default.
    ///
    /// # Errors
    ///
    /// If it could not be checked.
    fn validate_run(call: &Call<Self>, container: &ToolContainer) -> Result<Validation> {
        let _ = (call, container);
        Ok(Validation::default())
    }

    /// What `run` would do.
    ///
    /// # Errors
    ///
    /// As `run` would, as far as that can be known; `unsupported` by default.
    fn plan_run(call: &Call<Self>, container: &ToolContainer) -> Result<Blueprint> {
        let _ = (call, container);
        Err(unsupported::<Self>("plan tool containers"))
    }

    /// Starts the container with its standard streams attached and leaves it running. The connection carries raw bytes, no MCP.
    ///
    /// # Errors
    ///
    /// Whatever stands in the way, by its category; `unsupported` by default.
    fn start(call: &Call<Self>, container: &ToolContainer) -> Result<Provisioned> {
        let _ = (call, container);
        Err(unsupported::<Self>("keep tool containers running"))
    }
}

pub(crate) fn unsupported<P: Provisioner>(what: &str) -> Error {
    Error::unsupported(format!("{what}: plugin `{}` does not", P::INFO.name))
}
