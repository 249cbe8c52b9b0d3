//! One call that was sent.

use crate::CallError;
use crate::pending::Incoming;
use crate::wire::Wire;
use host_message::{Digits, Envelope, method};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// When the time for a call is over, and how long that was from its beginning.
pub(crate) type Limit = Option<(Instant, Duration)>;

/// The limit of a call that begins now.
pub(crate) fn limit(timeout: Option<Duration>) -> Limit {
    // One beyond what the clock can say is no limit.
    timeout.and_then(|after| Some((Instant::now().checked_add(after)?, after)))
}

/// One call that was sent. Dropping it before its response tells the server to stop (`notifications/cancelled`) and forgets it; an
/// answer that comes later is thrown away.
pub struct InFlight {
    wire: Arc<Wire>,
    id: u64,
    limit: Limit,
    over: bool,
    /// `initialize` must not be cancelled, and a probe must not be followed by messages that an old server does not expect.
    quiet: bool,
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("server", &self.wire.server)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl InFlight {
    pub(crate) fn new(wire: Arc<Wire>, id: u64, limit: Limit) -> Self {
        Self { wire, id, limit, over: false, quiet: false }
    }

    /// Our id of it, which is also its progress token upward.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Never tells the server to stop.
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Nothing was sent, or nobody cares for the answer: the server is not told, and what is on its way stays on it.
    pub(crate) fn forget(&mut self) {
        self.over = true;
        self.wire.pending.remove(self.id);
    }

    /// What comes next. May be dropped and called again without losing anything.
    ///
    /// # Errors
    /// The server ended before it answered, the time for the call is over, or the response was taken already. Everything that came
    /// before that is handed out first.
    pub async fn next(&mut self) -> Result<Incoming, CallError> {
        if self.over {
            return Err(CallError::Over);
        }
        let incoming = poll_fn(|context| self.wire.pending.poll_next(self.id, context));
        let incoming = match self.limit {
            None => incoming.await,
            Some((at, after)) => match tokio::time::timeout_at(at, incoming).await {
                Ok(incoming) => incoming,
                Err(_) => {
                    self.cancel("the time for the call is over");
                    return Err(CallError::TimedOut { after });
                }
            },
        };
        match incoming {
            Ok(Incoming::Response(response)) => {
                self.over = true;
                self.wire.touch();
                Ok(Incoming::Response(response))
            }
            Ok(incoming) => Ok(incoming),
            Err(reason) => {
                self.forget();
                Err(CallError::Gone { reason })
            }
        }
    }

    /// Waits for the response and leaves out what comes before it.
    ///
    /// # Errors
    /// As for [`InFlight::next`].
    pub async fn response(&mut self) -> Result<Envelope, CallError> {
        loop {
            if let Incoming::Response(response) = self.next().await? {
                return Ok(response);
            }
        }
    }

    fn cancel(&mut self, reason: &str) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let unanswered = self.wire.pending.remove(self.id);
        self.wire.touch();
        if !unanswered {
            return;
        }
        let notice = (!self.quiet).then(|| {
            let mut params = Vec::with_capacity(80);
            params.extend_from_slice(b"{\"requestId\":");
            params.extend_from_slice(Digits::new(self.id).as_bytes());
            params.extend_from_slice(b",\"reason\":");
            host_message::write_string(&mut params, reason);
            params.push(b'}');
            host_message::notification(method::CANCELLED, Some(&params))
        });
        if let Err(error) = self.wire.withdraw_call(self.id, notice) {
            tracing::debug!(server = %self.wire.server, %error, "a cancellation was not sent");
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.cancel("the caller has gone");
    }
}
