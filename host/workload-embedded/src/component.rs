//! Components: where they come from, and how they are checked, compiled and remembered.

use crate::check::check;
use crate::compiling::Compilations;
use crate::error::{Error, printable};
use crate::limits::{MEMORIES, PARTS};
use crate::runtime::Runtime;
use crate::state::State;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use wasmtime::component::Component;
use wasmtime_wasi::p2::bindings::CommandPre;

/// The largest component that is read. A Python interpreter with its library is 18 MiB.
pub const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// Compiled components that are kept although nobody uses them.
const MAX_REMEMBERED: usize = 64;

/// How long a file must have been left alone before its times are trusted to show the next change: time stamps are coarse.
const SETTLED: Duration = Duration::from_secs(2);

/// Where a component is.
#[derive(Debug, Clone)]
pub enum ComponentSource {
    /// A file. Its name without the ending is the program's name.
    File(PathBuf),
    /// In memory, for components that are compiled into the program.
    Bytes {
        /// The program's name.
        name: String,
        /// The component.
        bytes: Bytes,
    },
}

/// A component that was checked, compiled and linked. Cheap to start any number of times.
pub struct LoadedComponent {
    name: String,
    digest: String,
    size: u64,
    pre: CommandPre<State>,
}

impl LoadedComponent {
    /// The program's name, which it gets as argument 0.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `sha256:` and the hash of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Length of the component in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Memory in MiB without which it cannot start: what its largest linear memory has before the first instruction. 0 if that cannot
    /// be told without starting it.
    #[must_use]
    pub fn least_memory_mib(&self) -> u32 {
        // wasmtime counts pages of 64 KiB.
        let needed = self.pre.instance_pre().component().resources_required();
        let pages = needed.and_then(|needed| needed.max_initial_memory_size).unwrap_or_default();
        u32::try_from(pages.div_ceil(16)).unwrap_or(u32::MAX)
    }

    pub(crate) fn pre(&self) -> &CommandPre<State> {
        &self.pre
    }
}

impl fmt::Debug for LoadedComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedComponent")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Loads components and remembers them by their content. Who asks for one that is being compiled waits for that compilation.
pub(crate) struct Loader {
    known: Mutex<Known>,
    compilations: Arc<Compilations>,
}

#[derive(Default)]
struct Known {
    components: HashMap<Key, Arc<LoadedComponent>>,
    files: HashMap<PathBuf, (Stamp, Key)>,
    coming: HashMap<Key, watch::Receiver<Option<Loaded>>>,
}

type Loaded = Result<Arc<LoadedComponent>, Error>;

/// Content and name: the same bytes under another name are another program.
type Key = ([u8; 32], String);

/// What changes when a file is written, as far as the system can tell.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Stamp {
    length: u64,
    modified: SystemTime,
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(found: &std::fs::Metadata) -> Option<Self> {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Some(Self {
            length: found.len(),
            modified: found.modified().ok()?,
            #[cfg(unix)]
            inode: (found.dev(), found.ino(), found.ctime(), found.ctime_nsec()),
        })
    }

    fn settled(&self) -> bool {
        self.modified.elapsed().is_ok_and(|age| age > SETTLED)
    }
}

impl Loader {
    /// `within` is how long one component may compile.
    pub(crate) fn new(within: Duration) -> Arc<Self> {
        Arc::new(Self { known: Mutex::default(), compilations: Compilations::new(within) })
    }

