//! A client of one server, ready for calls.

use crate::capabilities::RawCapabilities;
use crate::connect::http::Http;
use crate::handshake::Agreed;
use crate::in_flight::{self, Limit};
use crate::outgoing::{Outgoing, OwnMeta};
use crate::wire::Wire;
use crate::{InFlight, Owner, SendError};
use bytes::{Bytes, BytesMut};
use host_message::{Era, Level, Revision, method};
use host_provisioner::ReleaseReason;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// How long the one call of a server that serves no second may take.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// The wish that a client should end.
#[derive(Debug)]
pub(crate) struct Close {
    pub(crate) reason: ReleaseReason,
    /// For those whose calls are cut.
    pub(crate) text: &'static str,
    /// Until when calls in flight may finish; `None`: not at all.
    pub(crate) drain: Option<Instant>,
}

/// A client of one server. Kept by the pool; holding it longer does no harm, it only ends with the server.
pub struct Client {
    pub(crate) wire: Arc<Wire>,
    agreed: Agreed,
    own: Option<OwnMeta>,
    call_timeout: Option<Duration>,
    pub(crate) list_timeout: Duration,
    close: Mutex<Option<oneshot::Sender<Close>>>,
    /// The level that a legacy server was asked for last; zero before that.
    level: AtomicU8,
    /// It was given out for calls by those who share it.
    claimed: AtomicBool,
    /// Serves one call and ends.
    once: bool,
    /// It has been asked for the one call.
    spent: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.wire.server)
            .field("owner", &self.owner())
            .field("era", &self.agreed.era)
            .field("alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client on a wire whose handshake is done, and the receiver of the wish that it should end.
    pub(crate) fn new(
        wire: Arc<Wire>,
        agreed: Agreed,
        own: OwnMeta,
        call_timeout: Option<Duration>,
        list_timeout: Duration,
        once: bool,
    ) -> (Arc<Self>, oneshot::Receiver<Close>) {
        let (sender, receiver) = oneshot::channel();
        wire.touch();
        let own = agreed.era.is_modern().then_some(own);
        let close = Mutex::new(Some(sender));
        let (level, claimed) = (AtomicU8::new(0), AtomicBool::new(false));
        let spent = AtomicBool::new(false);
        let client = Arc::new(Self {
            wire,
            agreed,
            own,
            call_timeout,
            list_timeout,
            close,
            level,
            claimed,
            once,
            spent,
        });
        if let Some(http) = client.wire.http() {
            http.serve(&client);
        }
        (client, receiver)
    }

    /// Notes that those who share it use it for calls: what it knows of them is nobody else's.
    pub(crate) fn claim(&self) {
        if !self.is_claimed() {
            self.claimed.store(true, Ordering::Release);
        }
    }

    /// Whether anybody but those who list was given it to share.
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// Name of the server.
    #[must_use]
    pub fn server(&self) -> &Arc<str> {
        &self.wire.server
    }

    /// For whom it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.wire.owner()
    }

    /// How the server speaks.
    #[must_use]
    pub fn era(&self) -> Era {
        self.agreed.era
    }

    /// The revision both sides agreed on.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.agreed.era.revision()
    }

    /// What the server says it can do.
    #[must_use]
    pub fn capabilities(&self) -> &RawCapabilities {
        &self.agreed.capabilities
    }

    /// Raw name and version of the server, if it says.
    #[must_use]
    pub fn server_info(&self) -> Option<&Bytes> {
        self.agreed.server_info.as_ref()
    }

    /// The server's advice for using it.
    #[must_use]
    pub fn instructions(&self) -> Option<&str> {
        self.agreed.instructions.as_deref()
    }

    /// Whether the connection stands.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.wire.dead.is_cancelled()
    }

    /// Whether it stands, and takes another call.
    pub(crate) fn is_free(&self) -> bool {
        self.is_alive() && !self.spent.load(Ordering::Acquire)
    }

    /// Calls in flight on behalf of others.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.wire.pending.calls()
    }

    /// Whether nobody uses it: no calls and no subscriptions in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.wire.pending.in_use()
    }

    /// What happens to the session that the server keeps for this client, from now on.
    #[must_use]
    pub fn renewals(&self) -> Renewals {
        Renewals(self.wire.http().map(Http::renewals))
    }

    /// Waits until the connection has ended.
    pub async fn ended(&self) {
        self.wire.dead.cancelled().await;
    }

    /// Keeps the client from being idle for as long as the value is held: for subscriptions of the legacy era, which are no calls in flight.
    #[must_use]
    pub fn in_use(&self) -> InUse {
        self.wire.pending.hold();
        InUse(Arc::clone(&self.wire))
    }

    /// Sends a request at once.
    ///
    /// # Errors
    /// Nothing was sent. After [`SendError::Gone`] the pool brings a new client when asked again, and the call may be repeated; after
    /// [`SendError::Backlog`] it may wait for its turn ([`Client::request_in_turn`]).
    pub fn request(&self, outgoing: Outgoing<'_>) -> Result<InFlight, SendError> {
        let (caller, limit) = (outgoing.caller(), self.limit(&outgoing));
        let name = outgoing.method;
        let only =
            self.once && matches!(name, method::TOOLS_CALL | method::PROMPTS_GET | method::RESOURCES_READ);
        if only && self.spent.swap(true, Ordering::AcqRel) {
            return Err(SendError::Gone { reason: Arc::from("it serves another call") });
        }
        let sent = self
            .wire
            .send_request(caller, name, limit, |id, out| outgoing.write_tail(id, self.own.as_ref(), out));
        if only {
            // The call is in flight by now, so that the end waits for it.
            let drain = Instant::now().checked_add(LONGEST_CALL);
            self.close(Close { reason: ReleaseReason::Ended, text: "it has served its one call", drain });
        }
        sent
    }

    /// Sends a request as soon as the server has room for it, behind everybody who waits for that already. Dropping the future leaves the line.
    ///
    /// # Errors
    /// Nothing was sent, as for [`Client::request`]: the server has gone, has taken nothing for too long, or the time for the call was over;
    /// [`SendError::Backlog`] if too much waits already.
    pub async fn request_in_turn(&self, outgoing: Outgoing<'_>) -> Result<InFlight, SendError> {
        if self.once {
            // Nobody else is there.
            return self.request(outgoing);
        }
        let (caller, limit) = (outgoing.caller(), self.limit(&outgoing));
        let (name, size) = (outgoing.method, outgoing.size());
        let write = |id, out: &mut BytesMut| outgoing.clone().write_tail(id, self.own.as_ref(), out);
        self.wire.send_request_in_turn(caller, name, limit, size, write).await
    }

    fn limit(&self, outgoing: &Outgoing<'_>) -> Limit {
        // A subscription has no end of its own.
        let default = self.call_timeout.filter(|_| outgoing.method != method::SUBSCRIPTIONS_LISTEN);
        in_flight::limit(outgoing.timeout.or(default))
    }

    /// Sends a notification at once, `params` raw.
    ///
    /// # Errors
    /// Nothing was sent.
    pub fn notify(&self, method: &str, params: Option<&[u8]>) -> Result<(), SendError> {
        self.wire.send_raw(&host_message::notification(method, params))
    }

    /// Asks a legacy server that logs for messages of this level and above, before whatever is sent next. Costs nothing if it was asked for
    /// the same last time. Modern servers are told with each request ([`Outgoing::log_level`]).
    pub fn log(&self, level: Level) {
        if self.era().is_modern()
            || !self.capabilities().logging
            || self.level.swap(level as u8, Ordering::AcqRel) == level as u8
        {
            return;
        }
        let params = format!("{{\"level\":\"{}\"}}", level.as_str());
        match self.wire.call(method::SET_LEVEL, Some(params.as_bytes())) {
            // Whether it agrees changes nothing here, and its answer is not waited for.
            Ok(mut call) => call.forget(),
            Err(error) => tracing::debug!(server = %self.server(), %error, "the log level was not sent"),
        }
    }

    /// The level that the server was asked for last by [`Client::log`].
    #[must_use]
    pub fn logs(&self) -> Option<Level> {
        Level::from_number(self.level.load(Ordering::Acquire))
    }

    pub(crate) fn own(&self) -> Option<&OwnMeta> {
        self.own.as_ref()
    }

    /// Lets the keeper end the client. The first wish counts.
    pub(crate) fn close(&self, close: Close) {
        let sender = self.close.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The keeper has ended: so has the client.
            let _ = sender.send(close);
        }
    }
}

/// See [`Client::renewals`].
#[derive(Debug)]
pub struct Renewals(Option<watch::Receiver<u64>>);

impl Renewals {
    /// Waits until the server has lost the session and another one was begun in its place, which this one and whoever was told of it may have
    /// missed: what was agreed in the old one, such as subscriptions, is to be agreed anew. A server on streams never does that.
    pub async fn next(&mut self) {
        let renewed = match &mut self.0 {
            Some(renewals) => renewals.changed().await.is_ok(),
            None => false,
        };
        if !renewed {
            std::future::pending::<()>().await;
        }
    }
}

/// See [`Client::in_use`].
pub struct InUse(Arc<Wire>);

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InUse").field(&self.0.server).finish()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.pending.let_go();
        self.0.touch();
    }
}
