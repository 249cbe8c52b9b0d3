//! Arguments of a tool that a client repeats in headers: which they are, as the tool's schema says, and whether both agree.
//!
//! The annotation `x-mcp-header` and its rules: `reference/mcp-ecosystem.md` 3, "Modern HTTP headers". Here is only what schemas and values
//! mean; reading and writing headers is the business of transports.

use crate::object::{JsonKind, Member, find_member, members};
use crate::{elements, text};
use std::borrow::Cow;

/// The annotation.
const ANNOTATION: &str = "x-mcp-header";
/// Keywords whose value is a schema, or schemas in an array.
const SCHEMAS: [&str; 15] = [
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "additionalProperties",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
/// Keywords whose value is an object of schemas.
const NAMED_SCHEMAS: [&str; 4] = ["patternProperties", "$defs", "definitions", "dependentSchemas"];

/// An argument that is repeated in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    header: Box<str>,
    path: Box<[Box<str>]>,
}

/// What an argument is, as its header would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirrored<'a> {
    /// Missing or `null`: there is no header.
    Absent,
    /// Text.
    Text(Cow<'a, str>),
    /// The raw number.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// An object, an array, or text with half a surrogate pair: no header can say it.
    Unsayable,
}

/// The annotations of a tool's `inputSchema`. A schema without any costs one search for the word.
///
/// # Errors
/// An annotation breaks the rules, in words: such a tool must not be offered.
pub fn mirrors(schema: &[u8]) -> Result<Vec<Mirror>, String> {
    let mut found = Vec::new();
    // A key may be written with escapes, so those are looked into as well.
    let may_have = |word: &[u8]| memchr::memmem::find(schema, word).is_some();
    if may_have(ANNOTATION.as_bytes()) || may_have(b"\\u") {
        walk(schema, Some(&mut Vec::new()), &mut found)?;
    }
    Ok(found)
}

/// Walks over one schema. `path` leads to it through `properties` alone, or is `None`.
fn walk(schema: &[u8], path: Option<&mut Vec<Box<str>>>, found: &mut Vec<Mirror>) -> Result<(), String> {
    let mut path = path;
    let mut kind = None;
    let mut annotation = None;
    for member in members(schema).map_while(Result::ok) {
        let Some(key) = member.key(schema) else { continue };
        let value = member.value(schema);
        match key.as_ref() {
            ANNOTATION => annotation = Some(member),
            "type" => kind = Some(member),
            "properties" => {
                for property in members(value).map_while(Result::ok) {
                    let below = property.value(value);
                    match (&mut path, property.key(value)) {
                        (Some(path), Some(name)) => {
                            path.push(name.as_ref().into());
                            walk(below, Some(&mut **path), found)?;
                            path.pop();
                        }
                        _ => walk(below, None, found)?,
                    }
                }
            }
            key if NAMED_SCHEMAS.contains(&key) => {
                for one in members(value).map_while(Result::ok) {
                    walk(one.value(value), None, found)?;
                }
            }
            key if SCHEMAS.contains(&key) => {
                walk(value, None, found)?;
                for (range, _) in elements(value).map_while(Result::ok) {
                    walk(value.get(range).unwrap_or_default(), None, found)?;
                }
            }
            _ => {}
        }
    }
    let Some(annotation) = annotation else { return Ok(()) };
    let header = annotation.string(schema).unwrap_or_default();
    if header.is_empty() || !header.bytes().all(is_token) {
        return Err(format!("`{ANNOTATION}` is no name of a header"));
    }
    let path = path.filter(|path| !path.is_empty());
    let path =
        path.ok_or_else(|| format!("`{ANNOTATION}` `{header}` is not reachable by `properties` alone"))?;
    if !kind.is_some_and(|kind| is_plain(schema, &kind)) {
        return Err(format!(
            "`{ANNOTATION}` `{header}` is on something else than a string, an integer or a boolean"
        ));
    }
    if found.iter().any(|other| other.header.eq_ignore_ascii_case(&header)) {
        return Err(format!("`{ANNOTATION}` `{header}` occurs twice"));
    }
    found.push(Mirror { header: header.as_ref().into(), path: path.as_slice().into() });
    Ok(())
}

/// Whether a `type` is one that a header can say, possibly besides `null`.
fn is_plain(schema: &[u8], kind: &Member) -> bool {
    let plain = |name: &str| matches!(name, "string" | "integer" | "boolean");
    let value = kind.value(schema);
    if let Some(name) = kind.string(schema) {
        return plain(&name);
    }
    let mut any = false;
    elements(value).map_while(Result::ok).all(|(range, _)| {
        let name = text::decode_string(value.get(range).unwrap_or_default()).unwrap_or_default();
        any |= plain(&name);
        plain(&name) || name == "null"
    }) && any
}

/// Whether a byte may stand in the name of a header (RFC 9110, 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

impl Mirror {
    /// What follows `Mcp-Param-` in the header's name.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The argument's value in the raw `arguments`; an empty slice for missing ones.
    #[must_use]
    pub fn value<'a>(&self, arguments: &'a [u8]) -> Mirrored<'a> {
        let mut at = arguments;
        let mut kind = JsonKind::Object;
        for name in &self.path {
            let Some(member) = find_member(at, name) else { return Mirrored::Absent };
            kind = member.kind();
            at = member.value(at);
        }
        match kind {
            JsonKind::Null => Mirrored::Absent,
            JsonKind::String => text::decode_string(at).map_or(Mirrored::Unsayable, Mirrored::Text),
            JsonKind::Number => std::str::from_utf8(at).map_or(Mirrored::Unsayable, Mirrored::Number),
            JsonKind::Bool => Mirrored::Bool(at == b"true"),
            JsonKind::Object | JsonKind::Array => Mirrored::Unsayable,
        }
    }
}

impl Mirrored<'_> {
    /// Whether a header with this decoded value, or none, says the same. Numbers compare as numbers.
    #[must_use]
    pub fn agrees(&self, header: Option<&[u8]>) -> bool {
        let Some(header) = header else { return matches!(self, Self::Absent) };
        match self {
            Self::Absent | Self::Unsayable => false,
            Self::Text(text) => text.as_bytes() == header,
            Self::Bool(value) => header == if *value { b"true".as_slice() } else { b"false".as_slice() },
            Self::Number(number) => std::str::from_utf8(header)
                .is_ok_and(|header| header == *number || same_number(header, number)),
        }
    }
}

/// Whether two numbers of different spelling are the same. Integers are compared to the last digit, which floating point would lose.
fn same_number(one: &str, other: &str) -> bool {
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => match (one.parse::<f64>(), other.parse::<f64>()) {
            (Ok(one), Ok(other)) => one.is_finite() && one == other,
            _ => false,
        },
    }
}
