//! Flags about what stands between clients and tools, as Docker's MCP Gateway has them (`docker-mcp-gateway.md` 4.1).

use clap::{Args, builder::ArgAction};
use host_interceptor::Spec;

/// What stands between clients and tools.
#[derive(Debug, Args, Clone)]
pub(crate) struct CheckArgs {
    /// Log each call of a tool and how long it took, never its arguments
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = ArgAction::Set, help_heading = "Calls")]
    pub log_calls: bool,

    /// Refuse calls and results of tools that hold a secret, such as a key of a cloud
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = ArgAction::Set, help_heading = "Calls")]
    pub block_secrets: bool,

    /// A program that sees each call before its tool or after it, and may answer instead: `before` or `after`, `exec`, `docker` or `http`, then a
    /// command, an image with arguments, or a URL; may be repeated, the first is the outermost
    #[arg(long, value_name = "WHEN:TYPE:ARGUMENT", value_parser = Spec::parse, help_heading = "Calls")]
    pub interceptor: Vec<Spec>,
}
