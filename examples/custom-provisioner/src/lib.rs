//! A provisioner for the servers of one tenant: only those on its list run, under its ceiling of memory, with its variables.

use gateway_plugin::{Blueprint, Call, Info, Lease, NoSettings, Provisioned, Provisioner, ReleaseReason};
use gateway_plugin::{ObjectRef, Result, Server, State, WorkloadKind};
use std::time::Duration;

mod plan;

struct Tenant;

impl Provisioner for Tenant {
    type Settings = plan::Settings;
    type ServerSettings = NoSettings;
    const INFO: Info = Info::new("tenant", env!("CARGO_PKG_VERSION"), "component servers of one tenant")
        .runs(&[WorkloadKind::Component])
        .reads_state(&[1]);

    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        plan::blueprint(&call.settings, server, &call.context)
    }

    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
        let (spec, fields) = plan::plan(&call.settings, server)?;
        let fields = fields.enforce(&call.context)?;
        let tenant = &call.settings.tenant;
        // From here on `release` knows for whom it takes down, even if this call is cut at the next line.
        call.host.checkpoint(&State::new(1, tenant)?)?;
        call.host.progress(format!("start `{}` for tenant `{tenant}`", server.id));
        let started = call.host.embedded().start(&spec)?;
        call.host.log(gateway_plugin::Level::Info, "started", &[("tenant", tenant), ("server", &server.id)]);
        Ok(Provisioned::new(started.connection, State::new(1, tenant)?)
            .fields(fields)
            .object(ObjectRef::new("component", "", started.workload)))
    }

    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        let tenant: String = lease.decode(1)?.unwrap_or_default();
        for object in lease.objects.iter().filter(|object| object.kind == "component") {
            call.host.embedded().stop(&object.name, Duration::from_secs(2))?;
            call.host.log(
                gateway_plugin::Level::Info,
                "stopped",
                &[("tenant", &tenant), ("server", &lease.server_id)],
            );
        }
        Ok(())
    }
}

gateway_plugin::export!(Tenant);

#[cfg(test)]
mod tests;
