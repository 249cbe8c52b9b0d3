//! A gateway of the tests: scripted servers, a pool, a front, a listener.

use super::client::Http;
use super::server::Script;
use crate::{Front, FrontConfig, HttpConfig, Stop};
use host_pool::{Pool, PoolConfig, ServerEntry};
use host_provisioner::fake::FakeProvisioner;
use host_provisioner::{Class, Failure, Phase, ServerSpec, Workload};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(super) struct World {
    pub(super) front: Arc<Front>,
    pub(super) pool: Arc<Pool>,
    pub(super) provisioner: Arc<FakeProvisioner>,
    pub(super) servers: HashMap<&'static str, Arc<Script>>,
    pub(super) address: SocketAddr,
    pub(super) stop: Stop,
    pub(super) serving: JoinHandle<()>,
}

/// Names of servers that never come up.
pub(super) const BROKEN: &str = "broken";

impl World {
    pub(super) async fn of(scripts: Vec<Script>) -> Self {
        Self::with(scripts, FrontConfig::default(), HttpConfig::default()).await
    }

    pub(super) async fn with(scripts: Vec<Script>, config: FrontConfig, http: HttpConfig) -> Self {
        let order = scripts.iter().map(|script| script.name.to_owned()).collect();
        let servers: HashMap<_, _> =
            scripts.into_iter().map(|script| (script.name, Arc::new(script))).collect();
        let lookup = servers.clone();
        let provisioner = FakeProvisioner::new(move |spec, stream| {
            let script = lookup.get(spec.name.as_str()).filter(|script| script.name != BROKEN);
            let Some(script) = script else {
                let failure = Failure::new(Phase::Provision, Class::Image, "the image is missing");
                return Err(failure.with_hint("pull it"));
            };
            tokio::spawn(Arc::clone(script).serve(stream));
            Ok(())
        });
        let entries = servers.keys().map(|name| entry(name, &provisioner)).collect();
        let probe_timeout = Duration::from_millis(200);
        let pool = Pool::new(entries, PoolConfig { probe_timeout, ..PoolConfig::default() });
        let front = Front::new(Arc::clone(&pool), FrontConfig { order, ..config });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Stop::default();
        let serving = {
            let (front, stop) = (Arc::clone(&front), stop.clone());
            tokio::spawn(async move { front.serve_http(listener, http, stop).await })
        };
        Self { front, pool, provisioner, servers, address, stop, serving }
    }

    pub(super) async fn http(&self) -> Http {
        Http::connect(self.address).await
    }
}

pub(super) fn entry(name: &str, provisioner: &Arc<FakeProvisioner>) -> ServerEntry {
    let workload = Workload::Image { reference: "test".to_owned(), digest: None, arguments: Vec::new() };
    let provisioner = Arc::clone(provisioner) as Arc<dyn host_provisioner::Provisioner>;
    ServerEntry { spec: Arc::new(ServerSpec::new(name, workload)), provisioner }
}
