//! One call: a fresh instance from the prepared component, with its limits, its deadline and an end whatever the plugin does.
//!
//! *Invariant:* a store is used for one call. A trap, a limit or a deadline therefore costs one call, and dropping the future of a call
//! drops the instance with everything it holds.

use crate::engine::{BUSY, Engines, TICK};
use crate::error::{busy, limit, named, stopped};
use crate::limits::{Limits, Met, WASI_HANDLES};
use crate::load::Loaded;
use crate::state::{CallState, Scope};
use crate::v0_1::exports::Export;
use host_provisioner::{Class, Failure, Phase};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use wasmtime::{Store, UpdateDeadline};

/// How long a plugin may go on after nobody waits any more, so that it can answer in good order.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// An answer, and what the call had in hand when it came.
pub(crate) struct Done<T> {
    pub(crate) answer: T,
    pub(crate) state: CallState,
}

/// Where a call queues: in one of the plugin's own queues first, then for one of the places of all plugins.
#[derive(Clone, Copy)]
pub(crate) enum Lane<'a> {
    /// To bring something up, or to ask. Gives up soon and is told to come back.
    Work(&'a Semaphore),
    /// To take something down: queue and places of its own, so that it never waits behind what it cleans up, nor behind another plugin's
    /// clean-up that hangs. Waits as long as the call may.
    CleanUp(&'a Semaphore),
    /// To be asked who it is, before it has queues.
    Load,
}

impl<'a> Lane<'a> {
    fn own(self) -> Option<&'a Semaphore> {
        match self {
            Self::Work(own) | Self::CleanUp(own) => Some(own),
            Self::Load => None,
        }
    }

    fn cleans_up(self) -> bool {
        matches!(self, Self::CleanUp(_))
    }
}

/// Calls an export.
///
/// # Errors
/// No place in time (`retryable`), a deadline, a limit, a trap.
pub(crate) async fn run<E: Export>(
    engines: &Engines,
    loaded: &Loaded,
    limits: &Limits,
    lane: Lane<'_>,
    scope: Scope,
    export: E,
) -> Result<Done<E::Answer>, Failure> {
    let (name, phase) = (Arc::clone(&scope.plugin), scope.phase);
    let name = name.name.as_str();
    let ours = Instant::now() + limits.call;
    let asked = Instant::from_std(scope.call.deadline);
    let ends = ours.min(asked);
    let _places = places(engines, lane, &scope, ends).await?;
    let _ticks =
        engines.ticker.run().map_err(|text| named(Failure::new(phase, Class::Retryable, text), name))?;

    let cancelled = scope.call.cancelled.clone();
    let mut store = Store::new(loaded.engine(), CallState::new(scope, limits, ends));
    store.limiter(|state| &mut state.held);
    store.set_hostcall_fuel(usize::try_from(limits.data).unwrap_or(usize::MAX));
    store.set_max_component_handles(limits.handles as usize + WASI_HANDLES);
    let meter = Arc::new(Meter::new(limits.cpu));
    // Both are needed: the deadline makes the guest look up at each tick, the callback decides what happens then.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback({
        let meter = Arc::clone(&meter);
        move |_| meter.tick().map(|()| UpdateDeadline::Yield(1)).map_err(wasmtime::Error::from)
    });

    let mut begun = false;
    let outcome = {
        let work = std::pin::pin!(async {
            let plugin = loaded.pre.instantiate_async(&mut store).await?;
            begun = true;
            export.call(&mut store, &plugin, &loaded.functions).await
        });
        tokio::select! {
            biased;
            answer = Metered { work, meter: &meter } => Ok(answer),
            () = tokio::time::sleep_until(ends) => Err(Cut::Over),
            () = after(&cancelled) => Err(Cut::Unwanted),
        }
    };
    let state = store.data();
    let outcome = outcome.map_err(|cut| match cut {
        Cut::Over => over(name, phase, limits, ours <= asked, state.entered),
        Cut::Unwanted => {
            let text = format!("nobody waits for plugin `{name}` any more");
            named(Failure::new(phase, Class::Cancelled, text), name)
        }
    });
    state.lines.finish(name);
    if state.output.written() > 0 && tracing::enabled!(tracing::Level::DEBUG) {
        for line in state.output.last_lines(20) {
            tracing::debug!(plugin = name, phase = phase.as_str(), "{line}");
        }
    }
    match outcome? {
        Ok(answer) => {
            let mut state = store.into_data();
            if state.lost {
                let text = format!("the answer of plugin `{name}` was lost, as a test wants it");
                return Err(named(Failure::new(phase, Class::Other, text), name));
            }
            state.last_update();
            Ok(Done { answer, state })
        }
        Err(error) => {
            let failure = stopped(name, phase, &error, begun, limits, &store.data().output);
            let (version, digest) = (loaded.description.version.as_str(), loaded.description.digest.as_str());
            tracing::warn!(
                plugin = name,
                version,
                digest,
                phase = phase.as_str(),
                "stopped: {}",
                failure.text
            );
            Err(failure)
        }
    }
}

