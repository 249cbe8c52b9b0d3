//! Templates of one entry, evaluated with the values of its server.
//!
//! Docker's gateway makes an empty text of whatever has no value, and the server then fails in its own way, or worse, does not. Here a
//! template without a value fails its server by name, unless the entry itself says that the value may be absent: its `config` declares
//! the property and does not require it. So entries of the published catalogue keep their optional settings.
//!
//! Where the cluster has the values ([`Values::on_platform`]), a template becomes a name of one: what is known here does not count, so that a
//! server does not depend on which files happen to be there. What needs the value itself (a list, a mount, a pipe) is refused.

use anyhow::{Context, Result, bail};
use host_config::{Map, Server, ServerConfigs, Value};
use host_provisioner as p;
use host_resolver::template::{self, Evaluated, Piece, TooLarge};

/// See the module.
pub(crate) struct Values<'a> {
    server: &'a Server,
    canonical: String,
    root: Map,
    on_platform: bool,
}

impl<'a> Values<'a> {
    /// The values of a server.
    pub(crate) fn new(server: &'a Server, configs: &ServerConfigs) -> Self {
        let canonical = server.canonical_name();
        let root =
            template::server_root(&canonical, configs.servers.get(&canonical).map(|config| &config.values));
        Self { server, canonical, root, on_platform: false }
    }

    /// Names instead of values.
    pub(crate) fn on_platform(server: &'a Server) -> Self {
        Self { server, canonical: server.canonical_name(), root: Map::default(), on_platform: true }
    }

    /// One value, which may hold names of what only the platform has.
    ///
    /// # Errors
    /// A template has no value, or one that cannot be carried.
    pub(crate) fn value(&self, field: &str, text: &str) -> Result<p::Value> {
        if self.on_platform && template::is_template(text) {
            self.named(field, text)
        } else {
            self.text(field, text).map(p::Value::Text)
        }
    }

    /// Any number of values.
    ///
    /// # Errors
    /// As [`Values::value`].
    pub(crate) fn values(&self, field: &str, text: &str) -> Result<Vec<p::Value>> {
        if self.on_platform && template::is_template(text) {
            return Ok(vec![self.named(field, text)?]);
        }
        Ok(self.words(field, text)?.into_iter().map(p::Value::Text).collect())
    }

