//! Commands that look at files and start nothing.

use super::SourceArgs;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `gateway config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read every file that `run` would read, evaluate each server, look its secrets up, and say what is wrong
    Check {
        /// What would be run
        #[command(flatten)]
        source: Box<SourceArgs>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

/// `gateway catalog …`.
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// The servers of the catalogues
    #[command(alias = "ls")]
    List {
        /// Where to look
        #[command(flatten)]
        source: Box<SourceArgs>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// One server of the catalogues: what it is, what it needs, and what of it is there
    Show {
        /// Its name
        #[arg(value_name = "SERVER", id = "which")]
        name: String,
        /// Where to look
        #[command(flatten)]
        source: Box<SourceArgs>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// What is wrong with catalogue files, or probably a mistake
    Lint {
        /// The files
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

/// Where a secret is kept.
#[derive(Debug, Args, Clone)]
pub(crate) struct PlaceArgs {
    /// `keychain[:SERVICE]`, `docker-credential:NAME`, `folder:DIR`, or a `.env` file (default: the first of `secrets:` in the settings where
    /// secrets can be kept, else `keychain`)
    #[arg(long, value_name = "PLACE")]
    pub place: Option<String>,
    /// Settings file (default: `gateway.yaml` in this folder, if it is there)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub settings: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// `gateway secret …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a secret; its value is read from standard input, or asked for at a terminal
    Set {
        /// Its name, for example `acme.token`
        name: String,
        /// Where
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Remove secrets from where they are kept
    Rm {
        /// Their names
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Where
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// The secrets that servers and plugins declare, and where each was found; never a value
    #[command(alias = "ls")]
    List {
        /// Whose secrets
        #[command(flatten)]
        source: Box<SourceArgs>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}
