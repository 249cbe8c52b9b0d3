//! Servers that speak HTTP in their container: started, waited for until they answer, and reached where the host says.

use crate::Docker;
use gateway_plugin::connection::{Authorization, Connection, HttpEndpoint, HttpProtocol};
use gateway_plugin::docker::{Condition, ContainerSpec, HttpCheck};
use gateway_plugin::types::{Port, Protocol, Server, ServerEndpoint, Transport};
use gateway_plugin::{Call, Error, FailureCategory, ObjectRef, Result};
use std::time::Duration;

/// What is left of a call's time for saying that nobody has answered.
const RESERVE: Duration = Duration::from_millis(1500);

/// How a server speaks HTTP.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speaks<'a> {
    /// Where.
    pub endpoint: &'a ServerEndpoint,
    /// How.
    pub protocol: HttpProtocol,
}

/// How a server speaks HTTP; nothing for standard streams.
///
/// # Errors
/// `config` for a transport that cannot be had here.
pub fn speaks(transport: &Transport) -> Result<Option<Speaks<'_>>> {
    let name = match transport {
        Transport::Stdio => return Ok(None),
        Transport::StreamableHttp(endpoint) => {
            return Ok(Some(Speaks { endpoint, protocol: HttpProtocol::StreamableHttp }));
        }
        Transport::Sse(endpoint) => return Ok(Some(Speaks { endpoint, protocol: HttpProtocol::Sse })),
        Transport::Tcp(_) => "TCP",
        Transport::Other(_) => "a transport this plugin does not know",
    };
    Err(Error::config(format!("speak with the server over {name}: this plugin does not"))
        .hint("let the server speak over its standard streams or over HTTP"))
}

/// What is published: what the entry names, and the port of its endpoint.
#[must_use]
pub fn published(server: &Server) -> Vec<Port> {
    let mut ports = server.network.ports.clone();
    if let Ok(Some(Speaks { endpoint, .. })) = speaks(&server.transport) {
        let named =
            |port: &Port| port.container_port == endpoint.port && !matches!(port.protocol, Protocol::Udp);
        if !ports.iter().any(named) {
            ports.push(Port { container_port: endpoint.port, protocol: Protocol::Tcp, host_port: None });
        }
    }
    ports
}

/// Starts a server and waits until it answers: its container and the way to it. `front` is the container whose port leads to it, if it is
/// not its own.
///
/// # Errors
/// As the host's; `permanent` when it ended instead, `timeout` when nobody listens.
pub(crate) fn start(
    call: &Call<Docker>,
    spec: &ContainerSpec,
    speaks: Speaks<'_>,
    front: Option<&str>,
) -> Result<(String, Connection)> {
    let docker = call.host.docker();
    let (port, path) = (speaks.endpoint.port, &speaks.endpoint.path);
    let container = docker.start(spec)?;
    let reached = front.unwrap_or(&container);
    let ready = match &speaks.endpoint.health_path {
        Some(path) => Condition::Responding(HttpCheck {
            container: reached.to_owned(),
            container_port: port,
            path: path.clone(),
        }),
        None => Condition::Listening((reached.to_owned(), port)),
    };
    call.host.progress(format!("wait until something answers on port {port} of container `{}`", spec.name));
    let about = |error: Error| error.object(ObjectRef::new("container", "", spec.name.clone()));
    let ended = || {
        about(Error::permanent(format!("wait for port {port}: the container has ended")).step("ready"))
            .hint("its image must speak MCP over HTTP; what it is started with is in `command` and `env`")
    };
    let time = |call: &Call<Docker>| call.host.remaining().saturating_sub(RESERVE);
    match docker.wait(&[ready, Condition::Exited(container.clone())], time(call)) {
        Ok(0) => {}
        Ok(_) => return Err(ended()),
        Err(error) if error.category() == FailureCategory::Timeout => {
            return Err(about(nobody(speaks)));
        }
        Err(error) => return Err(about(error)),
    }
    let address = docker.address_of(reached, port)?;
    let host = match address.host.contains(':') {
        true => format!("[{}]", address.host),
        false => address.host,
    };
    let connection = call.host.connections().http(&HttpEndpoint {
        url: format!("http://{host}:{}{path}", address.port),
        protocol: speaks.protocol,
        headers: Vec::new(),
        authorization: Authorization::None,
        tunnel: None,
        tls: None,
    })?;
    match call.host.connections().wait_ready(&connection, time(call)) {
        Ok(()) => Ok((container, connection)),
        Err(_) if is_gone(call, &container) => Err(ended()),
        Err(error) if error.category() == FailureCategory::Timeout => Err(about(
            Error::timeout(format!("wait for port {port}: somebody listens there, and does not answer HTTP"))
                .step("ready")
                .hint("the first of `ports` must be the one on which the server speaks MCP over HTTP"),
        )),
        Err(error) => Err(about(error)),
    }
}

fn is_gone(call: &Call<Docker>, container: &str) -> bool {
    let found = call.host.docker().inspect(container);
    !matches!(found, Ok(Some(info)) if info.state == "running")
}

fn nobody(speaks: Speaks<'_>) -> Error {
    let port = speaks.endpoint.port;
    let (text, hint) = match &speaks.endpoint.health_path {
        Some(path) => (
            format!("wait for port {port}: `{path}` has not answered that the server is ready"),
            "raise `startTimeout` if it needs longer, or correct `healthPath`",
        ),
        None => (
            format!("wait for port {port}: nothing listens there"),
            "let the server listen on all addresses (0.0.0.0), name its port first in `ports`, or raise `startTimeout`",
        ),
    };
    Error::timeout(text).step("ready").hint(hint)
}

#[cfg(test)]
mod tests;
