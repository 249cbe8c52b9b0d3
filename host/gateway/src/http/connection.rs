//! One connection: hyper, with our own watch over connections that begin a request and do not finish its head.
//!
//! hyper's own limit for heads arms a timer for every request and also ends connections that are merely idle between two requests,
//! which clients notice as a failed call. Ours is one timer per connection that looks whether anything moves.

use super::service::{Shared, handle};
use super::strangers::Stranger;
use super::woken::Woken;
use crate::config::Stop;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most that one connection buffers of what it reads; larger bodies come in pieces.
const BUFFER: usize = 64 << 10;

/// What has happened on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Bytes that have come.
    received: AtomicU64,
    /// Bytes that have gone.
    sent: AtomicU64,
    /// Bytes that had come when the last request began or ended.
    accounted: AtomicU64,
    /// Requests that have begun.
    begun: AtomicU64,
    /// Requests that are being handled: whatever arrives meanwhile is their body, which has a limit of its own, or waits for its turn.
    busy: AtomicU64,
    /// Whether a request has shown that it may ask.
    known: AtomicBool,
}

impl Activity {
    fn account(&self) {
        self.accounted.store(self.received.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn count_sent(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(sent)) = result {
            self.sent.fetch_add(*sent as u64, Ordering::Relaxed);
        }
    }
}

/// What a connection is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the head of a request, from its first byte, and for the first request of a connection.
    pub(crate) header: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
}

/// Serves one connection, which came to the address `local`, to its end. `stranger` is its place until it has shown that it may ask.
pub(crate) async fn serve<S>(
    stream: S,
    local: IpAddr,
    stranger: Stranger,
    shared: Arc<Shared>,
    mut limits: Limits,
    stop: Stop,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity::default());
    let evicted = stranger.evicted.clone();
    let stranger = Arc::new(Mutex::new(Some(stranger)));
    let service = service_fn(|request| {
        let (shared, activity, stranger) =
            (Arc::clone(&shared), Arc::clone(&activity), Arc::clone(&stranger));
        async move {
            activity.begun.fetch_add(1, Ordering::Relaxed);
            activity.busy.fetch_add(1, Ordering::Relaxed);
            let admitted = || {
                if !activity.known.load(Ordering::Relaxed) {
                    activity.known.store(true, Ordering::Relaxed);
                    stranger.lock().unwrap_or_else(PoisonError::into_inner).take();
                }
            };
            let response = handle(&shared, local, request, admitted).await;
            activity.account();
            activity.busy.fetch_sub(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Counted { stream, activity: Arc::clone(&activity) });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(BUFFER);
    let connection = std::pin::pin!(builder.serve_connection(io, service));
    let mut connection = Woken::new(connection);
    let mut ending = false;
    let watch = |ending, limits| watch(&stop, &evicted, &activity, limits, ending);
    let mut watching = Woken::new(Box::pin(watch(ending, limits)));
    loop {
        let end = tokio::select! {
            biased;
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!("a connection ended: {error}");
                }
                return;
            }
            end = &mut watching => end,
        };
        match end {
            End::Drain => {}
            End::Cut => return,
            End::Evicted => {
                tracing::debug!("a connection was closed that had shown no token when its place was needed");
                return;
            }
            End::Head => {
                tracing::debug!(
                    "a connection was closed because the head of a request did not arrive in time"
                );
                return;
            }
            // A request that arrives at this moment is still answered, if all of its head arrives.
            End::Idle => limits.idle = Duration::MAX,
        }
        ending = true;
        connection.get().as_mut().graceful_shutdown();
        watching = Woken::new(Box::pin(watch(ending, limits)));
    }
}

/// What may end a connection from outside.
enum End {
    /// The gateway ends: what is in flight is finished.
    Drain,
    /// The gateway ends now.
    Cut,
    /// Its place is needed.
    Evicted,
    /// A request, or the first one, did not begin as it must.
    Head,
    /// Nobody asks anything.
    Idle,
}

/// Returns when one of these has come. `ending`: it was told already that it is to end.
async fn watch(
    stop: &Stop,
    evicted: &CancellationToken,
    activity: &Activity,
    limits: Limits,
    ending: bool,
) -> End {
    tokio::select! {
        biased;
        () = stop.drain.cancelled(), if !ending => End::Drain,
        () = stop.cut.cancelled() => End::Cut,
        () = evicted.cancelled(), if !activity.known.load(Ordering::Relaxed) => End::Evicted,
        end = stalled(activity, limits) => end,
    }
}

/// Returns when a request has begun to arrive and no more than its beginning came within the limit, or when none came for long.
async fn stalled(activity: &Activity, limits: Limits) -> End {
    let mut before = (0, false);
    let (mut moved, mut idle_since) = ((0, 0), Instant::now());
    loop {
        tokio::time::sleep(limits.header).await;
        let begun = activity.begun.load(Ordering::Relaxed);
        let busy = activity.busy.load(Ordering::Relaxed) > 0;
        let partial =
            !busy && activity.received.load(Ordering::Relaxed) > activity.accounted.load(Ordering::Relaxed);
        // A connection on which nothing was ever asked has had its time after the first round.
        if begun == 0 || (partial && before == (begun, true)) {
            return End::Head;
        }
        // A stream of events is an answer that is being written; its signs of life are bytes too.
        let moving = (begun, activity.sent.load(Ordering::Relaxed));
        if busy || moving != moved {
            (moved, idle_since) = (moving, Instant::now());
        } else if idle_since.elapsed() >= limits.idle {
            return End::Idle;
        }
        before = (begun, partial);
    }
}

/// A stream that counts what it reads.
struct Counted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.activity.count_sent(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.activity.count_sent(&result);
        result
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
