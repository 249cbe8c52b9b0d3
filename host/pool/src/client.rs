//! A client of one server, ready for calls.

use crate::capabilities::RawCapabilities;
use crate::handshake::Agreed;
use crate::outgoing::{Outgoing, OwnMeta};
use crate::wire::Wire;
use crate::{InFlight, Owner, SendError};
use bytes::Bytes;
use host_message::{Era, Revision, method};
use host_provisioner::ReleaseReason;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

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
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.wire.server)
            .field("owner", &self.wire.owner)
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
    ) -> (Arc<Self>, oneshot::Receiver<Close>) {
        let (sender, receiver) = oneshot::channel();
        wire.touch();
        let own = agreed.era.is_modern().then_some(own);
        let close = Mutex::new(Some(sender));
        (Arc::new(Self { wire, agreed, own, call_timeout, list_timeout, close }), receiver)
    }

    /// Name of the server.
    #[must_use]
    pub fn server(&self) -> &Arc<str> {
        &self.wire.server
    }

    /// For whom it is.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.wire.owner
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

    /// Sends a request at once.
    ///
    /// # Errors
    /// Nothing was sent. After [`SendError::Gone`] the pool brings a new client when asked again, and the call may be repeated.
    pub fn request(&self, outgoing: Outgoing<'_>) -> Result<InFlight, SendError> {
        let caller = outgoing.caller();
        // A subscription has no end of its own.
        let default = self.call_timeout.filter(|_| outgoing.method != method::SUBSCRIPTIONS_LISTEN);
        let timeout = outgoing.timeout.or(default);
        let name = outgoing.method;
        self.wire
            .send_request(caller, name, timeout, |id, out| outgoing.write_tail(id, self.own.as_ref(), out))
    }

    /// Sends a notification at once, `params` raw.
    ///
    /// # Errors
    /// Nothing was sent.
    pub fn notify(&self, method: &str, params: Option<&[u8]>) -> Result<(), SendError> {
        self.wire.send_raw(&host_message::notification(method, params))
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
