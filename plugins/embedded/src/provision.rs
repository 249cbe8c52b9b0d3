//! Carries a plan out: start, ask, stop.

use crate::plan;
use gateway_plugin::embedded::WorkloadStatus;
use gateway_plugin::types::{ManagedObject, ManagedPage, ObjectRef, Page};
use gateway_plugin::{Context, Health, Host, Lease, Provisioned, Result, Server, State, Status, label};
use std::time::Duration;

/// Version of the state: the workload's id as a JSON text.
pub(crate) const STATE: u32 = 1;

/// What the engine calls a workload in `object-ref.kind`.
const KIND: &str = "component";

/// Time for a server to end by itself after its standard input was closed. Long enough to write a file, short enough for a person who
/// waits for the gateway to end.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) fn provision(host: &Host, context: &Context, server: &Server) -> Result<Provisioned> {
    let plan = plan::plan(server)?;
    let fields = plan.fields.enforce(context)?;
    // The streams of a workload that an earlier attempt of this request started cannot be had again.
    if let Some(resume) = &context.resume {
        stop(host, ids(&resume.objects))?;
    }
    host.progress(format!("start component `{}`", server.id));
    let started = host.embedded().start(&plan.spec)?;
    let state = State::new(STATE, &started.workload)?;
    let object = ObjectRef::new(KIND, "", started.workload);
    Ok(Provisioned::new(started.connection, state).fields(fields).object(object))
}

pub(crate) fn probe(host: &Host, lease: &Lease) -> Result<Health> {
    let Some(workload) = lease.decode::<String>(STATE)? else {
        return Ok(Health::new(Status::Gone, "it was never started"));
    };
    let info = host.embedded().info(&workload);
    let status = match info.status {
        WorkloadStatus::Running => Status::Running,
        WorkloadStatus::Ended => Status::Ended,
        WorkloadStatus::Unknown => Status::Gone,
    };
    Ok(Health { exit_code: info.exit_code, ..Health::new(status, info.text) })
}

/// By what the ledger holds and what the state says: after a cut there is no state, after a lost ledger there are no objects.
pub(crate) fn release(host: &Host, lease: &Lease) -> Result<()> {
    let kept = lease.decode::<String>(STATE)?;
    stop(host, ids(&lease.objects).chain(kept.as_deref()))
}

fn ids(objects: &[ObjectRef]) -> impl Iterator<Item = &str> {
    objects.iter().filter(|object| object.kind == KIND).map(|object| object.name.as_str())
}

fn stop<'a>(host: &Host, workloads: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut stopped: Vec<&str> = Vec::new();
    for workload in workloads {
        if !stopped.contains(&workload) {
            host.embedded().stop(workload, GRACE)?;
            stopped.push(workload);
        }
    }
    Ok(())
}

/// Page by page in the order of the ids; the cursor is the last id of the page before.
pub(crate) fn enumerate(host: &Host, context: &Context, page: &Page) -> ManagedPage {
    let mut workloads = host.embedded().workloads();
    workloads.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(cursor) = &page.cursor {
        workloads.retain(|workload| workload.name > *cursor);
    }
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX).max(1);
    let more = workloads.len() > limit;
    workloads.truncate(limit);
    let cursor = workloads.last().filter(|_| more).map(|last| last.name.clone());
    let objects = workloads.into_iter().map(|object| managed(object, context)).collect();
    ManagedPage { objects, cursor }
}

/// Nothing survives the process, so everything that runs is of this session.
fn managed(object: ObjectRef, context: &Context) -> ManagedObject {
    ManagedObject {
        object,
        gateway: Some(context.gateway.clone()),
        session: Some(context.session.clone()),
        plugin: plugin(context),
        server_id: None,
        request: None,
        age_seconds: None,
        session_alive: Some(true),
        text: "running".to_owned(),
        extras: Vec::new(),
    }
}

/// The operator's name for this plugin, which only the labels tell.
fn plugin(context: &Context) -> Option<String> {
    context.labels.iter().find(|label| label.key == label::PLUGIN).map(|label| label.value.clone())
}

#[cfg(test)]
mod tests;
