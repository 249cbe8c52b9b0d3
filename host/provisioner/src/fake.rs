//! A provisioner that brings nothing up: the other end of its streams is a task of the test. It counts what it holds, so that a
//! test can ask what is left.

use crate::{
    Blueprint, Call, Connection, Description, Failure, FieldReport, Health, Lease, ManagedObject,
    Provisioned, Provisioner, Reconnected, ReleaseReason, ServerSpec, Status, Streams, SweepReport,
    WorkloadKind,
};
use async_trait::async_trait;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::DuplexStream;

/// What a fake server gets: its end of the streams.
pub type FakeServer = Box<dyn Fn(&ServerSpec, DuplexStream) -> Result<(), Failure> + Send + Sync>;

/// See the module.
pub struct FakeProvisioner {
    serve: FakeServer,
    next: AtomicU64,
    held: Mutex<Vec<String>>,
    released: Mutex<Vec<(String, ReleaseReason)>>,
}

impl FakeProvisioner {
    /// `serve` is called at each `provision` with the server's end of a duplex stream; it spawns what answers there.
    pub fn new(
        serve: impl Fn(&ServerSpec, DuplexStream) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            serve: Box::new(serve),
            next: AtomicU64::new(0),
            held: Mutex::default(),
            released: Mutex::default(),
        })
    }

    /// Ids of leases that were not released.
    pub fn held(&self) -> Vec<String> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every release so far.
    pub fn released(&self) -> Vec<(String, ReleaseReason)> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many servers were provisioned.
    pub fn provisions(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Provisioner for FakeProvisioner {
    fn name(&self) -> &str {
        "fake"
    }

    fn description(&self) -> Arc<Description> {
        Arc::new(Description {
            name: "fake".to_owned(),
            version: "0.0.0".to_owned(),
            digest: String::new(),
            summary: "for tests".to_owned(),
            runs: vec![WorkloadKind::Component, WorkloadKind::Image],
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{}".to_owned(),
            reads_state: Vec::new(),
            abilities: Vec::new(),
        })
    }

    async fn prepare(&self, _: &Call, _: &[Arc<ServerSpec>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn validate(&self, _: &Call, _: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        Ok(Vec::new())
    }

    async fn plan(&self, _: &Call, _: &ServerSpec) -> Result<Blueprint, Failure> {
        Ok(Blueprint::default())
    }

    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        (self.serve)(server, theirs)?;
        let id = format!("fake-{}", self.next.fetch_add(1, Ordering::SeqCst));
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
        let (stdout, stdin) = tokio::io::split(ours);
        Ok(Provisioned {
            connection: Connection::Streams(Streams {
                label: format!("fake {}", server.name),
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: None,
            }),
            lease: Lease {
                id,
                server_id: server.id.clone(),
                server_name: server.name.clone(),
                session: "test".to_owned(),
                request: call.request.as_str().to_owned(),
                state: None,
                objects: Vec::new(),
                plugin: "fake".to_owned(),
                plugin_version: "0.0.0".to_owned(),
                plugin_digest: String::new(),
            },
            fields: Vec::new(),
            objects: Vec::new(),
        })
    }

    async fn probe(&self, _: &Call, _: &Lease) -> Result<Health, Failure> {
        Ok(Health { status: Status::Unknown, text: String::new(), exit_code: None })
    }

    async fn reconnect(&self, _: &Call, _: &Lease) -> Result<Option<Reconnected>, Failure> {
        Ok(None)
    }

    async fn release(&self, _: &Call, lease: &Lease, reason: ReleaseReason) -> Result<(), Failure> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|id| *id != lease.id);
        self.released.lock().unwrap_or_else(PoisonError::into_inner).push((lease.id.clone(), reason));
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
