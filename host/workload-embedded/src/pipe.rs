//! The pipe between host and guest: a bounded queue of pieces, one end asynchronous for the host, the other in WASI's terms.
//!
//! It is made for one line per write. A write is one piece, a piece is handed over without copying where the other end takes it whole, and
//! the other end is woken once per message, not once per piece: its waker is taken when it is used, and it leaves a new one only when
//! it has read everything and waits again.

pub(crate) mod guest;
pub(crate) mod host;
#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::ReadBuf;

/// Bytes in one direction that nobody has read yet. Most messages fit whole; a longer one is handed over in turns.
pub(crate) const CAPACITY: usize = 128 * 1024;

/// The largest piece handed to a guest, and the most it may write at once.
pub(crate) const MAX_PIECE: usize = 64 * 1024;

/// Counted for each piece beside its bytes, so that a guest that writes single bytes does not fill the host with their bookkeeping.
const PIECE_COST: usize = 64;

/// What happens to a write that finds the pipe full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WhenFull {
    /// The writer waits.
    Wait,
    /// The oldest pieces are dropped: for standard error, which nobody has to read.
    DropOldest,
}

pub(crate) struct Pipe {
    when_full: WhenFull,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    pieces: VecDeque<Bytes>,
    cost: usize,
    dropped: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
    writer_closed: bool,
    reader_closed: bool,
}

