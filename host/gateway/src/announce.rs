//! Tells clients that lists have changed.
//!
//! A change is a fact and not a message: a listener has a set of kinds it was not told about yet, and one that reads slowly is told
//! once about ten changes. What is a message (a log message, a request of a server) waits in a bounded box. So nothing here can grow
//! without end, and nothing waits for a client.

use crate::asks::Question;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

/// A set of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const TOOLS: Self = Self(1);
    pub(crate) const PROMPTS: Self = Self(2);
    pub(crate) const RESOURCES: Self = Self(4);
    pub(crate) const ALL: Self = Self(7);

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods of the notifications for this set.
    pub(crate) fn methods(self) -> impl Iterator<Item = &'static str> {
        [
            (Self::TOOLS, "notifications/tools/list_changed"),
            (Self::PROMPTS, "notifications/prompts/list_changed"),
            (Self::RESOURCES, "notifications/resources/list_changed"),
        ]
        .into_iter()
        .filter_map(move |(kind, method)| self.has(kind).then_some(method))
    }
}

/// What one listener is told next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// These lists have changed.
    Changed(Kinds),
    /// These resources were updated.
    Updated(BTreeSet<Arc<str>>),
    /// A whole message.
    Message(Bytes),
    /// There will be no more.
    Closed,
}

/// One listener: a legacy session, a modern subscription, or the client on standard streams.
#[derive(Debug)]
pub(crate) struct Listener {
    wants: Kinds,
    pending: AtomicU8,
    closed: AtomicBool,
    waker: AtomicWaker,
    /// Whether there is something in the two below. Looked at by everybody who looks for news.
    more: AtomicBool,
    /// Messages that are no facts, in their order.
    outbox: Mutex<Outbox>,
    /// Resources that were updated.
    updated: Mutex<Updated>,
}

/// Resources that were updated and that a client was not told about yet.
#[derive(Debug, Default)]
struct Updated {
    uris: BTreeSet<Arc<str>>,
    bytes: usize,
}

/// Resources that wait to be told to one client, and bytes of one of their URIs.
const UPDATED: usize = 1000;
const LONGEST_URI: usize = 8 << 10;

impl Updated {
    /// Notes a resource; where it finds no room, the one that was subscribed to and of which it is a part: a server may invent any number of parts.
    fn note(&mut self, uri: &Arc<str>, subscribed: &Arc<str>) {
        let fits = uri.len() <= LONGEST_URI
            && self.uris.len() < UPDATED
            && self.bytes.saturating_add(uri.len()) <= OUTBOX_BYTES;
        let told = if fits || self.uris.contains(uri) { uri } else { subscribed };
        if self.uris.insert(Arc::clone(told)) {
            self.bytes += told.len();
        }
    }
}

/// Messages that wait for a client. A client that does not read loses the oldest, with one exception: requests that somebody still waits for,
/// which are bounded where they are made. What is taken back meanwhile goes.
#[derive(Debug, Default)]
struct Outbox {
    messages: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
enum Waiting {
    Message(Bytes),
    Question(Question),
}

impl Waiting {
    fn message(&self) -> &Bytes {
        match self {
            Self::Message(message) | Self::Question(Question { message, .. }) => message,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Question(question) if question.is_over())
    }
}

/// Messages that may wait for one client, and bytes of them.
const OUTBOX: usize = 1024;
const OUTBOX_BYTES: usize = 1 << 20;

impl Outbox {
    fn push(&mut self, waiting: Waiting) {
        let Self { messages, bytes } = self;
        messages.retain(|waiting| {
            let over = waiting.is_over();
            *bytes -= if over { waiting.message().len() } else { 0 };
            !over
        });
        let length = waiting.message().len();
        while messages.len() >= OUTBOX || bytes.saturating_add(length) > OUTBOX_BYTES {
            let oldest = messages.iter().position(|waiting| matches!(waiting, Waiting::Message(_)));
            let Some(oldest) = oldest.and_then(|at| messages.remove(at)) else { break };
            *bytes -= oldest.message().len();
        }
        *bytes += length;
        messages.push_back(waiting);
    }

