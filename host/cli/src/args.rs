//! The command line as typed. Names and defaults are those of Docker's MCP Gateway where it has them (`docker-mcp-gateway.md` 4.1).

mod check;
mod checks;
mod cluster;
mod docker;
mod images;
mod kubernetes;
mod original;
mod providers;
mod switches;

pub(crate) use check::{CatalogCommand, ConfigCommand, PlaceArgs, SecretCommand};
pub(crate) use checks::CheckArgs;
pub(crate) use cluster::{CatalogArgs, ClusterArgs, ClusterCommand, EverywhereArgs, WriteArgs};
pub(crate) use docker::FileArgs;
pub(crate) use images::ImageArgs;
pub(crate) use kubernetes::KubernetesArgs;
pub(crate) use original::instead;
#[cfg(test)]
pub(crate) use providers::ProviderArg;
pub(crate) use providers::ProviderArgs;
pub(crate) use switches::plain as plain_switches;

use crate::assemble::Fixed;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

/// Puts any number of MCP servers behind one MCP endpoint and starts them wherever they should run
#[derive(Debug, Parser)]
#[command(name = "gateway", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Exit codes: 0 done · 1 failed · 2 the command line or a file is wrong · 3 a tool or check said no · \
4 done without the servers that failed · 130 cut short by a second signal

Try: gateway quickstart")]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in the life of a process")]
pub(crate) enum Command {
    /// Serve MCP to clients, with the servers of the files behind it
    Run(Box<RunArgs>),
    /// Start the two example servers, call a tool of each, and go on serving
    Quickstart(QuickstartArgs),
    /// Look at, check, export and replace provisioner plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look at servers
    #[command(subcommand)]
    Server(ServerCommand),
    /// Check the files without starting anything
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at catalogues
    #[command(subcommand, aliases = ["catalogs", "catalog-next"])]
    Catalog(CatalogCommand),
    /// Look at secrets without their values, keep and remove them
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Look at what gateways made in a cluster, take away what is left, make what servers refer to
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// List and call tools from the terminal
    #[command(subcommand)]
    Tools(ToolsCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// How clients reach the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub(crate) enum TransportArg {
    /// One client on standard input and output
    Stdio,
    /// Streamable HTTP at `/mcp`
    #[value(alias = "http", alias = "streamable", alias = "streamable-http")]
    Streaming,
    /// HTTP+SSE of 2024-11-05 at `/sse`
    Sse,
}

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

/// Which plugins there are. What concerns servers is not asked for, because nothing is started.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct PluginArgs {
    /// Settings file (default: `gateway.yaml` in this folder, if it is there)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub settings: Option<PathBuf>,

    /// A provisioner plugin: a path, or the name of a bundled one; adds or replaces it
    #[arg(long, value_name = "FILE|NAME", value_hint = ValueHint::FilePath)]
    pub plugin: Vec<String>,
}

impl From<PluginArgs> for SourceArgs {
    fn from(args: PluginArgs) -> Self {
        Self { settings: args.settings, plugin: args.plugin, ..Self::default() }
    }
}

/// Arguments of `gateway run`.
#[derive(Debug, Args, Clone)]
pub(crate) struct RunArgs {
    /// Servers and provisioners
    #[command(flatten)]
    pub source: SourceArgs,

    /// How clients reach the gateway (default: stdio)
    #[arg(long, value_enum, ignore_case = true, value_name = "KIND", help_heading = "Front")]
    pub transport: Option<TransportArg>,

    /// Port for HTTP; 0 takes a free one (default: 8811)
    #[arg(long, value_name = "PORT", help_heading = "Front")]
    pub port: Option<u16>,

    /// Address for HTTP (default: 127.0.0.1)
    #[arg(long, value_name = "ADDRESS", help_heading = "Front")]
    pub host: Option<String>,

    /// Serve HTTP without a bearer token; only on a loopback address
    #[arg(long, help_heading = "Front")]
    pub allow_unauthenticated: bool,

    /// Start every server for a session when it begins, not at its first call
    #[arg(long, help_heading = "Front")]
    pub prestart: bool,

    /// Take over changed files while running: `--watch` plugins too, `--watch=false` nothing (default: settings, catalogues, registry,
    /// values, tool lists and editors' files)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Files")]
    pub watch: Option<bool>,

    /// At the start, remove from the cluster what is older than this (`24h`, `45m`) and belongs to sessions that are dead
    #[arg(long, value_name = "AGE", value_parser = parse_duration, help_heading = "Provisioners")]
    pub cleanup_stale: Option<Duration>,

    /// What stands between clients and tools
    #[command(flatten)]
    pub checks: CheckArgs,

    /// Check everything, print what would be run, and end
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,

    /// With `--dry-run`: print the plan as JSON
    #[arg(long, requires = "dry_run", help_heading = "Output")]
    pub json: bool,
}