    fn named(&self, field: &str, text: &str) -> Result<p::Value> {
        let part = |piece: Piece<'_>| match piece {
            Piece::Literal(text) => Ok(p::Part::Text(text.to_owned())),
            Piece::Pipes(inside) => bail!(
                "`{field}` has the template `{{{{{inside}}}}}`, which needs the value itself, and only the cluster has it; of the pipes it can carry `or:` alone"
            ),
            Piece::Path { path, default } => {
                if self.server.secrets.iter().any(|secret| secret.name == path) {
                    if default.is_some() {
                        bail!(
                            "`{field}` has a default for the secret `{path}`, which must be there; leave `or:` out"
                        );
                    }
                    return Ok(p::Part::Secret(path.to_owned()));
                }
                let keys = self.keys(field, text, path)?;
                let optional = (self.declared(&keys) == Declared::Optional).then(String::new);
                let default = default.map(str::to_owned).or(optional);
                Ok(p::Part::Setting(p::Setting { key: path.to_owned(), default }))
            }
        };
        let parts = template::pieces(text).into_iter().map(part).collect::<Result<Vec<_>>>()?;
        Ok(host_resolver::joined(parts))
    }

    /// The path below the server's own root.
    fn keys<'p>(&self, field: &str, text: &str, path: &'p str) -> Result<Vec<&'p str>> {
        let mut segments = path.split('.').map(str::trim);
        if segments.next() != Some(self.canonical.as_str()) {
            bail!(
                "`{field}` has the template `{text}`, but only values of this server can be reached: paths start with `{}.`",
                self.canonical
            );
        }
        Ok(segments.collect())
    }

    fn known_here(&self, field: &str, text: &str) -> Result<()> {
        if self.on_platform && template::is_template(text) {
            bail!(
                "`{field}` has the template `{text}`, whose value must be known before the pod is made, and only the cluster has it; write it without a template"
            );
        }
        Ok(())
    }

    /// One text, evaluated only if it holds a template.
    ///
    /// # Errors
    /// A template has no value.
    pub(crate) fn text(&self, field: &str, text: &str) -> Result<String> {
        if !template::is_template(text) {
            return Ok(text.to_owned());
        }
        self.known_here(field, text)?;
        self.checked(field, text, template::text(text, &self.root))
    }

    /// Any number of texts, always evaluated.
    ///
    /// # Errors
    /// A template has no value.
    pub(crate) fn words(&self, field: &str, text: &str) -> Result<Vec<String>> {
        self.known_here(field, text)?;
        self.checked(field, text, template::words(text, &self.root))
    }

    fn checked<T>(&self, field: &str, text: &str, evaluated: Result<Evaluated<T>, TooLarge>) -> Result<T> {
        let evaluated = evaluated.with_context(|| format!("`{field}`"))?;
        for path in &evaluated.missing {
            let keys = self.keys(field, text, path)?;
            match self.declared(&keys) {
                Declared::Optional => {}
                Declared::Required => bail!(
                    "`{path}` has no value, and `config` of the entry requires it ({})",
                    self.advice(&keys, None)
                ),
                Declared::Nowhere => {
                    bail!(
                        "`{field}` has the template `{text}`, and `{path}` has no value ({})",
                        self.advice(&keys, Some(path))
                    )
                }
            }
        }
        Ok(evaluated.value)
    }

    /// What to write, and where.
    fn advice(&self, keys: &[&str], or: Option<&str>) -> String {
        let nested = keys.iter().rev().fold("...".to_owned(), |inner, key| format!("{{{key}: {inner}}}"));
        let set = format!("set it with `--config FILE`, where FILE has `{}: {nested}`", self.canonical);
        match or {
            Some(path) => format!("{set}; or give a default in the entry: `{{{{{path}|or:...}}}}`"),
            None => set,
        }
    }

    /// What the entry's `config` says about a property.
    fn declared(&self, keys: &[&str]) -> Declared {
        let said = self.server.config.iter().filter_map(Value::as_map).map(|schema| declared(schema, keys));
        said.fold(Declared::Nowhere, |best, next| if best == Declared::Nowhere { next } else { best })
    }
}

/// Values of another kind than the entry's `config` says (`docker-mcp-gateway.md` 7.6). Docker's gateway checks this for profiles and not for
/// files, whose values become text anyway, so it is a warning and not a refusal.
pub(crate) fn misfits(server: &Server, configs: &ServerConfigs) -> Vec<String> {
    let canonical = server.canonical_name();
    let Some(config) = configs.servers.get(&canonical) else { return Vec::new() };
    let mut found = Vec::new();
    for schema in server.config.iter().filter_map(Value::as_map) {
        kinds(schema, &config.values, &canonical, &mut found);
    }
    found
}

fn kinds(schema: &Map, values: &Map, path: &str, found: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_map) else { return };
    for (name, property) in &properties.entries {
        let (Some(property), Some(value)) = (property.as_map(), values.get(name)) else { continue };
        let path = format!("{path}.{name}");
        let kind = property.get("type").and_then(Value::as_text).unwrap_or_default();
        let fits = match (kind, value) {
            (_, Value::Null) => true,
            ("object", Value::Map(values)) => {
                kinds(property, values, &path, found);
                true
            }
            ("array", value) => matches!(value, Value::List(_)),
            ("boolean", value) => matches!(value, Value::Bool(_)),
            ("integer", value) => matches!(value, Value::Integer(_) | Value::Unsigned(_)),
            ("number", value) => matches!(value, Value::Integer(_) | Value::Unsigned(_) | Value::Float(_)),
            // A bare number or date where text is wanted is the text it looks like.
            ("string", value) => !matches!(value, Value::List(_) | Value::Map(_)),
            ("object", _) => false,
            _ => true,
        };
        if !fits {
            found.push(format!("`{path}` is {}, and `config` of the entry says {kind}", noun(value)));
        }
    }
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a flag",
        Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) => "a number",
        Value::Timestamp(_) | Value::Text(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    Required,
    Optional,
    Nowhere,
}

