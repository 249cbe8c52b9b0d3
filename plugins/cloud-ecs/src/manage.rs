//! What there is, whose it is, and taking away what is nobody's.

use crate::Ecs;
use crate::aws::{Api, has_code, is_gone};
use crate::launch::texts;
use crate::names::{self, LOG_GROUP, LOGS, PREFIX};
use crate::release;
use crate::settings::Place;
use crate::wait::{Stage, stage};
use gateway_plugin::types::{Liveness, ManagedObject, ManagedPage, ObjectRef, Page, SweepPage};
use gateway_plugin::{Call, Error, Result, label};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// In the order in which they are looked at, and so taken away: what others need comes later.
const KINDS: usize = 4;
/// Task definitions of one page: each is asked for by itself.
const DEFINITIONS: u32 = 20;

/// One page of everything that has the tags of a gateway.
///
/// # Errors
/// As the services say; a plugin without settings has made nothing, and asks nobody.
pub(crate) fn enumerate(call: &Call<Ecs>, page: &Page) -> Result<ManagedPage> {
    let (at, inner) = match page.cursor.as_deref() {
        None => (0, None),
        Some(cursor) => {
            let broken = || Error::permanent(format!("continue at cursor `{cursor}`"));
            let (at, inner) = cursor.split_once('/').ok_or_else(broken)?;
            (at.parse::<usize>().map_err(|_| broken())?, Some(inner).filter(|inner| !inner.is_empty()))
        }
    };
    // Where nobody has said where, nothing was ever made.
    let Ok(place) = call.settings.place() else { return Ok(ManagedPage::default()) };
    let api = Api::new(&call.host, &call.settings, &place.region);
    let limit = page.limit.clamp(1, 100);
    let (objects, next) = match at {
        0 => tasks(&api, &place, inner, limit)?,
        1 => definitions(&api, &place, inner, limit.min(DEFINITIONS))?,
        2 => secrets(&api, &place, inner, limit)?,
        _ => log_groups(&api, &place, inner, limit.min(50))?,
    };
    let cursor = match next {
        Some(token) => Some(format!("{at}/{token}")),
        None => (at + 1 < KINDS).then(|| format!("{}/", at + 1)),
    };
    Ok(ManagedPage { objects, cursor })
}

type Found = (Vec<ManagedObject>, Option<String>);

fn with_token(mut request: Value, key: &str, token: Option<&str>) -> Value {
    if let (Some(token), Some(object)) = (token, request.as_object_mut()) {
        object.insert(key.to_owned(), token.into());
    }
    request
}

fn token(answer: &Value, key: &str) -> Option<String> {
    answer.get(key).and_then(Value::as_str).filter(|token| !token.is_empty()).map(str::to_owned)
}

fn tasks(api: &Api<'_>, place: &Place, inner: Option<&str>, limit: u32) -> Result<Found> {
    let request = with_token(json!({"cluster": place.cluster, "maxResults": limit}), "nextToken", inner);
    let listed = match api.ask("ListTasks", &request) {
        Err(error) if has_code(&error, "ClusterNotFoundException") => return Ok((Vec::new(), None)),
        listed => listed?,
    };
    let arns = texts(&listed, "taskArns");
    let mut objects = Vec::new();
    if !arns.is_empty() {
        let request = json!({"cluster": place.cluster, "tasks": arns, "include": ["TAGS"]});
        let answer = api.ask("DescribeTasks", &request)?;
        for task in answer.get("tasks").and_then(Value::as_array).into_iter().flatten() {
            let started = task.get("startedBy").and_then(Value::as_str).unwrap_or_default();
            if matches!(stage(Some(task)), Stage::Gone) || started.is_empty() {
                continue;
            }
            let status = task.get("lastStatus").and_then(Value::as_str).unwrap_or_default();
            let made = task.get("createdAt").and_then(Value::as_f64);
            let object = names::task(place, started);
            objects.extend(managed(object, task.get("tags"), "key", "value", made, status));
        }
    }
    Ok((objects, token(&listed, "nextToken")))
}

fn definitions(api: &Api<'_>, place: &Place, inner: Option<&str>, limit: u32) -> Result<Found> {
    let request = json!({"familyPrefix": PREFIX, "status": "ACTIVE", "maxResults": limit});
    let listed = api.ask("ListTaskDefinitionFamilies", &with_token(request, "nextToken", inner))?;
    let mut objects = Vec::new();
    for family in texts(&listed, "families").iter().filter(|family| family.starts_with(PREFIX)) {
        let request = json!({"taskDefinition": family, "include": ["TAGS"]});
        let answer = match api.ask("DescribeTaskDefinition", &request) {
            // It went between the list and the look.
            Err(error) if has_code(&error, "ClientException") || is_gone(&error) => continue,
            answer => answer?,
        };
        let definition = answer.get("taskDefinition");
        let status = definition.and_then(|found| found.get("status")).and_then(Value::as_str);
        if status != Some("ACTIVE") {
            continue;
        }
        let made = definition.and_then(|found| found.get("registeredAt")).and_then(Value::as_f64);
        let object = names::definition(place, family);
        objects.extend(managed(object, answer.get("tags"), "key", "value", made, "ACTIVE"));
    }
    Ok((objects, token(&listed, "nextToken")))
}

