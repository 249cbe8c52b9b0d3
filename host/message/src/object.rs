//! A shallow look into one object or array: its members or elements as ranges.

use crate::EnvelopeError;
use crate::scan::{Scanner, Span, check};
use crate::text::decode_string;
use std::borrow::Cow;
use std::ops::Range;

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of JSON")]
pub enum JsonKind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// One member of an object, as ranges of the text it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub(crate) key: Span,
    pub(crate) value: Span,
    pub(crate) kind: JsonKind,
}

impl Member {
    /// Range of the key with its quotes.
    #[must_use]
    pub fn key_range(&self) -> Range<usize> {
        self.key.range()
    }

    /// Range of the value.
    #[must_use]
    pub fn value_range(&self) -> Range<usize> {
        self.value.range()
    }

    /// From the first quote of the key to the end of the value.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.key.start as usize..self.value.end as usize
    }

    /// Type of the value.
    #[must_use]
    pub fn kind(&self) -> JsonKind {
        self.kind
    }

    /// The raw value, from the text the member was found in. Another text gives nonsense or nothing, never a panic.
    #[must_use]
    pub fn value<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        raw.get(self.value.range()).unwrap_or_default()
    }

    /// The value as text, decoded; `None` for other types and for half surrogate pairs.
    #[must_use]
    pub fn string<'a>(&self, raw: &'a [u8]) -> Option<Cow<'a, str>> {
        decode_string(self.value(raw))
    }

    /// The key, decoded; `None` for half surrogate pairs.
    #[must_use]
    pub fn key<'a>(&self, raw: &'a [u8]) -> Option<Cow<'a, str>> {
        decode_string(raw.get(self.key.range()).unwrap_or_default())
    }

    /// Whether the key is `name`, however it is escaped. Letters count as they are: `Name` is another key.
    #[must_use]
    pub fn key_is(&self, raw: &[u8], name: &str) -> bool {
        let quoted = raw.get(self.key.range()).unwrap_or_default();
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        if memchr::memchr(b'\\', inner).is_none() {
            // What is not escaped is what it says.
            return inner == name.as_bytes();
        }
        key_text(raw, self.key) == name
    }
}

/// The key as text, decoded where it is escaped: an escaped key is the same key. Half surrogate pairs, which no known key has, give
/// nothing.
pub(crate) fn key_text(raw: &[u8], key: Span) -> Cow<'_, str> {
    let quoted = raw.get(key.range()).unwrap_or_default();
    decode_string(quoted).unwrap_or_default()
}

/// The members of an object in their order, duplicates included. Ends after the first error.
#[derive(Debug)]
pub struct Members<'a>(Walk<'a>);

/// The elements of an array in their order, as ranges with their types. Ends after the first error.
#[derive(Debug)]
pub struct Elements<'a>(Walk<'a>);

#[derive(Debug)]
struct Walk<'a> {
    scanner: Scanner<'a>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Start,
    Inside,
    Over,
}

impl Walk<'_> {
    /// Goes to the next member or element, if there is one.
    fn step(&mut self, open: u8, close: u8) -> Result<bool, EnvelopeError> {
        let more = match self.state {
            State::Start => {
                check(self.scanner.bytes())?;
                self.scanner.open(open, close, 0)?
            }
            State::Inside => self.scanner.more(close)?,
            State::Over => return Ok(false),
        };
        self.state = if more { State::Inside } else { State::Over };
        if !more {
            self.scanner.end()?;
        }
        Ok(more)
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, EnvelopeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let walk = &mut self.0;
        let found = walk.step(b'{', b'}').and_then(|more| {
            if !more {
                return Ok(None);
            }
            let key = walk.scanner.key()?;
            walk.scanner.member(key, 1).map(Some)
        });
        if found.is_err() {
            walk.state = State::Over;
        }
        found.transpose()
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<(Range<usize>, JsonKind), EnvelopeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let walk = &mut self.0;
        let found = walk.step(b'[', b']').and_then(|more| {
            if !more {
                return Ok(None);
            }
            walk.scanner.value(1).map(|(span, kind)| Some((span.range(), kind)))
        });
        if found.is_err() {
            walk.state = State::Over;
        }
        found.transpose()
    }
}

/// Walks over the object `raw`, validating on the way.
#[must_use]
pub fn members(raw: &[u8]) -> Members<'_> {
    Members(Walk { scanner: Scanner::new(raw), state: State::Start })
}

/// Walks over the array `raw`, validating on the way.
#[must_use]
pub fn elements(raw: &[u8]) -> Elements<'_> {
    Elements(Walk { scanner: Scanner::new(raw), state: State::Start })
}

/// The first member of the object `raw` with this key; `None` also if `raw` is no object.
#[must_use]
pub fn find_member(raw: &[u8], name: &str) -> Option<Member> {
    members(raw).map_while(Result::ok).find(|member| member.key_is(raw, name))
}
