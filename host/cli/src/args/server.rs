//! `gateway server …` and `gateway tools …`.

use super::SourceArgs;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

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
