//! Why there is no client, why nothing was sent, why no answer comes.

use host_message::{ErrorBody, SpliceError};
use host_provisioner::Failure;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no client.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcquireError {
    /// No server has this name.
    #[error("there is no server `{0}`")]
    UnknownServer(Arc<str>),
    /// As many clients as allowed exist, and all have calls in flight.
    #[error("all {cap} clients that the gateway may keep are busy")]
    Busy {
        /// The limit.
        cap: usize,
    },
    /// The gateway ends.
    #[error("the gateway is shutting down")]
    ShuttingDown,
    /// The session ended, or the server was removed or changed, while the server came up.
    #[error("the server is no longer wanted")]
    Retired,
    /// The server did not come up.
    #[error("failed to start server `{server}`")]
    Failed {
        /// Its name.
        server: Arc<str>,
        /// Why, with phase, class and hint.
        #[source]
        failure: Arc<Failure>,
    },
}

/// Why nothing was sent. The server has seen no byte of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The client has ended; acquiring again brings a new one.
    #[error("the server has gone: {reason}")]
    Gone {
        /// What happened.
        reason: Arc<str>,
    },
    /// Too much waits for the server already.
    #[error("more than {limit} bytes wait for the server already")]
    Backlog {
        /// The limit in bytes.
        limit: usize,
    },
    /// The server has taken nothing for too long, and too much waits for it.
    #[error("the server does not read: it has taken nothing for {after:?}, and there is no room for more")]
    Unread {
        /// How long nothing was taken.
        after: Duration,
    },
    /// The limit for this call passed before there was room for it.
    #[error("the server did not read what came before within {after:?}")]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// Too many calls are in flight on one client.
    #[error("the server has too many calls in flight")]
    TooManyCalls,
    /// The edits contradict each other.
    #[error("failed to write the request")]
    Edits(#[from] SpliceError),
}

/// Why no further message comes for a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The server ended before it answered.
    #[error("the server has gone: {reason}")]
    Gone {
        /// What happened.
        reason: Arc<str>,
    },
    /// The limit for this call passed; the server was told to stop.
    #[error("the server did not answer within {after:?}")]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The response was taken already.
    #[error("the call is over")]
    Over,
}

/// Why a list is not complete.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ListError {
    /// The request was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No answer came.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The server refused.
    #[error("the server refused `{method}` with error {}: {}", .body.code, .body.message)]
    Refused {
        /// The method.
        method: &'static str,
        /// The server's words.
        body: ErrorBody,
    },
    /// The answer is no list.
    #[error("the answer to `{method}` is not usable: {text}")]
    Unusable {
        /// The method.
        method: &'static str,
        /// What is wrong with it.
        text: String,
    },
}
