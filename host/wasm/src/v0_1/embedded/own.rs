//! Whose a workload is.

use crate::v0_1::embedded::KIND;
use host_provisioner::ObjectRef;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Owner {
    plugin: String,
    server: String,
}

/// Workloads that plugins have started in this run.
#[derive(Default)]
pub(crate) struct Workloads(Mutex<BTreeMap<String, Owner>>);

impl Workloads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, id: &str, plugin: &str, server: &str) {
        let owner = Owner { plugin: plugin.to_owned(), server: server.to_owned() };
        self.lock().insert(id.to_owned(), owner);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Whether it is this plugin's and, if one is named, this server's.
    pub(crate) fn owns(&self, id: &str, plugin: &str, server: Option<&str>) -> bool {
        self.lock().get(id).is_some_and(|owner| owner.is(plugin, server))
    }

    /// Those of a plugin and, if one is named, of a server.
    pub(crate) fn of(&self, plugin: &str, server: Option<&str>) -> Vec<String> {
        self.lock().iter().filter(|(_, owner)| owner.is(plugin, server)).map(|(id, _)| id.clone()).collect()
    }
}

impl Owner {
    fn is(&self, plugin: &str, server: Option<&str>) -> bool {
        self.plugin == plugin && server.is_none_or(|server| self.server == server)
    }
}

/// A workload in the ledger.
pub(crate) fn object(id: &str) -> ObjectRef {
    ObjectRef { kind: KIND.to_owned(), scope: String::new(), name: id.to_owned() }
}
