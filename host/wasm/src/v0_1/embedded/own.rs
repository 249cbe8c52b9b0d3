//! Whose a workload is.

use crate::v0_1::embedded::KIND;
use host_provisioner::ObjectRef;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Owner {
    plugin: String,
    server: String,
    /// It carries secrets, which it could tell by its exit code or its last words.
    closed: bool,
}

/// Workloads that plugins have started in this run.
#[derive(Default)]
pub(crate) struct Workloads(Mutex<BTreeMap<String, Owner>>);

impl Workloads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `closed` for one that carries secrets.
    pub(crate) fn add(&self, id: &str, plugin: &str, server: &str, closed: bool) {
        let owner = Owner { plugin: plugin.to_owned(), server: server.to_owned(), closed };
        self.lock().insert(id.to_owned(), owner);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Whether it is this plugin's and, if one is named, this server's.
    pub(crate) fn owns(&self, id: &str, plugin: &str, server: Option<&str>) -> bool {
        self.lock().get(id).is_some_and(|owner| owner.is(plugin, server))
    }

    /// Whether a plugin may not know how it ended. True for one that is not known here.
    pub(crate) fn is_closed(&self, id: &str) -> bool {
        self.lock().get(id).is_none_or(|owner| owner.closed)
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
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
