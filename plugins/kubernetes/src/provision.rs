//! Carries a plan out: apply, wait, speak, remove.

use crate::manifest::{self, Around, BRIDGE_PORT, CONTAINER, GRACE, SERVER};
use crate::names::{self, POD, POLICY, SERVICE};
use crate::plan::{self, Plan};
use crate::policy::{self, Inside};
use crate::prepare::{self, SHARED, Shared};
use crate::{Kubernetes, secret};
use gateway_plugin::connection::{Authorization, Connection, HttpEndpoint, HttpProtocol, TcpEndpoint};
use gateway_plugin::kubernetes::{Condition, Target, Test, Tunnel};
use gateway_plugin::types::{Finding, ObjectRef, Severity};
use gateway_plugin::{
    Blueprint, Call, Context, Document, Egress, Error, FailureCategory, Health, Host, Lease, Provisioned,
    Result, Server, State, Status, Transport, Validation,
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
    pod: String,
    /// So that another pod of that name is not taken for it.
    uid: String,
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
    for (title, document) in
        [("NetworkPolicy", &plan.policy), ("Pod", &Some(plan.pod)), ("Service", &plan.service)]
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
    let tried = secret::entries(server, call.settings.secret_provider).is_empty().then_some(&plan.pod);
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
    let Plan { policy, pod, service, bridged, fields } = planned(call, &call.context, server, &shared)?;
    let fields = fields.enforce(&call.context)?;
    let namespace = shared.namespace;
    let name = names::object(&server.id, &call.context.request);
    let target = Target::new(POD, &namespace, &name);
    // What an earlier attempt of this request left did not come up, and a pod cannot be changed.
    if let Some(resume) = &call.context.resume {
        remove_all(&call.host, resume.objects.iter().rev().filter(|object| object.kind == POD), Some(0))?;
    }
    if let Some(policy) = &policy {
        kubernetes.apply(&policy.to_string())?;
    }
    call.host.progress(format!("start pod `{name}`"));
    kubernetes.apply(&pod.to_string())?;
    if let Some(service) = &service {
        kubernetes.apply(&service.to_string())?;
    }
    let ready = ready(call, &target)?;
    let uid = ready.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let connection = connect(call, server, &target, bridged)?;
    let kept = Kept { namespace: namespace.clone(), pod: name.clone(), uid };
    let mut answer = Provisioned::new(connection, State::new(STATE, &kept)?).fields(fields);
    for (kind, there) in [(POLICY, policy.is_some()), (POD, true), (SERVICE, service.is_some())] {
        if there {
            answer = answer.object(ObjectRef::new(kind, &namespace, &name));
        }
    }
    Ok(answer)
}

/// Waits until the pod is ready, or cannot become it.
fn ready(call: &Call<Kubernetes>, pod: &Target) -> Result<Value> {
    let conditions = [
        Condition { target: pod.clone(), test: Test::IsTrue("Ready".to_owned()) },
        Condition { target: pod.clone(), test: Test::Hopeless(HOPELESS) },
    ];
    let time = call.host.remaining().saturating_sub(MARGIN);
    let met = call.host.kubernetes().wait(&conditions, time)?;
    match met.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(serde_json::from_str(&met.document)?),
    }
}

/// The way to a server that is ready.
fn connect(call: &Call<Kubernetes>, server: &Server, pod: &Target, bridged: bool) -> Result<Connection> {
    let kubernetes = call.host.kubernetes();
    if bridged {
        // Also inside the cluster: it listens where nobody else can reach it.
        let Tunnel { id, host, port } = kubernetes.open_tunnel(pod, BRIDGE_PORT)?;
        return call.host.connections().tcp(&TcpEndpoint::new(host, port).tunnel(Some(id)));
    }
    let Some(port) = manifest::port(server) else {
        return kubernetes.attach(pod, CONTAINER);
    };
    let (host, port, tunnel) = match kubernetes.service_address(&pod.namespace, &pod.name, port) {
        Ok(address) => (address.host, address.port, None),
        Err(error) if error.category() == FailureCategory::Unsupported => {
            let Tunnel { id, host, port } = kubernetes.open_tunnel(pod, port)?;
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

pub(crate) fn probe(host: &Host, lease: &Lease) -> Result<Health> {
    let Some(kept) = lease.decode::<Kept>(STATE)? else {
        return Ok(Health::new(Status::Gone, "it was never started"));
    };
    let found = host.kubernetes().get(&Target::new(POD, &kept.namespace, &kept.pod))?;
    let pod: Value = match found {
        Some(document) => serde_json::from_str(&document)?,
        None => return Ok(Health::new(Status::Gone, "the cluster does not have its pod any more")),
    };
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if text("/metadata/uid") != kept.uid {
        return Ok(Health::new(Status::Gone, "another pod has its name"));
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

/// By what the ledger holds and what the state says: after a cut there is no state, after a lost ledger there are no objects.
pub(crate) fn release(host: &Host, lease: &Lease) -> Result<()> {
    remove_all(host, lease.objects.iter().rev(), Some(GRACE))?;
    let Some(kept) = lease.decode::<Kept>(STATE)? else { return Ok(()) };
    if lease.objects.iter().any(|object| object.kind == POD && object.name == kept.pod) {
        return Ok(());
    }
    let pod = ObjectRef::new(POD, &kept.namespace, &kept.pod);
    remove_all(host, std::iter::once(&pod), Some(GRACE))
}

/// Removes objects: first the pods among them, and waits until they are gone. A server whose standard input was closed ends by itself, then by
/// its signal, then it is killed. What shuts it in goes only after it.
pub(crate) fn remove_all<'a>(
    host: &Host,
    objects: impl Iterator<Item = &'a ObjectRef>,
    grace: Option<u32>,
) -> Result<()> {
    let target = |object: &ObjectRef| Target::new(&object.kind, &object.scope, &object.name);
    let (pods, others): (Vec<_>, Vec<_>) = objects.partition(|object| object.kind == POD);
    let seconds = grace.map(|seconds| Duration::from_secs(seconds.into()));
    for pod in &pods {
        host.kubernetes().remove(&target(pod), seconds, None)?;
    }
    for pod in pods {
        let gone = [Condition { target: target(pod), test: Test::Gone }];
        let time = Duration::from_secs((grace.unwrap_or(GRACE) + 5).into())
            .min(host.remaining().saturating_sub(MARGIN));
        match host.kubernetes().wait(&gone, time) {
            Ok(_) => {}
            Err(error) if error.category() == FailureCategory::Timeout => {
                host.kubernetes().remove(&target(pod), Some(Duration::ZERO), None)?;
            }
            Err(error) => return Err(error),
        }
    }
    for other in others {
        host.kubernetes().remove(&target(other), None, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
