//! Edits of a raw JSON text that leave every other byte as it is.

use crate::Member;
use bytes::{BufMut, Bytes, BytesMut};
use std::ops::Range;

/// Edits kept without an allocation. The relay needs at most nine: a name or URI and the protocol's keys of `_meta`.
const INLINE: usize = 12;

/// Edits that contradict each other or the text; a mistake of the caller, never of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Two edits want the same bytes.
    #[error("two edits of the message overlap")]
    Overlap,
    /// A range does not lie in the text.
    #[error("an edit lies outside the message")]
    Outside,
}

#[derive(Debug, Clone, Copy)]
enum Edit<'a> {
    /// These bytes become that text; an empty range inserts.
    Replace(&'a [u8]),
    /// The member in this range goes, with one comma.
    Remove,
    /// Members come first in the object whose brace is just before; with a comma if others remain.
    First(&'a [u8]),
    /// An unused place.
    Unused,
}

#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    start: usize,
    end: usize,
    edit: Edit<'a>,
}

/// A list of edits over one text, carried out together with one allocation at most.
///
/// Text that is inserted must be valid JSON for its place; the bytes under edit must be valid JSON.
#[derive(Debug, Clone)]
pub struct Splice<'a> {
    base: &'a [u8],
    inline: [Place<'a>; INLINE],
    len: usize,
    more: Vec<Place<'a>>,
}

impl<'a> Splice<'a> {
    /// No edits yet.
    #[must_use]
    pub fn new(base: &'a [u8]) -> Self {
        Self {
            base,
            inline: [Place { start: 0, end: 0, edit: Edit::Unused }; INLINE],
            len: 0,
            more: Vec::new(),
        }
    }

