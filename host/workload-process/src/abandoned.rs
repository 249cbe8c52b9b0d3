//! Ending what gateways have left that were killed themselves: processes that carry the mark of a run that no longer lives.
//!
//! Most servers end by themselves when their input closes; this is for those that do not.

use crate::record::{self, Orphan};
use process::{Process, marked};
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

/// How long a process may take to end after it was asked.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// What was done about a run that no longer lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// Its session.
    pub session: String,
    /// Processes that were ended.
    pub ended: Vec<u32>,
    /// Processes that do not end.
    pub left: Vec<u32>,
}

/// Ends the processes of runs that no longer live and forgets those runs. Runs without processes are forgotten silently.
pub async fn work_off(state: &Path) -> Vec<Abandoned> {
    let mut done = Vec::new();
    for orphan in record::orphans(state) {
        let session = orphan.session.clone();
        let processes = marked(&session);
        let ended: Vec<u32> = processes.iter().map(Process::number).collect();
        let left = end(&session, processes).await;
        if left.is_empty() {
            forget(orphan);
        }
        let ended: Vec<u32> = ended.into_iter().filter(|pid| !left.contains(pid)).collect();
        if !ended.is_empty() || !left.is_empty() {
            done.push(Abandoned { session, ended, left });
        }
    }
    done
}

fn forget(orphan: Orphan) {
    if let Err(error) = orphan.remove() {
        tracing::debug!(%error, "the record of a run that has ended was not removed");
    }
}

/// Asks, waits, and kills. Gives those that are still there.
async fn end(session: &str, processes: Vec<Process>) -> Vec<u32> {
    if processes.is_empty() {
        return Vec::new();
    }
    processes.iter().for_each(|process| process.signal(Signal::TERM));
    if emptied(session).await.is_empty() {
        return Vec::new();
    }
    // Once more from the start: those that were asked may have started others.
    marked(session).iter().for_each(|process| process.signal(Signal::KILL));
    emptied(session).await
}

async fn emptied(session: &str) -> Vec<u32> {
    let until = tokio::time::Instant::now() + GRACE;
    loop {
        let left: Vec<u32> = marked(session).iter().map(Process::number).collect();
        if left.is_empty() || tokio::time::Instant::now() >= until {
            return left;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(target_os = "linux")]
mod process {
    //! Finding processes by what stands in their environment.

    use crate::MARK;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::os::fd::OwnedFd;

    /// A process that is held by a handle, so that the number cannot come to mean another one.
    pub(super) struct Process {
        pid: Pid,
        handle: OwnedFd,
    }

    impl Process {
        pub(super) fn number(&self) -> u32 {
            self.pid.as_raw_nonzero().get().unsigned_abs()
        }

        pub(super) fn signal(&self, signal: Signal) {
            if let Err(error) = pidfd_send_signal(&self.handle, signal) {
                tracing::debug!(pid = self.number(), %error, "a process could not be signalled");
            }
        }
    }

    /// Processes with the mark of this session. A process of another user shows no mark and is left alone.
    pub(super) fn marked(session: &str) -> Vec<Process> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let wanted = format!("{MARK}={session}.");
        let process = |name: &str| {
            let pid = Pid::from_raw(name.parse().ok()?)?;
            // The handle first: what is read afterwards belongs to the process that the handle holds, or to nobody.
            let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            let environment = std::fs::read(format!("/proc/{name}/environ")).ok()?;
            let ours =
                environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(wanted.as_bytes()));
            ours.then_some(Process { pid, handle })
        };
        entries.flatten().filter_map(|entry| process(entry.file_name().to_str()?)).collect()
    }
}

/// Elsewhere nobody can tell whose a process is, so none is touched.
#[cfg(not(target_os = "linux"))]
mod process {
    use rustix::process::Signal;

    pub(super) enum Process {}

    impl Process {
        pub(super) fn number(&self) -> u32 {
            match *self {}
        }

        pub(super) fn signal(&self, _: Signal) {
            match *self {}
        }
    }

    pub(super) fn marked(_: &str) -> Vec<Process> {
        Vec::new()
    }
}
