//! Heads of our answers, from constants.

use super::body::Answering;
use super::guard::Refusal;
use crate::answer::Answer;
use crate::error::modern_status;
use bytes::Bytes;
use host_message::Era;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// `Mcp-Session-Id`.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// No body.
pub(crate) fn empty(status: StatusCode) -> Response<Answering> {
    let mut response = Response::new(Answering::Empty);
    *response.status_mut() = status;
    response
}

/// One JSON text.
pub(crate) fn json(status: StatusCode, message: Bytes) -> Response<Answering> {
    let mut response = Response::new(Answering::Full(message));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// The answer to a request, with the status that its era gives it.
pub(crate) fn answer(answer: Answer, era: Era) -> Response<Answering> {
    let status = if era.is_modern() { modern_status(answer.code) } else { StatusCode::OK };
    json(status, answer.message)
}

/// A text for whoever looks at it.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Answering> {
    let mut response = Response::new(Answering::Full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

/// Events.
pub(crate) fn events(stream: Answering) -> Response<Answering> {
    let mut response = Response::new(stream);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENTS);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Proxies that collect an answer before they pass it on would keep events until the stream ends.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Another path was meant.
pub(crate) fn redirect(to: &'static str) -> Response<Answering> {
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}

/// Another method was meant.
pub(crate) fn not_allowed(allow: &'static str) -> Response<Answering> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The rest of the request is not read, or its sender has no business here: the connection ends after this.
pub(crate) fn last(mut response: Response<Answering>) -> Response<Answering> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The request is not for us to answer.
pub(crate) fn refused(refusal: Refusal) -> Response<Answering> {
    last(match refusal {
        Refusal::Unauthorized => {
            let mut response = text(StatusCode::UNAUTHORIZED, "Unauthorized");
            let challenge = HeaderValue::from_static("Bearer realm=\"MCP Gateway\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        Refusal::Forbidden(reason) => text(StatusCode::FORBIDDEN, reason),
    })
}
