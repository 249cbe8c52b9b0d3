//! A server's life: what would be made, making it, the way to it, and how it fares.

use crate::Ecs;
use crate::aws::Api;
use crate::entry::{Entry, Speaks, token};
use crate::launch::{self, Kept, Launched, STATE};
use crate::names::{self, Names, secret_tags};
use crate::plan::{self, Held, Plan};
use crate::price;
use crate::settings::{Reach, ServerSettings};
use crate::task::{self, Around};
use crate::wait::{self, Stage};
use gateway_plugin::connection::{Authorization, Connection, HttpEndpoint, HttpProtocol, TcpEndpoint};
use gateway_plugin::types::{FieldReport, Pin};
use gateway_plugin::{
    Blueprint, Call, Document, Error, FailureCategory, Health, Lease, Provisioned, Reconnected, Result,
    Server, State, Status, Transport, value,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Left of a call's time for telling why.
const MARGIN: Duration = Duration::from_millis(1500);
/// How long the port is waited for before the task is looked at again.
const SLICE: Duration = Duration::from_secs(5);

/// The documents of an entry, as `plan` shows them.
///
/// # Errors
/// What `provision` would refuse.
pub(crate) fn blueprint(call: &Call<Ecs>, entry: &Entry<'_>, own: &ServerSettings) -> Result<Blueprint> {
    call.settings.check()?;
    let place = call.settings.place()?;
    let says = launch::image(call, entry, own)?;
    let entry = &Entry { says: says.as_ref(), ..*entry };
    let plan = plan::plan(entry, &call.settings, own, &launch::sources(call, entry.secrets)?)?;
    let names = Names::shown(&call.context, &call.settings, entry.id);
    let logs = launch::logs(&call.settings, || {
        let own = names::log_group(&call.context);
        own.replace(&call.context.session, "<session>")
    });
    let around =
        Around { settings: &call.settings, own, place: &place, names: &names, logs: logs.as_deref() };
    let mut documents = Vec::new();
    let mut arns = Vec::new();
    for variable in &plan.variables {
        let Held::Made(at, content) = &variable.value else { continue };
        let name = names.secret(*at, &variable.name);
        let text = value::display(content);
        let document = json!({"Name": name, "SecretString": text, "Tags": secret_tags(&names.tags)});
        documents.push(Document::json("secretsmanager:CreateSecret", &document)?);
        arns.push(format!("<ARN of {name}>"));
    }
    let definition = task::definition(entry, &plan, &around, &arns);
    documents.push(Document::json("ecs:RegisterTaskDefinition", &definition)?);
    let shown = format!("<ARN of {}>", names.base);
    documents.push(Document::json("ecs:RunTask", &task::run(&call.settings, &place, &names, &shown))?);
    let mut pins = Vec::new();
    let asked = says.as_ref().map(|says| &says.digest);
    if let Some(digest) = entry.image.digest.as_ref().or(asked) {
        pins.push(Pin { reference: entry.image.reference.clone(), digest: digest.clone() });
    }
    let costs = price::costs(&call.settings, &plan.bill());
    Ok(Blueprint { documents, fields: plan.fields.enforce(&call.context)?, costs, pins, extras: Vec::new() })
}

/// What `provision` would make.
///
/// # Errors
/// As [`blueprint`].
pub(crate) fn plan(call: &Call<Ecs>, server: &Server) -> Result<Blueprint> {
    blueprint(call, &Entry::server(server)?, &call.server_settings(server)?)
}

/// Brings a server up.
///
/// # Errors
/// What stood in the way.
pub(crate) fn provision(call: &Call<Ecs>, server: &Server) -> Result<Provisioned> {
    call.settings.check()?;
    let own = call.server_settings(server)?;
    let entry = Entry::server(server)?;
    let says = launch::image(call, &entry, &own)?;
    let entry = Entry { says: says.as_ref(), ..entry };
    let plan = plan::plan(&entry, &call.settings, &own, &launch::sources(call, entry.secrets)?)?;
    let fields: Vec<FieldReport> = Plan::clone(&plan).fields.enforce(&call.context)?;
    let Launched { kept, arn } = launch::launch(call, &entry, &plan, &own)?;
    let object = names::task(&kept.place(), &kept.token);
    let connection = reach(call, server, &kept, &arn).map_err(|error| error.object(object.clone()))?;
    let mut answer = Provisioned::new(connection, State::new(STATE, &kept)?)
        .fields(fields)
        .object(names::definition(&kept.place(), &kept.family))
        .object(object);
    for name in &kept.secrets {
        answer = answer.object(names::secret(&kept.place(), name));
    }
    Ok(answer)
}

/// Waits until the task runs and its port answers.
fn reach(call: &Call<Ecs>, server: &Server, kept: &Kept, arn: &str) -> Result<Connection> {
    let place = kept.place();
    let api = Api::new(&call.host, &call.settings, &kept.region);
    let task = wait::running(&call.host, &api, &place, arn)?;
    let connection = connect(call, &api, server, &task)?;
    call.host.progress("wait until it answers");
    loop {
        let left = call.host.remaining().saturating_sub(MARGIN);
        let error = match call.host.connections().wait_ready(&connection, left.min(SLICE)) {
            Ok(()) => return Ok(connection),
            Err(error) if error.category() == FailureCategory::Timeout => error,
            Err(error) => return Err(error),
        };
        // A server that has ended says more than a port that is silent.
        if let Some(task) = wait::look(&api, &place.cluster, arn)?
            && matches!(wait::stage(Some(&task)), Stage::Gone | Stage::Going(_))
        {
            return Err(wait::ended(&task));
        }
        if left <= SLICE {
            return Err(error.step("ready").hint(
                "name the server's port first in `ports`; and the security groups must let the gateway in at that port",
            ));
        }
    }
}

/// The way to a task that runs. Nothing is sent yet.
fn connect(call: &Call<Ecs>, api: &Api<'_>, server: &Server, task: &Value) -> Result<Connection> {
    let entry = Entry::server(server)?;
    let address = wait::address(api, task, call.settings.reach == Reach::Public)?;
    let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
    let port = entry.port().unwrap_or_default();
    let Speaks::Http(endpoint) = entry.speaks else {
        let endpoint = TcpEndpoint::new(address, port);
        let bridged = entry.speaks == Speaks::Bridge;
        let endpoint = if bridged { endpoint.first_line(value::secret(token())) } else { endpoint };
        return call.host.connections().tcp(&endpoint);
    };
    let sse = matches!(server.transport, Transport::Sse(_));
    call.host.connections().http(&HttpEndpoint {
        url: format!("http://{host}:{port}{}", endpoint.path),
        protocol: if sse { HttpProtocol::Sse } else { HttpProtocol::StreamableHttp },
        headers: Vec::new(),
        authorization: Authorization::None,
        tunnel: None,
        tls: None,
    })
}

/// The task of a lease, if there is one.
fn found(call: &Call<Ecs>, lease: &Lease) -> Result<Option<(Kept, Option<Value>)>> {
    let Some(kept) = lease.decode::<Kept>(STATE)? else { return Ok(None) };
    let Some(arn) = kept.task.clone() else { return Ok(Some((kept, None))) };
    let task = wait::look(&Api::new(&call.host, &call.settings, &kept.region), &kept.cluster, &arn)?;
    Ok(Some((kept, task)))
}

/// How a server fares.
///
/// # Errors
/// As ECS says.
pub(crate) fn probe(call: &Call<Ecs>, lease: &Lease) -> Result<Health> {
    let Some((_, task)) = found(call, lease)? else {
        return Ok(Health::new(Status::Gone, "it was never started"));
    };
    Ok(match (wait::stage(task.as_ref()), &task) {
        (Stage::Running, _) => Health::new(Status::Running, "RUNNING"),
        (Stage::Coming(word), _) => Health::new(Status::Starting, word),
        (Stage::Missing, _) | (_, None) => Health::new(Status::Gone, "ECS does not know its task any more"),
        (Stage::Gone | Stage::Going(_), Some(task)) => {
            let error: Error = wait::ended(task);
            let exit = wait::container(task).and_then(|container| container.get("exitCode")?.as_i64());
            Health {
                exit_code: exit.and_then(|code| i32::try_from(code).ok()),
                failure: Some(error.clone().into()),
                ..Health::new(Status::Ended, error.to_string())
            }
        }
    })
}

/// A new way to a task that still runs. Behind the bridge that is a new process, else the same one.
///
/// # Errors
/// As ECS says.
pub(crate) fn reconnect(call: &Call<Ecs>, server: &Server, lease: &Lease) -> Result<Option<Reconnected>> {
    let Some((kept, Some(task))) = found(call, lease)? else { return Ok(None) };
    if wait::stage(Some(&task)) != Stage::Running {
        return Ok(None);
    }
    let api = Api::new(&call.host, &call.settings, &kept.region);
    let connection = connect(call, &api, server, &task)?;
    call.host.connections().wait_ready(&connection, call.host.remaining().saturating_sub(MARGIN))?;
    Ok(Some(Reconnected {
        connection,
        state: None,
        objects: Vec::new(),
        same_process: server.transport != Transport::Stdio,
        extras: Vec::new(),
    }))
}