/// Follows a path through a schema. It is required if every step of it is.
fn declared(schema: &Map, keys: &[&str]) -> Declared {
    let Some((key, rest)) = keys.split_first() else { return Declared::Optional };
    let Some(property) = schema.get("properties").and_then(Value::as_map).and_then(|all| all.get(key)) else {
        return Declared::Nowhere;
    };
    let listed = schema.get("required").and_then(Value::as_list).unwrap_or_default();
    let required = listed.iter().any(|name| name.as_text() == Some(key));
    let below = match property.as_map() {
        Some(property) if !rest.is_empty() => declared(property, rest),
        _ if rest.is_empty() => Declared::Required,
        _ => Declared::Nowhere,
    };
    match below {
        Declared::Required if !required => Declared::Optional,
        below => below,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_config::Catalog;

    const ENTRY: &str = "
registry:
  acme.io:
    image: i
    config:
      - name: acme.io
        type: object
        properties:
          url: {type: string}
          region: {type: string}
          deep: {type: object, properties: {must: {type: string}, may: {type: string}}, required: [must]}
        required: [url, deep]
";

    fn with<T>(config: &str, ask: impl FnOnce(Values<'_>) -> T) -> T {
        let (catalog, _) = Catalog::parse(ENTRY, "c.yaml").unwrap();
        let (configs, _) = ServerConfigs::parse(config, "config.yaml").unwrap();
        ask(Values::new(catalog.get("acme.io").unwrap(), &configs))
    }

    #[test]
    fn values_are_found_by_the_canonical_name() {
        with("acme_io: {url: 'https://a.example', list: [a, b], n: 5}", |values| {
            assert_eq!(values.text("env", "{{acme_io.url}}/x").unwrap(), "https://a.example/x");
            assert_eq!(values.words("command", "{{acme_io.list}}").unwrap(), ["a", "b"]);
            assert_eq!(values.words("command", "{{acme_io.n}}").unwrap(), ["5"]);
            assert_eq!(values.text("env", "{\"json\": true}").unwrap(), "{\"json\": true}");
        });
    }

    #[test]
    fn what_the_entry_does_not_require_may_be_absent() {
        with("", |values| {
            for fine in ["{{acme_io.region}}", "{{acme_io.x|or:}}", "{{acme_io.x|mount_as:/x}}"] {
                assert_eq!(values.text("env", fine).unwrap(), "", "{fine}");
            }
        });
        with("acme_io: {url: }", |values| assert_eq!(values.text("env", "{{acme_io.url}}").unwrap(), ""));
    }

    #[test]
    fn values_of_another_kind_are_named() {
        let seen = |config: &str| {
            let (catalog, _) = Catalog::parse(ENTRY, "c.yaml").unwrap();
            let (configs, _) = ServerConfigs::parse(config, "config.yaml").unwrap();
            misfits(catalog.get("acme.io").unwrap(), &configs)
        };
        assert_eq!(
            seen("acme_io: {url: 5, region: , deep: {must: 2024-01-02}, other: [x]}"),
            Vec::<String>::new()
        );
        assert_eq!(
            seen("acme_io: {url: [a], deep: {must: {a: b}}}"),
            [
                "`acme_io.url` is a list, and `config` of the entry says string",
                "`acme_io.deep.must` is a map, and `config` of the entry says string"
            ]
        );
        assert_eq!(
            seen("acme_io: {deep: x}"),
            ["`acme_io.deep` is text, and `config` of the entry says object"]
        );
    }

    #[test]
    fn where_the_cluster_has_the_values_templates_become_their_names() {
        let (catalog, _) = Catalog::parse(
            &ENTRY.replace("image: i", "image: i\n    secrets: [{name: acme_io.token, env: T}]"),
            "c.yaml",
        )
        .unwrap();
        let values = Values::on_platform(catalog.get("acme.io").unwrap());
        let setting = |key: &str, default: Option<&str>| {
            p::Part::Setting(p::Setting { key: key.to_owned(), default: default.map(str::to_owned) })
        };
        let text = |text: &str| p::Part::Text(text.to_owned());
        for (template, parts) in [
            ("{{acme_io.url}}", vec![setting("acme_io.url", None)]),
            ("{{ acme_io.region }}", vec![setting("acme_io.region", Some(""))]),
            ("{{acme_io.x|or:5}}", vec![setting("acme_io.x", Some("5"))]),
            (
                "https://{{acme_io.url}}:{{acme_io.token}}/",
                vec![
                    text("https://"),
                    setting("acme_io.url", None),
                    text(":"),
                    p::Part::Secret("acme_io.token".to_owned()),
                    text("/"),
                ],
            ),
        ] {
            assert_eq!(values.value("env", template).unwrap(), p::Value::Joined(parts.clone()), "{template}");
            assert_eq!(values.values("command", template).unwrap(), [p::Value::Joined(parts)], "{template}");
        }
        assert_eq!(
            values.value("env", "{{acme_io.token}}").unwrap(),
            p::Value::Secret("acme_io.token".to_owned())
        );
        assert_eq!(values.value("env", "{\"json\": 1}").unwrap(), p::Value::Text("{\"json\": 1}".to_owned()));
        assert_eq!(values.values("command", "--plain").unwrap(), [p::Value::Text("--plain".to_owned())]);
        for (template, why) in [
            ("{{acme_io.list|into}}", "of the pipes it can carry `or:` alone"),
            ("{{acme_io.token|or:x}}", "has a default for the secret `acme_io.token`"),
            ("{{other.url}}", "paths start with `acme_io.`"),
        ] {
            let error = values.value("env", template).unwrap_err().to_string();
            assert!(error.starts_with("`env` has ") && error.contains(why), "{error}");
        }
        let error = values.words("volumes", "{{acme_io.url}}:/x").unwrap_err().to_string();
        assert!(error.contains("must be known before the pod is made"), "{error}");
    }

    #[test]
    fn a_template_without_a_value_says_what_to_write() {
        let refused =
            |template: &str| with("", |values| values.text("env", template).unwrap_err().to_string());
        assert_eq!(
            refused("{{acme_io.url}}"),
            "`acme_io.url` has no value, and `config` of the entry requires it (set it with `--config FILE`, where FILE has `acme_io: {url: ...}`)"
        );
        assert_eq!(
            refused("{{acme_io.deep.must}}"),
            "`acme_io.deep.must` has no value, and `config` of the entry requires it (set it with `--config FILE`, where FILE has `acme_io: {deep: {must: ...}}`)"
        );
        assert_eq!(
            refused("a{{acme_io.typo}}"),
            "`env` has the template `a{{acme_io.typo}}`, and `acme_io.typo` has no value (set it with `--config FILE`, where FILE has `acme_io: {typo: ...}`; or give a default in the entry: `{{acme_io.typo|or:...}}`)"
        );
        assert_eq!(
            refused("{{other.url}}"),
            "`env` has the template `{{other.url}}`, but only values of this server can be reached: paths start with `acme_io.`"
        );
        with("", |values| assert_eq!(values.text("env", "{{acme_io.deep.may}}").unwrap(), ""));
    }
}
