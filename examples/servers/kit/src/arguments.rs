//! Arguments of a call: checked against the schema that was published for them, then read by name.

use serde_json::{Map, Value, json};

/// The checked arguments of a call. Reading one that is absent, or null, gives `None`.
#[derive(Debug)]
pub struct Arguments<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Arguments<'a> {
    /// A text argument.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    /// A whole-number argument.
    pub fn integer(&self, name: &str) -> Option<i64> {
        whole(self.0.get(name)?)
    }
}

/// The schema of an object with these properties and no others.
pub fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Checks arguments against a schema made by [`object`], as far as our schemas go: `type` of text, integer and boolean,
/// `enum`, the limits of each, required and unknown names. The message names the argument, because a model reads it
/// and tries again.
pub(crate) fn check(schema: &Value, arguments: &Map<String, Value>) -> Result<(), String> {
    let nothing = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
    for name in
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        if arguments.get(name).is_none_or(Value::is_null) {
            return Err(format!("argument `{name}` is required"));
        }
    }
    for (name, value) in arguments {
        let Some(property) = properties.get(name) else {
            let hint = nearest(name, properties.keys().map(String::as_str), 1);
            let hint = hint.first().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            return Err(format!("there is no argument `{name}`{hint}"));
        };
        // Models write null for "not given"; a required null was refused above.
        if !value.is_null() {
            check_one(property, value).map_err(|must| format!("argument `{name}` must {must}"))?;
        }
    }
    Ok(())
}

fn check_one(property: &Value, value: &Value) -> Result<(), String> {
    let limit = |name: &str| property.get(name).and_then(Value::as_i64);
    match property.get("type").and_then(Value::as_str) {
        Some("string") => {
            let Some(text) = value.as_str() else { return Err("be a string".into()) };
            let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
            if limit("minLength").is_some_and(|least| length < least) {
                return Err("not be empty".into());
            }
            if let Some(most) = limit("maxLength").filter(|most| length > *most) {
                return Err(format!("have at most {most} characters, not {length}"));
            }
            let choices = property.get("enum").and_then(Value::as_array);
            if let Some(choices) = choices.filter(|choices| !choices.contains(value)) {
                let choices: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
                return Err(format!("be one of: {}", choices.join(", ")));
            }
        }
        Some("integer") => {
            let Some(number) = whole(value) else { return Err("be a whole number".into()) };
            if let Some(least) = limit("minimum").filter(|least| number < *least) {
                return Err(format!("be at least {least}"));
            }
            if let Some(most) = limit("maximum").filter(|most| number > *most) {
                return Err(format!("be at most {most}"));
            }
        }
        Some("boolean") if !value.is_boolean() => return Err("be true or false".into()),
        _ => {}
    }
    Ok(())
}

/// A JSON number that is whole, also when it is written `3.0`.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is zero")]
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && number.abs() < 9e15)
            .map(|number| number as i64)
    })
}

/// The candidates most like a name that was not found, nearest first, ignoring case. A candidate with parts, such as
/// `Europe/Berlin`, is also found by its last one.
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>, most: usize) -> Vec<String> {
    let wanted: Vec<char> = wanted.to_lowercase().replace(' ', "_").chars().take(100).collect();
    let near = wanted.len().div_ceil(3);
    let mut found: Vec<(usize, &str)> = candidates
        .filter_map(|candidate| {
            let whole = candidate.to_lowercase();
            let last = whole.rsplit('/').next().unwrap_or_default();
            let apart = distance(&wanted, &whole).min(distance(&wanted, last));
            (apart <= near).then_some((apart, candidate))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(most).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// How many letters must be inserted, dropped or replaced to turn one word into the other.
fn distance(left: &[char], right: &str) -> usize {
    let mut row: Vec<usize> = (0..=left.len()).collect();
    for (line, letter) in right.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, other) in row.iter_mut().zip(std::iter::once(None).chain(left.iter().map(Some))) {
            let cost = match other {
                None => before,
                Some(other) => (diagonal + usize::from(*other != letter)).min(before + 1).min(*cell + 1),
            };
            diagonal = std::mem::replace(cell, cost);
            before = cost;
        }
    }
    row.pop().unwrap_or_default()
}
