//! The host's ends of the standard streams.

use super::Pipe;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the workload reads as its standard input. Shutting it down or dropping it is the end of the input. A write that finds the
/// workload gone fails with `BrokenPipe`.
pub struct Stdin(Arc<Pipe>);

impl Stdin {
    pub(crate) fn new(pipe: Arc<Pipe>) -> Self {
        Self(pipe)
    }

    fn write(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, slices).map(|written| {
            written.ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the workload reads no more"))
        })
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.close_writer();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        self.0.close_writer();
    }
}

/// What the workload writes to its standard output. Ends when the workload has ended and everything is read. While nobody reads, the
/// workload waits as soon as 128 KiB are unread; after this end was dropped its writes fail.
pub struct Stdout(Arc<Pipe>);

/// What the workload writes to its standard error. While nobody reads, the oldest output is dropped as soon as 128 KiB are unread.
pub struct Stderr(Arc<Pipe>);

impl Stderr {
    /// Bytes that were dropped because nobody read them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

macro_rules! reading_end {
    ($name:ident) => {
        impl $name {
            pub(crate) fn new(pipe: Arc<Pipe>) -> Self {
                Self(pipe)
            }
        }

        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.0.poll_read(cx, buffer).map(Ok)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.close_reader();
            }
        }
    };
}

reading_end!(Stdout);
reading_end!(Stderr);
