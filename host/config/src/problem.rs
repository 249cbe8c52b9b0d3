//! What is wrong with a file, said so that a person can find the place and mend it.
//!
//! A file is read to its end before anything is refused, so [`Problems`] holds everything there is to
//! say about it at once. A [`Warning`] has the same shape, but the file is used all the same.

use std::fmt;
use std::sync::Arc;

/// How many problems [`Problems`] prints before it only counts the rest.
const SHOWN: usize = 50;

/// Where something stands in a file.
///
/// Places always compare equal: an entry that only moved within its file has not changed, and a
/// reload compares entries to find out what has.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file as the operator named it.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

impl Default for Place {
    /// Nowhere: for values that were not read from a file.
    fn default() -> Place {
        Place { file: "".into(), line: 0, column: 0 }
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the operator named it.
    pub file: String,
    /// Line, counted from 1; 0 when the problem is the file as a whole.
    pub line: usize,
    /// Column in characters, counted from 1; 0 when the problem is the file as a whole.
    pub column: usize,
    /// What is wrong: a lower-case fragment without a full stop.
    pub what: String,
    /// The way out, where one is known.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    pub(crate) fn of_file(file: &str, what: impl Into<String>, hint: Option<&str>) -> Problem {
        Problem {
            file: file.to_owned(),
            line: 0,
            column: 0,
            what: what.into(),
            hint: hint.map(str::to_owned),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_block(f, &self.file, self.line, self.column, &self.what, self.hint.as_deref())
    }
}

/// Something in a file that has no effect or is probably a mistake; the file is used all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file as the operator named it.
    pub file: String,
    /// Line, counted from 1; 0 when the warning is about the file as a whole.
    pub line: usize,
    /// Column in characters, counted from 1; 0 when the warning is about the file as a whole.
    pub column: usize,
    /// What was noticed: a lower-case fragment without a full stop.
    pub what: String,
    /// The way out, where one is known.
    pub hint: Option<String>,
}

impl From<Problem> for Warning {
    fn from(problem: Problem) -> Warning {
        let Problem { file, line, column, what, hint } = problem;
        Warning { file, line, column, what, hint }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_block(f, &self.file, self.line, self.column, &self.what, self.hint.as_deref())
    }
}

/// Everything that is wrong with a file, in the order of its lines.
///
/// *Invariant:* it holds at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Puts the problems in the order of the file.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        Problems(problems)
    }

    /// The problems of several files, one file after the other; none if there are none.
    pub fn join(files: impl IntoIterator<Item = Problems>) -> Option<Problems> {
        let problems: Vec<Problem> = files.into_iter().flatten().collect();
        (!problems.is_empty()).then_some(Problems(problems))
    }

    /// The problems, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(rest) if rest > 0 => write!(f, "\nand at least {rest} more"),
            _ => Ok(()),
        }
    }
}

/// The one layout of problems and warnings.
fn write_block(
    f: &mut fmt::Formatter<'_>,
    file: &str,
    line: usize,
    column: usize,
    what: &str,
    hint: Option<&str>,
) -> fmt::Result {
    if line == 0 {
        write!(f, "{file}: {what}")?;
    } else {
        write!(f, "{file}:{line}:{column}: {what}")?;
    }
    if let Some(hint) = hint {
        for (index, text) in hint.lines().enumerate() {
            f.write_str(if index == 0 { "\n  hint: " } else { "\n        " })?;
            f.write_str(text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, what: &str, hint: Option<&str>) -> Problem {
        let mut problem = Problem::of_file("gateway.yaml", what, hint);
        (problem.line, problem.column) = (line, if line == 0 { 0 } else { 5 });
        problem
    }

    #[test]
    fn problems_stand_in_the_order_of_the_file() {
        let problems = Problems::new(vec![
            problem(9, "`port` must be a whole number, not text", None),
            problem(7, "unknown key `foldrs`", Some("did you mean `folders`?")),
        ]);
        insta::assert_snapshot!(problems, @r"
        gateway.yaml:7:5: unknown key `foldrs`
          hint: did you mean `folders`?
        gateway.yaml:9:5: `port` must be a whole number, not text
        ");
    }

    #[test]
    fn a_problem_of_the_whole_file_has_no_line() {
        insta::assert_snapshot!(problem(0, "no such file", None), @"gateway.yaml: no such file");
    }

    #[test]
    fn a_long_list_is_cut() {
        let problems = Problems::new((1..=53).map(|line| problem(line, "x", None)).collect());
        let text = problems.to_string();
        assert_eq!(text.lines().count(), 51);
        assert!(text.ends_with("\nand at least 3 more"));
        assert_eq!(problems.count(), 53);
    }
}
