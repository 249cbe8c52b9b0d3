//! How a value is written at its place in a body.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// How a value is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The inside of a JSON string.
    JsonString,
    /// Base64 with padding.
    Base64,
    /// Base64 for URLs, without padding.
    Base64Url,
    /// As in a form: everything but letters, digits and `-._~` as `%XX`.
    Percent,
    /// Text between XML tags or in an attribute.
    XmlText,
}

/// A value that is no text was to be written as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotEncoded;

/// Applies encodings in their order to a whole value.
///
/// # Errors
/// Bytes that are no UTF-8 were to become JSON or XML.
pub fn encode(value: &[u8], encodings: &[Encoding]) -> Result<Zeroizing<Vec<u8>>, NotEncoded> {
    let mut now = Zeroizing::new(value.to_vec());
    for encoding in encodings {
        now = Zeroizing::new(once(&now, *encoding)?);
    }
    Ok(now)
}

fn once(value: &[u8], encoding: Encoding) -> Result<Vec<u8>, NotEncoded> {
    let text = || std::str::from_utf8(value).map_err(|_| NotEncoded);
    Ok(match encoding {
        Encoding::JsonString => json_string(text()?).into_bytes(),
        Encoding::Base64 => STANDARD.encode(value).into_bytes(),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(value).into_bytes(),
        Encoding::Percent => percent(value, true).into_bytes(),
        Encoding::XmlText => xml(text()?).into_bytes(),
    })
}

/// As long as it can get, so that growing leaves no copies behind.
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 6);
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

pub(crate) fn percent(bytes: &[u8], upper: bool) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte))
            }
            byte if upper => drop(write!(out, "%{byte:02X}")),
            byte => drop(write!(out, "%{byte:02x}")),
        }
    }
    out
}

pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 6);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_for_their_place() {
        use Encoding::{Base64, Base64Url, JsonString, Percent, XmlText};
        let value = "a\"b\\\n<ü>&'+ ?".as_bytes();
        for (encodings, expected) in [
            (&[][..], "a\"b\\\n<ü>&'+ ?"),
            (&[JsonString], "a\\\"b\\\\\\n<ü>&'+ ?"),
            (&[XmlText], "a&quot;b\\\n&lt;ü&gt;&amp;&#39;+ ?"),
            (&[Percent], "a%22b%5C%0A%3C%C3%BC%3E%26%27%2B%20%3F"),
            (&[Base64], "YSJiXAo8w7w+Jicr\u{49}D8="),
            (&[Base64Url], "YSJiXAo8w7w-Jicr\u{49}D8"),
            (&[Base64, Percent], "YSJiXAo8w7w%2BJicr\u{49}D8%3D"),
        ] {
            let written = encode(value, encodings).unwrap();
            assert_eq!(std::str::from_utf8(&written).unwrap(), expected, "{encodings:?}");
        }
        let read: String = serde_json::from_slice(
            &[b"\"", encode(value, &[JsonString]).unwrap().as_slice(), b"\""].concat(),
        )
        .unwrap();
        assert_eq!(read.as_bytes(), value);
        assert_eq!(encode(b"\xff", &[JsonString]).map(drop), Err(NotEncoded));
        assert_eq!(encode(b"\xff", &[Base64]).unwrap().as_slice(), b"/w==");
    }
}
