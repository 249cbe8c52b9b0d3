//! Values that only the cluster has (`provisioning.md` 3.12, 3.13): variables by reference to an entry of a Secret or ConfigMap that an operator
//! made, and texts put together from such entries by `$(NAME)`, which the cluster replaces when the pod starts.

use crate::manifest::{Around, escaped};
use crate::secret;
use crate::settings::{ClusterSettings, Provider};
use gateway_plugin::types::{Part, SettingRef, Variable};
use gateway_plugin::{Error, Result, Server, value};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How variables begin that are there to be referred to. The gateway knows them by it.
const HELPER: &str = "MCPCFG_";

/// The Secret with the servers' secrets, where the cluster has them.
#[must_use]
pub fn secret_name(settings: &ClusterSettings) -> Option<&str> {
    (settings.secret_provider == Provider::Cluster)
        .then(|| settings.secret_name.as_deref().unwrap_or("mcp-gateway-secrets"))
}

/// The ConfigMap with their settings, likewise.
#[must_use]
pub fn config_name(settings: &ClusterSettings) -> Option<&str> {
    (settings.config_provider == Provider::Cluster)
        .then(|| settings.config_name.as_deref().unwrap_or("mcp-gateway-config"))
}

/// Where an entry is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Secret(String),
    Setting(String, Option<String>),
}

/// Puts the values of one server together.
pub(crate) struct Late<'a> {
    server: &'a Server,
    around: &'a Around<'a>,
    names: BTreeMap<Entry, String>,
    /// Variables that others refer to. They stand in front.
    helpers: Vec<Value>,
}

impl<'a> Late<'a> {
    pub(crate) fn new(server: &'a Server, around: &'a Around<'a>) -> Self {
        Self { server, around, names: BTreeMap::new(), helpers: Vec::new() }
    }

    /// The helpers that were needed.
    pub(crate) fn helpers(self) -> Vec<Value> {
        self.helpers
    }

    /// An argument.
    pub(crate) fn word(&mut self, argument: &[Part]) -> Result<String> {
        value::refuse_unknown("an argument", argument)?;
        if let Some(word) = value::plain(argument) {
            return Ok(escaped(&word));
        }
        if value::secrets(argument).next().is_some() {
            return Err(Error::permission(format!(
                "pass the argument `{}`: its value is not known here",
                value::display(argument)
            ))
            .hint("give it to the server in a variable"));
        }
        self.text(&format!("the argument `{}`", value::display(argument)), argument)
    }

    /// A variable. `None`: the ConfigMap has it under its own name, and it comes from there with all others of that kind.
    pub(crate) fn variable(&mut self, variable: &Variable) -> Result<Option<Value>> {
        let what = format!("variable `{}`", variable.name);
        value::refuse_unknown(&what, &variable.value)?;
        if let Some(text) = value::plain(&variable.value) {
            return Ok(Some(json!({ "name": variable.name, "value": escaped(&text) })));
        }
        let settings = self.around.settings;
        if value::secrets(&variable.value).next().is_some() && secret_name(settings).is_none() {
            if variable.value.iter().any(|part| matches!(part, Part::Setting(_))) {
                return Err(Error::unsupported(format!(
                    "give {what} its value: a secret in it is known here, and a setting to the cluster only"
                ))
                .hint("take both from one place: `secretProvider` and `configProvider` of the plugin's settings"));
            }
            // The whole value is an entry of the session's own Secret.
            return Ok(Some(json!({
                "name": variable.name,
                "valueFrom": { "secretKeyRef": {
                    "name": self.around.secret,
                    "key": secret::variable_key(&self.server.id, &variable.name),
                } },
            })));
        }
        match variable.value.as_slice() {
            [Part::Secret(name)] => {
                let reference = self.secret(&name.name)?;
                Ok(Some(json!({ "name": variable.name, "valueFrom": { "secretKeyRef": reference } })))
            }
            [Part::Setting(setting)] if setting.default.as_deref().unwrap_or_default().is_empty() => {
                let name = self.config(&what)?;
                self.exists(&what, setting, Some(&variable.name))?;
                let reference = json!({ "name": name, "key": secret::key(&setting.key), "optional": true });
                Ok(Some(json!({ "name": variable.name, "valueFrom": { "configMapKeyRef": reference } })))
            }
            _ if self.comes_whole(variable) => Ok(None),
            parts => {
                let text = self.text(&what, parts)?;
                Ok(Some(json!({ "name": variable.name, "value": text })))
            }
        }
    }

    /// Whether the ConfigMap is known not to have the settings of a variable, and to have the variable itself.
    fn comes_whole(&self, variable: &Variable) -> bool {
        let Some(keys) = self.around.config_keys else { return false };
        let mut settings = variable.value.iter().filter_map(|part| match part {
            Part::Setting(setting) => Some(secret::key(&setting.key)),
            _ => None,
        });
        settings.any(|key| !keys.contains(&key)) && keys.contains(&variable.name)
    }

