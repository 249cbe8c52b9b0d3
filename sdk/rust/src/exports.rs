//! The exports of the component: each is one line that goes through the adapter. Only on `wasm32`.

use crate::adapter::{self, Tools};
use crate::generated::exports::gateway::provisioner::{container_runtime, provisioner};
use crate::host::Host;
use crate::provisioner::Provisioner;
use crate::types::{
    Blueprint, Context, Description, Failure, Health, Lease, Leftovers, ManagedPage, Page, Prepared,
    ReleaseReason, Server, SweepPage, ToolContainer, ToolEntry, Validation,
};
use std::marker::PhantomData;

/// What the registration macro exports.
#[derive(Debug)]
pub struct Exports<P, T>(PhantomData<(P, T)>);

impl<P: Provisioner, T: Tools<P>> provisioner::Guest for Exports<P, T> {
    fn describe() -> Description {
        adapter::describe::<P, T>()
    }

    fn prepare(context: Context, servers: Vec<Server>, tools: Vec<ToolEntry>) -> Result<Prepared, Failure> {
        Ok(adapter::prepare::<P>(Host::real(), context, servers, tools)?)
    }

    fn validate(context: Context, server: Server) -> Result<Validation, Failure> {
        Ok(adapter::validate::<P>(Host::real(), context, &server)?)
    }

    fn plan(context: Context, server: Server) -> Result<Blueprint, Failure> {
        Ok(adapter::plan::<P>(Host::real(), context, &server)?)
    }

    fn provision(context: Context, server: Server) -> Result<provisioner::Provisioned, Failure> {
        Ok(adapter::provision::<P>(Host::real(), context, &server)?.into())
    }

    fn probe(context: Context, lease: Lease) -> Result<Health, Failure> {
        Ok(adapter::probe::<P>(Host::real(), context, &lease)?)
    }

    fn reconnect(
        context: Context,
        server: Server,
        lease: Lease,
    ) -> Result<Option<provisioner::Reconnected>, Failure> {
        Ok(adapter::reconnect::<P>(Host::real(), context, &server, &lease)?.map(Into::into))
    }

    fn release(context: Context, lease: Lease, reason: ReleaseReason) -> Result<(), Failure> {
        Ok(adapter::release::<P>(Host::real(), context, &lease, reason)?)
    }

    fn enumerate(context: Context, page: Page) -> Result<ManagedPage, Failure> {
        Ok(adapter::enumerate::<P>(Host::real(), context, &page)?)
    }

    fn sweep(context: Context, older_than_seconds: u32, page: Page) -> Result<SweepPage, Failure> {
        Ok(adapter::sweep::<P>(Host::real(), context, older_than_seconds, &page)?)
    }

    fn shutdown(context: Context, leftovers: Leftovers) -> Result<(), Failure> {
        Ok(adapter::shutdown::<P>(Host::real(), context, &leftovers)?)
    }
}

impl<P: Provisioner, T: Tools<P>> container_runtime::Guest for Exports<P, T> {
    fn validate_run(context: Context, container: ToolContainer) -> Result<Validation, Failure> {
        Ok(T::validate_run(Host::real(), context, &container)?)
    }

    fn plan_run(context: Context, container: ToolContainer) -> Result<Blueprint, Failure> {
        Ok(T::plan_run(Host::real(), context, &container)?)
    }

    fn run(context: Context, container: ToolContainer) -> Result<container_runtime::Ran, Failure> {
        Ok(T::run(Host::real(), context, &container)?.into())
    }

    fn start(context: Context, container: ToolContainer) -> Result<provisioner::Provisioned, Failure> {
        Ok(T::start(Host::real(), context, &container)?.into())
    }

    fn stop(context: Context, lease: Lease, reason: ReleaseReason) -> Result<(), Failure> {
        Ok(T::stop(Host::real(), context, &lease, reason)?)
    }
}
