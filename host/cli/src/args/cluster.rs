//! `gateway cluster …`: the commands of the original's cluster tools (seed and `provisioning.md` 4), with their positional forms.

use super::KubernetesArgs;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// What every command that asks the cluster takes.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct ClusterArgs {
    /// Namespace, as in the original; the same as `--namespace`
    #[arg(value_name = "NAMESPACE")]
    pub position: Option<String>,
    /// Where the cluster is
    #[command(flatten)]
    pub kubernetes: KubernetesArgs,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// `gateway cluster …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// What gateways have made in a namespace, and which of their sessions live
    List {
        /// Where
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Remove everything that one session made
    Session {
        /// Its id, `mcp-gateway-` and eight characters
        #[arg(value_name = "SESSION")]
        session: String,
        /// Where
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Remove what is older than so long and belongs to sessions that are dead
    Stale {
        /// `24h`, `2h30m`, `45m`
        #[arg(value_name = "AGE")]
        age: String,
        /// Also what belongs to sessions that live
        #[arg(long)]
        include_live: bool,
        /// Where
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Make or update a ConfigMap from a file with a `NAME=value` a line
    PopulateConfigmap {
        /// The file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Its name
        name: String,
        /// Where
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Make or update a Secret from a file with a `NAME=value` a line; placeholders are left out
    PopulateSecret {
        /// The file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Its name
        name: String,
        /// Where
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Make or update a ConfigMap from a JSON object of texts
    CreateConfigmap {
        /// Its name
        name: String,
        /// `{"NAME": "value"}`
        data: String,
        /// Where
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Make or update a Secret from a JSON object of texts
    CreateSecret {
        /// Its name
        name: String,
        /// `{"NAME": "value"}`
        data: String,
        /// Where
        #[command(flatten)]
        cluster: ClusterArgs,
    },
}
