//! Measures what design 10 has budgets for, each figure beside a baseline of the same run: on two shared cores the same run differs by up
//! to a factor of two within minutes, so a figure alone says little.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a program that measures ends where something is not as it should be"
)]

pub mod catalog;
pub mod cluster;
pub mod docker;
pub mod embedded;
pub mod engines;
pub mod guest;
pub mod load;
pub mod process;
pub mod relay;
pub mod report;
pub mod soak;
pub mod start;
pub mod way;

use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds of which the median is taken; the things compared take turns in each.
    pub rounds: usize,
    /// How long one run of the load client takes, in seconds.
    pub load_seconds: f64,
    /// Repetitions of what takes microseconds.
    pub calls: usize,
    /// Idle sessions that are opened.
    pub sessions: usize,
}

impl Effort {
    /// What the figures in the notes are taken with.
    pub const FULL: Self = Self { rounds: 5, load_seconds: 2.0, calls: 20_000, sessions: 1_000 };
    /// To see that everything is still in its place.
    pub const QUICK: Self = Self { rounds: 3, load_seconds: 1.0, calls: 2_000, sessions: 200 };
}

/// The middle of some figures; of an even number the lower middle.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) / 2]
}

/// A time in milliseconds.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A time in microseconds.
#[must_use]
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
