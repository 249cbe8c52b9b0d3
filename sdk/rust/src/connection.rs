//! Ways to a server that runs. Bytes never pass through a plugin: it holds a handle and hands it on.

use crate::Result;
use crate::host::{Host, millis, side};
use crate::types::Value;
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::generated::gateway::provisioner::connection as real;

pub use crate::generated::gateway::provisioner::connection::{
    Authorization, Ending, HttpEndpoint, HttpProtocol, TcpEndpoint,
};

impl TcpEndpoint {
    /// A port, without TLS.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, tunnel: None, tls: None, first_line: None }
    }

    /// The same through this tunnel of the call.
    #[must_use]
    pub fn tunnel(mut self, id: Option<String>) -> Self {
        self.tunnel = id;
        self
    }

    /// The same with a line that the host writes on every connection before anything else.
    #[must_use]
    pub fn first_line(mut self, line: Value) -> Self {
        self.first_line = Some(line);
        self
    }
}

/// An open or openable way to one MCP server, owned by the host. Dropping it closes it; to keep it, return it from `provision`.
#[derive(Debug)]
pub struct Connection {
    #[cfg(target_arch = "wasm32")]
    pub(crate) real: real::Connection,
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fake: crate::fake::Handle,
}

impl Connection {
    /// A short text for logs, for example `stdio of container 3f2a…`.
    #[must_use]
    pub fn label(&self) -> String {
        side!(real => self.real.label(), fake => self.fake.label().to_owned())
    }
}

#[cfg(target_arch = "wasm32")]
impl From<real::Connection> for Connection {
    fn from(real: real::Connection) -> Self {
        Self { real }
    }
}

/// What a container that ran has left. The bytes stay in the host, because they may hold what a secret gave away.
#[derive(Debug)]
pub struct RunOutput {
    #[cfg(target_arch = "wasm32")]
    pub(crate) real: real::RunOutput,
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fake: crate::fake::Output,
}

impl RunOutput {
    /// A short text for logs.
    #[must_use]
    pub fn label(&self) -> String {
        side!(real => self.real.label(), fake => self.fake.label.clone())
    }

    /// How it has ended.
    #[must_use]
    pub fn ending(&self) -> Ending {
        side!(real => self.real.ending(), fake => self.fake.ending)
    }

    /// The real exit code; absent when the platform does not know it, and for a container that carried secrets.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        side!(real => self.real.exit_code(), fake => self.fake.exit_code)
    }
}

#[cfg(target_arch = "wasm32")]
impl From<real::RunOutput> for RunOutput {
    fn from(real: real::RunOutput) -> Self {
        Self { real }
    }
}

/// Connections to addresses that the plugin knows, inside its grant. See [`Host::connections`].
#[derive(Debug, Clone, Copy)]
pub struct Connections<'a> {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only the fake side is an object"))]
    pub(crate) host: &'a Host,
}

impl Connections<'_> {
    /// A streamable HTTP or HTTP+SSE endpoint. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// `permission` outside the grant.
    pub fn http(&self, endpoint: &HttpEndpoint) -> Result<Connection> {
        side!(real => Ok(real::http(endpoint)?.into()), fake => self.host.fake.connect_http(endpoint))
    }

    /// MCP messages, a line each, over TCP. Nothing is opened yet.
    ///
    /// # Errors
    ///
    /// `permission` outside the grant.
    pub fn tcp(&self, endpoint: &TcpEndpoint) -> Result<Connection> {
        side!(real => Ok(real::tcp(endpoint)?.into()), fake => self.host.fake.connect_tcp(endpoint))
    }

    /// Waits until something answers there (for HTTP: any answer, also 401 and 403), without speaking MCP.
    ///
    /// # Errors
    ///
    /// `timeout` when nothing answered in time.
    pub fn wait_ready(&self, connection: &Connection, timeout: Duration) -> Result<()> {
        side!(
            real => Ok(real::wait_ready(&connection.real, millis(timeout))?),
            fake => self.host.fake.wait_ready(connection, millis(timeout)),
        )
    }

    /// Output that the plugin itself fetched, for platforms that hand it out in no other way. `truncated`: more was written.
    ///
    /// # Errors
    ///
    /// `permission` when the container carries secrets, unless the grant says otherwise.
    pub fn output(
        &self,
        stdout: &[u8],
        stderr: &[u8],
        truncated: bool,
        ending: Ending,
        exit_code: Option<i32>,
    ) -> Result<RunOutput> {
        side!(
            real => Ok(real::output(stdout, stderr, truncated, ending, exit_code)?.into()),
            fake => self.host.fake.output(stdout, stderr, truncated, ending, exit_code),
        )
    }
}
