//! Ledgers of runs that are dead: found by their locks, read leniently, removed when they are worked off.

use crate::ledger::entry::{self, Begin, Entry};
use crate::ledger::{Liveness, Noted};
use host_provisioner::{Lease, ObjectRef, State};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A lease of a dead run.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    pub(crate) begin: Begin,
    pub(crate) state: Option<State>,
    pub(crate) objects: Vec<Noted>,
}

impl Left {
    /// The lease as the trait has it.
    pub(crate) fn lease(&self) -> Lease {
        let objects = self.objects.iter().map(|noted| noted.object.clone()).collect();
        crate::ledger::lease(&self.begin, self.state.clone(), objects)
    }
}

/// The ledger of a dead run, with its lock.
pub(crate) struct Abandoned {
    pub(crate) session: String,
    /// Open leases, oldest first.
    pub(crate) leases: Vec<Left>,
    path: PathBuf,
    file: File,
}

impl Abandoned {
    /// Closes one lease, so that a crash while working off does not begin anew.
    pub(crate) fn released(&mut self, lease: &str) {
        self.leases.retain(|left| left.begin.lease != lease);
        let entry = Entry::Released { lease: lease.to_owned() };
        if let Err(error) = entry.line().and_then(|line| self.file.write_all(&line)) {
            tracing::warn!(%error, "an old ledger could not be brought up to date");
        }
    }

    /// Removes the file if nothing is open any more; says whether.
    pub(crate) fn finish(self) -> bool {
        if !self.leases.is_empty() {
            return false;
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "an old ledger could not be removed");
        }
        true
    }
}

/// Files in the folder whose lock can be taken, but for our own.
pub(crate) fn find(folder: &Path, own: &str) -> Vec<Abandoned> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(session) = session_of(&path) else { continue };
        if session == own {
            continue;
        }
        match take(&path) {
            Ok(Some(mut file)) => match read(&mut file) {
                Ok(leases) => found.push(Abandoned { session, leases, path, file }),
                Err(error) => tracing::warn!(%error, path = %path.display(), "an old ledger cannot be read"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, path = %path.display(), "an old ledger cannot be opened"),
        }
    }
    found.sort_by(|a, b| a.session.cmp(&b.session));
    found
}

/// Whether the run of a session lives.
pub(crate) fn liveness(folder: &Path, session: &str) -> Liveness {
    // It becomes part of a path, and it comes from labels that anybody may have written.
    if session.is_empty() || !session.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Liveness::Unknown;
    }
    let path = folder.join(format!("{session}.jsonl"));
    match take(&path) {
        Ok(Some(_)) => Liveness::Dead,
        Ok(None) if path.exists() => Liveness::Alive,
        Ok(None) | Err(_) => Liveness::Unknown,
    }
}

fn session_of(path: &Path) -> Option<String> {
    if path.extension()? != "jsonl" {
        return None;
    }
    Some(path.file_stem()?.to_str()?.to_owned())
}

/// The file with its lock, or nothing if somebody has the lock or the file went while we opened it.
fn take(path: &Path) -> io::Result<Option<File>> {
    let file = match File::options().read(true).append(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    // Somebody may have worked it off, or rewritten it, between the opening and the lock.
    Ok(same(&file, path).then_some(file))
}

#[cfg(unix)]
fn same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Reads what is open. A last line that is torn is what the crash left of an entry; so its object was never created. Other lines that
/// cannot be read are reported and passed over: better most of the list than nothing.
fn read(file: &mut File) -> io::Result<Vec<Left>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // A new line of ours must not grow onto the torn one.
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        file.write_all(b"\n")?;
    }
    let mut open: Vec<Left> = Vec::new();
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    for (at, line) in lines.iter().enumerate() {
        match serde_json::from_slice::<Entry>(line) {
            Ok(entry) => apply(&mut open, entry),
            Err(_) if at + 1 == lines.len() => {}
            Err(error) => tracing::warn!(line = at + 1, %error, "a line of an old ledger cannot be read"),
        }
    }
    open.sort_by_key(|left| left.begin.number);
    Ok(open)
}

fn apply(open: &mut Vec<Left>, entry: Entry) {
    let mut of = |lease: &str, change: &mut dyn FnMut(&mut Left)| {
        if let Some(left) = open.iter_mut().find(|left| left.begin.lease == lease) {
            change(left);
        }
    };
    match entry {
        Entry::Begin(begin) => open.push(Left { begin, state: None, objects: Vec::new() }),
        Entry::Object { lease, kind, scope, name, by_plugin } => of(&lease, &mut |left| {
            let object = ObjectRef { kind: kind.clone(), scope: scope.clone(), name: name.clone() };
            left.objects.push(Noted { object, by_plugin });
        }),
        Entry::Forget { lease, kind, scope, name } => of(&lease, &mut |left| {
            left.objects
                .retain(|n| (&n.object.kind, &n.object.scope, &n.object.name) != (&kind, &scope, &name));
        }),
        Entry::State { lease, version, data } => of(&lease, &mut |left| {
            left.state = entry::decode(version, &data);
        }),
        Entry::Released { lease } => open.retain(|left| left.begin.lease != lease),
    }
}
