//! Bodies of our answers: nothing, one message, or a stream of events.

use super::sse::Open;
use crate::announce::{Announcer, Kinds, Listener, News};
use crate::call::Event;
use crate::listen::Subscription;
use crate::replay::{EventId, Log, UNASKED};
use crate::session::{Session, Visit};
use crate::unasked::updated;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Revision, notification};
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

/// A body. One message leaves in one write together with its head.
pub(crate) enum Answering {
    Empty,
    Full(Bytes),
    Stream(Pin<Box<Stream>>),
}

impl Body for Answering {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(_) => match std::mem::replace(&mut *self, Self::Empty) {
                Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ => Poll::Ready(None),
            },
            Self::Stream(stream) => {
                stream.as_mut().poll(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Where the events of a stream come from.
enum Origin {
    /// Requests that are being answered, for a legacy session as part of it.
    Events {
        events: mpsc::Receiver<Event>,
        #[expect(dead_code, reason = "the session is in use for as long as this is held")]
        visit: Option<Visit>,
    },
    /// Everything for a client of HTTP+SSE.
    Connection {
        events: mpsc::Receiver<Event>,
        /// Tells that the gateway ends; `None` once it was told.
        end: Option<Arc<Listener>>,
        open: Open,
    },
    /// One request of a legacy session, which may come back for the rest: everything after the event of this number.
    Log { log: Arc<Log>, after: u64, visit: Visit },
    /// What a legacy session is told without asking, as its stream of this number.
    Session(Visit, u64),
    /// Changes, for a modern client.
    Subscription(Subscription),
}

/// A stream of events, with a sign of life now and then so that nobody on the way takes a silent one for dead.
pub(crate) struct Stream {
    origin: Origin,
    /// What is to be sent before anything else.
    first: VecDeque<Bytes>,
    /// Answers that are still to come. After the last one there is nothing more.
    left: usize,
    every: Duration,
    alive: Pin<Box<Sleep>>,
}

impl Stream {
    /// The answers to `left` requests that are in flight, after what has come already; if that is nothing, after a sign of life.
    pub(crate) fn answers(
        first: impl IntoIterator<Item = Bytes>,
        rest: mpsc::Receiver<Event>,
        left: usize,
        visit: Option<Visit>,
        every: Duration,
    ) -> Answering {
        let mut first: VecDeque<Bytes> = first.into_iter().map(|message| event(&message)).collect();
        if first.is_empty() {
            first.push_back(ALIVE);
        }
        Self::answering(Origin::Events { events: rest, visit }, first, left, every)
    }

    /// Everything for a client of HTTP+SSE, after the event that names where it posts to.
    pub(crate) fn connection(
        endpoint: Bytes,
        events: mpsc::Receiver<Event>,
        open: Open,
        announcer: &Announcer,
        every: Duration,
    ) -> Answering {
        let end = Some(announcer.listen(Kinds::NONE));
        Self::answering(Origin::Connection { events, end, open }, VecDeque::from([endpoint]), 1, every)
    }

    /// The events of a request of a legacy session after the one of this number.
    pub(crate) fn log(visit: Visit, log: Arc<Log>, after: u64, every: Duration) -> Answering {
        let first = VecDeque::from([opening(visit.session(), EventId { stream: log.stream, event: after })]);
        Self::answering(Origin::Log { log, after, visit }, first, 1, every)
    }

    /// What a legacy session is told without asking. The stream replaces the session's older one. `after` is the last event of it that the
    /// client has got, if it comes back.
    pub(crate) fn session(visit: Visit, after: Option<u64>, every: Duration) -> Answering {
        let session = visit.session();
        let number = session.new_stream();
        let log = &session.replays.unasked;
        let at = after.unwrap_or_else(|| log.last());
        let mut first = VecDeque::from([opening(session, EventId { stream: UNASKED, event: at })]);
        first.extend(
            log.after(at)
                .iter()
                .map(|(event, message)| numbered(EventId { stream: UNASKED, event: *event }, message)),
        );
        Self::answering(Origin::Session(visit, number), first, 1, every)
    }

    /// What a modern client has subscribed to.
    pub(crate) fn subscription(subscription: Subscription, every: Duration) -> Answering {
        let first = VecDeque::from([event(&subscription.acknowledgement())]);
        Self::answering(Origin::Subscription(subscription), first, 1, every)
    }

    fn answering(origin: Origin, first: VecDeque<Bytes>, left: usize, every: Duration) -> Answering {
        let alive = Box::pin(tokio::time::sleep(every));
        Answering::Stream(Box::pin(Self { origin, first, left, every, alive }))
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        if let Some(bytes) = this.first.pop_front() {
            return Poll::Ready(Some(bytes));
        }
        if this.left == 0 {
            return Poll::Ready(None);
        }
        if let Poll::Ready(next) = this.poll_origin(context) {
            this.alive.as_mut().reset(Instant::now() + this.every);
            return Poll::Ready(next);
        }
        ready!(this.alive.as_mut().poll(context));
        this.alive.as_mut().reset(Instant::now() + this.every);
        Poll::Ready(Some(ALIVE))
    }

    fn poll_origin(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.origin {
            Origin::Events { events, .. } => {
                Poll::Ready(ready!(events.poll_recv(context)).map(|next| match next {
                    Event::Answer(answer) => {
                        self.left -= 1;
                        event(&answer.message)
                    }
                    other => event(&other.into_message()),
                }))
            }
            Origin::Connection { events, end, open } => {
                if let Poll::Ready(next) = events.poll_recv(context) {
                    return Poll::Ready(next.map(|next| event(&next.into_message())));
                }
                if let Some(listener) = end
                    && listener.poll_news(context) == Poll::Ready(News::Closed)
                {
                    // The stream ends by itself when the last answer is sent, because then nobody is left who could send.
                    *end = None;
                    open.finish();
                }
                Poll::Pending
            }
            Origin::Log { log, after, visit } => {
                let Some((number, message)) = ready!(log.poll_after(*after, context)) else {
                    visit.session().replays.end(log);
                    return Poll::Ready(None);
                };
                *after = number;
                Poll::Ready(Some(numbered(EventId { stream: log.stream, event: number }, &message)))
            }
            Origin::Session(visit, number) => {
                let session = visit.session();
                if !session.is_current(*number) {
                    return Poll::Ready(None);
                }
                let messages: Vec<Bytes> = match ready!(session.listener.poll_news(context)) {
                    News::Changed(kinds) => {
                        kinds.methods().map(|method| notification(method, None)).collect()
                    }
                    News::Updated(uris) => uris.iter().map(|uri| updated(uri)).collect(),
                    News::Message(message) => vec![message],
                    News::Closed => return Poll::Ready(None),
                };
                let log = &session.replays.unasked;
                let events = messages.into_iter().map(|message| {
                    let event = log.push(Event::Progress(message.clone()));
                    numbered(EventId { stream: UNASKED, event }, &message)
                });
                Poll::Ready(Some(joined(events)))
            }
            Origin::Subscription(subscription) => match ready!(subscription.listener.poll_news(context)) {
                News::Changed(kinds) => Poll::Ready(Some(joined(
                    kinds.methods().map(|method| event(&subscription.change(method))),
                ))),
                News::Updated(uris) => {
                    Poll::Ready(Some(joined(uris.iter().map(|uri| event(&subscription.updated(uri))))))
                }
                // Nobody posts messages to a subscription.
                News::Message(message) => Poll::Ready(Some(event(&message))),
                News::Closed => {
                    self.left = 0;
                    Poll::Ready(Some(event(&subscription.end())))
                }
            },
        }
    }
}

/// A comment, which clients ignore.
const ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// What is sent at once, because some clients wait for the first byte before they believe that a stream is open. To clients that know what it
/// is, an event without a message: it has an id to come back to.
fn opening(session: &Session, id: EventId) -> Bytes {
    if session.revision >= Revision::V2025_11_25 { format!("id: {id}\ndata: \n\n").into() } else { ALIVE }
}

/// A message as an event with an id.
fn numbered(id: EventId, message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 48);
    out.put_slice(format!("id: {id}\n").as_bytes());
    put_event(&mut out, message);
    out.freeze()
}

/// Frames a message as one event. A line break, which JSON allows between its tokens, would end the event, so it becomes a space;
/// inside JSON strings there are none.
fn event(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 24);
    put_event(&mut out, message);
    out.freeze()
}

fn put_event(out: &mut BytesMut, message: &[u8]) {
    out.put_slice(b"event: message\ndata: ");
    let start = out.len();
    out.put_slice(message);
    let data = out.get_mut(start..).unwrap_or_default();
    if memchr::memchr2(b'\n', b'\r', data).is_some() {
        data.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    out.put_slice(b"\n\n");
}

fn joined(mut messages: impl Iterator<Item = Bytes>) -> Bytes {
    let first = messages.next().unwrap_or_default();
    let mut rest = messages.peekable();
    if rest.peek().is_none() {
        return first;
    }
    let mut out = BytesMut::from(&*first);
    rest.for_each(|message| out.put_slice(&message));
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_event_whatever_its_layout() {
        assert_eq!(event(b"{\"a\":1}"), "event: message\ndata: {\"a\":1}\n\n");
        assert_eq!(event(b"{\r\n\"a\":\n1}"), "event: message\ndata: {  \"a\": 1}\n\n");
    }
}
