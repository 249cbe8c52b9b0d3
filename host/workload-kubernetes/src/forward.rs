//! Ways from this machine to a port of a pod, through the API server: of one pod, or of whichever is ready of several.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::name;
use crate::rights::Right;
use crate::test::{Test, is_met};
use crate::watch::Watched;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use kube::client::Connection;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;

/// Bytes on the way in one message.
const BUFFER: usize = 32 << 10;
/// Load balancers cut connections that are silent for a minute.
const PING: Duration = Duration::from_secs(25);

/// How long a connection waits for a pod that is ready, where another one takes the place of what was there.
const FOLLOW: Duration = Duration::from_secs(60);

/// A way to a port of a pod. Closed when it is dropped, with every connection over it.
///
/// It has a port of this machine's loopback, for whoever can be told nothing but an address. Every user of this machine can connect there, so
/// nobody is answered before [`Tunnel::listen`], and whoever can take a stream takes it from [`Tunnel::connect`].
pub struct Tunnel {
    /// Its port of the loopback.
    pub address: SocketAddr,
    way: Way,
    /// Until one of the two was called.
    listener: Mutex<Option<TcpListener>>,
    /// Dropped with this, which ends them all.
    tasks: Mutex<JoinSet<()>>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Tunnel {
    /// From now on whatever connects to the address is led to the pod. Without effect after [`Tunnel::connect`], which has closed it.
    pub fn listen(&self) {
        let Some(listener) = self.take_listener() else { return };
        let way = self.way.clone();
        self.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { return };
                        // Small requests must not wait for more.
                        let _ = stream.set_nodelay(true);
                        connections.spawn(lead(way.clone(), stream));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
    }

    /// A connection that nobody but the caller has. Closes the address, unless somebody listens there already.
    #[must_use]
    pub fn connect(&self) -> DuplexStream {
        drop(self.take_listener());
        let (near, far) = tokio::io::duplex(BUFFER);
        self.spawn(lead(self.way.clone(), far));
        near
    }

    fn take_listener(&self) -> Option<TcpListener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }
}

/// Where the connections of a tunnel lead.
#[derive(Clone)]
enum Lead {
    Pod(String),
    /// To one that is ready, of those with these labels.
    Ready(Watched, BTreeMap<String, String>),
}

/// Everything about a tunnel but where it listens.
#[derive(Clone)]
struct Way {
    cluster: Arc<Cluster>,
    namespace: String,
    port: u16,
    right: Right,
    lead: Lead,
}

impl Cluster {
    /// Opens a tunnel to a port of a pod. Whether something is there shows with the first connection.
    ///
    /// # Errors
    /// There is no pod of that name to be had, or no port of this machine.
    pub async fn open_tunnel(
        self: &Arc<Self>,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Tunnel, Error> {
        name::object(pod)?;
        self.tunnel(namespace, Lead::Pod(pod.to_owned()), &format!("pod `{pod}`"), port).await
    }

    /// Opens a tunnel to a port of whichever pod with these labels is ready: each connection looks anew, and waits a minute for one. `selector` is
    /// that of the watch in which they are.
    ///
    /// # Errors
    /// As [`Cluster::open_tunnel`].
    pub async fn open_tunnel_to_ready(
        self: &Arc<Self>,
        namespace: &str,
        labels: BTreeMap<String, String>,
        selector: &str,
        port: u16,
    ) -> Result<Tunnel, Error> {
        let kind = self.kind("v1/Pod").await?;
        let lead = Lead::Ready(self.watch(&kind, namespace, selector), labels);
        self.tunnel(namespace, lead, "a pod that is ready", port).await
    }

    async fn tunnel(
        self: &Arc<Self>,
        namespace: &str,
        lead: Lead,
        whither: &str,
        port: u16,
    ) -> Result<Tunnel, Error> {
        let what = format!("open a tunnel to {whither}");
        let namespace = name::label(namespace)?.to_owned();
        let right = Right::new("create", "", "pods", &namespace).subresource("portforward");
        if !self.may(&right).await? {
            return Err(Error::new(crate::ErrorKind::Denied, format!("{what}: the right is missing"))
                .with_hint(right.advice()));
        }
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| Error::io(&what, &error))?;
        let address = listener.local_addr().map_err(|error| Error::io(&what, &error))?;
        let way = Way { cluster: Arc::clone(self), namespace, port, right, lead };
        Ok(Tunnel { address, way, listener: Mutex::new(Some(listener)), tasks: Mutex::default() })
    }
}

impl Way {
    /// The WebSocket of one connection.
    async fn open(&mut self, what: &str) -> Result<Connection, Error> {
        let until = Instant::now() + FOLLOW;
        loop {
            let pod = self.lead.pod(what, until).await?;
            let path = format!(
                "/api/v1/namespaces/{}/pods/{}/portforward?ports={}",
                self.namespace,
                name::object(&pod)?,
                self.port
            );
            let request = Request::get(path)
                .body(Vec::new())
                .map_err(|error| Error::specification(format!("{what}: {error}")))?;
            let error = match self.cluster.connect(what, &self.right, request).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let Lead::Ready(watched, _) = &mut self.lead else { return Err(error) };
            // Only one that has gone has another in its place, of which the watch may not have heard yet.
            let kind = self.cluster.kind("v1/Pod").await?;
            let found = self.cluster.get(&kind, &self.namespace, &pod).await;
            if !matches!(found, Ok(found) if found.as_ref().is_none_or(is_ending)) {
                return Err(error);
            }
            if watched.object(&pod).is_some_and(|pod| !is_ending(&pod))
                && timeout_at(until, watched.changed()).await.is_err()
            {
                return Err(error);
            }
        }
    }
}

impl Lead {
    /// The pod of the next connection.
    async fn pod(&mut self, what: &str, until: Instant) -> Result<String, Error> {
        let (watched, labels) = match self {
            Self::Pod(pod) => return Ok(pod.clone()),
            Self::Ready(watched, labels) => (watched, labels),
        };
        let ready = Test::IsTrue("Ready".to_owned());
        let fits = |pod: &Value| {
            let label = |key: &str| pod.pointer("/metadata/labels")?.get(key)?.as_str();
            is_met(&ready, Some(pod))
                && !is_ending(pod)
                && labels.iter().all(|(key, value)| label(key) == Some(value.as_str()))
        };
        loop {
            if watched.is_known()? {
                let found = watched.objects(fits);
                let name = found.first().and_then(|pod| pod.pointer("/metadata/name")?.as_str());
                if let Some(name) = name {
                    return Ok(name.to_owned());
                }
            }
            if timeout_at(until, watched.changed()).await.is_err() {
                let seconds = FOLLOW.as_secs();
                let text = format!("{what}: no pod that belongs there was ready in {seconds} s");
                return Err(Error::new(crate::ErrorKind::Unreachable, text));
            }
        }
    }
}

/// Whether a pod is on its way out.
fn is_ending(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// Leads a connection to its end.
async fn lead(way: Way, stream: impl AsyncRead + AsyncWrite + Send) {
    if let Err(error) = forward(way, stream).await {
        tracing::debug!(error = error.text, "a connection through a tunnel ended");
    }
}

/// One connection: its own WebSocket, with channel 0 for data and channel 1 for the error, each begun by the port's number.
async fn forward(mut way: Way, stream: impl AsyncRead + AsyncWrite + Send) -> Result<(), Error> {
    let what = "forward a port";
    let (mut sink, mut messages) = way.open(what).await?.into_stream().split();
    let (mut read, mut write) = tokio::io::split(stream);
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
