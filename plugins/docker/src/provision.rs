//! Carries a plan out: pull, start, ask, stop.

use crate::plan::{self, Around};
use crate::{Docker, arguments, http};
use gateway_plugin::docker::{Condition, ContainerInfo, EgressProxy, EngineInfo, ImageRequest};
use gateway_plugin::types::{Finding, ObjectRef, Pin, PullPolicy, Severity};
use gateway_plugin::{
    Blueprint, Call, Document, Error, FailureCategory, Health, Host, Lease, Provisioned, Result, Server,
    State, Status, Validation, each,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Version of the state.
pub(crate) const STATE: u32 = 1;

/// What the engine calls its things in `object-ref.kind`.
pub(crate) const CONTAINER: &str = "container";
/// See [`CONTAINER`].
pub(crate) const NETWORK: &str = "network";

/// Time for a server to end by itself after its standard input was closed, and again after its signal. Long enough to write a file, short
/// enough for a person who waits for the gateway to end.
const GRACE: Duration = Duration::from_secs(2);

/// What is remembered of a server.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The server's container.
    container: String,
    /// What belongs to it, in the order in which it was made: kind and name.
    besides: Vec<(String, String)>,
}

/// The way out of a server that may not reach everything.
enum Way {
    /// It may reach everything, or nothing.
    Plain,
    /// Through this proxy.
    Proxy(EgressProxy),
    /// The host has no proxies, for this reason. Whether the server runs all the same is the operator's to say.
    NoProxy(String),
}

impl Way {
    /// Without proxies the limit is reported as not enforced, instead of the whole server being impossible.
    fn of(asked: Option<Result<EgressProxy>>) -> Result<Self> {
        match asked {
            None => Ok(Self::Plain),
            Some(Ok(proxy)) => Ok(Self::Proxy(proxy)),
            Some(Err(error)) if error.category() == FailureCategory::Unsupported => {
                Ok(Self::NoProxy(error.to_string()))
            }
            Some(Err(error)) => Err(error),
        }
    }

    fn planned(call: &Call<Docker>, server: &Server) -> Result<Self> {
        let spec = plan::proxy(server, &proxy_name(call))?;
        Self::of(spec.map(|spec| call.host.docker().plan_egress_proxy(&spec)))
    }

    fn start(call: &Call<Docker>, server: &Server) -> Result<Self> {
        let spec = plan::proxy(server, &proxy_name(call))?;
        Self::of(spec.map(|spec| {
            call.host.progress(format!("start the proxy of `{}`", server.id));
            call.host.docker().start_egress_proxy(&spec)
        }))
    }
}

/// Short, because it is a host name, whose parts have at most 63 characters; the request tells it from every other.
fn proxy_name(call: &Call<Docker>) -> String {
    call.object_name("egress")
}

/// What `provision` would do.
fn planned(
    call: &Call<Docker>,
    server: &Server,
    engine: &EngineInfo,
    way: &Way,
) -> Result<(plan::Plan, Vec<String>)> {
    let name = call.object_name(&server.id);
    let (proxy, no_proxy) = match way {
        Way::Plain => (None, None),
        Way::Proxy(proxy) => (Some(proxy), None),
        Way::NoProxy(why) => (None, Some(why.as_str())),
    };
    let (privileged, context) = (call.settings.privileged, call.settings.context.as_deref());
    let around = Around { engine, proxy, no_proxy, privileged, context, name: &name };
    Ok((plan::plan(server, &around)?, arguments::arguments(server, &around)?))
}

pub(crate) fn plan(call: &Call<Docker>, server: &Server) -> Result<Blueprint> {
    let docker = call.host.docker();
    let image = plan::image(server)?;
    let way = Way::planned(call, server)?;
    let (plan, words) = planned(call, server, &docker.engine()?, &way)?;
    let mut documents = vec![Document::json("docker run arguments", &words)?];
    if !server.files.is_empty() {
        let files: Vec<_> =
            server.files.iter().map(|file| format!("{} ({:o})", file.path, file.mode)).collect();
        documents.push(Document {
            title: "files placed before the start".to_owned(),
            media_type: "text/plain".to_owned(),
            text: files.join("\n"),
        });
    }
    // An image that was only ever built here has no digest, and is approved by its name.
    let digest = docker.resolve_image(&ImageRequest::from(image)).ok();
    let pins = digest.map(|digest| Pin { reference: image.reference.clone(), digest });
    Ok(Blueprint {
        documents,
        fields: plan.fields.enforce(&call.context)?,
        pins: pins.into_iter().collect(),
        ..Blueprint::default()
    })
}

/// Everything at once: the fields, the image, and what the engine and the grant say.
pub(crate) fn validate(call: &Call<Docker>, server: &Server) -> Result<Validation> {
    let docker = call.host.docker();
    let problem = |error: Error| Finding { severity: Severity::Problem, failure: error.into() };
    let way = match Way::planned(call, server) {
        Ok(way) => way,
        Err(error) => return Ok(Validation { findings: vec![problem(error)], ..Validation::default() }),
    };
    let plan = match planned(call, server, &docker.engine()?, &way) {
        Ok((plan, _)) => plan,
        Err(error) => return Ok(Validation { findings: vec![problem(error)], ..Validation::default() }),
    };
    let (fields, mut findings) = plan.fields.findings(&call.context);
    if let Err(error) = image_to_be_had(call, server) {
        findings.push(problem(error));
    }
    findings.extend(docker.check(&plan.spec)?);
    Ok(Validation { fields, findings, ..Validation::default() })
}

