//! The provisioner for servers that are container images and run as services of Cloud Run. It asks for the grant `http` only: the host puts a
//! token on every request, also on those of MCP, and there is no credential in here.
//!
//! [`plan`] and [`names`] decide, as pure functions; [`google`] is the interfaces as requests and the meaning of their failures; `provision`,
//! `release` and `manage` carry out.

use gateway_plugin::types::{ManagedPage, Page, Prepared, SweepPage, ToolEntry};
use gateway_plugin::{
    Blueprint, Call, Health, Info, Lease, Provisioned, Provisioner, Reconnected, ReleaseReason, Result,
    Server, Validation, WorkloadKind,
};

pub mod google;
mod manage;
pub mod names;
pub mod plan;
mod provision;
mod release;
mod settings;
mod validate;

pub use settings::{Ingress, RunSettings, ServerSettings};

/// The plugin.
#[derive(Debug)]
pub struct CloudRun;

impl Provisioner for CloudRun {
    type Settings = RunSettings;
    type ServerSettings = ServerSettings;
    const INFO: Info =
        Info::new("cloud-run", env!("CARGO_PKG_VERSION"), "container images as services of Cloud Run")
            .runs(&[WorkloadKind::Image])
            .reads_state(&[provision::STATE]);

    fn prepare(call: &Call<Self>, servers: &[Server], _: &[ToolEntry]) -> Result<Prepared> {
        validate::prepare(call, servers)
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
}

gateway_plugin::export!(CloudRun);

#[cfg(test)]
mod tests;
