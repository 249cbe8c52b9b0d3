//! How a server in a container is spoken to, and the ports it opens. No file of Docker's says it; an entry that does not is spoken to
//! over its standard streams.

use super::Server;
use crate::decode::Fields;
use crate::decode::choice::choices;
use crate::decode::table::{Form, Table, key};
use crate::report::Report;

choices! {
    /// How a server in a container is spoken to.
    #[derive(Default)]
    pub enum ContainerTransport {
        /// Over its standard input and output.
        #[default]
        Stdio = "stdio",
        /// Streamable HTTP on the first of its ports.
        Http = "http" | "streamable-http" | "streaming" | "streamable",
        /// The older HTTP+SSE on the first of its ports.
        Sse = "sse",
    }
}

choices! {
    /// What is spoken on a port.
    #[derive(Default)]
    pub enum PortProtocol {
        /// TCP.
        #[default]
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

/// A port of a container, published on loopback of the engine's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The port inside.
    pub container_port: u16,
    /// What is spoken on it.
    pub protocol: PortProtocol,
    /// The port outside; absent: the engine chooses. Only an operator's own file can name one.
    pub host_port: Option<u16>,
}

/// The table of one port.
pub(super) static PORT: Table = Table::new(
    "servers.NAME.ports",
    "A port that the server opens in its container. It is published on `127.0.0.1`.",
    &[&[
        key("containerPort", Form::Integer, "The port inside. Required."),
        key("protocol", Form::Choice(PortProtocol::NAMES), "What is spoken on it.").or("tcp"),
        key("hostPort", Form::Integer, "The port of this machine; not in a catalogue.")
            .or("one that is free"),
    ]],
);

/// Reads `ports`; what is wrong with one is said by its number.
pub(super) fn ports(fields: &Fields<'_>, report: &mut Report) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for fields in fields.groups("ports", report) {
        let container_port = fields.count("containerPort", 1, 65_535, report);
        let protocol = fields.choice("protocol", report).unwrap_or_default();
        let host_port = fields.count("hostPort", 1, 65_535, report);
        if !fields.has("containerPort") {
            let hint = "for example `containerPort: 8080`";
            report.problem_with_hint(fields.at(), "a port without a `containerPort`", hint);
        }
        if let Some(container_port) = container_port {
            let port = Port { container_port, protocol, host_port };
            let same = |other: &Port| (other.container_port, other.protocol) == (container_port, protocol);
            if ports.iter().any(same) {
                let what = format!("port {container_port}/{} twice", protocol.as_str());
                report.problem(fields.at_key("containerPort"), what);
            } else if host_port.is_some() && ports.iter().any(|other| other.host_port == host_port) {
                report.problem(fields.at_key("hostPort"), "two ports behind one `hostPort`");
            } else {
                ports.push(port);
            }
        }
        fields.done();
    }
    ports
}

/// What a transport over HTTP needs, and what only makes sense with one.
pub(super) fn check(server: &Server, fields: &Fields<'_>, report: &mut Report) {
    let speaks_http = server.transport != ContainerTransport::Stdio;
    if speaks_http && server.remote.is_none() && server.sse_endpoint.is_empty() {
        let first = server.ports.first();
        if first.is_none() && !fields.has("ports") {
            let what = format!("`transport: {}` without `ports`", server.transport.as_str());
            let hint = "say where the server listens in its container: `ports: [{containerPort: 8080}]`";
            report.problem_with_hint(fields.at_key("transport"), what, hint);
        } else if first.is_some_and(|port| port.protocol == PortProtocol::Udp) {
            let hint = "the first of `ports` is the one that MCP is spoken on";
            report.problem_with_hint(fields.at_key("ports"), "MCP is not spoken over UDP", hint);
        }
    }
    for (key, path) in [("path", &server.path), ("healthPath", &server.health_path)] {
        if !path.is_empty() && !absolute(path) {
            let what = format!("`{key}`: `{}` is not an absolute path", path.escape_debug());
            report.problem_with_hint(fields.at_key(key), what, "it begins with `/`, for example `/mcp`");
        }
    }
}

/// A path as it stands in a request: no spaces, no fragment.
fn absolute(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}
