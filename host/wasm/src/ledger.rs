//! What was begun and is not gone yet, on disk, so that a trap, a timeout or a crash leaves a list and not a mystery.
//!
//! One file per run of the gateway, `ledger/SESSION.jsonl`, only appended to, one write per entry, under a lock that is held as long as
//! the process lives: whoever can take the lock knows that the run is dead. The same is kept in memory. The file is made with the first
//! entry and removed at the end of the run if nothing is open.
//!
//! Folder and files are this user's alone, or they are neither written nor believed; links are not followed.
//!
//! *Invariant:* an object is on disk before it is created. What another machine keeps (`record-object`, `checkpoint`) is also flushed to
//! the disk; what dies with this process need not be.

mod abandoned;
mod entry;
mod file;
mod folder;

pub(crate) use abandoned::{Abandoned, Left};
pub(crate) use entry::{Begin, Subject};

use crate::generated::Generated;
use crate::limits::Met;
use entry::Entry;
use file::SessionFile;
use host_provisioner::{Lease, ObjectRef, ServerId, State};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a run of a gateway lives, as far as this machine's ledgers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    ThisSession,
    Alive,
    Dead,
    Unknown,
}

/// The ledger of this run.
pub(crate) struct Ledger {
    folder: PathBuf,
    session: String,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    file: Option<SessionFile>,
    /// Open leases by id; those of which nothing was written yet are not here.
    open: BTreeMap<String, Arc<Record>>,
    /// Sessions whose ledgers were found abandoned in this run.
    dead: Vec<String>,
}

/// One lease of this run: what a call may have left.
pub(crate) struct Record {
    pub(crate) begin: Begin,
    /// Secrets that `secrets.generate` made for this lease. They live as long as it does, and only in memory.
    pub(crate) generated: Generated,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    written: bool,
    released: bool,
    state: Option<State>,
    objects: Vec<Noted>,
}

/// An object and who noted it: only what the plugin noted may the plugin take out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) object: ObjectRef,
    pub(crate) by_plugin: bool,
}

