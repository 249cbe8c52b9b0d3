//! Secrets that a cloud keeps, as a source of the resolver: the one knows requests, the other knows secrets.

use crate::environment::Environment;
use host_config::CloudSecrets;
use host_outbound::secrets::{Kind, Store};
use host_resolver::{Reference, Remote, RemoteStore, SecretValue};
use std::fmt;

/// See the module.
pub(crate) struct Cloud(Store);

impl Cloud {
    /// A source that nobody asked yet.
    pub(crate) fn new(secrets: &CloudSecrets, environment: &Environment) -> Self {
        let kind = match secrets.clone() {
            CloudSecrets::Aws { prefix, region, endpoint } => Kind::Aws { region, endpoint, prefix },
            CloudSecrets::Google { prefix, project, endpoint } => Kind::Google { project, endpoint, prefix },
        };
        Self(Store::new(kind, environment.clouds()))
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl RemoteStore for Cloud {
    fn get(&self, name: &str) -> Result<Option<Remote>, String> {
        let found = self.0.get(name)?;
        Ok(found.map(|found| Remote {
            value: found.value.map(|value| SecretValue::new(value.to_string())),
            reference: found.reference.map(|id| Reference { provider: self.0.provider().to_owned(), id }),
        }))
    }
}
