//! Why bytes are no acceptable message.

use crate::RawId;
use std::borrow::Cow;

/// Why bytes are no acceptable message, ready to be sent back as a JSON-RPC error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct EnvelopeError {
    /// −32700 for what is no JSON, −32600 for JSON that is no message, −32602 for parameters that are not acceptable.
    pub code: i64,
    /// What is wrong, a lower-case fragment. Holds nothing of the message but positions.
    pub text: Cow<'static, str>,
    /// The request's id where it could be told; `null` is to be sent otherwise.
    pub id: Option<RawId>,
}

impl EnvelopeError {
    /// An error without an id.
    #[must_use]
    pub fn new(code: i64, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into(), id: None }
    }

    /// The same for the request with this id.
    #[must_use]
    pub fn with_id(mut self, id: Option<RawId>) -> Self {
        self.id = id;
        self
    }
}
