//! Once per session: the settings, the credentials, the cluster, and the log group that all tasks write to.

use crate::Ecs;
use crate::aws::Api;
use crate::launch;
use crate::names::{self, LOG_GROUP, log_tags};
use crate::release;
use crate::settings::Place;
use gateway_plugin::http::Effect;
use gateway_plugin::types::{ObjectRef, Prepared, ToolEntry};
use gateway_plugin::{Call, Error, FailureCategory, Leftovers, Result, Server, State, each};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Version of what all calls of a session share.
pub(crate) const SHARED: u32 = 2;

/// What is remembered of a session.
#[derive(Debug, Serialize, Deserialize)]
struct Shared {
    region: String,
    /// The log group that was made for the session.
    log_group: Option<String>,
}

/// Checks what every server needs, and makes the log group.
///
/// # Errors
/// What would stand in every server's way.
pub(crate) fn prepare(call: &Call<Ecs>, servers: &[Server], tools: &[ToolEntry]) -> Result<Prepared> {
    // A host need not know yet which tools there are; but where nobody has said where, nobody means this plugin.
    if servers.is_empty() && tools.is_empty() && call.settings.region.is_none() {
        return Ok(Prepared::default());
    }
    call.settings.check()?;
    let place = call.settings.place()?;
    let api = Api::new(&call.host, &call.settings, &place.region);
    cluster(&api, &place)?;
    let own = names::log_group(&call.context);
    let log_group = launch::logs(&call.settings, || own.clone()).filter(|group| *group == own);
    let shared = State::new(SHARED, &Shared { region: place.region.clone(), log_group: log_group.clone() })?;
    let mut objects = Vec::new();
    if let Some(group) = log_group {
        call.host.checkpoint(&shared)?;
        let labels = call.context.labels.iter().map(|label| (label.key.clone(), label.value.clone()));
        let mut tags: BTreeMap<String, String> = call.settings.tags.clone();
        tags.insert("managed-by".to_owned(), "mcp-gateway".to_owned());
        tags.extend(labels);
        let object = ObjectRef::new(LOG_GROUP, &place.region, &group);
        let request = json!({"logGroupName": group, "tags": log_tags(&tags)});
        match act_empty(&api, "CreateLogGroup", &request, Effect::Creates(object.clone())) {
            // The `prepare` of before has made it.
            Err(error) if error.category() == FailureCategory::Conflict => {}
            outcome => outcome?,
        }
        objects.push(object);
    }
    Ok(Prepared { shared: Some(shared), refused: Vec::new(), objects, extras: Vec::new() })
}

fn act_empty(api: &Api<'_>, operation: &str, request: &Value, effect: Effect) -> Result<()> {
    api.act(operation, request, effect, true).map(drop)
}

/// Whether the cluster is there and takes tasks.
///
/// # Errors
/// `config`, naming it; as ECS says.
pub(crate) fn cluster(api: &Api<'_>, place: &Place) -> Result<()> {
    let answer = api.ask("DescribeClusters", &json!({"clusters": [place.cluster]}))?;
    let status = answer.pointer("/clusters/0/status").and_then(Value::as_str);
    let hint =
        format!("make the cluster, or name another in `cluster`; it must be in region `{}`", place.region);
    match status {
        Some("ACTIVE") => Ok(()),
        Some(other) => {
            Err(Error::config(format!("use cluster `{}`: it is {other}", place.cluster)).hint(hint))
        }
        None => Err(Error::config(format!("use cluster `{}`: it is not there", place.cluster)).hint(hint)),
    }
}

/// Removes what `prepare` made.
///
/// # Errors
/// As the log service says.
pub(crate) fn shutdown(call: &Call<Ecs>, leftovers: &Leftovers) -> Result<()> {
    let mut objects: Vec<ObjectRef> = leftovers.objects.clone();
    let shared = leftovers.shared.as_ref().map(|state| state.decode::<Shared>(SHARED)).transpose()?;
    if let Some(Shared { region, log_group: Some(group) }) = shared {
        let object = ObjectRef::new(LOG_GROUP, region, group);
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    each(objects.iter().rev(), |object| release::remove(call, object, None, false))
}
