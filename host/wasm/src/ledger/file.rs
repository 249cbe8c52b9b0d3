//! The file of one session: made under its lock, appended to, rewritten when it has grown.

use crate::ledger::entry::Entry;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file below this size is not worth rewriting.
const LONG: u64 = 1 << 20;
/// Bytes that an open lease takes, roughly and generously. Most of it is the state.
const PER_LEASE: u64 = 4 << 10;

/// See the module.
pub(crate) struct SessionFile {
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    /// A write failed in the middle (a full disk): the next one begins a new line.
    torn: bool,
}

impl SessionFile {
    /// Makes `FOLDER/SESSION.jsonl`. It is locked before it gets its name, so that nobody takes it for the file of a dead run.
    pub(crate) fn create(folder: &Path, session: &str) -> io::Result<Self> {
        make_folder(folder)?;
        let path = folder.join(format!("{session}.jsonl"));
        let file = fresh(&path)?;
        Ok(Self { file: Arc::new(file), path, length: 0, torn: false })
    }

    /// One entry in one write, so that a crash tears at most the last line.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = entry.line()?;
        if self.torn {
            line.insert(0, b'\n');
        }
        self.torn = true;
        (&*self.file).write_all(&line)?;
        self.torn = false;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Whether most of it is about leases that are released.
    pub(crate) fn is_long(&self, open: usize) -> bool {
        self.length > LONG && self.length > 2 * PER_LEASE * open as u64
    }

    /// Replaces everything by these entries.
    pub(crate) fn rewrite(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend(entry.line()?);
        }
        let unnamed = self.path.with_extension("new");
        let file = locked(&unnamed)?;
        (&file).write_all(&bytes)?;
        file.sync_data()?;
        std::fs::rename(&unnamed, &self.path)?;
        self.file = Arc::new(file);
        self.length = bytes.len() as u64;
        self.torn = false;
        Ok(())
    }

    /// For flushing.
    pub(crate) fn handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Takes it away. The lock goes with the last handle.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

fn fresh(path: &Path) -> io::Result<File> {
    // Session ids are random; the same one twice is a mistake, and replacing the file would lose a list.
    if path.exists() {
        return Err(io::Error::other("another gateway uses the same session id"));
    }
    let unnamed = path.with_extension("new");
    let file = locked(&unnamed)?;
    std::fs::rename(&unnamed, path)?;
    Ok(file)
}

fn locked(path: &Path) -> io::Result<File> {
    let file = private(OpenOptions::new().create(true).truncate(true).write(true)).open(path)?;
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::Error(error) => error,
        std::fs::TryLockError::WouldBlock => io::Error::other("another gateway uses the same session id"),
    })?;
    Ok(file)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}
