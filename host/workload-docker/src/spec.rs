//! What is asked for when a container is made: what `docker run` can say, as values.

pub(crate) mod convert;
mod options;

use crate::secret::{SecretBytes, SecretText};
use std::path::PathBuf;

/// Where the data of a mount comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A folder of the engine's machine. One that does not exist is made by the engine, as with `docker run -v`.
    Folder(PathBuf),
    /// A named volume, made if it does not exist.
    Volume(String),
    /// A volume of this container's own, gone with it.
    Anonymous,
    /// Memory of at most this many bytes; absent: the engine's own limit.
    Memory(Option<u64>),
}

/// A folder inside the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// Where the data comes from.
    pub source: MountSource,
    /// Absolute path inside.
    pub target: String,
    /// Whether every change is refused.
    pub read_only: bool,
    /// Further options in the words of `docker run -v`: `z`, `Z`, `nocopy`, `rshared`, …
    pub options: Vec<String>,
}

/// A file that is placed before the container starts.
#[derive(Clone)]
pub struct FileSpec {
    /// Absolute path inside.
    pub path: String,
    /// What is in it.
    pub content: SecretBytes,
    /// POSIX permission bits.
    pub mode: u32,
}

/// A port that is published on loopback of the engine's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishSpec {
    /// The port inside.
    pub container_port: u16,
    /// Whether it is UDP.
    pub udp: bool,
    /// A fixed port outside; absent: the engine chooses.
    pub host_port: Option<u16>,
}

/// One container. Has no `Debug`, because values of variables and files may be secret.
#[derive(Clone)]
pub struct ContainerSpec {
    /// Unique on the engine.
    pub name: String,
    /// A reference, or the id of an image (`sha256:…`). Must be there.
    pub image: String,
    /// Words after the image; empty: the image's own.
    pub arguments: Vec<String>,
    /// Replaces the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's.
    pub working_directory: Option<String>,
    /// Variables. Where a name occurs twice, the last counts.
    pub environment: Vec<(String, SecretText)>,
    /// Files.
    pub files: Vec<FileSpec>,
    /// Folders.
    pub mounts: Vec<MountSpec>,
    /// Networks, the first being the one it starts in; empty: the engine's default.
    pub networks: Vec<String>,
    /// No network but `networks`.
    pub no_network: bool,
    /// Further names in the networks.
    pub network_aliases: Vec<String>,
    /// `container:name`: another container under a name of choice.
    pub links: Vec<String>,
    /// Addresses of DNS servers.
    pub dns: Vec<String>,
    /// `host:address`.
    pub extra_hosts: Vec<String>,
    /// `uid[:gid]` or names; absent: the image's own.
    pub user: Option<String>,
    /// Ceiling for memory in bytes.
    pub memory: Option<u64>,
    /// Ceiling for processor time, in thousandths of a processor.
    pub cpu_millis: Option<u32>,
    /// Number of processes and threads.
    pub processes: Option<u32>,
    /// Writable space in bytes, on storage drivers that know such a limit; the others refuse.
    pub disk: Option<u64>,
    /// An init process that reaps children.
    pub init: bool,
    /// No program gains rights by being started.
    pub no_new_privileges: bool,
    /// All rights of the engine's machine.
    pub privileged: bool,
    /// Added capabilities.
    pub capabilities_add: Vec<String>,
    /// Taken capabilities.
    pub capabilities_drop: Vec<String>,
    /// The root file system cannot be written.
    pub read_only_root: bool,
    /// Paths that are memory: `/tmp` or `/tmp:size=64m`.
    pub tmpfs: Vec<String>,
    /// Ports.
    pub publish: Vec<PublishSpec>,
    /// Replaces the image's.
    pub stop_signal: Option<String>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// Options of `docker run` that have no field here, by their names: see [`ContainerSpec::OPTIONS`]. Others are refused.
    pub options: Vec<(String, String)>,
    /// Whether it has a standard input. It is closed for good when whoever is attached closes it.
    pub stdin: bool,
}

impl ContainerSpec {
    /// What may stand in `options`.
    pub const OPTIONS: &[&str] = options::NAMES;

    /// A container with nothing but a name and an image, removed by the engine when it has ended.
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
            memory: None,
            cpu_millis: None,
            processes: None,
            disk: None,
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
            stdin: false,
        }
    }
}
