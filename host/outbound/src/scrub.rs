//! Taking out of an answer what was put into requests, in any encoding that a server might repeat it in.

use crate::body::{json_string, percent, xml};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// What stands in its place.
const REMOVED: &[u8] = b"[removed]";
/// Bytes of the shortest value that can be told from ordinary text. What is shorter cannot be kept out of answers.
pub const SHORTEST: usize = 4;

/// Values, in all their forms. Has no `Debug`; everything in it is wiped.
#[derive(Default, Clone)]
pub struct Scrubber {
    forms: Vec<Zeroizing<Vec<u8>>>,
}

impl Scrubber {
    /// Remembers a value. One that is too short to be told from text is passed over: who fills values in refuses it before.
    pub fn add(&mut self, value: &[u8]) {
        if value.len() < SHORTEST || self.forms.iter().any(|form| form.as_slice() == value) {
            return;
        }
        let mut forms = vec![Zeroizing::new(value.to_vec())];
        if let Ok(text) = std::str::from_utf8(value) {
            let json = json_string(text);
            forms.push(Zeroizing::new(json.replace('/', "\\/").into_bytes()));
            forms.push(Zeroizing::new(ascii(&json, false).into_bytes()));
            forms.push(Zeroizing::new(ascii(&json, true).into_bytes()));
            // What HTML and Go's encoder make of it.
            let escaped = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
            forms.push(Zeroizing::new(escaped.into_bytes()));
            forms.push(Zeroizing::new(json_string(&json).into_bytes()));
            forms.push(Zeroizing::new(json.into_bytes()));
            forms.push(Zeroizing::new(xml(text).into_bytes()));
            forms.push(Zeroizing::new(xml(text).replace("&#39;", "&apos;").into_bytes()));
        }
        for upper in [true, false] {
            let encoded = percent(value, upper);
            forms.push(Zeroizing::new(encoded.replace("%20", "+").into_bytes()));
            forms.push(Zeroizing::new(encoded.into_bytes()));
            forms.push(Zeroizing::new(hex(value, upper).into_bytes()));
        }
        let plain = forms.len();
        for at in 0..plain {
            let Some(form) = forms.get(at).cloned() else { continue };
            for shift in 0..3 {
                forms.extend(in_base64(&form, shift));
            }
        }
        forms.retain(|form| form.len() >= SHORTEST);
        for form in forms {
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        // The longest first, so that nothing of it is left beside a shorter one.
        self.forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// Whether nothing was remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The bytes without the values; `None` if there is none in them.
    #[must_use]
    pub fn clean(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for form in &self.forms {
            found.extend(memmem::find_iter(bytes, form.as_slice()).map(|at| (at, at + form.len())));
        }
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let mut out = Vec::with_capacity(bytes.len());
        let mut done = 0;
        for (start, end) in found {
            if start >= done {
                out.extend_from_slice(bytes.get(done..start).unwrap_or_default());
                out.extend_from_slice(REMOVED);
            }
            // Overlapping ones are one.
            done = done.max(end);
        }
        out.extend_from_slice(bytes.get(done..).unwrap_or_default());
        Some(out)
    }

    /// The same for text.
    #[must_use]
    pub fn clean_text(&self, text: &str) -> String {
        match self.clean(text.as_bytes()) {
            None => text.to_owned(),
            Some(clean) => String::from_utf8_lossy(&clean).into_owned(),
        }
    }
}

/// As JSON writers that keep to ASCII have it.
fn ascii(json: &str, upper: bool) -> String {
    let mut out = String::with_capacity(json.len() * 6);
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            // Writing into a text cannot fail.
            let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
        }
    }
    out
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = if upper { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
    }
    out
}

/// What base64 of a longer text shows of it when `shift` bytes of its group stand before: the letters that depend on nothing else.
fn in_base64(form: &[u8], shift: usize) -> Vec<Zeroizing<Vec<u8>>> {
    let mut padded = Zeroizing::new(vec![0; shift]);
    padded.extend_from_slice(form);
    let whole = padded.len() * 8;
    let (first, last) = ((shift * 8).div_ceil(6), whole / 6);
    let mut out = Vec::with_capacity(2);
    for encoded in [STANDARD_NO_PAD.encode(padded.as_slice()), URL_SAFE_NO_PAD.encode(padded.as_slice())] {
        let encoded = Zeroizing::new(encoded);
        if let Some(part) = encoded.as_bytes().get(first..last) {
            out.push(Zeroizing::new(part.to_vec()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    const SECRET: &str = "hünter2/\"x\" & <y>";

    fn scrubber() -> Scrubber {
        let mut scrubber = Scrubber::default();
        scrubber.add(SECRET.as_bytes());
        scrubber
    }

    #[test]
    fn no_encoding_of_a_value_comes_through() {
        let json = serde_json::to_string(SECRET).unwrap();
        let json = json.trim_matches('"');
        let encoded = [
            SECRET.to_owned(),
            json.to_owned(),
            json.replace('/', "\\/"),
            json.replace('ü', "\\u00fc"),
            serde_json::to_string(json).unwrap().trim_matches('"').to_owned(),
            percent(SECRET.as_bytes(), true),
            percent(SECRET.as_bytes(), false),
            percent(SECRET.as_bytes(), true).replace("%20", "+"),
            xml(SECRET),
            hex(SECRET.as_bytes(), false),
        ];
        for text in &encoded {
            let clean = scrubber().clean_text(&format!("before {text} after"));
            assert_eq!(clean, "before [removed] after", "{text}");
        }
        // Inside something longer that was encoded as a whole, wherever it stands in it.
        for before in ["", "a", "ab", "abc"] {
            for text in &encoded {
                let whole = format!("{before}{text}xyz");
                for engine in [&STANDARD, &URL_SAFE] {
                    let clean = scrubber().clean_text(&engine.encode(&whole));
                    assert!(clean.contains("[removed]"), "{before} {text}: {clean}");
                    // At most the letters at its edges are left, which hold a few bits.
                    let rest = clean.replace("[removed]", "");
                    assert!(rest.len() <= 14, "{rest}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_value_stays() {
        assert_eq!(scrubber().clean(b"nothing of it"), None);
        assert_eq!(Scrubber::default().clean(SECRET.as_bytes()), None);
        let mut short = Scrubber::default();
        short.add(b"abc");
        assert!(short.is_empty());
    }

    #[test]
    fn values_side_by_side_and_inside_each_other_are_gone() {
        let mut scrubber = Scrubber::default();
        for value in ["token", "my token", "token2"] {
            scrubber.add(value.as_bytes());
        }
        assert_eq!(scrubber.clean_text("my tokentoken2token"), "[removed][removed][removed]");
    }
}
