//! The engine in the gateway's own process that runs servers which are WASI components. Grant: `embedded`.

use crate::connection::{Connection, RunOutput};
use crate::host::{Host, millis, side};
use crate::types::{ComponentWorkload, Egress, ObjectRef};
use crate::{Error, Result};
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::generated::gateway::provisioner::embedded as real;

pub use crate::generated::gateway::provisioner::embedded::{Spec, WorkloadInfo, WorkloadStatus};

impl Spec {
    /// This component with its arguments, and without environment, mounts, files, network and limits.
    #[must_use]
    pub fn new(workload: &ComponentWorkload) -> Self {
        Self {
            component: workload.component.clone(),
            arguments: workload.arguments.clone(),
            environment: Vec::new(),
            mounts: Vec::new(),
            files: Vec::new(),
            egress: Egress::None,
            limits: crate::types::Limits::default(),
        }
    }
}

/// A server that the engine has started.
#[derive(Debug)]
pub struct Started {
    /// Id of the workload, unique in this run of the gateway.
    pub workload: String,
    /// Its standard streams.
    pub connection: Connection,
}

/// See [`Host::embedded`].
#[derive(Debug, Clone, Copy)]
pub struct Embedded<'a> {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only the fake side is an object"))]
    pub(crate) host: &'a Host,
}

impl Embedded<'_> {
    /// Compiles (or finds in the cache), starts and connects a server.
    ///
    /// # Errors
    ///
    /// `image` if the file is missing or no WASI command, `permission` outside the server's entry or the grant, `quota` when the
    /// engine is full.
    pub fn start(&self, spec: &Spec) -> Result<Started> {
        side!(
            real => {
                let started = real::start(spec)?;
                Ok(Started { workload: started.workload, connection: started.connection.into() })
            },
            fake => self.host.fake.embedded_start(spec),
        )
    }

    /// Runs a component to its end, standard streams apart. Being killed at the time limit is a result.
    ///
    /// # Errors
    ///
    /// As [`Embedded::start`].
    pub fn run(
        &self,
        spec: &Spec,
        input: Option<&[u8]>,
        output_limit: u32,
        timeout: Duration,
    ) -> Result<RunOutput> {
        side!(
            real => Ok(real::run(spec, input, output_limit, millis(timeout))?.into()),
            fake => self.host.fake.embedded_run(spec, input, output_limit, millis(timeout)),
        )
    }

    /// How a workload fares.
    #[must_use]
    pub fn info(&self, workload: &str) -> WorkloadInfo {
        side!(real => real::info(workload), fake => self.host.fake.embedded_info(workload))
    }

    /// Closes its standard input, waits up to `grace`, then ends it. Succeeds when it is not there.
    ///
    /// # Errors
    ///
    /// What the engine answers.
    pub fn stop(&self, workload: &str, grace: Duration) -> Result<()> {
        side!(
            real => Ok(real::stop(workload, millis(grace))?),
            fake => self.host.fake.embedded_stop(workload, millis(grace)),
        )
    }

    /// The plugin's workloads that run: kind `component`, name the workload's id.
    #[must_use]
    pub fn workloads(&self) -> Vec<ObjectRef> {
        side!(real => real::workloads(), fake => self.host.fake.embedded_workloads())
    }
}

/// The component of a server or tool, for plugins that run nothing else.
///
/// # Errors
///
/// `unsupported` for every other kind of workload.
pub fn component(workload: &crate::types::Workload) -> Result<&ComponentWorkload> {
    match workload {
        crate::types::Workload::Component(component) => Ok(component),
        crate::types::Workload::Image(image) => Err(Error::unsupported(format!(
            "run container image `{}`: only WASI components run here",
            image.reference
        ))
        .hint("place the server on a provisioner that runs images")),
        crate::types::Workload::Other(_) => {
            Err(Error::unsupported("run a workload of another kind: only WASI components run here"))
        }
    }
}
