//! The provisioner for servers that are WASI components: they run in the gateway's own process, in milliseconds, with nothing else
//! installed. It asks for the grant `embedded` only.
//!
//! Two halves: [`plan`] decides, without asking anybody, what shall run and which fields of the entry are honoured; [`provision`]
//! carries it out.

use gateway_plugin::types::{ManagedPage, Page};
use gateway_plugin::{
    Blueprint, Call, Health, Info, Lease, NoSettings, Provisioned, Provisioner, ReleaseReason, Result,
    Server, Validation, WorkloadKind,
};

pub mod plan;
mod provision;

/// The plugin.
#[derive(Debug)]
pub struct Embedded;

impl Provisioner for Embedded {
    type Settings = NoSettings;
    type ServerSettings = NoSettings;
    const INFO: Info =
        Info::new("embedded", env!("CARGO_PKG_VERSION"), "WASI components inside the gateway's own process")
            .runs(&[WorkloadKind::Component])
            .reads_state(&[provision::STATE]);

    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        plan::plan(server)?.blueprint(&call.context)
    }

    fn validate(call: &Call<Self>, server: &Server) -> Result<Validation> {
        Ok(plan::validation(server, &call.context))
    }

    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
        provision::provision(&call.host, &call.context, server)
    }

    fn probe(call: &Call<Self>, lease: &Lease) -> Result<Health> {
        provision::probe(&call.host, lease)
    }

    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        provision::release(&call.host, lease)
    }

    fn enumerate(call: &Call<Self>, page: &Page) -> Result<ManagedPage> {
        Ok(provision::enumerate(&call.host, &call.context, page))
    }

    // `sweep` stays empty: nothing survives the gateway's process, so no workload of a dead session can exist.
}

gateway_plugin::export!(Embedded);
