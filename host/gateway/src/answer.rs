//! Answers on their way from a server to a client: the client's own id, and what its era calls for.
//!
//! The rows "result type", "resource not found" and "URL elicitation" of `mcp-ecosystem.md` 2. Everything else of a result or an
//! error passes as the bytes it came as.

use crate::error::{NOT_RELAYED, RpcError};
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Envelope, Era, ErrorBody, Kind, Splice, code, find_member, method, response};

/// A whole message that answers a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) message: Bytes,
    /// The error code; 0 for a result.
    pub(crate) code: i64,
}

impl Answer {
    /// A successful answer around a raw result.
    pub(crate) fn result(id: &[u8], result: &[u8]) -> Self {
        Self { message: response(id, result), code: 0 }
    }

    /// An error; without an id if the request's id could not be told.
    pub(crate) fn error(id: Option<&[u8]>, error: &RpcError) -> Self {
        Self { message: error.message(id), code: error.code }
    }
}

/// Which hop an answer crosses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'a> {
    /// How the client speaks.
    pub(crate) down: Era,
    /// How the server speaks.
    pub(crate) up: Era,
    /// What was asked for.
    pub(crate) method: &'a str,
    /// Who answers.
    pub(crate) server: &'a str,
}

/// Makes the client's answer out of the server's.
pub(crate) fn relay(id: &[u8], envelope: &Envelope, hop: Hop<'_>) -> Answer {
    let answer = match envelope.kind() {
        Kind::Response => result(id, &envelope.result().unwrap_or_default(), hop),
        _ => error(id, &envelope.error().unwrap_or_default(), hop),
    };
    answer.unwrap_or_else(|error| Answer::error(Some(id), &error))
}

fn result(id: &[u8], raw: &Bytes, hop: Hop<'_>) -> Result<Answer, RpcError> {
    match (hop.down, hop.up) {
        (Era::Legacy(_), Era::Legacy(_)) => Ok(Answer::result(id, raw)),
        (Era::Legacy(_), Era::Modern) => {
            let Some(kind) = find_member(raw, "resultType") else { return Ok(Answer::result(id, raw)) };
            match kind.string(raw).as_deref() {
                Some("complete") => {
                    let mut splice = Splice::new(raw);
                    splice.remove_member(&kind);
                    Ok(Answer::result(id, &built(&splice, hop)?))
                }
                other => Err(RpcError::server(
                    NOT_RELAYED,
                    hop.server,
                    format_args!(
                        "answered with a result of type `{}`, which this client cannot be given",
                        crate::error::shown(other.unwrap_or("?"))
                    ),
                )),
            }
        }
        (Era::Modern, _) => {
            // What a cacheable result must say, in words that promise nothing (`mcp-ecosystem.md` 2, "result type" and lists).
            let mut added = String::new();
            let mut add = |key: &str, member: &'static str| {
                if find_member(raw, key).is_none() {
                    if !added.is_empty() {
                        added.push(',');
                    }
                    added.push_str(member);
                }
            };
            add("resultType", "\"resultType\":\"complete\"");
            if hop.method == method::RESOURCES_READ {
                add("ttlMs", "\"ttlMs\":0");
                add("cacheScope", "\"cacheScope\":\"private\"");
            }
            if added.is_empty() {
                return Ok(Answer::result(id, raw));
            }
            let mut splice = Splice::new(raw);
            splice.object_insert_first(0, added.as_bytes());
            Ok(Answer::result(id, &built(&splice, hop)?))
        }
    }
}

/// A tool's result that was made here, as a client of this era takes it.
pub(crate) fn adapted(raw: &Bytes, era: Era) -> Bytes {
    if !era.is_modern() || find_member(raw, "resultType").is_some() {
        return raw.clone();
    }
    let mut splice = Splice::new(raw);
    splice.object_insert_first(0, b"\"resultType\":\"complete\"");
    splice.build().unwrap_or_else(|_| raw.clone())
}

/// A result that is no object cannot be edited, and is none of any revision.
fn built(splice: &Splice<'_>, hop: Hop<'_>) -> Result<Bytes, RpcError> {
    let odd = || RpcError::server(NOT_RELAYED, hop.server, "answered with a result that is no object");
    if splice.base().first() != Some(&b'{') {
        return Err(odd());
    }
    splice.build().map_err(|_| odd())
}

