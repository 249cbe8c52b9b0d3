//! Streams of events that a legacy client may come back to (`mcp-ecosystem.md` 3, "Streams may carry event ids"): what was sent on one, so that
//! a client whose connection broke gets the rest, and nothing of another stream.
//!
//! A stream that was written to its end is kept a while longer, because what was written to a broken connection looks like what was read. Then it
//! is forgotten, so that a session that rests holds nothing here.

use crate::call::Event;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Streams of calls that one session may come back to; the oldest go.
const STREAMS: usize = 32;
/// Events of one stream that are kept, and bytes of them. More bytes are kept only of what somebody waits for: the answer, and requests that are
/// not answered or taken back, of which their server has few.
const EVENTS: usize = 512;
const BYTES: usize = 256 << 10;
/// How long a stream that was written to its end is kept, if it is no longer than that.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The number of the stream on which a session is told what it did not ask for.
pub(crate) const UNASKED: u64 = 0;

/// The streams of one session.
#[derive(Debug)]
pub(crate) struct Replays {
    last: AtomicU64,
    open: Mutex<VecDeque<Open>>,
    /// What was told without having been asked, newest last.
    pub(crate) unasked: Arc<Log>,
}

impl Default for Replays {
    fn default() -> Self {
        Self { last: AtomicU64::new(UNASKED), open: Mutex::default(), unasked: Log::new(UNASKED) }
    }
}

#[derive(Debug)]
struct Open {
    log: Arc<Log>,
    /// When it was written to its end.
    ended: Option<Instant>,
}

/// An event's id: the stream's number and the event's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) stream: u64,
    pub(crate) event: u64,
}

impl EventId {
    /// Reads `Last-Event-ID`; `None` for one that is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (stream, event) = text.split_once('-')?;
        let id = Self { stream: stream.parse().ok()?, event: event.parse().ok()? };
        (id.to_string() == text).then_some(id)
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.stream, self.event)
    }
}

impl Replays {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new stream.
    pub(crate) fn begin(&self) -> Arc<Log> {
        let log = Log::new(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let mut open = self.lock();
        if open.len() >= STREAMS {
            open.pop_front();
        }
        open.push_back(Open { log: Arc::clone(&log), ended: None });
        log
    }

    /// The stream with this number, if it can still be come back to.
    pub(crate) fn find(&self, stream: u64) -> Option<Arc<Log>> {
        self.lock().iter().find(|open| open.log.stream == stream).map(|open| Arc::clone(&open.log))
    }

    /// Notes that a stream was written to its end. A long one is forgotten at once.
    pub(crate) fn end(&self, log: &Log) {
        let long = log.lock().bytes > BYTES;
        let mut open = self.lock();
        if long {
            open.retain(|other| other.log.stream != log.stream);
        } else if let Some(open) = open.iter_mut().find(|open| open.log.stream == log.stream) {
            open.ended = Some(Instant::now());
        }
    }

    /// Forgets the streams that were written to their end a while ago.
    pub(crate) fn sweep(&self) {
        let mut open = self.lock();
        open.retain(|open| open.ended.is_none_or(|ended| ended.elapsed() < KEPT_FOR));
        if open.is_empty() {
            open.shrink_to_fit();
        }
    }
}

/// The events of one stream.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) stream: u64,
    state: Mutex<State>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Kept>,
    bytes: usize,
    last: u64,
    over: bool,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    event: Event,
}

