//! Every error a client can be sent, with its code: the one place where failures become numbers.
//!
//! Codes of our own lie outside −32768 … −32000, as the specification asks (`mcp-ecosystem.md` 4).

use crate::session::NoSession;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{EnvelopeError, Era, Revision, code, write_string};
use host_provisioner::{Failure, sanitize};
use http::StatusCode;
use std::borrow::Cow;

/// The server behind could not be brought up.
pub const START_FAILED: i64 = -31000;
/// The server died, or its connection broke, before it answered. The next request brings it up again.
pub const SERVER_GONE: i64 = -31001;
/// The server does not take messages, or too many servers run already.
pub const SERVER_BUSY: i64 = -31002;
/// The server did not answer within its time.
pub const TIMED_OUT: i64 = -31003;
/// Several servers use one name, and the operator wants that to be an error.
pub const NAME_CLASH: i64 = -31004;
/// The server answered with something that cannot be passed to this client.
pub const NOT_RELAYED: i64 = -31005;
/// The gateway ends.
pub const SHUTTING_DOWN: i64 = -31006;
/// A call or its result holds what the operator does not let through.
pub const BLOCKED: i64 = -31007;
/// An interceptor of the operator's failed.
pub const INTERCEPTOR: i64 = -31008;

/// An error to be sent as the answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) text: Cow<'static, str>,
    /// Raw JSON.
    pub(crate) data: Option<Bytes>,
}

impl RpcError {
    pub(crate) fn new(code: i64, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into(), data: None }
    }

    pub(crate) fn invalid_params(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_PARAMS, text)
    }

    pub(crate) fn invalid_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_REQUEST, text)
    }

    pub(crate) fn method_not_found(method: &str) -> Self {
        Self::new(code::METHOD_NOT_FOUND, format!("Method not found: {method}"))
    }

    /// A tool or prompt that does not exist.
    pub(crate) fn unknown(kind: &str, name: &str, nearest: Option<&str>) -> Self {
        let hint = nearest.map(|nearest| format!(" (nearest: `{nearest}`)")).unwrap_or_default();
        Self::invalid_params(format!("unknown {kind} `{}`{hint}", shown(name)))
    }

    /// A resource that no server has.
    pub(crate) fn unknown_resource(uri: &str, era: Era) -> Self {
        let code = if era.is_modern() { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND };
        let data = object(&[("uri", Some(uri))]);
        Self { data: Some(data), ..Self::new(code, format!("Resource not found: {}", shown(uri))) }
    }

    /// A revision that is not spoken here.
    pub(crate) fn unsupported_version(requested: &str) -> Self {
        let mut data = BytesMut::new();
        data.put_slice(b"{\"supported\":[\"");
        data.put_slice(Revision::LATEST.as_str().as_bytes());
        data.put_slice(b"\"],\"requested\":");
        write_string(&mut data, requested);
        data.put_u8(b'}');
        let error = Self::new(code::UNSUPPORTED_VERSION, "Unsupported protocol version");
        Self { data: Some(data.freeze()), ..error }
    }

    /// A server that did not come up.
    pub(crate) fn start_failed(server: &str, failure: &Failure) -> Self {
        let data = object(&[
            ("server", Some(server)),
            ("phase", Some(failure.phase.as_str())),
            ("class", Some(failure.class.as_str())),
            ("hint", failure.hint.as_deref()),
        ]);
        let text = format!("failed to start server `{server}`: {}", failure.one_line());
        Self { data: Some(data), ..Self::new(START_FAILED, text) }
    }

    /// A server that failed while it had our request.
    pub(crate) fn server(code: i64, server: &str, what: impl std::fmt::Display) -> Self {
        let data = object(&[("server", Some(server))]);
        Self { data: Some(data), ..Self::new(code, format!("server `{server}`: {what}")) }
    }

    /// The message, for the request with this id.
    pub(crate) fn message(&self, id: Option<&[u8]>) -> Bytes {
        host_message::error(id, self.code, &self.text, self.data.as_deref())
    }
}

impl From<EnvelopeError> for RpcError {
    fn from(error: EnvelopeError) -> Self {
        Self::new(error.code, error.text)
    }
}

impl From<NoSession> for RpcError {
    fn from(error: NoSession) -> Self {
        Self::new(SERVER_BUSY, error.to_string())
    }
}

/// The HTTP status that goes with an error code in the modern era (`mcp-ecosystem.md` 4). In the legacy era an answer is an answer.
pub(crate) const fn modern_status(code: i64) -> StatusCode {
    match code {
        code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        code::PARSE
        | code::INVALID_REQUEST
        | code::HEADER_MISMATCH
        | code::MISSING_CAPABILITY
        | code::UNSUPPORTED_VERSION => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// A text of a client or a server inside one of ours, at a bearable length and without what could move or hide something.
pub(crate) fn shown(text: &str) -> String {
    sanitize::line(text, 200)
}

/// A JSON object of texts; what is `None` is left out.
fn object(members: &[(&str, Option<&str>)]) -> Bytes {
    let mut out = BytesMut::new();
    let mut open = b'{';
    for (key, value) in members {
        if let Some(value) = value {
            out.put_u8(open);
            write_string(&mut out, key);
            out.put_u8(b':');
            write_string(&mut out, value);
            open = b',';
        }
    }
    if open == b'{' {
        out.put_u8(b'{');
    }
    out.put_u8(b'}');
    out.freeze()
}
