//! The provisioner for servers that are container images and run as pods of a Kubernetes cluster. It asks for the grant `kubernetes` only, and
//! needs no Docker.
//!
//! [`manifest`], [`policy`], [`service`] and [`secret`] write the documents, as pure functions; [`plan`] decides which are needed and which
//! fields of the entry are honoured; `provision`, `prepare`, `remove` and `manage` carry it out and clean up.

use gateway_plugin::types::{ManagedPage, Page, Prepared, SweepPage, ToolEntry};
use gateway_plugin::{
    Blueprint, Call, ContainerRuntime, Health, Info, Lease, Leftovers, Provisioned, Provisioner, Ran,
    Reconnected, ReleaseReason, Result, Server, ToolContainer, Validation, WorkloadKind,
};

pub mod late;
mod manage;
pub mod manifest;
pub mod names;
pub mod plan;
pub mod policy;
mod prepare;
mod provision;
mod remove;
pub mod secret;
pub mod service;
mod settings;
mod tools;

pub use settings::{
    ClusterSettings, Provider, PullPolicy, RegistryLogin, Requests, Security, ServerSettings, Stdio,
};

/// The plugin.
#[derive(Debug)]
pub struct Kubernetes;

impl Provisioner for Kubernetes {
    type Settings = ClusterSettings;
    type ServerSettings = ServerSettings;
    const INFO: Info =
        Info::new("kubernetes", env!("CARGO_PKG_VERSION"), "container images as pods of a cluster")
            .runs(&[WorkloadKind::Image])
            .reads_state(&[provision::STATE, prepare::SHARED]);

    fn prepare(call: &Call<Self>, servers: &[Server], tools: &[ToolEntry]) -> Result<Prepared> {
        prepare::prepare(call, servers, !tools.is_empty())
    }

    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        provision::plan(call, server)
    }

    fn validate(call: &Call<Self>, server: &Server) -> Result<Validation> {
        provision::validate(call, server)
    }

    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
        provision::provision(call, server)
    }

    fn probe(call: &Call<Self>, lease: &Lease) -> Result<Health> {
        provision::probe(&call.host, lease)
    }

    fn reconnect(call: &Call<Self>, server: &Server, lease: &Lease) -> Result<Option<Reconnected>> {
        provision::reconnect(call, server, lease)
    }

    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        provision::release(&call.host, lease)
    }

    fn enumerate(call: &Call<Self>, page: &Page) -> Result<ManagedPage> {
        manage::enumerate(&call.host, page)
    }

    fn sweep(call: &Call<Self>, older_than_seconds: u32, page: &Page) -> Result<SweepPage> {
        manage::sweep(&call.host, &call.context, older_than_seconds, page)
    }

    fn shutdown(call: &Call<Self>, leftovers: &Leftovers) -> Result<()> {
        remove::remove_all(&call.host, leftovers.objects.iter().rev(), None)
    }
}

impl ContainerRuntime for Kubernetes {
    const RUNS_TOOLS: &'static [WorkloadKind] = &[WorkloadKind::Image];

    fn run(call: &Call<Self>, container: &ToolContainer) -> Result<Ran> {
        tools::run(call, container)
    }

    fn stop(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        provision::release(&call.host, lease)
    }

    fn validate_run(call: &Call<Self>, container: &ToolContainer) -> Result<Validation> {
        tools::validate(call, container)
    }

    fn plan_run(call: &Call<Self>, container: &ToolContainer) -> Result<Blueprint> {
        tools::plan(call, container)
    }

    // `start` stays unsupported: nobody asks for tools that go on running.
}

gateway_plugin::export!(Kubernetes, tools);
