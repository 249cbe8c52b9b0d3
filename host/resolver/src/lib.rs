//! Secrets: where they are looked for, and the one place that ever holds a value.
//!
//! *Invariant:* whoever does not import this crate cannot obtain a secret. Values have no `Debug`, are wiped when dropped, and never
//! stand in an error. It must never know platforms or plugins.

// What is tried again here also stands in `tests/fuzz`, to which this crate is another one.
#[cfg(test)]
extern crate self as host_resolver;

mod env_file;
mod error;
mod expand;
mod given;
mod helper;
mod keychain;
mod mounted;
mod remote;
mod search;
mod secret;
mod secrets_engine;
mod source;
mod store;
pub mod template;
pub mod volume;

#[cfg(test)]
mod corpus;

pub use error::SecretError;
pub use expand::{expand, joined, unknown_variables};
pub use given::SHORTEST;
pub use remote::{Reference, Remote, RemoteStore};
pub use search::{NothingReadable, Searched, is_default_search, search};
pub use secret::SecretValue;
pub use source::Source;

use given::Given;
use host_provisioner::{Blot, Found, Part, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// What can be known about a secret without knowing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// Where it was found: `file PATH`, `folder PATH`, ``keychain, service `NAME` ``, ``environment variables `PREFIX*` ``.
    pub found_in: String,
    /// Changes when the value changes; tells nothing about it, because a random key of this run goes into it. Empty where the gateway may not read
    /// the value.
    pub revision: String,
    /// How a platform finds it by itself.
    pub reference: Option<Reference>,
}

/// Looks secrets up in the operator's sources, in their order, for those who declared them.
pub struct Resolver {
    sources: Vec<Source>,
    /// Who may have what: scope (a server's id, or `plugin:NAME`) to names.
    declared: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Keys the revisions, so that equal secrets of two gateways do not show as equal.
    revision_key: [u8; 16],
    /// What was given to whom.
    given: Given,
}

impl Blot for Resolver {
    fn find(&self, scope: &str, text: &[u8]) -> Found {
        self.given.find(Some(scope), text)
    }
}

impl Resolver {
    /// `revision_key` are random bytes of this run.
    #[must_use]
    pub fn new(sources: Vec<Source>, revision_key: [u8; 16]) -> Self {
        Self { sources, declared: Mutex::default(), revision_key, given: Given::default() }
    }

    /// Says that `scope` (a server's id, or `plugin:NAME`) declares these secrets. Replaces what it declared before.
    pub fn declare(&self, scope: &str, names: impl IntoIterator<Item = String>) {
        self.lock().insert(scope.to_owned(), names.into_iter().collect());
    }

    /// Information without the value.
    ///
    /// # Errors
    /// Not declared by this scope, found nowhere, or a source that cannot be read.
    pub fn info(&self, scope: &str, name: &str) -> Result<SecretInfo, SecretError> {
        let (found, found_in) = self.look_up(scope, name)?;
        let revision = |value: &SecretValue| {
            let mut hash = Sha256::new();
            hash.update(self.revision_key);
            hash.update(value.reveal().as_bytes());
            hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
        };
        let revision = found.value.as_ref().map(revision).unwrap_or_default();
        Ok(SecretInfo { name: name.to_owned(), found_in, revision, reference: found.reference })
    }

    /// The value of one secret.
    ///
    /// # Errors
    /// As [`Resolver::info`].
    pub fn secret(&self, scope: &str, name: &str) -> Result<SecretValue, SecretError> {
        let (found, found_in) = self.look_up(scope, name)?;
        let value = found.value.ok_or_else(|| {
            let looked_in = vec![format!("{found_in} (it is there, and the gateway may not read it)")];
            SecretError::Missing { name: name.to_owned(), looked_in }
        })?;
        self.given.remember(scope, name, value.reveal());
        Ok(value)
    }

    /// Finds in a text the values that anybody was given.
    #[must_use]
    pub fn find_any(&self, text: &[u8]) -> Found {
        self.given.find(None, text)
    }

    /// Puts a value together. Plain text becomes a [`SecretValue`] too, so that callers have one way to handle it.
    ///
    /// # Errors
    /// As [`Resolver::info`], for the first secret that is missing.
    pub fn evaluate(&self, scope: &str, value: &Value) -> Result<SecretValue, SecretError> {
        match value {
            Value::Text(text) => Ok(SecretValue::new(text.clone())),
            Value::Secret(name) => self.secret(scope, name),
            Value::Joined(parts) => {
                let mut whole = SecretValue::new(String::new());
                for part in parts {
                    match part {
                        Part::Text(text) => whole.push(text),
                        Part::Secret(name) => whole.push(self.secret(scope, name)?.reveal()),
                        Part::Setting(setting) => {
                            return Err(SecretError::OnPlatform { key: setting.key.clone() });
                        }
                    }
                }
                Ok(whole)
            }
        }
    }

