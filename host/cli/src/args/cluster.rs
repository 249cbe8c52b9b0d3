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

/// The same for commands that may look everywhere.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct EverywhereArgs {
    /// Where
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// In all namespaces; where these credentials may not look everywhere, in the one namespace
    #[arg(long, short = 'A', conflicts_with_all = ["position", "namespace"])]
    pub all_namespaces: bool,
}

/// What commands take that make a ConfigMap or Secret.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct WriteArgs {
    /// Where
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Also change an object that was not made with these commands; it is theirs from then on
    #[arg(long)]
    pub adopt: bool,
    /// Remove keys that are not given (default: they stay)
    #[arg(long)]
    pub prune: bool,
}

/// Where servers are looked up.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct CatalogArgs {
    /// Catalogue file in Docker's format; a later one replaces servers of an earlier one
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub catalog: Vec<String>,
    /// Settings file (default: `gateway.yaml` in this folder, if it is there)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub settings: Option<PathBuf>,
}

/// `gateway cluster …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// What gateways have made in a namespace, and which of their sessions live
    List {
        /// Where
        #[command(flatten)]
        place: EverywhereArgs,
    },
    /// The sessions of gateways, who has them, and whether they live
    Sessions {
        /// Where
        #[command(flatten)]
        place: EverywhereArgs,
    },
    /// Remove everything that one session made
    Session {
        /// Its id, `mcp-gateway-` and eight characters
        #[arg(value_name = "SESSION")]
        session: String,
        /// Where
        #[command(flatten)]
        place: EverywhereArgs,
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
        place: EverywhereArgs,
    },
    /// Write the files `BASE-config.env` and `BASE-secret.env`, with a line for each value that servers need; asks no cluster
    GenerateEnv {
        /// Names, separated by commas
        #[arg(value_name = "SERVERS")]
        servers: String,
        /// What the names of the files begin with
        #[arg(value_name = "BASE")]
        base: String,
        /// Write over files that hold values
        #[arg(long)]
        force: bool,
        /// Where servers are looked up
        #[command(flatten)]
        catalog: CatalogArgs,
    },
    /// Which values a server needs, and from where; asks no cluster
    ExtractData {
        /// Its name
        server: String,
        /// For programs
        #[arg(long)]
        json: bool,
        /// Where servers are looked up
        #[command(flatten)]
        catalog: CatalogArgs,
    },
    /// Commands that make the ConfigMap and the Secret of a server, to be filled in; asks no cluster
    ShowExample {
        /// Its name
        server: String,
        /// Where servers are looked up
        #[command(flatten)]
        catalog: CatalogArgs,
    },
    /// Make or update a ConfigMap from a file with a `NAME=value` a line; placeholders are left out
    PopulateConfigmap {
        /// The file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Its name
        name: String,
        /// Where and how
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Make or update a Secret from a file with a `NAME=value` a line; placeholders are left out
    PopulateSecret {
        /// The file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Its name
        name: String,
        /// Where and how
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Make or update a ConfigMap from a JSON object of texts
    CreateConfigmap {
        /// Its name
        name: String,
        /// `{"NAME": "value"}`
        data: String,
        /// Where and how
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Make or update a Secret from a JSON object of texts
    CreateSecret {
        /// Its name
        name: String,
        /// `{"NAME": "value"}`; it can be seen in the list of processes, so rather use `populate-secret`
        data: String,
        /// Where and how
        #[command(flatten)]
        write: WriteArgs,
    },
}
