//! How fast one sender may ask one host: a bucket of requests that fills again, and the host's own "not before".

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Requests that may go at once, and how many more each second. Control planes allow accounts some ten a second.
const BURST: f64 = 40.0;
const EACH_SECOND: f64 = 20.0;
/// Hosts that are remembered.
const HOSTS: usize = 4_096;

/// The pace of everybody.
#[derive(Default)]
pub(crate) struct Pace(Mutex<HashMap<(String, String), Bucket>>);

struct Bucket {
    tokens: f64,
    filled: Instant,
    not_before: Instant,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self { tokens: BURST, filled: now, not_before: now }
    }

    /// Takes one request out; how long it has to wait for it.
    fn take(&mut self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * EACH_SECOND).min(BURST);
        self.filled = now;
        self.tokens -= 1.0;
        let owed = if self.tokens < 0.0 { -self.tokens / EACH_SECOND } else { 0.0 };
        Duration::from_secs_f64(owed).max(self.not_before.saturating_duration_since(now))
    }
}

impl Pace {
    fn with<T>(&self, who: &str, host: &str, now: Instant, what: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= HOSTS {
            // Full buckets are what a new one would be.
            buckets
                .retain(|_, bucket| now.saturating_duration_since(bucket.filled) < Duration::from_secs(10));
        }
        what(buckets.entry((who.to_owned(), host.to_owned())).or_insert_with(|| Bucket::new(now)))
    }

    /// How long the next request of `who` to `host` has to wait.
    pub(crate) fn wait(&self, who: &str, host: &str) -> Duration {
        let now = Instant::now();
        self.with(who, host, now, |bucket| bucket.take(now))
    }

    /// The host asked to be left alone for so long.
    pub(crate) fn held(&self, who: &str, host: &str, pause: Duration) {
        let now = Instant::now();
        let until = now.checked_add(pause).unwrap_or(now);
        self.with(who, host, now, |bucket| bucket.not_before = bucket.not_before.max(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_and_then_so_many_a_second() {
        let pace = Pace::default();
        for _ in 0..40 {
            assert_eq!(pace.wait("p", "h"), Duration::ZERO);
        }
        assert_eq!(pace.wait("p", "h"), Duration::from_millis(50));
        assert_eq!(pace.wait("p", "h"), Duration::from_millis(100));
        // Nobody else is held up.
        assert_eq!(pace.wait("q", "h"), Duration::ZERO);
        assert_eq!(pace.wait("p", "i"), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pace.wait("p", "h"), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_asks_for_a_pause_gets_it() {
        let pace = Pace::default();
        pace.held("p", "h", Duration::from_secs(3));
        assert_eq!(pace.wait("p", "h"), Duration::from_secs(3));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(pace.wait("p", "h"), Duration::from_secs(1));
        // No clock has that moment.
        pace.held("p", "i", Duration::MAX);
        assert_eq!(pace.wait("p", "i"), Duration::ZERO);
    }
}
