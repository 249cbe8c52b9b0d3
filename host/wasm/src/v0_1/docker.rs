//! `docker`: containers on an engine with Docker's API. What may be asked for is checked in `check`, whose an object is in `own`; here it is
//! done.

mod act;
mod check;
mod output;
mod own;
mod proxy;
mod reach;
mod records;
mod wait;

pub(crate) use own::Containers;
pub use proxy::EgressProgram;
pub(crate) use reach::Told;

use crate::state::{CallState, Scope};
use crate::v0_1::bounds::Bounded;
use crate::v0_1::connection::{Held, RunOutput};
use crate::v0_1::imported::docker::{
    Address, Attached, Condition, ContainerInfo, ContainerPage, ContainerSpec, EgressProxy, EngineInfo,
    ExecResult, Host, ImageInfo, ImageRequest, NetworkPage, NetworkSpec, ProxySpec,
};
use crate::v0_1::types::{Failure, FailureCategory, Finding, Label, Page, PullPolicy};
use crate::{limits, sanitize};
use host_provisioner as provisioner;
use host_provisioner::Phase;
use host_workload_docker as engine;
use host_workload_docker::{DockerEngine, Error, ErrorKind};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;

/// Kind of containers in the ledger.
pub(crate) const CONTAINER: &str = "container";
/// Kind of networks in the ledger.
pub(crate) const NETWORK: &str = "network";

/// Bytes of a log that a plugin is given.
const LOG: usize = 64 << 10;
/// Bytes of output of a program inside a container.
const OUTPUT: usize = 1 << 20;
/// Entries of a page.
const PAGE: usize = 1000;

/// One call, as it acts on the engine.
struct Docker<'a>(&'a Scope);

impl Deref for Docker<'_> {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        self.0
    }
}

