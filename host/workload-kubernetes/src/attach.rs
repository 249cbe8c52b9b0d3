//! Standard streams of a container, over one WebSocket to the API server (sub-protocols `v5.channel.k8s.io`, which can close standard input alone,
//! and `v4.channel.k8s.io`, which cannot).
//!
//! Two tasks move a connection on: one reads, one writes and keeps it alive, so that neither direction waits for the other. Standard error never holds up
//! standard output: what nobody takes in time is dropped.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::name;
use crate::rights::Right;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Channels of both sub-protocols; the last is of v5 alone.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

/// Bytes of standard input on the way.
const BUFFER: usize = 64 << 10;
/// Messages of standard output on the way; each has 32 KiB at most, because containerd reads so.
const MESSAGES: usize = 64;
/// Load balancers cut connections that are silent for a minute.
const PING: Duration = Duration::from_secs(25);

/// A container's standard streams. Dropping them detaches.
pub struct Attached {
    /// What it reads. Closing it (`shutdown`, or dropping it) is the end of its input.
    pub stdin: Stdin,
    /// What it writes. Its end means that the container has ended, or that the connection broke.
    pub stdout: Stdout,
    /// What it complains about.
    pub stderr: Stderr,
    /// How a program ended that `exec` started, as the API's `Status`; nothing when the connection broke before.
    pub(crate) status: oneshot::Receiver<Bytes>,
}

/// Standard input of a container.
pub struct Stdin(DuplexStream);

/// Standard output of a container.
pub struct Stdout(Incoming);

/// Standard error of a container.
pub struct Stderr(Incoming);

/// Messages of one channel, as a stream of bytes.
struct Incoming {
    messages: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Cluster {
    /// Attaches to a container that runs. What it wrote before is not repeated.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::Denied`] with the rule, [`crate::ErrorKind::Specification`] when it does not run.
    pub async fn attach(&self, namespace: &str, pod: &str, container: &str) -> Result<Attached, Error> {
        let query = format!("container={}&stdin=true&stdout=true&stderr=true", name::label(container)?);
        self.streams("attach", namespace, pod, &query).await
    }

    pub(crate) async fn streams(
        &self,
        verb: &str,
        namespace: &str,
        pod: &str,
        query: &str,
    ) -> Result<Attached, Error> {
        let what = format!("{verb} to pod `{pod}`");
        // A WebSocket is asked for with GET, and newer servers ask for `create` all the same.
        let right = Right::new("create", "", "pods", namespace).subresource(verb);
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/{verb}?{query}",
            name::label(namespace)?,
            name::object(pod)?
        );
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(|error| Error::specification(format!("{what}: {error}")))?;
        let connection = self.connect(&what, &right, request).await?;
        let half_close = connection.supports_stream_close();
        let (sink, stream) = connection.into_stream().split();
        let (stdin, from_us) = tokio::io::duplex(BUFFER);
        let (to_stdout, stdout) = mpsc::channel(MESSAGES);
        let (to_stderr, stderr) = mpsc::channel(MESSAGES);
        let (to_status, status) = oneshot::channel();
        // They end when both sides of the caller are gone, or the connection is.
        tokio::spawn(write(sink, from_us, half_close, to_stdout.clone()));
        tokio::spawn(read(stream, to_stdout, to_stderr, to_status));
        Ok(Attached {
            stdin: Stdin(stdin),
            stdout: Stdout(Incoming::new(stdout)),
            stderr: Stderr(Incoming::new(stderr)),
            status,
        })
    }
}

async fn read<S>(
    mut stream: SplitStream<WebSocketStream<S>>,
    stdout: mpsc::Sender<Bytes>,
    stderr: mpsc::Sender<Bytes>,
    status: oneshot::Sender<Bytes>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut status = Some(status);
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            // Nobody takes it any more.
            () = stdout.closed() => return,
        };
        let mut bytes = match message {
            Some(Ok(Message::Binary(bytes))) if bytes.len() > 1 => bytes,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            Some(Ok(_)) => continue,
        };
        #[expect(clippy::collapsible_match, reason = "a guard would move the bytes that it looks at")]
        match bytes.split_to(1).first().copied() {
            Some(STDOUT) => {
                if stdout.send(bytes).await.is_err() {
                    return;
                }
            }
            Some(STDERR) => {
                // Full: it is dropped rather than that standard output waits.
                let _ = stderr.try_send(bytes);
            }
            Some(STATUS) => {
                if let Some(status) = status.take() {
                    let _ = status.send(bytes);
                }
            }
            _ => {}
        }
    }
}

/// `stdout` is held to know when nobody reads any more: then there is nobody to write for either.
async fn write<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut stdin: DuplexStream,
    half_close: bool,
    stdout: mpsc::Sender<Bytes>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stdout = stdout.downgrade();
    let mut ping = tokio::time::interval(PING);
    ping.reset();
    let mut buffer = BytesMut::new();
    let mut open = true;
    loop {
        buffer.reserve(BUFFER + 1);
        if buffer.is_empty() {
            buffer.put_u8(STDIN);
        }
        let message = tokio::select! {
            read = stdin.read_buf(&mut buffer), if open => match read {
                Ok(0) | Err(_) => {
                    open = false;
                    if !half_close {
                        break;
                    }
                    Message::Binary(Bytes::from_static(&[CLOSE, STDIN]))
                }
                Ok(_) => Message::Binary(buffer.split().freeze()),
            },
            _ = ping.tick() => {
                // The reader is gone: the connection, or whom it was for.
                if stdout.upgrade().is_none_or(|stdout| stdout.is_closed()) {
                    break;
                }
                Message::Ping(Bytes::new())
            }
        };
        if sink.send(message).await.is_err() {
            return;
        }
    }
    let _ = sink.close().await;
}

impl Incoming {
    fn new(messages: mpsc::Receiver<Bytes>) -> Self {
        Self { messages, rest: Bytes::new() }
    }

    fn poll(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.messages.poll_recv(cx)) {
                Some(bytes) => self.rest = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stdout {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll(cx, buf)
    }
}

impl AsyncRead for Stderr {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll(cx, buf)
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
