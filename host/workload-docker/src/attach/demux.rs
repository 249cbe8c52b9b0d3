//! Takes apart the one stream in which engines send standard output and standard error: frames with a head of eight bytes, the first of
//! which says whose they are, and the last four how long (Engine API, "Attach to a container", stream format).

use bytes::{Buf, BytesMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncRead;

/// Bytes of a head.
const HEAD: usize = 8;

/// Bytes that are read at once. Engines send frames of at most 32 KiB.
const CHUNK: usize = 32 << 10;

/// Where a piece comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Stdout,
    Stderr,
}

/// A stream of frames. Holds one chunk, whatever a frame's head says of its length.
pub(crate) struct Demux<R> {
    read: R,
    buffer: BytesMut,
    channel: Channel,
    /// Bytes of the current frame that are still to come, with those in the buffer.
    left: usize,
}

impl<R: AsyncRead + Unpin> Demux<R> {
    /// `early` is what came together with the answer that opened the stream.
    pub(crate) fn new(read: R, early: &[u8]) -> Self {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        buffer.extend_from_slice(early);
        Self { read, buffer, channel: Channel::Stdout, left: 0 }
    }

    /// Moves on until a piece of data is there. `None` is the end. A stream that ends inside a frame has ended, too: engines cut it so
    /// when the container dies.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Channel>>> {
        loop {
            if self.left == 0 && self.buffer.len() >= HEAD {
                self.head()?;
            } else if self.left > 0 && !self.buffer.is_empty() {
                return Poll::Ready(Ok(Some(self.channel)));
            } else {
                self.buffer.reserve(CHUNK - self.buffer.len().min(CHUNK / 2));
                let count =
                    ready!(tokio_util::io::poll_read_buf(Pin::new(&mut self.read), cx, &mut self.buffer))?;
                if count == 0 {
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    /// The piece that is there: not empty after `poll_data` gave a channel.
    pub(crate) fn data(&self) -> &[u8] {
        self.buffer.get(..self.left.min(self.buffer.len())).unwrap_or_default()
    }

    /// Takes bytes of the piece away.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.left).min(self.buffer.len());
        self.buffer.advance(count);
        self.left -= count;
    }

    fn head(&mut self) -> io::Result<()> {
        let kind = self.buffer.get_u8();
        self.buffer.advance(HEAD - 5);
        self.left = usize::try_from(self.buffer.get_u32()).unwrap_or(usize::MAX);
        self.channel = match kind {
            // 0 is an echo of standard input, which engines send to nobody; 3 are words of the engine itself.
            0 | 1 => Channel::Stdout,
            2 | 3 => Channel::Stderr,
            _ => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the engine's stream is out of step"));
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Channel, Demux};
    use std::future::poll_fn;
    use std::io::Cursor;
    use tokio::io::{AsyncRead, AsyncReadExt};

    fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(data);
        frame
    }

    async fn all<R: AsyncRead + Unpin>(mut demux: Demux<R>) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(channel) = poll_fn(|cx| demux.poll_data(cx)).await? {
            let data = demux.data().to_vec();
            match channel {
                Channel::Stdout => out.extend(&data),
                Channel::Stderr => err.extend(&data),
            }
            demux.consume(data.len());
        }
        Ok((out, err))
    }

    #[tokio::test]
    async fn frames_come_apart_however_they_are_cut() {
        let mut bytes = Vec::new();
        let large = vec![7_u8; 100_000];
        for (kind, data) in [(1, b"a".as_slice()), (2, b"e1"), (1, b""), (1, &large), (3, b"e2"), (1, b"z")] {
            bytes.extend(frame(kind, data));
        }
        let expected = ([b"a".as_slice(), &large, b"z"].concat(), b"e1e2".to_vec());
        for size in [1, 3, 8, 9, 4096, bytes.len()] {
            let (mut write, read) = tokio::io::duplex(size);
            let copy = bytes.clone();
            let sent = tokio::spawn(async move {
                tokio::io::AsyncWriteExt::write_all(&mut write, &copy).await.unwrap();
            });
            assert_eq!(all(Demux::new(read, &[])).await.unwrap(), expected, "{size}");
            sent.await.unwrap();
            let (early, rest) = bytes.split_at(size.min(20));
            assert_eq!(all(Demux::new(Cursor::new(rest.to_vec()), early)).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_inside_a_frame_has_ended() {
        let bytes = frame(1, b"hello");
        for cut in [3, 8, 10] {
            let (out, _) = all(Demux::new(Cursor::new(bytes[..cut].to_vec()), &[])).await.unwrap();
            assert_eq!(out, b"hello"[..cut.saturating_sub(8)]);
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        let error = all(Demux::new(Cursor::new(b"HTTP/1.1 200 OK".to_vec()), &[])).await.unwrap_err();
        assert_eq!(error.to_string(), "the engine's stream is out of step");
    }

    #[tokio::test]
    async fn a_head_that_lies_about_its_length_costs_no_memory() {
        let mut bytes = vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        bytes.extend_from_slice(b"x");
        let mut demux = Demux::new(Cursor::new(bytes).chain(tokio::io::empty()), &[]);
        assert_eq!(poll_fn(|cx| demux.poll_data(cx)).await.unwrap(), Some(Channel::Stdout));
        assert_eq!(demux.data(), b"x");
        assert!(demux.buffer.capacity() < 256 << 10);
    }
}
