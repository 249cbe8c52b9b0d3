//! Flags of `gateway run` and `gateway quickstart`: how clients reach the gateway, and what it does beside serving them.

use super::{CheckArgs, SourceArgs, parse_duration};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

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
