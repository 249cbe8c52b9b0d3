//! Values that may be secret: they have no `Debug`, and are wiped when they are dropped.
//!
//! What happens between here and the engine is not in our hands: the HTTP library holds a copy of the request until it is sent.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A text that may be secret, for example the value of an environment variable.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the value over.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value, for the request that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Bytes that may be secret, for example the content of a file.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The bytes, for the request that needs them.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}
