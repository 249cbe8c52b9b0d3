//! A process group as a whole: signals to all of it, and waiting until nobody of it is left.

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::time::Duration;
use tokio::time::Instant;

/// How often a group is asked whether somebody is left. The system tells nobody when a group becomes empty.
const LOOK: Duration = Duration::from_millis(10);

/// Whether somebody of the group is left. A process that ended and was not waited for counts.
pub(crate) fn exists(group: Pid) -> bool {
    // Refused means that somebody is there who is not ours to signal: a program that changed its user.
    !matches!(test_kill_process_group(group), Err(rustix::io::Errno::SRCH))
}

/// Sends a signal to everybody of the group.
pub(crate) fn signal(group: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(group, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::debug!(group = group.as_raw_nonzero().get(), %error, "a process group could not be signalled");
    }
}

/// Waits until nobody is left, at most so long. False if somebody is.
pub(crate) async fn gone(group: Pid, within: Duration) -> bool {
    let until = Instant::now() + within;
    while exists(group) {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}
