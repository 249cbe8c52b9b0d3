//! The file of one session: made under its lock, appended to, rewritten when it has grown.

use crate::ledger::entry::Entry;
use crate::ledger::folder::Folder;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A file below this size is not worth rewriting.
const LONG: u64 = 1 << 20;
/// Bytes that an open lease takes, roughly and generously. Most of it is the state.
const PER_LEASE: u64 = 4 << 10;

/// See the module.
pub(crate) struct SessionFile {
    file: Arc<File>,
    folder: Folder,
    session: String,
    length: u64,
    /// A write failed in the middle (a full disk): the next one begins a new line.
    torn: bool,
}

/// Name of the file of a session.
pub(crate) fn name(session: &str) -> String {
    format!("{session}.jsonl")
}

impl SessionFile {
    /// Makes `FOLDER/SESSION.jsonl`. It is locked before it gets its name, so that nobody takes it for the file of a dead run.
    pub(crate) fn create(folder: &Path, session: &str) -> io::Result<Self> {
        let folder = Folder::open(folder, true)?;
        // Session ids are random; the same one twice is a mistake, and replacing the file would lose a list.
        if folder.has(&name(session)) {
            return Err(taken());
        }
        let file = named(&folder, session, &[])?;
        Ok(Self { file: Arc::new(file), folder, session: session.to_owned(), length: 0, torn: false })
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
        self.file = Arc::new(named(&self.folder, &self.session, &bytes)?);
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
        self.folder.remove(&name(&self.session))
    }
}

/// A file with this content, locked and on the disk before it gets its name.
fn named(folder: &Folder, session: &str, content: &[u8]) -> io::Result<File> {
    let unnamed = format!("{session}.new");
    let file = folder.fresh(&unnamed)?;
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::Error(error) => error,
        std::fs::TryLockError::WouldBlock => taken(),
    })?;
    if !content.is_empty() {
        (&file).write_all(content)?;
        file.sync_data()?;
    }
    folder.rename(&unnamed, &name(session))?;
    Ok(file)
}

fn taken() -> io::Error {
    io::Error::other("another gateway uses the same session id")
}
