//! What is asked for when a workload is started.

use crate::component::LoadedComponent;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Memory of a workload that names no limit, in MiB. A ceiling, not a reservation. Rust guests start with 1.1 MiB, QuickJS with 1.4,
/// StarlingMonkey with 9 and Python with 12 MiB, so this leaves each of them room to work, while fifty servers that all go wrong at
/// once still fit into an ordinary laptop.
pub const DEFAULT_MEMORY_MIB: u32 = 64;

/// Files, folders, sockets and streams that a workload may hold open at once if it names no limit.
pub const DEFAULT_MAX_FILES: u32 = 256;

/// A folder of this machine inside a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// The folder, as an absolute path without links and `..`. Must exist. It is opened part by part, and a link that has come into the path
    /// since it was checked is a refusal.
    pub host: PathBuf,
    /// Absolute path under which the workload sees it.
    pub guest: String,
    /// Whether every change is refused.
    pub read_only: bool,
}

/// A file that a workload finds. Has no `Debug`, because the content may be secret.
#[derive(Clone)]
pub struct FileSpec {
    /// Absolute path under which the workload sees it. Its folder may not be that of a mount.
    pub guest: String,
    /// Its bytes, on the disk as long as the workload runs and wiped from memory with this specification.
    pub content: Zeroizing<Vec<u8>>,
    /// POSIX permission bits. Whatever they say, the owner may read it, and the workload may not write it.
    pub mode: u32,
}

/// One workload. Has no `Debug`, because values of environment variables may be secret.
#[derive(Clone)]
pub struct StartSpec {
    /// Name by which the workload is stopped and asked about; unique among those that run.
    pub id: String,
    /// What to run.
    pub component: Arc<LoadedComponent>,
    /// Arguments after the program's name, which is the component's.
    pub arguments: Vec<String>,
    /// Environment variables; nothing is inherited. The values are wiped from the engine's memory when the workload ends.
    pub environment: Vec<(String, Zeroizing<String>)>,
    /// Folders.
    pub mounts: Vec<MountSpec>,
    /// Files that are made for this workload and go with it. The folder of each is one that the workload can list, and only read.
    pub files: Vec<FileSpec>,
    /// Outbound TCP, as patterns `host:port` or `host:port/tcp`. The host is a name, a name with a leading `*.`, an IPv4 address, or an IPv6
    /// address in brackets. Addresses of private networks, of this machine and of link-local services are only reachable through a pattern
    /// that names the address itself, or `localhost` for this machine. Empty: no network at all.
    pub hosts: Vec<String>,
    /// Ceiling for the sum of all linear memories, in MiB; [`DEFAULT_MEMORY_MIB`] if not given.
    pub memory_mib: Option<u32>,
    /// Share of one processor in thousandths; 1000 and more are no limit, because a workload has one thread. What the host does for the
    /// workload on other threads (reading files, looking up names) is not counted.
    pub cpu_millis: Option<u32>,
    /// Ceiling for things held open; [`DEFAULT_MAX_FILES`] if not given. A few more are allowed for the program's own streams. A workload that
    /// goes beyond is ended, because WASI has no answer for it.
    pub max_files: Option<u32>,
}

impl StartSpec {
    /// A workload with nothing but its standard streams and the default limits.
    #[must_use]
    pub fn new(id: impl Into<String>, component: Arc<LoadedComponent>) -> Self {
        Self {
            id: id.into(),
            component,
            arguments: Vec::new(),
            environment: Vec::new(),
            mounts: Vec::new(),
            files: Vec::new(),
            hosts: Vec::new(),
            memory_mib: None,
            cpu_millis: None,
            max_files: None,
        }
    }
}
