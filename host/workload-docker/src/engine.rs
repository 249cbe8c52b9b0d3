//! The engine as its users see it: made from a value, connected at the first use.

use crate::creating::Creating;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::image::Pulls;
use crate::watch::Watch;
use crate::wire::Wire;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Seconds that bollard waits for an answer. Deadlines are the caller's, so it is only there to be longer than any of them.
const NEVER: u64 = 7 * 24 * 3600;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Docker's configuration folder, for credentials of registries; absent: there are none.
    pub config_dir: Option<PathBuf>,
    /// Id or name of the container that this process runs in, if it runs in one.
    pub own_container: Option<String>,
}

/// What an engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its version: `28.3.0`.
    pub version: String,
    /// Version of the API that is spoken: `1.41`.
    pub api_version: String,
    /// `linux`, `windows`.
    pub os: String,
    /// As the engine calls it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Whether it runs without the rights of root.
    pub rootless: bool,
    /// Whether it runs on this machine, as far as its address tells: through a socket, or on loopback.
    pub local: bool,
    /// Which of `memory`, `cpu` and `processes` it enforces. Whether it enforces `disk` is only known by trying.
    pub limits: Vec<&'static str>,
    /// Processors.
    pub processors: u32,
    /// Networks that this process's own container is attached to, sorted; empty when it runs in none.
    pub own_networks: Vec<String>,
}

/// A container engine. See the crate's documentation. All functions must be called within a tokio runtime.
pub struct DockerEngine {
    pub(crate) config: EngineConfig,
    pub(crate) wire: Arc<Wire>,
    docker: OnceCell<Docker>,
    pub(crate) watch: Watch,
    pub(crate) pulls: Pulls,
    pub(crate) creating: Creating,
}

impl DockerEngine {
    /// Makes an engine. Connects to nothing.
    #[must_use]
    pub fn new(config: EngineConfig) -> Arc<Self> {
        let wire = Arc::new(Wire::new(config.endpoint.clone()));
        Arc::new(Self {
            watch: Watch::new(Arc::clone(&wire)),
            config,
            wire,
            docker: OnceCell::new(),
            pulls: Pulls::default(),
            creating: Creating::default(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.wire.endpoint()
    }

    /// The client, once the version of the API is agreed on. A failure is not kept: the engine may be started later.
    pub(crate) async fn docker(&self) -> Result<&Docker, Error> {
        let connect = || async {
            let what = format!("reach the engine at {}", self.endpoint());
            let wire = Arc::clone(&self.wire);
            let transport = move |request| Arc::clone(&wire).bollard(request);
            let docker = Docker::connect_with_custom_transport(
                transport,
                Some("http://docker"),
                NEVER,
                API_DEFAULT_VERSION,
            )
            .map_err(|error| Error::of(&what, &error))?;
            let version = docker.version().await.map_err(|error| Error::of(&what, &error))?;
            let theirs = version.api_version.as_deref().and_then(minor);
            let ours = API_DEFAULT_VERSION.minor_version;
            self.wire.agree_on(format!("1.{}", theirs.map_or(ours, |theirs| theirs.min(ours))));
            Ok(docker)
        };
        self.docker.get_or_try_init(connect).await
    }

    /// Whether this process runs in a container of its own, as far as it was told.
    #[must_use]
    pub fn runs_in_container(&self) -> bool {
        self.config.own_container.is_some()
    }

    /// Names of the networks that this process's own container is attached to, sorted; empty when it runs in none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when the engine does not have that container.
    pub async fn own_networks(&self) -> Result<Vec<String>, Error> {
        match &self.config.own_container {
            Some(container) => self.networks_of(container).await,
            None => Ok(Vec::new()),
        }
    }

    /// Names of the volumes that are mounted in this process's own container; empty when it runs in none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when the engine does not have that container.
    pub async fn own_volumes(&self) -> Result<Vec<String>, Error> {
        match &self.config.own_container {
            Some(container) => self.volumes_of(container).await,
            None => Ok(Vec::new()),
        }
    }

    /// Asks the engine what it is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unreachable`] or [`crate::ErrorKind::Denied`] when it does not answer us.
    pub async fn info(&self) -> Result<EngineInfo, Error> {
        let what = "ask the engine what it is";
        let docker = self.docker().await?;
        let version = docker.version().await.map_err(|error| Error::of(what, &error))?;
        let info = docker.info().await.map_err(|error| Error::of(what, &error))?;
        let own_networks = self.own_networks().await?;
        let options = info.security_options.unwrap_or_default();
        Ok(EngineInfo {
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            os: info.os_type.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            rootless: options.iter().any(|option| option.contains("rootless")),
            local: self.endpoint().is_local(),
            limits: [
                ("memory", info.memory_limit),
                ("cpu", info.cpu_cfs_quota),
                ("processes", info.pids_limit),
            ]
            .into_iter()
            .filter_map(|(name, enforced)| enforced.unwrap_or(false).then_some(name))
            .collect(),
            processors: info.ncpu.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            own_networks,
        })
    }
}

/// `1.41` → 41.
fn minor(version: &str) -> Option<usize> {
    version.strip_prefix("1.")?.parse().ok()
}
