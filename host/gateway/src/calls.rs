//! Requests of one client that are not answered yet, so that it can take one back by its id.

use host_message::RawId;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Requests in flight of one client. Few at a time, so a list is searched faster than a map is hashed.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    open: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    /// As the client wrote it: `"1"` and `1` are two ids.
    id: RawId,
    cancel: oneshot::Sender<()>,
}

/// What `begin` gives: the number to `end` it with, and what resolves to `Ok` when the client takes the request back.
pub(crate) type Begun = (u64, oneshot::Receiver<()>);

impl Calls {
    /// Notes a request.
    pub(crate) fn begin(&self, id: RawId) -> Begun {
        let (cancel, cancelled) = oneshot::channel();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let serial = inner.next;
        inner.next += 1;
        inner.open.push(Entry { serial, id, cancel });
        (serial, cancelled)
    }

    /// Forgets a request that was answered.
    pub(crate) fn end(&self, serial: u64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = inner.open.iter().position(|entry| entry.serial == serial) {
            inner.open.swap_remove(at);
        }
    }

    /// The client takes back the request with this id. One that is unknown or answered is no error (the protocol says so).
    pub(crate) fn cancel(&self, id: &[u8]) {
        self.take(|entry| entry.id.as_bytes() == id);
    }

    /// Takes back everything, because the client has gone.
    pub(crate) fn cancel_all(&self) {
        self.take(|_| true);
    }

    fn take(&self, which: impl Fn(&Entry) -> bool) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in inner.open.extract_if(.., |entry| which(entry)) {
            // The receiver may be gone already: then the request was answered just now.
            let _ = entry.cancel.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_message::Envelope;

    fn id(raw: &str) -> RawId {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{raw},\"method\":\"m\"}}");
        Envelope::parse(text.into()).unwrap().id().unwrap()
    }

    #[tokio::test]
    async fn ids_are_told_apart_by_their_type() {
        let calls = Calls::default();
        let (number, mut number_cancelled) = calls.begin(id("1"));
        let (text, text_cancelled) = calls.begin(id("\"1\""));
        calls.cancel(b"\"1\"");
        assert_eq!(text_cancelled.await, Ok(()));
        assert!(number_cancelled.try_recv().is_err());
        calls.end(text);
        calls.end(number);
        assert!(calls.0.lock().unwrap().open.is_empty());
        calls.cancel(b"1");
        let (_, cancelled) = calls.begin(id("2"));
        calls.cancel_all();
        assert_eq!(cancelled.await, Ok(()));
    }
}
