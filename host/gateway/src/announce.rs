//! Tells clients that lists have changed.
//!
//! A change is a fact and not a message: a listener has a set of kinds it was not told about yet, and one that reads slowly is told
//! once about ten changes. What is a message (a log message, a request of a server) waits in a bounded box. So nothing here can grow
//! without end, and nothing waits for a client.

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
    updated: Mutex<BTreeSet<Arc<str>>>,
}

/// Messages that wait for a client. A client that does not read loses the oldest, with one exception that is bounded elsewhere: requests.
#[derive(Debug, Default)]
struct Outbox {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

/// Messages that may wait for one client, and bytes of them.
const OUTBOX: usize = 1024;
const OUTBOX_BYTES: usize = 1 << 20;

impl Outbox {
    fn push(&mut self, message: Bytes) {
        // In memory of its own: a short message would keep the block that it was read into.
        let message = Bytes::copy_from_slice(&message);
        while self.messages.len() >= OUTBOX || self.bytes.saturating_add(message.len()) > OUTBOX_BYTES {
            // Requests have an id right behind the version; whoever made one waits for its answer.
            let request = |message: &Bytes| message.starts_with(b"{\"jsonrpc\":\"2.0\",\"id\":");
            let oldest = self.messages.iter().position(|message| !request(message));
            let Some(oldest) = oldest.and_then(|at| self.messages.remove(at)) else { break };
            self.bytes -= oldest.len();
        }
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
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
        (!updated.is_empty()).then_some(News::Updated(updated))
    }

    /// Hands over a whole message.
    pub(crate) fn post(&self, message: Bytes) {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        self.more.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Notes that a resource was updated. Ten updates are told once.
    pub(crate) fn tell_updated(&self, uri: &Arc<str>) {
        self.updated.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(uri));
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
        let request = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}");
        listener.post(request.clone());
        for n in 0..=OUTBOX {
            listener.post(format!("{n}").into());
        }
        listener.tell_updated(&Arc::from("b:"));
        listener.tell_updated(&Arc::from("a:"));
        listener.tell_updated(&Arc::from("b:"));
        assert_eq!(listener.news().await, News::Message(request), "somebody waits for its answer");
        for n in 2..=OUTBOX {
            assert_eq!(listener.news().await, News::Message(format!("{n}").into()));
        }
        assert_eq!(listener.news().await, News::Updated([Arc::from("a:"), Arc::from("b:")].into()));
        listener.post(Bytes::from(vec![b'x'; OUTBOX_BYTES + 1]));
        listener.post("y".into());
        assert_eq!(listener.news().await, News::Message("y".into()));
        listener.close();
        assert_eq!(listener.news().await, News::Closed);
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
