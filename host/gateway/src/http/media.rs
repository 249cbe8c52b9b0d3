//! `Content-Type` and `Accept` of a request.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// Forms in which a client takes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepts {
    /// `application/json`.
    pub(crate) json: bool,
    /// `text/event-stream`.
    pub(crate) events: bool,
}

impl Accepts {
    /// Whether a POST may go on. The original wants both forms named. We also take JSON alone: most answers are one JSON object,
    /// and a client that reads nothing else then only misses progress. Events alone are refused, since most answers are none.
    pub(crate) const fn can_post(self) -> bool {
        self.json
    }
}

/// What nearly all clients send, so that the hot path is one comparison.
const USUAL: &[u8] = b"application/json, text/event-stream";

/// Reads all `Accept` headers. A missing one accepts nothing, as with the original.
pub(crate) fn accepts(headers: &HeaderMap) -> Accepts {
    let mut found = Accepts { json: false, events: false };
    for value in headers.get_all(ACCEPT) {
        if value.as_bytes() == USUAL {
            return Accepts { json: true, events: true };
        }
        for range in value.to_str().unwrap_or_default().split(',') {
            let name = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            found.json |= matches!(name.as_str(), "application/json" | "application/*" | "*/*");
            found.events |= matches!(name.as_str(), "text/event-stream" | "text/*" | "*/*");
        }
    }
    found
}

/// Whether the body is declared as JSON, with or without parameters such as a charset.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let name = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn accept() {
        for (values, json, events) in [
            (&["application/json, text/event-stream"][..], true, true),
            (&["text/event-stream,application/json"], true, true),
            (&["application/json;q=0.9", "TEXT/event-stream"], true, true),
            (&["*/*"], true, true),
            (&["application/json"], true, false),
            (&["text/event-stream"], false, true),
            (&["application/*"], true, false),
            (&["text/html"], false, false),
            (&[""], false, false),
            (&[], false, false),
        ] {
            assert_eq!(accepts(&with("accept", values)), Accepts { json, events }, "{values:?}");
        }
    }

    #[test]
    fn content_type() {
        for good in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON;charset=x",
            "application/json ",
        ] {
            assert!(is_json(&with("content-type", &[good])), "{good}");
        }
        for bad in ["text/plain", "application/json-rpc", "application/jsonx", ""] {
            assert!(!is_json(&with("content-type", &[bad])), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
        assert!(!is_json(&with("content-type", &["application/json", "text/plain"])));
    }
}