    fn pop(&mut self) -> Option<Bytes> {
        loop {
            let waiting = self.messages.pop_front()?;
            self.bytes -= waiting.message().len();
            if !waiting.is_over() {
                return Some(waiting.message().clone());
            }
        }
    }
}

impl Listener {
    pub(crate) fn new(wants: Kinds) -> Arc<Self> {
        Arc::new(Self {
            wants,
            pending: AtomicU8::new(0),
            closed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            more: AtomicBool::new(false),
            outbox: Mutex::default(),
            updated: Mutex::default(),
        })
    }

    /// Changes that this listener was told of in another way, as by a list it has just got.
    pub(crate) fn knows(&self, kinds: Kinds) {
        if self.pending.load(Ordering::Relaxed) & kinds.0 != 0 {
            self.pending.fetch_and(!kinds.0, Ordering::AcqRel);
        }
    }

    /// What is to be told, without waiting.
    pub(crate) fn take(&self) -> Kinds {
        Kinds(self.pending.swap(0, Ordering::AcqRel))
    }

    /// Says that there will be no more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Lets whoever waits look again.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Waits for the next news. Only one task may wait on a listener at a time.
    pub(crate) fn poll_news(&self, context: &mut Context<'_>) -> Poll<News> {
        // Registered first, so that news between the look and the registration wake us too.
        self.waker.register(context.waker());
        let pending = self.take();
        if !pending.is_empty() {
            return Poll::Ready(News::Changed(pending));
        }
        if self.more.swap(false, Ordering::AcqRel)
            && let Some(news) = self.next_of_more()
        {
            return Poll::Ready(news);
        }
        if self.closed.load(Ordering::Acquire) { Poll::Ready(News::Closed) } else { Poll::Pending }
    }

    /// The same, to be awaited.
    pub(crate) async fn news(&self) -> News {
        std::future::poll_fn(|context| self.poll_news(context)).await
    }

    fn next_of_more(&self) -> Option<News> {
        let message = self.outbox.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(message) = message {
            // There may be another one.
            self.more.store(true, Ordering::Release);
            return Some(News::Message(message));
        }
        let updated = std::mem::take(&mut *self.updated.lock().unwrap_or_else(PoisonError::into_inner));
        (!updated.uris.is_empty()).then_some(News::Updated(updated.uris))
    }

    /// Hands over a whole notification.
    pub(crate) fn post(&self, message: &[u8]) {
        // In memory of its own: a short message would keep the block that it was read into.
        self.push(Waiting::Message(Bytes::copy_from_slice(message)));
    }

    /// Hands over a request.
    pub(crate) fn ask(&self, question: Question) {
        self.push(Waiting::Question(question));
    }

    fn push(&self, waiting: Waiting) {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        self.more.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Notes that a resource was updated, which is the one that was subscribed to or a part of it. Ten updates are told once.
    pub(crate) fn tell_updated(&self, uri: &Arc<str>, subscribed: &Arc<str>) {
        self.updated.lock().unwrap_or_else(PoisonError::into_inner).note(uri, subscribed);
        self.more.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Notes changes of the kinds that are wanted.
    pub(crate) fn tell(&self, kinds: Kinds) {
        let kinds = kinds.0 & self.wants.0;
        if kinds != 0 {
            self.pending.fetch_or(kinds, Ordering::AcqRel);
            self.waker.wake();
        }
    }
}

/// Everybody who listens.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    listeners: Mutex<Vec<Weak<Listener>>>,
    closed: AtomicBool,
}

impl Announcer {
    /// A new listener for these lists. It is forgotten when it is dropped.
    pub(crate) fn listen(&self, wants: Kinds) -> Arc<Listener> {
        let listener = Listener::new(wants);
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        // The dead are swept whenever the list would have to grow, so that each one is paid for once.
        if listeners.len() == listeners.capacity() {
            listeners.retain(|listener| listener.strong_count() > 0);
        }
        listeners.push(Arc::downgrade(&listener));
        drop(listeners);
        // After the push: `close_all` either saw it in the list or had set this before.
        if self.closed.load(Ordering::Acquire) {
            listener.close();
        }
        listener
    }

    /// Tells everybody who wants to know.
    pub(crate) fn announce(&self, kinds: Kinds) {
        self.each(|listener| listener.tell(kinds));
    }

