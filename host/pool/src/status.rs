//! How the servers fare, as data for a status page.

use host_message::Era;
use host_provisioner::{Failure, FieldReport, Progress, ServerId};
use std::sync::Arc;
use std::time::Duration;

/// How a server fares, over all of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// Nobody needs it.
    Idle,
    /// It comes up for somebody.
    Starting,
    /// It serves somebody.
    Ready,
    /// It did not come up the last time.
    Failed,
    /// It keeps dying and is started again only after a while, for somebody who waits; others may be served meanwhile.
    BackingOff,
}

impl ServerState {
    /// The word for logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::BackingOff => "backing-off",
        }
    }
}

/// One row of a status page.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// Display name.
    pub name: Arc<str>,
    /// Stable id.
    pub id: ServerId,
    /// The operator's name of its provisioner.
    pub provisioner: String,
    /// How it fares.
    pub state: ServerState,
    /// Time since a client came, went or failed the last time; since the server is known, if none did.
    pub unchanged_for: Duration,
    /// Clients that are ready.
    pub clients: usize,
    /// Calls in flight on them.
    pub calls: usize,
    /// Lines of theirs that were no MCP messages.
    pub rubbish: u64,
    /// How it speaks, if a client is ready.
    pub era: Option<Era>,
    /// Why it failed or died the last time; forgotten when it comes up again, unless it died.
    pub last_failure: Option<Arc<Failure>>,
    /// How long ago that was.
    pub failed_for: Option<Duration>,
    /// How the fields of its entry came out the last time it was up.
    pub fields: Arc<[FieldReport]>,
    /// What happens while it comes up.
    pub progress: Option<Progress>,
}
