//! Images: what is there, what a registry has, and fetching.

pub(crate) mod configuration;
mod pull;
pub(crate) mod reference;

pub use pull::PullProgress;
pub(crate) use pull::Pulls;

use crate::engine::DockerEngine;
use crate::error::{Error, ErrorKind};
use crate::login::{Login, Logins};
use bollard::models::ImageInspect;
use reference::{Reference, is_digest};

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// It must be there.
    Never,
    /// If it is not there.
    Missing,
    /// Every time, because a tag may have moved.
    Always,
}

/// Which image, and how it is fetched. Has no `Debug`, because it may hold a password.
#[derive(Clone)]
pub struct ImageRequest {
    /// The reference as somebody wrote it.
    pub reference: String,
    /// Exactly this digest (`sha256:…`), whatever the tag means now.
    pub digest: Option<String>,
    /// `linux/amd64`.
    pub platform: Option<String>,
    /// When it is fetched.
    pub pull: PullPolicy,
    /// Absent: the credentials of Docker's configuration, or none.
    pub login: Option<Login>,
}

impl ImageRequest {
    /// An image that is fetched if it is missing, with the credentials of the machine.
    #[must_use]
    pub fn new(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            digest: None,
            platform: None,
            pull: PullPolicy::Missing,
            login: None,
        }
    }

    /// What is asked for, written out, with the digest in it if one is wanted.
    fn target(&self) -> Result<Reference, Error> {
        let reference: Reference = self.reference.parse()?;
        match &self.digest {
            None => Ok(reference),
            Some(digest) if !is_digest(digest) => {
                Err(Error::new(ErrorKind::Image, format!("`{digest}` is no digest of an image")))
            }
            Some(digest) => match reference.digest() {
                Some(own) if own != digest => Err(Error::new(
                    ErrorKind::Image,
                    format!("use image `{}`: exactly `{digest}` was asked for", self.reference),
                )),
                _ => Ok(reference.pinned(digest)),
            },
        }
    }
}

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Id on this engine: `sha256:…`. Containers are made from it, so that what was looked at is what runs.
    pub id: String,
    /// Digest in the registry of the reference; absent for an image that was only ever built here.
    pub digest: Option<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Arguments that are used when none are given.
    pub arguments: Vec<String>,
    /// User, `uid[:gid]` or a name; empty: root.
    pub user: String,
    /// Working directory.
    pub working_directory: String,
    /// Labels, sorted.
    pub labels: Vec<(String, String)>,
    /// Names of its environment variables. Values are kept back, because some images carry credentials.
    pub environment_names: Vec<String>,
    /// TCP ports it says it listens on, sorted.
    pub exposed_ports: Vec<u16>,
    /// Paths it says are volumes, sorted.
    pub volumes: Vec<String>,
    /// Whether it has a check of its own health.
    pub health_check: bool,
}

impl DockerEngine {
    /// Looks an image up on the engine; `None` if it is not there.
    ///
    /// # Errors
    /// A malformed reference, or an engine that does not answer.
    pub async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, Error> {
        let target: Reference = reference.parse()?;
        self.present(&target).await
    }

    async fn present(&self, target: &Reference) -> Result<Option<ImageInfo>, Error> {
        let what = format!("look for image `{target}`");
        match self.docker().await?.inspect_image(&target.to_string()).await {
            Ok(image) => Ok(Some(info(&image, target))),
            Err(error) => match Error::of(&what, &error) {
                error if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Image) => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Makes sure that the image is there, fetching it as the request says, and that it is the digest that was asked for. Requests for the
    /// same image at the same time are one pull; it ends when nobody waits for it any more. `progress` hears how it goes on.
    ///
    /// # Errors
    /// [`ErrorKind::Image`] when it is not there and not to be had, [`ErrorKind::Denied`], [`ErrorKind::Quota`], [`ErrorKind::Unreachable`].
    pub async fn ensure_image(
        &self,
        request: &ImageRequest,
        progress: impl Fn(&PullProgress) + Send,
    ) -> Result<ImageInfo, Error> {
        let target = request.target()?;
        if request.pull != PullPolicy::Always
            && let Some(image) = self.present(&target).await?
        {
            return Ok(image);
        }
        if request.pull == PullPolicy::Never {
            return Err(Error::new(
                ErrorKind::Image,
                format!(
                    "find image `{}`: it is not on the engine, and is not to be pulled",
                    request.reference
                ),
            )
            .with_hint(format!("fetch it with `docker pull {}`", request.reference)));
        }
        self.pull(&target, request, progress).await?;
        let missing = || {
            Error::new(ErrorKind::Image, format!("find image `{}` after it was pulled", request.reference))
        };
        self.present(&target).await?.ok_or_else(missing)
    }

    /// The digest that the registry gives the reference now, without fetching anything; where the registry does not answer or does not
    /// know it, the digest of the image on the engine.
    ///
    /// # Errors
    /// Neither of both knows it.
    pub async fn resolve_image(&self, request: &ImageRequest) -> Result<String, Error> {
        let target = request.target()?;
        if let Some(digest) = target.digest() {
            return Ok(digest.to_owned());
        }
        let what = format!("ask registry `{}` for image `{}`", target.registry(), request.reference);
        let login = self.login(request, target.registry()).await?;
        let asked = self.docker().await?.inspect_registry_image(&target.to_string(), login).await;
        let error = match asked {
            Ok(found) => match found.descriptor.digest {
                Some(digest) => return Ok(digest),
                None => Error::new(ErrorKind::Image, format!("{what}: it names no digest")),
            },
            Err(error) => Error::of(&what, &error),
        };
        match self.present(&target).await? {
            Some(ImageInfo { digest: Some(digest), .. }) => Ok(digest),
            _ => Err(error),
        }
    }

    /// The request's own credentials, else those of Docker's configuration.
    async fn login(
        &self,
        request: &ImageRequest,
        registry: &str,
    ) -> Result<Option<bollard::auth::DockerCredentials>, Error> {
        if let Some(login) = &request.login {
            return Ok(Some(login.credentials(registry)));
        }
        let Some(folder) = &self.config.config_dir else { return Ok(None) };
        let login = Logins::read(folder).await?.find(registry).await?;
        Ok(login.map(|login| login.credentials(registry)))
    }
}

fn info(image: &ImageInspect, target: &Reference) -> ImageInfo {
    let config = image.config.clone().unwrap_or_default();
    let digests = image.repo_digests.iter().flatten();
    let digest = digests
        .filter_map(|text| text.parse::<Reference>().ok())
        .find(|known| known.name() == target.name())
        .and_then(|known| known.digest().map(str::to_owned));
    let mut labels: Vec<_> = config.labels.unwrap_or_default().into_iter().collect();
    labels.sort();
    let name = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
    let port = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
    let mut exposed_ports: Vec<u16> = config.exposed_ports.iter().flatten().filter_map(port).collect();
    exposed_ports.sort_unstable();
    let mut volumes = config.volumes.unwrap_or_default();
    volumes.sort();
    ImageInfo {
        id: image.id.clone().unwrap_or_default(),
        digest: target.digest().map(str::to_owned).or(digest),
        entrypoint: config.entrypoint.unwrap_or_default(),
        arguments: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        working_directory: config.working_dir.unwrap_or_default(),
        labels,
        environment_names: config.env.iter().flatten().map(name).collect(),
        exposed_ports,
        volumes,
        // A check may also be written to switch off one of a lower layer.
        health_check: config
            .healthcheck
            .and_then(|check| check.test)
            .is_some_and(|test| test.first().is_some_and(|first| first != "NONE")),
    }
}
