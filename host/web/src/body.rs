//! The body of an answer, piece by piece, and a body that was read to its end within a limit.

use crate::error::{Error, ErrorKind};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of an answer. Dropping it before its end closes the connection.
#[derive(Debug)]
pub struct Body(Incoming);

impl Body {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self(incoming)
    }

    /// The next piece; `None` at the end. May be dropped and called again without losing anything.
    ///
    /// # Errors
    /// The connection broke.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match Pin::new(&mut self.0).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing here.
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let text = format!("the answer broke off: {error}");
                    return Poll::Ready(Some(Err(Error::new(ErrorKind::Broken, text))));
                }
            }
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// It is longer than `limit` bytes, or the connection broke.
    pub async fn all(mut self, limit: usize) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await {
            let chunk = chunk?;
            if whole.len() + chunk.len() > limit {
                let text = format!("the answer is longer than {limit} bytes");
                return Err(Error::new(ErrorKind::Broken, text));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}
