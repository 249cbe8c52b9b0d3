//! Endpoints at the other end of a tunnel, which is open as long as the connection is.

use crate::sanitize::line;
use crate::state::Scope;
use crate::v0_1::types::{Failure, FailureCategory};
use async_trait::async_trait;
use bytes::Bytes;
use host_provisioner::{BoxBody, HttpChannel, HttpFailure, Streams};
use host_workload_kubernetes::Tunnel;
use http::{Request, Response};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf};

impl Scope {
    /// The tunnel that an endpoint names, if it leads there and was opened in this call.
    pub(super) fn tunnel(
        &self,
        id: Option<&str>,
        host: &str,
        port: u16,
    ) -> Result<Option<Arc<Tunnel>>, Failure> {
        let Some(id) = id else { return Ok(None) };
        match self.tunnels.tunnel(id, host, port) {
            Some(tunnel) => Ok(Some(tunnel)),
            None => {
                let text = format!("no tunnel `{}` of this call leads to {host}:{port}", line(id, 60));
                Err(self.refuse(FailureCategory::Permission, text))
            }
        }
    }
}

impl Scope {
    /// A connection through a tunnel, as the streams that it is, after its first line. The tunnel is open as long as they are. Nobody else on this
    /// machine gets a connection of his own, behind which the bridge would start the server for him.
    pub(super) async fn tunnelled(
        &self,
        tunnel: Arc<Tunnel>,
        first_line: Option<&[u8]>,
    ) -> Result<Streams, Failure> {
        let address = tunnel.address;
        let mut stream = tunnel.connect();
        // It is short enough for what the stream holds, so nobody waits for a reader.
        stream.write_all(first_line.unwrap_or_default()).await.map_err(|error| {
            self.refuse(
                FailureCategory::Retryable,
                format!("connect through the tunnel at {address}: {error}"),
            )
        })?;
        let (read, write) = tokio::io::split(stream);
        Ok(Streams {
            label: format!("tcp through the tunnel at {address}"),
            stdin: Box::new(Through { half: write, _tunnel: Arc::clone(&tunnel) }),
            stdout: Box::new(Through { half: read, _tunnel: tunnel }),
            stderr: None,
        })
    }
}

/// Half of a connection through a tunnel, which keeps it open.
struct Through<H> {
    half: H,
    _tunnel: Arc<Tunnel>,
}

impl AsyncRead for Through<ReadHalf<DuplexStream>> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_read(cx, buf)
    }
}

impl AsyncWrite for Through<WriteHalf<DuplexStream>> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.half).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(cx)
    }
}

/// A channel that keeps its tunnel open.
struct Tunnelled<C> {
    channel: C,
    _tunnel: Arc<Tunnel>,
}

/// The channel, through the tunnel if there is one, which can be connected to from now on.
pub(super) fn through(
    tunnel: Option<Arc<Tunnel>>,
    channel: impl HttpChannel + 'static,
) -> Arc<dyn HttpChannel> {
    match tunnel {
        None => Arc::new(channel),
        Some(tunnel) => {
            tunnel.listen();
            Arc::new(Tunnelled { channel, _tunnel: tunnel })
        }
    }
}

#[async_trait]
impl<C: HttpChannel> HttpChannel for Tunnelled<C> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<BoxBody>, HttpFailure> {
        self.channel.send(request).await
    }

    fn resolve(&self, reference: &str) -> Result<String, HttpFailure> {
        self.channel.resolve(reference)
    }
}
