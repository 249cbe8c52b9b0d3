//! Writing to a server: the sender writes itself, a task goes on only when the server does not read.
//!
//! Messages are assembled in a buffer under a lock that is held neither across an await nor during a write, so they never interleave, each is one
//! write at the most, and a steady state allocates nothing. Who sends while another one writes leaves his message to that one: senders on
//! several threads do not wait for each other, and a server that is busy gets several messages at once.
//!
//! In a crowd (many calls in flight) a message waits for the turn of the task, behind everything that can run before it: whoever else has
//! something to say by then goes with the same write. A write costs a server behind an engine several times what it costs us.

use crate::SendError;
use bytes::{Buf, BufMut, BytesMut};
use host_provisioner::BoxWrite;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

/// A buffer that grew beyond this is given back when it is empty.
const KEPT_CAPACITY: usize = 256 << 10;

/// Nobody waits for company when so much is there to be written.
const ENOUGH: usize = 64 << 10;

/// Writes of one sender before the task takes over: what others leave to him must not keep him for long.
const MOST_WRITES: usize = 8;

struct State {
    /// `None` while a sender writes, and once it is over.
    out: Option<BoxWrite>,
    over: bool,
    /// Why it broke while a sender wrote what others had left to him, for the task to tell.
    broken: Option<io::Error>,
    backlog: BytesMut,
    /// Bytes that somebody is writing and that are not in `backlog`.
    writing: usize,
    /// The buffer that is filled while the other one is written.
    spare: BytesMut,
    /// Somebody is writing, a sender or the task; others only append.
    busy: bool,
    /// The task is to let others go first, once.
    gathers: bool,
    /// Somebody found no room.
    wanted: bool,
    /// Bytes that the server has taken so far.
    taken: u64,
    task: Option<Waker>,
}

