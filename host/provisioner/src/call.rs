//! Who calls, for whom, for how long, and who watches.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// `[a-z][a-z0-9]{15}`, the same for every repetition of one request (`types.context.request` of the contract).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// Makes an id from 60 of 64 random bits given by the caller.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(format!("r{:015x}", bits >> 4))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the operator wants when a platform cannot honour a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unenforced {
    /// The server fails, naming the field.
    #[default]
    Refuse,
    /// It runs, and the status says what is not enforced.
    Report,
}

/// One step of a long call, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What happens now.
    pub text: String,
    /// Work done, if known.
    pub done: Option<u32>,
    /// Work in all, if known.
    pub total: Option<u32>,
}

/// Whoever shows progress.
pub trait ProgressSink: Send + Sync {
    /// Called from the provisioning task; must not block.
    fn report(&self, progress: Progress);
}

/// One call of a provisioner. Cheap to clone.
#[derive(Clone)]
pub struct Call {
    /// Id of the request, the same for its repetitions.
    pub request: RequestId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the call is stopped.
    pub deadline: Instant,
    /// Cancelled when nobody waits for the result any more.
    pub cancelled: CancellationToken,
    /// Opaque id of the client session the server is meant for; `None` for shared servers.
    pub client: Option<String>,
    /// Shows progress, if anybody looks.
    pub progress: Option<Arc<dyn ProgressSink>>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("request", &self.request)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A first attempt that may take `within` and is watched by nobody.
    #[must_use]
    pub fn new(request: RequestId, within: Duration) -> Self {
        Self {
            request,
            attempt: 1,
            deadline: Instant::now() + within,
            cancelled: CancellationToken::new(),
            client: None,
            progress: None,
        }
    }

    /// Time that is left; zero when it is over.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
