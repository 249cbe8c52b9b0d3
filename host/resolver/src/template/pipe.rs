//! The pipes of the template language (`docker-mcp-gateway.md` 10.3). There are no others.

use super::text::{element, text_of};
use host_config::Value;

/// What is done with a value.
pub(super) enum Pipe<'t> {
    Volume,
    VolumeTarget,
    Into,
    First,
    Last,
    Or(&'t str),
    MountAs(&'t str),
}

/// The meaning of a word between bars; none for a word nobody knows, which does nothing. Spaces are allowed around the names that take
/// nothing, and make `or:` and `mount_as:` unknown, as in the original.
pub(super) fn parse(word: &str) -> Option<Pipe<'_>> {
    if let Some(other) = word.strip_prefix("or:").or_else(|| word.strip_prefix("default:")) {
        return Some(Pipe::Or(other));
    }
    if let Some(target) = word.strip_prefix("mount_as:") {
        return Some(Pipe::MountAs(target.trim()));
    }
    Some(match word.trim() {
        "volume" => Pipe::Volume,
        "volume-target" => Pipe::VolumeTarget,
        "into" => Pipe::Into,
        "first" => Pipe::First,
        "last" => Pipe::Last,
        _ => return None,
    })
}

impl Pipe<'_> {
    /// Whether it says what to do without a value, so that a missing one is meant to be possible.
    pub(super) fn expects_nothing(&self) -> bool {
        matches!(self, Pipe::Or(_) | Pipe::MountAs(_))
    }

    pub(super) fn apply(&self, value: Value) -> Value {
        match self {
            Pipe::Volume => each(value, |path| match (path, target(path)) {
                ("", _) => String::new(),
                (path, target) => format!("{path}:{target}"),
            }),
            Pipe::VolumeTarget => each(value, target),
            Pipe::Into => match value {
                Value::List(items) => {
                    Value::List(items.iter().map(|item| Value::Text(element(item))).collect())
                }
                scalar => Value::List(vec![Value::Text(text_of(&scalar))]),
            },
            Pipe::First => end(value, |items| items.first()),
            Pipe::Last => end(value, |items| items.last()),
            Pipe::Or(other) => or(value, other),
            Pipe::MountAs(target) => match text_of(&end(value, |items| items.first())).as_str() {
                "" => Value::Text(String::new()),
                source => Value::Text(format!("{source}:{target}")),
            },
        }
    }
}

fn each(value: Value, change: impl Fn(&str) -> String) -> Value {
    match value {
        Value::List(items) => {
            Value::List(items.iter().map(|item| Value::Text(change(&element(item)))).collect())
        }
        scalar => Value::Text(change(&text_of(&scalar))),
    }
}

fn end(value: Value, pick: impl Fn(&[Value]) -> Option<&Value>) -> Value {
    match value {
        Value::List(items) => Value::Text(pick(&items).map(element).unwrap_or_default()),
        scalar => Value::Text(text_of(&scalar)),
    }
}

fn or(value: Value, other: &str) -> Value {
    let list = || other.strip_prefix('[')?.strip_suffix(']');
    match value {
        Value::List(items) if !items.is_empty() => Value::List(items),
        Value::List(_) => match list() {
            Some("") => Value::List(Vec::new()),
            Some(inside) => Value::List(inside.split(',').map(|item| Value::Text(item.to_owned())).collect()),
            None => Value::Text(other.to_owned()),
        },
        scalar => match text_of(&scalar) {
            // `[a,b]` is a text here, as in the original; only the empty list is one, see the head of `template.rs`.
            text if text.is_empty() && list() == Some("") => Value::List(Vec::new()),
            text if text.is_empty() => Value::Text(other.to_owned()),
            text => Value::Text(text),
        },
    }
}

/// Where a path is mounted: `C:\a\b` at `/C/a/b`, any other at itself.
fn target(path: &str) -> String {
    let mut chars = path.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(drive), Some(':'), Some('\\')) if drive.is_ascii_alphabetic() => {
            format!("/{drive}/{}", chars.as_str().replace('\\', "/"))
        }
        _ => path.to_owned(),
    }
}
