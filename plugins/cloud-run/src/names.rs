//! Names, kinds and labels of what is made.

use crate::settings::RunSettings;
use gateway_plugin::Context;
use std::collections::BTreeMap;

/// A service, in the scope of its parent.
pub const SERVICE: &str = "run.googleapis.com/Service";
/// A secret, in the scope of its project.
pub const SECRET: &str = "secretmanager.googleapis.com/Secret";

/// What every name begins with.
pub const PREFIX: &str = "mcp-";
/// A service has fewer than 50 characters; the request has 16 of them.
const ID: usize = 28;

/// Name of a server's service: the same when a request is repeated.
#[must_use]
pub fn service(id: &str, request: &str) -> String {
    let id: String = id.chars().take(ID).collect();
    format!("{PREFIX}{}-{request}", id.trim_end_matches('-'))
}

/// Name of the secret for a variable.
#[must_use]
pub fn secret(service: &str, at: usize, variable: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let variable: String = variable.chars().map(plain).take(180).collect();
    format!("{service}-{at}-{variable}")
}

/// Labels of everything. Whose it is, is never the operator's to say.
#[must_use]
pub fn labels(
    settings: &RunSettings,
    context: &Context,
    value: impl Fn(&str, &str) -> String,
) -> BTreeMap<String, String> {
    let mut labels = settings.labels.clone();
    labels.insert("managed-by".to_owned(), "mcp-gateway".to_owned());
    labels.extend(context.labels.iter().map(|label| (label.key.clone(), value(&label.key, &label.value))));
    labels
}

#[cfg(test)]
mod tests {
    use super::{secret, service};

    #[test]
    fn names_fit_the_platform() {
        let long = service(&"x".repeat(40), "r234567890123456");
        assert_eq!(long.len(), 49);
        assert_eq!(service("notes", "r1"), "mcp-notes-r1");
        assert_eq!(service(&format!("{}-b", "x".repeat(27)), "r1"), format!("mcp-{}-r1", "x".repeat(27)));
        assert_eq!(secret("mcp-notes-r1", 0, "A.B"), "mcp-notes-r1-0-A-B");
    }
}
