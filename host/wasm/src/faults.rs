//! Disturbing host functions on purpose: what a plugin must survive can then be tried with any plugin (`gateway plugin test --inject`).

use host_provisioner::Phase;
use std::time::Duration;

/// What happens to one call of a host function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and fails with category `permission`.
    Refused,
    /// It does nothing and fails with category `conflict`.
    Conflict,
    /// It does nothing and fails with category `retryable`: the platform does not answer.
    Away,
    /// It is done after this time.
    Slow(Duration),
    /// It does nothing and never returns.
    Silent,
    /// It is done, and the plugin never hears of it: the instance ends with its next host call, or its answer is thrown away.
    Lost,
    /// The instance ends at once, and nothing was done.
    Trap,
    /// `http.send`: nothing is sent, and this status with this body is the answer.
    Status(u16, &'static str),
    /// `http.send`: it is sent, and the answer breaks off.
    Truncated,
}

/// Says which calls are disturbed. Asked at each call of a host function that acts on a platform.
pub trait Faults: Send + Sync {
    /// What happens to this one; `None`: nothing. `function` is `INTERFACE.FUNCTION` of the contract.
    fn at(&self, phase: Phase, function: &str) -> Option<Fault>;
}
