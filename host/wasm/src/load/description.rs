//! What a plugin may say about itself.

use crate::sanitize;
use crate::schema::JsonSchema;
use crate::v0_1::{exported, types};
use host_provisioner::WorkloadKind;

/// A kind of workload, as the trait has it.
pub(super) fn kind(kind: &types::WorkloadKind) -> WorkloadKind {
    match kind {
        types::WorkloadKind::Component => WorkloadKind::Component,
        types::WorkloadKind::Image => WorkloadKind::Image,
        types::WorkloadKind::Other => WorkloadKind::Other,
    }
}

/// Rules for a description (`wit/v0.1/lifecycle.wit`).
///
/// # Errors
/// The rule that it breaks.
pub(super) fn rules(from: &exported::Description) -> Result<(), String> {
    let name = from.name.as_str();
    if !is_name(name) {
        return Err(format!(
            "its name `{}` is not up to 40 lower-case letters, digits and `-`",
            sanitize::line(name, 60)
        ));
    }
    if !semantic(&from.version) {
        return Err(format!("its version `{}` is not like `1.2.3`", sanitize::line(&from.version, 60)));
    }
    for (schema, what) in
        [(&from.settings_schema, "settings"), (&from.server_settings_schema, "server settings")]
    {
        JsonSchema::parse(schema).map_err(|text| format!("the schema of its {what} {text}"))?;
    }
    match from.extras.iter().find(|extra| extra.required) {
        Some(extra) => Err(format!(
            "it requires `{}`, which this gateway does not know",
            sanitize::line(&extra.name, 60)
        )),
        None => Ok(()),
    }
}

/// Whether a text can be the name of a plugin.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Three numbers, then perhaps `-` or `+` and more.
fn semantic(version: &str) -> bool {
    let plain = version.len() <= 64
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    plain
        && numbers.len() == 3
        && numbers.iter().all(|n| !n.is_empty() && n.len() <= 10 && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_that_break_a_rule_are_named() {
        let good = || exported::Description {
            name: "p".to_owned(),
            version: "1.2.3-rc.1+b".to_owned(),
            summary: String::new(),
            runs: Vec::new(),
            runs_tools: Vec::new(),
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{\"$ref\": \"#/$defs/x\"}".to_owned(),
            reads_state: Vec::new(),
            understands: Vec::new(),
            extras: Vec::new(),
        };
        assert_eq!(rules(&good()), Ok(()));
        let broken = |change: &dyn Fn(&mut exported::Description)| {
            let mut description = good();
            change(&mut description);
            rules(&description).unwrap_err()
        };
        for (error, text) in [
            (
                broken(&|d| d.name = "\u{1b}[2J".to_owned()),
                "its name `\\u{1b}[2J` is not up to 40 lower-case letters, digits and `-`",
            ),
            (
                broken(&|d| d.name = String::new()),
                "its name `` is not up to 40 lower-case letters, digits and `-`",
            ),
            (broken(&|d| d.version = "one".to_owned()), "its version `one` is not like `1.2.3`"),
            (broken(&|d| d.version = "1.2".to_owned()), "its version `1.2` is not like `1.2.3`"),
            (broken(&|d| d.settings_schema = "3".to_owned()), "the schema of its settings is no JSON object"),
            (
                broken(&|d| d.server_settings_schema = "{\"a\":[{\"$ref\":\"https://x/y\"}]}".to_owned()),
                "the schema of its server settings uses `a`, which this gateway does not check",
            ),
            (
                broken(&|d| {
                    d.extras =
                        vec![types::Extra { name: "x".to_owned(), value: "1".to_owned(), required: true }];
                }),
                "it requires `x`, which this gateway does not know",
            ),
        ] {
            assert_eq!(error, text);
        }
        let error = broken(&|d| d.settings_schema = "{".to_owned());
        assert!(error.starts_with("the schema of its settings is no JSON: "), "{error}");
    }
}
