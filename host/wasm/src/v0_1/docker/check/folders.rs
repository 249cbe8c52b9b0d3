//! Which folders of this machine a container may see (`docker-mcp-gateway.md` 12). What the operator's own file names, he has granted; what a
//! catalogue asks for needs a grant. Where the keys to this machine lie, nothing is mounted for a catalogue, whatever is granted.

use super::SHOWN;
use super::sockets::socket_in;
use crate::grants::{DockerGrant, FolderGrant};
use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::docker::Docker;
use crate::v0_1::types::{Failure, FailureCategory};
use host_provisioner::Access;
use host_workload_docker::Endpoint;
use std::path::{Component, Path, PathBuf};

/// Folders of the system, with all below them. Compared without regard to case, as some file systems do.
const SYSTEM: [&str; 17] = [
    "/dev",
    "/etc",
    "/library",
    "/private/etc",
    "/private/var/run",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/system",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/root",
    "/var/run",
    "/boot",
    "/var/lib/kubelet",
];

/// Names of folders and files in which credentials are kept, wherever they are.
const CREDENTIALS: [&str; 13] = [
    ".aws",
    ".azure",
    ".config",
    ".docker",
    ".gnupg",
    ".kube",
    ".ssh",
    ".netrc",
    ".npmrc",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
];

impl Docker<'_> {
    /// The engine's socket and the gateway's own folders, without symbolic links. Read-only does not help: a socket answers all the same.
    fn keys(&self) -> Vec<PathBuf> {
        let config = &self.host.config;
        let socket = config.docker.as_ref().ok().and_then(|engine| match engine.endpoint() {
            Endpoint::Unix(path) => Some(path.clone()),
            Endpoint::Tcp { .. } | Endpoint::Ssh { .. } => None,
        });
        let ours = [Some(config.state_dir.clone()), config.cache_dir.clone(), socket];
        ours.into_iter().flatten().map(|path| real(&path).unwrap_or(path)).collect()
    }

    /// The folder without symbolic links, if it may be mounted. The engine follows links again when it mounts, which nobody can prevent; what
    /// lies in the way belongs to whoever may write there.
    pub(super) async fn bind(
        &self,
        path: PathBuf,
        access: Access,
        by_operator: bool,
        server: &ServerScope,
        grant: &DockerGrant,
    ) -> Result<PathBuf, Failure> {
        if by_operator {
            return Ok(path);
        }
        let asked = path.clone();
        let granted = grant.binds.clone();
        let found = tokio::task::spawn_blocking(move || {
            let real = real(&asked)?;
            let covers = |grant: &FolderGrant| real.starts_with(&grant.path) && access <= grant.access;
            let covered = granted.iter().any(covers);
            let socket = if covered { socket_in(&real) } else { None };
            std::io::Result::Ok((covered, socket, real))
        })
        .await;
        let shown = line(&path.display().to_string(), SHOWN);
        let name = line(&server.spec.name, SHOWN);
        let (covered, socket, real) = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                let text = format!("the folder `{shown}` cannot be mounted: {error}");
                return Err(self.refuse(FailureCategory::Config, text));
            }
            Err(_) => return Err(self.refuse(FailureCategory::Retryable, "the gateway is ending")),
        };
        let leads = match line(&real.display().to_string(), SHOWN) {
            real if real == shown => String::new(),
            real => format!(" (which is `{real}`)"),
        };
        let keys = self.keys();
        let never = |why: &str| {
            let text = format!("server `{name}` asks for `{shown}`{leads}, {why}; catalogues never get that");
            let hint = "if it must have it, name it under `folders` of the server in your own settings";
            self.refuse_with(FailureCategory::Permission, text, hint)
        };
        if let Some(why) = sensitive(&real).or_else(|| leads_to(&real, &keys)) {
            return Err(never(why));
        }
        if let Some(socket) = socket {
            let socket = line(&socket.display().to_string(), SHOWN);
            return Err(never(&format!("where the socket `{socket}` of another program is")));
        }
        if covered {
            return Ok(real);
        }
        let kind = if access == Access::ReadWrite { " for writing" } else { "" };
        let text =
            format!("server `{name}` asks for the folder `{shown}`{leads}{kind}, which no grant covers");
        let plugin = &self.plugin.name;
        let hint = format!("if it may have it, add the folder to `plugins.{plugin}.grants.docker.binds`");
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
    }
}

