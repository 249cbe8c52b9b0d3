//! Calls that wait for an answer: a table of reused places, one lock for a few instructions.
//!
//! *Invariant:* an id is given out once (2³⁷ calls pass before a place sees the same id again), so an answer that comes too late finds
//! nobody. Ids stay below 2⁵³, because servers in JavaScript read them as floating-point numbers.

use crate::ServerRequest;
use host_message::{Envelope, Params};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

/// Calls one client may have in flight.
const MOST_CALLS: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 16;
const TURN_MASK: u64 = (1 << 37) - 1;

/// What comes for a call in flight.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// Parameters of a progress notification. `progressToken` in it is our own ([`InFlight::id`](crate::InFlight::id)): put the caller's in its place.
    Progress(Params),
    /// Another notification that belongs to this call: a log message, or one of a subscription.
    Notification(Envelope),
    /// A request of the server, to be answered by whoever made the call.
    Request(ServerRequest),
    /// The answer, a result or an error. Nothing comes after it.
    Response(Envelope),
}

impl Incoming {
    /// Bytes of the message.
    fn size(&self) -> usize {
        match self {
            Self::Progress(params) => params.raw().len(),
            Self::Notification(envelope) | Self::Response(envelope) => envelope.bytes().len(),
            // Counted by its connection, which has few of them and few bytes of them.
            Self::Request(_) => 0,
        }
    }

    fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Request(request) if request.withdrawn().is_cancelled())
    }

    fn detached(&self) -> Self {
        match self {
            Self::Progress(params) => Self::Progress(params.detached()),
            Self::Notification(envelope) => Self::Notification(envelope.detached()),
            Self::Response(envelope) => Self::Response(envelope.detached()),
            Self::Request(request) => Self::Request(request.clone()),
        }
    }
}

/// On whose behalf a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Of somebody in front of us: it counts as work.
    Client,
    /// The same for a list: it counts as work, and no log message or request of the server is meant for it.
    Lister,
    /// Of somebody in front of us, and answered only at the end of a subscription.
    Subscriber,
    /// Our own: handshakes and our own subscription. Gets nothing but the response.
    Pool,
}

struct Place {
    /// Zero when the place is free.
    id: u64,
    caller: Caller,
    waker: Option<Waker>,
    queue: VecDeque<Incoming>,
    /// Bytes of the messages in the queue.
    queued: usize,
    response: Option<Envelope>,
}

#[derive(Default)]
struct Table {
    places: Vec<Place>,
    free: Vec<usize>,
    turn: u64,
    /// Calls on behalf of others, until they are forgotten.
    calls: usize,
    /// The same for subscriptions, which nobody waits for at the end.
    subscriptions: usize,
    gone: Option<Arc<str>>,
}

/// The calls in flight on one connection.
pub(crate) struct Pending {
    table: Mutex<Table>,
    at_rest: Notify,
    queue_limit: usize,
    queue_bytes: usize,
}

/// Why a call was not taken.
pub(crate) enum NotTaken {
    Gone(Arc<str>),
    Full,
}

