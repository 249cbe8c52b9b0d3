//! What every provisioner must do, as cases that run: any component, on the real plugin engine, against the real platform.
//!
//! [`contract`] runs the cases; [`inject`] brings a server up and down once for each call of a host function that the plugin makes and each thing
//! that can happen to it. After each of them the platform is asked what is left, and the ledger must be empty.
//!
//! Relies on the platform's own labels and on `enumerate` of the plugin under test; a plugin that hides what it has made from `enumerate` fails
//! the case that looks for a server that runs. It must never know which platform it is.

mod agree;
mod cases;
mod faults;
mod fields;
mod stand;
mod story;
mod tools;

pub use cases::contract;
pub use faults::inject;
pub use story::{Step, Story, record, replay};

use host_provisioner::ServerSpec;
use host_wasm::{PluginHost, PluginSpec, RunId};
use std::path::Path;
use std::sync::Arc;

/// What is under test, and on what.
pub trait Bench: Send + Sync {
    /// A new plugin host with this state folder and these ids, on the same platform each time.
    fn host(&self, state: &Path, gateway: RunId, session: RunId) -> Arc<PluginHost>;

    /// The plugin with its grants.
    fn plugin(&self) -> PluginSpec;

    /// A server that the plugin can run and that speaks MCP over standard streams.
    fn server(&self) -> Arc<ServerSpec>;

    /// An entry whose tools the plugin can run: an image with the shell `sh`, without arguments. `None`: no tools are tried.
    fn tools(&self) -> Option<Arc<ServerSpec>>;
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was tried: `release twice`, or `provision · docker.start-attached · lost`.
    pub case: String,
    /// Why it failed; `None`: it passed.
    pub failure: Option<String>,
    /// Where something was disturbed: whether the server came up, or the tool ran, all the same. If not, it failed with a sentence and left nothing.
    pub served: Option<bool>,
}

impl Row {
    fn of(case: impl Into<String>, outcome: Result<(), String>) -> Self {
        Self { case: case.into(), failure: outcome.err(), served: None }
    }

    /// Whether it passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}
