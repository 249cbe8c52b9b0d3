//! A provisioner: where a server runs, and how it is taken down. Start by changing the name, the summary and `spec`.

use gateway_plugin::types::{Amount, Document};
use gateway_plugin::{Blueprint, Call, Info, Lease, NoSettings, Provisioned, Provisioner, ReleaseReason};
use gateway_plugin::{Result, Server, State, WorkloadKind, embedded};
use std::{collections::BTreeMap, time::Duration};

gateway_plugin::settings! {
    /// What the operator can write under `plugins.my-provisioner.settings`, in camel case.
    pub struct Settings {
        /// Memory of a server that names no limit, in MiB.
        pub memory_mib: Option<u32>,
    }
}

struct MyProvisioner;

impl Provisioner for MyProvisioner {
    type Settings = Settings;
    type ServerSettings = NoSettings;
    const INFO: Info =
        Info::new("my-provisioner", env!("CARGO_PKG_VERSION"), "components, with a limit of memory")
            .runs(&[WorkloadKind::Component])
            .reads_state(&[1]);

    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        let memory = spec(call, server)?.limits.memory.map(|memory| memory.written);
        let documents = vec![Document::json("component", &BTreeMap::from([("memory", memory)]))?];
        Ok(Blueprint { documents, ..Blueprint::default() })
    }

    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
        call.host.progress(format!("start component `{}`", server.id));
        let started = call.host.embedded().start(&spec(call, server)?)?;
        Ok(Provisioned::new(started.connection, State::new(1, &started.workload)?))
    }

    // The ledger knows what was started even if `provision` never came to its end.
    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        for object in lease.objects.iter().filter(|object| object.kind == "component") {
            call.host.embedded().stop(&object.name, Duration::from_secs(2))?;
        }
        Ok(())
    }
}

/// What shall run: `plan` shows it, `provision` carries it out.
fn spec(call: &Call<MyProvisioner>, server: &Server) -> Result<embedded::Spec> {
    let mut spec = embedded::Spec::new(embedded::component(&server.workload)?);
    spec.environment.clone_from(&server.environment);
    spec.limits.memory.clone_from(&server.limits.memory);
    if let (None, Some(mib)) = (&spec.limits.memory, call.settings.memory_mib) {
        spec.limits.memory = Some(Amount { mib, written: format!("{mib}MiB") });
    }
    Ok(spec)
}

gateway_plugin::export!(MyProvisioner);

#[cfg(test)]
mod tests;
