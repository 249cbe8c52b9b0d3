//! Messages of our own, written around raw parts.
//!
//! Raw parts must be valid JSON; parts that came out of an [`Envelope`](crate::Envelope) are. No message ends with a newline.

use crate::text::{Digits, write_string};
use bytes::{BufMut, Bytes, BytesMut};

/// A successful response: `id` and `result` raw.
#[must_use]
pub fn response(id: &[u8], result: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(id.len() + result.len() + 40);
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id);
    out.put_slice(b",\"result\":");
    out.put_slice(result);
    out.put_u8(b'}');
    out.freeze()
}

/// An error response: `id` raw, or `None` where the request's id could not be told, which is sent as `null`.
#[must_use]
pub fn error(id: Option<&[u8]>, code: i64, text: &str, data: Option<&[u8]>) -> Bytes {
    let id = id.unwrap_or(b"null");
    let data_len = data.map_or(0, |data| data.len() + 8);
    let mut out = BytesMut::with_capacity(id.len() + text.len() + data_len + 80);
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id);
    out.put_slice(b",\"error\":{\"code\":");
    if code < 0 {
        out.put_u8(b'-');
    }
    out.put_slice(Digits::new(code.unsigned_abs()).as_bytes());
    out.put_slice(b",\"message\":");
    write_string(&mut out, text);
    if let Some(data) = data {
        out.put_slice(b",\"data\":");
        out.put_slice(data);
    }
    out.put_slice(b"}}");
    out.freeze()
}

/// Writes a request up to its method: `{"jsonrpc":"2.0","id":7,"method":"tools/call"`. What follows is `,"params":…}` or `}`.
pub fn write_request_head(out: &mut impl BufMut, id: u64, method: &str) {
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(Digits::new(id).as_bytes());
    out.put_slice(b",\"method\":");
    write_string(out, method);
}

/// A request with an id of our own, `params` raw.
#[must_use]
pub fn request(id: u64, method: &str, params: Option<&[u8]>) -> Bytes {
    let mut out = BytesMut::with_capacity(method.len() + params.map_or(0, <[u8]>::len) + 72);
    write_request_head(&mut out, id, method);
    write_tail(&mut out, params);
    out.freeze()
}

/// A notification, `params` raw.
#[must_use]
pub fn notification(method: &str, params: Option<&[u8]>) -> Bytes {
    let mut out = BytesMut::with_capacity(method.len() + params.map_or(0, <[u8]>::len) + 48);
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
    write_string(&mut out, method);
    write_tail(&mut out, params);
    out.freeze()
}

fn write_tail(out: &mut BytesMut, params: Option<&[u8]>) {
    if let Some(params) = params {
        out.put_slice(b",\"params\":");
        out.put_slice(params);
    }
    out.put_u8(b'}');
}
