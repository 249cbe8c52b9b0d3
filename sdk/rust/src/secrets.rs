//! What can be known about secrets without knowing them. No function reveals a value, its length, or a text that holds one.

use crate::Result;
use crate::host::{Host, side};
use crate::types::SecretName;

#[cfg(target_arch = "wasm32")]
use crate::generated::gateway::provisioner::secrets as real;

pub use crate::generated::gateway::provisioner::secrets::{Reference, SecretInfo};

/// See [`Host::secrets`].
#[derive(Debug, Clone, Copy)]
pub struct Secrets<'a> {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only the fake side is an object"))]
    pub(crate) host: &'a Host,
}

impl Secrets<'_> {
    /// Whether a secret of the server of this call (in `prepare` of any server given there), or of the plugin, is there, and where the
    /// platform could fetch it by itself.
    ///
    /// # Errors
    ///
    /// `config` if it is not declared, or found nowhere.
    pub fn lookup(&self, secret: &SecretName) -> Result<SecretInfo> {
        side!(real => Ok(real::lookup(secret)?), fake => self.host.fake.lookup_secret(secret))
    }

    /// A random secret that lives as long as the lease, for a bearer token between a helper beside the server and the connection. The
    /// same name in the same lease gives the same secret.
    ///
    /// # Errors
    ///
    /// What the host answers, `retryable` if the ledger could not be written.
    pub fn generate(&self, name: &str) -> Result<SecretName> {
        side!(real => Ok(real::generate(name)?), fake => self.host.fake.generate_secret(name))
    }
}
