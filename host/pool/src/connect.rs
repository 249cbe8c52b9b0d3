//! From a connection that a provisioner gave to something that a wire can use: a pair of streams, or an endpoint that speaks HTTP.

pub(crate) mod events;
pub(crate) mod http;

use host_provisioner::{Class, Connection, Failure, HttpEndpoint, Phase, Streams};
use tokio::net::TcpStream;

/// A way that is open as far as it can be before anybody speaks.
pub(crate) enum Opened {
    /// One stream each way, a message a line.
    Streams(Streams),
    /// A request for each message.
    Http(HttpEndpoint),
}

impl From<Streams> for Opened {
    fn from(streams: Streams) -> Self {
        Self::Streams(streams)
    }
}

/// Opens the connection. Standard streams are open already; over HTTP the first message connects.
///
/// # Errors
/// Nobody listens there.
pub(crate) async fn open(connection: Connection) -> Result<Opened, Failure> {
    match connection {
        Connection::Streams(streams) => Ok(Opened::Streams(streams)),
        Connection::Tcp(host, port) => {
            let fail = |error: std::io::Error| {
                let text = format!("connecting to {host}:{port} failed: {error}");
                Failure::new(Phase::Handshake, Class::Retryable, text)
            };
            let stream = TcpStream::connect((host.as_str(), port)).await.map_err(fail)?;
            // One message is one write; waiting for more would cost 40 ms a call.
            stream.set_nodelay(true).map_err(fail)?;
            let (stdout, stdin) = stream.into_split();
            Ok(Opened::Streams(Streams {
                label: format!("{host}:{port}"),
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: None,
            }))
        }
        Connection::Dialled(endpoint) => endpoint.dial.dial().await.map(Opened::Streams),
        Connection::Http(endpoint) => Ok(Opened::Http(endpoint)),
    }
}
