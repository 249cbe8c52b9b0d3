//! The engine below: wasmtime as this crate wants it. Built at first need, because it costs memory and a thread that a gateway without
//! embedded servers does not need.

use crate::cache;
use crate::error::Error;
use crate::network::Resolver;
use crate::pace::long_runners;
use crate::state::{self, State};
use crate::ticker::Ticker;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel};

/// Stack for the guest's own calls. What a language keeps in linear memory comes on top; interpreters recurse deeply.
const GUEST_STACK: usize = 1 << 20;

/// Stack of the fiber, with room for host functions above the guest's part. Only what is touched becomes memory.
const FIBER_STACK: usize = 2 << 20;

/// Frames of a trap that are kept.
const FRAMES: usize = 8;

/// wasmtime's engine with what all workloads share.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) runners: Arc<Semaphore>,
    pub(crate) resolver: Arc<Resolver>,
}

impl Runtime {
    /// Builds the engine and starts its ticker. Takes a few milliseconds and reads the cache folder, so not for a worker thread.
    ///
    /// # Errors
    ///
    /// When the cache folder is not private or the engine cannot be built on this machine.
    pub(crate) fn build(cache_dir: Option<&Path>, workers: usize) -> Result<Self, Error> {
        let failed =
            |what: &str, e: wasmtime::Error| Error::engine(format!("{what} of the embedded engine: {e:#}"));
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            // No component may use asynchronous functions, and calls are cheaper without what they need.
            .concurrency_support(false)
            // Servers live long and are few: an instance on demand returns all its memory at its end, and its start is not what
            // anybody waits for (17 µs against 6 µs from a pool, measured).
            .allocation_strategy(InstanceAllocationStrategy::OnDemand)
            .max_wasm_stack(GUEST_STACK)
            .async_stack_size(FIBER_STACK)
            .cranelift_opt_level(OptLevel::Speed)
            .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES))
            .native_unwind_info(false)
            .cache(cache_dir.map(cache::open).transpose()?);
        if !address_space_is_free() {
            // Memories then grow by moving, with explicit checks of bounds.
            config.memory_reservation(0).memory_guard_size(0).memory_reservation_for_growth(1 << 20);
        }
        let engine = Engine::new(&config).map_err(|e| failed("building", e))?;
        let linker = state::linker(&engine).map_err(|e| failed("linking", e))?;
        let ticker = Ticker::start(engine.weak())
            .map_err(|e| Error::engine(format!("no thread for the embedded engine: {e}")))?;
        Ok(Self {
            engine,
            linker,
            ticker,
            runners: long_runners(workers),
            resolver: Arc::new(Resolver::system()),
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.ticker.end();
    }
}

/// Whether 4 GiB of addresses per memory can be reserved, as generated code likes best.
#[cfg(unix)]
fn address_space_is_free() -> bool {
    rustix::process::getrlimit(rustix::process::Resource::As).current.is_none()
}

#[cfg(not(unix))]
fn address_space_is_free() -> bool {
    true
}
