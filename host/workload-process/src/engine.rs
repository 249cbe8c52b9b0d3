//! The engine: starts commands, knows how they fare, and ends them with everything that they have started.

use crate::MARK;
use crate::end::Status;
use crate::error::{Error, ErrorKind};
use crate::group;
use crate::program;
use crate::record::Record;
use crate::spec::StartSpec;
use rustix::process::{Pid, Signal};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(2);

/// What an engine is told.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// This run of the gateway, unique and fit for a file name.
    pub session: String,
    /// The state folder.
    pub state: PathBuf,
    /// How long a process may take to end after its input was closed.
    pub after_close: Duration,
    /// How long its group may take after `SIGTERM`.
    pub after_term: Duration,
}

impl EngineConfig {
    /// With the times that the MCP SDKs give their servers: two seconds each.
    #[must_use]
    pub fn new(session: impl Into<String>, state: impl Into<PathBuf>) -> Self {
        let two = Duration::from_secs(2);
        Self { session: session.into(), state: state.into(), after_close: two, after_term: two }
    }
}

/// A command that was started. Its end is seen at its output.
#[derive(Debug)]
pub struct Started {
    /// For [`ProcessEngine::status`] and [`ProcessEngine::stop`].
    pub id: u64,
    /// Its process, which leads the group.
    pub pid: u32,
    /// Its input.
    pub stdin: ChildStdin,
    /// Its output.
    pub stdout: ChildStdout,
    /// Its standard error.
    pub stderr: ChildStderr,
}

/// How far the end of a process has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Running,
    /// The first process has ended, others of the group may be left.
    Ended(Status),
    /// Nobody of the group is left, or, if false, somebody does not end.
    Over(Status, bool),
}

struct Entry {
    name: String,
    group: Pid,
    stage: watch::Sender<Stage>,
}

impl Entry {
    /// Whether the first process has ended within this time.
    async fn ended(&self, within: Duration) -> bool {
        let mut stage = self.stage.subscribe();
        let ended = stage.wait_for(|stage| *stage != Stage::Running);
        tokio::time::timeout(within, ended).await.is_ok()
    }

    /// Whether the whole group was ended within this time.
    async fn over(&self, within: Duration) -> bool {
        let mut stage = self.stage.subscribe();
        let over = stage.wait_for(|stage| matches!(stage, Stage::Over(..)));
        matches!(tokio::time::timeout(within, over).await, Ok(Ok(stage)) if matches!(*stage, Stage::Over(_, true)))
    }

    /// Signals the group as long as its number is certainly its own.
    fn signal(&self, signal: Signal) {
        if *self.stage.borrow() == Stage::Running {
            group::signal(self.group, signal);
        }
    }
}

#[derive(Default)]
struct Table {
    entries: BTreeMap<u64, Arc<Entry>>,
    next: u64,
    record: Option<Record>,
    closed: bool,
}

/// See the module.
pub struct ProcessEngine {
    config: EngineConfig,
    table: Mutex<Table>,
    tasks: TaskTracker,
}

