//! `tests/original.md`: which test of ours stands for which of the original's; `tests/kubernetes.md`: for which rule. A name there that no test has
//! would promise what nobody checks.

use super::{files, nothing_found, text};
use std::collections::BTreeSet;
use std::path::Path;

/// The pages, with the fewest lines that their tables can have.
const PAGES: [(&str, usize); 2] = [("tests/original.md", 50), ("tests/kubernetes.md", 50)];

/// Names of the functions that are tests in a source text.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    let mut attribute = false;
    source.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            attribute = true;
            return None;
        }
        if !attribute || line.starts_with("#[") || line.starts_with("//") {
            return None;
        }
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        attribute = name.is_none() && line.ends_with(',');
        name.and_then(|rest| rest.split(['(', '<']).next())
    })
}

/// What is wrong with a page of this name, given all tests.
fn wrong(name: &str, page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else { continue };
        let Some((theirs, ours)) = row.rsplit_once(" | ") else { continue };
        if theirs == "---" || ours == "ours" {
            continue;
        }
        let place = format!("{name}:{}", number + 1);
        let named: Vec<&str> = ours.split('`').skip(1).step_by(2).filter(|name| name.contains('_')).collect();
        for name in named.iter().filter(|name| !tests.contains(**name)) {
            found.push(format!("{place}: there is no test `{name}`"));
        }
        if named.is_empty() && !ours.starts_with("– ") {
            found.push(format!("{place}: neither a test nor a reason"));
        }
    }
    found
}

#[test]
fn pages_about_tests_name_tests_that_exist() {
    let mut tests = BTreeSet::new();
    for file in files().iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
        tests.extend(tests_in(&text(file).unwrap_or_default()).map(str::to_owned));
    }
    assert!(tests.contains("pages_about_tests_name_tests_that_exist"), "no test was found");
    for (name, rows) in PAGES {
        let page = text(Path::new(name)).unwrap();
        assert!(page.lines().filter(|line| line.starts_with("| ")).count() > rows, "{name} has hardly a row");
        nothing_found("tests that stand for others, or for rules", wrong(name, &page, &tests));
    }
}

#[test]
fn a_name_of_no_test_and_a_row_without_a_word_are_found() {
    let source = "#[test]\nfn one_is() {}\nfn no_test() {}\n#[tokio::test(flavor = \"x\")]\n#[ignore]\nasync fn two_is() {}\n";
    let tests: BTreeSet<String> = tests_in(source).map(str::to_owned).collect();
    assert_eq!(tests.iter().collect::<Vec<_>>(), ["one_is", "two_is"]);
    let page = "| theirs | ours |\n| --- | --- |\n| `TestA` | `one_is`, `two_is` |\n| `TestB` | – a reason, `--flag` |\n\
                | `TestC` | `no_test` |\n| `TestD` | nothing |\n";
    let expected = ["page.md:5: there is no test `no_test`", "page.md:6: neither a test nor a reason"];
    assert_eq!(wrong("page.md", page, &tests), expected);
}
