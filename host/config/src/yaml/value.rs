//! An untyped value out of a file: what a server's configuration and a catalogue's schemas are made of.

use std::fmt;

use super::scalar::{self, Scalar, Schema};
use super::{Node, Style};
use crate::report::Report;

/// Anything a file can say, in the order of the file.
///
/// Richer than JSON where Docker's template language can tell the difference: integers and floats
/// apart, dates, and maps that templates cannot reach into.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number above `i64::MAX`.
    Unsigned(u64),
    /// A number with a point or an exponent, or an infinity.
    Float(f64),
    /// A bare date, as written.
    Timestamp(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Map),
}

/// A map in the order of the file, its keys as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    /// Keys and values; no key appears twice.
    pub entries: Vec<(String, Value)>,
    /// Whether a key was something else than text, `1` or `true`. Docker's templates cannot look
    /// inside such a map.
    pub has_other_keys: bool,
}

impl Map {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Value {
    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value as JSON. Dates become text; infinities, which JSON lacks, become null.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            Value::Unsigned(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Timestamp(text) | Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(map) => {
                serde_json::Value::Object(map.entries.iter().map(|(k, v)| (k.clone(), v.to_json())).collect())
            }
        }
    }

    /// Reads a node as it is. Reports keys that are lists or maps, and what JSON cannot say if the file is
    /// one of our own.
    pub(crate) fn decode(node: Node<'_>, schema: Schema, report: &mut Report) -> Value {
        if let Some((text, style, tag)) = node.scalar() {
            let scalar = scalar::resolve(text, style, tag, schema);
            if report.strict() && matches!(scalar, Scalar::Float(value) if !value.is_finite()) {
                report.problem_with_hint(
                    node.at(),
                    format!("`{text}` cannot be handed on as JSON"),
                    "put it in quotes to hand it on as text",
                );
            }
            return scalar.into();
        }
        if let Some(items) = node.items() {
            return Value::List(items.map(|item| Value::decode(item, schema, report)).collect());
        }
        Value::Map(Map::decode(node, schema, report))
    }
}

impl Map {
    /// Reads the entries of a map node; of anything else there are none.
    pub(crate) fn decode(node: Node<'_>, schema: Schema, report: &mut Report) -> Map {
        let mut map = Map::default();
        for (key, value) in node.entries().into_iter().flatten() {
            let Some((text, style, tag)) = key.scalar() else {
                report_key(node, key, report);
                continue;
            };
            let scalar = scalar::resolve(text, style, tag, schema);
            map.has_other_keys |= !matches!(scalar, Scalar::Text(_));
            let name = if style == Style::Plain && matches!(scalar, Scalar::Null) {
                text.to_owned()
            } else {
                scalar::source_text(text, tag)
            };
            map.entries.push((name, Value::decode(value, schema, report)));
        }
        map
    }
}

/// A list or map cannot be a key.
pub(crate) fn report_key(map: Node<'_>, key: Node<'_>, report: &mut Report) {
    let what = format!("a key must be text, not {}", key.noun());
    let hint = map.looks_like_template().then(|| TEMPLATE_HINT.to_owned());
    report.problem_maybe_hint(key.at(), what, hint);
}

/// What to say where `{{a.b}}` was written without quotes.
pub(crate) const TEMPLATE_HINT: &str = "put quotes around a template: `'{{name.key}}'`";

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Value {
        match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Integer(value) => Value::Integer(value),
            Scalar::Unsigned(value) => Value::Unsigned(value),
            Scalar::Float(value) => Value::Float(value),
            Scalar::Timestamp(text) => Value::Timestamp(text),
            Scalar::Text(text) => Value::Text(text),
        }
    }
}

impl fmt::Display for Value {
    /// As JSON, in the order of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (index, (key, value)) in map.entries.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    write!(f, "{}:{value}", serde_json::Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
            scalar => scalar.to_json().fmt(f),
        }
    }
}