    fn look_up(&self, scope: &str, name: &str) -> Result<(Remote, String), SecretError> {
        if !self.lock().get(scope).is_some_and(|names| names.contains(name)) {
            return Err(SecretError::NotDeclared { scope: scope.to_owned(), name: name.to_owned() });
        }
        let mut looked_in = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            match source.find(name) {
                Ok(Some(found)) => return Ok((found, source.to_string())),
                Ok(None) => looked_in.push(source.looked()),
                // A laptop's settings may be used on a server without a keychain, where another place has the secret.
                Err(SecretError::Unreachable { place, reason }) => {
                    looked_in.push(format!("{place} ({reason})"))
                }
                Err(error) => return Err(error),
            }
        }
        Err(SecretError::Missing { name: name.to_owned(), looked_in })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.declared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(vars: &[(&str, &str)]) -> Resolver {
        let vars = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let r = Resolver::new(vec![Source::environment("APP_", vars)], [7; 16]);
        r.declare("notes-1", ["token".to_owned(), "gone".to_owned()]);
        r
    }

    #[test]
    fn a_secret_is_put_into_the_middle_of_a_text() {
        let r = resolver(&[("APP_token", "s3cret")]);
        let v = Value::Joined(vec![Part::Text("Bearer ".to_owned()), Part::Secret("token".to_owned())]);
        assert_eq!(r.evaluate("notes-1", &v).unwrap().reveal(), "Bearer s3cret");
    }

    /// A store of the test.
    struct Far(Option<&'static str>);

    impl std::fmt::Display for Far {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the far store")
        }
    }

    impl RemoteStore for Far {
        fn get(&self, name: &str) -> Result<Option<Remote>, String> {
            if name == "down" {
                return Err("it does not answer".to_owned());
            }
            let reference = Reference { provider: "far".to_owned(), id: format!("id-of-{name}") };
            let value = self.0.map(|value| SecretValue::new(value.to_owned()));
            Ok((name != "gone").then_some(Remote { value, reference: Some(reference) }))
        }
    }

    #[test]
    fn a_store_elsewhere_gives_values_and_references_or_says_why_not() {
        let of = |value: Option<&'static str>| {
            let r = Resolver::new(vec![Source::remote(std::sync::Arc::new(Far(value)))], [7; 16]);
            r.declare("s", ["token", "gone", "down"].map(str::to_owned));
            r
        };
        let (open, closed) = (of(Some("s3cret")), of(None));
        assert_eq!(open.secret("s", "token").unwrap().reveal(), "s3cret");
        let reference = Some(Reference { provider: "far".to_owned(), id: "id-of-token".to_owned() });
        assert_eq!(open.info("s", "token").unwrap().reference, reference);
        let info = closed.info("s", "token").unwrap();
        assert_eq!((info.reference, info.revision.as_str()), (reference, ""));
        let why = |r: &Resolver, name: &str| r.secret("s", name).err().unwrap().to_string();
        assert_eq!(
            why(&closed, "token"),
            "secret `token` was not found in the far store (it is there, and the gateway may not read it)"
        );
        assert_eq!(why(&open, "gone"), "secret `gone` was not found in the far store");
        assert_eq!(why(&open, "down"), "secret `down` was not found in the far store (it does not answer)");
    }

    #[test]
    fn only_declared_secrets_of_the_own_scope_exist() {
        let r = resolver(&[("APP_token", "s3cret")]);
        for (scope, name) in [("notes-2", "token"), ("notes-1", "other")] {
            let error = r.secret(scope, name).err().unwrap().to_string();
            let why = format!("is not declared by server `{scope}`: name it under `secrets` of its entry");
            assert_eq!(error, format!("secret `{name}` {why}"));
        }
    }

    #[test]
    fn a_plugin_is_told_the_grant_that_is_missing() {
        let error = resolver(&[]).secret("plugin:acme", "key").err().unwrap().to_string();
        assert_eq!(
            error,
            "secret `key` is not granted to plugin `acme`: name it under `plugins.acme.grants.secrets`"
        );
    }

    #[test]
    fn a_missing_secret_says_where_it_was_looked_for() {
        let error = resolver(&[]).secret("notes-1", "gone").err().unwrap().to_string();
        assert_eq!(error, "secret `gone` was not found in environment variables `APP_*`");
    }

    #[test]
    fn a_revision_follows_the_value_and_does_not_show_it() {
        let a = resolver(&[("APP_token", "one")]).info("notes-1", "token").unwrap();
        let b = resolver(&[("APP_token", "two")]).info("notes-1", "token").unwrap();
        assert_ne!(a.revision, b.revision);
        assert_eq!(a.revision.len(), 16);
    }
}
