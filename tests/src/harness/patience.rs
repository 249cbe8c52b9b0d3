//! Waiting for what must come: as long as a slow machine needs, and not a moment longer.

use std::time::Duration;

/// How long anything may take before a test gives up. Generous, because it is only ever spent by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks at something that tells nobody when it changes.
const BETWEEN: Duration = Duration::from_millis(20);

/// Waits for a future that must come to its end.
///
/// # Panics
/// Patience is over; the message says what was waited for.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("waited {PATIENCE:?} for {what}, in vain"),
    }
}

/// Looks again and again until there is something.
///
/// # Panics
/// Patience is over; the message says what was waited for, and what the last look gave instead.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begin = tokio::time::Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if begin.elapsed() > PATIENCE => panic!("waited {PATIENCE:?} for {what}, but: {seen}"),
            Err(_) => tokio::time::sleep(BETWEEN).await,
        }
    }
}
