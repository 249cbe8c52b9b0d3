//! Places where secrets are looked for.

use crate::{
    Reference, Remote, RemoteStore, SecretError, SecretValue, env_file, helper, keychain, mounted,
    secrets_engine, store,
};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is said of a place that is only read.
const READ_ONLY: &str = "it is only read";

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
    /// The program `docker-credential-NAME`.
    Helper(String),
    /// Docker's secrets engine behind this socket.
    Engine(PathBuf),
    /// A store that somebody else knows how to ask.
    Remote(Arc<dyn RemoteStore>),
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

    /// A credential helper of Docker's, by what stands behind `docker-credential-`: letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn helper(name: &str) -> Self {
        Self(SourceKind::Helper(name.to_owned()))
    }

    /// Docker's secrets engine.
    #[must_use]
    pub fn engine(socket: &Path) -> Self {
        Self(SourceKind::Engine(socket.to_owned()))
    }

    /// A store that is asked over the network.
    #[must_use]
    pub fn remote(store: Arc<dyn RemoteStore>) -> Self {
        Self(SourceKind::Remote(store))
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
            SourceKind::Helper(program) => helper::get(program, name)
                .map_err(|reason| SecretError::Unreachable { place: self.to_string(), reason }),
            SourceKind::Engine(socket) => secrets_engine::get(socket, name)
                .map_err(|reason| SecretError::Unreachable { place: self.to_string(), reason }),
            SourceKind::Remote(_) => Ok(self.find(name)?.and_then(|found| found.value)),
            SourceKind::Environment { prefix, variables } => Ok(variables
                .get(&format!("{prefix}{name}"))
                .or_else(|| variables.get(&format!("{prefix}{}", variable_form(name))))
                .map(|value| SecretValue::new(String::clone(value)))),
        }
    }
}

impl Source {
    /// The value, and how a platform finds it by itself, if this source has it.
    ///
    /// # Errors
    /// As [`Source::get`].
    pub(crate) fn find(&self, name: &str) -> Result<Option<Remote>, SecretError> {
        match &self.0 {
            SourceKind::Remote(store) => {
                store.get(name).map_err(|reason| SecretError::Unreachable { place: self.to_string(), reason })
            }
            _ => Ok(self.get(name)?.map(|value| Remote { value: Some(value), reference: None::<Reference> })),
        }
    }

    /// Keeps a secret here, over one of that name.
    ///
    /// # Errors
    /// Nothing is kept in such a place by us, or it cannot be.
    pub fn set(&self, name: &str, value: &SecretValue) -> Result<(), SecretError> {
        let done = match &self.0 {
            SourceKind::EnvFile(file) => store::set_in_file(file, name, value),
            SourceKind::Folder(folder) => store::set_in_folder(folder, name, value),
            SourceKind::Keychain(service) => keychain::set(service, name, value),
            SourceKind::Helper(program) => helper::set(program, name, value),
            SourceKind::Engine(_) => Err(format!(
                "it is only read; keep the secret with `docker pass set {}`",
                secrets_engine::key(name)
            )),
            SourceKind::Kept { .. } | SourceKind::Remote(_) | SourceKind::Environment { .. } => {
                Err(READ_ONLY.to_owned())
            }
        };
        done.map_err(|reason| SecretError::Unreachable { place: self.to_string(), reason })
    }

    /// Removes a secret; false if it was not here.
    ///
    /// # Errors
    /// As [`Source::set`].
    pub fn remove(&self, name: &str) -> Result<bool, SecretError> {
        let done = match &self.0 {
            SourceKind::EnvFile(file) => store::remove_from_file(file, name),
            SourceKind::Folder(folder) => store::remove_from_folder(folder, name),
            SourceKind::Keychain(service) => keychain::remove(service, name),
            SourceKind::Helper(program) => helper::remove(program, name),
            SourceKind::Engine(_) => Err(format!(
                "it is only read; remove the secret with `docker pass rm {}`",
                secrets_engine::key(name)
            )),
            SourceKind::Kept { .. } | SourceKind::Remote(_) | SourceKind::Environment { .. } => {
                Err(READ_ONLY.to_owned())
            }
        };
        done.map_err(|reason| SecretError::Unreachable { place: self.to_string(), reason })
    }

    /// Whether secrets can be kept here.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !matches!(
            self.0,
            SourceKind::Engine(_)
                | SourceKind::Kept { .. }
                | SourceKind::Remote(_)
                | SourceKind::Environment { .. }
        )
    }

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
            SourceKind::Helper(program) => write!(f, "`docker-credential-{program}`"),
            SourceKind::Engine(socket) => write!(f, "Docker's secrets engine at {}", socket.display()),
            SourceKind::Folder(path) => write!(f, "folder {}", path.display()),
            SourceKind::Remote(store) => write!(f, "{store}"),
            SourceKind::Environment { prefix, .. } => write!(f, "environment variables `{prefix}*`"),
        }
    }
}
