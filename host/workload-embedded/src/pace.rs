//! Runs a guest as a well-behaved neighbour: it gives its worker thread back at every tick, keeps to its share of the processor, and if
//! it computes all the time it does so on another thread.
//!
//! The gateway's relay lives on the same worker threads. A guest that answers messages is polled for microseconds and never meets any of
//! this. One that computes for long is interrupted at the next tick, and after a few of those it is polled on a thread of the runtime's
//! blocking pool, a tick at a time, until it waits for something again. There the operating system shares the processor fairly; a
//! yielding task on a worker thread would keep that worker from its timers and sockets, which was seen as milliseconds of delay. Of
//! those threads there is one less than workers, given out in turn, so that any number of guests that compute leaves one processor to
//! everybody else.

use crate::ticker::{TICK, Ticker};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::{Duration, Instant};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use wasmtime::UpdateDeadline;

/// A poll that took longer counts as computing, not as answering.
const LONG_POLL: Duration = Duration::from_micros(500);

/// A guest may spend a quarter of its time in long polls, and this many seconds more at once, before it has to compute elsewhere.
const LONG_RATE: f64 = 0.25;
const LONG_BURST: f64 = 0.004;

/// Over which time a share of the processor is kept: a guest with a tenth of a processor may use a tenth of this at once.
const SHARE_WINDOW: f64 = 0.1;

/// Seconds of processor time that flow in at a rate and are taken out as they are used. Can go below zero.
struct Bucket {
    rate: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, level: burst, at: Instant::now() }
    }

    /// Takes out what was used until `now`. True if something is left.
    fn take(&mut self, used: Duration, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level + passed * self.rate).min(self.burst) - used.as_secs_f64();
        self.level > 0.0
    }

    /// How long until the level is a millisecond's worth above zero.
    fn wait(&self) -> Duration {
        Duration::try_from_secs_f64((0.001_f64.mul_add(self.rate, -self.level)) / self.rate)
            .unwrap_or(Duration::from_secs(1))
    }
}

/// Threads that guests which compute may use at once; shared by all guests of an engine.
pub(crate) fn long_runners(workers: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(workers.saturating_sub(1).max(1)))
}

/// What the guest's own thread of control needs to know at a tick: when the current poll began.
pub(crate) struct Beat {
    origin: Instant,
    began: AtomicU64,
}

impl Beat {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { origin: Instant::now(), began: AtomicU64::new(0) })
    }

    fn begin(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        self.began.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Called by the guest when it notices that the epoch has moved on. A guest that has only just been woken goes on: the ticks it has
    /// missed while it slept are no reason to make its message wait.
    pub(crate) fn tick(&self) -> UpdateDeadline {
        let began = Duration::from_nanos(self.began.load(Ordering::Relaxed));
        if self.origin.elapsed().saturating_sub(began) < TICK / 2 {
            return UpdateDeadline::Continue(1);
        }
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    }
}

/// A turn of a guest on a thread of the blocking pool. The order of the fields is the order of their end.
struct Turn<F: Future, K> {
    outcome: Poll<F::Output>,
    guest: F,
    used: Used,
    /// Asked when the guest is back, not when its turn ends: it may be woken in between.
    alarm: Arc<Alarm>,
    /// Keeps what must outlive the guest, should nobody take it back.
    _keep: K,
}

/// How long a turn took, and when it ended: the clock is read twice per turn, not more, because every message is one.
#[derive(Clone, Copy)]
struct Used {
    time: Duration,
    until: Instant,
}

/// Where the guest is.
enum Whereabouts<F: Future, K> {
    Here(F),
    Queued(F, Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>),
    Away(JoinHandle<Turn<F, K>>),
    Gone,
}

/// A guest's future with the brakes on. Its output is `None` if the runtime or a host function ended it.
pub(crate) struct Paced<F: Future, K> {
    guest: Whereabouts<F, K>,
    keep: K,
    beat: Arc<Beat>,
    ticker: Arc<Ticker>,
    runners: Arc<Semaphore>,
    share: Option<Bucket>,
    long: Bucket,
    over_share: Option<Pin<Box<Sleep>>>,
    computes: bool,
}

