//! A server's life: what would be made, making it, the way to it, and how it fares.

use crate::CloudRun;
use crate::google::{Api, IDENTITY, Service};
use crate::names::{self, SECRET, SERVICE};
use crate::plan::{self, Made, Plan, Source};
use gateway_plugin::connection::{Authorization, Connection, HttpEndpoint, HttpProtocol};
use gateway_plugin::http::{BodyPart, Effect, EncodedValue, Encoding, Request};
use gateway_plugin::types::{ObjectRef, Pin, SecretName, SecretOwner, Signing};
use gateway_plugin::{
    Blueprint, Call, Document, Error, FailureCategory, Health, Host, Lease, Provisioned, Reconnected, Result,
    Server, State, Status, Wake, value,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Version of the state.
pub(crate) const STATE: u32 = 1;

/// Where a reference must lead to be of use here.
const PROVIDER: &str = "google-secret-manager";
/// Left of a call's time for telling why.
const MARGIN: Duration = Duration::from_millis(1500);

/// What is remembered of a server, from before the first creation on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// `projects/P`.
    pub(crate) project: String,
    /// `projects/P/locations/L`.
    pub(crate) parent: String,
    /// Name of the service.
    pub(crate) service: String,
    /// Names of the secrets that were made.
    pub(crate) secrets: Vec<String>,
    /// The service's address, as soon as it is known.
    pub(crate) uri: Option<String>,
}

/// Where the secrets of a server are.
///
/// # Errors
/// `config` for one that nobody has, or that only another platform has.
pub(crate) fn sources(call: &Call<CloudRun>, names: &[String]) -> Result<BTreeMap<String, Source>> {
    let mut sources = BTreeMap::new();
    for name in names {
        if let Some(there) = call.settings.secrets.get(name) {
            sources.insert(name.clone(), Source::There(there.clone()));
            continue;
        }
        let wanted = SecretName { owner: SecretOwner::Server, server_id: None, name: name.clone() };
        let info = call.host.secrets().lookup(&wanted)?;
        let source = match info.reference {
            Some(reference) if reference.provider == PROVIDER => Source::There(reference.id),
            _ if info.available => Source::Value,
            reference => {
                let place = reference.map_or_else(String::new, |reference| {
                    format!(": it is only known as a reference of `{}`", reference.provider)
                });
                return Err(Error::config(format!("give a service the secret `{name}`{place}")).hint(format!(
                    "name it under `secrets: {{{name}: projects/…/secrets/…}}` in the settings of the plugin"
                )));
            }
        };
        sources.insert(name.clone(), source);
    }
    Ok(sources)
}

fn planned(call: &Call<CloudRun>, server: &Server, labels: &BTreeMap<String, String>) -> Result<Plan> {
    let own = call.server_settings(server)?;
    plan::plan(server, &call.settings, own.min_instances, labels, &sources(call, &server.secrets)?)
}

/// What `provision` would make.
///
/// # Errors
/// What it would refuse.
pub(crate) fn plan(call: &Call<CloudRun>, server: &Server) -> Result<Blueprint> {
    let (parent, project) = (call.settings.parent()?, call.settings.project()?);
    let labels = names::labels(&call.settings, &call.context, |key, _| format!("<{key}>"));
    let plan = planned(call, server, &labels)?;
    let service = names::service(&server.id, "<request>");
    let mut documents = Vec::new();
    let mut secrets = Vec::new();
    for (at, made) in plan.made.iter().enumerate() {
        let name = names::secret(&service, at, &made.variable);
        let document = json!({"name": name, "labels": labels, "payload": value::display(&made.value)});
        documents.push(Document::json(format!("POST {project}/secrets"), &document)?);
        secrets.push(name);
    }
    let title = format!("POST {parent}/services?serviceId={service}");
    documents.push(Document::json(title, &plan.with_secrets(&secrets))?);
    let image = plan::image(server)?;
    let pin = |digest: &String| Pin { reference: image.reference.clone(), digest: digest.clone() };
    let pins = image.digest.iter().map(pin).collect();
    Ok(Blueprint { documents, fields: plan.fields.enforce(&call.context)?, pins, ..Blueprint::default() })
}