    /// Ends all open streams, and those still to come.
    pub(crate) fn close_all(&self) {
        self.closed.store(true, Ordering::Release);
        self.each(Listener::close);
    }

    fn each(&self, act: impl Fn(&Listener)) {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().filter_map(Weak::upgrade).for_each(|listener| act(&listener));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks::{Asker, Asks};
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn ten_changes_are_told_once_and_only_to_who_wants_them() {
        let announcer = Announcer::default();
        let tools = announcer.listen(Kinds::TOOLS);
        let all = announcer.listen(Kinds::ALL);
        for _ in 0..10 {
            announcer.announce(Kinds::TOOLS);
        }
        announcer.announce(Kinds::PROMPTS);
        assert_eq!(tools.news().await, News::Changed(Kinds::TOOLS));
        assert_eq!(all.news().await, News::Changed(Kinds::TOOLS.with(Kinds::PROMPTS)));
        announcer.announce(Kinds::TOOLS);
        all.knows(Kinds::TOOLS);
        announcer.close_all();
        assert_eq!(all.news().await, News::Closed);
        assert_eq!(tools.news().await, News::Changed(Kinds::TOOLS));
        assert_eq!(tools.news().await, News::Closed);
        assert_eq!(announcer.listen(Kinds::ALL).news().await, News::Closed);
    }

    #[tokio::test]
    async fn messages_come_in_order_and_a_client_that_does_not_read_loses_the_oldest() {
        let listener = Listener::new(Kinds::NONE);
        let asks = Asks::default();
        let ask = || asks.ask("roots/list", None, Asker::Round(oneshot::channel().0)).unwrap();
        let (question, taken_back) = (ask().1, ask());
        listener.ask(taken_back.1);
        listener.ask(question.clone());
        for n in 0..=OUTBOX {
            listener.post(format!("{n}").as_bytes());
        }
        asks.withdraw(taken_back.0);
        for uri in ["b:", "a:", "b:"].map(Arc::from) {
            listener.tell_updated(&uri, &uri);
        }
        assert_eq!(listener.news().await, News::Message(question.message), "somebody waits for its answer");
        for n in 3..=OUTBOX {
            assert_eq!(listener.news().await, News::Message(format!("{n}").into()));
        }
        assert_eq!(listener.news().await, News::Updated([Arc::from("a:"), Arc::from("b:")].into()));
        listener.post(&vec![b'x'; OUTBOX_BYTES + 1]);
        listener.post(b"y");
        assert_eq!(listener.news().await, News::Message("y".into()));
        listener.close();
        assert_eq!(listener.news().await, News::Closed);
    }

    #[test]
    fn requests_that_are_taken_back_take_no_room() {
        let listener = Listener::new(Kinds::NONE);
        let asks = Asks::default();
        for _ in 0..1000 {
            let (id, question) = asks.ask("roots/list", None, Asker::Round(oneshot::channel().0)).unwrap();
            listener.ask(question);
            asks.withdraw(id);
        }
        let outbox = listener.outbox.lock().unwrap();
        assert_eq!((outbox.messages.len(), outbox.bytes), (1, outbox.messages[0].message().len()));
    }

    #[tokio::test]
    async fn parts_without_end_are_told_as_what_was_subscribed_to() {
        let listener = Listener::new(Kinds::NONE);
        let subscribed = Arc::from("r:");
        for (parts, size, told) in
            [(3, LONGEST_URI - 2, 3), (1, LONGEST_URI - 1, 1), (1500, 4, 1001), (200, 8000, 132)]
        {
            for n in 0..parts {
                listener.tell_updated(&format!("r:{n:0size$}").into(), &subscribed);
            }
            let News::Updated(uris) = listener.news().await else { panic!("{parts}") };
            assert_eq!((uris.len(), uris.contains(&subscribed)), (told, told != 3), "{parts} of {size}");
        }
    }

    #[test]
    fn the_dead_are_forgotten() {
        let announcer = Announcer::default();
        for _ in 0..1000 {
            announcer.listen(Kinds::ALL);
        }
        assert!(announcer.listeners.lock().unwrap().len() < 10);
    }
}
