//! One file per command.

mod catalog;
pub(crate) mod cluster;
mod completions;
mod config;
mod plan;
mod plugin;
mod plugin_test;
mod quickstart;
mod reload;
mod run;
mod running;
mod secret;
mod serve;
mod server;
mod tools;

use crate::args::Command;
use crate::environment::Environment;
use anyhow::Result;

/// Runs a command to its end; its exit code.
///
/// # Errors
/// Whatever is to be shown; `output::failed` says what code it means.
pub(crate) async fn run(command: Command, environment: &Environment) -> Result<u8> {
    match command {
        Command::Run(args) => Box::pin(run::run(*args, environment)).await,
        Command::Quickstart(args) => Box::pin(quickstart::run(args, environment)).await,
        Command::Plugin(command) => Box::pin(plugin::run(command, environment)).await,
        Command::Server(command) => Box::pin(server::run(command, environment)).await,
        Command::Config(command) => config::run(command, environment),
        Command::Catalog(command) => catalog::run(command, environment),
        Command::Secret(command) => secret::run(command, environment),
        Command::Cluster(command) => Box::pin(cluster::run(command, environment)).await,
        Command::Tools(command) => Box::pin(tools::run(command, environment)).await,
        Command::Completions { shell } => Ok(completions::run(shell)),
    }
}
