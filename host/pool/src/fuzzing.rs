//! What `tests/fuzz` reaches of the inside. Nothing of it is in the program.

use crate::connect::events::{Events, TooLong};

/// An event: its type and its data.
pub type Event = (String, Vec<u8>);

/// Reads an event stream that comes in pieces, with events of at most `limit` bytes. Gives the events up to the end or to the one that is too long,
/// whether there was such a one, and the id with which the stream would be resumed.
#[must_use]
pub fn events<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limit: usize,
) -> (Vec<Event>, bool, Option<String>) {
    let mut events = Events::new(limit);
    let mut seen = Vec::new();
    for piece in pieces {
        match events.feed(piece) {
            Ok(some) => seen.extend(some.into_iter().map(|event| (event.kind, event.data.to_vec()))),
            Err(TooLong) => return (seen, true, None),
        }
    }
    let last = events.last_id().map(str::to_owned);
    (seen, false, last)
}
