//! Parts of the test environment: what is there, and what to do about what is not (`README.md`, Variables).

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test that is skipped says so, and asks the environment"
)]

/// The value of a variable of this part, or `None` where the part is not up: then the test is skipped and has said so.
///
/// # Panics
/// The part is not up and `GATEWAY_TEST_REQUIRE` names it.
#[must_use]
pub fn part(name: &str, variable: &str) -> Option<String> {
    let list = |variable: &str| std::env::var(variable).unwrap_or_default();
    let up = list("GATEWAY_TEST_UP").split(',').any(|part| part.trim() == name);
    if let Some(value) = std::env::var(variable).ok().filter(|value| up && !value.is_empty()) {
        return Some(value);
    }
    let required = list("GATEWAY_TEST_REQUIRE").split(',').any(|part| part.trim() == name);
    assert!(!required, "GATEWAY_TEST_REQUIRE names `{name}`, and it is not up (testenv/up {name})");
    eprintln!("skipped: no {name} (testenv/up {name})");
    None
}
