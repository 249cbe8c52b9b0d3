//! What happens in the pool without anybody having asked.

use crate::{Owner, ServerRequest};
use host_message::Envelope;
use host_provisioner::{Failure, ReleaseReason};
use std::sync::Arc;

/// Which of a server's lists changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the lists; templates change with resources")]
pub enum Changed {
    Tools,
    Prompts,
    Resources,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A list must be fetched again.
    ListChanged {
        /// Name of the server.
        server: Arc<str>,
        /// Whose client heard of it.
        owner: Owner,
        /// Which list.
        what: Changed,
    },
    /// A notification that belongs to no call in flight: log messages, updated resources, and what we do not know.
    Notification {
        /// Name of the server.
        server: Arc<str>,
        /// Whose client heard of it.
        owner: Owner,
        /// The message.
        message: Box<Envelope>,
    },
    /// A server asks something while nobody whose call could carry it has one in flight.
    Asked {
        /// Name of the server.
        server: Arc<str>,
        /// Who must answer.
        owner: Owner,
        /// The request. It is refused when nobody takes it.
        request: ServerRequest,
    },
    /// A server came up.
    Ready {
        /// Name of the server.
        server: Arc<str>,
        /// For whom.
        owner: Owner,
    },
    /// A client ended.
    Ended {
        /// Name of the server.
        server: Arc<str>,
        /// Whose client it was.
        owner: Owner,
        /// Why.
        reason: ReleaseReason,
    },
    /// A server did not come up.
    Failed {
        /// Name of the server.
        server: Arc<str>,
        /// For whom.
        owner: Owner,
        /// Why.
        failure: Arc<Failure>,
    },
}
