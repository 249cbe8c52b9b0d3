//! `tests/original.md`: which test of ours stands for which of the original's. A name there that no test has would promise what nobody checks.

use super::{files, nothing_found, text};
use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = "tests/original.md";

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

/// What is wrong with the page, given all tests.
fn wrong(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else { continue };
        let Some((theirs, ours)) = row.rsplit_once(" | ") else { continue };
        if theirs == "---" || ours == "ours" {
            continue;
        }
        let place = format!("{PAGE}:{}", number + 1);
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
fn the_page_about_the_originals_tests_names_tests_that_exist() {
    let mut tests = BTreeSet::new();
    for file in files().iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
        tests.extend(tests_in(&text(file).unwrap_or_default()).map(str::to_owned));
    }
    assert!(tests.contains("the_page_about_the_originals_tests_names_tests_that_exist"), "no test was found");
    let page = text(Path::new(PAGE)).unwrap();
    assert!(page.lines().filter(|line| line.starts_with("| ")).count() > 50, "the page has hardly a row");
    nothing_found("tests that stand for the original's", wrong(&page, &tests));
}

#[test]
fn a_name_of_no_test_and_a_row_without_a_word_are_found() {
    let source = "#[test]\nfn one_is() {}\nfn no_test() {}\n#[tokio::test(flavor = \"x\")]\n#[ignore]\nasync fn two_is() {}\n";
    let tests: BTreeSet<String> = tests_in(source).map(str::to_owned).collect();
    assert_eq!(tests.iter().collect::<Vec<_>>(), ["one_is", "two_is"]);
    let page = "| theirs | ours |\n| --- | --- |\n| `TestA` | `one_is`, `two_is` |\n| `TestB` | – a reason, `--flag` |\n\
                | `TestC` | `no_test` |\n| `TestD` | nothing |\n";
    let expected = [
        "tests/original.md:5: there is no test `no_test`",
        "tests/original.md:6: neither a test nor a reason",
    ];
    assert_eq!(wrong(page, &tests), expected);
}