/// Brings a server up.
///
/// # Errors
/// What stood in the way. What was made until then is in the checkpoint and in the ledger.
pub(crate) fn provision(call: &Call<CloudRun>, server: &Server) -> Result<Provisioned> {
    let labels = names::labels(&call.settings, &call.context, |_, value| value.to_owned());
    let plan = planned(call, server, &labels)?;
    let fields = plan.fields.clone().enforce(&call.context)?;
    let service = names::service(&server.id, &call.context.request);
    let (parent, project) = (call.settings.parent()?, call.settings.project()?);
    let secrets = plan.made.iter().enumerate();
    let secrets: Vec<String> =
        secrets.map(|(at, made)| names::secret(&service, at, &made.variable)).collect();
    let mut kept = Kept { project, parent, service, secrets, uri: None };
    // Every name follows from the request, so one checkpoint before the first creation is enough to undo all of them.
    call.host.checkpoint(&State::new(STATE, &kept)?)?;
    let api = Api::new(&call.host, &call.settings);
    for (name, made) in kept.secrets.iter().zip(&plan.made) {
        call.host.progress(format!("keep `{}` in Secret Manager", made.variable));
        secret(call, &api, &kept, name, made, &labels)?;
    }
    call.host.progress(format!("make service `{}`", kept.service));
    let uri = service_of(call, &api, &kept, &plan)?;
    kept.uri = Some(uri.clone());
    let connection = connect(call, server, &uri)?;
    call.host.connections().wait_ready(&connection, call.host.remaining().saturating_sub(MARGIN))?;
    let mut answer = Provisioned::new(connection, State::new(STATE, &kept)?)
        .fields(fields)
        .object(ObjectRef::new(SERVICE, &kept.parent, &kept.service));
    for name in &kept.secrets {
        answer = answer.object(ObjectRef::new(SECRET, &kept.project, name));
    }
    Ok(answer)
}

/// Makes a secret with one version, and opens it for the account of the service.
fn secret(
    call: &Call<CloudRun>,
    api: &Api<'_>,
    kept: &Kept,
    name: &str,
    made: &Made,
    labels: &BTreeMap<String, String>,
) -> Result<()> {
    let path = format!("{}/secrets", kept.project);
    let body = json!({"replication": {"automatic": {}}, "labels": labels});
    let effect = Effect::Creates(ObjectRef::new(SECRET, &kept.project, name));
    let what = format!("create secret `{name}`");
    match api.post(Service::Secrets, &format!("{path}?secretId={name}"), &body, effect, true, &what) {
        // An earlier attempt of this request has made it, or the host has sent it twice.
        Err(error) if error.category() == FailureCategory::Conflict => {}
        outcome => drop(outcome?),
    }
    let url = api.url(Service::Secrets, &format!("{path}/{name}:addVersion"));
    let request = Request {
        body: vec![
            BodyPart::Bytes(b"{\"payload\":{\"data\":\"".to_vec()),
            BodyPart::Value(EncodedValue { value: made.value.clone(), encodings: vec![Encoding::Base64] }),
            BodyPart::Bytes(b"\"}}".to_vec()),
        ],
        // A second version of the same value does no harm, and the newest counts.
        repeatable: true,
        ..Request::post(url, Effect::Changes)
    };
    api.send(request.header("content-type", "application/json"), &format!("fill secret `{name}`"))?;
    let account = call.settings.service_account.as_deref().unwrap_or_default();
    let member = format!("serviceAccount:{account}");
    allow(api, Service::Secrets, &format!("{path}/{name}"), "roles/secretmanager.secretAccessor", &member)
}

/// Adds a member to a role of a resource, keeping what is there.
fn allow(api: &Api<'_>, service: Service, path: &str, role: &str, member: &str) -> Result<()> {
    let what = format!("read the policy of `{path}`");
    let mut policy = api.get(service, &format!("{path}:getIamPolicy"), &what)?;
    let binding = json!({"role": role, "members": [member]});
    match policy.pointer_mut("/bindings").and_then(Value::as_array_mut) {
        Some(bindings) if bindings.contains(&binding) => return Ok(()),
        Some(bindings) => bindings.push(binding),
        None => {
            if let Some(object) = policy.as_object_mut() {
                object.insert("bindings".to_owned(), json!([binding]));
            }
        }
    }
    let body = json!({"policy": policy});
    // The `etag` of what was read goes back, so a repetition changes nothing twice.
    let what = format!("let `{member}` in at `{path}`");
    api.post(service, &format!("{path}:setIamPolicy"), &body, Effect::Changes, false, &what).map(drop)
}

