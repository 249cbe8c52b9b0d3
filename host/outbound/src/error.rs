//! Why there is no answer.

use std::fmt;
use std::time::Duration;

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is none, or leads where it must not.
    Refused,
    /// There are no credentials, or they are not accepted.
    Credentials,
    /// Nobody could be reached: nothing was seen of the request.
    Unreachable,
    /// The conversation broke: the request may have been seen.
    Broken,
    /// The time was over.
    Timeout,
    /// The answer is longer than asked for, or cannot be read.
    Unreadable,
}

/// Why there is no answer. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What it means.
    pub kind: ErrorKind,
    /// Lower-case fragment that completes "failed to …" or names the state.
    pub text: String,
    /// What the operator can do, one sentence.
    pub hint: Option<String>,
    /// Not before this.
    pub retry_after: Option<Duration>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { kind, text, hint: None, retry_after: None }
    }

    pub(crate) fn credentials(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(ErrorKind::Credentials, text) }
    }
}

impl From<host_web::Error> for Error {
    fn from(error: host_web::Error) -> Self {
        let kind = match error.kind {
            host_web::ErrorKind::Refused => ErrorKind::Refused,
            host_web::ErrorKind::Unreachable => ErrorKind::Unreachable,
            host_web::ErrorKind::Broken => ErrorKind::Broken,
        };
        Self { hint: error.hint, ..Self::new(kind, error.text) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{} ({hint})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for Error {}