impl Inner {
    fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.cost).saturating_sub(PIECE_COST)
    }

    fn push(&mut self, piece: Bytes) {
        self.cost += piece.len() + PIECE_COST;
        self.pieces.push_back(piece);
    }

    fn drop_front(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.cost = self.cost.saturating_sub(piece.len() + PIECE_COST);
        Some(piece)
    }

    /// Takes from the first piece; it must be longer than `count`.
    fn split_front(&mut self, count: usize) -> Bytes {
        self.cost = self.cost.saturating_sub(count);
        self.pieces.front_mut().map(|piece| piece.split_to(count)).unwrap_or_default()
    }

    /// The writer is woken when half of the pipe is free again, so that a long message is not handed over in crumbs.
    fn writer_to_wake(&mut self) -> Option<Waker> {
        if self.cost <= CAPACITY / 2 { self.writer.take() } else { None }
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *slot = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Pipe {
    pub(crate) fn new(when_full: WhenFull) -> Arc<Self> {
        Arc::new(Self { when_full, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more will be written: the reader comes to the end after what is in the pipe.
    pub(crate) fn close_writer(&self) {
        let mut inner = self.lock();
        inner.writer_closed = true;
        let wakers = (inner.reader.take(), inner.writer.take());
        drop(inner);
        wake(wakers.0);
        wake(wakers.1);
    }

    /// No more will be read: what is in the pipe is freed, and the writer is told with its next write.
    pub(crate) fn close_reader(&self) {
        let mut inner = self.lock();
        inner.reader_closed = true;
        let pieces = std::mem::take(&mut inner.pieces);
        inner.cost = 0;
        let wakers = (inner.reader.take(), inner.writer.take());
        drop(inner);
        drop(pieces);
        wake(wakers.0);
        wake(wakers.1);
    }

    /// Bytes that were dropped because nobody read them.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    // The writing end.

    /// How many bytes a write may have now. `None` when nobody will read them. Waits while the pipe is full.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<Option<usize>> {
        let mut inner = self.lock();
        match self.room(&inner) {
            Some(0) => {
                remember(&mut inner.writer, cx);
                Poll::Pending
            }
            room => Poll::Ready(room),
        }
    }

    /// The same without waiting: zero when the pipe is full.
    pub(crate) fn try_room(&self) -> Option<usize> {
        self.room(&self.lock())
    }

    fn room(&self, inner: &Inner) -> Option<usize> {
        match self.when_full {
            _ if inner.writer_closed => None,
            WhenFull::Wait if inner.reader_closed => None,
            WhenFull::Wait => Some(inner.room()),
            WhenFull::DropOldest => Some(MAX_PIECE),
        }
    }

    /// Puts a piece into the pipe. False if nobody will read it, or if it is so far beyond the room that somebody does not keep to the
    /// rules: with several handles on one stream, each may have been promised the same room.
    pub(crate) fn push(&self, piece: Bytes) -> bool {
        let mut inner = self.lock();
        if self.room(&inner).is_none() {
            return false;
        }
        if piece.is_empty() {
            return true;
        }
        if inner.reader_closed {
            // Whoever may drop the oldest may drop everything: a program does not fail because nobody reads its complaints.
            inner.dropped += piece.len() as u64;
            return true;
        }
        match self.when_full {
            WhenFull::Wait if inner.cost + piece.len() > 2 * CAPACITY => return false,
            WhenFull::Wait => {}
            WhenFull::DropOldest => {
                while inner.room() < piece.len() {
                    let Some(oldest) = inner.drop_front() else { break };
                    inner.dropped += oldest.len() as u64;
                }
            }
        }
        inner.push(piece);
        let reader = inner.reader.take();
        drop(inner);
        wake(reader);
        true
    }

    /// Copies as much as there is room for into one piece, and wakes the reader once. `None` when nobody will read it.
    pub(crate) fn poll_write(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<Option<usize>> {
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut inner = self.lock();
        let Some(room) = self.room(&inner) else { return Poll::Ready(None) };
        if wanted == 0 {
            return Poll::Ready(Some(0));
        }
        if room == 0 {
            remember(&mut inner.writer, cx);
            return Poll::Pending;
        }
        let count = wanted.min(room);
        let mut piece = Vec::with_capacity(count);
        for slice in slices {
            let left = count - piece.len();
            piece.extend_from_slice(slice.get(..left).unwrap_or(slice));
        }
        inner.push(piece.into());
        let reader = inner.reader.take();
        drop(inner);
        wake(reader);
        Poll::Ready(Some(count))
    }

    // The reading end.

    /// Whether there is something to read, or the end.
    pub(crate) fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.pieces.is_empty() && !inner.writer_closed && !inner.reader_closed {
            remember(&mut inner.reader, cx);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Up to `max` bytes in one piece. `None` at the end; an empty piece when there is nothing to read yet.
    pub(crate) fn try_pop(&self, max: usize) -> Option<Bytes> {
        let mut inner = self.lock();
        let first = inner.pieces.front().map(Bytes::len);
        let piece = match first {
            None if inner.writer_closed || inner.reader_closed => return None,
            None => return Some(Bytes::new()),
            _ if max == 0 => return Some(Bytes::new()),
            Some(first) if first > max => inner.split_front(max),
            // Small pieces are joined: one call for several messages is cheaper for the guest than the copy is for us.
            Some(first) if inner.pieces.len() > 1 && first < max / 2 => {
                let waiting: usize = inner.pieces.iter().map(Bytes::len).sum();
                let mut joined = Vec::with_capacity(waiting.min(max));
                while let Some(next) = inner.pieces.front().map(Bytes::len) {
                    let left = max - joined.len();
                    if next <= left {
                        joined.extend_from_slice(&inner.drop_front().unwrap_or_default());
                    } else {
                        joined.extend_from_slice(&inner.split_front(left));
                        break;
                    }
                }
                joined.into()
            }
            Some(_) => inner.drop_front().unwrap_or_default(),
        };
        let writer = inner.writer_to_wake();
        drop(inner);
        wake(writer);
        Some(piece)
    }

    /// The same, but waits for the first byte.
    pub(crate) fn poll_pop(&self, cx: &Context<'_>, max: usize) -> Poll<Option<Bytes>> {
        // Only this end takes pieces out, so what is readable now still is in the next line.
        match self.poll_readable(cx) {
            Poll::Ready(()) => Poll::Ready(self.try_pop(max)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Fills the buffer with all that is there; leaves it as it is at the end.
    pub(crate) fn poll_read(&self, cx: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.pieces.is_empty() && !inner.writer_closed && !inner.reader_closed {
            remember(&mut inner.reader, cx);
            return Poll::Pending;
        }
        while buffer.remaining() > 0 {
            let Some(piece) = inner.pieces.front_mut() else { break };
            let count = piece.len().min(buffer.remaining());
            buffer.put_slice(piece.get(..count).unwrap_or_default());
            if count == piece.len() {
                inner.drop_front();
            } else {
                piece.advance(count);
                inner.cost = inner.cost.saturating_sub(count);
            }
        }
        let writer = inner.writer_to_wake();
        drop(inner);
        wake(writer);
        Poll::Ready(())
    }
}