/// Makes the service, waits until it is ready, lets the gateway in, and gives its address.
fn service_of(call: &Call<CloudRun>, api: &Api<'_>, kept: &Kept, plan: &Plan) -> Result<String> {
    let path = format!("{}/services", kept.parent);
    let body = plan.with_secrets(&kept.secrets);
    let effect = Effect::Creates(ObjectRef::new(SERVICE, &kept.parent, &kept.service));
    let what = format!("create service `{}`", kept.service);
    let made =
        api.post(Service::Run, &format!("{path}?serviceId={}", kept.service), &body, effect, true, &what);
    match made {
        Err(error) if error.category() == FailureCategory::Conflict => {}
        Err(error) => return Err(error),
        Ok(operation) => drop(done(call, api, operation, &what)?),
    }
    let own = format!("{path}/{}", kept.service);
    let ready = ready(call, api, &own)?;
    if let Some(invoker) = &call.settings.invoker {
        allow(api, Service::Run, &own, "roles/run.invoker", &format!("serviceAccount:{invoker}"))?;
    }
    let uri = ready.get("uri").and_then(Value::as_str).filter(|uri| !uri.is_empty());
    uri.map(str::to_owned)
        .ok_or_else(|| Error::retryable(format!("{what}: it has no address yet")).step("address"))
}

/// Waits until an operation is done.
///
/// # Errors
/// What the operation ended in.
pub(crate) fn done(call: &Call<CloudRun>, api: &Api<'_>, mut operation: Value, what: &str) -> Result<Value> {
    let name = operation.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut pauses = Pauses::default();
    loop {
        if operation.get("done").and_then(Value::as_bool) == Some(true) {
            return match operation.get("error") {
                None => Ok(operation.get("response").cloned().unwrap_or_default()),
                Some(error) => Err(failed(error, what)),
            };
        }
        if name.is_empty() {
            return Err(Error::retryable(format!("{what}: its answer names no operation")));
        }
        pauses.pause(&call.host, what)?;
        operation = api.get(Service::Run, &name, what)?;
    }
}

/// An operation's error is a status of gRPC: a number and a text.
fn failed(error: &Value, what: &str) -> Error {
    let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let failure = match code {
        7 | 16 => Error::permission(what),
        8 => Error::quota(what),
        5 => Error::image(what),
        3 | 9 | 11 => Error::config(what),
        1 | 2 | 4 | 10 | 13 | 14 => Error::retryable(what),
        _ => Error::permanent(what),
    };
    failure.detail(message)
}

/// The pauses of one wait: half a second, then each half as long again, up to four.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(Duration::from_millis(500))
    }
}

impl Pauses {
    /// Pauses.
    ///
    /// # Errors
    /// `cancelled`, or `timeout` when the call's own time is over.
    pub(crate) fn pause(&mut self, host: &Host, what: &str) -> Result<()> {
        let pause = self.0;
        self.0 = Duration::from_secs(4).min(pause + pause / 2);
        match host.sleep(pause) {
            Wake::Elapsed => Ok(()),
            Wake::Cancelled => Err(Error::cancelled(format!("{what}: nobody waits any more"))),
            Wake::Deadline => Err(Error::timeout(format!("{what}: it takes longer than there is time"))
                .hint("`--max-server-startup-timeout` gives it more")),
        }
    }
}

/// What state a service is in.
#[derive(Debug, PartialEq)]
pub(crate) enum Stage {
    /// It serves.
    Ready,
    /// It is on its way.
    Coming,
    /// It will not come.
    Failed(Error),
}

/// Reads a service's state.
#[must_use]
pub(crate) fn stage(service: &Value) -> Stage {
    let word = |pointer: &str| service.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let reconciling = service.get("reconciling").and_then(Value::as_bool) == Some(true);
    match word("/terminalCondition/state") {
        "CONDITION_SUCCEEDED" if !reconciling && word("/observedGeneration") == word("/generation") => {
            Stage::Ready
        }
        "CONDITION_FAILED" => {
            let reason = [word("/terminalCondition/revisionReason"), word("/terminalCondition/reason")];
            let reason = reason.into_iter().find(|reason| !reason.is_empty()).unwrap_or("it failed");
            Stage::Failed(because(reason).detail(word("/terminalCondition/message")))
        }
        _ => Stage::Coming,
    }
}

