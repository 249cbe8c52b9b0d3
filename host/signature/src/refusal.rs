//! Why an image may not run.

use std::fmt;

/// Why an image may not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Names the image, and what is missing.
    pub text: String,
    /// What the operator can do.
    pub hint: Option<String>,
    /// Whether it may be otherwise in a moment: the registry did not answer.
    pub later: bool,
    /// Whether the registry wants to see another login.
    pub denied: bool,
}

impl Refusal {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, later: false, denied: false }
    }

    pub(crate) fn later(text: impl Into<String>) -> Self {
        Self { later: true, ..Self::new(text) }
    }

    pub(crate) fn denied(text: impl Into<String>) -> Self {
        Self { denied: true, ..Self::new(text) }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{} ({hint})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for Refusal {}
