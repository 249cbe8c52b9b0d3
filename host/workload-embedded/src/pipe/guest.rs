//! The guest's ends of the standard streams, in the terms of `wasi:io/streams`.
//!
//! A handle that the guest drops closes nothing: it may ask for another one. The streams end with the workload.

use super::{MAX_PIECE, Pipe};
use bytes::Bytes;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Standard input as the guest reads it.
#[derive(Clone)]
pub(crate) struct Input(pub(crate) Arc<Pipe>);

#[async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        poll_fn(|cx| self.0.poll_readable(cx)).await;
    }
}

#[async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.0.try_pop(size.min(MAX_PIECE)).ok_or(StreamError::Closed)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        poll_fn(|cx| self.0.poll_pop(cx, size.min(MAX_PIECE))).await.ok_or(StreamError::Closed)
    }
}

impl AsyncRead for Input {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buffer).map(Ok)
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

/// Standard output or error as the guest writes it.
pub(crate) struct Output {
    pipe: Arc<Pipe>,
    /// What the guest was told it may write.
    permit: usize,
}

impl Output {
    pub(crate) fn new(pipe: Arc<Pipe>) -> Self {
        Self { pipe, permit: 0 }
    }

    fn push(&self, piece: Bytes) -> StreamResult<()> {
        if self.pipe.push(piece) {
            Ok(())
        } else if self.pipe.try_room().is_none() {
            Err(StreamError::Closed)
        } else {
            Err(StreamError::trap("more was written to a standard stream than was permitted"))
        }
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        poll_fn(|cx| self.pipe.poll_room(cx).map(drop)).await;
    }
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let Some(left) = self.permit.checked_sub(bytes.len()) else {
            return Err(StreamError::trap("more was written to a standard stream than was permitted"));
        };
        self.permit = left;
        self.push(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        // What is in the pipe is at the reader's disposal already.
        if self.pipe.try_room().is_some() { Ok(()) } else { Err(StreamError::Closed) }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.permit = self.pipe.try_room().ok_or(StreamError::Closed)?.min(MAX_PIECE);
        Ok(self.permit)
    }

    // The interface limits these to 4096 bytes, so the usual way of a line is one call, one piece.
    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            let room = poll_fn(|cx| self.pipe.poll_room(cx)).await.ok_or(StreamError::Closed)?;
            self.push(bytes.split_to(bytes.len().min(room)))?;
        }
        Ok(())
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pipe
            .poll_write(cx, &[IoSlice::new(bytes)])
            .map(|written| written.ok_or_else(|| io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self::new(Arc::clone(&self.pipe)))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self::new(Arc::clone(&self.pipe)))
    }
}
