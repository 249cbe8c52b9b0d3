//! The environment: the one place that reads it, and every variable that means something to the program.

use host_workload_docker::Surroundings;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bearer token for HTTP clients, as in the original. Without it a random one is made and printed.
pub(crate) const AUTH_TOKEN: &str = "MCP_GATEWAY_AUTH_TOKEN";
/// Folder of ledger, control sockets and installation id, instead of the usual one of this user.
pub(crate) const STATE: &str = "GATEWAY_STATE";
/// Folder of compiled components, instead of the usual one of this user.
pub(crate) const CACHE: &str = "GATEWAY_CACHE";
/// What is logged, in the form of `tracing-subscriber`'s filters, for example `host_wasm=debug`.
pub(crate) const LOG: &str = "GATEWAY_LOG";
/// `1` says that the gateway itself runs in a container, as in the original: Docker's own files are no default there, secrets are looked for
/// where Compose puts them, and servers join its networks.
pub(crate) const IN_CONTAINER: &str = "DOCKER_MCP_IN_CONTAINER";
/// Set to `1` where the gateway runs beside an engine inside one container (`docker-mcp-gateway.md` 11.1).
pub(crate) const IN_DIND: &str = "DOCKER_MCP_IN_DIND";
/// Any value turns colours off.
pub(crate) const NO_COLOR: &str = "NO_COLOR";

/// Where the container engine is; with the four below, as for Docker's own command line.
pub(crate) const DOCKER_HOST: &str = "DOCKER_HOST";
/// Docker's context of that name, where [`DOCKER_HOST`] says nothing.
pub(crate) const DOCKER_CONTEXT: &str = "DOCKER_CONTEXT";
/// Any value encrypts the way to [`DOCKER_HOST`].
pub(crate) const DOCKER_TLS_VERIFY: &str = "DOCKER_TLS_VERIFY";
/// Folder of `ca.pem`, `cert.pem` and `key.pem`, instead of [`DOCKER_CONFIG`].
pub(crate) const DOCKER_CERT_PATH: &str = "DOCKER_CERT_PATH";
/// Docker's own folder, instead of `.docker` in the home folder.
pub(crate) const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Folders whose contents catalogues may mount for reading, beside those for temporary files; separated as in `PATH` (`docker-mcp-gateway.md` 12).
pub(crate) const BIND_READABLE: &str = "MCP_GATEWAY_DOCKER_BIND_ALLOWED_PATHS";
/// Folders that catalogues may also mount for writing; separated as in `PATH`.
pub(crate) const BIND_WRITABLE: &str = "MCP_GATEWAY_DOCKER_BIND_ALLOW_WRITABLE_PATHS";

/// Files that say where clusters are, separated as in `PATH`.
pub(crate) const KUBECONFIG: &str = "KUBECONFIG";
/// Clusters set it in every pod.
pub(crate) const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// The gateway's own pod, where it is not the host name.
pub(crate) const POD_NAME: &str = "POD_NAME";

/// What the program takes from its environment, read once at the start.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// The environment of this process. Variables that are no UTF-8 are left out.
    #[must_use]
    pub(crate) fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        Self { variables }
    }

    /// An environment of these variables.
    #[cfg(test)]
    pub(crate) fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// One variable; empty counts as absent.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables, for secrets that are looked for here.
    #[must_use]
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        self.variables.clone()
    }

    /// Where state is kept: [`STATE`], else `gateway` in the state folder of this user.
    #[must_use]
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        self.folder(STATE, "XDG_STATE_HOME", ".local/state")
    }

    /// Where compiled components are kept: [`CACHE`], else `gateway` in the cache folder of this user.
    #[must_use]
    pub(crate) fn cache_dir(&self) -> Option<PathBuf> {
        self.folder(CACHE, "XDG_CACHE_HOME", ".cache")
    }

    /// Where Docker's secrets engine of this user listens: in the cache folder, as its own clients find it.
    #[must_use]
    pub(crate) fn secrets_engine(&self) -> Option<PathBuf> {
        let home = || self.get("HOME").map(PathBuf::from);
        let caches = if cfg!(target_os = "macos") {
            home()?.join("Library/Caches")
        } else {
            match self.get("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
                Some(folder) => folder,
                None => home()?.join(".cache"),
            }
        };
        Some(caches.join("docker-secrets-engine/engine.sock"))
    }

    /// What it says about clouds: their own programs' variables, and the home folder with their files.
    #[must_use]
    pub(crate) fn clouds(&self) -> host_outbound::Surroundings {
        host_outbound::Surroundings { variables: self.all(), home: self.get("HOME").map(PathBuf::from) }
    }

    /// What it says about the container engine.
    #[must_use]
    pub(crate) fn docker(&self) -> Surroundings {
        let text = |name: &str| self.get(name).map(str::to_owned);
        let config = self.get(DOCKER_CONFIG).map(PathBuf::from);
        Surroundings {
            context_flag: None,
            host: text(DOCKER_HOST),
            context: text(DOCKER_CONTEXT),
            tls_verify: self.get(DOCKER_TLS_VERIFY).is_some(),
            cert_path: self.get(DOCKER_CERT_PATH).map(PathBuf::from),
            config_dir: config.or_else(|| Some(PathBuf::from(self.get("HOME")?).join(".docker"))),
            runtime_dir: self.get("XDG_RUNTIME_DIR").map(PathBuf::from),
            ..Surroundings::default()
        }
    }

    /// What it says about clusters.
    #[must_use]
    pub(crate) fn kubernetes(&self) -> host_workload_kubernetes::Surroundings {
        let in_pod = self.get(KUBERNETES_SERVICE_HOST).is_some();
        let own = self.get(POD_NAME).or_else(|| self.get("HOSTNAME")).filter(|_| in_pod);
        host_workload_kubernetes::Surroundings {
            kubeconfig: self.get(KUBECONFIG).map(str::to_owned),
            in_pod,
            own_pod: own.map(str::to_owned),
            home: self.get("HOME").map(PathBuf::from),
            ..host_workload_kubernetes::Surroundings::default()
        }
    }

    /// The container that the gateway itself runs in: engines give it the beginning of its id as host name.
    #[must_use]
    pub(crate) fn own_container(&self) -> Option<String> {
        (self.get(IN_CONTAINER)? == "1").then(|| self.get("HOSTNAME").map(str::to_owned)).flatten()
    }

    fn folder(&self, own: &str, xdg: &str, in_home: &str) -> Option<PathBuf> {
        if let Some(folder) = self.get(own) {
            return std::path::absolute(folder).ok();
        }
        let base = match self.get(xdg).map(PathBuf::from).filter(|p| p.is_absolute()) {
            Some(base) => base,
            None => PathBuf::from(self.get("HOME")?).join(in_home),
        };
        Some(base.join("gateway"))
    }
}
