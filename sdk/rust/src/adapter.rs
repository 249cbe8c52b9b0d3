//! From a call of the contract to a function of the trait: settings are read, unknown words are refused, then the plugin is asked.
//!
//! The exports and the fake host both go through here, so a native test meets what the real host meets.

use crate::answer::{Provisioned, Ran, Reconnected};
use crate::call::Call;
use crate::host::Host;
use crate::provisioner::Provisioner;
use crate::runtime::{ContainerRuntime, unsupported};
use crate::settings;
use crate::types::{
    Blueprint, Context, Description, Extra, Health, Lease, Leftovers, ManagedPage, Page, Prepared, Refused,
    ReleaseReason, Server, SweepPage, ToolContainer, ToolEntry, Validation, Workload, WorkloadKind,
};
use crate::{Error, Result};

pub(crate) fn describe<P: Provisioner, T: Tools<P>>() -> Description {
    let info = P::INFO;
    Description {
        name: info.name.to_owned(),
        version: info.version.to_owned(),
        summary: info.summary.to_owned(),
        runs: info.runs.to_vec(),
        runs_tools: T::RUNS.to_vec(),
        settings_schema: settings::schema::<P::Settings>(),
        server_settings_schema: settings::schema::<P::ServerSettings>(),
        reads_state: info.reads_state.to_vec(),
        understands: info.understands.iter().map(|&name| name.to_owned()).collect(),
        extras: Vec::new(),
    }
}

/// The host refuses both before it calls a plugin; a plugin that runs under another host does not rely on it.
fn refuse_unknown<P: Provisioner>(extras: &[Extra]) -> Result<()> {
    match extras.iter().find(|e| e.required && !P::INFO.understands.contains(&e.name.as_str())) {
        Some(extra) => Err(Error::unsupported(format!(
            "honour `{}`: plugin `{}` {} does not know it",
            extra.name,
            P::INFO.name,
            P::INFO.version
        ))
        .hint("a newer version of the plugin may know it")),
        None => Ok(()),
    }
}

fn refuse_kind<P: Provisioner>(workload: &Workload, runs: &[WorkloadKind]) -> Result<()> {
    let kind = workload.kind();
    if runs.contains(&kind) {
        return Ok(());
    }
    let what = match kind {
        WorkloadKind::Component => "run a component",
        WorkloadKind::Image => "run a container image",
        WorkloadKind::Other => "run a workload of another kind",
    };
    Err(unsupported::<P>(what).hint("place it on a provisioner that does"))
}

fn begin<P: Provisioner>(host: Host, context: Context) -> Result<Call<P>> {
    refuse_unknown::<P>(&context.extras)?;
    Call::new(host, context)
}

fn begin_server<P: Provisioner>(host: Host, context: Context, server: &Server) -> Result<Call<P>> {
    refuse_unknown::<P>(&server.extras)?;
    refuse_kind::<P>(&server.workload, P::INFO.runs)?;
    begin(host, context)
}

/// Servers and tools with an unknown required word are refused one by one; the others are prepared.
pub(crate) fn prepare<P: Provisioner>(
    host: Host,
    context: Context,
    servers: Vec<Server>,
    tools: Vec<ToolEntry>,
) -> Result<Prepared> {
    let call = begin::<P>(host, context)?;
    let mut refused = Vec::new();
    let mut keep = |id: &str, extras: &[Extra]| match refuse_unknown::<P>(extras) {
        Ok(()) => true,
        Err(error) => {
            refused.push(Refused { id: id.to_owned(), failure: error.into() });
            false
        }
    };
    let servers: Vec<_> = servers.into_iter().filter(|s| keep(&s.id, &s.extras)).collect();
    let tools: Vec<_> = tools.into_iter().filter(|t| keep(&t.id, &t.extras)).collect();
    let mut prepared = P::prepare(&call, &servers, &tools)?;
    prepared.refused.append(&mut refused);
    Ok(prepared)
}

pub(crate) fn validate<P: Provisioner>(host: Host, context: Context, server: &Server) -> Result<Validation> {
    P::validate(&begin_server(host, context, server)?, server)
}

pub(crate) fn plan<P: Provisioner>(host: Host, context: Context, server: &Server) -> Result<Blueprint> {
    P::plan(&begin_server(host, context, server)?, server)
}

pub(crate) fn provision<P: Provisioner>(
    host: Host,
    context: Context,
    server: &Server,
) -> Result<Provisioned> {
    P::provision(&begin_server(host, context, server)?, server)
}

pub(crate) fn probe<P: Provisioner>(host: Host, context: Context, lease: &Lease) -> Result<Health> {
    P::probe(&begin(host, context)?, lease)
}

