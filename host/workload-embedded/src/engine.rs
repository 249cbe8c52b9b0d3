//! The engine as its users see it: load components, start workloads of them, ask, stop, shut down.

use crate::cache;
use crate::component::{ComponentSource, LoadedComponent, Loader, blocking};
use crate::end::{Info, Status};
use crate::error::{Error, ErrorKind};
use crate::pipe::host::{Stderr, Stdin, Stdout};
use crate::pipe::{Pipe, WhenFull};
use crate::registry::{Registry, Workload};
use crate::runtime::Runtime;
use crate::scratch::Scratch;
use crate::spec::StartSpec;
use crate::state::{State, Streams};
use crate::workload;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a component may compile. Python guests take up to fourteen seconds on a slow machine.
const COMPILE_WITHIN: Duration = Duration::from_secs(120);

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for compiled code, made when it is first needed. What lies there is run as native code, so it must belong to this user and nobody
    /// else may write to it. Without one, every process compiles anew.
    pub cache_dir: Option<PathBuf>,
    /// Folder for the files of workloads ([`StartSpec::files`]), made when one is first needed, private to this user. Several engines may share it;
    /// what a dead one left there is removed. Without one, files are refused.
    pub files_dir: Option<PathBuf>,
    /// Workloads that may run at once.
    pub max_workloads: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { cache_dir: None, files_dir: None, max_workloads: 256 }
    }
}

/// A workload that has just been started.
///
/// Dropping the streams closes them, which well-behaved programs take as the end; it does not stop the workload, only
/// [`EmbeddedEngine::stop`] surely does.
pub struct Started {
    /// The id it was started with.
    pub id: String,
    /// Where it reads from.
    pub stdin: Stdin,
    /// What it writes. Its end means that the workload has ended; the reason is then in [`EmbeddedEngine::info`].
    pub stdout: Stdout,
    /// What it complains about.
    pub stderr: Stderr,
}

/// A container engine for WASI components in this process. See the crate's documentation.
///
/// All asynchronous functions must be called within a tokio runtime with timers; workloads are tasks of it.
pub struct EmbeddedEngine {
    config: EngineConfig,
    runtime: OnceCell<Arc<Runtime>>,
    loader: Arc<Loader>,
    registry: Arc<Registry>,
    scratch: Arc<Scratch>,
}

impl EmbeddedEngine {
    /// Makes an engine. Costs nothing: wasmtime is set up when the first component is loaded.
    ///
    /// # Errors
    ///
    /// When the cache folder exists and is not private to this user.
    pub fn new(config: EngineConfig) -> Result<Arc<Self>, Error> {
        if let Some(folder) = &config.cache_dir {
            cache::check(folder)?;
        }
        let registry = Registry::new(config.max_workloads);
        let scratch = Arc::new(Scratch::new(config.files_dir.clone()));
        Ok(Arc::new(Self {
            config,
            runtime: OnceCell::new(),
            loader: Loader::new(COMPILE_WITHIN),
            registry,
            scratch,
        }))
    }

    async fn runtime(&self) -> Result<&Arc<Runtime>, Error> {
        let build = || {
            let folder = self.config.cache_dir.clone();
            let workers = tokio::runtime::Handle::current().metrics().num_workers();
            blocking(move || Runtime::build(folder.as_deref(), workers).map(Arc::new))
        };
        self.runtime.get_or_try_init(build).await
    }

    /// Reads, checks and compiles a component, or returns it if it is known. Components are told apart by their content: a file that was
    /// replaced is loaded anew, while workloads of the old one go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Component`] with what is wrong with it, [`ErrorKind::Engine`] when wasmtime cannot be set up.
    pub async fn load(&self, source: ComponentSource) -> Result<Arc<LoadedComponent>, Error> {
        let runtime = self.runtime().await?;
        self.loader.load(runtime, source).await
    }

    /// Starts a workload and returns when its instance stands; it need not have run an instruction of its own by then.
    ///
    /// When the returned future is dropped before, the workload is ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Specification`], [`ErrorKind::Busy`], [`ErrorKind::Exists`]; [`ErrorKind::Start`] when the component ended before it stood.
    pub async fn start(&self, spec: StartSpec) -> Result<Started, Error> {
        self.start_with(spec, WhenFull::DropOldest).await
    }

