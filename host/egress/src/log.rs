//! What a person should know, on standard error: one line each, without control characters.

use std::io::Write;

/// Longest line.
const LONGEST: usize = 300;

/// Writes a line. When nobody reads them any more, nothing is lost.
pub(crate) fn line(text: &str) {
    let clean: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let _ = writeln!(std::io::stderr().lock(), "{clean}");
}
