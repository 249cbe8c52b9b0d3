//! One connection: hyper, with our own watch over connections that begin a request and do not finish its head.
//!
//! hyper's own limit for heads arms a timer for every request and also ends connections that are merely idle between two requests,
//! which clients notice as a failed call. Ours is one timer per connection that looks whether anything moves.

use super::service::{Shared, handle};
use crate::config::Stop;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most that one connection buffers of what it reads; larger bodies come in pieces.
const BUFFER: usize = 64 << 10;

/// What has happened on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Bytes that have come.
    received: AtomicU64,
    /// Bytes that had come when the last request began or ended.
    accounted: AtomicU64,
    /// Requests that have begun.
    begun: AtomicU64,
    /// Requests that are being handled: whatever arrives meanwhile is their body, which has a limit of its own, or waits for its turn.
    busy: AtomicU64,
}

impl Activity {
    fn account(&self) {
        self.accounted.store(self.received.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, header_timeout: Duration, stop: Stop) {
    // An answer in several small writes would otherwise wait for acknowledgements that the other side delays (`mcp-ecosystem.md` 10).
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("can't set TCP_NODELAY: {error}");
    }
    let Ok(local) = stream.local_addr() else { return };
    let activity = Arc::new(Activity::default());
    let service = service_fn(|request| {
        let (shared, activity) = (Arc::clone(&shared), Arc::clone(&activity));
        async move {
            activity.begun.fetch_add(1, Ordering::Relaxed);
            activity.busy.fetch_add(1, Ordering::Relaxed);
            let response = handle(&shared, local.ip(), request).await;
            activity.account();
            activity.busy.fetch_sub(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Counted { stream, activity: Arc::clone(&activity) });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(BUFFER);
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    let mut watch = std::pin::pin!(stalled(&activity, header_timeout));
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!("a connection ended: {error}");
                }
                return;
            }
            () = stop.drain.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = stop.cut.cancelled() => return,
            () = &mut watch => {
                tracing::debug!("a connection was closed because the head of a request did not arrive in time");
                return;
            }
        }
    }
}

/// Returns when a request has begun to arrive and no more than its beginning came within the limit.
async fn stalled(activity: &Activity, limit: Duration) {
    let mut before = (0, false);
    loop {
        tokio::time::sleep(limit).await;
        let begun = activity.begun.load(Ordering::Relaxed);
        let partial = activity.busy.load(Ordering::Relaxed) == 0
            && activity.received.load(Ordering::Relaxed) > activity.accounted.load(Ordering::Relaxed);
        // A connection on which nothing was ever asked has had its time after the first round.
        if begun == 0 || (partial && before == (begun, true)) {
            return;
        }
        before = (begun, partial);
    }
}

/// A stream that counts what it reads.
struct Counted {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = (buffer.filled().len() - before) as u64;
        self.activity.received.fetch_add(read, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