impl Ledger {
    /// Costs nothing; the file comes with the first entry. `session` must be fit for a file name.
    pub(crate) fn new(state_dir: &Path, session: &str) -> Self {
        Self { folder: state_dir.join("ledger"), session: session.to_owned(), book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lease of which nothing is written before something is noted.
    pub(crate) fn begin(&self, begin: Begin) -> Arc<Record> {
        Arc::new(Record { begin, generated: Generated::default(), held: Mutex::default() })
    }

    /// Notes that an object is about to be created. `durable` flushes it to the disk.
    ///
    /// # Errors
    /// It cannot be written; then it must not be created either.
    pub(crate) fn object(&self, record: &Arc<Record>, object: ObjectRef, by_plugin: bool) -> io::Result<()> {
        let mut held = record.held();
        let noted = Noted { object, by_plugin };
        if held.objects.iter().any(|known| known.object == noted.object) {
            return Ok(());
        }
        self.append(record, &mut held, &Entry::object(&record.begin.lease, &noted))?;
        held.objects.push(noted);
        Ok(())
    }

    /// Takes an object out after it is gone. Unknown ones are no failure.
    pub(crate) fn forget(
        &self,
        record: &Arc<Record>,
        object: &ObjectRef,
        only_by_plugin: bool,
    ) -> io::Result<()> {
        let mut held = record.held();
        let at = held.objects.iter().position(|n| n.object == *object && (n.by_plugin || !only_by_plugin));
        let Some(at) = at else { return Ok(()) };
        self.append(record, &mut held, &Entry::forget(&record.begin.lease, object))?;
        held.objects.remove(at);
        Ok(())
    }

    /// Replaces the state: a checkpoint, or what the call returned.
    pub(crate) fn state(&self, record: &Arc<Record>, state: State) -> io::Result<()> {
        let mut held = record.held();
        self.append(record, &mut held, &Entry::state(&record.begin.lease, &state))?;
        held.state = Some(state);
        Ok(())
    }

    /// Closes a lease: nothing of it is left.
    pub(crate) fn released(&self, record: &Arc<Record>) {
        record.generated.wipe();
        let mut held = record.held();
        held.released = true;
        held.objects.clear();
        if !held.written {
            return;
        }
        let mut book = self.book();
        book.open.remove(&record.begin.lease);
        if let Err(error) = self.close_in(&mut book, &record.begin.lease) {
            // At worst the next start releases it once more, which every plugin must bear.
            tracing::warn!(%error, "the ledger could not be brought up to date");
        }
    }

    /// Removes the file if nothing is open any more. For the end of this run; a lease that begins later makes a new one.
    pub(crate) fn close(&self) {
        let mut book = self.book();
        if book.open.is_empty()
            && let Some(file) = book.file.take()
            && let Err(error) = file.remove()
        {
            tracing::warn!(%error, "the ledger could not be removed");
        }
    }

    fn close_in(&self, book: &mut Book, lease: &str) -> io::Result<()> {
        let Some(file) = &mut book.file else { return Ok(()) };
        file.append(&Entry::Released { lease: lease.to_owned() })?;
        if file.is_long(book.open.len()) {
            let mut entries = Vec::new();
            for record in book.open.values() {
                // Whoever appends takes the record first and the book afterwards. One that is busy would be a deadlock; then it is
                // compacted another time.
                let Ok(held) = record.held.try_lock() else { return Ok(()) };
                entries.extend(record.entries(&held));
            }
            file.rewrite(&entries)?;
        }
        Ok(())
    }

    fn append(&self, record: &Arc<Record>, held: &mut Held, entry: &Entry) -> io::Result<()> {
        if held.released {
            return Err(io::Error::other("the lease is released"));
        }
        let mut book = self.book();
        if !held.written {
            self.write_begin(&mut book, record)?;
            held.written = true;
        }
        match &mut book.file {
            Some(file) => file.append(entry),
            None => Err(io::Error::other("the ledger is closed")),
        }
    }

    /// A handle on the file for flushing it without holding the ledger.
    pub(crate) fn to_flush(&self) -> Option<Arc<std::fs::File>> {
        self.book().file.as_ref().map(SessionFile::handle)
    }

    /// Leases of this run that are open, oldest first.
    pub(crate) fn open(&self) -> Vec<Arc<Record>> {
        let mut open: Vec<_> = self.book().open.values().cloned().collect();
        open.sort_by_key(|record| record.begin.number);
        open
    }

    /// The open lease of that id.
    pub(crate) fn find(&self, lease: &str) -> Option<Arc<Record>> {
        self.book().open.get(lease).cloned()
    }

    /// Whether a session lives.
    pub(crate) fn liveness(&self, session: &str) -> Liveness {
        if session == self.session {
            return Liveness::ThisSession;
        }
        let book = self.book();
        let known = book.dead.iter().any(|dead| dead == session);
        // What was taken over from a dead run and is still open keeps that run's name.
        if known || book.open.values().any(|record| record.begin.session == session) {
            return Liveness::Dead;
        }
        drop(book);
        abandoned::liveness(&self.folder, session)
    }

    /// Ledgers of runs that are dead. The locks are held until the answers are dropped.
    pub(crate) fn abandoned(&self) -> Vec<Abandoned> {
        let found = abandoned::find(&self.folder, &self.session);
        // From here on we hold the locks, so only this list knows that these runs are dead.
        self.book().dead.extend(found.iter().map(|file| file.session.clone()));
        found
    }

    /// Takes a lease of a dead run over, as it stood.
    ///
    /// # Errors
    /// It cannot be written; then its old ledger keeps it.
    pub(crate) fn adopt(&self, left: Left, number: u64) -> io::Result<Arc<Record>> {
        let record = self.begin(Begin { number, ..left.begin });
        for noted in left.objects {
            self.object(&record, noted.object, noted.by_plugin)?;
        }
        match left.state {
            Some(state) => self.state(&record, state)?,
            // A lease of which nothing is known but that it began: noted all the same, so that it is released.
            None if !record.is_written() => self.note_begin(&record)?,
            None => {}
        }
        if let Some(file) = self.to_flush() {
            file.sync_data()?;
        }
        Ok(record)
    }

    /// Notes that a lease began, if nothing of it is noted yet: from now on it is there to be released.
    pub(crate) fn note_begin(&self, record: &Arc<Record>) -> io::Result<()> {
        let mut held = record.held();
        if held.written {
            return Ok(());
        }
        let mut book = self.book();
        self.write_begin(&mut book, record)?;
        held.written = true;
        Ok(())
    }

    fn write_begin(&self, book: &mut Book, record: &Arc<Record>) -> io::Result<()> {
        if book.file.is_none() {
            book.file = Some(SessionFile::create(&self.folder, &self.session)?);
        }
        if let Some(file) = &mut book.file {
            file.append(&Entry::Begin(record.begin.clone()))?;
        }
        book.open.insert(record.begin.lease.clone(), Arc::clone(record));
        Ok(())
    }

    /// Gives up the file and its lock, as the end of the process does.
    #[cfg(test)]
    pub(crate) fn abandon(&self) {
        self.book().file = None;
    }
}

impl Record {
    /// Whether neither a state nor an object was noted yet.
    pub(crate) fn is_untouched(&self) -> bool {
        let held = self.held();
        held.state.is_none() && held.objects.is_empty()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything was noted or checkpointed, so that there is something to release.
    pub(crate) fn is_written(&self) -> bool {
        let held = self.held();
        held.written && !held.released
    }

    /// Whether something is known of it beyond that it began.
    pub(crate) fn has_something(&self) -> bool {
        let held = self.held();
        held.written && !held.released && (held.state.is_some() || !held.objects.is_empty())
    }

    /// Whether it was closed.
    pub(crate) fn is_released(&self) -> bool {
        self.held().released
    }

    /// The last state.
    pub(crate) fn last_state(&self) -> Option<State> {
        self.held().state.clone()
    }

    /// Objects that were not seen removed, oldest first.
    pub(crate) fn objects(&self) -> Vec<ObjectRef> {
        self.held().objects.iter().map(|noted| noted.object.clone()).collect()
    }

    /// Names of objects of one kind that the host itself noted.
    pub(crate) fn own(&self, kind: &str) -> Vec<String> {
        let held = self.held();
        let own = held.objects.iter().filter(|n| !n.by_plugin && n.object.kind == kind);
        own.map(|noted| noted.object.name.clone()).collect()
    }

    /// The lease as it stands.
    pub(crate) fn lease(&self) -> Lease {
        let held = self.held();
        lease(&self.begin, held.state.clone(), held.objects.iter().map(|n| n.object.clone()).collect())
    }

    fn entries(&self, held: &Held) -> Vec<Entry> {
        let id = &self.begin.lease;
        let mut entries = vec![Entry::Begin(self.begin.clone())];
        entries.extend(held.objects.iter().map(|noted| Entry::object(id, noted)));
        entries.extend(held.state.iter().map(|state| Entry::state(id, state)));
        entries
    }
}

/// A lease as the trait has it.
pub(crate) fn lease(begin: &Begin, state: Option<State>, objects: Vec<ObjectRef>) -> Lease {
    Lease {
        id: begin.lease.clone(),
        server_id: ServerId::parse(&begin.server_id).unwrap_or_else(|| ServerId::from_name(&begin.server_id)),
        server_name: begin.server_name.clone(),
        session: begin.session.clone(),
        request: begin.request.clone(),
        state,
        objects,
        plugin: begin.plugin.clone(),
        plugin_version: begin.version.clone(),
        plugin_digest: begin.digest.clone(),
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close();
    }
}

/// Counts what one call may note (`wit/v0.1/call.wit`).
#[derive(Default)]
pub(crate) struct Allowance {
    checkpoints: u32,
    objects: u32,
}

impl Allowance {
    pub(crate) fn checkpoint(&mut self) -> Result<(), Met> {
        self.checkpoints += 1;
        let most = crate::limits::CHECKPOINTS;
        if self.checkpoints > most {
            Err(Met::Fixed("checkpoints in one call", most as usize))
        } else {
            Ok(())
        }
    }

    pub(crate) fn object(&mut self) -> Result<(), Met> {
        self.objects += 1;
        let most = crate::limits::OBJECTS;
        if self.objects > most {
            Err(Met::Fixed("recorded objects in one call", most as usize))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
