//! From a connection that a provisioner gave to a pair of streams.

use host_provisioner::{Class, Connection, Failure, Phase, Streams};
use tokio::net::TcpStream;

/// Opens the connection. Standard streams are open already.
///
/// # Errors
/// Nobody listens there, or it is an HTTP endpoint.
pub(crate) async fn open(connection: Connection) -> Result<Streams, Failure> {
    match connection {
        Connection::Streams(streams) => Ok(streams),
        Connection::Tcp(host, port) => {
            let fail = |error: std::io::Error| {
                let text = format!("connecting to {host}:{port} failed: {error}");
                Failure::new(Phase::Handshake, Class::Retryable, text)
            };
            let stream = TcpStream::connect((host.as_str(), port)).await.map_err(fail)?;
            // One message is one write; waiting for more would cost 40 ms a call.
            stream.set_nodelay(true).map_err(fail)?;
            let (stdout, stdin) = stream.into_split();
            Ok(Streams {
                label: format!("{host}:{port}"),
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: None,
            })
        }
        Connection::Http(endpoint) => {
            let text = format!("the gateway cannot reach servers over HTTP yet: {}", endpoint.url);
            Err(Failure::new(Phase::Handshake, Class::Config, text)
                .with_hint("use a server or a provisioner that offers standard streams or TCP"))
        }
    }
}
