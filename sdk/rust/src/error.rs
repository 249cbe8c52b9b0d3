//! Why a call did not succeed: the failure record of the contract with a Rust face.

use crate::types::{Failure, FailureCategory, ObjectRef, Phase};
use std::fmt;
use std::time::Duration;

/// The answer of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of a plugin's call. The category decides what the host does, the text explains, the hint helps.
///
/// ```
/// # use gateway_plugin::Error;
/// let error = Error::config("server `notes` wants a `user`").hint("remove `user` from its entry");
/// assert_eq!(error.to_string(), "server `notes` wants a `user`");
/// ```
///
/// Text is a lower-case fragment without a full stop that completes "failed to …" or names the state. It never holds a secret.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Failure>);

macro_rules! categories {
    ($($(#[$doc:meta])* $name:ident = $category:ident,)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(text: impl Into<String>) -> Self {
            Self::new(FailureCategory::$category, text)
        }
    )*};
}

impl Error {
    /// A failure without hint, details and objects. The phase is the host's to fill in.
    #[must_use]
    pub fn new(category: FailureCategory, text: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            phase: Phase::Other,
            category,
            step: None,
            text: text.into(),
            hint: None,
            details: Vec::new(),
            objects: Vec::new(),
            retry_after_ms: None,
            extras: Vec::new(),
        }))
    }

    categories! {
        /// It may work later, unchanged. The host repeats the call with back-off.
        retryable = Retryable,
        /// It will not work unchanged.
        permanent = Permanent,
        /// Credentials or the grant do not suffice; the hint should name the missing right.
        permission = Permission,
        /// A limit of the platform was reached. Repeated like `retryable`, more slowly.
        quota = Quota,
        /// The image or component is missing, refused, damaged, or not the pinned one.
        image = Image,
        /// The server's entry or the settings are wrong or ask for what cannot be honoured.
        config = Config,
        /// The plugin's own waiting ended before the thing waited for came.
        timeout = Timeout,
        /// Nobody waits any more.
        cancelled = Cancelled,
        /// The object is not there, or not this gateway's.
        not_found = NotFound,
        /// The name is taken, or another manager changes the object.
        conflict = Conflict,
        /// The platform or this plugin has no such thing.
        unsupported = Unsupported,
    }

    /// The same with one sentence on what the operator can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same with the step inside the call: `pull`, `schedule`, `ready`.
    #[must_use]
    pub fn step(mut self, step: impl Into<String>) -> Self {
        self.0.step = Some(step.into());
        self
    }

    /// The same with one more line for a person; the host keeps at most 100.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.0.details.push(line.into());
        self
    }

    /// The same with one more object that is concerned.
    #[must_use]
    pub fn object(mut self, object: ObjectRef) -> Self {
        self.0.objects.push(object);
        self
    }

    /// The same with the platform's "not before". The host waits, not the plugin.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after_ms = Some(crate::host::millis(wait));
        self
    }

    /// What it means for the caller.
    #[must_use]
    pub fn category(&self) -> FailureCategory {
        self.0.category
    }

    /// Whether a platform said that the object is not there; `release` treats that as success.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.category() == FailureCategory::NotFound
    }

    /// The whole record.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0
    }
}

/// Does something with each of several things, also after a failure, and answers with the first: what stands in the way of one object must not keep
/// the others from being removed.
///
/// ```
/// # use gateway_plugin::{Error, each};
/// let mut gone = Vec::new();
/// let outcome = each(["pod", "stuck", "secret"], |name| match name {
///     "stuck" => Err(Error::retryable("remove `stuck`")),
///     name => Ok(gone.push(name)),
/// });
/// assert_eq!(outcome.map_err(|error| error.to_string()), Err("remove `stuck`".to_owned()));
/// assert_eq!(gone, ["pod", "secret"]);
/// ```
///
/// # Errors
/// The first failure, after all have been tried.
pub fn each<T>(things: impl IntoIterator<Item = T>, mut act: impl FnMut(T) -> Result<()>) -> Result<()> {
    let mut first = Ok(());
    for thing in things {
        let done = act(thing);
        first = first.and(done);
    }
    first
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        *error.0
    }
}

/// Text that a platform sent is no JSON, or not the expected one: nothing that a repetition would change.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::permanent(format!("understand JSON: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_way_through_the_error_and_back() {
        let object = ObjectRef { kind: "container".into(), scope: String::new(), name: "a".into() };
        let error = Error::quota("start task")
            .hint("raise the quota")
            .step("schedule")
            .detail("one")
            .object(object.clone())
            .retry_after(Duration::from_secs(2));
        let failure = Failure::from(error.clone());
        assert_eq!(failure.category, FailureCategory::Quota);
        assert_eq!(failure.step.as_deref(), Some("schedule"));
        assert_eq!(failure.hint.as_deref(), Some("raise the quota"));
        assert_eq!(failure.details, ["one"]);
        assert_eq!(failure.objects, [object]);
        assert_eq!(failure.retry_after_ms, Some(2000));
        assert_eq!(Error::from(failure), error);
    }

    #[test]
    fn a_wait_that_is_too_long_for_the_contract_becomes_the_longest() {
        let error = Error::retryable("later").retry_after(Duration::MAX);
        assert_eq!(error.failure().retry_after_ms, Some(u32::MAX));
    }
}
