//! Carries a plan out: apply, wait, speak, remove.

use crate::manifest::{self, Around, BRIDGE_PORT, CONTAINER, GRACE, SERVER};
use crate::names::{self, DEPLOYMENT, POD, POLICY, SERVICE};
use crate::plan::{self, Plan};
use crate::policy::{self, Inside};
use crate::prepare::{self, SHARED, Shared};
use crate::remove::remove_all;
use crate::{Kubernetes, secret};
use gateway_plugin::connection::{Authorization, Connection, HttpEndpoint, HttpProtocol, TcpEndpoint};
use gateway_plugin::kubernetes::{Condition, Target, Test, Tunnel};
use gateway_plugin::types::{Finding, ObjectRef, Severity};
use gateway_plugin::{
    Blueprint, Call, Context, Document, Egress, Error, FailureCategory, Health, Host, Lease, Provisioned,
    Reconnected, Result, Server, State, Status, Transport, Validation,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Version of the state.
pub(crate) const STATE: u32 = 1;

/// How long something must be hopeless before it counts: a registry may fail once, and a node may come.
const HOPELESS: u32 = 2_000;
/// Left of a call's time for telling why.
const MARGIN: Duration = Duration::from_secs(1);

/// What is remembered of a server.
#[derive(Serialize, Deserialize)]
struct Kept {
    namespace: String,
    /// Name of the pod, or of the Deployment that keeps it.
    pod: String,
    /// So that another one of that name is not taken for it.
    uid: String,
    /// It is a Deployment.
    #[serde(default)]
    deployed: bool,
}

impl Kept {
    fn target(&self) -> Target {
        Target::new(if self.deployed { DEPLOYMENT } else { POD }, &self.namespace, &self.pod)
    }
}

/// Where things go, and the name of the session's Secret.
pub(crate) fn shared(call: &Call<Kubernetes>) -> Result<Shared> {
    match call.context.shared(SHARED)? {
        Some(shared) => Ok(shared),
        None => Ok(Shared {
            secret: secret::name(&call.context, &call.settings),
            namespace: prepare::namespace(call)?,
            owner: None,
        }),
    }
}

/// What `provision` would make.
fn planned(call: &Call<Kubernetes>, context: &Context, server: &Server, shared: &Shared) -> Result<Plan> {
    let settings = call.server_settings(server)?;
    let name = names::object(&server.id, &context.request);
    let config_keys = prepare::config_keys(call, &shared.namespace)?;
    let around = Around {
        context,
        settings: &call.settings,
        security: settings.security.unwrap_or(call.settings.security),
        stdio: settings.stdio,
        namespace: &shared.namespace,
        name: &name,
        secret: &shared.secret,
        config_keys: config_keys.as_deref(),
        component: SERVER,
    };
    let plan = plan::plan(server, &around, &inside(call, server, &shared.namespace)?)?;
    Ok(plan.owned_by(shared.owner.as_ref()))
}

/// Destinations that are Services of this cluster, as far as they may be looked at.
pub(crate) fn inside(call: &Call<Kubernetes>, server: &Server, namespace: &str) -> Result<Vec<Inside>> {
    let Egress::Only(hosts) = &server.network.egress else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for host in hosts {
        let Some((namespace, name)) = policy::service_of(&host.host, namespace) else { continue };
        let service = match call.host.kubernetes().get(&Target::new(SERVICE, &namespace, name)) {
            Ok(Some(service)) => serde_json::from_str::<Value>(&service)?,
            Ok(None) => continue,
            Err(error) if error.category() == FailureCategory::Permission => continue,
            Err(error) => return Err(error),
        };
        let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object) else { continue };
        let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let fits =
            |port: &&Value| host.port.is_none_or(|wanted| port.get("port") == Some(&Value::from(wanted)));
        for port in ports.filter(fits) {
            let target = port.get("targetPort").or_else(|| port.get("port")).cloned().unwrap_or_default();
            let (written, namespace) = (host.written.clone(), namespace.clone());
            found.push(Inside { written, namespace, selector: selector.clone(), port: target });
        }
    }
    Ok(found)
}

pub(crate) fn plan(call: &Call<Kubernetes>, server: &Server) -> Result<Blueprint> {
    let shared = shared(call)?;
    let plan = planned(call, &names::of_no_request(&call.context), server, &shared)?;
    let mut documents = Vec::new();
    let keys: Vec<String> =
        secret::entries(server, call.settings.secret_provider).into_iter().map(|entry| entry.key).collect();
    if !keys.is_empty() {
        let text = format!(
            "Secret {} in namespace {}, entries:\n{}",
            shared.secret,
            shared.namespace,
            keys.join("\n")
        );
        documents.push(Document { title: "Secret".to_owned(), media_type: "text/plain".to_owned(), text });
    }
    let title = if plan.deployed { "Deployment" } else { "Pod" };
    for (title, document) in
        [("NetworkPolicy", &plan.policy), (title, &Some(plan.workload)), ("Service", &plan.service)]
    {
        if let Some(document) = document {
            documents.push(Document::json(title, document)?);
        }
    }
    Ok(Blueprint { documents, fields: plan.fields.enforce(&call.context)?, ..Blueprint::default() })
}

