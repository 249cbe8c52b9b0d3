//! What stands in files: a first sentence, no place of this machine, no host of a package registry, and not too much.

use super::{files, nothing_found, shown, text};
use gateway_tests::contract::repository;
use std::path::{Path, PathBuf};

/// A file that is longer is one thing that is honestly long, or two things. Then it is two files.
const MOST_LINES: usize = 800;

/// Hosts that packages are fetched from. A file that names one works for whoever uses that one, and only for them. In pieces, so that this
/// file does not name them.
const REGISTRIES: [&str; 8] = [
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("yarnpkg", ".com"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("rubygems", ".org"),
];

/// Lock files are written by tools, which put the name of the registry into them.
fn is_written_by_tools(file: &Path) -> bool {
    let name = file.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    name.ends_with(".lock") || name == "package-lock.json" || name == "go.sum"
}

fn is_source(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "rs")
}

/// Whether a text names a path, as a whole: `/a/b` is not named by `/a/bc` and not by `x/a/b`.
fn names_path(text: &str, path: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '}' | '*');
    text.match_indices(path).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + path.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(in_word) && !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    })
}

/// Paths that only this machine has: the checkout, what lies beside it, and the tools in the home folder. A path with one name (`/data`)
/// is left out, because it may well be meant inside a container.
fn places_of_this_machine() -> Vec<String> {
    let root = std::fs::canonicalize(repository()).unwrap();
    let mut places = vec![root.clone()];
    if let Some(parent) = root.parent() {
        places.push(parent.to_owned());
        places.extend(std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    if let Some(home) = std::env::home_dir() {
        places.extend([".cargo", ".rustup"].map(|name| home.join(name)));
    }
    places
        .iter()
        .filter(|place| place.components().count() > 2)
        .map(|place: &PathBuf| shown_absolute(place))
        .collect()
}

fn shown_absolute(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn every_source_file_opens_with_a_sentence() {
    let bare = files().into_iter().filter(|f| is_source(f)).filter_map(|file| {
        let text = text(&file)?;
        let first = text.lines().next().unwrap_or_default();
        let says = first.strip_prefix("//!").is_some_and(|rest| rest.trim().len() > 3);
        (!says).then(|| format!("{}: the first line is not `//! …`", shown(&file)))
    });
    nothing_found("every source file opens with `//!` and a sentence on its purpose", bare.collect());
}

#[test]
fn no_file_is_too_long() {
    let long = files().into_iter().filter(|f| is_source(f) || f.extension().is_some_and(|e| e == "wit"));
    let long = long.filter_map(|file| {
        let lines = text(&file)?.lines().count();
        (lines > MOST_LINES).then(|| format!("{}: {lines} lines, at most {MOST_LINES}", shown(&file)))
    });
    nothing_found("no source file is too long", long.collect());
}

#[test]
fn no_file_names_a_place_of_this_machine_or_a_registry() {
    let places = places_of_this_machine();
    assert!(!places.is_empty());
    let mut found = Vec::new();
    for file in files().into_iter().filter(|f| !is_written_by_tools(f)) {
        let Some(text) = text(&file) else { continue };
        for place in places.iter().filter(|place| names_path(&text, place)) {
            found.push(format!("{}: names `{place}`, a path of this machine", shown(&file)));
        }
        for registry in REGISTRIES.iter().filter(|registry| text.contains(**registry)) {
            found.push(format!("{}: names `{registry}`, a host of a package registry", shown(&file)));
        }
    }
    nothing_found("no file names a place of this machine or a package registry", found);
}

#[test]
fn a_path_is_found_as_a_whole() {
    for (text, named) in [
        ("see /a/b/c.txt", true),
        ("see `/a/b`", true),
        ("path=/a/b", true),
        ("see /a/bc", false),
        ("see x/a/b", false),
        ("see host/a/b-c", false),
        ("/a/b-c", false),
    ] {
        assert_eq!(names_path(text, "/a/b"), named, "{text}");
    }
}
