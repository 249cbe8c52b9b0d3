//! One connection to a server: messages out, messages in, and everybody who waits for something on it.

mod incoming;
mod turns;

use crate::asked::{Declared, Open};
use crate::connect::Opened;
use crate::connect::http::Http;
use crate::event::Event;
use crate::in_flight::Limit;
use crate::pending::{Caller, NotTaken, Pending};
use crate::tail::Tail;
use crate::throttle::{Throttle, Waiting};
use crate::writer::{NotSent, Writer};
use crate::{InFlight, Owner, PoolConfig, SendError};
use arc_swap::ArcSwap;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Envelope, Revision, code, write_request_head};
use host_provisioner::{Blotter, Failure, Streams};
use incoming::Rubbish;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use turns::Turns;

/// Calls in flight from which on messages go out together (see [`Writer`]).
const CROWD: usize = 4;

/// One connection. Ends once, for one reason, and then stays ended.
pub(crate) struct Wire {
    pub(crate) server: Arc<str>,
    /// Changes at most once, when a session takes over what was started to list.
    owner: ArcSwap<Owner>,
    pub(crate) pending: Pending,
    pub(crate) dead: CancellationToken,
    pub(crate) rubbish: Rubbish,
    /// Takes the server's secrets out of its words.
    pub(crate) blotter: Blotter,
    way: Way,
    /// Bytes that may be written ahead of a server that reads slowly.
    backlog_limit: usize,
    throttle: Option<Throttle>,
    /// Who waits for room.
    turns: Turns,
    events: broadcast::Sender<Event>,
    tail: Arc<Tail>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// What the client below can be asked for.
    declared: Declared,
    /// Requests of the server that are not answered yet.
    asked: Mutex<Open>,
    born: Instant,
    last_used: AtomicU64,
}

/// How messages get to the server.
enum Way {
    /// As lines of one stream.
    Lines(Arc<Writer>),
    /// Each as a request of its own.
    Http(Arc<Http>),
}

