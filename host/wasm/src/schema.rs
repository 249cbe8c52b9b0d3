//! JSON Schema (2020-12), as far as settings need it: an operator's typing error is to be found when the plugin is loaded.
//!
//! A word that is not checked here makes the schema unusable, and the load fails: a rule that nobody enforces is worse than none.

use serde_json::{Map, Value};

/// Words that say nothing about what is valid.
const REMARKS: [&str; 14] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "$anchor",
];
/// Words that are checked.
const CHECKED: [&str; 26] = [
    "$ref",
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
];
/// How deep schemas and values may nest. A schema may refer to itself without end.
const DEPTH: u32 = 64;

/// A schema whose every word is checked.
#[derive(Debug, Clone)]
pub(crate) struct JsonSchema(Value);

impl JsonSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// A sentence: it is no JSON, refers to another document, or uses a word that is not checked here.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("is no JSON: {e}"))?;
        understood(&value, DEPTH)?;
        Ok(Self(value))
    }

    /// Checks a value; `name` is what the operator calls it.
    ///
    /// # Errors
    /// A sentence about the first thing that does not fit.
    pub(crate) fn check(&self, name: &str, value: &Value) -> Result<(), String> {
        Check { root: &self.0 }.fits(&self.0, value, name, DEPTH)
    }
}

/// Walks the places where schemas stand, and no others: `properties` may have a property called `pattern`.
fn understood(schema: &Value, depth: u32) -> Result<(), String> {
    let Value::Object(words) = schema else {
        return if schema.is_boolean() { Ok(()) } else { Err("is no JSON object".to_owned()) };
    };
    let Some(depth) = depth.checked_sub(1) else { return Err("nests too deeply".to_owned()) };
    for (word, value) in words {
        match word.as_str() {
            "$ref" if value.as_str().is_none_or(|target| !target.starts_with('#')) => {
                return Err("refers to another document".to_owned());
            }
            "properties" | "$defs" | "definitions" => {
                for inner in value.as_object().into_iter().flat_map(Map::values) {
                    understood(inner, depth)?;
                }
            }
            "additionalProperties" | "propertyNames" | "items" | "not" => understood(value, depth)?,
            "prefixItems" | "anyOf" | "oneOf" | "allOf" => {
                for inner in value.as_array().into_iter().flatten() {
                    understood(inner, depth)?;
                }
            }
            known if CHECKED.contains(&known) || REMARKS.contains(&known) || known.starts_with("x-") => {}
            other => {
                let other = crate::sanitize::line(other, 60);
                return Err(format!("uses `{other}`, which this gateway does not check"));
            }
        }
    }
    Ok(())
}

struct Check<'a> {
    root: &'a Value,
}

