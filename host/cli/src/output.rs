//! What people and programs read: errors on standard error, data on standard output.

use crate::exit;
use host_config::Problems;
use host_provisioner::Failure;
use std::io::{IsTerminal, Write};

/// An error that means "the command line or a file is wrong": nothing was started.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A line for people.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", harmless(line));
}

/// A line of data: as it is for programs, without what a terminal would obey for people.
pub(crate) fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = match out.is_terminal() {
        true => writeln!(out, "{}", harmless(line)),
        false => writeln!(out, "{line}"),
    };
}

fn harmless(text: &str) -> String {
    host_provisioner::sanitize::block(text, usize::MAX)
}

/// JSON for programs.
pub(crate) fn print_json(value: &serde_json::Value) {
    print(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Shows an error with its causes and hint, and gives the exit code that it means.
pub(crate) fn failed(error: &anyhow::Error) -> u8 {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        say(&problems.to_string());
        return exit::USAGE;
    }
    let mut text = format!("error: {error}");
    let mut hint = None;
    if let Some(failure) = error.downcast_ref::<Failure>() {
        hint.clone_from(&failure.hint);
    }
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  cause: {cause}"));
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            hint.clone_from(&failure.hint);
        }
    }
    if let Some(hint) = hint {
        text.push_str(&format!("\n\nhint: {hint}"));
    }
    say(&text);
    if error.chain().any(|cause| cause.is::<Usage>() || cause.is::<Problems>()) {
        exit::USAGE
    } else {
        exit::FAILED
    }
}

/// A name out of a file of another run as it can be shown: without what a terminal would obey, and no longer than a name is.
pub(crate) fn name(text: &str) -> String {
    host_provisioner::sanitize::line(text, 200)
}

/// A digest in the one form in which digests are shown: `sha256:` and 64 hexadecimal digits.
pub(crate) fn digest(hex: &str) -> String {
    format!("sha256:{}", hex.trim_start_matches("sha256:"))
}

/// The same, as short as a person can still compare it.
pub(crate) fn short_digest(hex: &str) -> String {
    digest(hex).chars().take("sha256:".len() + 12).collect()
}

/// Columns for people, aligned. What stands in them may be others' words, so each cell is one line that no terminal obeys.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let shown = |row: &Vec<String>| -> Vec<String> {
        row.iter()
            .map(|cell| host_provisioner::sanitize::line(cell, host_provisioner::sanitize::LINE))
            .collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let mut widths: Vec<usize> = header.iter().map(|h| h.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_are_shown_harmless() {
        assert_eq!(name("notes"), "notes");
        assert_eq!(name("a\u{1b}[2J\nb\u{202e}c"), "a\\u{1b}[2J\\nb\\u{202e}c");
        assert_eq!(name("in\u{200b}visible"), "in\\u{200b}visible");
        assert_eq!(name(&"x".repeat(1000)), format!("{}…", "x".repeat(200)));
    }

    #[test]
    fn a_cell_stays_one_line_that_no_terminal_obeys() {
        let rows = [vec!["a\u{1b}]0;x\u{7}".to_owned(), "one\ntwo".to_owned()]];
        let shown = r"a\u{1b}]0;x\u{7}";
        let width = shown.len();
        assert_eq!(table(&["A", "B"], &rows), format!("{:<width$}  B\n{shown}  one\\ntwo", "A"));
    }

    #[test]
    fn digests_have_one_form() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(digest(&hex), format!("sha256:{hex}"));
        assert_eq!(digest(&digest(&hex)), digest(&hex));
        assert_eq!(short_digest(&hex), "sha256:0123456789ab");
    }
}
