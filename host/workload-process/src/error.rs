//! Why a command did not start or did not end.

use std::fmt;

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The program is not there, or cannot be run by this user.
    Program,
    /// What was asked for is wrong: a folder that is not there, a zero byte in an argument.
    Specification,
    /// The system has no room for another process now. Can work later, unchanged.
    Busy,
    /// The engine itself: its record cannot be written, or it is shutting down.
    Engine,
    /// A process does not end.
    Stuck,
}

/// Why a command did not start or did not end. Holds no values of variables and no control characters.
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

/// The text without control characters: names in it come from files.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
