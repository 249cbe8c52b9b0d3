//! A container engine with Docker's API. Grant: `docker`.
//!
//! Creating functions write the ledger first and are idempotent: an object of the same name and the same request is returned, not made
//! twice. Somebody else's object is a failure with category `permission`, never a success.

use crate::Result;
use crate::connection::{Connection, RunOutput};
use crate::host::{Host, millis, side};
use crate::types::{Finding, ImageWorkload, Label, Page};
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::generated::gateway::provisioner::docker as real;

pub use crate::generated::gateway::provisioner::docker::{
    Address, Condition, ContainerInfo, ContainerPage, ContainerSpec, EgressProxy, EngineInfo, ExecResult,
    HttpCheck, ImageInfo, ImageRequest, NetworkInfo, NetworkPage, NetworkSpec, ProxySpec,
};

impl ContainerSpec {
    /// A container of this name and image with nothing else asked for, removed when it has ended.
    #[must_use]
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            arguments: Vec::new(),
            entrypoint: None,
            working_directory: None,
            environment: Vec::new(),
            files: Vec::new(),
            mounts: Vec::new(),
            networks: Vec::new(),
            no_network: false,
            network_aliases: Vec::new(),
            links: Vec::new(),
            dns: Vec::new(),
            extra_hosts: Vec::new(),
            user: None,
            limits: crate::types::Limits::default(),
            init: false,
            no_new_privileges: false,
            privileged: false,
            capabilities_add: Vec::new(),
            capabilities_drop: Vec::new(),
            read_only_root: false,
            tmpfs: Vec::new(),
            publish: Vec::new(),
            stop_signal: None,
            labels: Vec::new(),
            options: Vec::new(),
        }
    }
}

impl From<&ImageWorkload> for ImageRequest {
    fn from(image: &ImageWorkload) -> Self {
        Self {
            reference: image.reference.clone(),
            digest: image.digest.clone(),
            platform: image.platform.clone(),
            pull: image.pull,
            login: image.login.clone(),
        }
    }
}

/// A container whose standard streams are attached.
#[derive(Debug)]
pub struct Attached {
    /// Id of the container.
    pub container: String,
    /// Its standard streams.
    pub connection: Connection,
}

/// See [`Host::docker`].
#[derive(Debug, Clone, Copy)]
pub struct Docker<'a> {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only the fake side is an object"))]
    pub(crate) host: &'a Host,
}