/// Whether the image is here, or the registry has it. Nothing is pulled.
fn image_to_be_had(call: &Call<Docker>, server: &Server) -> Result<()> {
    let request = ImageRequest::from(plan::image(server)?);
    let here = call.host.docker().ensure_image(&ImageRequest { pull: PullPolicy::Never, ..request.clone() });
    match here {
        Ok(_) => Ok(()),
        Err(error) if request.pull == PullPolicy::Never => Err(error),
        Err(_) => call.host.docker().resolve_image(&request).map(drop),
    }
}

/// Everything that stands before a container starts.
pub(crate) struct Prepared {
    /// What shall run.
    pub(crate) plan: plan::Plan,
    /// What was made for it, in the order in which it was made.
    pub(crate) besides: Vec<ObjectRef>,
    /// The container through which it is reached and reaches others, where it has no way of its own.
    front: Option<String>,
}

/// Checks, pulls, and starts what has to be there before the container.
pub(crate) fn prepared(call: &Call<Docker>, server: &Server) -> Result<Prepared> {
    let docker = call.host.docker();
    let engine = docker.engine()?;
    // Before anything is pulled: what cannot be run, or must not be, says so at once.
    planned(call, server, &engine, &Way::planned(call, server)?)?.0.fields.enforce(&call.context)?;
    // What an earlier attempt of this request started, nobody has spoken with; its streams cannot be had again.
    if let Some(resume) = &call.context.resume {
        remove_all(&call.host, resume.objects.iter().rev())?;
    }
    docker.ensure_image(&ImageRequest::from(plan::image(server)?))?;
    let way = Way::start(call, server)?;
    let (plan, _) = planned(call, server, &engine, &way)?;
    call.host.progress(format!("start container `{}`", plan.spec.name));
    let (besides, front) = match way {
        Way::Proxy(proxy) => (proxy.objects, Some(proxy.container)),
        Way::Plain | Way::NoProxy(_) => (Vec::new(), None),
    };
    Ok(Prepared { plan, besides, front })
}

pub(crate) fn provision(call: &Call<Docker>, server: &Server) -> Result<Provisioned> {
    let Prepared { plan, besides, front } = prepared(call, server)?;
    let (container, connection) = match http::speaks(&server.transport)? {
        None => {
            let started = call.host.docker().start_attached(&plan.spec)?;
            (started.container, started.connection)
        }
        Some(speaks) => http::start(call, &plan.spec, speaks, front.as_deref())?,
    };
    let kept = Kept {
        container,
        besides: besides.iter().map(|object| (object.kind.clone(), object.name.clone())).collect(),
    };
    let mut answer = Provisioned::new(connection, State::new(STATE, &kept)?)
        .fields(plan.fields.enforce(&call.context)?)
        .object(ObjectRef::new(CONTAINER, "", plan.spec.name));
    answer.objects.extend(besides);
    Ok(answer)
}

pub(crate) fn probe(host: &Host, lease: &Lease) -> Result<Health> {
    let Some(kept) = lease.decode::<Kept>(STATE)? else {
        return Ok(Health::new(Status::Gone, "it was never started"));
    };
    let Some(info) = host.docker().inspect(&kept.container)? else {
        return Ok(Health::new(Status::Gone, "the engine does not have its container any more"));
    };
    Ok(Health { exit_code: info.exit_code, ..Health::new(status(&info), words(&info)) })
}

fn status(info: &ContainerInfo) -> Status {
    match (info.state.as_str(), info.health.as_deref()) {
        ("created" | "restarting", _) => Status::Starting,
        ("running", Some("unhealthy" | "starting")) => Status::Unready,
        ("running", _) => Status::Running,
        ("paused", _) => Status::Suspended,
        ("exited" | "dead" | "removing", _) => Status::Ended,
        _ => Status::Unknown,
    }
}

fn words(info: &ContainerInfo) -> String {
    if !info.error.is_empty() {
        return info.error.clone();
    }
    match (info.out_of_memory, info.exit_code) {
        (true, _) => "killed for want of memory".to_owned(),
        (false, Some(code)) => format!("ended with exit code {code}"),
        (false, None) => info.state.clone(),
    }
}

/// By what the ledger holds and what the state says: after a cut there is no state, after a lost ledger there are no objects.
pub(crate) fn release(host: &Host, lease: &Lease) -> Result<()> {
    let kept = lease.decode::<Kept>(STATE)?;
    if let Some(kept) = &kept {
        end(host, &kept.container)?;
    }
    remove_all(host, lease.objects.iter().rev())?;
    let besides = kept.map(|kept| kept.besides).unwrap_or_default();
    let known = |kind: &str, name: &str| lease.objects.iter().any(|o| o.kind == kind && o.name == name);
    let unknown = besides.iter().rev().filter(|(kind, name)| !known(kind, name));
    each(unknown, |(kind, name)| remove(host, kind, name))
}

/// A server whose standard input was closed ends by itself, if it is well-behaved; then by its signal; then it is killed.
fn end(host: &Host, container: &str) -> Result<()> {
    // Also "not there" is an end.
    let _ = host.docker().wait(&[Condition::Exited(container.to_owned())], GRACE);
    host.docker().stop(container, GRACE)?;
    host.docker().remove(container)
}

pub(crate) fn remove_all<'a>(host: &Host, objects: impl Iterator<Item = &'a ObjectRef>) -> Result<()> {
    each(objects, |object| remove(host, &object.kind, &object.name))
}

pub(crate) fn remove(host: &Host, kind: &str, name: &str) -> Result<()> {
    match kind {
        CONTAINER => host.docker().remove(name),
        NETWORK => host.docker().remove_network(name),
        // Nothing else is made here; what another version noted, that version removes.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
