//! Which workloads run, and how the last ones ended.

use crate::end::{Info, Status};
use crate::error::{Error, ErrorKind};
use crate::pipe::Pipe;
use crate::state::Streams;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Ended workloads whose reasons are kept.
const MAX_ENDED: usize = 256;

/// A workload that is being started or runs.
pub(crate) struct Workload {
    id: String,
    stdin: Arc<Pipe>,
    info: watch::Sender<Info>,
    task: Mutex<Task>,
}

enum Task {
    Coming,
    Runs(AbortHandle),
    Killed,
}

impl Workload {
    fn task(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Notes the task, and ends it at once if the workload was stopped meanwhile.
    pub(crate) fn set_task(&self, handle: AbortHandle) {
        let mut task = self.task();
        if matches!(*task, Task::Killed) {
            handle.abort();
        } else {
            *task = Task::Runs(handle);
        }
    }

    /// Ends it. A guest that computes is gone at its next tick, one that waits at once.
    pub(crate) fn kill(&self) {
        if let Task::Runs(handle) = std::mem::replace(&mut *self.task(), Task::Killed) {
            handle.abort();
        }
    }

    /// Tells it that no more input comes, which is how a well-behaved server is asked to end.
    pub(crate) fn close_stdin(&self) {
        self.stdin.close_writer();
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Info {
        let mut info = self.info.subscribe();
        match info.wait_for(|info| info.status == Status::Ended).await {
            Ok(info) => info.clone(),
            // The sender is ours and lives.
            Err(_) => Info::stopped(),
        }
    }
}

/// All workloads of an engine.
pub(crate) struct Registry {
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    running: HashMap<String, Arc<Workload>>,
    ended: HashMap<String, Info>,
    order: VecDeque<String>,
    closed: bool,
}

impl Registry {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, inner: Mutex::default() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a workload. It is given back when the returned guard is dropped, which is therefore the workload's end.
    pub(crate) fn reserve(self: &Arc<Self>, id: &str, streams: Streams) -> Result<Place, Error> {
        let mut inner = self.inner();
        if inner.closed {
            return Err(Error::engine("the embedded engine is being shut down"));
        }
        if inner.running.contains_key(id) {
            return Err(Error::new(ErrorKind::Exists, format!("a workload `{id}` runs already")));
        }
        if inner.running.len() >= self.max {
            let text =
                format!("{} workloads run in the embedded engine already, which is its limit", self.max);
            return Err(Error::new(ErrorKind::Busy, text));
        }
        let workload = Arc::new(Workload {
            id: id.to_owned(),
            stdin: Arc::clone(&streams.stdin),
            info: watch::Sender::new(Info::new(Status::Running, None, "running")),
            task: Mutex::new(Task::Coming),
        });
        inner.running.insert(id.to_owned(), Arc::clone(&workload));
        if inner.ended.remove(id).is_some() {
            inner.order.retain(|known| known != id);
        }
        drop(inner);
        Ok(Place { registry: Arc::clone(self), workload, streams, end: OnceLock::new() })
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Workload>> {
        self.inner().running.get(id).cloned()
    }

    pub(crate) fn info(&self, id: &str) -> Info {
        let inner = self.inner();
        match (inner.running.get(id), inner.ended.get(id)) {
            (Some(workload), _) => workload.info.borrow().clone(),
            (None, Some(info)) => info.clone(),
            (None, None) => Info::new(Status::Unknown, None, "unknown"),
        }
    }

    /// Ids of those that run, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.inner().running.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// Refuses everything new from now on, and returns what runs.
    pub(crate) fn close(&self) -> Vec<Arc<Workload>> {
        let mut inner = self.inner();
        inner.closed = true;
        inner.running.values().cloned().collect()
    }

    fn end(&self, workload: &Workload, info: Info) {
        let mut inner = self.inner();
        inner.running.remove(&workload.id);
        inner.ended.insert(workload.id.clone(), info.clone());
        inner.order.push_back(workload.id.clone());
        while inner.order.len() > MAX_ENDED {
            if let Some(oldest) = inner.order.pop_front() {
                inner.ended.remove(&oldest);
            }
        }
        // Told while the lock is held: whoever hears of the end also finds it in the table.
        workload.info.send_replace(info);
    }
}

/// The place of a workload. Whoever holds it keeps the workload alive in the books; dropping it is the end.
pub(crate) struct Place {
    registry: Arc<Registry>,
    pub(crate) workload: Arc<Workload>,
    pub(crate) streams: Streams,
    end: OnceLock<Info>,
}

impl Place {
    /// Notes how the workload ended by itself; without this it was cut short.
    pub(crate) fn set_end(&self, info: Info) {
        let _ = self.end.set(info);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let info = match self.end.take() {
            Some(info) => info,
            None if std::thread::panicking() => Info::failed(),
            None => Info::stopped(),
        };
        self.registry.end(&self.workload, info);
        // After the books: whoever reads the end of a stream and asks for the reason gets it.
        self.streams.stdin.close_reader();
        self.streams.stdout.close_writer();
        self.streams.stderr.close_writer();
    }
}
