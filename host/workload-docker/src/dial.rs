//! Opens byte streams to an engine.

use crate::endpoint::Endpoint;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// A stream to the engine.
pub(crate) enum Stream {
    #[cfg(unix)]
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Ssh(Box<Tunnel>),
}

/// A stream through a program that passes bytes on. The program is ended with the stream.
pub(crate) struct Tunnel {
    stdin: ChildStdin,
    stdout: ChildStdout,
    _child: Child,
}

pub(crate) type ReadHalf = Box<dyn AsyncRead + Send + Sync + Unpin>;
pub(crate) type WriteHalf = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// Opens a stream to the engine.
pub(crate) async fn dial(endpoint: &Endpoint, tls: Option<&Arc<ClientConfig>>) -> io::Result<Stream> {
    match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        #[cfg(not(unix))]
        Endpoint::Unix(_) => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "no unix sockets on this system"))
        }
        Endpoint::Tcp { host, port, .. } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // One message is one write; waiting for more would cost 40 ms a message.
            stream.set_nodelay(true)?;
            let Some(config) = tls else { return Ok(Stream::Tcp(stream)) };
            let name = ServerName::try_from(host.clone())
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the host is no name for TLS"))?;
            let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
            Ok(Stream::Tls(Box::new(stream)))
        }
        Endpoint::Ssh { destination, port } => ssh(destination, *port),
    }
}

/// The same command that Docker's own program runs: `docker system dial-stdio` connects to the engine's socket over there.
fn ssh(destination: &str, port: Option<u16>) -> io::Result<Stream> {
    let mut command = Command::new("ssh");
    command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]);
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["--", destination, "docker", "system", "dial-stdio"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("`ssh` has no standard streams"));
    };
    Ok(Stream::Ssh(Box::new(Tunnel { stdin, stdout, _child: child })))
}

impl Stream {
    /// Two halves that can be used by two tasks. Sockets have halves without a lock, which is what the relay path uses.
    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Tls(_) | Self::Ssh(_) => {
                let (read, write) = tokio::io::split(self);
                (Box::new(read), Box::new(write))
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Ssh(tunnel) => Pin::new(&mut tunnel.stdout).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Ssh(tunnel) => Pin::new(&mut tunnel.stdin).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Ssh(tunnel) => Pin::new(&mut tunnel.stdin).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Ssh(tunnel) => Pin::new(&mut tunnel.stdin).poll_shutdown(cx),
        }
    }
}
