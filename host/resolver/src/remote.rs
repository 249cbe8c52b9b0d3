//! Stores that are asked over the network. How, is somebody else's matter: this crate knows secrets and no requests.

use crate::SecretValue;
use std::fmt;

/// How a platform finds a secret by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The store: `aws-secrets-manager`.
    pub provider: String,
    /// Its own id: an ARN.
    pub id: String,
}

/// What a store has of a secret.
pub struct Remote {
    /// The value; `None`: it is there, and only the platform may read it.
    pub value: Option<SecretValue>,
    /// How a platform finds it.
    pub reference: Option<Reference>,
}

/// A store. Its `Display` says where was looked: `AWS Secrets Manager below `prod/``.
pub trait RemoteStore: fmt::Display + Send + Sync {
    /// Looks one name up; `None` if there is none. May block.
    ///
    /// # Errors
    /// Why the store cannot be asked; nothing of a value.
    fn get(&self, name: &str) -> Result<Option<Remote>, String>;
}
