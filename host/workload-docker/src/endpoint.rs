//! Where the engine is, by the rules of Docker's own command line: a context that was named, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current
//! context of the configuration, the usual sockets.

mod context;

use crate::error::{Error, ErrorKind};
use std::fmt;
use std::path::PathBuf;

/// What the surroundings say about the engine. The caller fills it from flags and environment; this crate reads neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `--docker-context`. Wins over everything else.
    pub context_flag: Option<String>,
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// Whether `DOCKER_TLS_VERIFY` is set.
    pub tls_verify: bool,
    /// `DOCKER_CERT_PATH`; absent: the configuration folder.
    pub cert_path: Option<PathBuf>,
    /// `DOCKER_CONFIG`, else `.docker` in the home folder.
    pub config_dir: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, where rootless engines have their sockets.
    pub runtime_dir: Option<PathBuf>,
    /// Docker's socket for the whole machine; absent: `/var/run/docker.sock`.
    pub docker_socket: Option<PathBuf>,
    /// Podman's; absent: `/run/podman/podman.sock`.
    pub podman_socket: Option<PathBuf>,
}

/// Files for TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority that signed the engine's certificate.
    pub authority: PathBuf,
    /// Our certificate and its key, where the engine asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Absent: without encryption.
        tls: Option<TlsFiles>,
    },
    /// Through `ssh HOST docker system dial-stdio`, as Docker's own command line does.
    Ssh {
        /// `user@host` or `host`.
        destination: String,
        /// Absent: what the configuration of `ssh` says.
        port: Option<u16>,
    },
}

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";

impl Endpoint {
    /// Finds out where the engine is. Reads files of the configuration folder; connects to nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Specification`]: a context that does not exist, an address of a kind that is not known, files that are missing.
    pub fn find(around: &Surroundings) -> Result<Self, Error> {
        // `default` is Docker's name for "no context".
        let named = |name: &String| (!name.is_empty() && name != "default").then(|| name.clone());
        if let Some(flag) = &around.context_flag {
            return match named(flag) {
                Some(name) => context::endpoint(around, &name),
                None => Self::usual(around),
            };
        }
        if let Some(host) = around.host.as_deref().filter(|host| !host.is_empty()) {
            let tls = if around.tls_verify { Some(cert_files(around)?) } else { None };
            return Self::parse(host, tls);
        }
        match around.context.as_ref().and_then(named).or(context::current(around)?) {
            Some(name) => context::endpoint(around, &name),
            None => Self::usual(around),
        }
    }

    /// The first of the usual sockets that is there: Docker's, a rootless Docker's, Podman's.
    fn usual(around: &Surroundings) -> Result<Self, Error> {
        let or = |given: &Option<PathBuf>, usual: &str| given.clone().unwrap_or_else(|| PathBuf::from(usual));
        let default = or(&around.docker_socket, DEFAULT_SOCKET);
        let mut sockets = vec![default.clone()];
        if let Some(folder) = &around.runtime_dir {
            sockets.extend([folder.join("docker.sock"), folder.join("podman/podman.sock")]);
        }
        sockets.push(or(&around.podman_socket, PODMAN_SOCKET));
        if let Some(folder) = &around.config_dir {
            sockets.push(folder.join("run/docker.sock"));
        }
        let found = sockets.iter().find(|socket| socket.exists()).cloned();
        Ok(Self::Unix(found.unwrap_or(default)))
    }

    /// Reads an address: `unix:///path`, `tcp://host:port`, `http://…`, `https://…`, `ssh://user@host:port`.
    ///
    /// # Errors
    /// Any other address.
    pub(crate) fn parse(text: &str, tls: Option<TlsFiles>) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::specification(format!("use the engine at `{text}`: {why}"))
                .with_hint("write `unix:///path`, `tcp://host:port` or `ssh://user@host`")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => Err(wrong("the path of a socket is absolute")),
            "tcp" | "http" | "https" => {
                let authority = rest.trim_end_matches('/');
                let default = if tls.is_some() || scheme == "https" { 2376 } else { 2375 };
                let (host, port) = host_and_port(authority).ok_or_else(|| wrong("no host and port in it"))?;
                if scheme == "https" && tls.is_none() {
                    return Err(wrong("it is encrypted, and nothing says whom to trust")
                        .with_hint("set `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`"));
                }
                Ok(Self::Tcp { host, port: port.unwrap_or(default), tls })
            }
            "ssh" => {
                let authority = rest.trim_end_matches('/');
                if authority.contains('/') {
                    return Err(wrong("a path after the host is not supported"));
                }
                let (user, host) = match authority.rsplit_once('@') {
                    Some((user, host)) => (Some(user), host),
                    None => (None, authority),
                };
                let (host, port) = host_and_port(host).ok_or_else(|| wrong("no host in it"))?;
                // A host or user that looks like an option would become one of `ssh`.
                if host.starts_with('-') || user.is_some_and(|user| user.starts_with('-') || user.is_empty())
                {
                    return Err(wrong("host and user do not begin with `-`"));
                }
                let destination = user.map_or(host.clone(), |user| format!("{user}@{host}"));
                Ok(Self::Ssh { destination, port })
            }
            _ => Err(wrong("this kind of address is not supported")),
        }
    }

    /// Whether the engine is on this machine, as far as its address tells. A tunnel that somebody else made looks like this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                host == "localhost"
                    || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
            Self::Ssh { .. } => false,
        }
    }

    /// The machine on which published ports of the engine are, seen from here; `None`: this one.
    #[must_use]
    pub fn remote_host(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp { host, .. } => Some(host),
            Self::Ssh { destination, .. } => Some(destination.rsplit('@').next().unwrap_or(destination)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh { destination, port: Some(port) } => write!(f, "ssh://{destination}:{port}"),
            Self::Ssh { destination, port: None } => write!(f, "ssh://{destination}"),
        }
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.is_empty() && !host.contains('/')).then(|| (host.to_owned(), port))
}

/// `DOCKER_TLS_VERIFY`: `ca.pem`, `cert.pem` and `key.pem` of one folder.
fn cert_files(around: &Surroundings) -> Result<TlsFiles, Error> {
    let folder = around.cert_path.as_ref().or(around.config_dir.as_ref()).ok_or_else(|| {
        Error::new(ErrorKind::Specification, "use TLS: no folder with certificates is known")
            .with_hint("set `DOCKER_CERT_PATH`")
    })?;
    tls_files(folder)
}

fn tls_files(folder: &std::path::Path) -> Result<TlsFiles, Error> {
    let authority = folder.join("ca.pem");
    if !authority.is_file() {
        return Err(Error::specification(format!("use TLS: `{}` is missing", authority.display())));
    }
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let client = match (cert.is_file(), key.is_file()) {
        (true, true) => Some((cert, key)),
        (false, false) => None,
        (true, false) => {
            return Err(Error::specification(format!("use TLS: `{}` is missing", key.display())));
        }
        (false, true) => {
            return Err(Error::specification(format!("use TLS: `{}` is missing", cert.display())));
        }
    };
    Ok(TlsFiles { authority, client })
}

#[cfg(test)]
mod tests;
