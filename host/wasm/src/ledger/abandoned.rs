//! Ledgers of runs that are dead: found by their locks, read leniently, removed when they are worked off.

use crate::ledger::entry::{self, Begin, Entry};
use crate::ledger::file;
use crate::ledger::folder::Folder;
use crate::ledger::{Liveness, Noted};
use crate::sanitize;
use host_provisioner::{Lease, ObjectRef, State};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes of an old ledger that are read. They are compacted at one, so more was not written by a gateway.
const READ: u64 = 64 << 20;
/// Bytes of a name that is shown.
const SHOWN: usize = 200;

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
    folder: Arc<Folder>,
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
        if let Err(error) = self.folder.remove(&file::name(&self.session)) {
            tracing::warn!(%error, "an old ledger could not be removed");
        }
        true
    }
}

/// Files in the folder whose lock can be taken, but for our own.
pub(crate) fn find(path: &Path, own: &str) -> Vec<Abandoned> {
    let folder = match Folder::open(path, false) {
        Ok(folder) => Arc::new(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!("old ledgers are not read: {error}");
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for name in folder.names() {
        // Another name was not given by a gateway, so it is not even shown.
        let Some(session) = name.strip_suffix(".jsonl").filter(|session| is_id(session)) else { continue };
        if session == own {
            continue;
        }
        match take(&folder, &name) {
            Ok(Some(mut file)) => match read(&mut file) {
                Ok(leases) => {
                    let (session, folder) = (session.to_owned(), Arc::clone(&folder));
                    found.push(Abandoned { session, leases, folder, file });
                }
                Err(error) => tracing::warn!(name, "an old ledger cannot be read: {error}"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(name, "an old ledger cannot be opened: {error}"),
        }
    }
    found.sort_by(|a, b| a.session.cmp(&b.session));
    found
}

/// Whether the run of a session lives.
pub(crate) fn liveness(path: &Path, session: &str) -> Liveness {
    // It becomes the name of a file, and it comes from labels that anybody may have written.
    if !is_id(session) {
        return Liveness::Unknown;
    }
    let Ok(folder) = Folder::open(path, false) else { return Liveness::Unknown };
    let name = file::name(session);
    match take(&folder, &name) {
        Ok(Some(_)) => Liveness::Dead,
        Ok(None) if folder.has(&name) => Liveness::Alive,
        Ok(None) | Err(_) => Liveness::Unknown,
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// The file with its lock, or nothing if somebody has the lock or the file went while we opened it.
fn take(folder: &Folder, name: &str) -> io::Result<Option<File>> {
    let file = match folder.file(name) {
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
    Ok(folder.leads_to(name, &file).then_some(file))
}

/// Reads what is open. A last line that is torn is what the crash left of an entry; so its object was never created. Other lines that
/// cannot be read are reported and passed over: better most of the list than nothing.
fn read(file: &mut File) -> io::Result<Vec<Left>> {
    let mut bytes = Vec::new();
    file.take(READ + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > READ {
        return Err(io::Error::other(format!("it is larger than {} MiB", READ >> 20)));
    }
    // A new line of ours must not grow onto the torn one.
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        file.write_all(b"\n")?;
    }
    let mut open: Vec<Left> = Vec::new();
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    for (at, line) in lines.iter().enumerate() {
        let entry =
            serde_json::from_slice::<Entry>(line).map_err(|error| error.to_string()).and_then(checked);
        match entry {
            Ok(entry) => apply(&mut open, entry),
            Err(_) if at + 1 == lines.len() => {}
            Err(why) => {
                let why = sanitize::line(&why, SHOWN);
                tracing::warn!(line = at + 1, why, "a line of an old ledger cannot be read");
            }
        }
    }
    open.sort_by_key(|left| left.begin.number);
    Ok(open)
}

/// What is shown to people is made fit for it, and what is a name for the gateway must be one. Objects and states stay as they were
/// written: they are the plugin's.
fn checked(entry: Entry) -> Result<Entry, String> {
    let Entry::Begin(mut begin) = entry else { return Ok(entry) };
    let id = |text: &str| {
        text.len() <= 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    for (text, what) in [
        (&begin.lease, "lease"),
        (&begin.plugin, "plugin"),
        (&begin.digest, "digest"),
        (&begin.server_id, "server id"),
        (&begin.session, "session"),
        (&begin.request, "request"),
    ] {
        if !id(text) {
            return Err(format!("the {what} `{text}` is none"));
        }
    }
    begin.server_name = sanitize::line(&begin.server_name, SHOWN);
    begin.version = sanitize::line(&begin.version, SHOWN);
    Ok(Entry::Begin(begin))
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