impl Log {
    fn new(stream: u64) -> Arc<Self> {
        Arc::new(Self { stream, state: Mutex::default(), waker: AtomicWaker::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event and gives its number.
    pub(crate) fn push(&self, event: Event) -> u64 {
        let mut state = self.lock();
        let length = event.message().len();
        while state.events.len() >= EVENTS || state.bytes.saturating_add(length) > BYTES {
            let oldest = state.events.iter().position(|kept| !kept.event.is_needed());
            let oldest = oldest.or((state.events.len() >= EVENTS).then_some(0));
            let Some(gone) = oldest.and_then(|at| state.events.remove(at)) else { break };
            state.bytes -= gone.event.message().len();
        }
        state.last += 1;
        let number = state.last;
        state.bytes += length;
        state.events.push_back(Kept { number, event });
        drop(state);
        self.waker.wake();
        number
    }

    /// Says that no more events come.
    pub(crate) fn finish(&self) {
        self.lock().over = true;
        self.waker.wake();
    }

    /// The first event after the one with this number; `None` after the last one. Whoever asked last is woken.
    pub(crate) fn poll_after(&self, number: u64, context: &mut Context<'_>) -> Poll<Option<(u64, Bytes)>> {
        self.waker.register(context.waker());
        let state = self.lock();
        match state.events.iter().find(|kept| kept.number > number) {
            Some(kept) => Poll::Ready(Some((kept.number, kept.event.message().clone()))),
            None if state.over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// All events after the one with this number that there are now.
    pub(crate) fn after(&self, number: u64) -> Vec<(u64, Bytes)> {
        let state = self.lock();
        let later = state.events.iter().filter(|kept| kept.number > number);
        later.map(|kept| (kept.number, kept.event.message().clone())).collect()
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;
    use crate::asks::{Asker, Asks};
    use tokio::sync::oneshot;

    fn answer(text: impl Into<Bytes>) -> Event {
        Event::Answer(Answer { message: text.into(), code: 0 })
    }

    #[test]
    fn ids() {
        let id = EventId { stream: 3, event: 14 };
        assert_eq!((id.to_string().as_str(), EventId::parse("3-14")), ("3-14", Some(id)));
        for wrong in ["", "3", "3-", "-1", "03-1", "3-+1", "3-1-1", "x-1", "99999999999999999999-1"] {
            assert_eq!(EventId::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_written_to_its_end_is_kept_a_while() {
        let replays = Replays::default();
        let (short, long, open) = (replays.begin(), replays.begin(), replays.begin());
        short.push(answer("x"));
        long.push(answer(vec![b'x'; BYTES + 1]));
        replays.end(&short);
        replays.end(&long);
        tokio::time::advance(KEPT_FOR / 2).await;
        replays.sweep();
        assert!(replays.find(short.stream).is_some() && replays.find(long.stream).is_none());
        tokio::time::advance(KEPT_FOR).await;
        replays.sweep();
        assert!(replays.find(short.stream).is_none() && replays.find(open.stream).is_some());
    }

    #[test]
    fn what_somebody_waits_for_is_kept_longest() {
        let replays = Replays::default();
        let log = replays.begin();
        log.push(answer("answer"));
        for n in 0..2 * EVENTS {
            log.push(Event::Progress(format!("{n}").into()));
        }
        let kept = log.after(0);
        assert_eq!((kept.len(), &kept[0].1[..]), (EVENTS, &b"answer"[..]));
        assert_eq!(log.after(kept[EVENTS - 1].0 - 1).len(), 1);
        log.push(answer(vec![b'x'; BYTES + 1]));
        assert_eq!(log.after(0).len(), 2, "the long one and what is waited for");
        let others: Vec<_> = (0..STREAMS).map(|_| replays.begin().stream).collect();
        assert!(replays.find(log.stream).is_none(), "the oldest stream made room");
        assert!(others.iter().all(|stream| replays.find(*stream).is_some()));
    }

    #[test]
    fn requests_are_kept_until_they_are_answered_or_taken_back() {
        let (asks, log) = (Asks::default(), Log::new(1));
        let params = format!("\"{}\"", "x".repeat(BYTES / 2));
        let ask = || {
            let asker = Asker::Round(oneshot::channel().0);
            let (id, question) = asks.ask("roots/list", Some(params.as_bytes()), asker).unwrap();
            (id, log.push(Event::Request(question)))
        };
        let numbers = || log.after(0).iter().map(|(number, _)| *number).collect::<Vec<_>>();
        let first = ask();
        for _ in 0..100 {
            let (id, _) = ask();
            asks.withdraw(id);
        }
        let last = ask();
        assert_eq!(numbers(), [first.1, last.1]);
        asks.withdraw(first.0);
        let again = ask();
        assert_eq!(numbers(), [last.1, again.1]);
    }
}