/// Everything at once: the fields, the rights, and what the API server says to the documents without storing them.
pub(crate) fn validate(call: &Call<Kubernetes>, server: &Server) -> Result<Validation> {
    let problem = |error: Error| Finding { severity: Severity::Problem, failure: error.into() };
    let failed = |error| Ok(Validation { findings: vec![problem(error)], ..Validation::default() });
    let shared = match shared(call) {
        Ok(shared) => shared,
        Err(error) => return failed(error),
    };
    let plan = match planned(call, &call.context, server, &shared) {
        Ok(plan) => plan,
        Err(error) => return failed(error),
    };
    let (fields, mut findings) = plan.fields.findings(&call.context);
    if let Err(error) = prepare::may(call, &shared.namespace, std::slice::from_ref(server), false) {
        findings.push(problem(error));
    }
    // What refers to the session's Secret can be tried when that is there.
    let tried = secret::entries(server, call.settings.secret_provider).is_empty().then_some(&plan.workload);
    for document in plan.policy.iter().chain(tried).chain(&plan.service) {
        if let Err(error) = call.host.kubernetes().dry_run(&document.to_string()) {
            findings.push(problem(error));
        }
    }
    Ok(Validation { fields, findings, ..Validation::default() })
}

pub(crate) fn provision(call: &Call<Kubernetes>, server: &Server) -> Result<Provisioned> {
    let kubernetes = call.host.kubernetes();
    let shared = shared(call)?;
    let plan = planned(call, &call.context, server, &shared)?;
    let workload = plan.kind();
    let Plan { policy, workload: document, deployed, service, bridged, fields } = plan;
    let fields = fields.enforce(&call.context)?;
    let namespace = shared.namespace;
    let name = names::object(&server.id, &call.context.request);
    let target = Target::new(workload, &namespace, &name);
    // What an earlier attempt of this request left did not come up, and a pod cannot be changed.
    if let Some(resume) = &call.context.resume {
        let left = resume.objects.iter().rev().filter(|object| [POD, DEPLOYMENT].contains(&&*object.kind));
        remove_all(&call.host, left, Some(0))?;
    }
    if let Some(policy) = &policy {
        kubernetes.apply(&policy.to_string())?;
    }
    call.host.progress(format!("start pod `{name}`"));
    kubernetes.apply(&document.to_string())?;
    if let Some(service) = &service {
        kubernetes.apply(&service.to_string())?;
    }
    let ready = ready(call, &target)?;
    let uid = ready.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let connection = connect(call, server, &target, bridged)?;
    let kept = Kept { namespace: namespace.clone(), pod: name.clone(), uid, deployed };
    let mut answer = Provisioned::new(connection, State::new(STATE, &kept)?).fields(fields);
    for (kind, there) in [(POLICY, policy.is_some()), (workload, true), (SERVICE, service.is_some())] {
        if there {
            answer = answer.object(ObjectRef::new(kind, &namespace, &name));
        }
    }
    Ok(answer)
}

/// Waits until a pod is ready, or that of a Deployment, or cannot become it.
fn ready(call: &Call<Kubernetes>, workload: &Target) -> Result<Value> {
    let up = if workload.kind == DEPLOYMENT { Test::RolledOut } else { Test::IsTrue("Ready".to_owned()) };
    let conditions = [
        Condition { target: workload.clone(), test: up },
        Condition { target: workload.clone(), test: Test::Hopeless(HOPELESS) },
    ];
    let time = call.host.remaining().saturating_sub(MARGIN);
    let met = call.host.kubernetes().wait(&conditions, time)?;
    match met.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(serde_json::from_str(&met.document)?),
    }
}

