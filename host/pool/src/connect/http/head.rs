//! Heads of requests: what every message to an MCP endpoint carries, and what the modern era mirrors from the body
//! (`mcp-ecosystem.md` 3, "Modern HTTP headers").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use host_message::{Envelope, Mirror, Mirrored, method};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Builder;
use http::{Method, Request};

pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// What all requests of a conversation have in common at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    /// The revision; `None` for `initialize` and before it.
    pub(crate) version: Option<&'static str>,
    /// Whether it is that of the modern era, which mirrors.
    pub(crate) mirrors: bool,
    /// The session that the server has issued.
    pub(crate) session: Option<HeaderValue>,
}

impl Common {
    fn begin(&self, method: Method, url: &str) -> Builder {
        let mut builder = Request::builder().method(method).uri(url);
        if let Some(version) = self.version {
            builder = builder.header(VERSION, version);
        }
        if let Some(session) = &self.session {
            builder = builder.header(SESSION, session);
        }
        builder
    }

    /// A message on its way. `tool` are the arguments that its tool wants repeated.
    pub(crate) fn post(&self, url: &str, message: &Bytes, tool: &[Mirror]) -> http::Result<Request<Bytes>> {
        let mut builder = self
            .begin(Method::POST, url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if self.mirrors {
            for (name, value) in mirrored(message, tool) {
                builder = builder.header(name, value);
            }
        }
        builder.body(message.clone())
    }

    /// A stream: for unsolicited messages, or the rest of one that broke off after the event with this id.
    pub(crate) fn get(&self, url: &str, after: Option<&str>) -> http::Result<Request<Bytes>> {
        let mut builder =
            self.begin(Method::GET, url).header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(after) = after {
            builder = builder.header(LAST_EVENT, after);
        }
        builder.body(Bytes::new())
    }

    /// The end of the session.
    pub(crate) fn delete(&self, url: &str) -> http::Result<Request<Bytes>> {
        self.begin(Method::DELETE, url).body(Bytes::new())
    }
}

/// The headers that repeat what stands in the message.
fn mirrored(message: &Bytes, tool: &[Mirror]) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let Ok(envelope) = Envelope::parse(message.clone()) else { return headers };
    let Some(name) = envelope.method() else { return headers };
    headers.extend(encoded(name).map(|value| (METHOD, value)));
    let Some(params) = envelope.params() else { return headers };
    let named = match name {
        method::TOOLS_CALL | method::PROMPTS_GET => params.name(),
        method::RESOURCES_READ => params.uri(),
        _ => None,
    };
    if let Some(text) = named.and_then(|member| params.text(member).ok()) {
        headers.extend(encoded(&text).map(|value| (NAME, value)));
    }
    let arguments = params.arguments().map_or(b"".as_slice(), |member| member.value(params.raw()));
    for mirror in tool {
        let value = match mirror.value(arguments) {
            Mirrored::Text(text) => encoded(&text),
            Mirrored::Number(number) => encoded(number),
            Mirrored::Bool(value) => encoded(if value { "true" } else { "false" }),
            // The server will say what it thinks of an argument that no header can say.
            Mirrored::Absent | Mirrored::Unsayable => None,
        };
        let header = format!("mcp-param-{}", mirror.header().to_ascii_lowercase());
        headers.extend(header.parse().ok().zip(value));
    }
    headers
}

/// A text as a header has it: as it is where it is plain, else in base64.
fn encoded(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.is_empty()
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let value = if plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) };
    HeaderValue::from_str(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modern_era_mirrors_what_the_message_says() {
        let schema = br#"{"properties": {"n": {"type": "integer", "x-mcp-header": "Number"}, "o": {"properties": {"t":
            {"type": "string", "x-mcp-header": "text"}}}, "none": {"type": "string", "x-mcp-header": "None"}}}"#;
        let tool = host_message::mirrors(schema).unwrap();
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"gr\u00fc\u00dfe","arguments":{"n":7,"o":{"t":" x"}}}}"#;
        let common = Common { version: Some("2026-07-28"), mirrors: true, session: None };
        let request = common.post("http://a/mcp", &Bytes::from_static(message.as_bytes()), &tool).unwrap();
        let mut seen: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                "accept: application/json, text/event-stream",
                "content-type: application/json",
                "mcp-method: tools/call",
                "mcp-name: =?base64?Z3LDvMOfZQ==?=",
                "mcp-param-number: 7",
                "mcp-param-text: =?base64?IHg=?=",
                "mcp-protocol-version: 2026-07-28",
            ]
        );
        let common = Common {
            version: Some("2025-11-25"),
            mirrors: false,
            session: Some(HeaderValue::from_static("s")),
        };
        let request = common.post("http://a/mcp", &Bytes::from_static(message.as_bytes()), &tool).unwrap();
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "content-type", "mcp-protocol-version", "mcp-session-id"]);
    }

    #[test]
    fn what_looks_encoded_is_encoded() {
        let value = |text| encoded(text).unwrap().to_str().unwrap().to_owned();
        for (text, expected) in [
            ("a b", "a b"),
            ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="),
            ("", "=?base64??="),
            ("a\nb", "=?base64?YQpi?="),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }
}
