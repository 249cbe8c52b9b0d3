//! A provisioner of components that is right in everything but one thing: what it cannot do it passes over, without a word in its plan or in an
//! answer. The contract suite (`sdk/testkit`) must notice.

wit_bindgen::generate!({
    path: "../../../wit/v0.1",
    world: "embedded-plugin",
    generate_all,
});

use exports::gateway::provisioner::container_runtime;
use exports::gateway::provisioner::provisioner::{Description, Guest, Prepared, Provisioned, Reconnected};
use gateway::provisioner::embedded::{self, WorkloadStatus};
use gateway::provisioner::types::*;

struct Plugin;

export!(Plugin);

/// What the engine calls a workload.
const KIND: &str = "component";

fn unsupported<T>(text: &str) -> Result<T, Failure> {
    Err(Failure {
        phase: Phase::Other,
        category: FailureCategory::Unsupported,
        step: None,
        text: text.to_owned(),
        hint: None,
        details: Vec::new(),
        objects: Vec::new(),
        retry_after_ms: None,
        extras: Vec::new(),
    })
}

fn workload(server: &Server) -> Result<&ComponentWorkload, Failure> {
    match &server.workload {
        Workload::Component(workload) => Ok(workload),
        _ => unsupported("it is no component"),
    }
}

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            name: "deaf".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "passes over what it cannot do".to_owned(),
            runs: vec![WorkloadKind::Component],
            runs_tools: Vec::new(),
            settings_schema: "{}".to_owned(),
            server_settings_schema: "{}".to_owned(),
            reads_state: vec![1],
            understands: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn prepare(_: Context, _: Vec<Server>, _: Vec<ToolEntry>) -> Result<Prepared, Failure> {
        Ok(Prepared { shared: None, refused: Vec::new(), objects: Vec::new(), extras: Vec::new() })
    }

    fn validate(_: Context, server: Server) -> Result<Validation, Failure> {
        workload(&server)?;
        Ok(Validation { fields: Vec::new(), findings: Vec::new(), costs: Vec::new(), extras: Vec::new() })
    }

    fn plan(_: Context, server: Server) -> Result<Blueprint, Failure> {
        let text = workload(&server)?.component.clone();
        let document = Document { title: "component".to_owned(), media_type: "text/plain".to_owned(), text };
        Ok(Blueprint {
            documents: vec![document],
            fields: Vec::new(),
            costs: Vec::new(),
            pins: Vec::new(),
            extras: Vec::new(),
        })
    }

    fn provision(_: Context, server: Server) -> Result<Provisioned, Failure> {
        let workload = workload(&server)?;
        // Neither the user nor the hosts of the entry are looked at.
        let started = embedded::start(&embedded::Spec {
            component: workload.component.clone(),
            arguments: workload.arguments.clone(),
            environment: server.environment,
            mounts: server.mounts,
            files: server.files,
            egress: Egress::None,
            limits: server.limits,
        })?;
        let object = ObjectRef { kind: KIND.to_owned(), scope: String::new(), name: started.workload };
        Ok(Provisioned {
            connection: Some(started.connection),
            state: None,
            fields: Vec::new(),
            objects: vec![object],
            extras: Vec::new(),
        })
    }

    fn probe(_: Context, lease: Lease) -> Result<Health, Failure> {
        let name = lease.objects.first().map(|object| object.name.as_str()).unwrap_or_default();
        let info = embedded::info(name);
        let status = match info.status {
            WorkloadStatus::Running => Status::Running,
            WorkloadStatus::Ended => Status::Ended,
            WorkloadStatus::Unknown => Status::Gone,
        };
        Ok(Health { status, text: info.text, exit_code: info.exit_code, failure: None, extras: Vec::new() })
    }

    fn reconnect(_: Context, _: Server, _: Lease) -> Result<Option<Reconnected>, Failure> {
        Ok(None)
    }

    fn release(_: Context, lease: Lease, _: ReleaseReason) -> Result<(), Failure> {
        for object in lease.objects.iter().filter(|object| object.kind == KIND) {
            embedded::stop(&object.name, 2_000)?;
        }
        Ok(())
    }

    fn enumerate(context: Context, _: Page) -> Result<ManagedPage, Failure> {
        let managed = |object| ManagedObject {
            object,
            gateway: Some(context.gateway.clone()),
            session: Some(context.session.clone()),
            plugin: None,
            server_id: None,
            request: None,
            age_seconds: None,
            session_alive: Some(true),
            text: "running".to_owned(),
            extras: Vec::new(),
        };
        Ok(ManagedPage { objects: embedded::workloads().into_iter().map(managed).collect(), cursor: None })
    }

    fn sweep(_: Context, _: u32, _: Page) -> Result<SweepPage, Failure> {
        Ok(SweepPage { removed: Vec::new(), failed: Vec::new(), cursor: None })
    }

    fn shutdown(_: Context, _: Leftovers) -> Result<(), Failure> {
        Ok(())
    }
}

impl container_runtime::Guest for Plugin {
    fn validate_run(_: Context, _: ToolContainer) -> Result<Validation, Failure> {
        unsupported("no tools")
    }

    fn plan_run(_: Context, _: ToolContainer) -> Result<Blueprint, Failure> {
        unsupported("no tools")
    }

    fn run(_: Context, _: ToolContainer) -> Result<container_runtime::Ran, Failure> {
        unsupported("no tools")
    }

    fn start(_: Context, _: ToolContainer) -> Result<Provisioned, Failure> {
        unsupported("no tools")
    }

    fn stop(_: Context, _: Lease, _: ReleaseReason) -> Result<(), Failure> {
        unsupported("no tools")
    }
}
