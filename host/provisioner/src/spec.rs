//! One server as the operator asked for it, completely evaluated. Holds names of secrets, never values.

use crate::{HttpProtocol, ToolSpec, Unenforced};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Stable id of a server: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 40 characters, safe in names, labels and selectors everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(String);

impl ServerId {
    /// Derives the id from a display name: a readable slug and eight hexadecimal digits of the name's hash, so that two names that look
    /// alike, or differ only in what a slug cannot show, stay apart.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut slug = String::new();
        for c in name.chars() {
            if slug.len() >= 30 {
                break;
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_end_matches('-');
        let hash = Sha256::digest(name.as_bytes());
        let hash: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
        Self(if slug.is_empty() { hash } else { format!("{slug}-{hash}") })
    }

    /// Takes back an id that was written down. Text of another shape gives `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ok = !text.is_empty()
            && text.len() <= 40
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        ok.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// Name of a secret of the server.
    Secret(String),
    /// A setting that only the platform has.
    Setting(Setting),
}

/// A setting that is not known here: a key of a ConfigMap in the cluster where the server will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its key there.
    pub key: String,
    /// What to take where the platform has no such key; `None`: it must have one.
    pub default: Option<String>,
}

/// A value that may hold secrets, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Plain text.
    Text(String),
    /// The whole value is this secret.
    Secret(String),
    /// Text and secrets in turn.
    Joined(Vec<Part>),
}

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name, unique within the server.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// A file that the server expects to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path inside the workload.
    pub path: String,
    /// Its text.
    pub content: Value,
    /// POSIX permission bits.
    pub mode: u32,
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workload {
    /// A WASI command component.
    Component {
        /// The file.
        path: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// A WASI command component that is compiled into the program.
    Bundled {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// A container image.
    Image {
        /// As the operator wrote it.
        reference: String,
        /// The approved digest.
        digest: Option<String>,
        /// Appended to the image's entry point.
        arguments: Vec<String>,
    },
    /// A command of this machine, which the operator's own file names. Brought up without a plugin.
    Command {
        /// A path, or a name that is looked up in the command's `PATH`.
        program: String,
        /// Its arguments, read by no shell.
        arguments: Vec<String>,
        /// Where it runs; `None`: where the gateway runs.
        directory: Option<PathBuf>,
        /// A file with further variables, `NAME=value` a line; those of the specification count before them.
        environment_file: Option<PathBuf>,
    },
    /// A server that runs elsewhere and speaks HTTP. Reached without a plugin.
    Remote {
        /// Its URL.
        url: String,
        /// How it speaks; `None`: streamable HTTP, and HTTP+SSE if that is refused.
        protocol: Option<HttpProtocol>,
        /// Headers of each request.
        headers: Vec<Variable>,
        /// True if the operator's own file named the URL, so that an address written in it is granted; false if it came from a catalogue.
        by_operator: bool,
    },
    /// Tools that are containers, each run once per call. There is no server of them: the gateway is it.
    Tools {
        /// The tools; names are unique.
        tools: Vec<ToolSpec>,
    },
    /// A server that runs already and speaks MCP, a line a message, at an address: static mode. Reached without a plugin.
    Listening {
        /// Where.
        address: Address,
    },
}

/// Where a server listens that speaks without HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Where a server listens inside its workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEndpoint {
    /// The port.
    pub port: u16,
    /// Path of the MCP endpoint, beginning with `/`.
    pub path: String,
    /// A path that answers 2xx when the server is ready.
    pub health_path: Option<String>,
}

/// How the server speaks MCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Standard streams.
    Stdio,
    /// Streamable HTTP.
    StreamableHttp(ServerEndpoint),
    /// HTTP+SSE; the path is that of the event stream.
    Sse(ServerEndpoint),
}

/// A port of the workload that is reached from outside, on loopback of the machine it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// The port inside.
    pub container_port: u16,
    /// Whether it is UDP; else TCP.
    pub udp: bool,
    /// The port outside; `None`: the platform chooses.
    pub host_port: Option<u16>,
}

/// How long a workload is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifetime {
    /// As long as one client's session.
    #[default]
    Session,
    /// As long as the gateway, shared by its clients.
    Shared,
    /// As long as one call; lists that nobody asks for anything are kept a moment. What Docker's gateway does unless told otherwise.
    Call,
}