/// Every function fails with `retryable` when the engine does not answer, and with `permission` outside the grant.
impl Docker<'_> {
    /// What engine it is.
    pub fn engine(&self) -> Result<EngineInfo> {
        side!(real => Ok(real::engine()?), fake => self.host.fake.docker_engine())
    }

    /// Makes sure that the image is on the engine, pulling it as the policy says, and checks a pinned digest: `image` if that fails.
    pub fn ensure_image(&self, image: &ImageRequest) -> Result<ImageInfo> {
        side!(real => Ok(real::ensure_image(image)?), fake => self.host.fake.docker_ensure_image(image))
    }

    /// The digest that a reference means now, without pulling. For pins.
    pub fn resolve_image(&self, image: &ImageRequest) -> Result<String> {
        side!(real => Ok(real::resolve_image(image)?), fake => self.host.fake.docker_resolve_image(image))
    }

    /// What [`Docker::start`] would refuse, all of it at once, without creating anything. For `validate`.
    pub fn check(&self, spec: &ContainerSpec) -> Result<Vec<Finding>> {
        side!(real => Ok(real::check(spec)?), fake => self.host.fake.docker_check(spec))
    }

    /// Creates a container, starts it and attaches its standard streams, stderr apart.
    pub fn start_attached(&self, spec: &ContainerSpec) -> Result<Attached> {
        side!(
            real => {
                let attached = real::start_attached(spec)?;
                Ok(Attached { container: attached.container, connection: attached.connection.into() })
            },
            fake => self.host.fake.docker_start_attached(spec),
        )
    }

    /// Creates and starts a container without attaching; its id.
    pub fn start(&self, spec: &ContainerSpec) -> Result<String> {
        side!(real => Ok(real::start(spec)?), fake => self.host.fake.docker_start(spec))
    }

    /// Runs a container to its end and removes it. Being killed at the time limit is a result.
    pub fn run(
        &self,
        spec: &ContainerSpec,
        input: Option<&[u8]>,
        output_limit: u32,
        timeout: Duration,
    ) -> Result<RunOutput> {
        side!(
            real => Ok(real::run(spec, input, output_limit, millis(timeout))?.into()),
            fake => self.host.fake.docker_run(spec, input, output_limit, millis(timeout)),
        )
    }

    /// The streams of a running container of this server, again.
    pub fn attach(&self, container: &str) -> Result<Connection> {
        side!(real => Ok(real::attach(container)?.into()), fake => self.host.fake.docker_attach(container))
    }

    /// Where a port is reached from the gateway. May be used in [`Host::connections`] in this call.
    pub fn address_of(&self, container: &str, container_port: u16) -> Result<Address> {
        side!(
            real => Ok(real::address_of(container, container_port)?),
            fake => self.host.fake.docker_address_of(container, container_port),
        )
    }

    /// How a container fares; absent when it is not there.
    pub fn inspect(&self, container: &str) -> Result<Option<ContainerInfo>> {
        side!(real => Ok(real::inspect(container)?), fake => self.host.fake.docker_inspect(container))
    }

    /// Waits for the first of several conditions; its index. `timeout` when none came in time.
    pub fn wait(&self, conditions: &[Condition], timeout: Duration) -> Result<u32> {
        side!(
            real => Ok(real::wait(conditions, millis(timeout))?),
            fake => self.host.fake.docker_wait(conditions, millis(timeout)),
        )
    }

    /// SIGTERM or the stop signal, then SIGKILL after the grace. Succeeds when it is not there.
    pub fn stop(&self, container: &str, grace: Duration) -> Result<()> {
        side!(
            real => Ok(real::stop(container, millis(grace))?),
            fake => self.host.fake.docker_stop(container, millis(grace)),
        )
    }

    /// Removes it, running or not, with its anonymous volumes. Succeeds when it is not there.
    pub fn remove(&self, container: &str) -> Result<()> {
        side!(real => Ok(real::remove(container)?), fake => self.host.fake.docker_remove(container))
    }

    /// Runs a program inside. `permission` on a container that carries secrets.
    pub fn exec(&self, container: &str, arguments: &[String], output_limit: u32) -> Result<ExecResult> {
        side!(
            real => Ok(real::exec(container, arguments, output_limit)?),
            fake => self.host.fake.docker_exec(container, arguments, output_limit),
        )
    }

    /// The end of the output, for diagnosis; also after it has ended. `permission` on a container that carries secrets.
    pub fn log_tail(&self, container: &str, lines: u32) -> Result<String> {
        side!(
            real => Ok(real::log_tail(container, lines)?),
            fake => self.host.fake.docker_log_tail(container, lines),
        )
    }

    /// Containers with labels of any gateway that have all of these labels too.
    pub fn containers(&self, labels: &[Label], page: &Page) -> Result<ContainerPage> {
        side!(
            real => Ok(real::containers(labels, page)?),
            fake => self.host.fake.docker_containers(labels, page),
        )
    }

    /// Networks with labels of any gateway that have all of these labels too.
    pub fn networks(&self, labels: &[Label], page: &Page) -> Result<NetworkPage> {
        side!(
            real => Ok(real::networks(labels, page)?),
            fake => self.host.fake.docker_networks(labels, page),
        )
    }

    /// Creates a network; its id.
    pub fn create_network(&self, spec: &NetworkSpec) -> Result<String> {
        side!(real => Ok(real::create_network(spec)?), fake => self.host.fake.docker_create_network(spec))
    }

    /// Connects a container to a further network.
    pub fn connect_network(&self, network: &str, container: &str, aliases: &[String]) -> Result<()> {
        side!(
            real => Ok(real::connect_network(network, container, aliases)?),
            fake => self.host.fake.docker_connect_network(network, container, aliases),
        )
    }

    /// Removes a network. Succeeds when it is not there.
    pub fn remove_network(&self, network: &str) -> Result<()> {
        side!(real => Ok(real::remove_network(network)?), fake => self.host.fake.docker_remove_network(network))
    }

    /// What [`Docker::start_egress_proxy`] would create, without creating it.
    pub fn plan_egress_proxy(&self, spec: &ProxySpec) -> Result<EgressProxy> {
        side!(
            real => Ok(real::plan_egress_proxy(spec)?),
            fake => self.host.fake.docker_plan_egress_proxy(spec),
        )
    }

    /// Starts an egress proxy of the host's own on an internal network of its own; it listens when this returns.
    pub fn start_egress_proxy(&self, spec: &ProxySpec) -> Result<EgressProxy> {
        side!(
            real => Ok(real::start_egress_proxy(spec)?),
            fake => self.host.fake.docker_start_egress_proxy(spec),
        )
    }
}
