//! A provisioner that refuses: it stands where the real one could not be loaded or does not exist, so that one bad plugin or server never
//! stops the start, and whoever uses the server is told why.

use async_trait::async_trait;
use host_provisioner::{
    Blueprint, Call, Description, Failure, FieldReport, Health, Lease, ManagedObject, Provisioned,
    Provisioner, Reconnected, ReleaseReason, ServerSpec, SweepReport,
};
use std::sync::Arc;

/// See the module.
pub(crate) struct Refusing {
    name: String,
    failure: Failure,
}

impl Refusing {
    /// Refuses everything with this failure.
    #[must_use]
    pub(crate) fn new(name: impl Into<String>, failure: Failure) -> Arc<Self> {
        Arc::new(Self { name: name.into(), failure })
    }
}

#[async_trait]
impl Provisioner for Refusing {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> Arc<Description> {
        Arc::new(Description {
            name: self.name.clone(),
            version: String::new(),
            digest: String::new(),
            summary: self.failure.text.clone(),
            runs: Vec::new(),
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{}".to_owned(),
            reads_state: Vec::new(),
            abilities: Vec::new(),
        })
    }

    async fn prepare(&self, _: &Call, _: &[Arc<ServerSpec>]) -> Result<(), Failure> {
        Err(self.failure.clone())
    }

    async fn validate(&self, _: &Call, _: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        Err(self.failure.clone())
    }

    async fn plan(&self, _: &Call, _: &ServerSpec) -> Result<Blueprint, Failure> {
        Err(self.failure.clone())
    }

    async fn provision(&self, _: &Call, _: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        Err(self.failure.clone())
    }

    async fn probe(&self, _: &Call, _: &Lease) -> Result<Health, Failure> {
        Err(self.failure.clone())
    }

    async fn reconnect(&self, _: &Call, _: &Lease) -> Result<Option<Reconnected>, Failure> {
        Err(self.failure.clone())
    }

    async fn release(&self, _: &Call, _: &Lease, _: ReleaseReason) -> Result<(), Failure> {
        // Nothing was ever made here.
        Ok(())
    }

    async fn enumerate(&self, _: &Call) -> Result<Vec<ManagedObject>, Failure> {
        Ok(Vec::new())
    }

    async fn sweep(&self, _: &Call) -> Result<SweepReport, Failure> {
        Ok(SweepReport::default())
    }

    async fn shutdown(&self, _: &Call) -> Result<(), Failure> {
        Ok(())
    }
}
