//! What a process has used, as the system counts it.

use std::time::Duration;

/// Ticks of `/proc/PID/stat` per second: part of the interface of the Linux kernel, whatever its own clock does.
const TICKS: f64 = 100.0;

/// Processor time of all its threads, also of those that have ended, to ten milliseconds.
///
/// # Panics
/// The process has ended.
#[must_use]
pub fn processor(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name of the program is in parentheses and may hold anything; fields are counted after it.
    let (_, fields) = text.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    // Fields 14 and 15 of the page `proc(5)`: user and system time.
    Duration::from_secs_f64((ticks(11) + ticks(12)) / TICKS)
}

/// Processor time of the threads of this process that live, to the nanosecond where the scheduler tells.
///
/// # Panics
/// The system does not say.
#[must_use]
pub fn own_processor() -> Duration {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end while its line is read.
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