impl Check<'_> {
    fn fits(&self, schema: &Value, value: &Value, at: &str, depth: u32) -> Result<(), String> {
        let Value::Object(words) = schema else {
            return if schema == &Value::Bool(false) {
                Err(format!("`{at}` may not be there"))
            } else {
                Ok(())
            };
        };
        let Some(depth) = depth.checked_sub(1) else { return Err(format!("`{at}` nests too deeply")) };
        if let Some(target) = words.get("$ref").and_then(Value::as_str) {
            let pointer = target.trim_start_matches('#');
            let inner = self.root.pointer(pointer).ok_or_else(|| format!("the schema has no `{target}`"))?;
            self.fits(inner, value, at, depth)?;
        }
        kind(words, value, at)?;
        match value {
            Value::Object(entries) => self.object(words, entries, at, depth)?,
            Value::Array(entries) => self.array(words, entries, at, depth)?,
            Value::String(text) => {
                length(words, "minLength", "maxLength", text.chars().count(), at, "characters")?;
            }
            Value::Number(_) => number(words, value, at)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.joined(words, value, at, depth)
    }

    fn object(
        &self,
        words: &Map<String, Value>,
        entries: &Map<String, Value>,
        at: &str,
        depth: u32,
    ) -> Result<(), String> {
        length(words, "minProperties", "maxProperties", entries.len(), at, "entries")?;
        for name in
            words.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !entries.contains_key(name) {
                return Err(format!("`{at}.{name}` is missing"));
            }
        }
        let properties = words.get("properties").and_then(Value::as_object);
        for (name, value) in entries {
            let inner = format!("{at}.{}", crate::sanitize::line(name, 60));
            if let Some(names) = words.get("propertyNames") {
                self.fits(names, &Value::String(name.clone()), &inner, depth)?;
            }
            match (properties.and_then(|known| known.get(name)), words.get("additionalProperties")) {
                (Some(schema), _) => self.fits(schema, value, &inner, depth)?,
                (None, Some(Value::Bool(false))) => {
                    let known: Vec<&str> =
                        properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    return Err(format!("`{inner}` is not known (known: {known})"));
                }
                (None, Some(schema)) => self.fits(schema, value, &inner, depth)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn array(
        &self,
        words: &Map<String, Value>,
        entries: &[Value],
        at: &str,
        depth: u32,
    ) -> Result<(), String> {
        length(words, "minItems", "maxItems", entries.len(), at, "elements")?;
        let first = words.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, entry) in entries.iter().enumerate() {
            if let Some(schema) = first.get(index).or_else(|| words.get("items")) {
                self.fits(schema, entry, &format!("{at}[{index}]"), depth)?;
            }
        }
        if words.get("uniqueItems") == Some(&Value::Bool(true)) {
            let twice = entries
                .iter()
                .enumerate()
                .find(|(index, entry)| entries.iter().take(*index).any(|e| e == *entry));
            if let Some((index, _)) = twice {
                return Err(format!("`{at}[{index}]` stands there twice"));
            }
        }
        Ok(())
    }

    fn joined(&self, words: &Map<String, Value>, value: &Value, at: &str, depth: u32) -> Result<(), String> {
        let of = |word: &str| words.get(word).and_then(Value::as_array);
        for schema in of("allOf").into_iter().flatten() {
            self.fits(schema, value, at, depth)?;
        }
        for word in ["anyOf", "oneOf"] {
            let Some(schemas) = of(word) else { continue };
            let outcomes: Vec<_> = schemas.iter().map(|schema| self.fits(schema, value, at, depth)).collect();
            match outcomes.iter().filter(|outcome| outcome.is_ok()).count() {
                0 => {
                    let reasons: Vec<String> = outcomes.into_iter().filter_map(Result::err).take(4).collect();
                    return Err(reasons.join(", or "));
                }
                1 => {}
                _ if word == "anyOf" => {}
                _ => return Err(format!("`{at}` can be read in two ways")),
            }
        }
        match words.get("not") {
            Some(schema) if self.fits(schema, value, at, depth).is_ok() => {
                Err(format!("`{at}` is what it may not be"))
            }
            _ => Ok(()),
        }
    }
}

fn kind(words: &Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => false,
    };
    let kinds: Vec<&str> = match words.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind)) {
        return Err(format!("`{at}` must be of type {}", kinds.join(" or ")));
    }
    let allowed = match (words.get("enum"), words.get("const")) {
        (Some(Value::Array(values)), _) => values.as_slice(),
        (_, Some(only)) => std::slice::from_ref(only),
        _ => return Ok(()),
    };
    if allowed.contains(value) {
        return Ok(());
    }
    let shown: Vec<String> = allowed.iter().map(Value::to_string).collect();
    Err(format!("`{at}` must be one of {}", shown.join(", ")))
}

fn length(
    words: &Map<String, Value>,
    least: &str,
    most: &str,
    length: usize,
    at: &str,
    what: &str,
) -> Result<(), String> {
    let bound = |word: &str| words.get(word).and_then(Value::as_u64);
    match (bound(least), bound(most)) {
        (Some(least), _) if (length as u64) < least => Err(format!("`{at}` needs at least {least} {what}")),
        (_, Some(most)) if (length as u64) > most => Err(format!("`{at}` may have at most {most} {what}")),
        _ => Ok(()),
    }
}

