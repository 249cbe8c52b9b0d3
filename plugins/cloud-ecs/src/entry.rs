//! What servers and tools have in common, so that a task is planned in one way.

use gateway_plugin::kubernetes::ImageConfig;
use gateway_plugin::types::{
    File, ImageWorkload, Limits, Mount, Network, SecretName, SecretOwner, ServerEndpoint, ToolContainer,
    Variable, Workload,
};
use gateway_plugin::{Error, Result, Server, Transport};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speaks<'a> {
    /// Over standard streams; the bridge puts a port before them.
    Bridge,
    /// Over HTTP on a port of its own.
    Http(&'a ServerEndpoint),
    /// A line each on a TCP port of its own.
    Tcp(u16),
    /// Not at all: it runs to its end.
    Nothing,
}

/// A server or a tool.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// `server.id`, or that of the tool.
    pub id: &'a str,
    /// The image.
    pub image: &'a ImageWorkload,
    /// How it is spoken to.
    pub speaks: Speaks<'a>,
    /// Its variables.
    pub environment: &'a [Variable],
    /// Its files.
    pub files: &'a [File],
    /// Its mounts.
    pub mounts: &'a [Mount],
    /// Its network.
    pub network: &'a Network,
    /// Its limits.
    pub limits: &'a Limits,
    /// Its user.
    pub user: Option<&'a str>,
    /// Names of its secrets.
    pub secrets: &'a [String],
    /// What its image says about itself, where that was asked.
    pub says: Option<&'a ImageConfig>,
}

/// The port of `gateway-bridge`.
pub const BRIDGE_PORT: u16 = 4444;
/// Where `gateway-bridge` finds the token that every connection must begin with. The server does not get it.
pub const TOKEN_VARIABLE: &str = "GATEWAY_BRIDGE_TOKEN";

/// That token: made by the host for the lease, and known to nobody else.
#[must_use]
pub fn token() -> SecretName {
    SecretName { owner: SecretOwner::Generated, server_id: None, name: "bridge".to_owned() }
}

impl<'a> Entry<'a> {
    /// Of a server.
    ///
    /// # Errors
    /// `unsupported` for what is no image, and for a transport of a later version.
    pub fn server(server: &'a Server) -> Result<Self> {
        let speaks = match &server.transport {
            Transport::Stdio => Speaks::Bridge,
            Transport::StreamableHttp(endpoint) | Transport::Sse(endpoint) => Speaks::Http(endpoint),
            Transport::Tcp(port) => Speaks::Tcp(*port),
            Transport::Other(_) => {
                return Err(Error::unsupported("speak to the server: its transport is not known here"));
            }
        };
        Ok(Self {
            id: &server.id,
            image: image(&server.workload)?,
            speaks,
            environment: &server.environment,
            files: &server.files,
            mounts: &server.mounts,
            network: &server.network,
            limits: &server.limits,
            user: server.user.as_deref(),
            secrets: &server.secrets,
            says: None,
        })
    }

    /// Of a tool.
    ///
    /// # Errors
    /// `unsupported` for what is no image.
    pub fn tool(tool: &'a ToolContainer) -> Result<Self> {
        Ok(Self {
            id: &tool.id,
            image: image(&tool.workload)?,
            speaks: Speaks::Nothing,
            environment: &tool.environment,
            files: &tool.files,
            mounts: &tool.mounts,
            network: &tool.network,
            limits: &tool.limits,
            user: tool.user.as_deref(),
            secrets: &tool.secrets,
            says: None,
        })
    }

    /// The port that is connected to.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.speaks {
            Speaks::Bridge => Some(BRIDGE_PORT),
            Speaks::Http(endpoint) => Some(endpoint.port),
            Speaks::Tcp(port) => Some(port),
            Speaks::Nothing => None,
        }
    }
}

fn image(workload: &Workload) -> Result<&ImageWorkload> {
    match workload {
        Workload::Image(image) => Ok(image),
        Workload::Component(_) => {
            Err(Error::unsupported("run a component as a task: ECS runs container images")
                .hint("place it on `embedded`"))
        }
        Workload::Other(_) => Err(Error::unsupported("run a workload that this plugin does not know")),
    }
}
