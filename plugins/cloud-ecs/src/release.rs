//! Taking down: the task first, then its definition, and the secrets last, because a task that starts may still fetch them.

use crate::Ecs;
use crate::aws::{Api, has_code, is_gone};
use crate::launch::{Kept, STATE, definitions, started};
use crate::names::{self, DEFINITION, LOG_GROUP, SECRET, TASK};
use crate::settings::Place;
use crate::wait::{Pauses, all_gone};
use gateway_plugin::http::Effect;
use gateway_plugin::types::ObjectRef;
use gateway_plugin::{Call, Error, FailureCategory, Lease, Result, each};
use serde_json::{Value, json};
use std::time::Duration;

/// What a task that was just taken may need to be listed.
const UNSEEN: Duration = Duration::from_secs(2);

/// Takes down what a lease names: by its state where there is one, and by what the ledger holds.
///
/// # Errors
/// What still stands in the way. The host tries again.
pub(crate) fn release(call: &Call<Ecs>, lease: &Lease) -> Result<()> {
    let kept = lease.decode::<Kept>(STATE)?;
    let mut objects = Vec::new();
    if let Some(kept) = &kept {
        let place = kept.place();
        objects.push(names::task(&place, &kept.token));
        objects.push(names::definition(&place, &kept.family));
        objects.extend(kept.secrets.iter().map(|name| names::secret(&place, name)));
    }
    for object in &lease.objects {
        if !objects.contains(object) {
            objects.push(object.clone());
        }
    }
    let task = kept.as_ref().and_then(|kept| kept.task.clone());
    // What all servers share is the end of the session to take down.
    let of = |kind: &'static str| objects.iter().filter(move |object| object.kind == kind);
    each(of(TASK), |object| {
        // Nothing is known of a task that the ledger still holds, and whose ARN never came.
        let unseen = task.is_none() && lease.objects.contains(object);
        remove(call, object, task.as_deref(), unseen)
    })?;
    each(of(DEFINITION).chain(of(SECRET)), |object| remove(call, object, None, false))
}

/// Takes one object down. What is gone already is success.
///
/// # Errors
/// As the service says.
pub(crate) fn remove(call: &Call<Ecs>, object: &ObjectRef, arn: Option<&str>, unseen: bool) -> Result<()> {
    let region = object.scope.split('/').next().unwrap_or_default();
    let api = Api::new(&call.host, &call.settings, region);
    match object.kind.as_str() {
        TASK => {
            let cluster = object.scope.split_once('/').map_or("", |(_, cluster)| cluster);
            let place = Place { region: region.to_owned(), cluster: cluster.to_owned() };
            tasks(call, &api, &place, &object.name, arn, unseen)?;
        }
        DEFINITION => family(&api, &object.name)?,
        SECRET => {
            let request = json!({"SecretId": object.name, "ForceDeleteWithoutRecovery": true});
            gone(api.act("DeleteSecret", &request, Effect::Removes(object.clone()), true))?;
        }
        LOG_GROUP => {
            let request = json!({"logGroupName": object.name});
            gone(api.act("DeleteLogGroup", &request, Effect::Removes(object.clone()), true))?;
        }
        _ => return Ok(()),
    }
    call.host.forget_object(object)
}

/// A failure that says that the thing is not there is none.
fn gone(outcome: Result<Value>) -> Result<()> {
    match outcome {
        Ok(_) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Stops every task of a token, and waits until their containers have ended.
fn tasks(
    call: &Call<Ecs>,
    api: &Api<'_>,
    place: &Place,
    token: &str,
    arn: Option<&str>,
    unseen: bool,
) -> Result<()> {
    let mut arns = match started(api, &place.cluster, token) {
        // With the cluster everything in it has gone.
        Err(error) if has_code(&error, "ClusterNotFoundException") => return Ok(()),
        found => found?,
    };
    if let Some(arn) = arn.filter(|arn| !arns.iter().any(|known| known == arn)) {
        arns.push(arn.to_owned());
    }
    if arns.is_empty() && unseen {
        // The answer to RunTask was lost, and the lists of ECS are a moment behind.
        let _ = call.host.sleep(UNSEEN);
        arns = started(api, &place.cluster, token)?;
    }
    if arns.is_empty() {
        return Ok(());
    }
    for arn in &arns {
        stop(api, &place.cluster, arn, "the gateway has released it")?;
    }
    let mut pauses = Pauses::default();
    while !all_gone(api, &place.cluster, &arns)? {
        let late = |error: Error| match error.category() {
            // The next attempt finds it further.
            FailureCategory::Timeout => Error::retryable("stop the task: it has not ended yet").step("stop"),
            _ => error,
        };
        pauses.pause(&call.host, String::new).map_err(late)?;
    }
    Ok(())
}

/// Asks for the end of a task.
///
/// # Errors
/// As ECS says; a task that it does not know is no failure.
pub(crate) fn stop(api: &Api<'_>, cluster: &str, arn: &str, reason: &str) -> Result<()> {
    let request = json!({"cluster": cluster, "task": arn, "reason": reason});
    match api.act("StopTask", &request, Effect::Changes, true) {
        Err(error) if is_gone(&error) || unknown_task(&error) => Ok(()),
        outcome => outcome.map(drop),
    }
}

fn unknown_task(error: &Error) -> bool {
    has_code(error, "InvalidParameterException")
        && error.failure().details.iter().any(|line| line.contains("not found"))
}

/// Removes every revision of a family: deregistered first, then deleted.
fn family(api: &Api<'_>, family: &str) -> Result<()> {
    for definition in definitions(api, family, "ACTIVE")? {
        let request = json!({"taskDefinition": definition});
        match api.act("DeregisterTaskDefinition", &request, Effect::Changes, true) {
            // Another attempt was faster.
            Err(error) if has_code(&error, "ClientException") || is_gone(&error) => {}
            outcome => drop(outcome?),
        }
    }
    // At most ten in one request.
    for some in definitions(api, family, "INACTIVE")?.chunks(10) {
        let answer =
            api.act("DeleteTaskDefinitions", &json!({"taskDefinitions": some}), Effect::Changes, true)?;
        if let Some(failure) = answer.pointer("/failures/0") {
            let reason = failure.get("reason").and_then(Value::as_str).unwrap_or("no reason given");
            return Err(Error::retryable(format!("delete task definition `{family}`: {reason}")));
        }
    }
    Ok(())
}