fn error(id: &[u8], raw: &Bytes, hop: Hop<'_>) -> Result<Answer, RpcError> {
    let body = ErrorBody::scan(raw);
    let not_found = hop.method == method::RESOURCES_READ;
    let code = match (hop.down, hop.up, body.code) {
        (Era::Modern, _, code::RESOURCE_NOT_FOUND) => code::INVALID_PARAMS,
        (Era::Legacy(_), Era::Modern, code::INVALID_PARAMS) if not_found => code::RESOURCE_NOT_FOUND,
        // Only a client of 2025-11-25 knows what to do with it; to others it would be a number without a meaning.
        (Era::Modern, _, code::URL_ELICITATION) => NOT_RELAYED,
        (_, _, code) => code,
    };
    if code == body.code {
        return Ok(Answer { message: raw_error(id, raw), code });
    }
    let member = find_member(raw, "code")
        .ok_or_else(|| RpcError::server(NOT_RELAYED, hop.server, "sent a broken error"))?;
    let digits = code.to_string();
    let mut splice = Splice::new(raw);
    splice.set(&member, digits.as_bytes());
    Ok(Answer { message: raw_error(id, &built(&splice, hop)?), code })
}

fn raw_error(id: &[u8], raw: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(id.len() + raw.len() + 40);
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id);
    out.put_slice(b",\"error\":");
    out.put_slice(raw);
    out.put_u8(b'}');
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_message::Revision;

    const OLD: Era = Era::Legacy(Revision::V2025_11_25);
    const NEW: Era = Era::Modern;

    fn relayed(message: &'static str, down: Era, up: Era, method: &str) -> (String, i64) {
        let envelope = Envelope::parse(Bytes::from_static(message.as_bytes())).unwrap();
        let answer = relay(b"\"1\"", &envelope, Hop { down, up, method, server: "s" });
        (String::from_utf8(answer.message.to_vec()).unwrap(), answer.code)
    }

    fn result_of(result: &str, down: Era, up: Era, method: &str) -> String {
        let message = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{result}}}").leak();
        let (text, code) = relayed(message, down, up, method);
        assert_eq!(code, 0, "{text}");
        text.strip_prefix("{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":")
            .unwrap()
            .strip_suffix('}')
            .unwrap()
            .to_owned()
    }

    #[test]
    fn results_between_all_eras() {
        let odd = "{ \"content\" : [ ] , \"x\" : 1.50, \"resultType\" : \"complete\" }";
        assert_eq!(result_of(odd, OLD, OLD, "tools/call"), odd);
        assert_eq!(result_of(odd, NEW, NEW, "tools/call"), odd);
        assert_eq!(result_of(odd, OLD, NEW, "tools/call"), "{ \"content\" : [ ] , \"x\" : 1.50 }");
        assert_eq!(result_of("{}", NEW, OLD, "tools/call"), "{\"resultType\":\"complete\"}");
        assert_eq!(result_of("{\"a\":1}", NEW, OLD, "tools/call"), "{\"resultType\":\"complete\",\"a\":1}");
        assert_eq!(
            result_of("{\"ttlMs\":5,\"contents\":[]}", NEW, NEW, "resources/read"),
            "{\"resultType\":\"complete\",\"cacheScope\":\"private\",\"ttlMs\":5,\"contents\":[]}"
        );
    }

    #[test]
    fn a_legacy_client_is_told_when_a_server_wants_more_input() {
        let message = "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"resultType\":\"input_required\"}}";
        let (text, code) = relayed(message, OLD, NEW, "tools/call");
        assert_eq!(code, NOT_RELAYED);
        assert!(text.contains("server `s`: answered with a result of type `input_required`"), "{text}");
        let (text, code) = relayed(message, NEW, NEW, "tools/call");
        assert_eq!((code, text.contains("input_required")), (0, true));
    }

    #[test]
    fn error_codes_between_all_eras() {
        let error = |code: i64| -> &'static str {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{{\"x\":[1],\"code\":{code} ,\"message\":\"m\"}}}}"
            )
            .leak()
        };
        for (code, down, up, method, expected) in [
            (-32002, OLD, OLD, "resources/read", -32002),
            (-32002, NEW, OLD, "resources/read", -32602),
            (-32602, OLD, NEW, "resources/read", -32002),
            (-32602, NEW, NEW, "resources/read", -32602),
            (-32602, OLD, NEW, "tools/call", -32602),
            (-32042, OLD, OLD, "tools/call", -32042),
            (-32042, NEW, OLD, "tools/call", NOT_RELAYED),
            (-32021, NEW, NEW, "tools/call", -32021),
            (-5, NEW, OLD, "tools/call", -5),
        ] {
            let (text, got) = relayed(error(code), down, up, method);
            assert_eq!(got, expected, "{code}");
            let raw = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"error\":{{\"x\":[1],\"code\":{expected} ,\"message\":\"m\"}}}}"
            );
            assert_eq!(text, raw);
        }
    }
}
