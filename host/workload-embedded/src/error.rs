//! Why the engine did not do something: a kind to decide by, a sentence to read, and advice where there is some.

use std::fmt;

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The component is missing, unreadable, damaged, or not one that this engine can run.
    Component,
    /// What was asked for is wrong: a folder that is not there, a malformed host pattern, a limit of zero.
    Specification,
    /// The engine runs as many workloads as it may. Can work later, unchanged.
    Busy,
    /// The component was started and ended before it was ready, for example because its memory does not fit its limit.
    Start,
    /// A workload with this id runs already.
    Exists,
    /// The engine itself could not be built, or is being shut down.
    Engine,
}

/// Why the engine did not do something. Holds no values of environment variables and no control characters.
#[derive(Debug, Clone)]
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

    pub(crate) fn component(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Component, text)
    }

    pub(crate) fn specification(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Specification, text)
    }

    pub(crate) fn engine(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Engine, text)
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

/// The text without control characters: names in it come from files that anybody may have written.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
