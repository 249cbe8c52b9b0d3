//! Containers: making, starting, asking, stopping, removing.

use crate::engine::DockerEngine;
use crate::error::{Error, ErrorKind};
use crate::files::{Owner, UserName, archive};
use crate::name::checked;
use crate::spec::ContainerSpec;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum, NetworkConnectRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, KillContainerOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
    UploadToContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{Either, Full};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Shortest values of variables that are taken out of an engine's sentence. Shorter ones would take ordinary words with them.
const SHORTEST_HIDDEN: usize = 4;

/// Bytes of a list of users or groups that are read.
const FILE_BYTES: usize = 1 << 20;

/// What the check of an image says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The image has no check.
    None,
    /// It has not been passed yet.
    Starting,
    /// It was passed.
    Healthy,
    /// It was not passed, too often.
    Unhealthy,
}

/// A port that is reached from outside the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The port inside.
    pub container_port: u16,
    /// The address outside: `127.0.0.1`.
    pub host: String,
    /// The port outside.
    pub host_port: u16,
}

/// What is known of a container, without its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Id.
    pub id: String,
    /// Name, without the slash.
    pub name: String,
    /// Image as it was asked for.
    pub image: String,
    /// Id of the image.
    pub image_id: String,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: String,
    /// Why the engine could not start it; empty otherwise.
    pub error: String,
    /// The exit code of one that has ended.
    pub exit_code: Option<i32>,
    /// Whether it was killed for want of memory.
    pub out_of_memory: bool,
    /// Its check.
    pub health: Health,
    /// Labels, sorted.
    pub labels: Vec<(String, String)>,
    /// When it was made, in seconds since 1970 by the engine's clock.
    pub created: u64,
    /// Published ports.
    pub published: Vec<Published>,
    /// Networks with its address in each, sorted by name.
    pub networks: Vec<(String, String)>,
}

impl ContainerInfo {
    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }
}

impl DockerEngine {
    /// Makes a container, joins it to its networks and places its files. It does not run yet. Its id.
    ///
    /// When it fails half-way the container is removed again, and so it is, by a task, when the future is dropped. Until then
    /// [`DockerEngine::remove`] of its name waits.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the name is taken, [`ErrorKind::Image`] when the image is not there, [`ErrorKind::Specification`].
    pub async fn create(self: &Arc<Self>, spec: &ContainerSpec) -> Result<String, Error> {
        let making = self.creating.begin(&spec.name);
        let (tell, told) = oneshot::channel();
        let (engine, spec) = (Arc::clone(self), spec.clone());
        // In a task of its own: the engine goes on when nobody listens any more, and somebody must hear what became of it.
        tokio::spawn(async move {
            if let Err(Ok(id)) = tell.send(engine.make(&spec).await)
                && let Err(error) = engine.remove(&id).await
            {
                tracing::warn!(%error, "a container that nobody waits for could not be removed");
            }
            drop(making);
        });
        told.await.unwrap_or_else(|_| Err(Error::cut("create a container", "the program is ending")))
    }

    async fn make(&self, spec: &ContainerSpec) -> Result<String, Error> {
        let what = format!("create container `{}`", spec.name);
        let body = spec.body()?;
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let docker = self.docker().await?;
        let created = docker.create_container(Some(options), body).await;
        let id = created.map_err(|error| spec.hide(missing_image(Error::of(&what, &error), spec)))?.id;
        match self.complete(&id, spec).await {
            Ok(()) => Ok(id),
            Err(error) => {
                if let Err(error) = self.remove(&id).await {
                    tracing::warn!(%error, "a container that was not completed could not be removed");
                }
                Err(spec.hide(error))
            }
        }
    }

    async fn complete(&self, id: &str, spec: &ContainerSpec) -> Result<(), Error> {
        for network in spec.networks_in_order().1 {
            let request = NetworkConnectRequest {
                container: id.to_owned(),
                endpoint_config: Some(spec.place_in_network()),
            };
            let what = format!("join container `{}` to network `{network}`", spec.name);
            self.docker()
                .await?
                .connect_network(network, request)
                .await
                .map_err(|error| Error::of(&what, &error))?;
        }
        if spec.files.is_empty() {
            return Ok(());
        }
        let what = format!("place files in container `{}`", spec.name);
        let owner = self.owner(id, spec).await?;
        let archive = archive(&spec.files, owner)?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let body = Either::Left(Full::new(Bytes::from_owner(archive)));
        let docker = self.docker().await?;
        docker.upload_to_container(id, Some(options), body).await.map_err(|error| Error::of(&what, &error))
    }

