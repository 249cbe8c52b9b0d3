//! Settings of the front, as values. Reading flags and files is the business of `host/cli`.

use crate::checks::Checks;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

/// Says whether a tool of a server, by its own name, is shown and may be called.
pub type ToolFilter = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// How tools of several servers share one list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// A name stays as it is while it is unique; of equal ones each gets its server's name in front, and so does one that begins with the
    /// prefix of another server.
    #[default]
    Clash,
    /// Every tool gets its server's name in front.
    All,
    /// Equal names are an error of the configuration: lists and calls of that kind are refused until it is mended.
    Fail,
}

/// The bearer token that HTTP clients must show. Its text appears in no log.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Compares in a time that does not depend on where the two differ. Their lengths may show.
    #[must_use]
    pub fn matches(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Settings that hold for every transport.
#[derive(Clone)]
pub struct FrontConfig {
    /// `serverInfo.name`.
    pub name: String,
    /// `serverInfo.version`.
    pub version: String,
    /// What HTTP clients must show as `Authorization: Bearer …`; `None` serves everybody.
    pub token: Option<Token>,
    /// Servers in the order in which their items are listed and, where two offer the same resource, preferred. Servers that are not named
    /// here follow by name.
    pub order: Vec<String>,
    /// How names are kept apart.
    pub names: Names,
    /// Prefixes that the operator's entries ask for, by server; taken as they are written.
    pub prefixes: HashMap<String, String>,
    /// Which tools exist for clients.
    pub filter: ToolFilter,
    /// How long a list waits for a server that is still coming up, counted from the server's own start.
    pub list_wait: Duration,
    /// Whether the servers of a session are started when it begins, so that its first calls find them up.
    pub prestart: bool,
    /// Items on one page of a list.
    pub page_size: usize,
    /// A session without requests and without an open stream ends after this time.
    pub session_idle: Duration,
    /// Sessions that may exist at once. One more ends the one that was idle longest.
    pub session_cap: usize,
    /// Size of the largest message taken from a client, in bytes.
    pub message_limit: usize,
    /// How often an open event stream says that it is still there.
    pub keep_alive: Duration,
    /// What stands between clients and tools.
    pub checks: Checks,
}

impl Default for FrontConfig {
    fn default() -> Self {
        Self {
            name: "gateway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            token: None,
            order: Vec::new(),
            names: Names::default(),
            prefixes: HashMap::new(),
            filter: Arc::new(|_, _| true),
            list_wait: Duration::from_secs(3),
            prestart: false,
            page_size: 1000,
            session_idle: Duration::from_secs(60 * 60),
            session_cap: 10_000,
            message_limit: 16 << 20,
            keep_alive: Duration::from_secs(15),
            checks: Checks::default(),
        }
    }
}

impl fmt::Debug for FrontConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontConfig")
            .field("name", &self.name)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Where paths lead that are none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Home {
    /// To `/mcp`, streamable HTTP.
    #[default]
    Streaming,
    /// To `/sse`, HTTP+SSE, as with the original's transport of this name.
    Sse,
}

/// Settings of one HTTP listener.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where paths lead that are none of ours. Both transports are served in any case.
    pub home: Home,
    /// Values of `Host` that are ours besides loopback names: `name` for any port, or `name:port`. With an empty list a
    /// connection that does not come over loopback may carry any `Host`, because nobody can know the names of this machine.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may speak to us besides loopback ones: `scheme://name[:port]`, matched exactly.
    pub allowed_origins: Vec<String>,
    /// How long the head of a request may take to arrive, and the first request of a connection to begin. A head in pieces is cut between
    /// this time and twice as long.
    pub header_timeout: Duration,
    /// How long the body of a request may take to arrive, counted from the end of its head.
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests. Longer than clients keep theirs, which is up to 90 seconds: one that is
    /// closed at the moment in which it is used again is a failed call to some clients.
    pub idle_timeout: Duration,
    /// Connections that may be open at once; the next ones wait in the system's queue.
    pub connection_cap: usize,
    /// How many of them may be open without having shown the token; one more closes the oldest of these.
    pub stranger_cap: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            home: Home::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            connection_cap: 20_000,
            stranger_cap: 256,
        }
    }
}

/// How a transport is told to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take nothing new, finish what is in flight, then end.
    pub drain: CancellationToken,
    /// End now.
    pub cut: CancellationToken,
}
