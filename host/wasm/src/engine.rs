//! The wasmtime engines of this process, built at first need.
//!
//! Two, because a pool makes a call several times cheaper and a pool has sizes: what does not fit (a plugin with a larger memory limit,
//! a machine without the address space) runs on the other one, whose instances are mapped one by one.

mod cache;
mod ticker;

use cache::CodeCache;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

pub(crate) use ticker::{TICK, Ticker};

/// Calls that run at once, over all plugins.
const SLOTS: u32 = 1_000;
/// Of these kept for taking down: a burst of `provision` must not keep servers from being released.
const SLOTS_FOR_CLEANUP: u32 = 256;
/// Of those, what one plugin may have at once, so that eight of them must hang before a ninth waits for its clean-up.
pub(crate) const CLEANUP_OF_ONE: usize = 32;
/// Calls of one plugin that may run at once at the most; a limit beyond is refused. So one plugin never has all places.
pub(crate) const CALLS_OF_ONE: u32 = 512;
/// What one component may take of the pool. The pool has so much for every slot, so that no plugin takes what another one's call needs;
/// a component that is made of more runs without it. Rust plugins have one memory, two tables and a handful of core instances.
const POOLED_MEMORIES: u32 = 1;
const POOLED_TABLES: u32 = 4;
const POOLED_CORE_INSTANCES: u32 = 16;
/// Bytes of a memory in the pool. A reservation of addresses, not of memory.
const POOLED_MEMORY: u64 = 256 << 20;
/// Bytes of a slot that may stay in memory between two calls and are put back by hand: more than a Rust plugin writes.
const KEEP_RESIDENT: usize = 256 << 10;
/// Slots that stay warm although nobody uses them. More of them would be memory that only a burst needs.
const WARM_SLOTS: u32 = 16;
/// Stack of a guest. The fiber that carries it and host functions has [`FIBER_STACK`].
const GUEST_STACK: usize = 512 << 10;
const FIBER_STACK: usize = 1 << 20;

/// See the module.
pub(crate) struct Engines {
    pooled: Option<Engine>,
    /// Why there is no pool, for the log.
    pool_missing: Option<String>,
    on_demand: OnceLock<Engine>,
    pub(crate) cache: Option<CodeCache>,
    pub(crate) ticker: Ticker,
    /// Places for calls that bring something up or ask.
    pub(crate) slots: Semaphore,
    /// Places for calls that take something down.
    pub(crate) cleanup_slots: Semaphore,
}

impl Engines {
    /// Builds the pool, or finds that this machine has no address space for one.
    ///
    /// # Errors
    /// A cache folder that others can write to, or a machine that wasmtime does not run on.
    pub(crate) fn build(cache_dir: Option<&Path>) -> Result<Self, String> {
        let cache = cache_dir.map(CodeCache::open).transpose()?;
        let (pooled, pool_missing) = match Engine::new(&pooled_config(cache.as_ref())) {
            Ok(engine) => (Some(engine), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        if let Some(reason) = &pool_missing {
            tracing::info!(reason, "plugins run without an instance pool: too little address space");
        }
        let engines = Self {
            pooled,
            pool_missing,
            on_demand: OnceLock::new(),
            cache,
            ticker: Ticker::default(),
            slots: Semaphore::new((SLOTS - SLOTS_FOR_CLEANUP) as usize),
            cleanup_slots: Semaphore::new(SLOTS_FOR_CLEANUP as usize),
        };
        match &engines.pooled {
            Some(engine) => engines.ticker.add(engine),
            // Without a pool the other one must work, so find out now.
            None => drop(engines.on_demand()?),
        }
        Ok(engines)
    }

    /// The engine for a plugin with this memory limit.
    pub(crate) fn for_memory(&self, bytes: u64) -> Result<Engine, String> {
        match &self.pooled {
            Some(engine) if bytes <= POOLED_MEMORY => Ok(engine.clone()),
            _ => self.on_demand(),
        }
    }

    /// The engine without a pool.
    pub(crate) fn on_demand(&self) -> Result<Engine, String> {
        if let Some(engine) = self.on_demand.get() {
            return Ok(engine.clone());
        }
        let engine = Engine::new(&config(self.cache.as_ref())).map_err(|error| match &self.pool_missing {
            Some(pool) => format!("the plugin engine does not run here: {error:#} (and no pool: {pool})"),
            None => format!("the plugin engine does not run here: {error:#}"),
        })?;
        let kept = self.on_demand.get_or_init(|| {
            self.ticker.add(&engine);
            engine
        });
        Ok(kept.clone())
    }

    /// Whether the engine is the one with a pool.
    pub(crate) fn is_pooled(&self, engine: &Engine) -> bool {
        self.pooled.as_ref().is_some_and(|pooled| Engine::same(pooled, engine))
    }
}

fn config(cache: Option<&CodeCache>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // No function of the contract is asynchronous; without it calls are cheaper and less code of the engine can be reached.
        .concurrency_support(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20))
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(FIBER_STACK)
        .cache(cache.map(CodeCache::wasmtime));
    config
}

fn pooled_config(cache: Option<&CodeCache>) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(SLOTS)
        .total_core_instances(SLOTS * POOLED_CORE_INSTANCES)
        .total_memories(SLOTS * POOLED_MEMORIES)
        .total_tables(SLOTS * POOLED_TABLES)
        .total_stacks(SLOTS)
        .max_core_instances_per_component(POOLED_CORE_INSTANCES)
        .max_memories_per_component(POOLED_MEMORIES)
        .max_tables_per_component(POOLED_TABLES)
        .max_memory_size(POOLED_MEMORY as usize)
        .max_unused_warm_slots(WARM_SLOTS)
        .async_stack_keep_resident(FIBER_STACK / 16);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        // The kernel tells which pages were written, and only those are put back. That halves the cost of a call.
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_RESIDENT / 8);
    }
    let mut config = config(cache);
    config.memory_reservation(POOLED_MEMORY).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// How long a call waits for a place before it is told to come back.
pub(crate) const BUSY: Duration = Duration::from_secs(10);
