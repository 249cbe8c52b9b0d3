//! `docker`: containers on an engine with Docker's API. What may be asked for is checked in `check`, whose an object is in `own`; here it is
//! done.

mod check;
mod own;
mod records;
mod wait;

pub(crate) use own::Containers;

use crate::state::{CallState, Scope};
use crate::v0_1::bounds::Bounded;
use crate::v0_1::connection::{Held, RunOutput};
use crate::v0_1::imported::connection::Ending;
use crate::v0_1::imported::docker::{
    Address, Attached, Condition, ContainerInfo, ContainerPage, ContainerSpec, EgressProxy, EngineInfo,
    ExecResult, Host, ImageInfo, ImageRequest, NetworkPage, NetworkSpec, ProxySpec,
};
use crate::v0_1::types::{Failure, FailureCategory, Finding, Label, Page, PullPolicy, Severity};
use crate::{limits, sanitize};
use host_provisioner as provisioner;
use host_provisioner::{Phase, Progress, Streams};
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
        Ok(Docker(&self.scope).engine_info().await)
    }

    async fn ensure_image(&mut self, image: ImageRequest) -> Answer<ImageInfo> {
        self.enter("docker.ensure-image")?;
        image.bounded()?;
        if !self.scope.may_create() && image.pull != PullPolicy::Never {
            return Ok(Err(Docker(&self.scope).not_in_this_phase("pulled")));
        }
        Ok(Docker(&self.scope).ensure_image(image).await)
    }

    async fn resolve_image(&mut self, image: ImageRequest) -> Answer<String> {
        self.enter("docker.resolve-image")?;
        image.bounded()?;
        Ok(Docker(&self.scope).resolve_image(image).await)
    }

    async fn check(&mut self, spec: ContainerSpec) -> Answer<Vec<Finding>> {
        self.enter("docker.check")?;
        spec.bounded()?;
        Ok(Docker(&self.scope).findings(&spec).await)
    }

    async fn start_attached(&mut self, spec: ContainerSpec) -> Answer<Attached> {
        self.enter("docker.start-attached")?;
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
        container.bounded()?;
        match Docker(&self.scope).attach_again(&container).await {
            Err(failure) => Ok(Err(failure)),
            Ok(streams) => Ok(Ok(self.push(Held(provisioner::Connection::Streams(streams)))?)),
        }
    }

    fn address_of(&mut self, container: String, _container_port: u16) -> Answer<Address> {
        self.enter("docker.address-of")?;
        container.bounded()?;
        let text = "this gateway does not reach ports of containers yet";
        Ok(Err(self.scope.refuse(FailureCategory::Unsupported, text)))
    }

    async fn inspect(&mut self, container: String) -> Answer<Option<ContainerInfo>> {
        self.enter("docker.inspect")?;
        container.bounded()?;
        Ok(Docker(&self.scope).inspect(&container).await)
    }

    async fn wait(&mut self, conditions: Vec<Condition>, timeout_ms: u32) -> Answer<u32> {
        self.enter("docker.wait")?;
        conditions.bounded()?;
        let time = Duration::from_millis(u64::from(timeout_ms)).min(self.remaining());
        Ok(Docker(&self.scope).wait_for_one(&conditions, time).await)
    }

    async fn stop(&mut self, container: String, grace_ms: u32) -> Answer<()> {
        self.enter("docker.stop")?;
        container.bounded()?;
        let grace = Duration::from_millis(u64::from(grace_ms)).min(self.remaining());
        Ok(Docker(&self.scope).stop(&container, grace).await)
    }

    async fn remove(&mut self, container: String) -> Answer<()> {
        self.enter("docker.remove")?;
        container.bounded()?;
        Ok(Docker(&self.scope).remove(&container).await)
    }

    async fn exec(&mut self, container: String, words: Vec<String>, output_limit: u32) -> Answer<ExecResult> {
        self.enter("docker.exec")?;
        container.bounded()?;
        words.bounded()?;
        Ok(Docker(&self.scope).exec(&container, &words, output_limit as usize).await)
    }

    async fn log_tail(&mut self, container: String, lines: u32) -> Answer<String> {
        self.enter("docker.log-tail")?;
        container.bounded()?;
        Ok(Docker(&self.scope).log_tail(&container, lines).await)
    }

    async fn containers(&mut self, labels: Vec<Label>, page: Page) -> Answer<ContainerPage> {
        self.enter("docker.containers")?;
        labels.bounded()?;
        page.cursor.bounded()?;
        Ok(Docker(&self.scope).containers(&labels, page).await)
    }

    async fn networks(&mut self, labels: Vec<Label>, page: Page) -> Answer<NetworkPage> {
        self.enter("docker.networks")?;
        labels.bounded()?;
        page.cursor.bounded()?;
        Ok(Docker(&self.scope).networks(&labels, page).await)
    }

    async fn create_network(&mut self, spec: NetworkSpec) -> Answer<String> {
        self.enter("docker.create-network")?;
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
        network.bounded()?;
        container.bounded()?;
        aliases.bounded()?;
        Ok(Docker(&self.scope).connect_network(&network, &container, &aliases).await)
    }

    async fn remove_network(&mut self, network: String) -> Answer<()> {
        self.enter("docker.remove-network")?;
        network.bounded()?;
        Ok(Docker(&self.scope).remove_network(&network).await)
    }

    fn plan_egress_proxy(&mut self, _spec: ProxySpec) -> Answer<EgressProxy> {
        self.enter("docker.plan-egress-proxy")?;
        Ok(Err(Docker(&self.scope).no_proxy()))
    }

    fn start_egress_proxy(&mut self, _spec: ProxySpec) -> Answer<EgressProxy> {
        self.enter("docker.start-egress-proxy")?;
        Ok(Err(Docker(&self.scope).no_proxy()))
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

    fn no_proxy(&self) -> Failure {
        let text = "this gateway has no egress proxy for containers yet";
        let hint = "take `allowHosts` out of the entry, cut it off with `disableNetwork`, or accept it with `onUnenforced: report`";
        self.refuse_with(FailureCategory::Unsupported, text, hint)
    }

    async fn engine_info(&self) -> Result<EngineInfo, Failure> {
        let engine = self.docker()?;
        let info = engine.info().await.map_err(|error| self.of_engine(&error))?;
        Ok(records::engine(info))
    }

    async fn ensure_image(&self, image: ImageRequest) -> Result<ImageInfo, Failure> {
        let request = self.image_request(image)?;
        let sink = self.call.progress.clone();
        let reference = sanitize::line(&request.reference, 200);
        let shown = std::sync::Mutex::new(None::<std::time::Instant>);
        let progress = move |now: &engine::PullProgress| {
            let (Some(sink), false) = (&sink, now.status.is_empty()) else { return };
            let mut last = shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // The engine says many times a second how a layer grows.
            if last.is_some_and(|last| last.elapsed() < Duration::from_millis(200)) {
                return;
            }
            *last = Some(std::time::Instant::now());
            // In KiB, so that 4 TiB can be told.
            let kib = |bytes: u64| u32::try_from(bytes >> 10).ok().filter(|_| now.total > 0);
            sink.report(Progress {
                text: format!("pull image `{reference}`: {}", sanitize::line(&now.status, 100)),
                done: kib(now.done),
                total: kib(now.total),
            });
        };
        let found = self.docker()?.ensure_image(&request, progress).await;
        found.map(records::image).map_err(|error| self.of_engine(&error))
    }

    async fn resolve_image(&self, image: ImageRequest) -> Result<String, Failure> {
        let request = self.image_request(image)?;
        self.docker()?.resolve_image(&request).await.map_err(|error| self.of_engine(&error))
    }

    /// Everything that speaks against it, as far as it can be told without creating anything.
    async fn findings(&self, spec: &ContainerSpec) -> Result<Vec<Finding>, Failure> {
        let Some(server) = self.server.clone() else {
            return Err(self.not_in_this_phase("checked"));
        };
        let found = self.problems(spec, &server).await?;
        Ok(found.into_iter().map(|failure| Finding { severity: Severity::Problem, failure }).collect())
    }

    async fn start_attached(
        &self,
        spec: ContainerSpec,
    ) -> wasmtime::Result<Result<(String, Streams), Failure>> {
        let (wanted, begun) = match self.begin_container(spec, true).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(failure)),
        };
        let engine = match self.docker() {
            Ok(engine) => Arc::clone(engine),
            Err(failure) => return Ok(Err(failure)),
        };
        let attached = match engine.start_attached(&wanted).await {
            Ok(attached) => attached,
            Err(error) if error.kind == ErrorKind::Conflict => {
                // Of the same request it is the one that a lost answer was about.
                let Some(id) = self.same_request(&wanted.name).await else {
                    return Ok(Err(self.of_engine(&error)));
                };
                match engine.attach(&id).await {
                    Ok(attached) => attached,
                    Err(error) => return Ok(Err(self.of_engine(&error))),
                }
            }
            Err(error) => return Ok(Err(self.of_engine(&error))),
        };
        self.host.containers.add(&attached.container, begun, attached.watched);
        let streams = Streams {
            label: label(&attached.container),
            stdin: Box::new(attached.stdin),
            stdout: Box::new(attached.stdout),
            stderr: Some(Box::new(attached.stderr)),
        };
        Ok(Ok((attached.container, streams)))
    }

    async fn start(&self, spec: ContainerSpec) -> Answer<String> {
        let (wanted, begun) = match self.begin_container(spec, false).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(self.start_begun(&wanted, begun).await)
    }

    async fn start_begun(
        &self,
        wanted: &engine::ContainerSpec,
        begun: own::Begun,
    ) -> Result<String, Failure> {
        let engine = self.docker()?;
        let failed = |error: Error| self.of_engine(&error);
        let id = match engine.create(wanted).await {
            Ok(id) => id,
            Err(error) if error.kind == ErrorKind::Conflict => {
                let found = self.same_request(&wanted.name).await;
                found.ok_or_else(|| failed(error))?
            }
            Err(error) => return Err(failed(error)),
        };
        let watched = engine.watch(&id).await.map_err(failed)?;
        engine.start(&id).await.map_err(failed)?;
        self.host.containers.add(&id, begun, watched);
        Ok(id)
    }

    async fn run(
        &self,
        spec: ContainerSpec,
        input: Option<Vec<u8>>,
        limit: usize,
        time: Duration,
    ) -> wasmtime::Result<Result<RunOutput, Failure>> {
        let (wanted, begun) = match self.begin_container(spec, input.is_some()).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(failure)),
        };
        let engine = match self.docker() {
            Ok(engine) => Arc::clone(engine),
            Err(failure) => return Ok(Err(failure)),
        };
        // Nobody takes the bytes yet, but a program must be able to write them.
        let ran = engine.run(&wanted, input.map(Into::into), limit.min(16 << 20), time).await;
        self.forget_noted(CONTAINER, &wanted.name);
        Ok(match ran {
            Err(error) => Err(self.of_engine(&error)),
            Ok(ran) => {
                let (ending, code) = match ran.ending {
                    engine::Ending::Exited(code) => (Ending::Exited, Some(code)),
                    engine::Ending::TimedOut => (Ending::TimedOut, None),
                    engine::Ending::OutOfMemory(code) => (Ending::OutOfMemory, Some(code)),
                    engine::Ending::Lost => (Ending::Lost, None),
                };
                let label = format!("output of container {}", wanted.name);
                Ok(RunOutput { label, ending, exit_code: code.filter(|_| !begun.closed) })
            }
        })
    }

    async fn attach_again(&self, container: &str) -> Result<Streams, Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("attached"));
        }
        let info = self.own(container).await?.ok_or_else(|| self.not_there(container))?;
        let attached = self.docker()?.attach(&info.id).await.map_err(|error| self.of_engine(&error))?;
        Ok(Streams {
            label: label(&info.id),
            stdin: Box::new(attached.stdin),
            stdout: Box::new(attached.stdout),
            stderr: Some(Box::new(attached.stderr)),
        })
    }

    async fn inspect(&self, container: &str) -> Result<Option<ContainerInfo>, Failure> {
        let closed = self.host.containers.is_closed(container);
        match self.own(container).await? {
            Some(info) if info.state != "removing" => Ok(Some(records::container(info, closed))),
            // The engine has removed it, or is about to; what was heard of its end is still known.
            _ => Ok(self.ended(container).map(|ended| records::ended(ended, closed))),
        }
    }

    async fn stop(&self, container: &str, grace: Duration) -> Result<(), Failure> {
        if !self.may_remove() {
            return Err(self.not_in_this_phase("stopped"));
        }
        match self.own(container).await? {
            None => Ok(()),
            Some(info) => self.docker()?.stop(&info.id, grace).await.map_err(|error| self.of_engine(&error)),
        }
    }

    async fn remove(&self, container: &str) -> Result<(), Failure> {
        if !self.may_remove() {
            return Err(self.not_in_this_phase("removed"));
        }
        let name = match self.own(container).await? {
            Some(info) => {
                self.docker()?.remove(&info.id).await.map_err(|error| self.of_engine(&error))?;
                info.name
            }
            None => self.ended(container).map_or_else(|| container.to_owned(), |ended| ended.name),
        };
        self.forget_noted(CONTAINER, &name);
        self.host.containers.remove(container);
        Ok(())
    }

    async fn exec(&self, container: &str, words: &[String], limit: usize) -> Result<ExecResult, Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("run"));
        }
        let info = self.open(container, "run a program in").await?;
        let ran = self.docker()?.exec(&info.id, words, limit.min(OUTPUT)).await;
        let ran = ran.map_err(|error| self.of_engine(&error))?;
        let exit_code = ran.exit_code.ok_or_else(|| {
            self.refuse(FailureCategory::Retryable, "the engine does not know how the program ended")
        })?;
        Ok(ExecResult { exit_code, stdout: ran.stdout.bytes, stderr: ran.stderr.bytes })
    }

    async fn log_tail(&self, container: &str, lines: u32) -> Result<String, Failure> {
        let info = self.open(container, "read the output of").await?;
        let text = self.docker()?.log_tail(&info.id, lines.min(1000), LOG).await;
        text.map_err(|error| self.of_engine(&error))
    }

    async fn containers(&self, labels: &[Label], page: Page) -> Result<ContainerPage, Failure> {
        let filters = own::filters(labels);
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let request =
            engine::PageRequest { cursor: page.cursor, limit: (page.limit as usize).clamp(1, PAGE) };
        let found = self.docker()?.containers(&filters, &request).await;
        let found = found.map_err(|error| self.of_engine(&error))?;
        let containers = found.items.into_iter().map(|info| records::container(info, true)).collect();
        Ok(ContainerPage { containers, cursor: found.cursor })
    }

    async fn networks(&self, labels: &[Label], page: Page) -> Result<NetworkPage, Failure> {
        let filters = own::filters(labels);
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let request =
            engine::PageRequest { cursor: page.cursor, limit: (page.limit as usize).clamp(1, PAGE) };
        let found = self.docker()?.networks(&filters, &request).await;
        let found = found.map_err(|error| self.of_engine(&error))?;
        Ok(NetworkPage {
            networks: found.items.into_iter().map(records::network).collect(),
            cursor: found.cursor,
        })
    }

    async fn create_network(&self, spec: NetworkSpec) -> Answer<String> {
        let Some(record) = self.record.clone().filter(|_| self.may_create()) else {
            return Ok(Err(self.not_in_this_phase("created")));
        };
        let engine = match self.docker() {
            Ok(engine) => Arc::clone(engine),
            Err(failure) => return Ok(Err(failure)),
        };
        let wanted = engine::NetworkSpec {
            labels: self.labelled(&record, spec.labels),
            name: spec.name,
            internal: spec.internal,
        };
        // *Invariant:* noted before it is created.
        if let Err(failure) = self.note(&record, NETWORK, &wanted.name).await? {
            return Ok(Err(failure));
        }
        Ok(match engine.create_network(&wanted).await {
            Ok(id) => Ok(id),
            Err(error) if error.kind == ErrorKind::Conflict => match self.own_network(&wanted.name).await {
                Ok(Some(network)) if network.internal == wanted.internal => Ok(network.id),
                Ok(_) => Err(self.of_engine(&error)),
                Err(failure) => Err(failure),
            },
            Err(error) => Err(self.of_engine(&error)),
        })
    }

    async fn connect_network(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("joined"));
        }
        let info = self.own(container).await?.ok_or_else(|| self.not_there(container))?;
        let server = self.server.clone();
        self.network_fits(network, server.as_deref()).await?;
        if self.host.containers.is_closed(&info.id) && !self.is_of_lease(network).await? {
            let text = "a container that carries secrets joins only networks of its own lease";
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let joined = self.docker()?.connect_network(network, &info.id, aliases).await;
        joined.map_err(|error| self.of_engine(&error))
    }

    async fn remove_network(&self, network: &str) -> Result<(), Failure> {
        if !self.may_remove() {
            return Err(self.not_in_this_phase("removed"));
        }
        let name = match self.own_network(network).await? {
            Some(found) => {
                let removed = self.docker()?.remove_network(&found.id).await;
                removed.map_err(|error| self.of_engine(&error))?;
                found.name
            }
            None => network.to_owned(),
        };
        self.forget_noted(NETWORK, &name);
        Ok(())
    }
}

/// For logs: the first letters of an id say as much as all of them.
fn label(container: &str) -> String {
    format!("stdio of container {}", container.get(..12).unwrap_or(container))
}

impl Bounded for Label {
    fn bounded(&self) -> Result<(), limits::Met> {
        self.key.bounded()?;
        self.value.bounded()
    }
}