impl Wire {
    /// Takes the way over. Its tasks are spawned with `tracker` and end with the wire.
    pub(crate) fn start(
        server: Arc<str>,
        owner: Owner,
        opened: impl Into<Opened>,
        declared: Declared,
        config: &PoolConfig,
        events: broadcast::Sender<Event>,
        tracker: &TaskTracker,
    ) -> Arc<Self> {
        let room = Arc::new(Notify::new());
        let (way, streams) = match opened.into() {
            Opened::Streams(Streams { stdin, stdout, stderr, .. }) => {
                let writer = Arc::new(Writer::new(stdin, Arc::clone(&room)));
                (Way::Lines(Arc::clone(&writer)), Some((writer, stdout, stderr)))
            }
            Opened::Http(endpoint) => {
                (Way::Http(Http::new(endpoint, config.line_limit, config.blotter.clone(), tracker)), None)
            }
        };
        let tail = Tail::new(streams.as_ref().is_some_and(|(_, _, stderr)| stderr.is_some()));
        let wire = Arc::new(Self {
            server: Arc::clone(&server),
            owner: ArcSwap::from_pointee(owner),
            pending: Pending::new(config.queue_limit, config.queue_bytes),
            dead: CancellationToken::new(),
            rubbish: Rubbish::default(),
            blotter: config.blotter.clone(),
            way,
            backlog_limit: config.backlog_limit,
            turns: Turns::new(config.waiting_limit, config.read_patience, Arc::clone(&room)),
            throttle: config.concurrency.map(|most| Throttle::new(most.max(1), config.backlog_limit, room)),
            events,
            tail: Arc::clone(&tail),
            tasks: Mutex::default(),
            declared,
            asked: Mutex::default(),
            born: Instant::now(),
            last_used: AtomicU64::new(0),
        });
        if let Way::Http(http) = &wire.way {
            http.attach(&wire);
        }
        let Some((writer, stdout, stderr)) = streams else { return wire };
        if let Some(stderr) = stderr {
            let task = tracker.spawn(tail.read(server, stderr, config.blotter.clone())).abort_handle();
            wire.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
        tracker.spawn(crate::reader::read(Arc::clone(&wire), stdout, config.line_limit));
        let weak = Arc::downgrade(&wire);
        tracker.spawn(async move {
            if let (Err(error), Some(wire)) = (writer.run().await, weak.upgrade()) {
                wire.die(&format!("writing to it failed: {error}"));
            }
        });
        wire
    }

    /// For whom it is.
    pub(crate) fn owner(&self) -> Owner {
        Owner::clone(&self.owner.load())
    }

    /// Gives it to somebody else. Only under the lock of the server's slots, with which it goes from one to another.
    pub(crate) fn give(&self, owner: &Owner) {
        self.owner.store(Arc::new(owner.clone()));
    }

    /// Ends the wire: its streams close, everybody who waits hears `reason`. Only the first reason counts.
    pub(crate) fn die(&self, reason: &str) {
        // It may hold what the server said over HTTP.
        let reason = &*self.blotter.text(reason);
        if self.pending.fail(Arc::from(reason), || self.dead.cancel()) {
            tracing::debug!(server = %self.server, reason, "connection ended");
            match &self.way {
                Way::Lines(writer) => writer.close(),
                Way::Http(http) => http.close(),
            }
            // Who waits for room hears that there is nobody any more.
            self.turns.look();
        }
    }

    /// Ends what is left of the wire, the reading of last words included.
    pub(crate) fn finish(&self) {
        self.die("the gateway let it go");
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    /// Why it ended and what the server said last, in one line.
    pub(crate) async fn obituary(&self) -> String {
        let mut text = self.pending.gone().map_or_else(String::new, |reason| reason.to_string());
        if let Some(first) = self.rubbish.first() {
            text.push_str("; instead of MCP it printed `");
            text.push_str(first);
            text.push('`');
        }
        if let Some(words) = self.tail.last_words().await {
            text.push_str("; its last words: ");
            text.push_str(&words);
        }
        text
    }

    /// Marks that somebody uses the client now.
    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_used.store(now, Ordering::Relaxed);
    }

    /// When somebody used it the last time.
    pub(crate) fn last_used(&self) -> Instant {
        self.born + Duration::from_millis(self.last_used.load(Ordering::Relaxed))
    }

    /// Sends a request that `write` completes after its head (`{"jsonrpc":"2.0","id":7,"method":"x"`). [`SendError::Backlog`] if there is no
    /// room for it now, or somebody waits for room.
    pub(crate) fn send_request(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        limit: Limit,
        write: impl FnOnce(u64, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<InFlight, SendError> {
        // Only calls may be long, and may be in each other's way.
        if caller == Caller::Client && self.turns.is_taken() {
            return Err(SendError::Backlog { limit: self.backlog_limit });
        }
        self.send_request_now(caller, name, limit, write)
    }

    /// The same past everybody who waits.
    fn send_request_now(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        limit: Limit,
        write: impl FnOnce(u64, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<InFlight, SendError> {
        let (id, in_flight) = match self.pending.insert(caller) {
            Ok(taken) => taken,
            Err(NotTaken::Gone(reason)) => return Err(SendError::Gone { reason }),
            Err(NotTaken::Full) => return Err(SendError::TooManyCalls),
        };
        // From here on a drop forgets the call.
        let mut call = InFlight::new(Arc::clone(self), id, limit);
        let write = |out: &mut BytesMut| {
            write_request_head(out, id, name);
            write(id, out)
        };
        let sent = match self.throttle.as_ref().filter(|_| caller == Caller::Client) {
            None => {
                // A list is short, and a server that is busy is asked for it all the same.
                let limit = if caller == Caller::Lister { self.short_limit() } else { self.backlog_limit };
                self.send(Some((id, name)), in_flight >= CROWD, limit, write)
            }
            Some(throttle) => self.send_throttled(throttle, id, name, write),
        };
        if let Err(error) = sent {
            call.forget();
            self.call_ended(id);
            return Err(error);
        }
        self.touch();
        Ok(call)
    }

    /// Sends a call at once, or when one before it has ended.
    fn send_throttled(
        &self,
        throttle: &Throttle,
        id: u64,
        name: &str,
        write: impl FnOnce(&mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut message = BytesMut::new();
        write(&mut message)?;
        let call = Waiting { id, name: name.to_owned(), message: message.freeze() };
        throttle.admit(call)?.map_or(Ok(()), |call| self.send_waiting(&call, self.backlog_limit))
    }

    fn send_waiting(&self, call: &Waiting, limit: usize) -> Result<(), SendError> {
        self.send(Some((call.id, &call.name)), false, limit, |out| {
            out.put_slice(&call.message);
            Ok(())
        })
    }

    /// A call is over; the next in line goes up.
    fn call_ended(&self, id: u64) {
        let Some(throttle) = &self.throttle else { return };
        let mut next = throttle.end(id);
        while let Some(call) = next {
            // It was counted while it stood in the line, so it is taken however much is written ahead.
            let Err(error) = self.send_waiting(&call, usize::MAX) else { return };
            // It cannot be sent at all, so it is over as well.
            self.answer_for(call.id, &error.to_string());
            next = throttle.end(call.id);
        }
    }

    /// Sends a request of the pool's own, `params` raw.
    pub(crate) fn call(self: &Arc<Self>, name: &str, params: Option<&[u8]>) -> Result<InFlight, SendError> {
        self.send_request(Caller::Pool, name, None, |_, out| {
            if let Some(params) = params {
                out.put_slice(b",\"params\":");
                out.put_slice(params);
            }
            out.put_u8(b'}');
            Ok(())
        })
    }

    /// How much may wait for a server with what is short and never waits itself.
    fn short_limit(&self) -> usize {
        self.backlog_limit.saturating_mul(2)
    }

    /// Sends a complete message without its newline.
    pub(crate) fn send_raw(&self, message: &[u8]) -> Result<(), SendError> {
        // Answers and notices are what a server that is busy must hear all the same.
        self.send(None, false, self.short_limit(), |out| {
            out.put_slice(message);
            Ok(())
        })
    }

    /// Sends a message, unless more than `limit` bytes would wait for the server; `call` is the id and the method of one that will be answered.
    fn send(
        &self,
        call: Option<(u64, &str)>,
        crowd: bool,
        limit: usize,
        write: impl FnOnce(&mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let sent = match &self.way {
            Way::Lines(writer) => writer.send(crowd, limit, write),
            Way::Http(http) => {
                let mut message = BytesMut::new();
                write(&mut message).map_err(NotSent::Refused).and_then(|()| http.send(call, message.freeze()))
            }
        };
        match sent {
            Ok(()) => Ok(()),
            Err(NotSent::Refused(error)) => Err(error),
            Err(NotSent::Closed) => Err(SendError::Gone { reason: self.reason() }),
            Err(NotSent::Broken(error)) => {
                self.die(&format!("writing to it failed: {error}"));
                Err(SendError::Gone { reason: self.reason() })
            }
        }
    }

    /// Nobody waits for this call any more, whose answer has not come. `notice` tells a server that is to stop; none where it must not be told.
    pub(crate) fn withdraw_call(&self, id: u64, notice: Option<Bytes>) -> Result<(), SendError> {
        if self.throttle.as_ref().is_some_and(|throttle| throttle.give_up(id)) {
            // It was still in the line: the server knows nothing of it.
            return Ok(());
        }
        let told = match &self.way {
            Way::Lines(_) => notice.map_or(Ok(()), |notice| self.send_raw(&notice)),
            Way::Http(http) => {
                http.forget(id, notice);
                Ok(())
            }
        };
        self.call_ended(id);
        told
    }

    /// Both sides agreed on this revision.
    pub(crate) fn agreed(&self, revision: Revision) {
        if let Way::Http(http) = &self.way {
            http.agreed(revision);
        }
    }

    /// Why a server behind HTTP was not reached, or would not have us.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        match &self.way {
            Way::Lines(_) => None,
            Way::Http(http) => http.refusal(),
        }
    }

    /// The way, if it is HTTP.
    pub(crate) fn http(&self) -> Option<&Arc<Http>> {
        match &self.way {
            Way::Lines(_) => None,
            Way::Http(http) => Some(http),
        }
    }

    /// Tells who listens to the pool.
    pub(crate) fn emit(&self, event: Event) {
        // Nobody has to listen.
        let _ = self.events.send(event);
    }

    fn reason(&self) -> Arc<str> {
        self.pending.gone().unwrap_or_else(|| Arc::from("its input is closed"))
    }

    /// Answers a call in the place of the server, unless it was answered.
    pub(crate) fn fail_call(&self, id: u64, text: &str) {
        self.answer_for(id, text);
        self.call_ended(id);
    }

    fn answer_for(&self, id: u64, text: &str) {
        let text = format!("server `{}`: {}", self.server, self.blotter.text(text));
        let raw = host_message::error(Some(id.to_string().as_bytes()), code::INTERNAL, &text, None);
        if let Ok(answer) = Envelope::parse(raw) {
            self.pending.respond(id, answer);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.finish();
    }
}