async fn after(cancelled: &tokio_util::sync::CancellationToken) {
    cancelled.cancelled().await;
    tokio::time::sleep(CANCEL_GRACE).await;
}

/// Why a call was ended from outside.
enum Cut {
    /// Its time was over.
    Over,
    /// Nobody waited any more.
    Unwanted,
}

/// What it asked for last is what it waited for, or near it.
fn over(name: &str, phase: Phase, limits: &Limits, ours: bool, entered: Option<&str>) -> Failure {
    let mut failure = if ours {
        limit(name, phase, &Met::Call(limits.call))
    } else {
        let text = format!("plugin `{name}` did not answer in time");
        named(Failure::new(phase, Class::Timeout, text), name)
    };
    if let Some(function) = entered {
        failure.details.push(format!("the last that it asked the gateway for is `{function}`"));
    }
    failure
}

/// A place in the plugin's own queue and one in the engine's pool.
async fn places<'a>(
    engines: &'a Engines,
    lane: Lane<'a>,
    scope: &Scope,
    ends: Instant,
) -> Result<(Option<SemaphorePermit<'a>>, SemaphorePermit<'a>), Failure> {
    let slots = if lane.cleans_up() { &engines.cleanup_slots } else { &engines.slots };
    // The usual case without touching the timer.
    let quick = match lane.own() {
        Some(lane) => lane.try_acquire().ok().map(Some),
        None => Some(None),
    };
    if let (Some(own), Ok(slot)) = (quick, slots.try_acquire()) {
        return Ok((own, slot));
    }
    let (name, phase) = (scope.plugin.name.as_str(), scope.phase);
    let wait = async {
        let own = match lane.own() {
            Some(lane) => Some(lane.acquire().await.map_err(|_| busy(name, phase))?),
            None => None,
        };
        Ok((own, slots.acquire().await.map_err(|_| busy(name, phase))?))
    };
    // Nothing would be gained by giving up clean-up sooner.
    let until = if lane.cleans_up() { ends } else { ends.min(Instant::now() + BUSY) };
    tokio::select! {
        biased;
        places = wait => places,
        () = scope.call.cancelled.cancelled() => {
            let text = format!("nobody waits for plugin `{name}` any more");
            Err(named(Failure::new(phase, Class::Cancelled, text), name))
        }
        () = tokio::time::sleep_until(until) => Err(busy(name, phase)),
    }
}

/// Measures how long a guest computes: the time its future is being polled, which waiting in host functions is not.
struct Meter {
    since: std::time::Instant,
    budget: Duration,
    /// Nanoseconds from `since` to the begin of the poll that runs.
    began: AtomicU64,
    /// Nanoseconds of the polls before.
    spent: AtomicU64,
}

impl Meter {
    fn new(budget: Duration) -> Self {
        Self { since: std::time::Instant::now(), budget, began: AtomicU64::new(0), spent: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What this poll took so far. A guest yields at each tick, so what is much longer was the machine being busy with others.
    fn slice(&self) -> u64 {
        let most = u64::try_from((3 * TICK).as_nanos()).unwrap_or(u64::MAX);
        self.now().saturating_sub(self.began.load(Ordering::Relaxed)).min(most)
    }

    fn begin(&self) {
        self.began.store(self.now(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.spent.fetch_add(self.slice(), Ordering::Relaxed);
    }

    fn tick(&self) -> Result<(), Met> {
        let spent = Duration::from_nanos(self.spent.load(Ordering::Relaxed).saturating_add(self.slice()));
        if spent > self.budget { Err(Met::Cpu(self.budget)) } else { Ok(()) }
    }
}

struct Metered<'a, F> {
    work: Pin<&'a mut F>,
    meter: &'a Meter,
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.begin();
        let answer = self.work.as_mut().poll(context);
        self.meter.end();
        answer
    }
}
