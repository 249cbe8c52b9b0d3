//! Names of servers: they stand in logs, tables, labels and errors, so none may hide what it is.

use crate::report::Report;
use crate::yaml::Position;

/// A name in the operator's own files.
pub(crate) fn check_own(name: &str, at: Position, report: &mut Report) {
    if name.is_empty() || name.trim() != name || name.chars().any(hides) {
        refuse(name, at, report, "names are not empty and have no spaces around them");
    }
}

/// A name in Docker's files, whose spaces are nobody's matter.
pub(crate) fn check_docker(name: &str, at: Position, report: &mut Report) {
    if name.chars().any(hides) {
        refuse(name, at, report, "names have no control characters and none that change the order of others");
    }
}

fn refuse(name: &str, at: Position, report: &mut Report, hint: &str) {
    report.problem_with_hint(at, format!("`{}` cannot be the name of a server", name.escape_debug()), hint);
}

/// Control characters, line ends, and what changes the order of others (Unicode TR36 2.5).
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}