fn secrets(api: &Api<'_>, place: &Place, inner: Option<&str>, limit: u32) -> Result<Found> {
    let filters = json!([
        {"Key": "name", "Values": [PREFIX]},
        {"Key": "tag-key", "Values": [label::GATEWAY]},
    ]);
    let request = with_token(json!({"Filters": filters, "MaxResults": limit}), "NextToken", inner);
    let answer = api.ask("ListSecrets", &request)?;
    let mut objects = Vec::new();
    for secret in answer.get("SecretList").and_then(Value::as_array).into_iter().flatten() {
        let name = secret.get("Name").and_then(Value::as_str).unwrap_or_default();
        if secret.get("DeletedDate").is_some_and(|date| !date.is_null()) || !name.starts_with(PREFIX) {
            continue;
        }
        let made = secret.get("CreatedDate").and_then(Value::as_f64);
        let object = names::secret(place, name);
        objects.extend(managed(object, secret.get("Tags"), "Key", "Value", made, ""));
    }
    Ok((objects, token(&answer, "NextToken")))
}

/// The names of log groups say whose they are.
fn log_groups(api: &Api<'_>, place: &Place, inner: Option<&str>, limit: u32) -> Result<Found> {
    let request = json!({"logGroupNamePrefix": LOGS, "limit": limit});
    let answer = api.ask("DescribeLogGroups", &with_token(request, "nextToken", inner))?;
    let mut objects = Vec::new();
    for group in answer.get("logGroups").and_then(Value::as_array).into_iter().flatten() {
        let name = group.get("logGroupName").and_then(Value::as_str).unwrap_or_default();
        let mut parts = name.strip_prefix(LOGS).unwrap_or_default().split('/');
        let (Some(gateway), Some(session), Some(plugin), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let tags = json!([
            {"key": label::GATEWAY, "value": gateway},
            {"key": label::SESSION, "value": session},
            {"key": label::PLUGIN, "value": plugin},
        ]);
        let made = group.get("creationTime").and_then(Value::as_f64).map(|millis| millis / 1000.0);
        let object = ObjectRef::new(LOG_GROUP, &place.region, name);
        objects.extend(managed(object, Some(&tags), "key", "value", made, ""));
    }
    Ok((objects, token(&answer, "nextToken")))
}

/// What has the tag of a gateway; `None` for what has not.
fn managed(
    object: ObjectRef,
    tags: Option<&Value>,
    key: &str,
    value: &str,
    made: Option<f64>,
    text: &str,
) -> Option<ManagedObject> {
    let mut map = Map::new();
    for tag in tags.and_then(Value::as_array).into_iter().flatten() {
        let (Some(key), Some(value)) = (tag.get(key).and_then(Value::as_str), tag.get(value)) else {
            continue;
        };
        map.insert(key.to_owned(), value.clone());
    }
    let tag = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(ManagedObject {
        object,
        gateway: Some(tag(label::GATEWAY)?),
        session: tag(label::SESSION),
        plugin: tag(label::PLUGIN),
        server_id: tag(label::SERVER),
        request: tag(label::REQUEST),
        age_seconds: made.and_then(age),
        // ECS knows nothing of sessions.
        session_alive: None,
        text: text.to_owned(),
        extras: Vec::new(),
    })
}

/// Seconds since a time in seconds since 1970.
fn age(made: f64) -> Option<u32> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    let age = (now - made).max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was bounded on both sides"
    )]
    (age <= f64::from(u32::MAX)).then_some(age as u32)
}

/// Removes what belongs to sessions that the gateway knows to be dead, and is old enough.
///
/// # Errors
/// As the services say; what could not be removed is in the page.
pub(crate) fn sweep(call: &Call<Ecs>, older_than_seconds: u32, page: &Page) -> Result<SweepPage> {
    let found = enumerate(call, page)?;
    let own = call.context.labels.iter().find(|label| label.key == label::PLUGIN).map(|label| &label.value);
    let mut swept = SweepPage { cursor: found.cursor, ..SweepPage::default() };
    for managed in found.objects {
        let old = managed.age_seconds.is_some_and(|age| age >= older_than_seconds);
        let mine = managed.plugin.as_ref() == own && managed.gateway.as_ref() == Some(&call.context.gateway);
        let Some(session) = managed.session.filter(|_| old && mine) else { continue };
        if call.host.session_liveness(&session) != Liveness::Dead {
            continue;
        }
        match release::remove(call, &managed.object, None, false) {
            Ok(()) => swept.removed.push(managed.object),
            Err(error) => swept.failed.push(error.object(managed.object).into()),
        }
    }
    Ok(swept)
}