    /// The user of a container by number. Names are looked up in its own files.
    async fn owner(&self, id: &str, spec: &ContainerSpec) -> Result<Owner, Error> {
        let what = format!("find out the user of container `{}`", spec.name);
        let docker = self.docker().await?;
        let user = match &spec.user {
            Some(user) => user.clone(),
            None => {
                let found =
                    docker.inspect_container(id, None).await.map_err(|error| Error::of(&what, &error))?;
                found.config.and_then(|config| config.user).unwrap_or_default()
            }
        };
        let parts = UserName::of(&user);
        if let Some(owner) = parts.by_number() {
            return Ok(owner);
        }
        let (mut passwd, mut group) = (String::new(), String::new());
        for (path, text) in [("/etc/passwd", &mut passwd), ("/etc/group", &mut group)] {
            let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
            let mut parts = docker.download_from_container(id, Some(options)).boxed();
            let mut archive = Vec::new();
            while let Some(part) = parts.next().await {
                match part.map_err(|error| Error::of(&what, &error)) {
                    Ok(part) if archive.len() + part.len() <= FILE_BYTES => archive.extend_from_slice(&part),
                    Ok(_) => return Err(Error::specification(format!("{what}: its `{path}` is too large"))),
                    // An image may have none, and then has no names either.
                    Err(error) if error.is_not_found() => break,
                    Err(error) => return Err(error),
                }
            }
            *text = crate::files::first_text(&archive);
        }
        parts
            .by_files(&passwd, &group)
            .ok_or_else(|| Error::specification(format!("{what}: the image has no user `{user}`")))
    }

    /// Starts a container that was made. Starting one that runs changes nothing. What the engine says if it fails may repeat what the container
    /// was made of: [`ContainerSpec::hide`].
    ///
    /// # Errors
    /// [`ErrorKind::Specification`] when its program, its user or one of its mounts cannot be used; the container is then still there.
    pub async fn start(&self, container: &str) -> Result<(), Error> {
        let what = format!("start container `{}`", checked("container", container)?);
        self.docker().await?.start_container(container, None).await.map_err(|error| Error::of(&what, &error))
    }

