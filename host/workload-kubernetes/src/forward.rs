//! Ways from this machine to a port of a pod, through the API server.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::name;
use crate::rights::Right;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

/// Bytes on the way in one message.
const BUFFER: usize = 32 << 10;
/// Load balancers cut connections that are silent for a minute.
const PING: Duration = Duration::from_secs(25);

/// A port of this machine's loopback behind which a port of a pod is. Closed when it is dropped, with every connection over it.
#[derive(Debug)]
pub struct Tunnel {
    /// Where it listens.
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    /// Opens a tunnel to a port of a pod. Whether something listens there shows with the first connection.
    ///
    /// # Errors
    /// There is no pod of that name to be had, or no port of this machine.
    pub async fn open_tunnel(
        self: &Arc<Self>,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Tunnel, Error> {
        let what = format!("open a tunnel to pod `{pod}`");
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/portforward?ports={port}",
            name::label(namespace)?,
            name::object(pod)?
        );
        let right = Right::new("create", "", "pods", namespace).subresource("portforward");
        if !self.may(&right).await? {
            return Err(Error::new(crate::ErrorKind::Denied, format!("{what}: the right is missing"))
                .with_hint(right.advice()));
        }
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| Error::io(&what, &error))?;
        let address = listener.local_addr().map_err(|error| Error::io(&what, &error))?;
        let cluster = Arc::clone(self);
        let task = tokio::spawn(async move {
            // Dropped with this task, which ends them all.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { return };
                        let (cluster, path, right) = (Arc::clone(&cluster), path.clone(), right.clone());
                        connections.spawn(async move {
                            if let Err(error) = forward(&cluster, &path, &right, stream).await {
                                tracing::debug!(error = error.text, "a connection through a tunnel ended");
                            }
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Tunnel { address, task })
    }
}

/// One connection: its own WebSocket, with channel 0 for data and channel 1 for the error, each begun by the port's number.
async fn forward(cluster: &Cluster, path: &str, right: &Right, stream: TcpStream) -> Result<(), Error> {
    let what = "forward a port";
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|error| Error::specification(format!("{what}: {error}")))?;
    let client = cluster.client().await?;
    let connection = client.connect(request).await.map_err(|error| Error::of(what, right, &error))?;
    let (mut sink, mut messages) = connection.into_stream().split();
    // Small requests must not wait for more.
    let _ = stream.set_nodelay(true);
    let (mut read, mut write) = stream.into_split();
    let up = async move {
        let mut ping = tokio::time::interval(PING);
        ping.reset();
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(BUFFER + 1);
            if buffer.is_empty() {
                buffer.put_u8(0);
            }
            let message = tokio::select! {
                read = read.read_buf(&mut buffer) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(_) => Message::Binary(buffer.split().freeze()),
                },
                _ = ping.tick() => Message::Ping(Bytes::new()),
            };
            if sink.send(message).await.is_err() {
                break;
            }
        }
        let _ = sink.close().await;
    };
    let down = async move {
        let mut begun = [false; 2];
        while let Some(Ok(message)) = messages.next().await {
            let Message::Binary(mut bytes) = message else {
                if message.is_close() {
                    break;
                }
                continue;
            };
            if bytes.is_empty() {
                continue;
            }
            let channel = usize::from(bytes.get_u8());
            #[expect(
                clippy::collapsible_match,
                reason = "a guard that waits is read as a condition, and this is the work"
            )]
            match begun.get_mut(channel) {
                Some(begun @ false) => *begun = true,
                Some(true) if channel == 0 => {
                    if write.write_all(&bytes).await.is_err() {
                        return Ok(());
                    }
                }
                Some(true) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    return Err(Error::new(crate::ErrorKind::Unreachable, format!("{what}: {text}")));
                }
                None => {}
            }
        }
        let _ = write.shutdown().await;
        Ok(())
    };
    // Whoever ends first ends the other: HTTP does not half-close.
    tokio::select! {
        () = up => Ok(()),
        ended = down => ended,
    }
}
