//! Rules of the house that a compiler does not know. A message names the file and the rule.
//!
//! A new rule is a function from text to findings, with a test that shows what it finds, and a line in `CONTRIBUTING.md`.

#![expect(clippy::unwrap_used, reason = "what cannot be read ends the test there")]

mod imports;
mod manifest;
mod matrix;
mod original;
mod sources;

use gateway_tests::contract::repository;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders at the top. Pages live beside what they describe; only single files are added at the root.
const TOP_LEVEL: [&str; 6] = ["examples", "host", "plugins", "sdk", "tests", "wit"];

/// Built or fetched, never written by hand.
const NOT_OURS: [&str; 5] = [".git", "target", "node_modules", "__pycache__", ".venv"];

/// Fails with every finding at once, because they are mended together.
fn nothing_found(rule: &str, mut found: Vec<String>) {
    found.sort();
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// Every file of the checkout, relative to it, sorted. Links are not followed: what they lead to is seen where it is.
fn files() -> Vec<PathBuf> {
    let root = repository();
    let mut open = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            // Somebody may be writing in the checkout while the tests run.
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() {
                if !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                    open.push(path);
                }
            } else if kind.is_file() {
                files.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    files.sort();
    assert!(
        files.iter().any(|f| f.ends_with("tests/it/tidy.rs")),
        "this file was not found, so nothing was looked at"
    );
    files
}

/// The text of a file of the checkout; `None` if it is no text, or gone since it was listed.
fn text(file: &Path) -> Option<String> {
    std::fs::read_to_string(repository().join(file)).ok()
}

/// A path as it is written in messages, with `/` everywhere.
fn shown(file: &Path) -> String {
    file.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// What a test writes for a person to look at, and is never committed.
fn is_unreviewed(file: &str) -> bool {
    file.ends_with(".snap.new") || file.ends_with(".pending-snap")
}

#[test]
fn no_snapshot_that_nobody_took_is_committed() {
    for (file, found) in [
        ("host/pool/src/.pending.rs.pending-snap", true),
        ("tests/it/snapshots/it__run.snap.new", true),
        ("tests/it/snapshots/it__run.snap", false),
        ("host/pool/src/pending.rs", false),
    ] {
        assert_eq!(is_unreviewed(file), found, "{file}");
    }
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(repository()).output().unwrap();
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.split('\0').any(|file| file == "tests/it/tidy.rs"), "nothing was looked at");
    let found = listed.split('\0').filter(|file| is_unreviewed(file)).map(str::to_owned).collect();
    nothing_found("snapshots are looked at and taken before they are committed", found);
}

#[test]
fn there_is_no_new_top_level_folder() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(repository()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !name.starts_with('.') && name != "target" && !TOP_LEVEL.contains(&name.as_str()) {
            found.push(format!("{name}/: put it below one of {}", TOP_LEVEL.join(", ")));
        }
    }
    nothing_found("no top-level folders beyond the known ones", found);
}
