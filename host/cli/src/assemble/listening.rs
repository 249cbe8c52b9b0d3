//! How a server in a container is spoken to, and its ports: from the entry to the specification.

use anyhow::{Result, bail};
use host_config::{ContainerTransport, Kind, PortProtocol, Server};
use host_provisioner as p;

/// Sets transport and ports of a specification. Nothing of it concerns what is reached elsewhere: there `remote` has said everything.
///
/// # Errors
/// What an entry of a catalogue, which is read as Docker reads it, says wrongly; names the field.
pub(super) fn apply(server: &Server, spec: &mut p::ServerSpec) -> Result<()> {
    let kind = server.kind();
    if kind == Kind::Remote {
        return Ok(());
    }
    if kind != Kind::Image {
        if !server.ports.is_empty() || server.transport != ContainerTransport::Stdio {
            bail!("`ports` and `transport` are for servers in containers");
        }
        return Ok(());
    }
    if let Some(port) = server.ports.iter().find_map(|port| port.host_port.filter(|_| !server.by_operator)) {
        bail!("`ports` asks for port {port} of this machine, which only a server of `gateway.yaml` can have");
    }
    spec.ports = server
        .ports
        .iter()
        .map(|port| p::Port {
            container_port: port.container_port,
            udp: port.protocol == PortProtocol::Udp,
            host_port: port.host_port,
        })
        .collect();
    let usual = match server.transport {
        ContainerTransport::Stdio if server.path.is_empty() && server.health_path.is_empty() => return Ok(()),
        ContainerTransport::Stdio => {
            bail!("`path` and `healthPath` are for servers that speak HTTP; say `transport: http`")
        }
        ContainerTransport::Http => "/mcp",
        ContainerTransport::Sse => "/sse",
    };
    let Some(port) = spec.ports.first().filter(|port| !port.udp) else {
        bail!("`transport: {}` needs a first entry of `ports` that is TCP", server.transport.as_str());
    };
    for (key, path) in [("path", &server.path), ("healthPath", &server.health_path)] {
        if !path.is_empty() && !path.starts_with('/') {
            bail!("`{key}` has `{path}`, which does not begin with `/`");
        }
    }
    let path = if server.path.is_empty() { usual } else { &server.path };
    let endpoint = p::ServerEndpoint {
        port: port.container_port,
        path: path.to_owned(),
        health_path: Some(server.health_path.clone()).filter(|path| !path.is_empty()),
    };
    spec.transport = match server.transport {
        ContainerTransport::Sse => p::Transport::Sse(endpoint),
        _ => p::Transport::StreamableHttp(endpoint),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_config::Catalog;

    fn applied(entry: &str) -> Result<p::ServerSpec> {
        let text = format!("registry: {{acme: {{{entry}}}}}");
        let (catalog, _) = Catalog::parse(&text, "c.yaml").unwrap();
        let workload = p::Workload::Image { reference: "a".to_owned(), digest: None, arguments: Vec::new() };
        let mut spec = p::ServerSpec::new("acme", workload);
        apply(catalog.get("acme").unwrap(), &mut spec).map(|()| spec)
    }

    #[test]
    fn a_server_listens_on_the_first_of_its_ports() {
        let spec = applied(
            "image: a, transport: http, ports: [{containerPort: 3001}, {containerPort: 53, protocol: udp}]",
        );
        let spec = spec.unwrap();
        let endpoint = p::ServerEndpoint { port: 3001, path: "/mcp".to_owned(), health_path: None };
        assert_eq!(spec.transport, p::Transport::StreamableHttp(endpoint));
        let port = |container_port, udp| p::Port { container_port, udp, host_port: None };
        assert_eq!(spec.ports, [port(3001, false), port(53, true)]);
        let spec =
            applied("image: a, transport: sse, ports: [{containerPort: 80}], healthPath: /up").unwrap();
        let endpoint =
            p::ServerEndpoint { port: 80, path: "/sse".to_owned(), health_path: Some("/up".to_owned()) };
        assert_eq!(spec.transport, p::Transport::Sse(endpoint));
        assert_eq!(applied("image: a").unwrap().transport, p::Transport::Stdio);
        // Whoever names a URL is reached there, whatever else the entry says.
        let remote = "image: a, remote: {url: 'https://x.example', transport_type: sse}, transport: http";
        assert_eq!(applied(remote).unwrap().transport, p::Transport::Stdio);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (entry, expected) in [
            ("image: a, transport: http", "needs a first entry of `ports` that is TCP"),
            ("image: a, transport: http, ports: [{containerPort: 5, protocol: udp}]", "that is TCP"),
            ("image: a, path: /mcp", "say `transport: http`"),
            ("image: a, transport: http, ports: [{containerPort: 5}], path: mcp", "does not begin with `/`"),
            ("image: a, ports: [{containerPort: 5, hostPort: 80}]", "port 80 of this machine"),
            ("tools: [], ports: [{containerPort: 5}]", "for servers in containers"),
        ] {
            let error = applied(entry).unwrap_err().to_string();
            assert!(error.contains(expected), "{entry}: {error}");
        }
    }
}
