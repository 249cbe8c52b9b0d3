//! How a process ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a process fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It has ended.
    Ended {
        /// In a person's words: `it ended with exit code 1`.
        text: String,
        /// Its exit code; `None` if a signal ended it.
        code: Option<i32>,
    },
}

impl Status {
    pub(crate) fn of(status: ExitStatus) -> Self {
        let text = match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with exit code {code}"),
            (None, Some(signal)) => format!("it was ended by signal {}", name(signal)),
            (None, None) => "it ended".to_owned(),
        };
        Self::Ended { text, code: status.code() }
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// The signals that end processes in practice by their names, others by their numbers.
fn name(signal: i32) -> String {
    let known = match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        15 => "TERM",
        _ => return signal.to_string(),
    };
    format!("{signal} ({known})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        let text = |raw| match Status::of(ExitStatus::from_raw(raw)) {
            Status::Ended { text, code } => (text, code),
            Status::Running => panic!("it has ended"),
        };
        assert_eq!(text(3 << 8), ("it ended with exit code 3".to_owned(), Some(3)));
        assert_eq!(text(9), ("it was ended by signal 9 (KILL)".to_owned(), None));
        assert_eq!(text(31), ("it was ended by signal 31".to_owned(), None));
    }
}
