//! Reading an event stream (`text/event-stream`, WHATWG HTML 9.2.6), piece by piece and within a limit.

use bytes::{Bytes, BytesMut};
use std::time::Duration;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; `message` where none is written.
    pub(crate) kind: String,
    /// Its data, lines joined by line feeds. May be empty: then the event only carries an id.
    pub(crate) data: Bytes,
}

/// A stream that is being read.
#[derive(Debug)]
pub(crate) struct Events {
    limit: usize,
    /// Bytes of a line that is not complete.
    line: BytesMut,
    /// The last byte was a carriage return, so a line feed that follows belongs to it.
    after_return: bool,
    at_start: bool,
    kind: String,
    data: BytesMut,
    has_data: bool,
    has_id: bool,
    /// The last id that was completed by an event, for `Last-Event-ID`.
    last_id: Option<String>,
    next_id: Option<String>,
    retry: Option<Duration>,
}

/// An event is longer than it may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Events {
    /// A stream whose events may have so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: BytesMut::new(),
            after_return: false,
            at_start: true,
            kind: String::new(),
            data: BytesMut::new(),
            has_data: false,
            has_id: false,
            last_id: None,
            next_id: None,
            retry: None,
        }
    }

    /// The id of the last event, if it had one.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// How long the server wants to be left alone before it is asked again.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Another stream goes on where this one broke off: what was not completed comes again from its beginning.
    pub(crate) fn reconnect(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = Self { last_id, retry, ..Self::new(self.limit) };
    }

    /// Takes the next piece and gives the events that it completes.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_return) && piece.first() == Some(&b'\n') {
                piece = piece.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', piece) else {
                self.line.extend_from_slice(piece);
                break;
            };
            let (head, rest) = piece.split_at(end);
            self.line.extend_from_slice(head);
            self.after_return = rest.first() == Some(&b'\r');
            piece = rest.get(1..).unwrap_or_default();
            let line = self.line.split();
            events.extend(self.take(&line));
            self.check()?;
        }
        self.check()?;
        Ok(events)
    }

    fn check(&self) -> Result<(), TooLong> {
        // The name of the field comes on top of what the data may have.
        let length = self.data.len().max(self.line.len().saturating_sub(16));
        if length > self.limit { Err(TooLong) } else { Ok(()) }
    }

    /// Takes a line without its end; an empty one completes an event.
    fn take(&mut self, line: &[u8]) -> Option<Event> {
        let line = match std::mem::take(&mut self.at_start) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            return self.complete();
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default()),
            None => (line, b"".as_slice()),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.extend_from_slice(b"\n");
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.kind = String::from_utf8_lossy(value).into_owned(),
            // An id goes back in a header, where nothing else could stand.
            b"id" if value.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
                self.next_id = Some(String::from_utf8_lossy(value).into_owned());
                self.has_id = true;
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let text = String::from_utf8_lossy(value);
                self.retry = Some(Duration::from_millis(text.parse().unwrap_or(u64::MAX)));
            }
            // Comments and what nobody knows.
            _ => {}
        }
        None
    }

    fn complete(&mut self) -> Option<Event> {
        if let Some(id) = self.next_id.take() {
            self.last_id = Some(id);
        }
        let kind = std::mem::take(&mut self.kind);
        let event = std::mem::take(&mut self.has_id) | std::mem::take(&mut self.has_data);
        let data = self.data.split().freeze();
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        event.then_some(Event { kind, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, piece: usize) -> (Vec<(String, String)>, Events) {
        let mut events = Events::new(1000);
        let mut seen = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            for event in events.feed(bytes).unwrap() {
                seen.push((event.kind, String::from_utf8(event.data.to_vec()).unwrap()));
            }
        }
        (seen, events)
    }

    #[test]
    fn what_broke_off_is_not_put_before_what_comes_again() {
        let mut events = Events::new(1000);
        let first = events.feed(b"retry: 5\nid: 1\ndata: a\n\nid: 2\nevent: x\ndata: {\"b").unwrap();
        assert_eq!(first.len(), 1);
        events.reconnect();
        assert_eq!((events.last_id(), events.retry()), (Some("1"), Some(Duration::from_millis(5))));
        let again = events.feed("\u{feff}id: 2\ndata: {}\n\n".as_bytes()).unwrap();
        assert_eq!(again, [Event { kind: "message".to_owned(), data: Bytes::from_static(b"{}") }]);
        assert_eq!(events.last_id(), Some("2"));
    }

    #[test]
    fn streams_are_read_whatever_their_line_ends_and_pieces() {
        let cases: [(&str, &[(&str, &str)]); 9] = [
            ("data: a\n\n", &[("message", "a")]),
            ("\u{feff}data:a\r\n\r\n", &[("message", "a")]),
            ("data: a\rdata:  b\r\r", &[("message", "a\n b")]),
            (": comment\nevent: endpoint\ndata: /m\n\n", &[("endpoint", "/m")]),
            ("data\n\ndata: x\n\n", &[("message", ""), ("message", "x")]),
            ("event: x\n\ndata: y\n\n", &[("message", "y")]),
            ("id: 1\ndata:\n\n", &[("message", "")]),
            ("data: cut", &[]),
            ("unknown: x\ndata: {\"a\": \"ä\"}\n\n", &[("message", "{\"a\": \"ä\"}")]),
        ];
        for (text, expected) in cases {
            for piece in [1, 2, 3, 7, 1000] {
                let (seen, _) = read(text, piece);
                let seen: Vec<_> = seen.iter().map(|(kind, data)| (kind.as_str(), data.as_str())).collect();
                assert_eq!(seen, expected, "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn ids_and_patience_are_remembered() {
        let (_, events) = read("retry: 250\nid: e-1\ndata: a\n\nid: lost\ndata: b\n", 3);
        assert_eq!((events.last_id(), events.retry()), (Some("e-1"), Some(Duration::from_millis(250))));
        let (_, events) = read("id: x\ndata: a\n\nid: a\0b\nretry: 1s\ndata: b\n\n", 3);
        assert_eq!((events.last_id(), events.retry()), (Some("x"), None));
        let (_, events) = read("id: x\ndata: a\n\nid\ndata: b\n\n", 3);
        assert_eq!(events.last_id(), None);
        let (seen, events) = read("id: first\nretry: 10\n\n", 100);
        assert_eq!((seen.len(), events.last_id()), (1, Some("first")));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut events = Events::new(100);
        let long = format!("data: {}", "x".repeat(60));
        assert_eq!(events.feed(format!("{long}\n").as_bytes()).map(|events| events.len()), Ok(0));
        assert_eq!(events.feed(format!("{long}\n").as_bytes()), Err(TooLong));
        let mut events = Events::new(100);
        assert_eq!(events.feed("x".repeat(200).as_bytes()), Err(TooLong));
    }
}
