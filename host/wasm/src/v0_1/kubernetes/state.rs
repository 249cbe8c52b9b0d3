//! What the host keeps about clusters: clients by context, Leases by namespace, what is in Secrets that were made, and the tunnels of a call.

use crate::v0_1::imported::kubernetes::Tunnel as Named;
use host_provisioner as provisioner;
use host_workload_kubernetes::{Cluster, SessionLease, Surroundings, Tunnel};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where an entry of a Secret is: namespace, Secret, key.
pub(super) type EntryAt = (String, String, String);

/// A context and a namespace in it.
pub(super) type LeaseAt = (Option<String>, String);

/// See the module.
#[derive(Default)]
pub(crate) struct KubernetesState {
    around: Surroundings,
    clusters: Mutex<BTreeMap<Option<String>, Arc<Cluster>>>,
    /// Present: a Lease was tried for; without one it cannot be had there.
    pub(super) leases: tokio::sync::Mutex<BTreeMap<LeaseAt, Option<SessionLease>>>,
    /// Where the ConfigMap with `gateway-bridge` is.
    pub(super) bridges: tokio::sync::Mutex<BTreeSet<LeaseAt>>,
    /// Which value of which servers (by id) an entry holds.
    entries: Mutex<BTreeMap<EntryAt, BTreeMap<String, provisioner::Value>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KubernetesState {
    /// With what the command line and the environment say.
    pub(crate) fn new(around: Surroundings) -> Self {
        Self { around, ..Self::default() }
    }

    /// The name of the pod that the gateway runs in.
    pub(super) fn own_pod(&self) -> Option<&str> {
        self.around.own_pod.as_deref()
    }

    /// The cluster of a context; without one, what the surroundings say.
    pub(crate) fn cluster(&self, context: Option<&str>) -> Arc<Cluster> {
        let mut clusters = lock(&self.clusters);
        let key = context.map(str::to_owned);
        Arc::clone(clusters.entry(key.clone()).or_insert_with(|| {
            let context = key.or_else(|| self.around.context.clone());
            Cluster::new(Surroundings { context, ..self.around.clone() })
        }))
    }

    /// Remembers what an entry holds.
    pub(super) fn holds(&self, at: EntryAt, values: BTreeMap<String, provisioner::Value>) {
        lock(&self.entries).insert(at, values);
    }

    /// The value of a server that an entry holds.
    pub(super) fn value(&self, at: &EntryAt, server: &str) -> Option<provisioner::Value> {
        lock(&self.entries).get(at)?.get(server).cloned()
    }

    /// Whether anything of this Secret was made here.
    pub(super) fn made(&self, namespace: &str, secret: &str) -> bool {
        lock(&self.entries).keys().any(|(n, s, _)| n == namespace && s == secret)
    }

    /// Forgets a Secret that is gone.
    pub(super) fn forget(&self, namespace: &str, secret: &str) {
        lock(&self.entries).retain(|(n, s, _), _| n != namespace || s != secret);
    }
}

/// What one call has opened: tunnels by id, and addresses that the host handed out.
#[derive(Default)]
pub(crate) struct Tunnels {
    open: Mutex<BTreeMap<String, Arc<Tunnel>>>,
    handed_out: Mutex<Vec<(String, u16)>>,
}

impl Tunnels {
    pub(super) fn add(&self, tunnel: Tunnel) -> Named {
        let id = format!("tunnel-{}", tunnel.address.port());
        let named =
            Named { id: id.clone(), host: tunnel.address.ip().to_string(), port: tunnel.address.port() };
        self.hand_out(&named.host, named.port);
        lock(&self.open).insert(id, Arc::new(tunnel));
        named
    }

    pub(super) fn hand_out(&self, host: &str, port: u16) {
        lock(&self.handed_out).push((host.to_owned(), port));
    }

    /// Whether the host handed this address out in this call.
    pub(crate) fn reaches(&self, host: &str, port: u16) -> bool {
        lock(&self.handed_out).iter().any(|(h, p)| h == host && *p == port)
    }

    /// The tunnel of that id, if it leads there. It is open as long as somebody has it.
    pub(crate) fn tunnel(&self, id: &str, host: &str, port: u16) -> Option<Arc<Tunnel>> {
        let fits =
            |tunnel: &&Arc<Tunnel>| tunnel.address.ip().to_string() == host && tunnel.address.port() == port;
        lock(&self.open).get(id).filter(fits).map(Arc::clone)
    }
}
