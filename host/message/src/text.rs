//! Strings and numbers between Rust and JSON.

use bytes::BufMut;
use std::borrow::Cow;

/// Decodes the JSON string `quoted`, quotes included. `None` if it is none, or if it holds half a surrogate pair, which no Rust
/// text can hold; a replacement character would make two different names equal.
#[must_use]
pub fn decode_string(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let text = std::str::from_utf8(inner).ok()?;
    // One look in the usual case, which is neither.
    let special = memchr::memchr2(b'\\', b'"', inner);
    if special.is_none_or(|at| memchr::memchr(b'\\', inner.get(at..).unwrap_or_default()).is_none()) {
        return special.is_none().then_some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, after) = rest.split_at_checked(at)?;
        out.push_str(before);
        let (decoded, left) = escape(after.get(1..)?)?;
        out.push(decoded);
        rest = left;
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// Decodes what follows a backslash.
fn escape(text: &str) -> Option<(char, &str)> {
    let (&kind, _) = text.as_bytes().split_first()?;
    let rest = text.get(1..)?;
    let plain = match kind {
        b'"' | b'\\' | b'/' => char::from(kind),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let (first, rest) = unit(rest)?;
            if !(0xd800..0xdc00).contains(&first) {
                return Some((char::from_u32(first)?, rest));
            }
            let (second, rest) = unit(rest.strip_prefix("\\u")?)?;
            if !(0xdc00..0xe000).contains(&second) {
                return None;
            }
            return Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, rest));
        }
        _ => return None,
    };
    Some((plain, rest))
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// Writes `text` as a JSON string with its quotes.
pub fn write_string(out: &mut impl BufMut, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.put_u8(b'"');
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.put_slice(bytes.get(done..at).unwrap_or_default());
        done = at + 1;
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            _ => {
                out.put_slice(b"\\u00");
                out.put_u8(HEX.get(usize::from(byte >> 4)).copied().unwrap_or(b'0'));
                out.put_u8(HEX.get(usize::from(byte & 15)).copied().unwrap_or(b'0'));
            }
        }
    }
    out.put_slice(bytes.get(done..).unwrap_or_default());
    out.put_u8(b'"');
}

/// A number in decimal digits, without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct Digits {
    buffer: [u8; 20],
    start: u8,
}

impl Digits {
    /// The digits of `number`.
    #[must_use]
    pub fn new(mut number: u64) -> Self {
        let mut buffer = [b'0'; 20];
        let mut start = 20u8;
        for place in buffer.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        Self { buffer, start }
    }

    /// As bytes of ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(usize::from(self.start)..).unwrap_or_default()
    }
}
