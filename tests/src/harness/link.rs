//! What carries a client that has one stream for everything: standard input and output, or HTTP+SSE.

use super::http::{Endpoint, Reply};
use super::stdio::Pipe;
use http::Method;
use serde_json::Value;

/// Both directions. The gateway sees the end of the client when it is dropped.
pub(super) enum Link {
    /// Lines on standard input and output.
    Pipe(Pipe),
    /// HTTP+SSE: a stream, and where to post (`mcp-ecosystem.md` 3).
    Events(Box<Reply>, Endpoint),
}

impl Link {
    /// Connects by HTTP+SSE.
    ///
    /// # Panics
    /// There is no stream, or its first event does not say where to post.
    pub(super) async fn by_events(endpoint: &Endpoint) -> Self {
        let at = endpoint.at("/sse");
        let mut stream = at.send(Method::GET, &[("accept", "text/event-stream")], "").await.unwrap();
        assert!(stream.is_stream(), "{}", stream.status);
        let first = stream.event().await.unwrap().unwrap();
        assert_eq!(first.0, "endpoint", "{first:?}");
        Self::Events(Box::new(stream), endpoint.at(&first.1))
    }

    /// Sends one message. That the gateway has gone is seen when an answer is missing.
    ///
    /// # Panics
    /// The gateway does not accept it.
    pub(super) async fn send(&mut self, message: &Value) {
        match self {
            Self::Pipe(pipe) => pipe.send(message).await,
            Self::Events(_, endpoint) => {
                if let Ok(reply) = endpoint.post(&[], message).await {
                    assert_eq!(reply.status, 202, "answer to {message}");
                }
            }
        }
    }

    /// The next message; `None` at the end.
    ///
    /// # Panics
    /// The gateway wrote something that is no message.
    pub(super) async fn next(&mut self) -> Option<Value> {
        match self {
            Self::Pipe(pipe) => pipe.next().await,
            Self::Events(stream, _) => stream.message().await.ok().flatten(),
        }
    }
}
