//! The provisioner for servers that are container images and run as tasks of Amazon ECS on Fargate. It asks for the grant `http` only: the host
//! signs every request, and there is no credential in here.
//!
//! [`plan`], [`task`], [`size`], [`price`] and [`names`] decide, as pure functions; [`aws`] is the APIs as requests and the meaning of their
//! failures; `launch`, `provision`, `release`, `tools`, `validate` and `manage` carry out.

use gateway_plugin::types::{ManagedPage, Page, Prepared, SweepPage, ToolContainer, ToolEntry};
use gateway_plugin::{
    Blueprint, Call, ContainerRuntime, Health, Info, Lease, Leftovers, Provisioned, Provisioner, Reconnected,
    ReleaseReason, Result, Server, Validation, WorkloadKind,
};

pub mod aws;
pub mod entry;
mod launch;
mod manage;
pub mod names;
pub mod plan;
mod prepare;
pub mod price;
mod provision;
mod release;
mod settings;
pub mod size;
pub mod task;
mod tools;
mod validate;
mod wait;

pub use settings::{
    Architecture, Capacity, EcsSettings, FileSystem, Place, Prices, Reach, ServerSettings, role_name,
};

/// The plugin.
#[derive(Debug)]
pub struct Ecs;

impl Provisioner for Ecs {
    type Settings = EcsSettings;
    type ServerSettings = ServerSettings;
    const INFO: Info =
        Info::new("cloud-ecs", env!("CARGO_PKG_VERSION"), "container images as tasks of ECS on Fargate")
            .runs(&[WorkloadKind::Image])
            .reads_state(&[launch::STATE, prepare::SHARED]);

    fn prepare(call: &Call<Self>, servers: &[Server], tools: &[ToolEntry]) -> Result<Prepared> {
        prepare::prepare(call, servers, tools)
    }

    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        provision::plan(call, server)
    }

    fn validate(call: &Call<Self>, server: &Server) -> Result<Validation> {
        validate::server(call, server)
    }

    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
        provision::provision(call, server)
    }

    fn probe(call: &Call<Self>, lease: &Lease) -> Result<Health> {
        provision::probe(call, lease)
    }

    fn reconnect(call: &Call<Self>, server: &Server, lease: &Lease) -> Result<Option<Reconnected>> {
        provision::reconnect(call, server, lease)
    }

    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        release::release(call, lease)
    }

    fn enumerate(call: &Call<Self>, page: &Page) -> Result<ManagedPage> {
        manage::enumerate(call, page)
    }

    fn sweep(call: &Call<Self>, older_than_seconds: u32, page: &Page) -> Result<SweepPage> {
        manage::sweep(call, older_than_seconds, page)
    }

    fn shutdown(call: &Call<Self>, leftovers: &Leftovers) -> Result<()> {
        prepare::shutdown(call, leftovers)
    }
}

impl ContainerRuntime for Ecs {
    const RUNS_TOOLS: &'static [WorkloadKind] = &[WorkloadKind::Image];

    fn validate_run(call: &Call<Self>, container: &ToolContainer) -> Result<Validation> {
        validate::tool(call, container)
    }

    fn plan_run(call: &Call<Self>, container: &ToolContainer) -> Result<Blueprint> {
        tools::plan(call, container)
    }

    fn run(call: &Call<Self>, container: &ToolContainer) -> Result<gateway_plugin::Ran> {
        tools::run(call, container)
    }

    fn stop(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        release::release(call, lease)
    }
}

gateway_plugin::export!(Ecs, tools);

#[cfg(test)]
mod tests;
