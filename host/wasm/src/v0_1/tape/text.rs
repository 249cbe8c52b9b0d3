//! The records of the contract as JSON: read out of what their `Debug` prints, which is regular, so that no record needs to know of tapes.
//!
//! A record becomes a map, a list or tuple a list, a case a text, and a case that holds something a map of one entry. Fields have the names
//! of the contract, cases those of Rust.

use serde_json::{Map, Value};
use std::fmt::Debug;

/// A value as JSON.
pub(super) fn json(value: &impl Debug) -> Value {
    let text = format!("{value:?}");
    let mut reader = Reader { rest: &text };
    // What cannot be read is kept as it is: a tape with a text in the place of an answer is refused when it is played.
    match reader.value().filter(|_| reader.rest.is_empty()) {
        Some(value) => value,
        None => Value::from(text),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Value> {
        match self.rest.chars().next()? {
            '"' => self.text().map(Value::from),
            '[' => self.list('[', ']').map(Value::Array),
            '(' => self.list('(', ')').map(Value::Array),
            '-' | '0'..='9' => self.number(),
            _ => self.named(),
        }
    }

    fn take(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn list(&mut self, open: char, close: char) -> Option<Vec<Value>> {
        self.rest = self.rest.strip_prefix(open)?;
        let mut items = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                return Some(items);
            }
            items.push(self.value()?);
            // A tuple of one has a comma behind it.
            if self.take(", ").is_none() {
                let _ = self.take(",");
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '.' | 'e')))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        serde_json::from_str(number).ok()
    }

    /// A case, a case with something in it, or a record.
    fn named(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '#')))
            .unwrap_or(self.rest.len());
        let (path, rest) = self.rest.split_at_checked(end).filter(|(path, _)| !path.is_empty())?;
        self.rest = rest;
        let name = path.rsplit("::").next()?;
        if self.rest.starts_with('(') {
            let mut inside = self.list('(', ')')?;
            let inside = if inside.len() == 1 { inside.pop()? } else { Value::Array(inside) };
            return Some(Value::Object(Map::from_iter([(name.to_owned(), inside)])));
        }
        if self.take(" { ").is_some() {
            let fields = self.fields()?;
            // A handle has another number each time.
            return Some(if name == "Resource" { Value::Null } else { fields });
        }
        if self.take(" {}").is_some() {
            return Some(Value::Object(Map::new()));
        }
        Some(match name {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            name => Value::from(name),
        })
    }

    fn fields(&mut self) -> Option<Value> {
        let mut map = Map::new();
        loop {
            let (name, rest) = self.rest.split_once(": ")?;
            let name = name.trim_start_matches("r#").to_owned();
            self.rest = rest;
            let value = self.value()?;
            map.insert(name, value);
            if self.take(", ").is_some() {
                // Of a resource not everything is shown.
                if self.take(".. }").is_some() {
                    return Some(Value::Object(map));
                }
                continue;
            }
            self.take(" }")?;
            return Some(Value::Object(map));
        }
    }

    /// As Rust escapes a text.
    fn text(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(text);
                }
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    '0' => text.push('\0'),
                    'u' => {
                        let mut code = 0;
                        for (_, c) in chars.by_ref() {
                            match c {
                                '{' => {}
                                '}' => break,
                                digit => code = code * 16 + digit.to_digit(16)?,
                            }
                        }
                        text.push(char::from_u32(code)?);
                    }
                    other => text.push(other),
                },
                c => text.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug)]
    #[expect(dead_code, reason = "only printed")]
    struct Record {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        found: Option<Case>,
        lost: Option<u32>,
        flag: bool,
    }

    #[derive(Debug)]
    enum Case {
        Creates(Empty),
        Reads,
    }

    #[derive(Debug)]
    struct Empty {}

    #[test]
    fn what_is_printed_is_read_back() {
        let text = "a \"quoted\" \\ back\n\t\r\0 ü \u{202e} { x: 1, [";
        let record = Record {
            status: 200,
            headers: vec![("a".to_owned(), text.to_owned())],
            body: vec![1, 255],
            found: Some(Case::Creates(Empty {})),
            lost: None,
            flag: true,
        };
        let expected = json!({
            "status": 200, "headers": [["a", text]], "body": [1, 255],
            "found": {"Some": {"Creates": "Empty"}}, "lost": "None", "flag": true,
        });
        assert_eq!(json(&record), expected);
        assert_eq!(json(&Ok::<_, ()>(record)), json!({"Ok": expected}));
        assert_eq!(json(&Ok::<(), ()>(())), json!({"Ok": []}));
        assert_eq!(json(&(Case::Reads, -7, ())), json!(["Reads", -7, []]));
        assert_eq!(json(&(1,)), json!([1]));
    }
}