    /// The text as it was.
    #[must_use]
    pub fn base(&self) -> &'a [u8] {
        self.base
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0 && self.more.is_empty()
    }

    /// Puts `text` in the place of `range`.
    pub fn replace(&mut self, range: Range<usize>, text: &'a [u8]) {
        self.push(range, Edit::Replace(text));
    }

    /// Puts `text` in the place of a member's value.
    pub fn set(&mut self, member: &Member, text: &'a [u8]) {
        self.replace(member.value_range(), text);
    }

    /// Inserts `text` at `at`.
    pub fn insert(&mut self, at: usize, text: &'a [u8]) {
        self.replace(at..at, text);
    }

    /// Removes a member of an object and the comma that goes with it. All members of an object may go.
    pub fn remove_member(&mut self, member: &Member) {
        self.push(member.range(), Edit::Remove);
    }

    /// Inserts `members`, such as `"key":1`, as the first ones of the object that begins at `object_start`, which may be empty or become
    /// empty by other edits. At most once per object.
    pub fn object_insert_first(&mut self, object_start: usize, members: &'a [u8]) {
        let at = object_start.saturating_add(1);
        self.push(at..at, Edit::First(members));
    }

    fn push(&mut self, range: Range<usize>, edit: Edit<'a>) {
        let place = Place { start: range.start, end: range.end, edit };
        if self.more.is_empty()
            && let Some(free) = self.inline.get_mut(self.len)
        {
            *free = place;
            self.len += 1;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(self.inline.get(..self.len).unwrap_or_default());
            self.len = 0;
        }
        self.more.push(place);
    }

    /// A bound for the length of the result.
    #[must_use]
    pub fn len_bound(&self) -> usize {
        let added: usize = self
            .inline
            .iter()
            .take(self.len)
            .chain(&self.more)
            .map(|place| match place.edit {
                Edit::Replace(text) => text.len(),
                Edit::First(text) => text.len() + 1,
                Edit::Remove | Edit::Unused => 0,
            })
            .sum();
        self.base.len() + added
    }

    /// The text with all edits.
    ///
    /// # Errors
    /// Edits overlap or lie outside.
    pub fn build(&self) -> Result<Bytes, SpliceError> {
        let mut out = BytesMut::with_capacity(self.len_bound());
        self.write_to(&mut out)?;
        Ok(out.freeze())
    }

    /// Appends the text with all edits to `out`.
    ///
    /// # Errors
    /// Edits overlap or lie outside; `out` then holds a part of the text, which the caller cuts off.
    pub fn write_to(&self, out: &mut BytesMut) -> Result<(), SpliceError> {
        let mut inline = self.inline;
        let mut many: Vec<Place<'a>>;
        let places: &mut [Place<'a>] = if self.more.is_empty() {
            inline.get_mut(..self.len).unwrap_or_default()
        } else {
            many = self.more.clone();
            &mut many
        };
        // Insertions at one point keep their order; what is inserted first in an object comes before an edit of its first member.
        places.sort_by_key(|place| (place.start, place.end));
        let mut done = 0;
        let mut rest = places.iter().copied().peekable();
        while let Some(place) = rest.next() {
            let (start, mut end) = (place.start, place.end);
            if start > end || end > self.base.len() {
                return Err(SpliceError::Outside);
            }
            match place.edit {
                Edit::Unused => {}
                Edit::Replace(text) => {
                    self.copy(out, &mut done, start)?;
                    out.put_slice(text);
                }
                Edit::Remove => {
                    // A member takes the comma before it along; the first one has none.
                    let from = match self.last_before(start) {
                        Some((comma, b',')) => comma,
                        _ => start,
                    };
                    if from != start {
                        self.copy(out, &mut done, from)?;
                    } else {
                        self.copy(out, &mut done, start)?;
                        end = self.remove_front(end, &mut rest);
                        // The next member is the first one now.
                        if let Some((comma, b',')) = self.next_after(end) {
                            end = comma + 1;
                        }
                    }
                }
                Edit::First(text) => {
                    self.copy(out, &mut done, start)?;
                    out.put_slice(text);
                    match rest.peek().copied() {
                        // The first member goes: whatever follows the run of removed members fits as it is.
                        Some(Place { start: first, end: after, edit: Edit::Remove })
                            if self.next_after(end).is_some_and(|(at, _)| at == first) =>
                        {
                            rest.next();
                            end = self.remove_front(after, &mut rest);
                        }
                        _ => {
                            if self.next_after(end).is_some_and(|(_, byte)| byte != b'}') {
                                out.put_u8(b',');
                            }
                        }
                    }
                }
            }
            if end > self.base.len() {
                return Err(SpliceError::Outside);
            }
            done = done.max(end);
        }
        self.copy(out, &mut done, self.base.len())
    }

    /// Extends the removal of the first member that ended at `end` over those behind it that go as well.
    fn remove_front(
        &self,
        mut end: usize,
        rest: &mut std::iter::Peekable<impl Iterator<Item = Place<'a>>>,
    ) -> usize {
        while let Some(Place { start, end: after, edit: Edit::Remove }) = rest.peek().copied() {
            let next = self
                .next_after(end)
                .and_then(|(comma, byte)| if byte == b',' { self.next_after(comma + 1) } else { None });
            if next.is_none_or(|(at, _)| at != start) {
                break;
            }
            end = after;
            rest.next();
        }
        end
    }

    fn copy(&self, out: &mut BytesMut, done: &mut usize, to: usize) -> Result<(), SpliceError> {
        let part = self.base.get(*done..to).ok_or(SpliceError::Overlap)?;
        out.put_slice(part);
        *done = to;
        Ok(())
    }

    /// The first byte from `at` on that is no white space.
    fn next_after(&self, at: usize) -> Option<(usize, u8)> {
        let rest = self.base.get(at..)?;
        let skip = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        rest.get(skip).map(|byte| (at + skip, *byte))
    }

    /// The last byte before `at` that is no white space.
    fn last_before(&self, at: usize) -> Option<(usize, u8)> {
        let before = self.base.get(..at)?;
        let found = before.iter().rposition(|byte| !byte.is_ascii_whitespace())?;
        before.get(found).map(|byte| (found, *byte))
    }
}