pub(crate) fn reconnect<P: Provisioner>(
    host: Host,
    context: Context,
    server: &Server,
    lease: &Lease,
) -> Result<Option<Reconnected>> {
    P::reconnect(&begin_server(host, context, server)?, server, lease)
}

pub(crate) fn release<P: Provisioner>(
    host: Host,
    context: Context,
    lease: &Lease,
    reason: ReleaseReason,
) -> Result<()> {
    P::release(&begin(host, context)?, lease, reason)
}

pub(crate) fn enumerate<P: Provisioner>(host: Host, context: Context, page: &Page) -> Result<ManagedPage> {
    P::enumerate(&begin(host, context)?, page)
}

pub(crate) fn sweep<P: Provisioner>(
    host: Host,
    context: Context,
    older_than_seconds: u32,
    page: &Page,
) -> Result<SweepPage> {
    P::sweep(&begin(host, context)?, older_than_seconds, page)
}

pub(crate) fn shutdown<P: Provisioner>(host: Host, context: Context, leftovers: &Leftovers) -> Result<()> {
    P::shutdown(&begin(host, context)?, leftovers)
}

/// Whether a plugin runs tools, as a type, so that one without does not carry code for it.
pub trait Tools<P: Provisioner>: 'static {
    #[doc(hidden)]
    const RUNS: &'static [WorkloadKind];
    #[doc(hidden)]
    fn validate_run(host: Host, context: Context, container: &ToolContainer) -> Result<Validation>;
    #[doc(hidden)]
    fn plan_run(host: Host, context: Context, container: &ToolContainer) -> Result<Blueprint>;
    #[doc(hidden)]
    fn run(host: Host, context: Context, container: &ToolContainer) -> Result<Ran>;
    #[doc(hidden)]
    fn start(host: Host, context: Context, container: &ToolContainer) -> Result<Provisioned>;
    #[doc(hidden)]
    fn stop(host: Host, context: Context, lease: &Lease, reason: ReleaseReason) -> Result<()>;
}

/// A plugin that runs no tools: every call is `unsupported`.
#[derive(Debug)]
pub struct NoTools;

impl<P: Provisioner> Tools<P> for NoTools {
    const RUNS: &'static [WorkloadKind] = &[];

    fn validate_run(_: Host, _: Context, _: &ToolContainer) -> Result<Validation> {
        Err(unsupported::<P>("run tool containers"))
    }

    fn plan_run(_: Host, _: Context, _: &ToolContainer) -> Result<Blueprint> {
        Err(unsupported::<P>("run tool containers"))
    }

    fn run(_: Host, _: Context, _: &ToolContainer) -> Result<Ran> {
        Err(unsupported::<P>("run tool containers"))
    }

    fn start(_: Host, _: Context, _: &ToolContainer) -> Result<Provisioned> {
        Err(unsupported::<P>("run tool containers"))
    }

    fn stop(_: Host, _: Context, _: &Lease, _: ReleaseReason) -> Result<()> {
        Err(unsupported::<P>("run tool containers"))
    }
}

/// A plugin that runs tools by its [`ContainerRuntime`].
#[derive(Debug)]
pub struct WithTools;

fn begin_tool<P: ContainerRuntime>(
    host: Host,
    context: Context,
    container: &ToolContainer,
) -> Result<Call<P>> {
    refuse_unknown::<P>(&container.extras)?;
    refuse_kind::<P>(&container.workload, P::RUNS_TOOLS)?;
    begin(host, context)
}

impl<P: ContainerRuntime> Tools<P> for WithTools {
    const RUNS: &'static [WorkloadKind] = P::RUNS_TOOLS;

    fn validate_run(host: Host, context: Context, container: &ToolContainer) -> Result<Validation> {
        P::validate_run(&begin_tool(host, context, container)?, container)
    }

    fn plan_run(host: Host, context: Context, container: &ToolContainer) -> Result<Blueprint> {
        P::plan_run(&begin_tool(host, context, container)?, container)
    }

    fn run(host: Host, context: Context, container: &ToolContainer) -> Result<Ran> {
        P::run(&begin_tool(host, context, container)?, container)
    }

    fn start(host: Host, context: Context, container: &ToolContainer) -> Result<Provisioned> {
        P::start(&begin_tool(host, context, container)?, container)
    }

    fn stop(host: Host, context: Context, lease: &Lease, reason: ReleaseReason) -> Result<()> {
        P::stop(&begin(host, context)?, lease, reason)
    }
}

#[cfg(test)]
mod tests;
