//! Standard error of a container, put aside while standard output is read. At most 64 KiB wait; what is older is dropped, because a
//! container that floods its standard error must neither eat memory nor hold up its answers.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that wait for a reader.
const KEPT: usize = 64 << 10;

/// What the two ends share.
#[derive(Default)]
pub(super) struct Aside(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    bytes: VecDeque<u8>,
    closed: bool,
    waker: Option<Waker>,
}

impl Aside {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn push(&self, data: &[u8]) {
        let data = data.get(data.len().saturating_sub(KEPT)..).unwrap_or_default();
        let waker = self.with(|inner| {
            let over = (inner.bytes.len() + data.len()).saturating_sub(KEPT);
            inner.bytes.drain(..over);
            inner.bytes.extend(data);
            inner.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn close(&self) {
        let waker = self.with(|inner| {
            inner.closed = true;
            inner.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Standard error of a container. Ends when standard output has ended or is dropped.
pub struct Stderr(Arc<Aside>);

impl Stderr {
    pub(super) fn new(aside: Arc<Aside>) -> Self {
        Self(aside)
    }
}

impl AsyncRead for Stderr {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.with(|inner| {
            if inner.bytes.is_empty() && !inner.closed {
                inner.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let (first, _) = inner.bytes.as_slices();
            let length = first.len().min(buf.remaining());
            buf.put_slice(first.get(..length).unwrap_or_default());
            inner.bytes.drain(..length);
            Poll::Ready(Ok(()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Aside, KEPT, Stderr};
    use std::sync::Arc;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_flood_leaves_its_end() {
        let aside = Arc::new(Aside::default());
        let mut stderr = Stderr::new(Arc::clone(&aside));
        for n in 0..3_u8 {
            aside.push(&vec![n; KEPT / 2]);
        }
        aside.push(b"last");
        aside.close();
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes.len(), KEPT);
        assert_eq!((bytes[0], &bytes[KEPT - 4..]), (1, b"last".as_slice()));
        aside.push(&vec![9; 3 * KEPT]);
        assert_eq!(stderr.read(&mut [0; 8]).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let aside = Arc::new(Aside::default());
        let mut stderr = Stderr::new(Arc::clone(&aside));
        let reader = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        tokio::task::yield_now().await;
        aside.push(b"a");
        tokio::task::yield_now().await;
        aside.push(b"b");
        aside.close();
        assert_eq!(reader.await.unwrap(), "ab");
    }
}
