//! Why a request came to nothing.

use std::fmt;

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The URL or a header is none, or leads where it must not: will not work unchanged.
    Refused,
    /// Nobody could be reached: the server has seen nothing of the request.
    Unreachable,
    /// The conversation broke: the server may have seen the request.
    Broken,
}

/// Why a request came to nothing. Holds no header's value and no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What it means.
    pub kind: ErrorKind,
    /// Lower-case fragment that completes "failed to …" or names the state.
    pub text: String,
    /// What the operator can do, one sentence.
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: printable(&text.into()), hint: None }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, text)
    }

    pub(crate) fn unreachable(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unreachable, text)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(&hint.into()));
        self
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

/// The text without control characters: parts of it come from files and from servers.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
