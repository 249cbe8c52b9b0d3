//! The thread that moves the epoch on while guests run, so that every guest comes to a point where it can be interrupted.
//!
//! It holds the engine weakly and sleeps for good while no guest runs: an idle gateway is not woken. Waking it costs a system call on the
//! way of a message, so it goes to sleep only after a few ticks without any work; under load that call is never made.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::EngineWeak;

/// Length of a tick: how long a guest that computes keeps a worker thread before others get their turn. Shorter ticks were not seen to
/// help anybody, since a switch is only as late as the tick, and cost more wake-ups.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// Ticks without any work after which the thread sleeps for good.
const IDLE_TICKS: u32 = 4;

/// Counts guests that run at this moment, and wakes the thread when the first of them comes.
#[derive(Default)]
pub(crate) struct Ticker {
    entered: AtomicU64,
    left: AtomicU64,
    parked: AtomicBool,
    ended: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Ticker {
    /// Starts the thread. It ends when [`end`](Self::end) is called or the engine is gone.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self::default());
        let owned = Arc::clone(&ticker);
        let handle = std::thread::Builder::new()
            .name("embedded-ticker".to_owned())
            .spawn(move || owned.tick(&engine))?;
        // Nothing can enter before this returns, so the thread is known before anybody wants to wake it.
        let _ = ticker.thread.set(handle.thread().clone());
        Ok(ticker)
    }

    /// Says that a guest begins to run on this thread.
    #[inline]
    pub(crate) fn enter(&self) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        // With the order of `SeqCst` either this sees the thread parked, or the thread sees the new count before it parks.
        if self.parked.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Says that the guest has stopped running for now.
    #[inline]
    pub(crate) fn leave(&self) {
        self.left.fetch_add(1, Ordering::Release);
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.wake();
    }

    #[cold]
    fn wake(&self) {
        self.parked.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn tick(&self, engine: &EngineWeak) {
        let mut seen = 0;
        let mut idle = 0;
        while !self.ended.load(Ordering::SeqCst) {
            let entered = self.entered.load(Ordering::SeqCst);
            let busy = entered != seen || entered != self.left.load(Ordering::Acquire);
            seen = entered;
            idle = if busy { 0 } else { idle + 1 };
            if idle >= IDLE_TICKS {
                self.parked.store(true, Ordering::SeqCst);
                if self.entered.load(Ordering::SeqCst) == seen && !self.ended.load(Ordering::SeqCst) {
                    std::thread::park();
                }
                self.parked.store(false, Ordering::SeqCst);
                idle = 0;
                continue;
            }
            std::thread::park_timeout(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    }
}
