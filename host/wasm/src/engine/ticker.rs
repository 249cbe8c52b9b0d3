//! One thread that moves the epoch on while calls run, and sleeps while none does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::{Engine, EngineWeak};

/// Length of an epoch: how long a guest can keep a worker thread to itself.
pub(crate) const TICK: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
    engines: Mutex<Vec<EngineWeak>>,
}

/// See the module. The thread is started by the first call and ends when this is dropped.
#[derive(Default)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: std::sync::OnceLock<Option<Thread>>,
}

impl Ticker {
    /// Moves this engine on too.
    pub(crate) fn add(&self, engine: &Engine) {
        self.shared.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine.weak());
    }

    /// Ticks until the answer is dropped.
    ///
    /// # Errors
    /// The machine has no thread left; a call without ticks could never be stopped, so it must not begin.
    pub(crate) fn run(&self) -> Result<Running<'_>, &'static str> {
        let thread = self.thread.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            let thread =
                std::thread::Builder::new().name("plugin-epochs".to_owned()).spawn(move || shared.tick());
            thread.ok().map(|handle| handle.thread().clone())
        });
        let Some(thread) = thread else { return Err("no thread could be started to watch over plugins") };
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        // The thread says that it is asleep before it looks at the count, so one of both sees the other.
        if self.shared.asleep.swap(false, Ordering::SeqCst) {
            thread.unpark();
        }
        Ok(Running(&self.shared))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(Some(thread)) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// A call that runs.
pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn tick(&self) {
        while !self.ended.load(Ordering::SeqCst) {
            if self.running.load(Ordering::SeqCst) == 0 {
                self.asleep.store(true, Ordering::SeqCst);
                if self.running.load(Ordering::SeqCst) == 0 && !self.ended.load(Ordering::SeqCst) {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                continue;
            }
            std::thread::park_timeout(TICK);
            let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
            engines.retain(|engine| match engine.upgrade() {
                Some(engine) => {
                    engine.increment_epoch();
                    true
                }
                None => false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_sleeps_when_nothing_runs_and_wakes_for_each_call() {
        let ticker = Ticker::default();
        let asleep = |expected| {
            let patience = std::time::Instant::now() + Duration::from_secs(30);
            while ticker.shared.asleep.load(Ordering::SeqCst) != expected {
                assert!(std::time::Instant::now() < patience);
                std::thread::yield_now();
            }
        };
        for _ in 0..3 {
            let running = ticker.run().unwrap();
            asleep(false);
            drop(running);
            asleep(true);
        }
    }
}
