//! Names that a generator could not write down in a guest language.
//!
//! Looked at as the generators for the three languages write them: functions and parameters as `snake_case` in Rust and Python and as
//! `camelCase` in JavaScript, interfaces as modules, types as `UpperCamelCase`. Fields and cases are properties, attributes or constants in
//! all of them, where generators quote or escape; they are left free, apart from Rust's and Python's words for fields.

use super::{contract, nothing_found};
use gateway_tests::contract::Shape;

const RUST: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in \
    let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe unsized use \
    virtual where while yield";
const PYTHON: &str = "and as assert async await break class continue def del elif else except finally for from global if import in is \
    lambda nonlocal not or pass raise return try while with yield";
/// With the words of strict mode, which modules always have, and the two names that strict mode forbids to bind.
const JAVASCRIPT: &str = "arguments await break case catch class const continue debugger default delete do else enum eval export extends \
    false finally for function if implements import in instanceof interface let new null package private protected public return static \
    super switch this throw true try typeof var void while with yield";
/// As type names.
const UPPER: &str = "Self None True False Object String Function Promise";

fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|w| w == word)
}

fn upper_camel(kebab: &str) -> String {
    kebab
        .split('-')
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect::<String>()
        })
        .collect()
}

/// Languages in which a name of one word cannot be a function, module or parameter. A name of several words never is a keyword.
fn refused_by(name: &str) -> Vec<&'static str> {
    [("Rust", RUST), ("Python", PYTHON), ("JavaScript", JAVASCRIPT)]
        .into_iter()
        .filter(|(_, words)| has(words, name))
        .map(|(language, _)| language)
        .collect()
}

#[test]
fn no_name_is_a_keyword_of_a_guest_language() {
    let contract = contract();
    // What it is, its full name, and the name that a generator writes.
    let mut names: Vec<(&str, String, &str)> = Vec::new();
    let mut found = Vec::new();
    for interface in &contract.interfaces {
        names.push(("interface", interface.name.clone(), &interface.name));
    }
    for (full, function) in contract.functions() {
        for (parameter, _) in &function.parameters {
            names.push(("parameter", format!("{full}({parameter})"), parameter));
        }
        names.push(("function", full, &function.name));
    }
    for (interface, item) in contract.types() {
        let full = format!("{interface}.{}", item.name);
        if matches!(item.shape, Shape::Record(_)) {
            for member in item.shape.members().iter().filter(|m| has(RUST, &m.name) || has(PYTHON, &m.name)) {
                found.push(format!("field `{full}.{}` is reserved in Rust or Python", member.name));
            }
        }
        if has(UPPER, &upper_camel(&item.name)) {
            found.push(format!("type `{full}` becomes `{}`", upper_camel(&item.name)));
        }
        names.push(("type", full, &item.name));
    }
    for (what, full, name) in names {
        let languages = refused_by(name);
        if !languages.is_empty() {
            found.push(format!("{what} `{full}` is reserved in {}", languages.join(", ")));
        }
    }
    nothing_found("names that generators would have to change", &found);
}

#[test]
fn keywords_are_recognised() {
    assert_eq!(refused_by("match"), ["Rust"]);
    assert_eq!(refused_by("class"), ["Python", "JavaScript"]);
    assert_eq!(refused_by("arguments"), ["JavaScript"]);
    assert_eq!(refused_by("failure-category"), [""; 0]);
    assert_eq!(upper_camel("http-endpoint"), "HttpEndpoint");
}
