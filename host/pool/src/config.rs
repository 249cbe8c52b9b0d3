//! What the pool is told: servers with whoever brings them up, limits, and for whom a client is.

use host_provisioner::{Blotter, Provisioner, ServerSpec};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One server and the provisioner it was placed on.
#[derive(Clone)]
pub struct ServerEntry {
    /// The server as the operator asked for it. `spec.name` is the pool's key; a second entry of the same name is left out.
    pub spec: Arc<ServerSpec>,
    /// Who brings it up and takes it down.
    pub provisioner: Arc<dyn Provisioner>,
}

impl fmt::Debug for ServerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerEntry")
            .field("spec", &self.spec.name)
            .field("provisioner", &self.provisioner.name())
            .finish()
    }
}

/// For whom a client is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// One session of one client of the gateway, by its id.
    Session(Arc<str>),
    /// Everybody: shared servers, listing, and callers without a session.
    Shared,
}

/// Limits and manners of the pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// How long a server may take from the first attempt to the end of the MCP handshake, unless its own entry says otherwise.
    pub start_timeout: Duration,
    /// How long a client without calls in flight is kept; `None`: for ever.
    pub idle: Option<Duration>,
    /// How many clients there may be, those that are just starting included; `None`: any number.
    pub cap: Option<usize>,
    /// How long a server may take to go away.
    pub release_timeout: Duration,
    /// How long a removed or changed server may finish its calls.
    pub drain_timeout: Duration,
    /// How long a server may be silent on `server/discover` before it counts as a legacy one.
    pub probe_timeout: Duration,
    /// How long a server that printed something else than MCP has to complete the handshake all the same.
    pub rubbish_grace: Duration,
    /// How long one page of a list may take.
    pub list_timeout: Duration,
    /// A client that lived this long and then died was no crash loop.
    pub stable_after: Duration,
    /// Longest wait before a server that keeps dying is started again.
    pub longest_backoff: Duration,
    /// Longest message of a server in bytes.
    pub line_limit: usize,
    /// Calls that one client may have at once, further ones wait in line; `None`: any number. A server's entry says it.
    pub concurrency: Option<usize>,
    /// Bytes that may be written ahead of a server that reads slowly. Further calls wait until it has read.
    pub backlog_limit: usize,
    /// Bytes of the calls that wait so; further ones are refused.
    pub waiting_limit: usize,
    /// How long a server may take nothing while calls wait for it. Then it does not read, and they fail.
    pub read_patience: Duration,
    /// Notifications that may wait for a caller that does not read, per call; then the oldest go.
    pub queue_limit: usize,
    /// Bytes of them, per call; one that is longer waits alone.
    pub queue_bytes: usize,
    /// Takes the secrets of servers out of what they print, before it is logged or put into an error.
    pub blotter: Blotter,
    /// Name under which the gateway introduces itself to servers.
    pub client_name: String,
    /// Its version.
    pub client_version: String,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(60),
            idle: Some(Duration::from_secs(30 * 60)),
            cap: None,
            release_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(1),
            rubbish_grace: Duration::from_secs(5),
            list_timeout: Duration::from_secs(30),
            stable_after: Duration::from_secs(60),
            longest_backoff: Duration::from_secs(30),
            line_limit: 16 << 20,
            concurrency: None,
            backlog_limit: 16 << 20,
            waiting_limit: 128 << 20,
            read_patience: Duration::from_secs(60),
            queue_limit: 1024,
            queue_bytes: 1 << 20,
            blotter: Blotter::default(),
            client_name: "gateway".to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
