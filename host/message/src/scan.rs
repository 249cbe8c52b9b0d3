//! The validating scanner: walks JSON once without building anything.
//!
//! Strict RFC 8259 in UTF-8 (checked by the caller), except that lone surrogate escapes pass: they are valid grammar, and the
//! relay passes them on as they came. Iterative, so nesting costs bits and not stack.

use crate::object::{JsonKind, Member};
use crate::{EnvelopeError, code};
use std::ops::Range;

/// Levels of arrays and objects a message may have (`reference/mcp-ecosystem.md`, end of section 3).
pub const MAX_DEPTH: u32 = 128;

/// A range of one message. Messages are shorter than 4 GiB, which [`check`] makes sure of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What every text must fulfil before it is scanned: short enough for [`Span`], and UTF-8.
pub(crate) fn check(bytes: &[u8]) -> Result<(), EnvelopeError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(EnvelopeError::new(code::INVALID_REQUEST, "the message is longer than 4 GiB"));
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(EnvelopeError::new(
            code::PARSE,
            format!("the message is not UTF-8 at byte {}", error.valid_up_to()),
        )),
    }
}

/// A position in a text.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next byte that is no white space, without taking it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes `byte` if it comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    /// What is wrong here, as an error.
    pub(crate) fn syntax(&self) -> EnvelopeError {
        if self.at >= self.bytes.len() {
            EnvelopeError::new(code::PARSE, "the message ends in the middle of the JSON text")
        } else {
            EnvelopeError::new(code::PARSE, format!("the message is not JSON at byte {}", self.at))
        }
    }

    /// Makes sure that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), EnvelopeError> {
        if self.peek().is_some() { Err(self.syntax()) } else { Ok(()) }
    }

    /// Takes the opening brace or bracket `open`, at `depth` levels already open, and tells whether something follows in it.
    pub(crate) fn open(&mut self, open: u8, close: u8, depth: u32) -> Result<bool, EnvelopeError> {
        if !self.take(open) {
            return Err(self.syntax());
        }
        if depth >= MAX_DEPTH {
            return Err(too_deep());
        }
        Ok(!self.take(close))
    }

    /// After a member or an element: takes the comma and gives true, or takes `close` and gives false.
    pub(crate) fn more(&mut self, close: u8) -> Result<bool, EnvelopeError> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.syntax()),
        }
    }

    /// Takes a key and its colon; the value comes next.
    pub(crate) fn key(&mut self) -> Result<Span, EnvelopeError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax());
        }
        let start = self.at;
        self.string()?;
        let key = Span::new(start, self.at);
        if self.take(b':') { Ok(key) } else { Err(self.syntax()) }
    }

    /// Takes a value whose key was taken already, with `depth` levels open around it.
    pub(crate) fn member(&mut self, key: Span, depth: u32) -> Result<Member, EnvelopeError> {
        let (value, kind) = self.value(depth)?;
        Ok(Member { key, value, kind })
    }

    /// Takes a whole value, with `depth` levels open around it.
    pub(crate) fn value(&mut self, depth: u32) -> Result<(Span, JsonKind), EnvelopeError> {
        let first = self.peek();
        let start = self.at;
        let kind = match first {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') => JsonKind::Null,
            _ => JsonKind::Number,
        };
        match kind {
            JsonKind::Object | JsonKind::Array => self.nested(depth)?,
            _ => self.scalar()?,
        }
        Ok((Span::new(start, self.at), kind))
    }

    /// Takes an array or an object. One bit per open level says which of the two it is.
    fn nested(&mut self, depth: u32) -> Result<(), EnvelopeError> {
        let mut objects: u128 = 0;
        let mut levels: u32 = 0;
        loop {
            // A value starts here.
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth + levels >= MAX_DEPTH {
                        return Err(too_deep());
                    }
                    self.at += 1;
                    levels += 1;
                    let object = open == b'{';
                    objects = (objects << 1) | u128::from(object);
                    if !self.take(if object { b'}' } else { b']' }) {
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                    objects >>= 1;
                    levels -= 1;
                }
                _ => self.scalar()?,
            }
            // A value ended here: close levels until one goes on.
            loop {
                if levels == 0 {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                if self.more(if object { b'}' } else { b']' })? {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                objects >>= 1;
                levels -= 1;
            }
        }
    }

    fn scalar(&mut self) -> Result<(), EnvelopeError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.syntax()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), EnvelopeError> {
        if self.bytes.get(self.at..self.at + word.len()) == Some(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    fn digits(&mut self) -> Result<(), EnvelopeError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax()) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), EnvelopeError> {
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), EnvelopeError> {
        self.at += 1;
        loop {
            self.plain();
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.bytes.get(self.at) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                                    return Err(self.syntax());
                                }
                                self.at += 1;
                            }
                        }
                        _ => return Err(self.syntax()),
                    }
                }
                // The end of the text, or a control character that ought to be escaped.
                _ => return Err(self.syntax()),
            }
        }
    }

    /// Goes on to the next quote, backslash or control character, eight bytes at a time: payloads are mostly long strings.
    fn plain(&mut self) {
        const ONES: u64 = u64::MAX / 255;
        const HIGH: u64 = ONES * 128;
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
        while let Some(chunk) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*chunk);
            // Borrows spill only into higher bytes, so the lowest marked byte is always a true one.
            let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
            let marks =
                control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
            if marks != 0 {
                self.at += (marks.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return;
            }
            self.at += 1;
        }
    }
}

fn too_deep() -> EnvelopeError {
    EnvelopeError::new(code::INVALID_REQUEST, "the message is nested deeper than 128 levels")
}
