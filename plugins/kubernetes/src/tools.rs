//! Tools that are containers: each call runs one to its end. To a cluster a tool is a server by another name, so it is planned as one; the
//! gateway puts its own program in front of it, which keeps its streams apart and tells its real exit code.

use crate::manifest::{Around, CONTAINER, TOOL};
use crate::names::{self, POLICY, SECRET};
use crate::plan::{self, Plan};
use crate::prepare::Shared;
use crate::{Kubernetes, prepare, provision, remove, secret};
use gateway_plugin::kubernetes::{PodOutput, SecretEntry};
use gateway_plugin::types::{Finding, Lifetime, ObjectRef, Severity, Transport};
use gateway_plugin::{
    Blueprint, Call, Context, Document, Error, Ran, Result, Server, ToolContainer, Validation,
};
use serde_json::Value;
use std::time::Duration;

/// Beside its own time a tool may be pulled and started.
const AROUND: u32 = 120;

/// The server that a tool would be.
fn as_server(tool: &ToolContainer) -> Server {
    Server {
        id: tool.id.clone(),
        name: tool.tool.clone(),
        revision: tool.revision.clone(),
        workload: tool.workload.clone(),
        transport: Transport::Stdio,
        lifetime: Lifetime::Call,
        environment: tool.environment.clone(),
        files: tool.files.clone(),
        mounts: tool.mounts.clone(),
        network: tool.network.clone(),
        limits: tool.limits.clone(),
        user: tool.user.clone(),
        secrets: tool.secrets.clone(),
        pins: tool.pins.clone(),
        settings: tool.settings.clone(),
        annotations: tool.annotations.clone(),
        extras: tool.extras.clone(),
    }
}

/// What one run needs.
struct Planned {
    name: String,
    namespace: String,
    plan: Plan,
    entries: Vec<SecretEntry>,
}

fn planned(call: &Call<Kubernetes>, context: &Context, tool: &ToolContainer) -> Result<Planned> {
    let server = as_server(tool);
    let Shared { namespace, owner, .. } = provision::shared(call)?;
    let name = names::object(&tool.id, &context.request);
    let settings = call.server_settings(&server)?;
    let config_keys = prepare::config_keys(call, &namespace)?;
    let around = Around {
        context,
        settings: &call.settings,
        security: settings.security.unwrap_or(call.settings.security),
        stdio: None,
        namespace: &namespace,
        name: &name,
        // Its own: a run has nothing that others have, and leaves nothing.
        secret: &name,
        config_keys: config_keys.as_deref(),
        component: TOOL,
    };
    // A tool is attached, so it is a pod and nothing else.
    let mut plan = plan::plan(&server, &around, &provision::inside(call, &server, &namespace)?)?
        .owned_by(owner.as_ref());
    if let Some(spec) = plan.workload.pointer_mut("/spec").and_then(Value::as_object_mut) {
        let seconds = tool.timeout_ms / 1000 + AROUND;
        spec.insert("activeDeadlineSeconds".to_owned(), Value::from(seconds));
    }
    let mut entries = secret::entries(&server, call.settings.secret_provider);
    for entry in &mut entries {
        entry.server_ids = vec![tool.server_id.clone()];
    }
    Ok(Planned { name, namespace, plan, entries })
}

pub(crate) fn plan(call: &Call<Kubernetes>, tool: &ToolContainer) -> Result<Blueprint> {
    let Planned { plan, .. } = planned(call, &names::of_no_request(&call.context), tool)?;
    let mut documents = Vec::new();
    for (title, document) in [("NetworkPolicy", &plan.policy), ("Pod", &Some(plan.workload))] {
        if let Some(document) = document {
            documents.push(Document::json(title, document)?);
        }
    }
    Ok(Blueprint { documents, fields: plan.fields.enforce(&call.context)?, ..Blueprint::default() })
}

pub(crate) fn validate(call: &Call<Kubernetes>, tool: &ToolContainer) -> Result<Validation> {
    let problem = |error: Error| Finding { severity: Severity::Problem, failure: error.into() };
    let planned = match planned(call, &call.context, tool) {
        Ok(planned) => planned,
        Err(error) => return Ok(Validation { findings: vec![problem(error)], ..Validation::default() }),
    };
    let (fields, mut findings) = planned.plan.fields.findings(&call.context);
    let server = as_server(tool);
    if let Err(error) = prepare::may(call, &planned.namespace, std::slice::from_ref(&server), true) {
        findings.push(problem(error));
    }
    Ok(Validation { fields, findings, ..Validation::default() })
}

pub(crate) fn run(call: &Call<Kubernetes>, tool: &ToolContainer) -> Result<Ran> {
    let kubernetes = call.host.kubernetes();
    let Planned { name, namespace, plan: Plan { policy, workload, fields, .. }, entries } =
        planned(call, &call.context, tool)?;
    let fields = fields.enforce(&call.context)?;
    let mut besides = Vec::new();
    if !entries.is_empty() {
        let document = secret::document(&call.context, &namespace, &name);
        kubernetes.apply_secret(&document.to_string(), &entries)?;
        besides.push(ObjectRef::new(SECRET, &namespace, &name));
    }
    if let Some(policy) = &policy {
        kubernetes.apply(&policy.to_string())?;
        besides.push(ObjectRef::new(POLICY, &namespace, &name));
    }
    let output = kubernetes.run_pod(
        &workload.to_string(),
        CONTAINER,
        &PodOutput::Attached,
        tool.input.as_deref(),
        tool.output_limit,
        Duration::from_millis(tool.timeout_ms.into()),
    )?;
    // What stood around it goes with it; what cannot be removed is in the ledger, and `stop` is called with it.
    remove::remove_all(&call.host, besides.iter().rev(), None)?;
    Ok(Ran::new(output, fields))
}
