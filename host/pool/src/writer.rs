//! Writing to a server: the sender writes itself, a task goes on only when the server does not read.
//!
//! Messages are assembled in the buffer they are written from, under a lock that is never held across an await, so they never
//! interleave, each is one write, and a steady state allocates nothing.

use crate::SendError;
use bytes::{Buf, BufMut, BytesMut};
use host_provisioner::BoxWrite;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;

/// A buffer that grew beyond this is given back when it is empty.
const KEPT_CAPACITY: usize = 256 << 10;

struct State {
    /// `None` once it is over.
    out: Option<BoxWrite>,
    backlog: BytesMut,
    /// The task is writing; senders only append.
    busy: bool,
    task: Option<Waker>,
}

/// The way to a server.
pub(crate) struct Writer {
    state: Mutex<State>,
    limit: usize,
}

/// Why nothing was sent.
pub(crate) enum NotSent {
    /// The way was over already.
    Closed,
    /// The way broke now.
    Broken(io::Error),
    /// Refused for its own reason.
    Refused(SendError),
}

impl Writer {
    pub(crate) fn new(out: BoxWrite, limit: usize) -> Self {
        let state = State { out: Some(out), backlog: BytesMut::new(), busy: false, task: None };
        Self { state: Mutex::new(state), limit }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one message that `write` appends without its newline.
    pub(crate) fn send(
        &self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), NotSent> {
        let mut state = self.lock();
        if state.out.is_none() {
            return Err(NotSent::Closed);
        }
        let before = state.backlog.len();
        let result = write(&mut state.backlog);
        // One message may be longer than the limit, but nothing may wait behind or before such a one.
        let full = before > 0 && state.backlog.len() > self.limit;
        if let Err(error) =
            result.and(if full { Err(SendError::Backlog { limit: self.limit }) } else { Ok(()) })
        {
            state.backlog.truncate(before);
            return Err(NotSent::Refused(error));
        }
        state.backlog.put_u8(b'\n');
        if state.busy {
            return Ok(());
        }
        // Nobody is woken by this context: if the server does not take everything at once, the task polls again with its own.
        match state.poll_out(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(error)) => {
                state.out = None;
                Err(NotSent::Broken(error))
            }
            Poll::Pending => {
                state.busy = true;
                let task = state.task.take();
                drop(state);
                if let Some(task) = task {
                    task.wake();
                }
                Ok(())
            }
        }
    }

    /// The task that goes on where a sender could not. Ends when the way is closed (`Ok`) or breaks.
    pub(crate) async fn run(self: Arc<Self>) -> io::Result<()> {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.out.is_none() {
                return Poll::Ready(Ok(()));
            }
            if state.busy {
                match state.poll_out(context) {
                    Poll::Ready(Ok(())) => state.busy = false,
                    Poll::Ready(Err(error)) => {
                        state.out = None;
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => {}
                }
            }
            // Also while the write is pending, so that `close` reaches the task.
            state.task = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Closes the way; the server sees the end of its input. What still waits is lost.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        let out = state.out.take();
        state.backlog = BytesMut::new();
        let task = state.task.take();
        drop(state);
        if let Some(mut out) = out {
            // Dropping half of a split stream does not end it, shutting down does. One poll is all that a closing way gets.
            let _ = Pin::new(&mut out).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
        // Also when the way broke while a sender wrote: the task does not know yet.
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl State {
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(out) = self.out.as_mut() else { return Poll::Ready(Ok(())) };
        let mut out = Pin::new(out);
        while !self.backlog.is_empty() {
            match out.as_mut().poll_write(context, &self.backlog) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.backlog.advance(written),
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.backlog.capacity() > KEPT_CAPACITY {
            self.backlog = BytesMut::new();
        }
        out.poll_flush(context)
    }
}
