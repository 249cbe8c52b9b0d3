//! Every YAML file that the gateway reads, with the same text. What is accepted is accepted again; what is refused names a place that is
//! there.

use host_config::{Catalog, Context, Problems, Registry, ServerConfigs, Settings, ToolLists};
use std::path::Path;

pub(crate) fn holds(text: &str) {
    check(text, Catalog::parse(text, "f").map(|_| ()));
    check(text, Registry::parse(text, "f").map(|_| ()));
    check(text, ServerConfigs::parse(text, "f").map(|_| ()));
    check(text, ToolLists::parse(text, "f").map(|_| ()));
    let context = Context { bundled_plugins: &["embedded"], ..Context::default() };
    check(text, Settings::parse(text, "f", Path::new("/w"), &context).map(|_| ()));
}

fn check(text: &str, outcome: Result<(), Problems>) {
    let Err(problems) = outcome else { return };
    // A lone `\r` ends a line for YAML and not for everybody.
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1;
    assert!(problems.count() > 0);
    for problem in &problems {
        assert!(problem.line <= lines, "line {} of {lines}: {problem}", problem.line);
        assert!(!problem.what.is_empty());
    }
}
