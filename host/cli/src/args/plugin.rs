//! `gateway plugin …`.

use super::{RunningArgs, SourceArgs};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

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