/// The way to a server that is ready. A tunnel leads to whichever pod is there.
fn connect(call: &Call<Kubernetes>, server: &Server, workload: &Target, bridged: bool) -> Result<Connection> {
    let kubernetes = call.host.kubernetes();
    if bridged {
        // Also inside the cluster: it listens where nobody else can reach it.
        let Tunnel { id, host, port } = kubernetes.open_tunnel(workload, BRIDGE_PORT)?;
        return call.host.connections().tcp(&TcpEndpoint::new(host, port).tunnel(Some(id)));
    }
    let Some(port) = manifest::port(server) else {
        return kubernetes.attach(workload, CONTAINER);
    };
    let (host, port, tunnel) = match kubernetes.service_address(&workload.namespace, &workload.name, port) {
        Ok(address) if address.host.contains(':') => (format!("[{}]", address.host), address.port, None),
        Ok(address) => (address.host, address.port, None),
        Err(error) if error.category() == FailureCategory::Unsupported => {
            let service = Target::new(SERVICE, &workload.namespace, &workload.name);
            let Tunnel { id, host, port } = kubernetes.open_tunnel(&service, port)?;
            (host, port, Some(id))
        }
        Err(error) => return Err(error),
    };
    let (path, protocol) = match &server.transport {
        Transport::StreamableHttp(endpoint) => (&endpoint.path, HttpProtocol::StreamableHttp),
        Transport::Sse(endpoint) => (&endpoint.path, HttpProtocol::Sse),
        _ => {
            return call.host.connections().tcp(&TcpEndpoint::new(host, port).tunnel(tunnel));
        }
    };
    let connection = call.host.connections().http(&HttpEndpoint {
        url: format!("http://{host}:{port}{path}"),
        protocol,
        headers: Vec::new(),
        authorization: Authorization::None,
        tunnel,
        tls: None,
    })?;
    call.host.connections().wait_ready(&connection, call.host.remaining().saturating_sub(MARGIN))?;
    Ok(connection)
}

/// What stands for a server in the cluster, if it is still that.
fn found(host: &Host, kept: &Kept) -> Result<Option<Value>> {
    let Some(document) = host.kubernetes().get(&kept.target())? else { return Ok(None) };
    let found: Value = serde_json::from_str(&document)?;
    let uid = found.pointer("/metadata/uid").and_then(Value::as_str);
    Ok((uid == Some(kept.uid.as_str())).then_some(found))
}

/// A way to the pod that the Deployment has put in the place of another. A server whose streams were attached has ended with them.
pub(crate) fn reconnect(
    call: &Call<Kubernetes>,
    server: &Server,
    lease: &Lease,
) -> Result<Option<Reconnected>> {
    let Some(kept) = lease.decode::<Kept>(STATE)?.filter(|kept| kept.deployed) else { return Ok(None) };
    let Some(deployment) = found(&call.host, &kept)? else { return Ok(None) };
    if deployment.pointer("/metadata/deletionTimestamp").is_some() {
        return Ok(None);
    }
    let stdio = call.server_settings(server)?.stdio;
    ready(call, &kept.target())?;
    let connection = connect(call, server, &kept.target(), manifest::is_bridged(server, stdio))?;
    Ok(Some(Reconnected {
        connection,
        state: None,
        objects: Vec::new(),
        same_process: false,
        extras: Vec::new(),
    }))
}

pub(crate) fn probe(host: &Host, lease: &Lease) -> Result<Health> {
    let Some(kept) = lease.decode::<Kept>(STATE)? else {
        return Ok(Health::new(Status::Gone, "it was never started"));
    };
    let Some(pod) = found(host, &kept)? else {
        return Ok(Health::new(Status::Gone, "the cluster does not have its pod any more"));
    };
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if kept.deployed {
        return Ok(health_of_deployment(&pod));
    }
    let ready = pod.pointer("/status/containerStatuses/0/ready").and_then(Value::as_bool) == Some(true);
    let status = match (text("/status/phase"), ready) {
        _ if pod.pointer("/metadata/deletionTimestamp").is_some() => Status::Ended,
        ("Pending", _) => Status::Starting,
        ("Running", true) => Status::Running,
        ("Running", false) => Status::Unready,
        ("Succeeded" | "Failed", _) => Status::Ended,
        _ => Status::Unknown,
    };
    let words = [text("/status/phase"), text("/status/reason"), text("/status/message")];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    Ok(Health::new(status, words.join(": ")))
}

fn health_of_deployment(deployment: &Value) -> Health {
    if deployment.pointer("/metadata/deletionTimestamp").is_some() {
        return Health::new(Status::Ended, "its Deployment is being removed");
    }
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    match (number("/status/availableReplicas"), number("/status/replicas")) {
        (0, 0) => Health::new(Status::Starting, "its Deployment has no pod yet"),
        (0, _) => Health::new(Status::Unready, "the pod of its Deployment is not ready"),
        (_, _) => Health::new(Status::Running, "Running"),
    }
}

/// By what the ledger holds and what the state says: after a cut there is no state, after a lost ledger there are no objects.
pub(crate) fn release(host: &Host, lease: &Lease) -> Result<()> {
    remove_all(host, lease.objects.iter().rev(), Some(GRACE))?;
    let Some(kept) = lease.decode::<Kept>(STATE)? else { return Ok(()) };
    let target = kept.target();
    if lease.objects.iter().any(|object| object.kind == target.kind && object.name == target.name) {
        return Ok(());
    }
    let workload = ObjectRef::new(&target.kind, &target.namespace, &target.name);
    remove_all(host, std::iter::once(&workload), Some(GRACE))
}

#[cfg(test)]
mod tests;
