//! Taking the secrets of a server out of what it printed, before a log or an error has it.
//!
//! Whoever reads a server's words (the pool, a platform) knows no values, and whoever knows values reads no words. So the one asks the other
//! where in a text values stand, and learns nothing else.

use crate::Failure;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// What stands in the place of a value.
const BLOTTED: &[u8] = b"***";

/// Where values stand in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Ranges of bytes that hold values, in their order and apart from each other.
    pub hidden: Vec<Range<usize>>,
    /// From where on the text may be the beginning of a value whose rest has not come yet; the length of the text if it is none. Never inside of
    /// one of `hidden`.
    pub open: usize,
}

impl Found {
    /// The text in which this was found, with stars in the place of values.
    #[must_use]
    pub fn without<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if self.hidden.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        for range in &self.hidden {
            out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
            out.extend_from_slice(BLOTTED);
            done = range.end;
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }
}

/// Knows the values that servers were given.
pub trait Blot: Send + Sync {
    /// Finds in a text the values that `scope`, a server's id, was given.
    fn find(&self, scope: &str, text: &[u8]) -> Found;
}

/// Takes the values of one server out of texts. The default one knows no values.
#[derive(Clone, Default)]
pub struct Blotter {
    knows: Option<Arc<dyn Blot>>,
    scope: Arc<str>,
}

impl fmt::Debug for Blotter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blotter").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Blotter {
    /// For the values of `scope`, a server's id.
    #[must_use]
    pub fn new(knows: Arc<dyn Blot>, scope: &str) -> Self {
        Self { knows: Some(knows), scope: Arc::from(scope) }
    }

    /// The same for another scope.
    #[must_use]
    pub fn of(&self, scope: &str) -> Self {
        Self { knows: self.knows.clone(), scope: Arc::from(scope) }
    }

    /// The bytes without values.
    #[must_use]
    pub fn bytes<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match &self.knows {
            Some(knows) => knows.find(&self.scope, text).without(text),
            None => Cow::Borrowed(text),
        }
    }

    /// The text without values.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Takes values out of everything that a failure tells.
    pub fn failure(&self, failure: &mut Failure) {
        let texts = std::iter::once(&mut failure.text).chain(&mut failure.hint).chain(&mut failure.details);
        for text in texts {
            if let Cow::Owned(clean) = self.text(text) {
                *text = clean;
            }
        }
    }

    /// For a text that comes in pieces.
    #[must_use]
    pub fn words(&self) -> Words {
        Words { blotter: self.clone(), open: Vec::new() }
    }
}

/// A text that comes in pieces, cut anywhere. What may be the beginning of a value is kept back until its rest has come.
pub struct Words {
    blotter: Blotter,
    open: Vec<u8>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("blotter", &self.blotter).finish_non_exhaustive()
    }
}

impl Words {
    /// Takes a piece and gives what can be shown by now, without values.
    pub fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        let Some(knows) = &self.blotter.knows else { return piece.to_vec() };
        self.open.extend_from_slice(piece);
        let mut found = knows.find(&self.blotter.scope, &self.open);
        found.hidden.retain(|range| range.end <= found.open);
        let rest = self.open.split_off(found.open.min(self.open.len()));
        let shown = std::mem::replace(&mut self.open, rest);
        found.without(&shown).into_owned()
    }

    /// What was kept back at the end of the text, without values: a whole one may have been the beginning of a longer one.
    pub fn rest(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.open);
        self.blotter.bytes(&rest).into_owned()
    }
}
