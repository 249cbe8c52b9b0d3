//! What can go wrong with an answer of a cloud.

use super::front::{Answer, answer};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One thing that happens to one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// "Slow down", as AWS says it, hidden in a 400; Google says it with 429. Nothing is done.
    Throttled,
    /// 503 with the platform's own error. Nothing is done.
    ServerError,
    /// 502 with a page of somebody in between. Nothing is done.
    Page,
    /// It is done, and half of the answer comes.
    Truncated,
    /// It is done, and the answer stops in the middle and never goes on.
    Slow,
    /// It is done, and no answer comes.
    Lost,
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Throttled, Self::ServerError, Self::Page, Self::Truncated, Self::Slow, Self::Lost];

    /// Whether the request is carried out before the answer is disturbed.
    #[must_use]
    pub fn carries_out(self) -> bool {
        matches!(self, Self::Truncated | Self::Slow | Self::Lost)
    }

    /// What comes instead of the answer `whole`; nothing for a connection that is closed.
    pub(super) fn instead(self, whole: &[u8], google: bool) -> Option<Answer> {
        let json = if google { "application/json" } else { "application/x-amz-json-1.1" };
        Some(match self {
            Self::Throttled if google => answer(
                429,
                json,
                r#"{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}}"#,
            ),
            Self::Throttled => {
                answer(400, json, r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#)
            }
            Self::ServerError if google => answer(
                503,
                json,
                r#"{"error": {"code": 503, "status": "UNAVAILABLE", "message": "try again"}}"#,
            ),
            Self::ServerError => {
                answer(503, json, r#"{"__type": "ServiceUnavailableException", "message": "try again"}"#)
            }
            Self::Page => answer(502, "text/html", "<!doctype html>\n<title>502 Bad Gateway</title>"),
            Self::Truncated => answer(200, json, whole.get(..whole.len() / 2).unwrap_or_default().to_vec()),
            Self::Slow => hanging(whole.get(..whole.len() / 2).unwrap_or_default().to_vec(), json),
            Self::Lost => return None,
        })
    }
}

/// Half a body, and then nothing as long as somebody waits.
fn hanging(half: Vec<u8>, kind: &str) -> Answer {
    let (head, _) = answer(200, kind, Bytes::new()).into_parts();
    http::Response::from_parts(head, Hanging(Some(half.into())).boxed())
}

/// See [`hanging`].
struct Hanging(Option<Bytes>);

impl hyper::body::Body for Hanging {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        // Nobody is woken ever again: the connection is the client's to close.
        self.0.take().map_or(Poll::Pending, |half| Poll::Ready(Some(Ok(Frame::data(half)))))
    }
}
