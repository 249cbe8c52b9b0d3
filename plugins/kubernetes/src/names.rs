//! Names and labels (`provisioning.md` 3.3). Hostile names of servers become harmless; nothing is decided by them.

use crate::manifest::TOOL;
use gateway_plugin::{Context, label};
use serde_json::{Map, Value};

/// Kinds that are made here.
pub const POD: &str = "v1/Pod";
/// See [`POD`].
pub const DEPLOYMENT: &str = "apps/v1/Deployment";
/// See [`POD`].
pub const SERVICE: &str = "v1/Service";
/// See [`POD`].
pub const SECRET: &str = "v1/Secret";
/// Kind of the ConfigMap that an operator made.
pub const CONFIG: &str = "v1/ConfigMap";
/// See [`POD`].
pub const POLICY: &str = "networking.k8s.io/v1/NetworkPolicy";

/// Where the name of a server is kept as it was written.
pub const NAME_ANNOTATION: &str = "mcp-gateway.docker.com/server-name";

/// Name of what is made for a server: `mcp-`, its id, and eight characters of the request. The same when the request is repeated, another for
/// every other one; at most 53 characters.
#[must_use]
pub fn object(id: &str, request: &str) -> String {
    format!("mcp-{id}-{}", tail(request))
}

/// The last eight characters.
#[must_use]
pub fn tail(text: &str) -> &str {
    text.char_indices().rev().nth(7).map_or(text, |(at, _)| text.get(at..).unwrap_or(text))
}

/// The session in the original's form, `mcp-gateway-` and eight characters (`provisioning.md` 3.9).
#[must_use]
pub fn session(session: &str) -> String {
    format!("mcp-gateway-{}", tail(session))
}

/// A label's value from a name that anybody chose: lower case, everything else one `-`, at most 63 characters, never empty.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if slug.len() >= 63 {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    match slug.trim_end_matches('-') {
        "" => "server".to_owned(),
        slug => slug.to_owned(),
    }
}

/// Labels of what is made for a server.
#[must_use]
pub fn labels(context: &Context, name: &str, component: &str) -> Map<String, Value> {
    let slug = slug(name);
    let session = session(&context.session);
    let (app, kind) = if component == TOOL { (TOOL, "tool") } else { ("mcp-server", "server") };
    let mut labels = vec![
        ("app", app),
        ("runtime", "kubernetes"),
        (kind, slug.as_str()),
        ("app.kubernetes.io/managed-by", "mcp-gateway"),
        ("app.kubernetes.io/component", component),
        ("app.kubernetes.io/name", slug.as_str()),
        ("app.kubernetes.io/instance", session.as_str()),
        ("mcp-gateway.docker.com/session", session.as_str()),
    ];
    labels.extend(context.labels.iter().map(|label| (label.key.as_str(), label.value.as_str())));
    labels.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

/// The context of no request, for what is shown before there is one: the same entry is shown in the same words.
#[must_use]
pub fn of_no_request(context: &Context) -> Context {
    let mut context = context.clone();
    "request".clone_into(&mut context.request);
    for own in context.labels.iter_mut().filter(|own| own.key == label::REQUEST) {
        "request".clone_into(&mut own.value);
    }
    context
}

/// The labels by which the pod of one request is found, and no other.
#[must_use]
pub fn selector(context: &Context) -> Map<String, Value> {
    let narrow = [label::SERVER, label::REQUEST];
    let own = context.labels.iter().filter(|label| narrow.contains(&label.key.as_str()));
    own.map(|label| (label.key.clone(), Value::from(label.value.as_str()))).collect()
}

#[cfg(test)]
mod tests {
    use super::{object, session, slug, tail};

    #[test]
    fn hostile_names_become_labels() {
        for (name, expected) in [
            ("time", "time"),
            ("My_Server.v2", "my-server-v2"),
            ("../../etc", "etc"),
            ("a,b=c in (d)", "a-b-c-in-d"),
            ("", "server"),
            ("---", "server"),
            ("ä", "server"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert_eq!(slug(&"x".repeat(100)).len(), 63);
    }

    #[test]
    fn names_have_the_form_of_the_documents() {
        assert_eq!(object("time-4358b5a0", "k1b2c3d4e5f60718"), "mcp-time-4358b5a0-e5f60718");
        assert!(object(&"x".repeat(40), "k1b2c3d4e5f60718").len() <= 63);
        assert_eq!(session("k1b2c3d4e5f60718"), "mcp-gateway-e5f60718");
        assert_eq!(tail("ab"), "ab");
    }
}
