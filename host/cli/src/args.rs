//! The command line as typed. Names and defaults are those of Docker's MCP Gateway where it has them (`docker-mcp-gateway.md` 4.1).

mod check;
mod checks;
mod cluster;
mod docker;
mod images;
mod kubernetes;
mod original;
mod plugin;
mod providers;
mod run;
mod server;
mod source;
mod switches;

pub(crate) use check::{CatalogCommand, ConfigCommand, PlaceArgs, SecretCommand};
pub(crate) use checks::CheckArgs;
pub(crate) use cluster::{CatalogArgs, ClusterArgs, ClusterCommand, EverywhereArgs, WriteArgs};
pub(crate) use docker::FileArgs;
pub(crate) use images::ImageArgs;
pub(crate) use kubernetes::KubernetesArgs;
pub(crate) use original::instead;
pub(crate) use plugin::PluginCommand;
#[cfg(test)]
pub(crate) use providers::ProviderArg;
pub(crate) use providers::ProviderArgs;
pub(crate) use run::{QuickstartArgs, RunArgs, TransportArg};
pub(crate) use server::{RunningArgs, ServerCommand, ToolsCommand};
pub(crate) use source::{Memory, SourceArgs};
pub(crate) use switches::plain as plain_switches;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
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
    /// Look at the servers of a running gateway; take down what killed gateways left
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

fn parse_duration(text: &str) -> Result<Duration, String> {
    // The original takes seconds as a bare number too.
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    host_config::parse_duration(text).map_err(|misfit| misfit.to_string())
}
