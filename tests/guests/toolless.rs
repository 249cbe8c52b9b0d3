//! What guests without tools have in common: how they fail, and exports that are there and do nothing. A part of each, because each has types of its own.

use crate::Plugin;
use crate::exports::gateway::provisioner::container_runtime;
use crate::exports::gateway::provisioner::provisioner::Provisioned;
use crate::gateway::provisioner::types::*;

pub(crate) fn failure(category: FailureCategory, text: impl Into<String>) -> Failure {
    Failure {
        phase: Phase::Other,
        category,
        step: None,
        text: text.into(),
        hint: None,
        details: Vec::new(),
        objects: Vec::new(),
        retry_after_ms: None,
        extras: Vec::new(),
    }
}

pub(crate) fn unsupported<T>() -> Result<T, Failure> {
    Err(failure(FailureCategory::Unsupported, "not here"))
}

impl container_runtime::Guest for Plugin {
    fn validate_run(_: Context, _: ToolContainer) -> Result<Validation, Failure> {
        unsupported()
    }

    fn plan_run(_: Context, _: ToolContainer) -> Result<Blueprint, Failure> {
        unsupported()
    }

    fn run(_: Context, _: ToolContainer) -> Result<container_runtime::Ran, Failure> {
        unsupported()
    }

    fn start(_: Context, _: ToolContainer) -> Result<Provisioned, Failure> {
        unsupported()
    }

    fn stop(_: Context, _: Lease, _: ReleaseReason) -> Result<(), Failure> {
        Ok(())
    }
}
