//! What stands between clients and tools when the operator wants it: the log of calls, the search for secrets in what is passed to tools and
//! returned by them, and interceptors, which are programs of the operator's (`docker-mcp-gateway.md` 20).
//!
//! It implements the traits of `host-gateway`, which decides when each of them runs. It must never know servers, plugins, sessions or the formats
//! of files, it reads no environment, and it prints nothing: lines go to a function of its user's.
//!
//! *Invariant:* no line and no error of this crate holds a value of an argument or a result.

mod calls;
mod container;
mod exec;
mod inspector;
mod post;
mod secrets;
mod spec;
mod words;

pub use calls::CallLog;
pub use inspector::{Inspecting, inspector};
pub use secrets::{Found, Secrets};
pub use spec::{Kind, Spec, SpecError, Surroundings};

use std::sync::Arc;
use std::time::Duration;

/// Where lines for the operator go.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// How long an interceptor may take. The original waits for ever; one may ask a person, so it is long.
pub(crate) const WITHIN: Duration = Duration::from_secs(600);

/// Bytes that an interceptor may print.
pub(crate) const OUTPUT: usize = 16 << 20;

/// What is said of an interceptor that did not end in time.
pub(crate) fn too_slow() -> String {
    format!("no answer within {} s", WITHIN.as_secs())
}

/// What is said of an interceptor that printed too much.
pub(crate) fn too_much() -> String {
    format!("it printed more than {} MiB", OUTPUT >> 20)
}