/// What an answer of the engine becomes.
type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Host for CallState {
    async fn engine(&mut self) -> Answer<EngineInfo> {
        self.enter("docker.engine")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        Ok(Docker(&self.scope).engine_info().await)
    }

    async fn ensure_image(&mut self, image: ImageRequest) -> Answer<ImageInfo> {
        self.enter("docker.ensure-image")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        image.bounded()?;
        if !self.scope.may_create() && image.pull != PullPolicy::Never {
            return Ok(Err(Docker(&self.scope).not_in_this_phase("pulled")));
        }
        Ok(Docker(&self.scope).ensure_image(image).await)
    }

    async fn resolve_image(&mut self, image: ImageRequest) -> Answer<String> {
        self.enter("docker.resolve-image")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        image.bounded()?;
        Ok(Docker(&self.scope).resolve_image(image).await)
    }

    async fn check(&mut self, spec: ContainerSpec) -> Answer<Vec<Finding>> {
        self.enter("docker.check")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        spec.bounded()?;
        Ok(Docker(&self.scope).findings(&spec).await)
    }

    async fn start_attached(&mut self, spec: ContainerSpec) -> Answer<Attached> {
        self.enter("docker.start-attached")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        spec.bounded()?;
        match Docker(&self.scope).start_attached(spec).await? {
            Err(failure) => Ok(Err(failure)),
            Ok((container, streams)) => {
                let connection = self.push(Held(provisioner::Connection::Streams(streams)))?;
                Ok(Ok(Attached { container, connection }))
            }
        }
    }

    async fn start(&mut self, spec: ContainerSpec) -> Answer<String> {
        self.enter("docker.start")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        spec.bounded()?;
        Docker(&self.scope).start(spec).await
    }

    async fn run(
        &mut self,
        spec: ContainerSpec,
        input: Option<Vec<u8>>,
        output_limit: u32,
        timeout_ms: u32,
    ) -> Answer<Resource<RunOutput>> {
        self.enter("docker.run")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        spec.bounded()?;
        // With input of its own, a plugin could call a server's tools with the user's folders and secrets, and no client would have asked.
        if self.scope.phase != Phase::Run {
            let text = "`docker.run` is for tools, inside `container-runtime.run`";
            return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
        }
        let time = Duration::from_millis(u64::from(timeout_ms)).min(self.remaining());
        match Docker(&self.scope).run(spec, input, output_limit as usize, time).await? {
            Err(failure) => Ok(Err(failure)),
            Ok(output) => Ok(Ok(self.push(output)?)),
        }
    }

    async fn attach(&mut self, container: String) -> Answer<Resource<Held>> {
        self.enter("docker.attach")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        container.bounded()?;
        match Docker(&self.scope).attach_again(&container).await {
            Err(failure) => Ok(Err(failure)),
            Ok(streams) => Ok(Ok(self.push(Held(provisioner::Connection::Streams(streams)))?)),
        }
    }

    async fn address_of(&mut self, container: String, container_port: u16) -> Answer<Address> {
        self.enter("docker.address-of")?;
        container.bounded()?;
        Ok(Docker(&self.scope).address_of(&container, container_port).await)
    }

    async fn inspect(&mut self, container: String) -> Answer<Option<ContainerInfo>> {
        self.enter("docker.inspect")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        container.bounded()?;
        Ok(Docker(&self.scope).inspect(&container).await)
    }

    async fn wait(&mut self, conditions: Vec<Condition>, timeout_ms: u32) -> Answer<u32> {
        self.enter("docker.wait")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        conditions.bounded()?;
        let time = Duration::from_millis(u64::from(timeout_ms)).min(self.remaining());
        Ok(Docker(&self.scope).wait_for_one(&conditions, time).await)
    }

    async fn stop(&mut self, container: String, grace_ms: u32) -> Answer<()> {
        self.enter("docker.stop")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        container.bounded()?;
        let grace = Duration::from_millis(u64::from(grace_ms)).min(self.remaining());
        Ok(Docker(&self.scope).stop(&container, grace).await)
    }

    async fn remove(&mut self, container: String) -> Answer<()> {
        self.enter("docker.remove")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        container.bounded()?;
        Ok(Docker(&self.scope).remove(&container).await)
    }

    async fn exec(&mut self, container: String, words: Vec<String>, output_limit: u32) -> Answer<ExecResult> {
        self.enter("docker.exec")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        container.bounded()?;
        words.bounded()?;
        Ok(Docker(&self.scope).exec(&container, &words, output_limit as usize).await)
    }

    async fn log_tail(&mut self, container: String, lines: u32) -> Answer<String> {
        self.enter("docker.log-tail")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        container.bounded()?;
        Ok(Docker(&self.scope).log_tail(&container, lines).await)
    }

    async fn containers(&mut self, labels: Vec<Label>, page: Page) -> Answer<ContainerPage> {
        self.enter("docker.containers")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        labels.bounded()?;
        page.cursor.bounded()?;
        Ok(Docker(&self.scope).containers(&labels, page).await)
    }

    async fn networks(&mut self, labels: Vec<Label>, page: Page) -> Answer<NetworkPage> {
        self.enter("docker.networks")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        labels.bounded()?;
        page.cursor.bounded()?;
        Ok(Docker(&self.scope).networks(&labels, page).await)
    }

    async fn create_network(&mut self, spec: NetworkSpec) -> Answer<String> {
        self.enter("docker.create-network")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        spec.name.bounded()?;
        spec.labels.bounded()?;
        Docker(&self.scope).create_network(spec).await
    }

    async fn connect_network(
        &mut self,
        network: String,
        container: String,
        aliases: Vec<String>,
    ) -> Answer<()> {
        self.enter("docker.connect-network")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        network.bounded()?;
        container.bounded()?;
        aliases.bounded()?;
        Ok(Docker(&self.scope).connect_network(&network, &container, &aliases).await)
    }

    async fn remove_network(&mut self, network: String) -> Answer<()> {
        self.enter("docker.remove-network")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        network.bounded()?;
        Ok(Docker(&self.scope).remove_network(&network).await)
    }

    fn plan_egress_proxy(&mut self, spec: ProxySpec) -> Answer<EgressProxy> {
        self.enter("docker.plan-egress-proxy")?;
        spec.bounded()?;
        Ok(Docker(&self.scope).plan_proxy(&spec))
    }

    async fn start_egress_proxy(&mut self, spec: ProxySpec) -> Answer<EgressProxy> {
        self.enter("docker.start-egress-proxy")?;
        spec.bounded()?;
        Docker(&self.scope).start_proxy(spec).await
    }
}

impl Docker<'_> {
    /// The engine behind the grant.
    fn docker(&self) -> Result<&Arc<DockerEngine>, Failure> {
        self.host.config.docker.as_ref().map_err(|error| self.of_engine(error))
    }

    /// An error of the engine's, as the contract has it.
    fn of_engine(&self, error: &Error) -> Failure {
        let category = match error.kind {
            ErrorKind::Unreachable => FailureCategory::Retryable,
            ErrorKind::Denied => FailureCategory::Permission,
            ErrorKind::NotFound => FailureCategory::NotFound,
            ErrorKind::Conflict => FailureCategory::Conflict,
            ErrorKind::Image => FailureCategory::Image,
            ErrorKind::Specification => FailureCategory::Config,
            ErrorKind::Quota => FailureCategory::Quota,
            ErrorKind::Unsupported => FailureCategory::Unsupported,
            ErrorKind::Engine => FailureCategory::Permanent,
        };
        // The engine's words are data too.
        let text = sanitize::line(&error.text, sanitize::LINE);
        Failure { hint: error.hint.clone(), ..self.refuse(category, text) }
    }

    fn not_in_this_phase(&self, what: &str) -> Failure {
        let text = format!("nothing is {what} in `{}`", self.phase.as_str());
        self.refuse(FailureCategory::Permission, text)
    }
}

impl Bounded for Label {
    fn bounded(&self) -> Result<(), limits::Met> {
        self.key.bounded()?;
        self.value.bounded()
    }
}
