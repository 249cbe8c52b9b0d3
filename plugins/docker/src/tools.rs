//! Tools that are containers: each call runs one to its end. To the engine a tool is a server by another name (`provisioning.md` 2.2), so it is
//! planned as one.

use crate::{Docker, provision};
use gateway_plugin::types::Transport;
use gateway_plugin::{Blueprint, Call, Ran, Result, Server, ToolContainer, Validation};
use std::time::Duration;

/// The server that a tool would be.
pub(crate) fn as_server(tool: &ToolContainer) -> Server {
    Server {
        id: tool.id.clone(),
        // The label that the original writes is the tool's name.
        name: tool.tool.clone(),
        revision: tool.revision.clone(),
        workload: tool.workload.clone(),
        transport: Transport::Stdio,
        lifetime: gateway_plugin::types::Lifetime::Session,
        environment: tool.environment.clone(),
        files: tool.files.clone(),
        mounts: tool.mounts.clone(),
        network: tool.network.clone(),
        limits: tool.limits.clone(),
        user: tool.user.clone(),
        secrets: tool.secrets.clone(),
        pins: tool.pins.clone(),
        settings: tool.settings.clone(),
        annotations: tool.annotations.clone(),
        extras: tool.extras.clone(),
    }
}

pub(crate) fn plan(call: &Call<Docker>, tool: &ToolContainer) -> Result<Blueprint> {
    provision::plan(call, &as_server(tool))
}

pub(crate) fn validate(call: &Call<Docker>, tool: &ToolContainer) -> Result<Validation> {
    provision::validate(call, &as_server(tool))
}

pub(crate) fn run(call: &Call<Docker>, tool: &ToolContainer) -> Result<Ran> {
    let prepared = provision::prepared(call, &as_server(tool))?;
    let time = Duration::from_millis(u64::from(tool.timeout_ms));
    let output =
        call.host.docker().run(&prepared.plan.spec, tool.input.as_deref(), tool.output_limit, time)?;
    // What stood around it goes with it; what cannot be removed is in the ledger, and `stop` is called with it.
    provision::remove_all(&call.host, prepared.besides.iter().rev())?;
    Ok(Ran::new(output, prepared.plan.fields.enforce(&call.context)?))
}
