//! What a JSON text holds that does not stand there letter by letter: strings with escapes, base64, a text in several blocks.

use super::Found;
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memchr2;

/// Shorter strings hold no secret in base64.
const SHORTEST: usize = 24;
/// Bytes of decoded base64 by which it is judged whether it is text.
const SAMPLE: usize = 512;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Shows each of these texts to `look` until it finds something. `json` is valid JSON, of which only the strings matter.
pub(super) fn hidden(json: &[u8], look: impl Fn(&[u8]) -> Option<Found>) -> Option<Found> {
    let mut rest = json;
    let mut key_is_text = false;
    let mut texts = Vec::new();
    let mut count = 0;
    while let Some(start) = memchr::memchr(b'"', rest) {
        rest = rest.get(start + 1..)?;
        let (string, escaped, after) = string(rest);
        rest = after;
        let is_key = rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
        if is_key {
            key_is_text = string == b"text";
        }
        let decoded;
        let value = if escaped {
            decoded = unescaped(string);
            if let Some(found) = look(&decoded) {
                return Some(found);
            }
            decoded.as_slice()
        } else {
            string
        };
        if !is_key && key_is_text {
            count += 1;
            texts.extend_from_slice(value);
            key_is_text = false;
        }
        if let Some(text) = of_base64(value)
            && let Some(found) = look(&text)
        {
            return Some(found);
        }
    }
    if count > 1 { look(&texts) } else { None }
}

/// The string that begins here, behind its quote: its raw text, whether it has escapes, and what follows it.
fn string(text: &[u8]) -> (&[u8], bool, &[u8]) {
    let (mut at, mut escaped) = (0, false);
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return (text.get(..at).unwrap_or_default(), escaped, text.get(at + 1..).unwrap_or_default());
        }
        escaped = true;
        at += 2;
    }
    (text, escaped, &[])
}

/// A string without its escapes. Half a surrogate pair becomes a question mark, so that it hides nothing.
fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        let letter = rest.get(at + 1).copied().unwrap_or_default();
        rest = rest.get(at + 2..).unwrap_or_default();
        match letter {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => {
                let digits = rest.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
                let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let letter = code.and_then(char::from_u32).unwrap_or('?');
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = rest.get(4..).unwrap_or_default();
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The text that a string holds in base64; `None` if it is none, or holds something else than text, such as a picture.
fn of_base64(string: &[u8]) -> Option<Vec<u8>> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if string.len() < SHORTEST || !string.iter().all(fits) {
        return None;
    }
    // The first letters tell, before a large picture is decoded as a whole.
    let head = string.get(..(SAMPLE / 3 * 4).min(string.len() / 4 * 4))?;
    let decode = |part: &[u8]| PLAIN.decode(part).or_else(|_| FOR_URLS.decode(part)).ok();
    let sample = decode(head)?;
    let is_text = match std::str::from_utf8(&sample) {
        Ok(_) => true,
        // The last letter may have been cut.
        Err(error) => error.error_len().is_none(),
    };
    if !is_text || sample.contains(&0) {
        return None;
    }
    decode(string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_away() {
        let raw = br#"a\n\t\"\\\/\u0041\u00e4\ud800x\b"#;
        assert_eq!(unescaped(raw), "a\n\t\"\\/A\u{e4}?x\u{8}".as_bytes());
        assert_eq!(unescaped(b"cut\\"), b"cut\0");
        assert_eq!(unescaped(b"cut\\u12"), b"cut?");
    }

    #[test]
    fn base64_of_text_is_text_and_of_pictures_is_not() {
        let text = "a text that is long enough to be looked at";
        assert_eq!(of_base64(PLAIN.encode(text).as_bytes()).as_deref(), Some(text.as_bytes()));
        assert_eq!(
            of_base64(FOR_URLS.encode(text).trim_end_matches('=').as_bytes()).as_deref(),
            Some(text.as_bytes())
        );
        assert_eq!(
            of_base64(PLAIN.encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on and on").as_bytes()),
            None
        );
        assert_eq!(of_base64(b"short"), None);
        assert_eq!(of_base64(b"words with blanks are no base64 at all"), None);
        // A letter of several bytes at the edge of the sample.
        let long = "\u{e4}".repeat(2000);
        for lead in ["", "x"] {
            let long = format!("{lead}{long}");
            assert_eq!(of_base64(PLAIN.encode(&long).as_bytes()).as_deref(), Some(long.as_bytes()));
        }
    }
}
