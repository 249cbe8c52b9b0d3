//! What one workload may hold: linear memory summed over all memories, tables, core instances, and open things.

use wasmtime::ResourceLimiter;

/// Bytes that one call may copy between guest and host, beyond which it traps. Streams move at most 64 KiB at once; the rest are paths,
/// names and directory entries.
pub(crate) const HOSTCALL_BYTES: usize = 4 << 20;

/// Handles of the component model beyond those that stand for open things.
pub(crate) const EXTRA_HANDLES: usize = 64;

/// Elements over all tables of a store, eight bytes each.
const TABLE_ELEMENTS: usize = 1 << 18;

/// Core instances and tables in one store. Components that were joined out of several languages have a handful.
pub(crate) const PARTS: usize = 64;

/// Memories in one store. Each takes four gigabytes of addresses, of which the process has enough for some ten thousand.
pub(crate) const MEMORIES: usize = 8;

/// Counts what the linear memories and tables of one store hold together.
///
/// wasmtime asks about each memory alone, so the differences are summed. A refused growth is an answer to the guest, as the
/// specification has it: engines of other languages try and make do with less. It is remembered, so that the trap which usually
/// follows can be explained.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    used: usize,
    elements: usize,
    /// Whether a growth was refused.
    pub(crate) refused: bool,
}

impl MemoryLimit {
    /// A limit in MiB.
    pub(crate) fn new(mib: u32) -> Self {
        Self { limit: (mib as usize).saturating_mul(1 << 20), used: 0, elements: 0, refused: false }
    }

    /// The sentence about it.
    pub(crate) fn sentence(mib: u32) -> String {
        format!("memory limit of {mib} MiB (`memory`) reached")
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let after = self.used.saturating_add(desired.saturating_sub(current));
        if after > self.limit {
            self.refused = true;
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.used = after;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let after = self.elements.saturating_add(desired.saturating_sub(current));
        if after > TABLE_ELEMENTS || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.elements = after;
        Ok(true)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_limit() {
        let mut limit = MemoryLimit::new(1);
        let half = 1 << 19;
        assert!(limit.memory_growing(0, half, None).unwrap(), "the first half fits");
        assert!(limit.memory_growing(0, half, None).unwrap(), "a second memory takes the other half");
        assert!(!limit.refused);
        assert!(!limit.memory_growing(half, half + 65536, None).unwrap(), "then nothing is left");
        assert!(limit.refused);
    }
}
