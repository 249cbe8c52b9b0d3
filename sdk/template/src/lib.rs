//! A provisioner: where a server runs, and how it is taken down. Start by changing the name, the summary and `spec`.

use gateway_plugin::types::{Amount, Document, FieldReport};
use gateway_plugin::{Blueprint, Call, Fields, Info, Lease, NoSettings, Provisioned, Provisioner, Result};
use gateway_plugin::{ReleaseReason, Server, State, WorkloadKind, embedded};
use std::time::Duration;

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
    const INFO: Info = Info::new("my-provisioner", env!("CARGO_PKG_VERSION"), "components, limited memory")
        .runs(&[WorkloadKind::Component])
        .reads_state(&[1]);

    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        let (spec, fields) = spec(call, server)?;
        let memory = spec.limits.memory.map(|memory| memory.written);
        Ok(Blueprint { documents: vec![Document::json("memory", &memory)?], fields, ..Blueprint::default() })
    }

    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
        let (spec, fields) = spec(call, server)?;
        let started = call.host.embedded().start(&spec)?;
        Ok(Provisioned::new(started.connection, State::new(1, &started.workload)?).fields(fields))
    }

    // The ledger knows what was started even if `provision` never came to its end.
    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        for object in lease.objects.iter().filter(|object| object.kind == "component") {
            call.host.embedded().stop(&object.name, Duration::from_secs(2))?;
        }
        Ok(())
    }
}

/// What shall run, and which fields are not honoured: `plan` shows both, `provision` carries them out.
fn spec(call: &Call<MyProvisioner>, server: &Server) -> Result<(embedded::Spec, Vec<FieldReport>)> {
    let mut spec = embedded::Spec::new(embedded::component(&server.workload)?);
    spec.environment.clone_from(&server.environment);
    let default = call.settings.memory_mib.map(|mib| Amount { mib, written: format!("{mib}MiB") });
    spec.limits.memory = server.limits.memory.clone().or(default);
    // Refuse, never ignore: whatever else the entry asks for stops the server, or is reported if the operator says so.
    Ok((spec, Fields::honouring(server, &["environment", "limits.memory"]).enforce(&call.context)?))
}

gateway_plugin::export!(MyProvisioner);

#[cfg(test)]
mod tests;