    /// What is known of a container; `None` if it is not there.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn inspect(&self, container: &str) -> Result<Option<ContainerInfo>, Error> {
        let what = format!("inspect container `{}`", checked("container", container)?);
        self.creating.settled(container).await;
        match self.docker().await?.inspect_container(container, None).await {
            Ok(found) => Ok(Some(info(found))),
            Err(error) => match Error::of(&what, &error) {
                error if error.is_not_found() => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Waits until a container does not run any more; its exit code, `None` if the engine does not know it (any more).
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn wait(&self, container: &str) -> Result<Option<i32>, Error> {
        self.wait_for(container, "not-running").await
    }

    async fn wait_for(&self, container: &str, condition: &str) -> Result<Option<i32>, Error> {
        let what = format!("wait for container `{}`", checked("container", container)?);
        let options = WaitContainerOptionsBuilder::default().condition(condition).build();
        let mut answers = self.docker().await?.wait_container(container, Some(options)).boxed();
        match answers.next().await {
            None => Ok(None),
            Some(Ok(answer)) => Ok(i32::try_from(answer.status_code).ok()),
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => {
                Ok(i32::try_from(code).ok())
            }
            Some(Err(error)) => match Error::of(&what, &error) {
                error if error.is_not_found() => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Asks a container to end with its stop signal, and kills it after `grace`, which is rounded up to seconds; without grace it is killed at
    /// once. Succeeds when it does not run or is not there.
    ///
    /// # Errors
    /// The engine does not answer, or cannot stop it.
    pub async fn stop(&self, container: &str, grace: Duration) -> Result<(), Error> {
        let what = format!("stop container `{}`", checked("container", container)?);
        let docker = self.docker().await?;
        let done = if grace.is_zero() {
            let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
            docker.kill_container(container, Some(options)).await
        } else {
            let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
            let options = StopContainerOptionsBuilder::default().t(seconds).build();
            docker.stop_container(container, Some(options)).await
        };
        match done.map_err(|error| Error::of(&what, &error)) {
            // Killing what does not run is a conflict for the engine.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Conflict) => Ok(()),
            done => done,
        }
    }

    /// Removes a container, running or not, with the volumes that are its own, and returns when it is gone. Succeeds when it is not there.
    ///
    /// # Errors
    /// The engine does not answer, or cannot remove it.
    pub async fn remove(&self, container: &str) -> Result<(), Error> {
        let what = format!("remove container `{}`", checked("container", container)?);
        self.creating.settled(container).await;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker().await?.remove_container(container, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => match Error::of(&what, &error) {
                error if error.is_not_found() => Ok(()),
                // Somebody removes it already: the engine itself, when it has ended.
                error if error.kind == ErrorKind::Conflict => {
                    self.wait_for(container, "removed").await.map(drop)
                }
                error => Err(error),
            },
        }
    }

    /// The end of what a container has written, at most `lines` lines of both streams and `limit` bytes, as text.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there.
    pub async fn log_tail(&self, container: &str, lines: u32, limit: usize) -> Result<String, Error> {
        let what = format!("read the log of container `{}`", checked("container", container)?);
        let tail = lines.to_string();
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&tail).build();
        let mut parts = self.docker().await?.logs(container, Some(options)).boxed();
        let mut text: Vec<u8> = Vec::new();
        while let Some(part) = parts.next().await {
            text.extend_from_slice(&part.map_err(|error| Error::of(&what, &error))?.into_bytes());
            // The end counts, so what goes is the beginning.
            if text.len() > 2 * limit {
                text.drain(..text.len() - limit);
            }
        }
        let from = text.len().saturating_sub(limit);
        Ok(String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned())
    }

    /// Names of the networks that a container is attached to, sorted.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there.
    pub async fn networks_of(&self, container: &str) -> Result<Vec<String>, Error> {
        let missing = || Error::new(ErrorKind::NotFound, format!("find container `{container}`"));
        let info = self.inspect(container).await?.ok_or_else(missing)?;
        Ok(info.networks.into_iter().map(|(name, _)| name).collect())
    }
}

impl DockerEngine {
    /// Names of the volumes that are mounted in a container.
    pub(crate) async fn volumes_of(&self, container: &str) -> Result<Vec<String>, Error> {
        let what = format!("inspect container `{}`", checked("container", container)?);
        let found = self.docker().await?.inspect_container(container, None).await;
        let mounts = found.map_err(|error| Error::of(&what, &error))?.mounts.unwrap_or_default();
        Ok(mounts.into_iter().filter_map(|mount| mount.name).collect())
    }
}

impl ContainerSpec {
    /// Takes values of variables out of an engine's sentence, which may repeat what it was given. [`DockerEngine::create`],
    /// [`DockerEngine::start_attached`] and [`DockerEngine::run`] have done it.
    #[must_use]
    pub fn hide(&self, mut error: Error) -> Error {
        for (_, value) in &self.environment {
            let value = value.expose();
            if value.len() >= SHORTEST_HIDDEN && error.text.contains(value) {
                error.text = error.text.replace(value, "***");
            }
        }
        error
    }
}

fn missing_image(error: Error, spec: &ContainerSpec) -> Error {
    // At a creation, the only thing that can be missing besides networks is the image.
    if error.kind == ErrorKind::NotFound && error.text.contains(&spec.image) {
        return Error { kind: ErrorKind::Image, ..error };
    }
    error
}

fn info(found: ContainerInspectResponse) -> ContainerInfo {
    let state = found.state.unwrap_or_default();
    let config = found.config.unwrap_or_default();
    let settings = found.network_settings.unwrap_or_default();
    let status = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY);
    let ended = matches!(status, ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD);
    let health = match state.health.and_then(|health| health.status) {
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        _ => Health::None,
    };
    let mut labels: Vec<_> = config.labels.unwrap_or_default().into_iter().collect();
    labels.sort();
    let mut published = Vec::new();
    for (port, bindings) in settings.ports.unwrap_or_default() {
        let Some(container_port) = port.strip_suffix("/tcp").and_then(|port| port.parse().ok()) else {
            continue;
        };
        for binding in bindings.unwrap_or_default() {
            if let Some(host_port) = binding.host_port.and_then(|port| port.parse().ok()) {
                published.push(Published {
                    container_port,
                    host: binding.host_ip.unwrap_or_default(),
                    host_port,
                });
            }
        }
    }
    published.sort_by_key(|port| (port.container_port, port.host_port));
    let networks = settings.networks.unwrap_or_default().into_iter();
    let mut networks: Vec<_> =
        networks.map(|(name, place)| (name, place.ip_address.unwrap_or_default())).collect();
    networks.sort();
    ContainerInfo {
        id: found.id.unwrap_or_default(),
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_id: found.image.unwrap_or_default(),
        state: status.as_ref().to_owned(),
        error: state.error.unwrap_or_default(),
        exit_code: state.exit_code.filter(|_| ended).and_then(|code| i32::try_from(code).ok()),
        out_of_memory: state.oom_killed.unwrap_or(false),
        health,
        labels,
        created: found.created.as_deref().and_then(crate::list::seconds).unwrap_or(0),
        published,
        networks,
    }
}