impl<F, K> Paced<F, K>
where
    F: Future + Send + Unpin + 'static,
    F::Output: Send,
    K: Clone + Send + Unpin + 'static,
{
    /// `share` is in thousandths of a processor; `keep` is dropped after the guest, wherever that happens.
    pub(crate) fn new(
        guest: F,
        keep: K,
        beat: Arc<Beat>,
        ticker: Arc<Ticker>,
        runners: Arc<Semaphore>,
        share: Option<u32>,
    ) -> Self {
        let share = share.filter(|millis| *millis < 1000).map(|millis| {
            let rate = f64::from(millis.max(1)) / 1000.0;
            Bucket::new(rate, (rate * SHARE_WINDOW).max(TICK.as_secs_f64()))
        });
        let long = Bucket::new(LONG_RATE, LONG_BURST);
        Self {
            guest: Whereabouts::Here(guest),
            keep,
            beat,
            ticker,
            runners,
            share,
            long,
            over_share: None,
            computes: false,
        }
    }

    /// Lets the guest run once on a thread where it disturbs nobody.
    fn send_away(
        &self,
        mut guest: F,
        permit: OwnedSemaphorePermit,
        cx: &Context<'_>,
    ) -> JoinHandle<Turn<F, K>> {
        let (beat, ticker, keep) = (Arc::clone(&self.beat), Arc::clone(&self.ticker), self.keep.clone());
        let alarm = Arc::new(Alarm { woken: AtomicBool::new(false), task: cx.waker().clone() });
        tokio::task::spawn_blocking(move || {
            let waker = Waker::from(Arc::clone(&alarm));
            let (outcome, used) = turn(&mut guest, &beat, &ticker, &mut Context::from_waker(&waker));
            drop(permit);
            Turn { outcome, guest, used, alarm, _keep: keep }
        })
    }

    /// Books what a turn has used, and decides about the next one.
    fn account(&mut self, used: Used, pending: bool, cx: &mut Context<'_>) {
        let Used { time: used, until: now } = used;
        let counted = if used >= LONG_POLL { used } else { Duration::ZERO };
        self.computes = !self.long.take(counted, now);
        if let Some(share) = &mut self.share
            && !share.take(used, now)
            && pending
        {
            // What wakes the guest meanwhile only comes to the sleep, so the waker has to be left there.
            let mut sleep = Box::pin(tokio::time::sleep(share.wait()));
            if sleep.as_mut().poll(cx).is_pending() {
                self.over_share = Some(sleep);
            }
        }
    }
}

/// One poll of a guest with everything around it, and how long it took.
fn turn<F: Future + Unpin>(
    guest: &mut F,
    beat: &Beat,
    ticker: &Ticker,
    cx: &mut Context<'_>,
) -> (Poll<F::Output>, Used) {
    let began = Instant::now();
    beat.begin(began);
    ticker.enter();
    // The guard also covers a panic in a host function, after which the ticker would otherwise never sleep again.
    let left = Left(ticker);
    let outcome = Pin::new(guest).poll(cx);
    drop(left);
    let until = Instant::now();
    (outcome, Used { time: until.saturating_duration_since(began), until })
}

impl<F, K> Future for Paced<F, K>
where
    F: Future + Send + Unpin + 'static,
    F::Output: Send,
    K: Clone + Send + Unpin + 'static,
{
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(sleep) = &mut this.over_share {
            ready!(sleep.as_mut().poll(cx));
            this.over_share = None;
        }
        loop {
            match std::mem::replace(&mut this.guest, Whereabouts::Gone) {
                Whereabouts::Here(mut guest) if !this.computes => {
                    let (outcome, used) = turn(&mut guest, &this.beat, &this.ticker, cx);
                    this.account(used, outcome.is_pending(), cx);
                    this.guest = Whereabouts::Here(guest);
                    return outcome.map(Some);
                }
                Whereabouts::Here(guest) => {
                    let queue = Box::pin(Arc::clone(&this.runners).acquire_owned());
                    this.guest = Whereabouts::Queued(guest, queue);
                }
                Whereabouts::Queued(guest, mut queue) => match queue.as_mut().poll(cx) {
                    Poll::Pending => {
                        this.guest = Whereabouts::Queued(guest, queue);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(permit)) => {
                        this.guest = Whereabouts::Away(this.send_away(guest, permit, cx))
                    }
                    // Nobody closes the semaphore.
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                },
                Whereabouts::Away(mut away) => match Pin::new(&mut away).poll(cx) {
                    Poll::Pending => {
                        this.guest = Whereabouts::Away(away);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(Turn { outcome, guest, used, alarm, .. })) => {
                        this.account(used, outcome.is_pending(), cx);
                        this.guest = Whereabouts::Here(guest);
                        // A guest that is over its share comes back here after its sleep.
                        let woken = alarm.woken.load(Ordering::SeqCst);
                        if outcome.is_ready() || !woken || this.over_share.is_some() {
                            return outcome.map(Some);
                        }
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                },
                Whereabouts::Gone => return Poll::Ready(None),
            }
        }
    }
}

/// Wakes the task of a guest that is away, and remembers it: the task cannot poll the guest at that moment.
struct Alarm {
    woken: AtomicBool,
    task: Waker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.task.wake_by_ref();
    }
}

struct Left<'a>(&'a Ticker);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_over_time() {
        let mut bucket = Bucket::new(0.1, 0.01);
        let start = bucket.at;
        let ms = Duration::from_millis;
        assert!(bucket.take(ms(5), start + ms(5)), "a burst is allowed");
        assert!(!bucket.take(ms(10), start + ms(15)), "a longer one is not");
        let back = start + ms(15) + bucket.wait();
        assert!(bucket.take(ms(0), back), "after the wait it may go on");
        // 15 ms were used; a tenth of the time beyond the first burst of 10 ms pays for them.
        assert!(back.duration_since(start) >= ms(50), "waited only {:?}", back.duration_since(start));
    }
}
