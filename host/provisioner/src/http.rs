//! Carrying HTTP requests to one endpoint: what the pool needs to speak MCP over HTTP, without an HTTP client and without what the endpoint
//! must be shown.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpFailure {
    /// Whether the server can have seen anything of the request.
    pub seen: bool,
    /// Whether it will come to nothing again, unchanged: a URL or an address that is refused.
    pub permanent: bool,
    /// Lower-case fragment. Holds no header's value.
    pub text: String,
    /// What the operator can do, one sentence.
    pub hint: Option<String>,
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for HttpFailure {}

/// The body of an answer, piece by piece. Dropping it before its end closes the stream, which a modern server takes for a cancellation.
pub trait HttpBody: Send {
    /// The next piece, never empty; `None` at the end.
    fn poll_chunk(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpFailure>>>;
}

/// A body whose type is nobody's business.
pub struct BoxBody(Pin<Box<dyn HttpBody>>);

impl BoxBody {
    /// Takes a body over.
    pub fn new(body: impl HttpBody + 'static) -> Self {
        Self(Box::pin(body))
    }

    /// The next piece; `None` at the end. May be dropped and called again without losing anything.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, HttpFailure>> {
        poll_fn(|context| self.0.as_mut().poll_chunk(context)).await
    }
}

impl fmt::Debug for BoxBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxBody")
    }
}

/// Whoever carries requests to one endpoint.
#[async_trait]
pub trait HttpChannel: Send + Sync {
    /// Sends a request. Its URI is a whole URL or a path of the endpoint's origin; another origin is refused. Headers that the endpoint must be
    /// shown are added; those of the request stay. Whatever the status, it is an answer.
    ///
    /// # Errors
    /// Nobody was reached, the conversation broke, or it would lead elsewhere.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<BoxBody>, HttpFailure>;

    /// The URL that `reference` means on a page of this endpoint, if it is one of its origin.
    ///
    /// # Errors
    /// It is none, or of another origin.
    fn resolve(&self, reference: &str) -> Result<String, HttpFailure>;
}