/// The way to a server.
pub(crate) struct Writer {
    state: Mutex<State>,
    /// Told when the server has taken something and somebody had found no room.
    room: Arc<Notify>,
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
    pub(crate) fn new(out: BoxWrite, room: Arc<Notify>) -> Self {
        let state = State {
            out: Some(out),
            over: false,
            broken: None,
            backlog: BytesMut::new(),
            writing: 0,
            spare: BytesMut::new(),
            busy: false,
            gathers: false,
            wanted: false,
            taken: 0,
            task: None,
        };
        Self { state: Mutex::new(state), room }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message of so many bytes would be taken; if not, `room` will be told. Nothing is said about a way that is over.
    pub(crate) fn has_room(&self, size: usize, limit: usize) -> bool {
        let mut state = self.lock();
        let waiting = state.backlog.len() + state.writing;
        let full = !state.over && waiting > 0 && waiting + size > limit;
        state.wanted |= full;
        !full
    }

    /// Where the server has not taken everything that was sent: how many bytes it has.
    pub(crate) fn unread(&self) -> Option<u64> {
        let state = self.lock();
        (state.backlog.len() + state.writing > 0).then_some(state.taken)
    }

    /// Sends one message that `write` appends without its newline, unless more than `limit` bytes would wait; in a `crowd` together with others.
    pub(crate) fn send(
        &self,
        crowd: bool,
        limit: usize,
        write: impl FnOnce(&mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), NotSent> {
        let mut state = self.lock();
        if state.over {
            return Err(NotSent::Closed);
        }
        let before = state.backlog.len();
        let result = write(&mut state.backlog);
        // One message may be longer than the limit, but nothing may wait behind or before such a one.
        let full = before + state.writing > 0 && state.backlog.len() + state.writing > limit;
        if let Err(error) = result.and(if full { Err(SendError::Backlog { limit }) } else { Ok(()) }) {
            state.backlog.truncate(before);
            state.wanted |= full;
            return Err(NotSent::Refused(error));
        }
        state.backlog.put_u8(b'\n');
        if state.busy {
            return Ok(());
        }
        if crowd && state.backlog.len() < ENOUGH {
            (state.busy, state.gathers) = (true, true);
            wake(state);
            return Ok(());
        }
        let Some(mut out) = state.out.take() else { return Ok(()) };
        state.busy = true;
        for round in 0..MOST_WRITES {
            let mut bytes = state.take();
            let before = bytes.len();
            drop(state);
            // Nobody is woken by this context: if the server does not take everything at once, the task polls again with its own.
            let written = drain(&mut out, &mut bytes, &mut Context::from_waker(Waker::noop()));
            state = self.lock();
            state.took(before - bytes.len(), &self.room);
            if state.over {
                drop(state);
                end(out);
                return Ok(());
            }
            match written {
                Poll::Ready(Ok(())) => {
                    state.keep(bytes);
                    if state.backlog.is_empty() {
                        (state.out, state.busy) = (Some(out), false);
                        return Ok(());
                    }
                }
                Poll::Ready(Err(error)) => {
                    state.over = true;
                    // His own message went with the first write.
                    if round == 0 {
                        return Err(NotSent::Broken(error));
                    }
                    state.broken = Some(error);
                    wake(state);
                    return Ok(());
                }
                Poll::Pending => {
                    state.put_back(bytes);
                    break;
                }
            }
        }
        state.out = Some(out);
        wake(state);
        Ok(())
    }

    /// The task that writes where a sender could not, or left it to others. Ends when the way is closed (`Ok`) or breaks.
    pub(crate) async fn run(self: Arc<Self>) -> io::Result<()> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if let Some(error) = state.broken.take() {
            return Poll::Ready(Err(error));
        }
        if state.over {
            return Poll::Ready(Ok(()));
        }
        if std::mem::take(&mut state.gathers) {
            // A task that wakes itself goes behind all others that can run.
            context.waker().wake_by_ref();
        } else if state.busy
            && let Some(mut out) = state.out.take()
        {
            let mut bytes = state.take();
            let before = bytes.len();
            drop(state);
            let written = drain(&mut out, &mut bytes, context);
            state = self.lock();
            state.took(before - bytes.len(), &self.room);
            if state.over {
                drop(state);
                end(out);
                return Poll::Ready(Ok(()));
            }
            match written {
                Poll::Ready(Ok(())) => {
                    state.keep(bytes);
                    state.busy = !state.backlog.is_empty();
                    if state.busy {
                        context.waker().wake_by_ref();
                    }
                }
                Poll::Ready(Err(error)) => {
                    state.over = true;
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => state.put_back(bytes),
            }
            state.out = Some(out);
        }
        // Also while the write is pending, so that `close` reaches the task.
        state.task = Some(context.waker().clone());
        Poll::Pending
    }

    /// Closes the way; the server sees the end of its input. What still waits is lost.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.over = true;
        let out = state.out.take();
        (state.backlog, state.spare, state.writing) = (BytesMut::new(), BytesMut::new(), 0);
        // Also when the way broke while a sender wrote: the task does not know yet.
        wake(state);
        // A sender who is writing does it when he is done.
        if let Some(out) = out {
            end(out);
        }
    }
}

/// Lets the task look.
fn wake(mut state: MutexGuard<'_, State>) {
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

/// Dropping half of a split stream does not end it, shutting down does. One poll is all that a closing way gets.
fn end(mut out: BoxWrite) {
    let _ = Pin::new(&mut out).poll_shutdown(&mut Context::from_waker(Waker::noop()));
}

/// Writes as much as the server takes.
fn drain(out: &mut BoxWrite, bytes: &mut BytesMut, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut out = Pin::new(out);
    while !bytes.is_empty() {
        match out.as_mut().poll_write(context, bytes) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => bytes.advance(written),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    out.poll_flush(context)
}

impl State {
    /// Counts what the server has taken, and tells whoever found no room.
    fn took(&mut self, bytes: usize, room: &Notify) {
        self.taken += bytes as u64;
        if bytes > 0 && std::mem::take(&mut self.wanted) {
            room.notify_one();
        }
    }

    /// What is to be written now; the next messages go into the other buffer.
    fn take(&mut self) -> BytesMut {
        let spare = std::mem::take(&mut self.spare);
        self.writing = self.backlog.len();
        std::mem::replace(&mut self.backlog, spare)
    }

    /// Keeps a written buffer for later, unless it grew too large.
    fn keep(&mut self, mut bytes: BytesMut) {
        bytes.clear();
        // What was written from its front does not count as its capacity.
        if std::mem::take(&mut self.writing).max(bytes.capacity()) <= KEPT_CAPACITY {
            self.spare = bytes;
        }
    }

    /// What was not written comes before what was appended meanwhile.
    fn put_back(&mut self, mut bytes: BytesMut) {
        bytes.extend_from_slice(&self.backlog);
        let meanwhile = std::mem::replace(&mut self.backlog, bytes);
        self.keep(meanwhile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Weak;
    use tokio::io::AsyncBufReadExt;

    /// A server on whose input another message is sent while the first one is being written.
    struct Busy {
        writer: Arc<Mutex<Weak<Writer>>>,
        seen: Arc<Mutex<Vec<String>>>,
    }

    impl AsyncWrite for Busy {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let count = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(String::from_utf8(bytes.to_vec()).unwrap());
                seen.len()
            };
            if count == 1 {
                let writer = self.writer.lock().unwrap().upgrade().unwrap();
                for message in ["two", "three"] {
                    assert!(send(&writer, message).is_ok());
                }
            }
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn send(writer: &Writer, message: &str) -> Result<(), NotSent> {
        send_in(false, writer, message)
    }

    fn send_in(crowd: bool, writer: &Writer, message: &str) -> Result<(), NotSent> {
        writer.send(crowd, 1024, |out| {
            out.put_slice(message.as_bytes());
            Ok(())
        })
    }

    #[test]
    fn who_sends_while_another_one_writes_leaves_his_message_to_that_one() {
        let (own, seen) = (Arc::new(Mutex::new(Weak::new())), Arc::default());
        let busy = Busy { writer: Arc::clone(&own), seen: Arc::clone(&seen) };
        let writer = Arc::new(Writer::new(Box::new(busy), Arc::default()));
        *own.lock().unwrap() = Arc::downgrade(&writer);
        assert!(send(&writer, "one").is_ok());
        assert!(send(&writer, "four").is_ok());
        assert_eq!(*seen.lock().unwrap(), ["one\n", "two\nthree\n", "four\n"]);
    }

    #[tokio::test]
    async fn what_a_crowd_sends_goes_in_one_write() {
        let (near, far) = tokio::io::duplex(1024);
        let writer = Arc::new(Writer::new(Box::new(near), Arc::default()));
        let task = tokio::spawn(Arc::clone(&writer).run());
        let senders: Vec<_> = (0..8)
            .map(|number| {
                let writer = Arc::clone(&writer);
                tokio::spawn(async move {
                    let text = number.to_string();
                    assert!(send_in(true, &writer, &text).is_ok());
                })
            })
            .collect();
        let mut far = tokio::io::BufReader::new(far);
        // What one read gives is what one write put in.
        assert_eq!(far.fill_buf().await.unwrap(), b"0\n1\n2\n3\n4\n5\n6\n7\n");
        far.consume(16);
        for sender in senders {
            sender.await.unwrap();
        }
        // Nobody else is there: it does not wait for company.
        assert!(send_in(true, &writer, "alone").is_ok());
        assert_eq!(far.fill_buf().await.unwrap(), b"alone\n");
        far.consume(6);
        writer.close();
        assert!(task.await.unwrap().is_ok());
        assert!(far.fill_buf().await.unwrap().is_empty(), "the end of the input");
    }
}
