//! Files that are made for one workload: written into a folder of its own, shown to it for reading, removed with it.
//!
//! WASI shows folders, not files, so each file's folder is made beside the others and mounted under the path that the file is to have. What
//! an engine left that was killed is removed by the next one: each has a lock file that nobody else can take while it lives.

use crate::error::{Error, ErrorKind};
use crate::private;
use crate::spec::{FileSpec, MountSpec, StartSpec};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where one engine places files.
pub(crate) struct Scratch {
    folder: Option<PathBuf>,
    own: Mutex<Option<Own>>,
    next: AtomicU64,
}

/// The part of the folder that is this engine's.
struct Own {
    path: PathBuf,
    lock: PathBuf,
    /// Held as long as the engine lives.
    _locked: File,
}

/// The files of one workload. Dropping it removes them.
pub(crate) struct Placed {
    path: PathBuf,
    /// Folders to be mounted.
    pub(crate) folders: Vec<MountSpec>,
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, folder = %self.path.display(), "the files of a workload could not be removed");
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // At worst the next engine finds it.
        let _ = std::fs::remove_dir_all(&self.path);
        let _ = std::fs::remove_file(&self.lock);
    }
}

impl Scratch {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, own: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// Writes the files of a workload. Touches the file system, so not for a worker thread.
    ///
    /// # Errors
    ///
    /// A path that cannot be had, naming it; no folder to write to.
    pub(crate) fn place(&self, spec: &StartSpec) -> Result<Option<Placed>, Error> {
        let Some(first) = spec.files.first() else { return Ok(None) };
        let folders = folders(spec)?;
        let Some(folder) = &self.folder else {
            let text =
                format!("the file `{}` cannot be placed: this engine has no folder for files", first.guest);
            return Err(Error::specification(text));
        };
        let failed = |error: io::Error| {
            let text = format!("the files of `{}` cannot be placed: {error}", spec.id);
            Error::new(ErrorKind::Engine, text)
                .with_hint(format!("make room in, and access to, {}", folder.display()))
        };
        let own = self.own(folder).map_err(failed)?;
        let path = own.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        make_folder(&path).map_err(failed)?;
        // From here on, what was written goes with this value, whatever happens.
        let mut placed = Placed { path, folders: Vec::new() };
        for (at, (guest, files)) in folders.into_iter().enumerate() {
            let host = placed.path.join(at.to_string());
            make_folder(&host).map_err(failed)?;
            for (name, file) in files {
                write(&host.join(name), file).map_err(failed)?;
            }
            placed.folders.push(MountSpec { host, guest: guest.to_owned(), read_only: true });
        }
        Ok(Some(placed))
    }

    /// This engine's part, made at first use.
    fn own(&self, folder: &Path) -> io::Result<PathBuf> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &*own {
            return Ok(own.path.clone());
        }
        private::make(folder)?;
        // Values of secrets may be in the files, and what is in the folder is removed by its name.
        private::check(folder).map_err(io::Error::other)?;
        remove_abandoned(folder)?;
        let made = Own::make(folder)?;
        let path = made.path.clone();
        *own = Some(made);
        Ok(path)
    }
}

impl Own {
    fn make(folder: &Path) -> io::Result<Self> {
        // The standard library's random keys are random enough to be nobody else's; process numbers are not, where folders are shared.
        let name = format!("{:016x}", RandomState::new().build_hasher().finish());
        // Locked before it has the name under which others look for it, so that nobody takes it for a dead engine's.
        let unnamed = folder.join(format!("{name}.new"));
        let locked = OpenOptions::new().create_new(true).write(true).open(&unnamed)?;
        locked.try_lock().map_err(|error| match error {
            std::fs::TryLockError::Error(error) => error,
            std::fs::TryLockError::WouldBlock => io::Error::other("another engine is called the same"),
        })?;
        let lock = folder.join(format!("{name}.lock"));
        std::fs::rename(&unnamed, &lock)?;
        let path = folder.join(name);
        make_folder(&path)?;
        Ok(Self { path, lock, _locked: locked })
    }
}

/// Removes what engines left whose lock can be taken.
fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        let lock = entry.path();
        if lock.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(file) = OpenOptions::new().write(true).open(&lock) else { continue };
        if file.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(lock.with_extension(""));
            let _ = std::fs::remove_file(&lock);
        }
    }
    Ok(())
}

/// Files by their folder in the workload, each with its name there.
type Folders<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a FileSpec>>;

fn folders(spec: &StartSpec) -> Result<Folders<'_>, Error> {
    let mut folders = Folders::new();
    for file in &spec.files {
        let path = file.guest.as_str();
        let wrong = |why: &str| Error::specification(format!("the file `{path}` cannot be placed: {why}"));
        let Some((folder, name)) = path.rsplit_once('/').filter(|_| path.starts_with('/')) else {
            return Err(wrong("it is not an absolute path"));
        };
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
        if !plain(name) || !folder.split('/').skip(1).all(plain) {
            return Err(wrong("its path is not in its simplest form"));
        }
        if spec.mounts.iter().any(|mount| mount.guest.trim_end_matches('/') == folder) {
            return Err(wrong("its folder is a mount"));
        }
        let folder = if folder.is_empty() { "/" } else { folder };
        if folders.entry(folder).or_default().insert(name, file).is_some() {
            return Err(wrong("it is named twice"));
        }
    }
    Ok(folders)
}

#[cfg(unix)]
fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

fn write(path: &Path, file: &FileSpec) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode((file.mode & 0o777) | 0o400);
    }
    options.open(path)?.write_all(&file.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_engine_left_is_removed_and_what_a_living_one_has_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let living = Own::make(folder).unwrap();
        std::fs::write(living.path.join("kept"), "x").unwrap();
        // As a killed process leaves it: nobody holds the lock.
        std::fs::write(folder.join("1-0.lock"), "").unwrap();
        std::fs::create_dir(folder.join("1-0")).unwrap();
        std::fs::write(folder.join("1-0/secret"), "x").unwrap();
        remove_abandoned(folder).unwrap();
        assert!(living.path.join("kept").exists() && !folder.join("1-0").exists());
        drop(living);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }
    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_to_gets_no_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(folder.path().to_owned()));
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
        let error = scratch.own(folder.path()).unwrap_err().to_string();
        assert_eq!(error, "other users can write to it (mode 770); make it private with mode 700");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(scratch.own(folder.path()).unwrap().is_dir());
    }
}
