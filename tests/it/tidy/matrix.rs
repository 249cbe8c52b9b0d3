//! The table of features and eras in `tests/README.md` names every test of the matrix and nothing else.

use super::{nothing_found, text};
use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = "tests/README.md";
const FOLDER: &str = "host/gateway/src/tests/matrix";
const FILES: [&str; 3] = ["plain", "listened", "asked"];
const PAIRS: [&str; 4] = ["legacy_legacy", "legacy_modern", "modern_legacy", "modern_modern"];

/// The tests that a file of the matrix makes: four of each feature in its `pairs!`, which must be a function.
fn made(file: &str, source: &str) -> Result<BTreeSet<String>, String> {
    let list = source.split_once("pairs! {").and_then(|(_, rest)| rest.split_once('}'));
    let (list, _) = list.ok_or_else(|| format!("{file}.rs has no `pairs!`"))?;
    let mut tests = BTreeSet::new();
    for feature in list.split_whitespace() {
        if !source.contains(&format!("async fn {feature}(")) {
            return Err(format!("{file}.rs has no function `{feature}`"));
        }
        tests.extend(PAIRS.map(|pair| format!("{file}::{feature}::{pair}")));
    }
    Ok(tests)
}

/// The tests that the table names, each in the column of its pair.
fn named(page: &str) -> Result<BTreeSet<String>, String> {
    let mut tests = BTreeSet::new();
    for line in page.lines().filter(|line| line.contains("::legacy_legacy`")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, cells @ ..] = &*cells else { return Err(format!("no row: {line}")) };
        if cells.len() != PAIRS.len() {
            return Err(format!("a row has {} tests and not four: {line}", cells.len()));
        }
        for (cell, pair) in cells.iter().zip(PAIRS) {
            let test = cell.trim_matches('`');
            if !test.ends_with(pair) || !tests.insert(test.to_owned()) {
                return Err(format!("`{test}` stands twice, or in the column of another pair"));
            }
        }
    }
    Ok(tests)
}

#[test]
fn the_table_of_features_and_eras_names_every_test() {
    let page = text(Path::new(PAGE)).unwrap();
    let there = named(&page).unwrap();
    let mut tests = BTreeSet::new();
    for file in FILES {
        let source = text(&Path::new(FOLDER).join(format!("{file}.rs"))).unwrap();
        tests.extend(made(file, &source).unwrap());
    }
    assert!(tests.len() > 50, "nothing was looked at");
    let missing = tests.difference(&there).map(|test| format!("{PAGE} does not name `{test}`"));
    let gone = there.difference(&tests).map(|test| format!("{PAGE} names `{test}`, which is no test"));
    nothing_found("every feature has a test in each pair of eras", missing.chain(gone).collect());
}

#[test]
fn a_table_that_is_wrong_is_found() {
    let row = |last: &str| {
        format!(
            "| x | `a::x::legacy_legacy` | `a::x::legacy_modern` | `a::x::modern_legacy` | `a::x::{last}` |"
        )
    };
    assert_eq!(named(&row("modern_modern")).unwrap().len(), 4);
    assert!(named(&row("legacy_modern")).is_err());
    assert!(named("| x | `a::x::legacy_legacy` |").is_err());
    assert_eq!(made("a", "super::pairs! { x } async fn x(pair: Pair)").unwrap().len(), 4);
    assert!(made("a", "super::pairs! { x y } async fn x(pair: Pair)").is_err());
    assert!(made("a", "nothing").is_err());
}