    /// Loads a component, or returns the one with the same content and name.
    pub(crate) async fn load(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        source: ComponentSource,
    ) -> Result<Arc<LoadedComponent>, Error> {
        let (name, read) = match source {
            ComponentSource::Bytes { name, bytes } => (name, Content { bytes, stamp: None }),
            ComponentSource::File(path) => {
                let name =
                    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                match self.unchanged(&path) {
                    Some(component) => return Ok(component),
                    None => (name, blocking(move || read(path)).await?),
                }
            }
        };
        let Content { bytes, stamp } = read;
        let name = printable(&name);
        let hashed = bytes.clone();
        let digest: [u8; 32] = if bytes.len() > 1 << 20 {
            blocking(move || Ok(Sha256::digest(&hashed).into())).await?
        } else {
            Sha256::digest(&hashed).into()
        };
        let key = (digest, name);
        let mut coming = match self.find(&key, stamp.as_ref()) {
            Some(component) => return Ok(component),
            None => self.coming(runtime, &key, bytes),
        };
        let component = match coming.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(loaded)) => loaded.clone()?,
            _ => return Err(Error::engine(format!("`{}` was not compiled: the gateway is ending", key.1))),
        };
        self.find(&key, stamp.as_ref());
        Ok(component)
    }

    /// The compilation of a component, begun now if nobody has. A task of its own: others may wait for it when this caller has gone.
    fn coming(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        key: &Key,
        bytes: Bytes,
    ) -> watch::Receiver<Option<Loaded>> {
        let mut known = self.known();
        if let Some(component) = known.components.get(key) {
            // It came between two looks.
            return watch::channel(Some(Ok(Arc::clone(component)))).1;
        }
        if let Some(coming) = known.coming.get(key) {
            return coming.clone();
        }
        let (tell, coming) = watch::channel(None);
        known.coming.insert(key.clone(), coming.clone());
        drop(known);
        let (loader, runtime, key) = (Arc::clone(self), Arc::clone(runtime), key.clone());
        tokio::spawn(async move {
            let (digest, name) = key.clone();
            let work = move || compile(&runtime, name, &bytes, &digest).map(Arc::new);
            let loaded = match loader.compilations.run(digest, work).await {
                Ok(loaded) => loaded,
                Err(why) => Err(Error::component(format!("`{}` was not compiled {why}", key.1))),
            };
            loader.came(key, &loaded);
            tell.send_replace(Some(loaded));
        });
        coming
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unchanged(&self, path: &Path) -> Option<Arc<LoadedComponent>> {
        let stamp = Stamp::of(&std::fs::metadata(path).ok()?)?;
        let known = self.known();
        let (seen, key) = known.files.get(path)?;
        if *seen == stamp { known.components.get(key).cloned() } else { None }
    }

    fn find(&self, key: &Key, stamp: Option<&(PathBuf, Stamp)>) -> Option<Arc<LoadedComponent>> {
        let mut known = self.known();
        let component = known.components.get(key).cloned()?;
        if let Some((path, stamp)) = stamp {
            known.files.insert(path.clone(), (*stamp, key.clone()));
        }
        Some(component)
    }

    fn came(&self, key: Key, loaded: &Loaded) {
        let mut known = self.known();
        known.coming.remove(&key);
        let Ok(component) = loaded else { return };
        if known.components.len() >= MAX_REMEMBERED {
            known.components.retain(|_, component| Arc::strong_count(component) > 1);
            let Known { components, files, .. } = &mut *known;
            files.retain(|_, (_, key)| components.contains_key(key));
        }
        known.components.insert(key, Arc::clone(component));
    }
}

struct Content {
    bytes: Bytes,
    /// Only for a file that has been left alone for a while.
    stamp: Option<(PathBuf, Stamp)>,
}

fn read(path: PathBuf) -> Result<Content, Error> {
    let shown = path.display().to_string();
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => Error::component(format!("there is no file `{shown}`")),
        _ => Error::component(format!("`{shown}` cannot be read: {e}")),
    };
    let file = std::fs::File::open(&path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(Error::component(format!("`{shown}` is not a file")));
    }
    if found.len() > MAX_COMPONENT_BYTES {
        return Err(too_large(&shown, found.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    // The file may grow while it is read, so the limit holds for the reading too.
    file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(too_large(&shown, bytes.len() as u64));
    }
    let stamp = Stamp::of(&found).filter(|stamp| stamp.settled() && stamp.length == bytes.len() as u64);
    Ok(Content { bytes: bytes.into(), stamp: stamp.map(|stamp| (path, stamp)) })
}

fn too_large(name: &str, length: u64) -> Error {
    Error::component(format!(
        "`{name}` has {} MiB, more than the {} MiB that are read",
        length >> 20,
        MAX_COMPONENT_BYTES >> 20
    ))
}

fn compile(
    runtime: &Runtime,
    name: String,
    bytes: &[u8],
    digest: &[u8; 32],
) -> Result<LoadedComponent, Error> {
    use std::fmt::Write;
    if bytes.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(too_large(&name, bytes.len() as u64));
    }
    check(&name, bytes)?;
    let component = Component::new(&runtime.engine, bytes).map_err(|e| {
        Error::component(format!("`{name}` cannot be compiled: {e:#}")).with_hint("build the component again")
    })?;
    if let Some(needs) = component.resources_required() {
        for (count, most, what) in
            [(needs.num_memories, MEMORIES, "memories"), (needs.num_tables, PARTS, "tables")]
        {
            if count as usize > most {
                let text =
                    format!("`{name}` is made of {count} {what}, and a server may have {most} of them");
                return Err(Error::component(text));
            }
        }
    }
    let pre = runtime.linker.instantiate_pre(&component).and_then(CommandPre::new).map_err(|e| {
        Error::component(format!("`{name}` does not fit what the embedded engine offers: {e:#}"))
    })?;
    let mut hex = String::from("sha256:");
    for byte in digest {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(LoadedComponent { name, digest: hex, size: bytes.len() as u64, pre })
}

/// Runs work that takes long or waits for the disk away from the worker threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(Error::engine(format!("work of the embedded engine was cut short: {e}"))),
    }
}
