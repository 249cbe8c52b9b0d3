//! Why a call did not succeed: the error record of the contract, as the host's own type.

use std::fmt;
use std::time::Duration;

/// The call in which something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub enum Phase {
    /// Reading, checking and compiling a plugin, before any call.
    Load,
    Describe,
    Prepare,
    Validate,
    Plan,
    Provision,
    /// The MCP handshake after `provision`.
    Handshake,
    Probe,
    Reconnect,
    Release,
    Enumerate,
    Sweep,
    Shutdown,
    Run,
    Other,
}

impl Phase {
    /// The word for logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Describe => "describe",
            Self::Prepare => "prepare",
            Self::Validate => "validate",
            Self::Plan => "plan",
            Self::Provision => "provision",
            Self::Handshake => "handshake",
            Self::Probe => "probe",
            Self::Reconnect => "reconnect",
            Self::Release => "release",
            Self::Enumerate => "enumerate",
            Self::Sweep => "sweep",
            Self::Shutdown => "shutdown",
            Self::Run => "run",
            Self::Other => "other",
        }
    }
}

/// What a failure means for the caller. The retry policy is on this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// May work later, unchanged.
    Retryable,
    /// Will not work unchanged.
    Permanent,
    /// Credentials are missing or do not suffice.
    Permission,
    /// A limit of the platform was reached.
    Quota,
    /// Image or component missing, refused or damaged.
    Image,
    /// The entry or the settings are wrong.
    Config,
    /// A deadline passed.
    Timeout,
    /// Nobody waits any more.
    Cancelled,
    /// The object is not there, or not this gateway's.
    NotFound,
    /// The name is taken, or another manager changes the object.
    Conflict,
    /// The platform or the provisioner has no such thing, and never will unchanged.
    Unsupported,
    /// None of these.
    Other,
}

impl Class {
    /// Whether the same call may be repeated while somebody still waits.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Retryable | Self::Quota)
    }

    /// The word for logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
            Self::Permission => "permission",
            Self::Quota => "quota",
            Self::Image => "image",
            Self::Config => "config",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Unsupported => "unsupported",
            Self::Other => "other",
        }
    }
}

/// A thing on the platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// The platform's word: `container`, `v1/Pod`.
    pub kind: String,
    /// Namespace, region, engine; empty where there is no such level.
    pub scope: String,
    /// Name or id.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scope.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.scope, self.name)
        }
    }
}

/// Details that stand in the one line; all of them are in the record.
const DETAILS: usize = 4;

/// Why a call did not succeed. Never holds a secret value or control characters.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// Where it failed.
    pub phase: Phase,
    /// What it means.
    pub class: Class,
    /// The step inside the call, if it has steps: `pull`, `schedule`, `ready`.
    pub step: Option<String>,
    /// Lower-case fragment that completes "failed to …" or names the state.
    pub text: String,
    /// What the operator can do, one sentence.
    pub hint: Option<String>,
    /// Further lines for a person: container states, events, the end of a log. At most a hundred.
    pub details: Vec<String>,
    /// The objects concerned.
    pub objects: Vec<ObjectRef>,
    /// The platform's "not before".
    pub retry_after: Option<Duration>,
    /// The plugin that failed, added by the host; empty before it is known.
    pub plugin: String,
}

impl Failure {
    /// A failure without hint and objects.
    #[must_use]
    pub fn new(phase: Phase, class: Class, text: impl Into<String>) -> Self {
        Self {
            phase,
            class,
            step: None,
            text: text.into(),
            hint: None,
            details: Vec::new(),
            objects: Vec::new(),
            retry_after: None,
            plugin: String::new(),
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Text, step, the first details and the hint in one line, for an MCP error message.
    #[must_use]
    pub fn one_line(&self) -> String {
        let mut line = self.text.clone();
        if let Some(step) = &self.step {
            line.push_str(&format!(" ({step})"));
        }
        for detail in self.details.iter().take(DETAILS) {
            line.push_str(&format!("; {detail}"));
        }
        if let Some(hint) = &self.hint {
            line.push_str(&format!(" ({hint})"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_has_the_step_the_first_details_and_the_way_out() {
        let mut failure = Failure::new(Phase::Provision, Class::Quota, "no place left").with_hint("buy more");
        assert_eq!(failure.one_line(), "no place left (buy more)");
        failure.step = Some("schedule".to_owned());
        failure.details = (1..=9).map(|n| format!("event {n}")).collect();
        assert_eq!(
            failure.one_line(),
            "no place left (schedule); event 1; event 2; event 3; event 4 (buy more)"
        );
    }

    #[test]
    fn only_what_may_change_by_itself_is_repeated() {
        for class in [Class::NotFound, Class::Conflict, Class::Unsupported, Class::Permanent, Class::Timeout]
        {
            assert!(!class.is_retryable(), "{}", class.as_str());
        }
        assert!(Class::Retryable.is_retryable() && Class::Quota.is_retryable());
    }
}
