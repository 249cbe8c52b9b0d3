//! Values that were handed out, so that they can be found in what those print who were given them.
//!
//! A server may print its own secret: its whole environment before it dies, a request that failed. What it prints goes into logs and errors,
//! where no value may stand. So the resolver keeps the values that it gave, as long as the gateway runs, and says where they stand in a text: as
//! they are, and as JSON writes them. Other encodings (base64, percent signs) are not looked for: whoever encodes its secret means to show it.

use host_provisioner::Found;
use memchr::{memchr_iter, memmem};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

/// Bytes of the shortest value that is looked for. Shorter ones (`true`, `8080`, a user's name) are words of ordinary text: taking them out
/// would make every message unreadable, and the holes would tell them.
pub const SHORTEST: usize = 6;

/// Values of one secret that are remembered, the latest: a server that was given an older one may still run.
const REMEMBERED: usize = 8;

/// One value, in every form that is looked for. The first form is the value itself.
struct Value {
    name: String,
    forms: Vec<Zeroizing<Vec<u8>>>,
}

/// The values that were given, by scope.
#[derive(Default)]
pub(crate) struct Given(RwLock<BTreeMap<String, Vec<Value>>>);

impl Given {
    /// Remembers a value.
    pub(crate) fn remember(&self, scope: &str, name: &str, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let mut given = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let values = given.entry(scope.to_owned()).or_default();
        let is_known = |known: &Value| {
            known.name == name && known.forms.first().is_some_and(|form| form.as_slice() == value.as_bytes())
        };
        if values.iter().any(is_known) {
            return;
        }
        if values.iter().filter(|known| known.name == name).count() >= REMEMBERED
            && let Some(oldest) = values.iter().position(|known| known.name == name)
        {
            values.remove(oldest);
        }
        values.push(Value { name: name.to_owned(), forms: forms(value) });
    }

    /// Finds the values of one scope, or of all of them.
    pub(crate) fn find(&self, scope: Option<&str>, text: &[u8]) -> Found {
        let given = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let values = given.iter().filter(|(owner, _)| scope.is_none_or(|scope| scope == owner.as_str()));
        let mut hidden = Vec::new();
        let mut open = text.len();
        for form in values.flat_map(|(_, values)| values).flat_map(|value| &value.forms) {
            hidden.extend(memmem::find_iter(text, form.as_slice()).map(|at| at..at + form.len()));
            open = open.min(beginning(text, form));
        }
        let hidden = merged(hidden);
        if let Some(around) = hidden.iter().find(|range| range.start < open && open < range.end) {
            open = around.start;
        }
        Found { hidden, open }
    }
}

/// Where the end of the text is the beginning of the form; the length of the text if it is not.
fn beginning(text: &[u8], form: &[u8]) -> usize {
    let first = text.len() - text.len().min(form.len() - 1);
    let end = text.get(first..).unwrap_or_default();
    let starts = memchr_iter(form.first().copied().unwrap_or_default(), end).map(|at| first + at);
    let mut begins = starts.filter(|at| form.starts_with(text.get(*at..).unwrap_or_default()));
    begins.next().unwrap_or(text.len())
}

/// In their order, those that touch as one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut out: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// The value, its lines where it has several, because a log has a line at a time, and each of them as JSON writes it, also where the writer keeps
/// to ASCII.
fn forms(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST);
    let mut forms: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    for text in std::iter::once(value).chain(lines) {
        let json = Zeroizing::new(serde_json::Value::from(text).to_string());
        let json = json.get(1..json.len() - 1).unwrap_or_default();
        for form in [text.to_owned(), json.to_owned(), ascii(json)] {
            let form = Zeroizing::new(form.into_bytes());
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

/// JSON text in ASCII.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_provisioner::{Blot, Blotter};
    use std::sync::Arc;

    /// Knows what `s` was given.
    struct Knows(Given);

    impl Blot for Knows {
        fn find(&self, scope: &str, text: &[u8]) -> Found {
            self.0.find(Some(scope), text)
        }
    }

    fn blotter(values: &[&str]) -> Blotter {
        let given = Given::default();
        for (n, value) in values.iter().enumerate() {
            given.remember("s", &format!("v{n}"), value);
        }
        Blotter::new(Arc::new(Knows(given)), "s")
    }

    #[test]
    fn values_are_found_as_they_are_and_as_json_has_them() {
        let blotter = blotter(&["hünter2 \"x\"", "another-one"]);
        for (text, clean) in [
            ("a hünter2 \"x\" b", "a *** b"),
            (r#"{"k":"hünter2 \"x\""}"#, r#"{"k":"***"}"#),
            (r#"{"k":"h\u00fcnter2 \"x\""}"#, r#"{"k":"***"}"#),
            ("another-oneanother-one.another-one", "***.***"),
            ("another-on", "another-on"),
        ] {
            assert_eq!(blotter.text(text), clean);
        }
        assert_eq!(blotter.of("t").text("another-one"), "another-one", "what others were given is theirs");
    }

    #[test]
    fn lines_of_a_value_are_values() {
        let key = "-----BEGIN KEY-----\n  c2VjcmV0\nshort\n-----END KEY-----\n";
        let blotter = blotter(&[key]);
        assert_eq!(blotter.text("key: c2VjcmV0, short"), "key: ***, short");
        assert_eq!(blotter.text(key), "***");
        assert_eq!(blotter.text(&key.replace('\n', "\\n")), "***");
    }

    #[test]
    fn short_values_are_words_like_others() {
        assert_eq!(blotter(&["root", "12345"]).text("root has 12345"), "root has 12345");
        assert_eq!(blotter(&["123456"]).text("it has 123456"), "it has ***");
    }

    #[test]
    fn a_value_that_comes_in_pieces_is_found_wherever_it_was_cut() {
        // One is the end of another's beginning, one is the beginning of another.
        let blotter = blotter(&["xxabcabc", "abcabcdef", "abcabcdefghi"]);
        for text in ["1 xxabcabc 2", "1 abcabcdef 2", "1 abcabcdefghi 2", "1 xxabcabcdef 2"] {
            for size in 1..text.len() {
                let mut words = blotter.words();
                let mut seen: Vec<u8> = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    let shown = words.take(piece);
                    seen.extend(shown);
                }
                seen.extend(words.rest());
                assert_eq!(String::from_utf8(seen).unwrap(), "1 *** 2", "{text} by {size}");
            }
        }
        for (text, rest) in [("it ends with abca", "abca"), ("it ends with xxabcabc", "***")] {
            let mut words = blotter.words();
            assert_eq!(words.take(text.as_bytes()), b"it ends with ");
            assert_eq!(String::from_utf8(words.rest()).unwrap(), rest);
        }
    }

    #[test]
    fn the_latest_values_of_a_secret_are_remembered_and_no_more() {
        let given = Given::default();
        for n in 0..=REMEMBERED {
            given.remember("s", "rotated", &format!("value-{n:03}"));
            given.remember("s", "fixed", "a-fixed-value");
        }
        let hidden = |text: &str| !given.find(None, text.as_bytes()).hidden.is_empty();
        assert!(!hidden("value-000") && hidden("value-001") && hidden("value-008"));
        assert!(hidden("a-fixed-value"));
        assert_eq!(given.0.read().unwrap()["s"].len(), REMEMBERED + 1);
    }
}