fn number(words: &Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
    let Some(number) = value.as_f64() else { return Ok(()) };
    let bound = |word: &str| words.get(word).and_then(Value::as_f64);
    let rules: [(Option<f64>, bool, &str); 4] = [
        (bound("minimum"), bound("minimum").is_some_and(|least| number < least), "at least"),
        (bound("maximum"), bound("maximum").is_some_and(|most| number > most), "at most"),
        (
            bound("exclusiveMinimum"),
            bound("exclusiveMinimum").is_some_and(|least| number <= least),
            "more than",
        ),
        (
            bound("exclusiveMaximum"),
            bound("exclusiveMaximum").is_some_and(|most| number >= most),
            "less than",
        ),
    ];
    for (bound, broken, text) in rules {
        if let (Some(bound), true) = (bound, broken) {
            return Err(format!("`{at}` must be {text} {bound}"));
        }
    }
    match bound("multipleOf") {
        Some(step) if step > 0.0 && (number / step).fract().abs() > f64::EPSILON => {
            Err(format!("`{at}` must be a multiple of {step}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_checked_and_the_first_misfit_is_named() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["region"],
            "properties": {
                "region": {"type": "string", "minLength": 2},
                "count": {"type": ["integer", "null"], "format": "uint32", "minimum": 0, "maximum": 9},
                "mode": {"enum": ["fast", "slow"]},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": true, "maxItems": 3},
                "either": {"anyOf": [{"type": "boolean"}, {"const": "auto"}]},
                "map": {"type": "object", "additionalProperties": {"type": "number"}},
            },
            "$defs": {"tag": {"type": "string", "not": {"const": "bad"}}},
        });
        let schema = JsonSchema::parse(&schema.to_string()).unwrap();
        let known = "known: count, either, map, mode, region, tags";
        for (value, outcome) in [
            (json!({"region": "eu"}), Ok(())),
            (
                json!({"region": "eu", "count": 3, "mode": "fast", "tags": ["a", "b"], "either": "auto", "map": {"x": 1.5}}),
                Ok(()),
            ),
            (json!({"region": "eu", "count": null}), Ok(())),
            (json!({}), Err("`s.region` is missing".to_owned())),
            (json!([]), Err("`s` must be of type object".to_owned())),
            (json!({"region": "e"}), Err("`s.region` needs at least 2 characters".to_owned())),
            (json!({"region": "eu", "regoin": 1}), Err(format!("`s.regoin` is not known ({known})"))),
            (
                json!({"region": "eu", "count": 1.5}),
                Err("`s.count` must be of type integer or null".to_owned()),
            ),
            (json!({"region": "eu", "count": 10}), Err("`s.count` must be at most 9".to_owned())),
            (
                json!({"region": "eu", "mode": "x"}),
                Err("`s.mode` must be one of \"fast\", \"slow\"".to_owned()),
            ),
            (
                json!({"region": "eu", "tags": ["a", "bad"]}),
                Err("`s.tags[1]` is what it may not be".to_owned()),
            ),
            (json!({"region": "eu", "tags": ["a", "a"]}), Err("`s.tags[1]` stands there twice".to_owned())),
            (
                json!({"region": "eu", "either": 3}),
                Err("`s.either` must be of type boolean, or `s.either` must be one of \"auto\"".to_owned()),
            ),
            (json!({"region": "eu", "map": {"x": "y"}}), Err("`s.map.x` must be of type number".to_owned())),
        ] {
            assert_eq!(schema.check("s", &value), outcome, "{value}");
        }
    }

    #[test]
    fn a_schema_that_cannot_be_enforced_is_refused() {
        for (schema, text) in [
            ("3", "is no JSON object"),
            (
                r#"{"properties": {"a": {"pattern": "x"}}}"#,
                "uses `pattern`, which this gateway does not check",
            ),
            (r#"{"items": [{"$ref": "https://x/y"}]}"#, "is no JSON object"),
            (r#"{"anyOf": [{"$ref": "https://x/y"}]}"#, "refers to another document"),
        ] {
            assert_eq!(JsonSchema::parse(schema).unwrap_err(), text, "{schema}");
        }
        assert!(JsonSchema::parse(r#"{"properties": {"pattern": {"type": "string"}}}"#).is_ok());
        let endless = JsonSchema::parse(r##"{"$ref": "#"}"##).unwrap();
        assert_eq!(endless.check("s", &json!(1)).unwrap_err(), "`s` nests too deeply");
    }
}
