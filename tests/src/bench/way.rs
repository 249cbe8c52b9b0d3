//! One way to an echo, measured again and again in turns with the others.

use super::load::{LoadClient, Target};
use super::{Effort, median, micros, process};

/// A way with what it came to.
pub struct Way {
    target: Target,
    revision: &'static str,
    tool: &'static str,
    /// The process whose processor time counts.
    pid: Option<u32>,
    p50: Vec<f64>,
    per_second: Vec<f64>,
    processor: Vec<f64>,
}

/// What it came to, as medians.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// Latency in milliseconds, half of the calls.
    pub p50: f64,
    /// Calls per second.
    pub per_second: f64,
    /// Processor time of the process per call, in microseconds; the least of all rounds, because what others do on the machine only adds to it.
    pub processor: f64,
}

impl Way {
    /// To this target, by calls of this tool. `pid` is the process whose time counts.
    #[must_use]
    pub fn new(target: Target, revision: &'static str, tool: &'static str, pid: Option<u32>) -> Self {
        let (p50, per_second, processor) = (Vec::new(), Vec::new(), Vec::new());
        Self { target, revision, tool, pid, p50, per_second, processor }
    }

    /// One round. What it costs to open the sessions, start their servers and warm up is measured beside and left out.
    ///
    /// # Panics
    /// A call fails.
    pub async fn run(&mut self, client: &LoadClient, sessions: usize, seconds: f64) {
        let spent = async |seconds: f64| {
            let before = self.pid.map(process::processor);
            let load = client.run(&self.target, self.revision, self.tool, sessions, seconds).await;
            let spent =
                self.pid.zip(before).map(|(pid, before)| process::processor(pid).saturating_sub(before));
            (load, spent)
        };
        let (_, opening) = spent(0.0).await;
        let (load, spent) = spent(seconds).await;
        if let (Some(opening), Some(spent)) = (opening, spent) {
            self.processor.push(micros(spent.saturating_sub(opening)) / load.calls);
        }
        self.p50.push(load.p50);
        self.per_second.push(load.per_second);
    }

    /// What all rounds came to.
    #[must_use]
    pub fn settled(self) -> Settled {
        let processor = self.processor.into_iter().min_by(f64::total_cmp).unwrap_or(0.0);
        Settled { p50: median(self.p50), per_second: median(self.per_second), processor }
    }
}

/// Runs all ways in turns.
///
/// # Panics
/// A call fails.
pub async fn in_turns<const N: usize>(
    effort: Effort,
    client: &LoadClient,
    sessions: usize,
    mut ways: [Way; N],
) -> [Settled; N] {
    for _ in 0..effort.rounds {
        for way in &mut ways {
            way.run(client, sessions, effort.load_seconds).await;
        }
    }
    ways.map(Way::settled)
}