impl ProcessEngine {
    /// An engine without processes. Touches nothing.
    #[must_use]
    pub fn new(config: EngineConfig) -> Arc<Self> {
        Arc::new(Self { config, table: Mutex::default(), tasks: TaskTracker::new() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program that a command means, without starting it.
    ///
    /// # Errors
    /// It is not there, or cannot be run.
    pub fn check(&self, spec: &StartSpec) -> Result<PathBuf, Error> {
        self.find(spec).map(|(program, _)| program)
    }

    /// The program, and the folder where it runs.
    fn find(&self, spec: &StartSpec) -> Result<(PathBuf, PathBuf), Error> {
        let here = || Error::new(ErrorKind::Engine, "the gateway's own folder is gone");
        let directory = match &spec.directory {
            Some(directory) if directory.is_dir() => directory.clone(),
            Some(directory) => {
                let text = format!("the folder `{}` is not there", directory.display());
                return Err(Error::new(ErrorKind::Specification, text));
            }
            None => std::env::current_dir().map_err(|_| here())?,
        };
        let path = last(&spec.environment, "PATH");
        Ok((program::find(&spec.program, path, &directory)?, directory))
    }

    /// Starts a command. Must be called within a runtime. There is no await, so nothing can be cut between the start and the answer.
    ///
    /// # Errors
    /// The program is not there, the system refuses, or the engine is shutting down.
    pub fn start(&self, spec: &StartSpec) -> Result<Started, Error> {
        let (program, directory) = self.find(spec)?;
        let mut table = self.table();
        if table.closed {
            return Err(Error::new(ErrorKind::Engine, "the gateway is shutting down"));
        }
        if table.record.is_none() {
            let record = Record::create(&self.config.state, &self.config.session).map_err(|error| {
                Error::new(ErrorKind::Engine, format!("noting that there are processes failed: {error}"))
            })?;
            table.record = Some(record);
        }
        table.next += 1;
        let id = table.next;
        let mark = format!("{}.{id}", self.config.session);
        let (mut child, pid) = spawn(spec, &program, &directory, &mark)?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(Error::new(ErrorKind::Engine, "a started command has no streams"));
        };
        let entry = Arc::new(Entry {
            name: spec.name.clone(),
            group: pid,
            stage: watch::Sender::new(Stage::Running),
        });
        table.entries.insert(id, Arc::clone(&entry));
        drop(table);
        self.tasks.spawn(attend(child, entry, self.config.after_term));
        tracing::debug!(server = spec.name, pid = pid.as_raw_nonzero().get(), "command started");
        Ok(Started { id, pid: pid.as_raw_nonzero().get().unsigned_abs(), stdin, stdout, stderr })
    }

    /// How a process fares; `None` for one that was stopped or never was.
    #[must_use]
    pub fn status(&self, id: u64) -> Option<Status> {
        let entry = self.table().entries.get(&id).cloned()?;
        let stage = entry.stage.borrow();
        Some(match &*stage {
            Stage::Running => Status::Running,
            Stage::Ended(status) | Stage::Over(status, _) => status.clone(),
        })
    }

    /// As [`Self::status`], for a process that seems to have ended: its output ends a moment before the system can tell how it did.
    pub async fn settled(&self, id: u64, within: Duration) -> Option<Status> {
        let entry = self.table().entries.get(&id).cloned()?;
        entry.ended(within).await;
        self.status(id)
    }

    /// Ends a process whose input was closed already, and everybody of its group: waits, asks with `SIGTERM`, kills. Stopping what is not there
    /// succeeds.
    ///
    /// # Errors
    /// Somebody of the group does not end.
    pub async fn stop(&self, id: u64) -> Result<(), Error> {
        self.stop_within(id, self.config.after_close, self.config.after_term).await
    }

    async fn stop_within(&self, id: u64, after_close: Duration, after_term: Duration) -> Result<(), Error> {
        let Some(entry) = self.table().entries.get(&id).cloned() else { return Ok(()) };
        if !entry.ended(after_close).await {
            tracing::debug!(server = entry.name, "its input is closed and it goes on; SIGTERM");
            entry.signal(Signal::TERM);
            if !entry.ended(after_term).await {
                tracing::warn!(server = entry.name, "it ignores SIGTERM; SIGKILL");
                entry.signal(Signal::KILL);
            }
        }
        // Whoever is left of the group is ended by the task that attends to it.
        if entry.over(after_term + 2 * KILLED).await {
            self.table().entries.remove(&id);
            return Ok(());
        }
        let text = format!("process group {} does not end", entry.group.as_raw_nonzero());
        Err(Error::new(ErrorKind::Stuck, text))
    }

    /// Ends everything within this time, starts nothing any more, and names what does not end: server and process group.
    pub async fn shutdown(&self, within: Duration) -> Vec<(String, u32)> {
        let ids: Vec<u64> = {
            let mut table = self.table();
            table.closed = true;
            table.entries.keys().copied().collect()
        };
        let third = within / 3;
        let stops = ids.into_iter().map(|id| self.stop_within(id, third, third));
        // One after the other would add up their times.
        let stops: Vec<_> = stops.map(Box::pin).collect();
        join_all(stops).await;
        let mut table = self.table();
        let left: Vec<_> = table
            .entries
            .values()
            .map(|entry| (entry.name.clone(), entry.group.as_raw_nonzero().get().unsigned_abs()))
            .collect();
        if left.is_empty()
            && let Some(record) = table.record.take()
            && let Err(error) = record.remove()
        {
            tracing::warn!(%error, "the record of processes was not removed");
        }
        left
    }
}

impl Drop for ProcessEngine {
    fn drop(&mut self) {
        for entry in self.table().entries.values() {
            entry.signal(Signal::KILL);
        }
    }
}

/// Waits for all of them at once.
async fn join_all<F: Future + Unpin>(mut futures: Vec<F>) {
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| std::pin::Pin::new(future).poll(context).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn last<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
}

fn spawn(spec: &StartSpec, program: &Path, directory: &Path, mark: &str) -> Result<(Child, Pid), Error> {
    without_dumps();
    let mut command = command(spec, program);
    command
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .env(MARK, mark)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: signals of the terminal do not reach it, and ours reach everybody in it.
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::InvalidInput => ErrorKind::Specification,
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => ErrorKind::Busy,
            _ => ErrorKind::Program,
        };
        Error::new(kind, format!("`{}` could not be started: {error}", spec.program))
    })?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    // Nobody has waited for it, so it has a number even if it ended.
    let pid = pid.ok_or_else(|| Error::new(ErrorKind::Engine, "a started command has no number"))?;
    Ok((child, pid))
}

/// The command that becomes the program: the program itself, or a shell that limits itself first, because nothing can be limited between
/// the birth of a process and its first instruction without code of ours in it.
fn command(spec: &StartSpec, program: &Path) -> Command {
    let Some(bytes) = spec.memory else {
        let mut command = Command::new(program);
        command.args(&spec.arguments);
        return command;
    };
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg("ulimit -d \"$1\" && shift && exec \"$@\"").arg("sh");
    command.arg(bytes.div_ceil(1024).to_string()).arg(program).args(&spec.arguments);
    command
}

/// Neither the gateway nor its commands leave images of their memory behind, which hold secrets. Commands inherit the limit.
fn without_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
            tracing::debug!(%error, "images of memory could not be switched off");
        }
    });
}

/// Waits for the end of the first process and then sees to the rest of its group.
async fn attend(mut child: Child, entry: Arc<Entry>, grace: Duration) {
    let status = match child.wait().await {
        Ok(status) => Status::of(status),
        Err(error) => Status::Ended { text: format!("its end could not be read: {error}"), code: None },
    };
    entry.stage.send_replace(Stage::Ended(status.clone()));
    // The number cannot have been given away in these few instructions, and as long as somebody is left it is not given away at all.
    let mut over = !group::exists(entry.group);
    if !over {
        tracing::debug!(server = entry.name, "the command has ended and left others of its group");
        group::signal(entry.group, Signal::TERM);
        over = group::gone(entry.group, grace).await;
    }
    if !over {
        group::signal(entry.group, Signal::KILL);
        over = group::gone(entry.group, KILLED).await;
    }
    entry.stage.send_replace(Stage::Over(status, over));
}
