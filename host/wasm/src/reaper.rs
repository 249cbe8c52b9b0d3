//! Takes down what calls have left, in tasks of its own: a caller that fails, is cut or goes away must not take the clean-up with it.

use crate::host::{LeftBehind, PluginHost};
use crate::ledger::{Left, Record, Subject};
use crate::plugin::Plugin;
use crate::v0_1::embedded::KIND;
use host_provisioner::{Class, Failure, Phase, ReleaseReason};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pauses before each further try. After the last one it stays in the ledger, for the end of this run or the next start.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(800), Duration::from_secs(4), Duration::from_secs(20)];
/// Time for one try.
const EACH: Duration = Duration::from_secs(30);

/// Owner of the tasks.
#[derive(Default)]
pub(crate) struct Reaper {
    tasks: TaskTracker,
    /// Set when the gateway ends: no more pauses, the end tries once more itself.
    ending: CancellationToken,
}

impl Reaper {
    /// Takes a lease down, with further tries. Needs a runtime; without one it stays in the ledger, which the next start reads.
    pub(crate) fn take(&self, plugin: Arc<Plugin>, record: Arc<Record>, reason: ReleaseReason) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let ending = self.ending.clone();
        self.tasks.spawn_on(
            async move {
                let Some(host) = plugin.host().this() else { return };
                for pause in std::iter::once(Duration::ZERO).chain(PAUSES) {
                    tokio::select! {
                        biased;
                        () = ending.cancelled(), if !pause.is_zero() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    match once(&host, Some(&plugin), &record, reason, EACH).await {
                        Ok(()) => return,
                        Err(failure) => {
                            let (plugin, server) = (&record.begin.plugin, &record.begin.server_name);
                            tracing::warn!(plugin, server, "could not be taken down: {}", failure.one_line());
                        }
                    }
                }
            },
            &runtime,
        );
    }

    /// Does something at a time, or when nobody waits any more. Not when the gateway ends: then the end itself takes down what is open.
    pub(crate) fn after(
        &self,
        until: Instant,
        cancelled: CancellationToken,
        then: impl FnOnce() + Send + 'static,
    ) {
        let ending = self.ending.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = ending.cancelled() => return,
                () = cancelled.cancelled() => {}
                () = tokio::time::sleep_until(until) => {}
            }
            then();
        });
    }

    /// Waits for what runs. What is between two tries is left to the caller.
    pub(crate) async fn drain(&self, ends: Instant) {
        self.ending.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout_at(ends, self.tasks.wait()).await;
    }

    /// Runs a task that outlives its caller.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn(task)
    }
}

/// One try. Succeeds when there is nothing to do (any more).
pub(crate) async fn once(
    host: &Arc<PluginHost>,
    plugin: Option<&Arc<Plugin>>,
    record: &Arc<Record>,
    reason: ReleaseReason,
    within: Duration,
) -> Result<(), Failure> {
    if record.is_released() {
        return Ok(());
    }
    if !record.is_written() {
        stop_workloads(host, record).await;
        host.ledger.released(record);
        return Ok(());
    }
    let Some(plugin) = plugin else {
        let name = &record.begin.plugin;
        let text = format!("plugin `{name}`, which made it, is not loaded");
        let hint = format!("start the gateway once with plugin `{name}`, or remove the objects by hand");
        return Err(Failure::new(Phase::Release, Class::Config, text).with_hint(hint));
    };
    match record.begin.subject {
        Subject::Shared => plugin.end(record, within).await,
        Subject::Server | Subject::Tool => {
            let done = plugin.release_record(record, reason, within).await;
            // Those of a call that failed are ours to stop whatever the plugin says: the engine is in this process.
            stop_workloads(host, record).await;
            done?;
            host.ledger.released(record);
            Ok(())
        }
    }
}

async fn stop_workloads(host: &PluginHost, record: &Record) {
    for id in record.own(KIND) {
        host.config.embedded.stop(&id, Duration::ZERO).await;
        host.workloads.remove(&id);
    }
}

/// Clean-up of several, side by side. One whose code panics is a fault of that one: it counts as left behind, and the others go on.
#[derive(Default)]
pub(crate) struct Endings {
    tasks: JoinSet<Vec<LeftBehind>>,
    records: HashMap<tokio::task::Id, Vec<Arc<Record>>>,
}

impl Endings {
    /// Begins one, which takes these records down.
    pub(crate) fn add(
        &mut self,
        of: Vec<Arc<Record>>,
        task: impl Future<Output = Vec<LeftBehind>> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.records.insert(id, of);
    }

    /// What all of them have left.
    pub(crate) async fn all(mut self) -> Vec<LeftBehind> {
        let mut left_behind = Vec::new();
        while let Some(done) = self.tasks.join_next_with_id().await {
            match done {
                Ok((_, left)) => left_behind.extend(left),
                Err(error) => {
                    let records = self.records.remove(&error.id()).unwrap_or_default();
                    let open = records.iter().filter(|record| !record.is_released());
                    left_behind
                        .extend(open.map(|record| LeftBehind { lease: record.lease(), failure: broken() }));
                }
            }
        }
        left_behind
    }
}

fn broken() -> Failure {
    let text = "the gateway's own code broke while it was taken down; the log above says where";
    Failure::new(Phase::Release, Class::Other, text).with_hint("it is tried again at the next start")
}

/// A lease of a dead run that could not even be written down here. Its old ledger still has it.
pub(crate) fn unadopted(left: &Left, error: &std::io::Error) -> LeftBehind {
    let text = format!("the gateway's ledger cannot be written: {error}");
    let failure =
        Failure::new(Phase::Release, Class::Retryable, text).with_hint("it is tried again at the next start");
    LeftBehind { lease: left.lease(), failure }
}

/// A release that went on when the time for all of them was over.
pub(crate) fn unfinished() -> Failure {
    Failure::new(Phase::Release, Class::Timeout, "it was still being taken down when the time was over")
}

/// Takes a lease down unless it is told not to: for calls that fail, trap, are cut, or whose future is dropped.
pub(crate) struct Unfinished {
    plugin: Option<Arc<Plugin>>,
    record: Arc<Record>,
}

impl Unfinished {
    pub(crate) fn new(plugin: Option<Arc<Plugin>>, record: Arc<Record>) -> Self {
        Self { plugin, record }
    }

    /// The call came to a good end.
    pub(crate) fn finished(mut self) {
        self.plugin = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(plugin) = self.plugin.take()
            && self.record.is_written()
            && let Some(host) = plugin.host().this()
        {
            host.reaper.take(plugin, Arc::clone(&self.record), ReleaseReason::Unfinished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endings;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn one_that_panics_does_not_take_the_others_with_it() {
        let done = Arc::new(AtomicBool::new(false));
        let (flag, (go, gone)) = (Arc::clone(&done), tokio::sync::oneshot::channel::<()>());
        let mut endings = Endings::default();
        endings.add(Vec::new(), async move {
            drop(go);
            panic!("a fault of ours")
        });
        endings.add(Vec::new(), async move {
            // After the other has broken.
            let _ = gone.await;
            tokio::task::yield_now().await;
            flag.store(true, Ordering::SeqCst);
            Vec::new()
        });
        assert!(endings.all().await.is_empty());
        assert!(done.load(Ordering::SeqCst));
    }
}
