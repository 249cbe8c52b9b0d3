//! What a process has used, as the system counts it.

use std::time::Duration;

/// Processor time of all threads that live, to the nanosecond. Threads that serve live as long as the process; those that come and go are
/// missing, which is why it is only asked before and after a load.
///
/// # Panics
/// The process has ended.
#[must_use]
pub fn processor(pid: u32) -> Duration {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
        nanos += text.split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(nanos)
}

/// Memory that it has resident, in KiB.
///
/// # Panics
/// The process has ended.
#[must_use]
pub fn resident(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
