//! Commands that look at files and start nothing.

use super::SourceArgs;
use clap::{Subcommand, ValueHint};
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

/// `gateway secret …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// The secrets that servers and plugins declare, and where each was found; never a value
    List {
        /// Whose secrets
        #[command(flatten)]
        source: Box<SourceArgs>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}