    pub(crate) async fn start_with(&self, spec: StartSpec, stderr: WhenFull) -> Result<Started, Error> {
        check(&spec)?;
        let runtime = self.runtime().await?;
        let streams = || Streams {
            stdin: Pipe::new(WhenFull::Wait),
            stdout: Pipe::new(WhenFull::Wait),
            stderr: Pipe::new(stderr),
        };
        let place = self.registry.reserve(&spec.id, streams())?;
        let ends = Started {
            id: spec.id.clone(),
            stdin: Stdin::new(Arc::clone(&place.streams.stdin)),
            stdout: Stdout::new(Arc::clone(&place.streams.stdout)),
            stderr: Stderr::new(Arc::clone(&place.streams.stderr)),
        };
        let mut unfinished = Unfinished(Some(Arc::clone(&place.workload)));
        let turns = runtime.resolver.turns();
        let built = if spec.mounts.is_empty() && spec.files.is_empty() {
            State::build(&spec, &place.streams, turns, &self.scratch)
        } else {
            let (spec, streams) = (spec.clone(), place.streams.clone());
            let scratch = Arc::clone(&self.scratch);
            blocking(move || State::build(&spec, &streams, turns, &scratch)).await
        };
        let state = match built {
            Ok(state) => state,
            Err(error) => {
                place.set_end(Info::new(Status::Ended, None, &error.text));
                return Err(error);
            }
        };
        let workload = Arc::clone(&place.workload);
        if workload::spawn(runtime, &spec, state, place).await.is_err() {
            let text =
                format!("`{}` did not come up: {}", spec.component.name(), workload.ended().await.text);
            return Err(Error::new(ErrorKind::Start, text));
        }
        unfinished.0 = None;
        Ok(ends)
    }

    /// What is known about a workload.
    #[must_use]
    pub fn info(&self, id: &str) -> Info {
        self.registry.info(id)
    }

    /// Ids of the workloads that run, in alphabetical order.
    #[must_use]
    pub fn workloads(&self) -> Vec<String> {
        self.registry.ids()
    }

    /// Stops a workload and returns how it ended: closes its standard input, gives it `grace` to end by itself, then ends it. May be called
    /// any number of times. Goes on when the returned future is dropped.
    pub async fn stop(&self, id: &str, grace: Duration) -> Info {
        match self.registry.get(id) {
            None => self.registry.info(id),
            Some(workload) => {
                let task = tokio::spawn(async move { stop(&workload, grace).await.0 });
                task.await.unwrap_or_else(|_| self.registry.info(id))
            }
        }
    }

    /// Refuses new workloads and stops all that run, at the same time, each with `deadline` to end by itself. Returns the ids of those that
    /// did not and were ended.
    pub async fn shutdown(&self, deadline: Duration) -> Vec<String> {
        let mut stops = tokio::task::JoinSet::new();
        for workload in self.registry.close() {
            stops.spawn(async move { stop(&workload, deadline).await.1.then(|| workload.id().to_owned()) });
        }
        let mut ended: Vec<String> = stops.join_all().await.into_iter().flatten().collect();
        ended.sort_unstable();
        ended
    }

    pub(crate) fn workload(&self, id: &str) -> Option<Arc<Workload>> {
        self.registry.get(id)
    }
}

impl Drop for EmbeddedEngine {
    fn drop(&mut self) {
        for workload in self.registry.close() {
            workload.kill();
        }
    }
}

/// The end of a workload, and whether it had to be forced.
async fn stop(workload: &Workload, grace: Duration) -> (Info, bool) {
    workload.close_stdin();
    // A timer of zero fires only when the runtime next looks at its timers.
    if !grace.is_zero()
        && let Ok(info) = tokio::time::timeout(grace, workload.ended()).await
    {
        return (info, false);
    }
    workload.kill();
    (workload.ended().await, true)
}

/// Ends a workload whose start nobody waits for any more.
struct Unfinished(Option<Arc<Workload>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(workload) = self.0.take() {
            workload.kill();
        }
    }
}

fn check(spec: &StartSpec) -> Result<(), Error> {
    let wrong = |text: String| Err(Error::specification(text));
    if spec.id.is_empty() {
        return wrong("the workload has no id".to_owned());
    }
    for (limit, name) in
        [(spec.memory_mib, "`memory`"), (spec.cpu_millis, "`cpus`"), (spec.max_files, "of open files")]
    {
        if limit == Some(0) {
            return wrong(format!("the limit {name} is zero"));
        }
    }
    if spec.arguments.iter().any(|argument| argument.contains('\0')) {
        return wrong("an argument contains a zero byte".to_owned());
    }
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return wrong(format!(
                "the environment variable `{name}` has a malformed name, or a zero byte in its value"
            ));
        }
    }
    Ok(())
}
