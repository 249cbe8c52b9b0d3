//! What one plugin may use up, and the sentence for each limit that was met.

use std::fmt;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// What one plugin may use up. The names are those of the operator's file: `plugins.NAME.limits.KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `memory`: bytes of all linear memories of one instance together.
    pub memory: u64,
    /// `call`: how long one call may take, waiting included.
    pub call: Duration,
    /// `cpu`: how long one call may compute. Waiting in host functions does not count.
    pub cpu: Duration,
    /// `handles`: how many handles one call may hold at once.
    pub handles: u32,
    /// `hostCalls`: how many host functions one call may use.
    pub host_calls: u32,
    /// `concurrency`: how many calls may run at once.
    pub concurrency: u32,
    /// `data`: how many bytes one call of a host function may hand over and get. Not a sum over the plugin's call: what a call copies
    /// is gone when the next one begins.
    pub data: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            call: Duration::from_secs(60),
            cpu: Duration::from_secs(5),
            handles: 1_000,
            host_calls: 10_000,
            concurrency: 256,
            data: 16 << 20,
        }
    }
}

impl Limits {
    /// What `describe` gets: enough for an interpreter to start, too little to do harm in the time it takes to load a file.
    pub(crate) fn for_describe(&self) -> Self {
        Self {
            call: self.call.min(Duration::from_secs(10)),
            cpu: self.cpu.min(Duration::from_secs(2)),
            handles: self.handles.min(64),
            host_calls: self.host_calls.min(100),
            data: self.data.min(1 << 20),
            ..self.clone()
        }
    }
}

/// Checkpoints in one call (`wit/v0.1/call.wit`).
pub(crate) const CHECKPOINTS: u32 = 64;
/// Objects recorded in one call (`wit/v0.1/call.wit`).
pub(crate) const OBJECTS: u32 = 256;
/// Bytes of a state (`wit/v0.1/types.wit`).
pub(crate) const STATE: usize = 64 << 10;
/// Bytes of a text (`wit/v0.1/types.wit`).
pub(crate) const TEXT: usize = 64 << 10;
/// Entries of a list (`wit/v0.1/types.wit`).
pub(crate) const LIST: usize = 4_096;
/// Bytes of each part of an object's name (`wit/v0.1/call.wit`).
pub(crate) const OBJECT_NAME: usize = 512;

/// Handles that WASI itself needs, beside those a limit counts.
pub(crate) const WASI_HANDLES: usize = 64;

/// Elements over all tables of an instance, eight bytes each. Interpreters have some ten thousand.
const TABLE_ELEMENTS: usize = 1 << 18;
/// Core instances, memories and tables of an instance. Python components have some forty.
pub(crate) const PARTS: usize = 128;

/// A limit that was met. Travels through wasmtime as an error and ends the instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Met {
    /// `memory`, in bytes.
    Memory(u64),
    /// `cpu`.
    Cpu(Duration),
    /// `call`.
    Call(Duration),
    /// `handles`.
    Handles(u32),
    /// `hostCalls`.
    HostCalls(u32),
    /// `data`, in bytes.
    Data(u64),
    /// Table elements, which no setting raises.
    Tables,
    /// A number the contract fixes: what, and how many.
    Fixed(&'static str, usize),
}

impl Met {
    /// The setting that raises it, if one does.
    pub(crate) fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Memory(_) => Some("memory"),
            Self::Cpu(_) => Some("cpu"),
            Self::Call(_) => Some("call"),
            Self::Handles(_) => Some("handles"),
            Self::HostCalls(_) => Some("hostCalls"),
            Self::Data(_) => Some("data"),
            Self::Tables | Self::Fixed(..) => None,
        }
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "needed more memory than its limit of {} MiB", bytes >> 20),
            Self::Cpu(time) => write!(f, "computed longer than its limit of {}", span(*time)),
            Self::Call(time) => write!(f, "took longer than its limit of {}", span(*time)),
            Self::Handles(count) => write!(f, "held more than its limit of {count} handles"),
            Self::HostCalls(count) => write!(f, "used more than its limit of {count} host functions"),
            Self::Data(bytes) => {
                write!(f, "handed over more than its limit of {} KiB at once", bytes.div_ceil(1 << 10))
            }
            Self::Tables => {
                write!(f, "made larger tables than the {TABLE_ELEMENTS} elements a plugin may have")
            }
            Self::Fixed(what, count) => write!(f, "gave more than the contract's limit of {count} {what}"),
        }
    }
}

/// A time as people write it.
pub(crate) fn span(time: Duration) -> String {
    let ms = time.as_millis();
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

/// Sums what the memories and tables of one store hold: wasmtime asks about each of them alone.
pub(crate) struct Held {
    limit: u64,
    memory: u64,
    elements: usize,
}

impl Held {
    /// `limit` is in bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, memory: 0, elements: 0 }
    }
}

impl ResourceLimiter for Held {
    /// Refuses with an error instead of `false`, because the guest would only turn `false` into a trap without a reason.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let after = self.memory.saturating_add(desired.saturating_sub(current) as u64);
        if after > self.limit {
            return Err(Met::Memory(self.limit).into());
        }
        self.memory = after;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let after = self.elements.saturating_add(desired.saturating_sub(current));
        if after > TABLE_ELEMENTS {
            return Err(Met::Tables.into());
        }
        self.elements = after;
        Ok(true)
    }

    // Memories and tables are refused by name when the plugin is loaded; this holds where wasmtime cannot tell them before.
    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_of_one_instance_share_the_limit() {
        let mut held = Held::new(1 << 20);
        assert!(held.memory_growing(0, 1 << 19, None).unwrap());
        assert!(held.memory_growing(0, 1 << 19, None).unwrap());
        let error = held.memory_growing(1 << 19, (1 << 19) + 65_536, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Met::Memory(1 << 20)));
        assert_eq!(error.to_string(), "needed more memory than its limit of 1 MiB");
    }
}
