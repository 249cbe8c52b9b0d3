//! Pages that show commands and code: what they show is what there is.

use super::scene;
use gateway_tests::contract::repository;
use std::collections::BTreeSet;

fn page(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// Every `--flag` of a text.
fn flags(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split(|c: char| !word(c))
        .filter(|word| {
            word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        })
        .map(|word| word.trim_end_matches('-').to_owned())
        .collect()
}

#[tokio::test]
async fn pages_name_only_flags_that_there_are() {
    let scene = scene();
    let mut known = BTreeSet::new();
    for command in [
        &["run"][..],
        &["quickstart"],
        &["plugin", "list"],
        &["plugin", "inspect"],
        &["plugin", "check"],
        &["plugin", "export"],
        &["plugin", "reload"],
        &["plugin", "test"],
        &["server", "list"],
        &["server", "inspect"],
        &["tools", "list"],
        &["tools", "call"],
    ] {
        known.extend(flags(&scene.run([command, &["--help"]].concat()).await.expect_code(0).stdout));
    }
    let mut wrong = Vec::new();
    for path in [
        "README.md",
        "sdk/README.md",
        "plugins/README.md",
        "host/config/reference.md",
        "examples/custom-provisioner/README.md",
    ] {
        for line in page(path).lines() {
            // Commands of other programs have flags of their own.
            let others = ["cargo ", "cargo`", "componentize", "jco ", "wkg ", "sed ", "rustup "];
            if others.iter().any(|other| line.contains(other)) || line.contains("--stub-wasi") {
                continue;
            }
            wrong.extend(flags(line).difference(&known).map(|flag| format!("{path}: `{flag}` in: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What fits on a screen is read before it is copied.
#[test]
fn the_template_of_a_plugin_stays_below_sixty_lines() {
    let lines = page("sdk/template/src/lib.rs").lines().count();
    assert!(lines < 60, "sdk/template/src/lib.rs has {lines} lines");
}

#[test]
fn the_sdk_page_shows_the_template_word_for_word() {
    let source = page("sdk/template/src/lib.rs");
    let start = source.find("gateway_plugin::settings!").unwrap();
    let end = source.find("#[cfg(test)]").unwrap();
    let shown = source[start..end].trim_end();
    assert!(
        page("sdk/README.md").contains(&format!("```rust\n{shown}\n```\n")),
        "step 3 of sdk/README.md is not the template's:\n{shown}"
    );
}
