//! The file that says "this run of the gateway has processes": empty, locked as long as the gateway lives, named after its session.
//!
//! *Invariant:* it exists before the first process does. A file whose lock can be taken belongs to a run that no longer lives.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FOLDER: &str = "processes";

/// The record of this run. Dropping it keeps the file, removing it takes it away.
#[derive(Debug)]
pub(crate) struct Record {
    /// Held for its lock.
    _file: File,
    path: PathBuf,
}

impl Record {
    /// Makes the record of a session.
    pub(crate) fn create(state: &Path, session: &str) -> io::Result<Self> {
        let folder = state.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(session);
        let unnamed = path.with_extension("new");
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unnamed)?;
        // Locked before it gets its name, so that nobody takes it for the file of a dead run.
        file.try_lock().map_err(|_| io::Error::other("another gateway uses the same session id"))?;
        std::fs::rename(&unnamed, &path)?;
        Ok(Self { _file: file, path })
    }

    /// Takes it away: no process of this run is left.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// A record of a run that no longer lives, locked by us now.
#[derive(Debug)]
pub(crate) struct Orphan {
    _file: File,
    path: PathBuf,
    /// Its session.
    pub(crate) session: String,
}

impl Orphan {
    /// Takes it away: nothing of that run is left.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// Records of runs that no longer live.
pub(crate) fn orphans(state: &Path) -> Vec<Orphan> {
    let Ok(entries) = std::fs::read_dir(state.join(FOLDER)) else { return Vec::new() };
    let orphan = |path: PathBuf| {
        let session = path.file_name()?.to_str()?.to_owned();
        // A file that was not named yet when its gateway died has no processes; it is taken away with the others.
        let session = session.strip_suffix(".new").map(str::to_owned).unwrap_or(session);
        let file = OpenOptions::new().write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        Some(Orphan { _file: file, path, session })
    };
    entries.flatten().filter_map(|entry| orphan(entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_an_orphan_only_when_its_run_has_ended() {
        let state = tempfile::tempdir().unwrap();
        assert!(orphans(state.path()).is_empty());
        let (one, two) =
            (Record::create(state.path(), "s1").unwrap(), Record::create(state.path(), "s2").unwrap());
        assert!(orphans(state.path()).is_empty());
        drop(one);
        let found = orphans(state.path());
        assert_eq!(found.iter().map(|orphan| orphan.session.as_str()).collect::<Vec<_>>(), ["s1"]);
        found.into_iter().for_each(|orphan| orphan.remove().unwrap());
        two.remove().unwrap();
        assert_eq!(std::fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 0);
    }
}
