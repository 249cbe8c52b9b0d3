//! What the host functions do once they have been entered: ask whether it may be, then ask the engine.

use super::output::Tail;
use super::{Answer, CONTAINER, Docker, LOG, NETWORK, OUTPUT, PAGE, engine, output, own, records};
use crate::sanitize;
use crate::v0_1::connection::RunOutput;
use crate::v0_1::imported::docker::{
    ContainerInfo, ContainerPage, ContainerSpec, EngineInfo, ExecResult, ImageInfo, ImageRequest,
    NetworkPage, NetworkSpec,
};
use crate::v0_1::types::{Failure, FailureCategory, Finding, Label, Page, Severity};
use host_provisioner::{Captured, Ending, Progress, Streams, ToolOutput};
use host_workload_docker::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

impl Docker<'_> {
    pub(super) async fn engine_info(&self) -> Result<EngineInfo, Failure> {
        let engine = self.docker()?;
        let info = engine.info().await.map_err(|error| self.of_engine(&error))?;
        Ok(records::engine(info))
    }

    pub(super) async fn ensure_image(&self, image: ImageRequest) -> Result<ImageInfo, Failure> {
        let request = self.image_request(image)?;
        if request.pull != engine::PullPolicy::Never {
            self.image_trusted(&request.reference, request.digest.as_deref()).await?;
        }
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

    pub(super) async fn resolve_image(&self, image: ImageRequest) -> Result<String, Failure> {
        let request = self.image_request(image)?;
        self.docker()?.resolve_image(&request).await.map_err(|error| self.of_engine(&error))
    }

    /// Everything that speaks against it, as far as it can be told without creating anything.
    pub(super) async fn findings(&self, spec: &ContainerSpec) -> Result<Vec<Finding>, Failure> {
        let Some(server) = self.server.clone() else {
            return Err(self.not_in_this_phase("checked"));
        };
        let found = self.problems(spec, &server).await?;
        Ok(found.into_iter().map(|failure| Finding { severity: Severity::Problem, failure }).collect())
    }

    pub(super) async fn start_attached(
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
        // Its streams are the relay's, and so are its last words.
        self.host.containers.add(&attached.container, begun, attached.watched, Tail::default());
        let streams = Streams {
            label: label(&attached.container),
            stdin: Box::new(attached.stdin),
            stdout: Box::new(attached.stdout),
            stderr: Some(Box::new(attached.stderr)),
        };
        Ok(Ok((attached.container, streams)))
    }

    pub(super) async fn start(&self, spec: ContainerSpec) -> Answer<String> {
        let (wanted, begun) = match self.begin_container(spec, false).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(self.start_begun(&wanted, begun).await)
    }

    pub(super) async fn start_begun(
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
        // Attached before it starts, so that its first words are not lost.
        let attached = engine.attach(&id).await.map_err(failed)?;
        let watched = attached.watched.clone();
        engine.start(&id).await.map_err(|error| failed(wanted.hide(error)))?;
        let tail = output::follow(&begun.server, attached, &self.blotter());
        self.host.containers.add(&id, begun, watched, tail);
        Ok(id)
    }

    pub(super) async fn run(
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
        let ran = engine.run(&wanted, input.map(Into::into), limit.min(16 << 20), time).await;
        self.forget_noted(CONTAINER, &wanted.name);
        Ok(match ran {
            Err(error) => Err(self.of_engine(&error)),
            Ok(ran) => {
                let (ending, exit_code) = match ran.ending {
                    engine::Ending::Exited(code) => (Ending::Exited, Some(code)),
                    engine::Ending::TimedOut => (Ending::TimedOut, None),
                    engine::Ending::OutOfMemory(code) => (Ending::OutOfMemory, Some(code)),
                    engine::Ending::Lost => (Ending::Lost, None),
                };
                let captured = |stream: engine::Captured| {
                    let left_out = stream.total.saturating_sub(stream.bytes.len() as u64);
                    Captured { bytes: stream.bytes, left_out: Some(left_out) }
                };
                let (stdout, stderr) = (captured(ran.stdout), captured(ran.stderr));
                let ran = ToolOutput { ending, exit_code, stdout, stderr, fields: Vec::new() };
                let label = format!("output of container {}", wanted.name);
                Ok(RunOutput { label, ran, closed: begun.closed })
            }
        })
    }

    pub(super) async fn attach_again(&self, container: &str) -> Result<Streams, Failure> {
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

    pub(super) async fn inspect(&self, container: &str) -> Result<Option<ContainerInfo>, Failure> {
        let closed = self.host.containers.is_closed(container);
        match self.own(container).await? {
            Some(info) if info.state != "removing" => Ok(Some(records::container(info, closed))),
            // The engine has removed it, or is about to; what was heard of its end is still known.
            _ => Ok(self.ended(container).map(|ended| records::ended(ended, closed))),
        }
    }

    pub(super) async fn stop(&self, container: &str, grace: Duration) -> Result<(), Failure> {
        if !self.may_remove() {
            return Err(self.not_in_this_phase("stopped"));
        }
        match self.own(container).await? {
            None => Ok(()),
            Some(info) => {
                self.host.containers.expect_end(&info.id);
                self.docker()?.stop(&info.id, grace).await.map_err(|error| self.of_engine(&error))
            }
        }
    }

    pub(super) async fn remove(&self, container: &str) -> Result<(), Failure> {
        if !self.may_remove() {
            return Err(self.not_in_this_phase("removed"));
        }
        let name = match self.own(container).await? {
            Some(info) => {
                self.host.containers.expect_end(&info.id);
                self.docker()?.remove(&info.id).await.map_err(|error| self.of_engine(&error))?;
                info.name
            }
            None => self.ended(container).map_or_else(|| container.to_owned(), |ended| ended.name),
        };
        self.forget_noted(CONTAINER, &name);
        self.host.containers.remove(container);
        Ok(())
    }

    pub(super) async fn exec(
        &self,
        container: &str,
        words: &[String],
        limit: usize,
    ) -> Result<ExecResult, Failure> {
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

    pub(super) async fn log_tail(&self, container: &str, lines: u32) -> Result<String, Failure> {
        let info = self.open(container, "read the output of").await?;
        let text = self.docker()?.log_tail(&info.id, lines.min(1000), LOG).await;
        text.map_err(|error| self.of_engine(&error))
    }

    pub(super) async fn containers(&self, labels: &[Label], page: Page) -> Result<ContainerPage, Failure> {
        let filters = own::filters(labels);
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let request =
            engine::PageRequest { cursor: page.cursor, limit: (page.limit as usize).clamp(1, PAGE) };
        let found = self.docker()?.containers(&filters, &request).await;
        let found = found.map_err(|error| self.of_engine(&error))?;
        let containers = found.items.into_iter().map(|info| records::container(info, true)).collect();
        Ok(ContainerPage { containers, cursor: found.cursor })
    }

    pub(super) async fn networks(&self, labels: &[Label], page: Page) -> Result<NetworkPage, Failure> {
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

    pub(super) async fn create_network(&self, spec: NetworkSpec) -> Answer<String> {
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

    pub(super) async fn connect_network(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("joined"));
        }
        let info = self.own(container).await?.ok_or_else(|| self.not_there(container))?;
        self.network_fits(network).await?;
        if self.host.containers.is_closed(&info.id) && !self.is_of_lease(network).await? {
            let text = "a container that carries secrets joins only networks of its own lease";
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let joined = self.docker()?.connect_network(network, &info.id, aliases).await;
        joined.map_err(|error| self.of_engine(&error))
    }

    pub(super) async fn remove_network(&self, network: &str) -> Result<(), Failure> {
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
