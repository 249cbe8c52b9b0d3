//! Which values a server needs from a cluster, by the last rule of the documents (`provisioning.md` 4.4): what its entry lists under `secrets` is a
//! secret, every other template is a setting, and what has no template is part of the entry and needs nothing.

use host_config::{Map, Server, Value};
use host_resolver::template::{Piece, is_template, pieces};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Settings with where the entry uses them.
    pub(super) settings: BTreeMap<String, Setting>,
    /// Secrets, likewise.
    pub(super) secrets: BTreeMap<String, BTreeSet<String>>,
    /// Variables that the entry itself gives their values.
    pub(super) fixed: Vec<(String, String)>,
    /// Expressions that only a gateway with the values can evaluate, with their field.
    pub(super) not_carried: Vec<(String, String)>,
}

/// A setting.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Setting {
    /// Where the entry uses it; nowhere: it is only declared.
    pub(super) used: BTreeSet<String>,
    /// The entry's `config` declares it.
    pub(super) declared: bool,
    /// And requires it.
    pub(super) required: bool,
}

impl Needs {
    /// Of one server.
    pub(super) fn of(server: &Server) -> Self {
        let mut needs = Self::default();
        for secret in &server.secrets {
            let places = needs.secrets.entry(secret.name.clone()).or_default();
            if !secret.env.is_empty() {
                places.insert(format!("variable {}", secret.env));
            }
        }
        for schema in server.config.iter().filter_map(Value::as_map) {
            needs.declared(schema, &server.canonical_name(), true);
        }
        for variable in &server.env {
            if is_template(&variable.value) {
                needs.template(&format!("variable {}", variable.name), &variable.value, true);
            } else {
                needs.fixed.push((variable.name.clone(), variable.value.clone()));
            }
        }
        for word in &server.command {
            needs.template("command", word, true);
        }
        for volume in &server.volumes {
            needs.template("volumes", volume, false);
        }
        if is_template(&server.user) {
            needs.template("user", &server.user, false);
        }
        let headers = server.remote.iter().flat_map(|remote| &remote.headers);
        for (header, value) in headers {
            if is_template(value) {
                needs.template(&format!("header {header}"), value, false);
            }
        }
        needs
    }

    /// The needs of several servers, each name once.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (name, setting) in other.settings {
            let mine = self.settings.entry(name).or_default();
            mine.used.extend(setting.used);
            mine.declared |= setting.declared;
            mine.required |= setting.required;
        }
        for (name, used) in other.secrets {
            self.secrets.entry(name).or_default().extend(used);
        }
        self.fixed.extend(other.fixed);
        self.not_carried.extend(other.not_carried);
        self
    }

    fn template(&mut self, place: &str, text: &str, carried: bool) {
        for piece in pieces(text) {
            let path = match piece {
                Piece::Literal(_) => continue,
                Piece::Path { path, .. } => {
                    if !carried {
                        self.not_carried.push((place.to_owned(), format!("{{{{{path}}}}}")));
                    }
                    path
                }
                Piece::Pipes(inside) => {
                    self.not_carried.push((place.to_owned(), format!("{{{{{inside}}}}}")));
                    inside.split('|').next().unwrap_or_default().trim()
                }
            };
            if let Some(used) = self.secrets.get_mut(path) {
                used.insert(place.to_owned());
            } else {
                self.settings.entry(path.to_owned()).or_default().used.insert(place.to_owned());
            }
        }
    }

    /// Properties of `config` that nothing has inside; of those, only what is required is of interest by itself.
    fn declared(&mut self, schema: &Map, path: &str, required: bool) {
        let Some(properties) = schema.get("properties").and_then(Value::as_map) else { return };
        let listed = schema.get("required").and_then(Value::as_list).unwrap_or_default();
        for (name, property) in &properties.entries {
            let path = format!("{path}.{name}");
            let required = required && listed.iter().any(|listed| listed.as_text() == Some(name));
            match property.as_map().filter(|property| property.get("properties").is_some()) {
                Some(inner) => self.declared(inner, &path, required),
                None if self.secrets.contains_key(&path) => {}
                None => {
                    let setting = self.settings.entry(path).or_default();
                    setting.declared = true;
                    setting.required |= required;
                }
            }
        }
    }

    /// Settings that belong into a ConfigMap: those that the entry uses, and those that it requires though it uses them nowhere.
    pub(super) fn config(&self) -> impl Iterator<Item = (&String, &Setting)> {
        self.settings.iter().filter(|(_, setting)| !setting.used.is_empty() || setting.required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_config::Catalog;

    fn needs(entry: &str) -> Needs {
        let text = format!("registry:\n  mix:\n    image: i\n    {}", entry.replace('\n', "\n    "));
        let (catalog, _) = Catalog::parse(&text, "c.yaml").unwrap();
        Needs::of(catalog.get("mix").unwrap())
    }

    /// The table of `provisioning.md` 4.4, with what is ours: every template of mixed text.
    #[test]
    fn names_go_where_the_last_rule_of_the_documents_says() {
        for (value, config, secret) in [
            ("{{mix.h}}", "mix.h", ""),
            (" {{mix.h}} ", "mix.h", ""),
            ("{{ mix.paths | volume|into }}", "mix.paths", ""),
            ("{{mix.tok}}", "", "variable TOK variable V"),
            ("http://{{mix.h}}:{{mix.p}}", "mix.h mix.p", ""),
            ("{{mix.a}}{{mix.b}}", "mix.a mix.b", ""),
            ("false", "", ""),
        ] {
            let entry = format!(
                "secrets: [{{name: mix.tok, env: TOK}}, {{name: mix.noenv, env: ''}}]\nenv: [{{name: V, value: '{value}'}}]"
            );
            let needs = needs(&entry);
            let names: Vec<&str> = needs.config().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.join(" "), config, "{value}");
            let of = |name: &str| needs.secrets[name].iter().cloned().collect::<Vec<_>>().join(" ");
            let expected = if secret.is_empty() { "variable TOK" } else { secret };
            assert_eq!((of("mix.tok").as_str(), of("mix.noenv").as_str()), (expected, ""), "{value}");
        }
    }

    #[test]
    fn every_field_is_looked_at_and_what_a_cluster_cannot_carry_is_named() {
        let needs = needs(
            "env: [{name: A, value: 'x'}]\ncommand: ['--to={{mix.to}}', '{{mix.list|into}}']\nvolumes: ['{{mix.dir}}:/d']\nuser: '{{mix.uid}}'\n\
             config: [{name: mix, type: object, properties: {to: {type: string}, must: {type: string}, may: {type: string}}, required: [must]}]",
        );
        let names: Vec<&str> = needs.config().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["mix.dir", "mix.list", "mix.must", "mix.to", "mix.uid"]);
        assert!(needs.settings["mix.to"].declared && !needs.settings["mix.list"].declared);
        assert!(needs.settings["mix.must"].required && needs.settings["mix.must"].used.is_empty());
        let carried: Vec<String> =
            needs.not_carried.iter().map(|(place, what)| format!("{place} {what}")).collect();
        assert_eq!(carried, ["command {{mix.list|into}}", "volumes {{mix.dir}}", "user {{mix.uid}}"]);
        assert_eq!(needs.fixed, [("A".to_owned(), "x".to_owned())]);
    }
}
