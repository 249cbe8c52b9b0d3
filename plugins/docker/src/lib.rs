//! The provisioner for servers that are container images: they run on an engine with Docker's API, exactly as Docker's MCP Gateway would
//! start them with `docker run`. It asks for the grant `docker` only.
//!
//! Three parts: [`plan`] decides what shall run and which fields of the entry are honoured; [`arguments`] writes the same down as
//! the `docker run` line that a person can read, approve and try; `provision`, [`http`] and `manage` carry it out and clean up.

use gateway_plugin::types::{ManagedPage, Page, SweepPage};
use gateway_plugin::{
    Blueprint, Call, ContainerRuntime, Health, Info, Lease, NoSettings, Provisioned, Provisioner, Ran,
    ReleaseReason, Result, Server, ToolContainer, Validation, WorkloadKind,
};

pub mod arguments;
pub mod http;
mod manage;
pub mod plan;
mod provision;
mod tools;

gateway_plugin::settings! {
    /// Settings of the plugin `docker`.
    pub struct DockerSettings {
        /// Run every container with all rights of the engine's machine, as Docker's gateway does inside Docker-in-Docker
        /// (`DOCKER_MCP_IN_DIND=1`). The grant must allow it too.
        pub privileged: bool,
        /// Name of the context by which Docker's command line finds this engine. It stands in the lines that a plan prints and decides nothing else;
        /// `--docker-context` fills it in.
        pub context: Option<String>,
    }
}

/// The plugin.
#[derive(Debug)]
pub struct Docker;

impl ContainerRuntime for Docker {
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

impl Provisioner for Docker {
    type Settings = DockerSettings;
    type ServerSettings = NoSettings;
    const INFO: Info = Info::new(
        "docker",
        env!("CARGO_PKG_VERSION"),
        "container images on a Docker engine, as `docker run` would start them",
    )
    .runs(&[WorkloadKind::Image])
    .reads_state(&[provision::STATE]);

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

    // `reconnect` stays empty: a server ends when its standard input does, and the engine closes that when the stream breaks. It is
    // what keeps containers from outliving a gateway that was killed.

    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        provision::release(&call.host, lease)
    }

    fn enumerate(call: &Call<Self>, page: &Page) -> Result<ManagedPage> {
        manage::enumerate(&call.host, page)
    }

    fn sweep(call: &Call<Self>, older_than_seconds: u32, page: &Page) -> Result<SweepPage> {
        manage::sweep(&call.host, &call.context, older_than_seconds, page)
    }
}

gateway_plugin::export!(Docker, tools);
