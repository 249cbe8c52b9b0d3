//! Lists in pages, and the cursors that continue them.

use serde_json::{Map, Value, json};

use crate::wire::Failure;

/// How many entries a list has before it is continued on another page.
pub(crate) const PAGE: usize = 100;

/// The page of a fixed list that the cursor of a request asks for. `key` is the list's name in the result, `name` the
/// field that tells its entries apart.
pub(crate) fn page(
    key: &str,
    name: &str,
    params: &Map<String, Value>,
    entries: impl Iterator<Item = Value>,
) -> Result<Value, Failure> {
    let mut entries = entries.peekable();
    if let Some(after) = cursor(key, params)? {
        while member(&entries.next().ok_or_else(bad_cursor)?, name) != after {}
    }
    let shown: Vec<Value> = entries.by_ref().take(PAGE).collect();
    let last = shown.last().map(|entry| member(entry, name)).unwrap_or_default();
    let next = entries.peek().is_some().then(|| encode(key, last));
    Ok(listed(key, shown, next))
}

/// A text field of an entry.
pub(crate) fn member<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn listed(key: &str, entries: Vec<Value>, next: Option<String>) -> Value {
    match next {
        Some(next) => json!({ key: entries, "nextCursor": next }),
        None => json!({ key: entries }),
    }
}

/// A cursor names the last entry shown rather than a position, so that a list which changes between two pages neither
/// repeats nor skips what stayed. Hexadecimal keeps clients from reading anything into it.
pub(crate) fn encode(kind: &str, last: &str) -> String {
    format!("{kind}:{last}").bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn cursor(kind: &str, params: &Map<String, Value>) -> Result<Option<String>, Failure> {
    let cursor = match params.get("cursor") {
        None | Some(Value::Null) => return Ok(None),
        Some(cursor) => cursor.as_str().ok_or_else(bad_cursor)?,
    };
    let digits: Option<Vec<u8>> = cursor
        .bytes()
        .map(|digit| char::from(digit).to_digit(16).and_then(|digit| digit.try_into().ok()))
        .collect();
    let bytes = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(bad_cursor)?;
    let bytes = bytes.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    let named = String::from_utf8(bytes).map_err(|_| bad_cursor())?;
    let last = named.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')).ok_or_else(bad_cursor)?;
    Ok(Some(last.to_owned()))
}

fn bad_cursor() -> Failure {
    Failure::parameters("the `cursor` is not one of this list")
}