    /// A text with references.
    fn text(&mut self, what: &str, parts: &[Part]) -> Result<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Secret(name) => {
                    let reference = json!({ "secretKeyRef": self.secret(&name.name)? });
                    let helper =
                        self.helper(Entry::Secret(secret::key(&name.name)), &name.name, &reference, None);
                    text.push_str(&format!("$({helper})"));
                }
                Part::Setting(SettingRef { text: None, .. }) => {
                    let Part::Setting(setting) = part else { continue };
                    let name = self.config(what)?.to_owned();
                    self.exists(what, setting, None)?;
                    let key = secret::key(&setting.key);
                    let optional = setting.default.is_some();
                    let mut reference = json!({ "name": name, "key": key });
                    if let Some(map) = reference.as_object_mut().filter(|_| optional) {
                        map.insert("optional".to_owned(), Value::from(true));
                    }
                    let entry = Entry::Setting(key, setting.default.clone());
                    let reference = json!({ "configMapKeyRef": reference });
                    let helper = self.helper(entry, &setting.key, &reference, setting.default.as_deref());
                    text.push_str(&format!("$({helper})"));
                }
                known => {
                    text.push_str(&escaped(&value::plain(std::slice::from_ref(known)).unwrap_or_default()))
                }
            }
        }
        Ok(text)
    }

    /// The variable that stands for an entry. A default is a variable of the same name in front of it: it stays where the cluster has no entry.
    fn helper(&mut self, entry: Entry, written: &str, reference: &Value, default: Option<&str>) -> String {
        if let Some(name) = self.names.get(&entry) {
            return name.clone();
        }
        let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
        let base: String = HELPER.chars().chain(written.chars().map(clean)).collect();
        let taken = |name: &String| {
            self.names.values().any(|known| known == name)
                || self.server.environment.iter().any(|own| own.name == *name)
        };
        let numbered = (2..).map(|n| format!("{base}_{n}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(base);
        if let Some(default) = default {
            self.helpers.push(json!({ "name": name, "value": escaped(default) }));
        }
        self.helpers.push(json!({ "name": name, "valueFrom": reference }));
        self.names.insert(entry, name.clone());
        name
    }

    fn secret(&self, name: &str) -> Result<Value> {
        let holder = secret_name(self.around.settings).unwrap_or(self.around.secret);
        Ok(json!({ "name": holder, "key": checked(name)? }))
    }

    fn config(&self, what: &str) -> Result<&'a str> {
        config_name(self.around.settings).ok_or_else(|| {
            Error::unsupported(format!("give {what} its value: only the cluster knows it"))
                .hint("set `configProvider: cluster` in the settings of the plugin")
        })
    }

    /// A setting without a default must be there, under its own name or that of its variable, as far as that can be seen.
    fn exists(&self, what: &str, setting: &SettingRef, variable: Option<&str>) -> Result<()> {
        let key = checked(&setting.key)?;
        let Some(keys) = self.around.config_keys.filter(|_| setting.default.is_none()) else { return Ok(()) };
        if keys.contains(&key) || variable.is_some_and(|variable| keys.iter().any(|key| key == variable)) {
            return Ok(());
        }
        let holder = config_name(self.around.settings).unwrap_or_default();
        let or = variable.map(|variable| format!(" and no key `{variable}`")).unwrap_or_default();
        Err(Error::config(format!(
            "give {what} its value: ConfigMap `{holder}` in namespace `{}` has no key `{key}`{or}",
            self.around.namespace
        ))
        .hint(format!(
            "add it: `gateway cluster populate-configmap FILE {holder} {}`",
            self.around.namespace
        )))
    }
}

/// The key of a name, if it can be one.
pub(crate) fn checked(name: &str) -> Result<String> {
    let key = secret::key(name);
    if key.is_empty() || key.len() > 253 || key == "." || key.starts_with("..") {
        return Err(Error::config(format!(
            "take `{name}` from the cluster: it cannot be the name of a key there"
        ))
        .hint("rename it: 1 to 253 characters, not `.`, and not beginning with `..`"));
    }
    Ok(key)
}

/// Two names that would have one key.
pub(crate) fn collision<'n>(names: impl Iterator<Item = &'n str>) -> Option<(&'n str, &'n str)> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        match seen.insert(secret::key(name), name) {
            Some(before) if before != name => return Some((before, name)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{checked, collision};

    #[test]
    fn names_that_meet_are_told_both() {
        assert_eq!(collision(["a/b", "a.b", "a/b"].into_iter()), None);
        assert_eq!(collision(["a/b", "c", "a:b"].into_iter()), Some(("a/b", "a:b")));
        for (name, key) in [
            ("dockerhub.username", "dockerhub.username"),
            ("github/token", "github___token"),
            ("a b", "a___b"),
        ] {
            assert_eq!(checked(name).expect("a key"), key);
        }
        for bad in ["", ".", "..", "..x", &"x".repeat(254)] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
