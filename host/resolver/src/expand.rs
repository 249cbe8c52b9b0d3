//! `$NAME` and `${NAME}` in texts of catalogue entries, as Docker's gateway expands them (`provisioning.md` 1.7).
//!
//! Only variables that the entry itself sets are known: secrets first, then earlier variables; the first of equal names counts. The
//! machine's environment is never consulted. An unknown name becomes empty; there is no escape.

use host_provisioner::{Part, Value, Variable};

/// Expands a text against variables that were set before it.
#[must_use]
pub fn expand(text: &str, known: &[Variable]) -> Value {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let after = after.get(1..).unwrap_or_default();
        let Some((name, len)) = name_at(after) else {
            // A `$` before anything else, or at the end, stays.
            push_text(&mut parts, before);
            push_text(&mut parts, "$");
            rest = after;
            continue;
        };
        push_text(&mut parts, before);
        if let Some(variable) = known.iter().find(|v| v.name == name) {
            match &variable.value {
                Value::Text(text) => push_text(&mut parts, text),
                Value::Secret(secret) => parts.push(Part::Secret(secret.clone())),
                Value::Joined(joined) => parts.extend(joined.iter().cloned()),
            }
        }
        rest = after.get(len..).unwrap_or_default();
    }
    push_text(&mut parts, rest);
    simplify(parts)
}

/// Names in a text that stand for nothing: neither a known variable, nor one that can never be set, as in `$$`.
#[must_use]
pub fn unknown_variables<'t>(text: &'t str, known: &[&str]) -> Vec<&'t str> {
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        let Some((name, len)) = name_at(after) else {
            rest = after;
            continue;
        };
        if !name.is_empty() && !known.contains(&name) {
            unknown.push(name);
        }
        rest = after.get(len..).unwrap_or_default();
    }
    unknown
}

/// The name that begins after a `$`, and how many bytes it takes.
fn name_at(text: &str) -> Option<(&str, usize)> {
    let first = text.chars().next()?;
    if first == '{' {
        // `${K:-d}` and `${K` have no name that could be known; what was read is swallowed, as in the original.
        let inner = text.get(1..)?;
        return match inner.find('}') {
            Some(end) if end > 0 => {
                let name = inner.get(..end)?;
                Some((if is_name(name) { name } else { "" }, end + 2))
            }
            Some(_) => Some(("", 2)),
            None => Some(("", 1)),
        };
    }
    if "*#$@!?-".contains(first) || first.is_ascii_digit() {
        return Some((text.get(..1)?, 1));
    }
    let len = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    (len > 0).then(|| (text.get(..len).unwrap_or_default(), len))
}

fn is_name(text: &str) -> bool {
    let special = text.len() == 1 && text.chars().all(|c| "*#$@!?-".contains(c) || c.is_ascii_digit());
    special || text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A value of parts, in its simplest form: texts that meet are one, and one text or secret alone is no list.
#[must_use]
pub fn joined(parts: impl IntoIterator<Item = Part>) -> Value {
    let mut merged = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => push_text(&mut merged, &text),
            other => merged.push(other),
        }
    }
    simplify(merged)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Part::Text(last)) = parts.last_mut() {
        last.push_str(text);
    } else {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn simplify(mut parts: Vec<Part>) -> Value {
    match parts.len() {
        0 => Value::Text(String::new()),
        1 => match parts.remove(0) {
            Part::Text(text) => Value::Text(text),
            Part::Secret(name) => Value::Secret(name),
            setting @ Part::Setting(_) => Value::Joined(vec![setting]),
        },
        _ => Value::Joined(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Variable> {
        vec![
            Variable { name: "K".to_owned(), value: Value::Text("v".to_owned()) },
            Variable { name: "T".to_owned(), value: Value::Secret("acme.token".to_owned()) },
            Variable { name: "K".to_owned(), value: Value::Text("second".to_owned()) },
        ]
    }

    /// Vectors of `provisioning.md` 1.7.
    #[test]
    fn vectors_of_the_reference() {
        let cases = [
            ("$K", "v"),
            ("${K}x", "vx"),
            ("$$K", "K"),
            ("100$!", "100"),
            ("${K:-d}", ""),
            ("${K", "K"),
            ("a$", "a$"),
            ("$/", "$/"),
            ("$NONE.", "."),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, &known()), Value::Text(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn names_of_nothing_are_told() {
        assert_eq!(
            unknown_variables("$K ${T} $NONE ${OTHER}x $1 a$ $/", &["K", "T"]),
            ["NONE", "OTHER", "1"]
        );
        assert_eq!(unknown_variables("plain", &[]), Vec::<&str>::new());
    }

    #[test]
    fn a_secret_stays_a_name() {
        let expected =
            Value::Joined(vec![Part::Text("Bearer ".to_owned()), Part::Secret("acme.token".to_owned())]);
        assert_eq!(expand("Bearer $T", &known()), expected);
        assert_eq!(expand("$T", &known()), Value::Secret("acme.token".to_owned()));
    }
}
