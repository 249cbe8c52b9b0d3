//! Flags that say which servers there are and where they run.

use super::{FileArgs, ImageArgs, KubernetesArgs, ProviderArgs, parse_duration};
use crate::assemble::Fixed;
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Which names get their server's in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NamesArg {
    /// Those that two servers have: each of them
    Clash,
    /// Those of all tools
    All,
    /// None: while two servers have one name, lists and calls of its kind are refused
    Fail,
}

impl From<NamesArg> for host_config::NamePolicy {
    fn from(names: NamesArg) -> Self {
        match names {
            NamesArg::Clash => Self::Clash,
            NamesArg::All => Self::All,
            NamesArg::Fail => Self::Fail,
        }
    }
}

/// Which servers there are and where they run. Shared by every command that starts servers.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct SourceArgs {
    /// Settings file (default: `gateway.yaml` in this folder, if it is there)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Servers")]
    pub settings: Option<PathBuf>,

    /// Catalogue file in Docker's format; a later one replaces servers of an earlier one
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub catalog: Vec<String>,

    /// Files that say what there is, what runs, and with which values
    #[command(flatten)]
    pub files: FileArgs,

    /// Names of the servers to run (default: those of the settings, of editors' files, and the enabled ones of the catalogues)
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Servers")]
    pub servers: Vec<String>,

    /// Tools to offer: `TOOL`, `SERVER:TOOL`, `SERVER:*`, `*` (default: all)
    #[arg(long, value_name = "TOOL", value_delimiter = ',', help_heading = "Servers")]
    pub tools: Vec<String>,

    /// Which names get their server's in front, as `SERVER__TOOL` (default: clash)
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Servers")]
    pub names: Option<NamesArg>,

    /// Host that servers may be reached at although its addresses are not public, or without TLS: `HOST:PORT`, `*` stands for a label
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = host_config::HostPattern::with_port, help_heading = "Servers")]
    pub allow_host: Vec<host_config::HostPattern>,

    /// Servers that a plugin would start are up already, at `mcp-NAME:4444`
    #[arg(long = "static", help_heading = "Servers")]
    pub is_static: bool,

    /// Where a server is that is up already: `tcp://HOST:PORT`, `unix:///PATH`, or a URL; may be repeated
    #[arg(long, value_name = "NAME=URL", value_parser = parse_static_endpoint, help_heading = "Servers")]
    pub static_endpoint: Vec<(String, Fixed)>,

    /// A provisioner plugin: a path, or the name of a bundled one; adds or replaces it, and without `--provisioner` or placement
    /// every server it says it can run goes there
    #[arg(long, value_name = "FILE|NAME", value_hint = ValueHint::FilePath, help_heading = "Provisioners")]
    pub plugin: Vec<String>,

    /// The Docker context whose engine runs containers (default: as Docker's own command line finds its engine)
    #[arg(long, value_name = "NAME", help_heading = "Provisioners")]
    pub docker_context: Option<String>,

    /// Where the cluster is
    #[command(flatten)]
    pub kubernetes: KubernetesArgs,

    /// Where values of servers in a cluster come from
    #[command(flatten)]
    pub providers: ProviderArgs,

    /// Processors of a container that names no limit of its own; 0: all (default: 1)
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Provisioners")]
    pub cpus: Option<i32>,

    /// Memory of a container that names no limit of its own; an empty text: all (default: 2Gb)
    #[arg(long, value_name = "SIZE", value_parser = memory, help_heading = "Provisioners")]
    pub memory: Option<Memory>,

    /// Let containers reach what their entries name under `allowHosts`, and nothing else. Without it they reach the network as Docker lets
    /// them, as in Docker's gateway
    #[arg(long, help_heading = "Provisioners")]
    pub block_network: bool,

    /// Start a container for each call and take it down afterwards, as Docker's gateway does, unless the entry says `longLived`. Without it
    /// a container is kept for the session
    #[arg(long, conflicts_with = "long_lived", help_heading = "Provisioners")]
    pub container_per_call: bool,

    /// Keep every container for the session; so it is anyway, and the flag is taken as in Docker's gateway
    #[arg(long, help_heading = "Provisioners")]
    pub long_lived: bool,

    /// Which images may run
    #[command(flatten)]
    pub images: ImageArgs,

    /// Send every server to this provisioner: `docker`, `kubernetes`, `embedded`, `cloud-ecs` (Amazon ECS), `cloud-run` (Google), or a plugin of yours
    #[arg(long, value_name = "NAME", help_heading = "Provisioners")]
    pub provisioner: Option<String>,

    /// How long a server may take to come up: `90s`, `2m`; a bare number is seconds
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Provisioners")]
    pub max_server_startup_timeout: Option<Duration>,

    /// Say more: standard error of servers, plugin logs, each start and end
    #[arg(long, short, help_heading = "Output")]
    pub verbose: bool,
}

/// An amount of memory as it was written, so that a plan can repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// In bytes; 0 is no limit.
    pub bytes: u64,
    /// `2Gb`.
    pub written: String,
}

/// `2Gb`; nothing means no limit.
fn memory(text: &str) -> Result<Memory, String> {
    let bytes = if text.is_empty() {
        0
    } else {
        host_config::parse_size(text).map_err(|misfit| misfit.to_string())?
    };
    Ok(Memory { bytes, written: text.to_owned() })
}

fn parse_static_endpoint(text: &str) -> Result<(String, Fixed), String> {
    let (name, url) = text.split_once('=').ok_or_else(|| format!("`{text}` is no `NAME=URL`"))?;
    Ok((name.to_owned(), Fixed::parse(url)?))
}