/// Arguments of `gateway quickstart`.
#[derive(Debug, Args, Clone)]
pub(crate) struct QuickstartArgs {
    /// Port for HTTP; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8811)]
    pub port: u16,

    /// Folder for the notes
    #[arg(long, value_name = "DIR", default_value = "gateway-notes", value_hint = ValueHint::DirPath)]
    pub notes: PathBuf,

    /// End after the demonstration instead of serving
    #[arg(long)]
    pub once: bool,
}

/// `gateway plugin …`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// The provisioners of the settings file and the bundled ones
    List {
        /// Where to look
        #[command(flatten)]
        source: PluginArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Everything a plugin says about itself, what it imports, and what it was granted
    Inspect {
        /// A path, or the name of a bundled or configured plugin
        #[arg(value_name = "FILE|NAME", id = "which", value_hint = ValueHint::FilePath)]
        plugin: String,
        /// Where to look
        #[command(flatten)]
        source: PluginArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Load a plugin as `run` would, and say whether it could be used
    Check {
        /// A path, or the name of a bundled or configured plugin
        #[arg(value_name = "FILE|NAME", id = "which", value_hint = ValueHint::FilePath)]
        plugin: String,
        /// Where to look
        #[command(flatten)]
        source: PluginArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Try everything that a provisioner must do, on the platform that it is granted; says no if a case fails
    Test {
        /// A path, or the name of a bundled or configured plugin
        #[arg(value_name = "FILE|NAME", id = "which", value_hint = ValueHint::FilePath)]
        plugin: String,
        /// Also disturb every host function that it calls: refused, in conflict, slow, never answered, answer lost, cut
        #[arg(long)]
        inject: bool,
        /// Take one life of the server down instead: what the plugin asked of the gateway and what it was answered, as JSON, without any secret
        #[arg(long, value_name = "FILE", conflicts_with_all = ["inject", "replay"])]
        record: Option<PathBuf>,
        /// Play what `--record` took down, without the platform, and compare
        #[arg(long, value_name = "FILE", conflicts_with = "inject")]
        replay: Option<PathBuf>,
        /// A server that it can run (default for components: the bundled `time`)
        #[command(flatten)]
        source: Box<SourceArgs>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Write the bundled plugins, and `gateway-bridge`, as files
    Export {
        /// Folder to write to; made if it is not there
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        /// Write over files that are there
        #[arg(long)]
        force: bool,
    },
    /// Tell a running gateway to load its plugin files anew
    Reload {
        /// Only this plugin (default: all)
        plugin: Option<String>,
        /// Which gateway
        #[command(flatten)]
        running: RunningArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

/// Which running gateway is meant.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct RunningArgs {
    /// Settings file of the gateway, for the state folder that it may name (default: `gateway.yaml` in this folder, if it is there)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "state")]
    pub settings: Option<PathBuf>,
    /// State folder of the gateway (default: what the settings say, else the usual one of this user)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Session id, where several gateways run, or as much of its beginning as only one has; each prints its id at the start
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
}

/// `gateway server …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// The servers of a running gateway and how they fare
    #[command(alias = "ls")]
    List {
        /// Which gateway
        #[command(flatten)]
        running: RunningArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// One server of a running gateway: state, plan, fields that are not honoured
    Inspect {
        /// Its name
        server: String,
        /// Which gateway
        #[command(flatten)]
        running: RunningArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Take down what gateways that were killed have left, and nothing of those that run
    Sweep {
        /// Files, plugins and state of the gateway that was killed
        #[command(flatten)]
        source: Box<SourceArgs>,
    },
}

/// `gateway tools …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ToolsCommand {
    /// Tools of the servers, started for the purpose
    #[command(alias = "ls")]
    List {
        /// Servers and provisioners
        #[command(flatten)]
        source: SourceArgs,
        /// For programs: the tools as MCP lists them
        #[arg(long)]
        json: bool,
    },
    /// Call a tool of a server that is started for the purpose
    Call {
        /// Name of the tool
        tool: String,
        /// Arguments: `name=value` (JSON where it parses, else text), or one JSON object
        #[arg(value_name = "ARGUMENT")]
        arguments: Vec<String>,
        /// Servers and provisioners
        #[command(flatten)]
        source: SourceArgs,
        /// For programs: the result as MCP gives it
        #[arg(long)]
        json: bool,
    },
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    // The original takes seconds as a bare number too.
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    host_config::parse_duration(text).map_err(|misfit| misfit.to_string())
}

fn parse_static_endpoint(text: &str) -> Result<(String, Fixed), String> {
    let (name, url) = text.split_once('=').ok_or_else(|| format!("`{text}` is no `NAME=URL`"))?;
    Ok((name.to_owned(), Fixed::parse(url)?))
}
