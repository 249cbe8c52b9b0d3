//! Lines of an input, up to a length.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What stood between two line breaks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Bytes),
    /// More than the limit. It was read to its end and thrown away.
    TooLong,
}

/// See the module. Blank lines are left out.
pub(crate) struct Lines<R> {
    input: R,
    buffer: BytesMut,
    /// Bytes at the start of the buffer that hold no line break.
    searched: usize,
    limit: usize,
    /// In the middle of a line that is too long.
    skipping: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R, limit: usize) -> Self {
        Self { input, buffer: BytesMut::new(), searched: 0, limit, skipping: false }
    }

    /// The next line; `None` at the end of the input. May be dropped and called again without losing anything.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            while let Some(at) = memchr(b'\n', self.buffer.get(self.searched..).unwrap_or_default()) {
                let line = self.buffer.split_to(self.searched + at).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                if std::mem::take(&mut self.skipping) || line.len() > self.limit {
                    return Ok(Some(Line::TooLong));
                }
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(Line::Whole(line)));
                }
            }
            self.searched = self.buffer.len();
            if self.skipping || self.buffer.len() > self.limit {
                self.skipping = true;
                self.buffer.clear();
                self.searched = 0;
            }
            self.buffer.reserve(8 << 10);
            if self.input.read_buf(&mut self.buffer).await? == 0 {
                return Ok(self.rest());
            }
        }
    }

    /// A last line without a line break.
    fn rest(&mut self) -> Option<Line> {
        if std::mem::take(&mut self.skipping) {
            return Some(Line::TooLong);
        }
        let line = self.buffer.split().freeze();
        self.searched = 0;
        (!line.trim_ascii().is_empty()).then_some(Line::Whole(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_out_whatever_the_pieces() {
        let text = b"one\n\n  \r\ntwo\r\nfar too long a line\nthree".as_slice();
        for size in 1..text.len() {
            let pieces = text.chunks(size).map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece)));
            let mut input: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
            for piece in pieces {
                let piece = io::Cursor::new(piece.unwrap());
                input = Box::new(tokio::io::AsyncReadExt::chain(input, piece));
            }
            let mut lines = Lines::new(input, 8);
            let mut found = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                found.push(match line {
                    Line::Whole(bytes) => String::from_utf8(bytes.trim_ascii().to_vec()).unwrap(),
                    Line::TooLong => "-".to_owned(),
                });
            }
            assert_eq!(found, ["one", "two", "-", "three"], "pieces of {size}");
        }
    }
}