/// The reasons of Cloud Run (`kubernetes-and-cloud-patterns.md` 14, step 3).
fn because(reason: &str) -> Error {
    let text = format!("start the service: {reason}");
    match reason {
        "CONTAINER_MISSING" => Error::image(text).hint("correct the image of the server's entry"),
        "CONTAINER_PERMISSION_DENIED" | "CONTAINER_IMAGE_UNAUTHORIZED" => Error::permission(text)
            .hint("let Cloud Run's service agent read the image, or put it into Artifact Registry"),
        "SECRETS_ACCESS_CHECK_FAILED" | "SECRETS_ACCESS_DENIED" => {
            Error::permission(text).hint("give `serviceAccount` the role Secret Manager Secret Accessor")
        }
        "PROGRESS_DEADLINE_EXCEEDED" | "HEALTH_CHECK_CONTAINER_ERROR" => Error::permanent(text).hint(
            "the server must listen on the first port of its entry, on all addresses; look into its log",
        ),
        "ACTIVE_REVISION_LIMIT_REACHED" | "MIN_INSTANCES_NOT_PROVISIONED" => Error::quota(text),
        "VPC_NETWORK_NOT_FOUND" => Error::config(text),
        _ => Error::permanent(text),
    }
    .step("ready")
}

fn ready(call: &Call<CloudRun>, api: &Api<'_>, own: &str) -> Result<Value> {
    let what = "wait for the service";
    let mut pauses = Pauses::default();
    loop {
        let found = api.get(Service::Run, own, what)?;
        match stage(&found) {
            Stage::Ready => return Ok(found),
            Stage::Failed(error) => return Err(error),
            Stage::Coming => pauses.pause(&call.host, what)?,
        }
    }
}

/// The way to a service. Every request carries an identity token that the host makes for it.
fn connect(call: &Call<CloudRun>, server: &Server, uri: &str) -> Result<Connection> {
    let (endpoint, sse) = plan::endpoint(server)?;
    call.host.connections().http(&HttpEndpoint {
        url: format!("{}{}", uri.trim_end_matches('/'), endpoint.path),
        protocol: if sse { HttpProtocol::Sse } else { HttpProtocol::StreamableHttp },
        headers: Vec::new(),
        authorization: Authorization::Signed(Signing { signer: IDENTITY.to_owned(), parameters: Vec::new() }),
        tunnel: None,
        tls: None,
    })
}

fn found(call: &Call<CloudRun>, lease: &Lease) -> Result<Option<(Kept, Value)>> {
    let Some(kept) = lease.decode::<Kept>(STATE)? else { return Ok(None) };
    let path = format!("{}/services/{}", kept.parent, kept.service);
    match Api::new(&call.host, &call.settings).get(Service::Run, &path, "look at the service") {
        Ok(service) => Ok(Some((kept, service))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a server fares.
///
/// # Errors
/// As Cloud Run says.
pub(crate) fn probe(call: &Call<CloudRun>, lease: &Lease) -> Result<Health> {
    let Some((_, service)) = found(call, lease)? else {
        return Ok(Health::new(Status::Gone, "Cloud Run does not have its service"));
    };
    Ok(match stage(&service) {
        Stage::Ready => Health::new(Status::Running, "ready"),
        Stage::Coming => Health::new(Status::Starting, "reconciling"),
        Stage::Failed(error) => {
            Health { failure: Some(error.clone().into()), ..Health::new(Status::Unready, error.to_string()) }
        }
    })
}

/// A new way to a service that is ready. Its instance may be another one, so its session may be lost.
///
/// # Errors
/// As Cloud Run says.
pub(crate) fn reconnect(
    call: &Call<CloudRun>,
    server: &Server,
    lease: &Lease,
) -> Result<Option<Reconnected>> {
    let Some((_, service)) = found(call, lease)? else { return Ok(None) };
    let uri = service.get("uri").and_then(Value::as_str);
    let (Stage::Ready, Some(uri)) = (stage(&service), uri) else { return Ok(None) };
    let connection = connect(call, server, uri)?;
    Ok(Some(Reconnected {
        connection,
        state: None,
        objects: Vec::new(),
        same_process: false,
        extras: Vec::new(),
    }))
}
