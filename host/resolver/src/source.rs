//! Places where secrets are looked for.

use crate::{SecretError, SecretValue, env_file, keychain, mounted};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What kind of place it is.
enum SourceKind {
    /// A `.env` file, read anew at each look-up, so that a rotated secret is seen. A missing file has no secrets.
    EnvFile(PathBuf),
    /// What a `.env` file held that could be read only once.
    Kept {
        /// Its name, for messages.
        path: PathBuf,
        /// Its text.
        text: Zeroizing<Vec<u8>>,
    },
    /// A folder with one file per secret, as Docker and Kubernetes mount them; read anew at each look-up.
    Folder(PathBuf),
    /// The operating system's keychain: entries of this service, whose users are names of secrets.
    Keychain(String),
    /// Environment variables whose names begin with a prefix, as they were when the program started.
    Environment {
        /// What is put before the secret's name.
        prefix: String,
        /// The variables.
        variables: BTreeMap<String, Zeroizing<String>>,
    },
}

/// A place where secrets are looked for.
pub struct Source(SourceKind);

impl Source {
    /// A `.env` file.
    #[must_use]
    pub fn env_file(path: &Path) -> Self {
        Self(SourceKind::EnvFile(path.to_owned()))
    }

    /// What a `.env` file held that can be read only once, such as a pipe.
    #[must_use]
    pub fn kept(path: &Path, text: Zeroizing<Vec<u8>>) -> Self {
        Self(SourceKind::Kept { path: path.to_owned(), text })
    }

    /// A folder of mounted secrets.
    #[must_use]
    pub fn folder(path: &Path) -> Self {
        Self(SourceKind::Folder(path.to_owned()))
    }

    /// The operating system's keychain.
    #[must_use]
    pub fn keychain(service: &str) -> Self {
        Self(SourceKind::Keychain(service.to_owned()))
    }

    /// Environment variables; only those with the prefix are kept.
    #[must_use]
    pub fn environment(prefix: &str, variables: BTreeMap<String, String>) -> Self {
        let variables = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name, Zeroizing::new(value)))
            .collect();
        Self(SourceKind::Environment { prefix: prefix.to_owned(), variables })
    }

    /// The value, if this source has it.
    ///
    /// # Errors
    /// The source exists and cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<SecretValue>, SecretError> {
        match &self.0 {
            SourceKind::EnvFile(path) => env_file::get(path, name),
            SourceKind::Kept { path, text } => env_file::get_from(path, text, name),
            SourceKind::Folder(path) => mounted::get(path, name),
            SourceKind::Keychain(service) => keychain::get(service, name)
                .map_err(|reason| SecretError::Unreachable { place: self.to_string(), reason }),
            SourceKind::Environment { prefix, variables } => Ok(variables
                .get(&format!("{prefix}{name}"))
                .or_else(|| variables.get(&format!("{prefix}{}", variable_form(name))))
                .map(|value| SecretValue::new(String::clone(value)))),
        }
    }
}

impl Source {
    /// Where it was looked, for whoever did not find it here; says so if the place itself is missing.
    pub(crate) fn looked(&self) -> String {
        match &self.0 {
            SourceKind::EnvFile(path) | SourceKind::Folder(path) if !path.exists() => {
                format!("{self} (not there)")
            }
            _ => self.to_string(),
        }
    }
}

/// `acme-notes.token` cannot be a variable of a shell; `ACME_NOTES_TOKEN` can.
pub(crate) fn variable_form(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SourceKind::EnvFile(path) | SourceKind::Kept { path, .. } => write!(f, "file {}", path.display()),
            SourceKind::Keychain(service) => write!(f, "keychain, service `{service}`"),
            SourceKind::Folder(path) => write!(f, "folder {}", path.display()),
            SourceKind::Environment { prefix, .. } => write!(f, "environment variables `{prefix}*`"),
        }
    }
}