impl Pending {
    /// At most so many notifications, and so many bytes of them, wait for one call; a single one may be longer.
    pub(crate) fn new(queue_limit: usize, queue_bytes: usize) -> Self {
        Self { table: Mutex::default(), at_rest: Notify::new(), queue_limit, queue_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new call and gives it its id, and how many on behalf of others are in flight with it.
    pub(crate) fn insert(&self, caller: Caller) -> Result<(u64, usize), NotTaken> {
        let mut table = self.lock();
        if let Some(reason) = &table.gone {
            return Err(NotTaken::Gone(Arc::clone(reason)));
        }
        let at = match table.free.pop() {
            Some(at) => at,
            None if table.places.len() >= MOST_CALLS => return Err(NotTaken::Full),
            None => {
                table.places.push(Place {
                    id: 0,
                    caller,
                    waker: None,
                    queue: VecDeque::new(),
                    queued: 0,
                    response: None,
                });
                table.places.len() - 1
            }
        };
        table.turn = (table.turn + 1) & TURN_MASK;
        // Turn zero would make the id of the first place zero, which marks a free one.
        table.turn = table.turn.max(1);
        let id = (table.turn << PLACE_BITS) | at as u64;
        table.calls += usize::from(matches!(caller, Caller::Client | Caller::Lister));
        table.subscriptions += usize::from(caller == Caller::Subscriber);
        if let Some(place) = table.places.get_mut(at) {
            place.id = id;
            place.caller = caller;
        }
        Ok((id, table.calls))
    }

    /// Hands over the answer. False if nobody waits for it, or the connection was given up before it came.
    pub(crate) fn respond(&self, id: u64, response: Envelope) -> bool {
        let mut table = self.lock();
        if table.gone.is_some() {
            return false;
        }
        let Some(place) = table.find(id).filter(|place| place.response.is_none()) else { return false };
        place.response = Some(response);
        let waker = place.waker.take();
        drop(table);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Hands over something that is not the answer. Gives it back if it belongs to nobody.
    pub(crate) fn push(&self, id: u64, incoming: Incoming) -> Option<Incoming> {
        let mut table = self.lock();
        let usable = |place: &&mut Place| place.response.is_none() && place.caller != Caller::Pool;
        let Some(place) = table.find(id).filter(usable) else { return Some(incoming) };
        let size = incoming.size();
        // A caller that does not read loses the oldest, which later progress makes worthless anyway.
        while place.queue.len() >= self.queue_limit || place.queued.saturating_add(size) > self.queue_bytes {
            // Not a request: it is waited for, and there are few.
            let oldest = place.queue.iter().position(|incoming| !matches!(incoming, Incoming::Request(_)));
            let Some(oldest) = oldest.and_then(|at| place.queue.remove(at)) else { break };
            place.queued -= oldest.size();
        }
        // Whatever has to wait behind others gets memory of its own: a short message would otherwise keep the whole block that it was
        // read into, and the bytes counted here would not be the bytes held.
        let incoming = if place.queue.is_empty() { incoming } else { incoming.detached() };
        place.queued += size;
        place.queue.push_back(incoming);
        let waker = place.waker.take();
        drop(table);
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }

    /// Takes the requests that their server has taken back out of the queues: they are to be dropped, so that it may ask something else.
    #[must_use]
    pub(crate) fn take_withdrawn(&self) -> Vec<Incoming> {
        let mut table = self.lock();
        let mut withdrawn = Vec::new();
        for place in &mut table.places {
            while let Some(at) = place.queue.iter().position(Incoming::is_withdrawn) {
                withdrawn.extend(place.queue.remove(at));
            }
        }
        withdrawn
    }

    /// What comes next for a call; the response ends it. Everything that came before the server went is still handed out.
    pub(crate) fn poll_next(&self, id: u64, context: &mut Context<'_>) -> Poll<Result<Incoming, Arc<str>>> {
        let mut table = self.lock();
        let gone = table.gone.clone();
        let Some(place) = table.find(id) else {
            return Poll::Ready(Err(gone.unwrap_or_else(|| Arc::from("the call is unknown"))));
        };
        if let Some(incoming) = place.queue.pop_front() {
            place.queued -= incoming.size();
            return Poll::Ready(Ok(incoming));
        }
        if let Some(response) = place.response.take() {
            let left = table.forget(id);
            self.rested(table);
            drop(left);
            return Poll::Ready(Ok(Incoming::Response(response)));
        }
        if let Some(reason) = gone {
            return Poll::Ready(Err(reason));
        }
        match &mut place.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Forgets a call. True if the server still works on it.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut table = self.lock();
        let unanswered = table.gone.is_none() && table.find(id).is_some_and(|place| place.response.is_none());
        let left = table.forget(id);
        self.rested(table);
        drop(left);
        unanswered
    }

    fn rested(&self, table: MutexGuard<'_, Table>) {
        let at_rest = table.calls == 0;
        drop(table);
        if at_rest {
            self.at_rest.notify_waiters();
        }
    }

    /// The connection is over: nothing is taken any more, and everybody who waits hears why. False if it was over already. `end` is done before
    /// anybody can hear of it: who then asks for the server again must not find this connection.
    pub(crate) fn fail(&self, reason: Arc<str>, end: impl FnOnce()) -> bool {
        let mut table = self.lock();
        if table.gone.is_some() {
            return false;
        }
        table.gone = Some(reason);
        end();
        let wakers: Vec<_> = table.places.iter_mut().filter_map(|place| place.waker.take()).collect();
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    /// Why the connection is over, if it is.
    pub(crate) fn gone(&self) -> Option<Arc<str>> {
        self.lock().gone.clone()
    }

    /// Calls on behalf of others.
    pub(crate) fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Whether somebody has a call or a subscription in flight.
    pub(crate) fn in_use(&self) -> bool {
        let table = self.lock();
        table.calls + table.subscriptions > 0
    }

    /// Somebody uses the connection without a call in flight.
    pub(crate) fn hold(&self) {
        self.lock().subscriptions += 1;
    }

    /// The end of [`Self::hold`].
    pub(crate) fn let_go(&self) {
        self.lock().subscriptions -= 1;
    }

    /// Whether the call belongs to a subscription.
    pub(crate) fn is_subscription(&self, id: u64) -> bool {
        self.lock().find(id).is_some_and(|place| place.caller == Caller::Subscriber)
    }

    /// Whether somebody still waits for the answer to this call.
    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        let mut table = self.lock();
        table.gone.is_none() && table.find(id).is_some_and(|place| place.response.is_none())
    }

    /// The call that carries a request of the server: the newest that somebody in front of us made, because a connection that may ask
    /// belongs to one client.
    pub(crate) fn carrier(&self) -> Option<u64> {
        let table = self.lock();
        let open =
            |place: &&Place| place.id != 0 && place.caller == Caller::Client && place.response.is_none();
        table.places.iter().filter(open).map(|place| place.id).max()
    }

    /// The one call that is neither ours nor a subscription, if there is exactly one.
    pub(crate) fn only_call(&self) -> Option<u64> {
        let table = self.lock();
        let mut calls = table
            .places
            .iter()
            .filter(|place| place.id != 0 && place.caller == Caller::Client && place.response.is_none());
        let first = calls.next()?;
        calls.next().is_none().then_some(first.id)
    }

    /// Waits until nobody has a call in flight.
    pub(crate) async fn rest(&self) {
        loop {
            let notified = self.at_rest.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.calls() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Table {
    fn find(&mut self, id: u64) -> Option<&mut Place> {
        let at = (id & (MOST_CALLS as u64 - 1)) as usize;
        self.places.get_mut(at).filter(|place| place.id == id && id != 0)
    }

    /// Forgets a call. What it gives is dropped without the lock: letting a request of the server go refuses it, which writes to the server, and
    /// where that fails the connection ends, which takes the lock.
    #[must_use]
    fn forget(&mut self, id: u64) -> Vec<Incoming> {
        let Some(place) = self.find(id) else { return Vec::new() };
        place.id = 0;
        place.waker = None;
        place.response = None;
        let requests = place.queue.drain(..).filter(|incoming| matches!(incoming, Incoming::Request(_)));
        let requests = requests.collect();
        place.queued = 0;
        place.queue.shrink_to(16);
        match place.caller {
            Caller::Client | Caller::Lister => self.calls -= 1,
            Caller::Subscriber => self.subscriptions -= 1,
            Caller::Pool => {}
        }
        self.free.push((id & (MOST_CALLS as u64 - 1)) as usize);
        requests
    }
}
