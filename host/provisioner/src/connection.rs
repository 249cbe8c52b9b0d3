//! Ways to a server that runs, as the pool takes them over.

use crate::{Failure, HttpChannel};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A readable end of a stream.
pub type BoxRead = Box<dyn AsyncRead + Send + Unpin>;
/// A writable end of a stream.
pub type BoxWrite = Box<dyn AsyncWrite + Send + Unpin>;

/// Standard streams of a workload. Dropping them closes them; that alone must not leave the workload behind, but `release` is
/// what takes it down.
pub struct Streams {
    /// For logs: `stdio of component notes-1a2b`.
    pub label: String,
    /// Where MCP messages are written, a line each.
    pub stdin: BoxWrite,
    /// Where they come from. Its end means that the server has died.
    pub stdout: BoxRead,
    /// Free text, read all the time, never a sign of failure. `None` where the platform has none.
    pub stderr: Option<BoxRead>,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Protocol of an HTTP endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpProtocol {
    /// Streamable HTTP.
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// An HTTP endpoint of a server.
#[derive(Clone)]
pub struct HttpEndpoint {
    /// Absolute URL.
    pub url: String,
    /// How it speaks; `None`: streamable HTTP, and HTTP+SSE if that is refused.
    pub protocol: Option<HttpProtocol>,
    /// Whoever carries requests there. Headers with secrets, checks of addresses, and connections are its matter.
    pub channel: Arc<dyn HttpChannel>,
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint")
            .field("url", &self.url)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// Opens a way when it is asked to. Which addresses it may lead to, and what is said first on it, which may be secret, is its matter.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens it.
    ///
    /// # Errors
    /// Nobody listens there, or it may not be reached.
    async fn dial(&self) -> Result<Streams, Failure>;
}

/// A TCP port that not just anybody may connect to, or in any way.
#[derive(Clone)]
pub struct DialledEndpoint {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whoever connects there.
    pub dial: Arc<dyn Dial>,
}

impl fmt::Debug for DialledEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialledEndpoint")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A way to one MCP server, owned by whoever holds it.
#[derive(Debug)]
pub enum Connection {
    /// Attached standard streams.
    Streams(Streams),
    /// MCP messages, a line each, over TCP: host and port.
    Tcp(String, u16),
    /// The same, connected to by somebody else.
    Dialled(DialledEndpoint),
    /// An HTTP endpoint.
    Http(HttpEndpoint),
}
