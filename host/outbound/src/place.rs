//! Where in a body a value would stand: found out with a marker in its place, before any value is filled in.

use crate::body::Encoding;
use serde_json::Value;

/// A place in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Inside the text at this JSON pointer.
    Json(String),
    /// Inside this field of a form.
    Form(String),
}

/// Why a place has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplaced {
    /// The body is neither JSON nor a form, or it could be read in two ways.
    NoSuchBody,
    /// Not inside a text or the value of a field, or more than once.
    NoSuchPlace,
    /// Its encoding would let the value end the text that it stands in.
    Encoding,
}

/// Where `marker` stands in `body`, and whether a value that is encoded so stays there. The marker is made of letters and digits and was made for
/// this body alone.
///
/// # Errors
/// The place has no name.
pub fn place_of(body: &[u8], marker: &str, encodings: &[Encoding]) -> Result<Place, Unplaced> {
    let text = std::str::from_utf8(body).map_err(|_| Unplaced::NoSuchBody)?;
    if text.matches(marker).count() != 1 {
        return Err(Unplaced::NoSuchPlace);
    }
    let last = encodings.last().copied();
    if text.trim_start().starts_with(['{', '[']) {
        let value: Value = serde_json::from_str(text).map_err(|_| Unplaced::NoSuchBody)?;
        let mut pointer = String::new();
        if !in_json(&value, marker, &mut pointer) {
            return Err(Unplaced::NoSuchPlace);
        }
        let stays = matches!(
            last,
            Some(Encoding::JsonString | Encoding::Base64 | Encoding::Base64Url | Encoding::Percent)
        );
        return if stays { Ok(Place::Json(pointer)) } else { Err(Unplaced::Encoding) };
    }
    if text.trim_start().starts_with('<') || !text.contains('=') {
        return Err(Unplaced::NoSuchBody);
    }
    let field = text.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        value.contains(marker).then(|| decoded(name))
    });
    let field = field.ok_or(Unplaced::NoSuchPlace)?;
    let stays = matches!(last, Some(Encoding::Percent | Encoding::Base64Url));
    if stays { Ok(Place::Form(field)) } else { Err(Unplaced::Encoding) }
}

/// Depth first; `pointer` is where it was found.
fn in_json(value: &Value, marker: &str, pointer: &mut String) -> bool {
    let before = pointer.len();
    let mut below = |step: &str, value: &Value| {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let found = in_json(value, marker, pointer);
        if !found {
            pointer.truncate(before);
        }
        found
    };
    match value {
        Value::String(text) => text.contains(marker),
        Value::Array(items) => items.iter().enumerate().any(|(at, item)| below(&at.to_string(), item)),
        Value::Object(map) => map.iter().any(|(key, value)| below(key, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A name or value of a form or query.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex =
            |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                at += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Place {
    /// Whether a pointer of a grant names it; `*` stands for one step.
    #[must_use]
    pub fn is_at(&self, pattern: &str) -> bool {
        let Self::Json(pointer) = self else { return false };
        let (mut steps, mut patterns) = (pointer.split('/'), pattern.split('/'));
        loop {
            match (steps.next(), patterns.next()) {
                (None, None) => return true,
                (Some(step), Some(pattern)) if pattern == "*" || step == pattern => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "m0m0m0";
    const JSON: &[Encoding] = &[Encoding::JsonString];
    const FORM: &[Encoding] = &[Encoding::Percent];

    #[test]
    fn places_have_names() {
        let json = |pointer: &str| Ok(Place::Json(pointer.to_owned()));
        for (body, encodings, expected) in [
            (r#"{"SecretString":"m0m0m0"}"#, JSON, json("/SecretString")),
            (r#"{"a":[{"b/c":"x m0m0m0 y"}]}"#, JSON, json("/a/0/b~1c")),
            (r#"{"payload":{"data":"m0m0m0"}}"#, &[Encoding::Base64], json("/payload/data")),
            ("Action=X&Field%31=m0m0m0", FORM, Ok(Place::Form("Field1".to_owned()))),
            // Left over from a key that stands there twice: the other reader may see another place.
            (r#"{"SecretString":"m0m0m0","SecretString":"x"}"#, JSON, Err(Unplaced::NoSuchPlace)),
            (r#"{"m0m0m0":"x"}"#, JSON, Err(Unplaced::NoSuchPlace)),
            (r#"{"a":"m0m0m0","b":"m0m0m0"}"#, JSON, Err(Unplaced::NoSuchPlace)),
            (r#"{"a":m0m0m0}"#, JSON, Err(Unplaced::NoSuchBody)),
            (r#"{"a":"m0m0m0"}"#, &[], Err(Unplaced::Encoding)),
            (r#"{"a":"m0m0m0"}"#, &[Encoding::JsonString, Encoding::XmlText], Err(Unplaced::Encoding)),
            ("a=m0m0m0", JSON, Err(Unplaced::Encoding)),
            ("m0m0m0=a", FORM, Err(Unplaced::NoSuchPlace)),
            ("<a>m0m0m0</a>", &[Encoding::XmlText], Err(Unplaced::NoSuchBody)),
            ("m0m0m0", FORM, Err(Unplaced::NoSuchBody)),
        ] {
            assert_eq!(place_of(body.as_bytes(), MARK, encodings), expected, "{body}");
        }
    }

    #[test]
    fn a_star_of_a_pointer_is_one_step() {
        let place = Place::Json("/a/0/value".to_owned());
        assert!(place.is_at("/a/*/value") && place.is_at("/a/0/value"));
        assert!(!place.is_at("/a/*") && !place.is_at("/*/value") && !place.is_at("/a/0/values"));
    }
}
