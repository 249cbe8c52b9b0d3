//! Tools that are containers: what an entry says about one, one run of it, and what it leaves.

use crate::{FieldReport, ServerSpec};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A tool of an entry, its templates not yet evaluated: their values are the arguments of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments, an object.
    pub schema: Value,
    /// MCP's hints about its behaviour, an object.
    pub annotations: Option<Value>,
    /// The image.
    pub image: String,
    /// Templates of the words after the image.
    pub command: Vec<String>,
    /// Templates of volumes, in the words of Docker's `-v`.
    pub volumes: Vec<String>,
    /// Template of the user; empty for the image's own.
    pub user: String,
}

/// One run of a tool, completely evaluated.
#[derive(Debug, Clone)]
pub struct ToolRun {
    /// The entry with this call's image, arguments, mounts and user; its id and secrets are those of the entry.
    pub server: Arc<ServerSpec>,
    /// The tool's name.
    pub tool: String,
    /// After that it is killed, and what it wrote is the result.
    pub timeout: Duration,
    /// Bytes of each stream that are kept.
    pub output_limit: usize,
    /// Its standard input; without one it has an empty one.
    pub input: Option<Vec<u8>>,
}

/// The first bytes of a stream, and whether there were more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Bytes that were not kept; `None` if some were and nobody counted them.
    pub left_out: Option<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exited,
    /// Killed at its time.
    TimedOut,
    /// Killed for want of memory.
    OutOfMemory,
    /// The platform does not know.
    Lost,
}

/// What a run has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// How it ended.
    pub ending: Ending,
    /// The real exit code, where there is one.
    pub exit_code: Option<i32>,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// Fields that are not simply honoured.
    pub fields: Vec<FieldReport>,
}
