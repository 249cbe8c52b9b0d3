//! A run of a tool as this track's record has it.

use crate::server::ServerScope;
use crate::v0_1::server;
use crate::v0_1::types::ToolContainer;
use host_provisioner::{ServerId, ToolRun};

/// The record. What runs is what the entry has for this call; the id is that of entry and tool together.
pub(crate) fn record(scope: &ServerScope, run: &ToolRun) -> ToolContainer {
    let server = server::record(scope, false);
    let millis = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    ToolContainer {
        id: ServerId::from_name(&format!("{} {}", server.name, run.tool)).as_str().to_owned(),
        server_id: server.id,
        name: server.name,
        tool: run.tool.clone(),
        revision: server.revision,
        workload: server.workload,
        environment: server.environment,
        files: server.files,
        mounts: server.mounts,
        network: server.network,
        limits: server.limits,
        user: server.user,
        secrets: server.secrets,
        pins: server.pins,
        timeout_ms: millis(run.timeout),
        output_limit: u32::try_from(run.output_limit).unwrap_or(u32::MAX),
        input: run.input.clone(),
        settings: server.settings,
        annotations: server.annotations,
        extras: server.extras,
    }
}
