//! Taking down: the service first, and its secrets last, because an instance that starts may still fetch them.

use crate::CloudRun;
use crate::google::{Api, Service};
use crate::names::{SECRET, SERVICE};
use crate::provision::{Kept, Pauses, STATE};
use gateway_plugin::http::{Effect, Request};
use gateway_plugin::types::ObjectRef;
use gateway_plugin::{Call, Error, FailureCategory, Lease, Result, each};

/// Takes down what a lease names: by its state where there is one, and by what the ledger holds.
///
/// # Errors
/// What still stands in the way. The host tries again.
pub(crate) fn release(call: &Call<CloudRun>, lease: &Lease) -> Result<()> {
    let mut objects = Vec::new();
    if let Some(kept) = lease.decode::<Kept>(STATE)? {
        objects.push(ObjectRef::new(SERVICE, &kept.parent, &kept.service));
        objects.extend(kept.secrets.iter().map(|name| ObjectRef::new(SECRET, &kept.project, name)));
    }
    for object in &lease.objects {
        if !objects.contains(object) {
            objects.push(object.clone());
        }
    }
    let of = |kind: &'static str| objects.iter().filter(move |object| object.kind == kind);
    each(of(SERVICE), |object| remove(call, object))?;
    each(of(SECRET), |object| remove(call, object))
}

/// Takes one object down. What is gone already is success.
///
/// # Errors
/// As the interface says.
pub(crate) fn remove(call: &Call<CloudRun>, object: &ObjectRef) -> Result<()> {
    let api = Api::new(&call.host, &call.settings);
    let name = &object.name;
    match object.kind.as_str() {
        SERVICE => service(call, &api, &format!("{}/services/{name}", object.scope))?,
        SECRET => {
            let url = api.url(Service::Secrets, &format!("{}/secrets/{name}", object.scope));
            gone(
                api.send(Request::delete(url, object.clone()), &format!("delete secret `{name}`")).map(drop),
            )?;
        }
        _ => return Ok(()),
    }
    call.host.forget_object(object)
}

fn gone(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.is_not_found() => Ok(()),
        outcome => outcome,
    }
}

/// Deletes a service, and waits until nobody finds it any more: the deletion itself is an operation that takes a while.
fn service(call: &Call<CloudRun>, api: &Api<'_>, path: &str) -> Result<()> {
    let what = format!("delete service `{}`", path.rsplit('/').next().unwrap_or_default());
    let request = Request {
        method: "DELETE".to_owned(),
        repeatable: true,
        ..Request::post(api.url(Service::Run, path), Effect::Changes)
    };
    match api.send(request, &what) {
        Err(error) if error.is_not_found() => return Ok(()),
        // It is being changed, or deleted already.
        Err(error) if error.category() == FailureCategory::Conflict => {}
        outcome => drop(outcome?),
    }
    let mut pauses = Pauses::default();
    loop {
        match api.get(Service::Run, path, &what) {
            Err(error) if error.is_not_found() => return Ok(()),
            outcome => drop(outcome?),
        }
        pauses.pause(&call.host, &what).map_err(|error| match error.category() {
            // The next attempt finds it further.
            FailureCategory::Timeout => Error::retryable(format!("{what}: it is still there")),
            _ => error,
        })?;
    }
}