impl Docker<'_> {
    /// The name of a volume, unless the gateway keeps its own things in it: where the gateway runs in a container, its folders are volumes, too.
    pub(super) async fn volume(
        &self,
        name: &str,
        by_operator: bool,
        server: &ServerScope,
    ) -> Result<String, Failure> {
        let engine = self.docker()?;
        if !by_operator && engine.runs_in_container() {
            let own = engine.own_volumes().await.map_err(|error| self.of_engine(&error))?;
            if own.iter().any(|own| own == name) {
                let (server, name) = (line(&server.spec.name, SHOWN), line(name, SHOWN));
                let text = format!(
                    "server `{server}` asks for the volume `{name}`, which is mounted in the gateway's own container; catalogues never get that"
                );
                let hint =
                    "if it must have it, write the server's entry with its `volumes` in your own settings";
                return Err(self.refuse_with(FailureCategory::Permission, text, hint));
            }
        }
        Ok(name.to_owned())
    }
}

/// Why nobody but the operator himself may name this, of which one of the `keys` is part: whoever reaches it has the engine, or this gateway.
fn leads_to(path: &Path, keys: &[PathBuf]) -> Option<&'static str> {
    let leads = |key: &PathBuf| key.starts_with(path) || path.starts_with(key);
    keys.iter().any(leads).then_some("which leads to the engine or to this gateway itself")
}

/// The real form of a path, of which the last parts need not exist: the engine makes them.
fn real(path: &Path) -> std::io::Result<PathBuf> {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain || !path.is_absolute() {
        // `..` behind a folder that is made later would lead who knows where.
        return path.canonicalize();
    }
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        match there.canonicalize() {
            Ok(real) => return Ok(missing.iter().rev().fold(real, |path: PathBuf, name| path.join(name))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                match (there.parent(), there.file_name()) {
                    (Some(parent), Some(name)) => {
                        missing.push(name.to_owned());
                        there = parent;
                    }
                    _ => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Why nobody but the operator himself may name this.
fn sensitive(path: &Path) -> Option<&'static str> {
    let lower = path.to_string_lossy().to_ascii_lowercase();
    let lower = Path::new(&lower);
    if lower.parent().is_none() {
        return Some("the whole file system");
    }
    if SYSTEM.iter().any(|system| lower.starts_with(system)) {
        return Some("a folder of the system");
    }
    let mut parts = lower.components().filter_map(|part| part.as_os_str().to_str());
    parts.any(|part| CREDENTIALS.contains(&part)).then_some("where credentials are kept")
}

#[cfg(test)]
mod tests {
    use super::{leads_to, real, sensitive};
    use std::path::{Path, PathBuf};

    #[test]
    fn what_contains_or_lies_in_the_gateways_own_is_never_mounted() {
        let keys = [PathBuf::from("/tmp/engine/d.sock"), PathBuf::from("/tmp/state")];
        for path in ["/tmp", "/tmp/engine", "/tmp/engine/d.sock", "/tmp/state", "/tmp/state/run"] {
            assert!(leads_to(Path::new(path), &keys).is_some(), "{path}");
        }
        for path in ["/tmp/work", "/tmp/engine2", "/tmp/states", "/home/u"] {
            assert_eq!(leads_to(Path::new(path), &keys), None, "{path}");
        }
    }

    #[test]
    fn the_keys_to_this_machine_are_never_mounted() {
        for path in [
            "/",
            "/etc",
            "/etc/x",
            "/Library",
            "/System/x",
            "/var/run/docker.sock",
            "/run",
            "/root/x",
            "/proc/1",
            "/var/lib/docker/x",
            "/home/u/.ssh/x",
            "/tmp/a/.config",
            "/tmp/ID_RSA",
            "/srv/.aws",
        ] {
            assert!(sensitive(Path::new(path)).is_some(), "{path}");
        }
        for path in ["/tmp", "/tmp/a", "/home/u", "/etcetera", "/var/lib/dockerx", "/srv/ssh", "/runner"] {
            assert_eq!(sensitive(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_link_is_followed_and_what_is_missing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("/etc", base.join("link")).unwrap();
        assert_eq!(real(&base.join("link/x/y")).unwrap(), Path::new("/etc/x/y"));
        assert_eq!(real(&base.join("new/deep")).unwrap(), base.join("new/deep"));
        assert!(real(&base.join("new/../deep")).is_err());
    }
}
