//! Values that only the cluster has (`provisioning.md` 3.12, 3.13): variables that take an entry of the Secret or ConfigMap which the operator
//! named, and texts that refer to such variables. What such a text means is compared with what the server's entry says.

use crate::grants::KubernetesGrant;
use crate::v0_1::kubernetes::own::text;
use host_provisioner::{Part, ServerSpec, Setting, Value as Own};
use serde_json::Value;
use std::collections::BTreeMap;

/// How variables begin that are there to be referred to.
pub(super) const HELPER: &str = "MCPCFG_";

/// What each of these variables stands for.
pub(super) type Helpers = BTreeMap<String, Part>;

/// The key of a name in a Secret or ConfigMap: everything outside `[A-Za-z0-9._-]` becomes `___`.
pub(crate) fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            key.push(c);
        } else {
            key.push_str("___");
        }
    }
    key
}

/// The helpers of a container, in the form in which [`meant`] writes an entry's values. A default stands in front, as a variable of the same name.
pub(super) fn helpers(container: &Value, server: &ServerSpec, grant: &KubernetesGrant) -> Helpers {
    let mut defaults = BTreeMap::new();
    let mut helpers = Helpers::new();
    let env = container.get("env").and_then(Value::as_array);
    for variable in env.into_iter().flatten() {
        let name = text(variable, "/name");
        if !name.starts_with(HELPER) || server.environment.iter().any(|own| own.name == name) {
            continue;
        }
        let at = |source: &str, holder: Option<&String>| {
            let reference = variable.pointer(&format!("/valueFrom/{source}"))?;
            (holder.map(String::as_str) == Some(text(reference, "/name")))
                .then(|| text(reference, "/key").to_owned())
        };
        let secret = at("secretKeyRef", grant.cluster_secret.as_ref());
        let setting = at("configMapKeyRef", grant.cluster_config.as_ref());
        if let Some(found) = secret.filter(|found| is_declared(found, server)) {
            helpers.insert(name.to_owned(), Part::Secret(found));
        } else if let Some(key) = setting {
            let default = defaults.remove(name);
            helpers.insert(name.to_owned(), Part::Setting(Setting { key, default }));
        } else if let Some(default) = variable.get("value").and_then(Value::as_str).and_then(literal) {
            defaults.insert(name.to_owned(), default);
        }
    }
    helpers
}

/// Whether a key is that of a secret which the server declares.
pub(super) fn is_declared(found: &str, server: &ServerSpec) -> bool {
    server.secrets.iter().any(|name| key(name) == found)
}

/// A value of an entry, with keys instead of names.
pub(super) fn meant(value: &Own) -> Vec<Part> {
    let part = |part: &Part| match part {
        Part::Text(text) => Part::Text(text.clone()),
        Part::Secret(name) => Part::Secret(key(name)),
        Part::Setting(setting) => Part::Setting(Setting { key: key(&setting.key), ..setting.clone() }),
    };
    match value {
        Own::Text(text) if text.is_empty() => Vec::new(),
        Own::Text(text) => vec![Part::Text(text.clone())],
        Own::Secret(name) => vec![Part::Secret(key(name))],
        Own::Joined(parts) => parts.iter().map(part).collect(),
    }
}

/// What a text means to the cluster, which puts variables in the place of `$(NAME)`; `None` if it refers to anything but helpers.
pub(super) fn meaning(text: &str, helpers: &Helpers) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        rest = after;
        if let Some(after) = after.strip_prefix('$') {
            plain.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('(').and_then(|after| after.split_once(')')) {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(helpers.get(name)?.clone());
            rest = after;
        } else {
            plain.push('$');
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Some(parts)
}

/// What a text means to the cluster, which puts variables in the place of `$(NAME)`; `None` if it holds such a reference.
fn literal(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '$' {
            out.push(c);
            continue;
        }
        match rest.peek().copied() {
            Some('$') => {
                rest.next();
                out.push('$');
            }
            Some('(') if rest.clone().any(|c| c == ')') => return None,
            _ => out.push('$'),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_provisioner::Workload;
    use serde_json::json;

    fn server() -> ServerSpec {
        let mut server = ServerSpec::new(
            "acme",
            Workload::Image { reference: "i".to_owned(), digest: None, arguments: Vec::new() },
        );
        server.secrets = vec!["acme/token".to_owned()];
        server
    }

    fn setting(key: &str, default: Option<&str>) -> Part {
        Part::Setting(Setting { key: key.to_owned(), default: default.map(str::to_owned) })
    }

    #[test]
    fn helpers_stand_for_entries_of_the_named_objects_only() {
        let grant = KubernetesGrant {
            cluster_secret: Some("s".to_owned()),
            cluster_config: Some("c".to_owned()),
            ..KubernetesGrant::default()
        };
        let from = |source: &str, name: &str, key: &str| json!({ source: { "name": name, "key": key } });
        let container = json!({ "env": [
            { "name": "MCPCFG_a", "valueFrom": from("configMapKeyRef", "c", "acme.a") },
            { "name": "MCPCFG_b", "value": "$$5" },
            { "name": "MCPCFG_b", "valueFrom": from("configMapKeyRef", "c", "acme.b") },
            { "name": "MCPCFG_t", "valueFrom": from("secretKeyRef", "s", "acme___token") },
            { "name": "MCPCFG_other", "valueFrom": from("secretKeyRef", "s", "others.token") },
            { "name": "MCPCFG_elsewhere", "valueFrom": from("configMapKeyRef", "x", "acme.a") },
            { "name": "A", "valueFrom": from("configMapKeyRef", "c", "acme.a") },
        ] });
        let helpers = helpers(&container, &server(), &grant);
        let expected = [
            ("MCPCFG_a", setting("acme.a", None)),
            ("MCPCFG_b", setting("acme.b", Some("$5"))),
            ("MCPCFG_t", Part::Secret("acme___token".to_owned())),
        ];
        assert_eq!(helpers, expected.map(|(name, part)| (name.to_owned(), part)).into());
        let text = |text: &str| Part::Text(text.to_owned());
        for (written, means) in [
            ("", Some(vec![])),
            ("plain", Some(vec![text("plain")])),
            ("$(MCPCFG_a)", Some(vec![setting("acme.a", None)])),
            (
                "x$$(MCPCFG_a)$(MCPCFG_t)$",
                Some(vec![text("x$(MCPCFG_a)"), Part::Secret("acme___token".to_owned()), text("$")]),
            ),
            ("$(HOME)", None),
            ("$(open", Some(vec![text("$(open")])),
        ] {
            assert_eq!(meaning(written, &helpers), means, "{written}");
        }
        let own = Own::Joined(vec![text("x$(MCPCFG_a)"), Part::Secret("acme/token".to_owned()), text("$")]);
        assert_eq!(Some(meant(&own)), meaning("x$$(MCPCFG_a)$(MCPCFG_t)$", &helpers));
    }

    #[test]
    fn references_are_seen_as_the_cluster_sees_them() {
        for (text, means) in [
            ("plain", Some("plain")),
            ("$$(A)", Some("$(A)")),
            ("$(A)", None),
            ("x$(A", Some("x$(A")),
            ("$5", Some("$5")),
            ("a$$b", Some("a$b")),
            ("$", Some("$")),
            ("$$$(A)", None),
        ] {
            assert_eq!(literal(text).as_deref(), means, "{text}");
        }
    }
}