/// Access to a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Only reading.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// Where the data of a mount comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A named volume of the platform.
    Volume(String),
    /// Empty and private.
    Empty,
}

/// A folder inside the workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its data.
    pub source: MountSource,
    /// Absolute path inside the workload.
    pub target: String,
    /// What the server may do there.
    pub access: Access,
    /// Further words of Docker's `-v` that change nothing outside the workload: `z`, `Z`, `nocopy`.
    pub options: Vec<String>,
    /// How a file wrote it, in the words of Docker's `-v`, evaluated. For plans; it grants nothing. Empty where no file did so.
    pub written: String,
    /// True if the operator's own file named it; false if it came from a catalogue, which may only ask.
    pub by_operator: bool,
}

/// What the server may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Egress {
    /// What the platform allows by default.
    #[default]
    Unrestricted,
    /// Nothing.
    None,
    /// Only these patterns `host:port[/proto]`.
    Hosts(Vec<String>),
}

/// Ceilings for one workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Memory in MiB.
    pub memory_mib: Option<u32>,
    /// The same as the operator wrote it: `2Gb`. Empty where nobody wrote it.
    pub memory_written: String,
    /// Thousandths of a processor.
    pub cpu_millis: Option<u32>,
}

/// One MCP server as the operator asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Stable id.
    pub id: ServerId,
    /// Display name.
    pub name: String,
    /// What runs.
    pub workload: Workload,
    /// How it speaks.
    pub transport: Transport,
    /// How long it is kept.
    pub lifetime: Lifetime,
    /// In the order of the file; names are unique.
    pub environment: Vec<Variable>,
    /// Files to be placed.
    pub files: Vec<File>,
    /// Folders to be mounted.
    pub mounts: Vec<Mount>,
    /// Network.
    pub egress: Egress,
    /// `host:address` pairs.
    pub extra_hosts: Vec<String>,
    /// Ports that are reached from outside, in the order of the file.
    pub ports: Vec<Port>,
    /// Ceilings.
    pub limits: Limits,
    /// `uid[:gid]` or name.
    pub user: Option<String>,
    /// Arguments of an image of which only the platform knows a part, instead of those of the workload; empty where all are known here.
    pub late_arguments: Vec<Value>,
    /// Names of declared secrets.
    pub secrets: Vec<String>,
    /// What to do with fields that cannot be honoured.
    pub unenforced: Unenforced,
    /// JSON object for this provisioner.
    pub settings: String,
    /// Free text for display.
    pub annotations: Vec<(String, String)>,
    /// Own limit for coming up, instead of the pool's.
    pub start_timeout: Option<Duration>,
    /// Own limit for one MCP call; `None`: no limit.
    pub call_timeout: Option<Duration>,
    /// How long it is kept unused, instead of the pool's time.
    pub idle_timeout: Option<Duration>,
    /// Calls that one instance may have at once; further ones wait in line. `None`: any number.
    pub concurrency: Option<usize>,
    /// Longest message of its in bytes, instead of the pool's limit.
    pub output_limit: Option<usize>,
}

impl ServerSpec {
    /// A server with everything else absent.
    #[must_use]
    pub fn new(name: impl Into<String>, workload: Workload) -> Self {
        let name = name.into();
        Self {
            id: ServerId::from_name(&name),
            name,
            workload,
            transport: Transport::Stdio,
            lifetime: Lifetime::default(),
            environment: Vec::new(),
            files: Vec::new(),
            mounts: Vec::new(),
            egress: Egress::default(),
            extra_hosts: Vec::new(),
            ports: Vec::new(),
            limits: Limits::default(),
            user: None,
            late_arguments: Vec::new(),
            secrets: Vec::new(),
            unenforced: Unenforced::default(),
            settings: "{}".to_owned(),
            annotations: Vec::new(),
            start_timeout: None,
            call_timeout: None,
            idle_timeout: None,
            concurrency: None,
            output_limit: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_labels_and_never_equal_for_different_names() {
        let names =
            ["notes", "a/b c", "A/B C", "", "---", "x".repeat(200).as_str(), "ä", "ö"].map(str::to_owned);
        let ids: Vec<_> = names.iter().map(|n| ServerId::from_name(n)).collect();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(ServerId::parse(id.as_str()).as_ref(), Some(id), "{id}");
            assert!(!ids[..i].contains(id), "{id} twice");
        }
    }
}
