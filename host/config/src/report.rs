//! Collects what is wrong with one file while it is read to its end.

use std::sync::Arc;

use crate::problem::{Place, Problem, Problems, Warning};
use crate::yaml::Position;

/// How many problems or warnings are kept, so that a large file of something else does not become
/// an even larger list. Nobody reads the thousandth.
const MAX_KEPT: usize = 1000;

/// What a key nobody knows means in this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One of Docker's files: it may have been written for another program, so unknown keys are only
    /// worth a warning, and what Docker's gateway shrugs at is shrugged at.
    Docker,
    /// A file of our own: what is not understood is refused.
    Own,
}

/// The problems and warnings of one file so far.
#[derive(Debug)]
pub(crate) struct Report {
    file: Arc<str>,
    mode: Mode,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Report {
    pub(crate) fn new(file: &str, mode: Mode) -> Report {
        Report { file: file.into(), mode, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Whether the file is one of our own.
    pub(crate) fn strict(&self) -> bool {
        self.mode == Mode::Own
    }

    pub(crate) fn place(&self, at: Position) -> Place {
        Place { file: Arc::clone(&self.file), line: at.line, column: at.column }
    }

    pub(crate) fn problem(&mut self, at: Position, what: impl Into<String>) {
        self.add(at, what.into(), None);
    }

    pub(crate) fn problem_with_hint(
        &mut self,
        at: Position,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(at, what.into(), Some(hint.into()));
    }

    pub(crate) fn problem_maybe_hint(&mut self, at: Position, what: impl Into<String>, hint: Option<String>) {
        self.add(at, what.into(), hint);
    }

    pub(crate) fn warning(&mut self, at: Position, what: impl Into<String>, hint: Option<String>) {
        if self.warnings.len() < MAX_KEPT {
            let warning = self.at(at, what.into(), hint).into();
            self.warnings.push(warning);
        }
    }

    /// The value, unless anything was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<Warning>), Problems> {
        match value {
            Some(value) if self.problems.is_empty() => {
                let mut warnings = self.warnings;
                warnings.sort_by_key(|warning| (warning.line, warning.column));
                Ok((value, warnings))
            }
            _ if self.problems.is_empty() => {
                Err(Problem::of_file(&self.file, "could not be understood", None).into())
            }
            _ => Err(Problems::new(self.problems)),
        }
    }

    /// A problem that is not about one place, or whose place is known already.
    pub(crate) fn add_problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_KEPT {
            self.problems.push(problem);
        }
    }

    fn add(&mut self, at: Position, what: String, hint: Option<String>) {
        if self.problems.len() >= MAX_KEPT {
            return;
        }
        let problem = self.at(at, what, hint);
        self.problems.push(problem);
    }

    fn at(&self, at: Position, what: String, hint: Option<String>) -> Problem {
        Problem { file: self.file.as_ref().to_owned(), line: at.line, column: at.column, what, hint }
    }
}
