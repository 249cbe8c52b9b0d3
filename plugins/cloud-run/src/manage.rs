//! What there is, whose it is, and taking away what is nobody's.

use crate::CloudRun;
use crate::google::{Api, Service};
use crate::names::{PREFIX, SECRET, SERVICE};
use crate::release;
use gateway_plugin::types::{Liveness, ManagedObject, ManagedPage, ObjectRef, Page, SweepPage};
use gateway_plugin::{Call, Error, Result, label};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// One page of everything that has the labels of a gateway: services first, so that they go before their secrets.
///
/// # Errors
/// As the interfaces say.
pub(crate) fn enumerate(call: &Call<CloudRun>, page: &Page) -> Result<ManagedPage> {
    let (at, inner) = match page.cursor.as_deref() {
        None => ("services", ""),
        Some(cursor) => cursor
            .split_once('/')
            .filter(|(at, _)| matches!(*at, "services" | "secrets"))
            .ok_or_else(|| Error::permanent(format!("continue at cursor `{cursor}`")))?,
    };
    // Where nobody has said where, nothing was ever made.
    let (Ok(parent), Ok(project)) = (call.settings.parent(), call.settings.project()) else {
        return Ok(ManagedPage::default());
    };
    let api = Api::new(&call.host, &call.settings);
    let (service, scope, kind) = match at {
        "services" => (Service::Run, parent, SERVICE),
        _ => (Service::Secrets, project, SECRET),
    };
    let limit = page.limit.clamp(1, 100);
    let mut path = format!("{scope}/{at}?pageSize={limit}");
    if !inner.is_empty() {
        path.push_str(&format!("&pageToken={}", percent(inner)));
    }
    let answer = api.get(service, &path, &format!("list {at}"))?;
    let list = answer.get(at).and_then(Value::as_array).into_iter().flatten();
    let objects = list.filter_map(|found| managed(kind, &scope, found)).collect();
    let next = answer.get("nextPageToken").and_then(Value::as_str).filter(|token| !token.is_empty());
    let cursor = match next {
        Some(token) => Some(format!("{at}/{token}")),
        None => (at == "services").then(|| "secrets/".to_owned()),
    };
    Ok(ManagedPage { objects, cursor })
}

/// For a query (RFC 3986, 2.3).
fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

fn managed(kind: &str, scope: &str, found: &Value) -> Option<ManagedObject> {
    let name = found.get("name")?.as_str()?.rsplit('/').next()?;
    if !name.starts_with(PREFIX) {
        return None;
    }
    let label = |key: &str| Some(found.get("labels")?.get(key)?.as_str()?.to_owned());
    Some(ManagedObject {
        object: ObjectRef::new(kind, scope, name),
        gateway: Some(label(label::GATEWAY)?),
        session: label(label::SESSION),
        plugin: label(label::PLUGIN),
        server_id: label(label::SERVER),
        request: label(label::REQUEST),
        age_seconds: age(found.get("createTime").and_then(Value::as_str).unwrap_or_default()),
        // Cloud Run knows nothing of sessions.
        session_alive: None,
        text: String::new(),
        extras: Vec::new(),
    })
}

/// Seconds since a time as the interfaces write it, `2026-01-31T12:00:00.123Z`.
fn age(made: &str) -> Option<u32> {
    let part = |from: usize, to: usize| made.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    // Days since 1970-01-01 in the proleptic Gregorian calendar, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let made = u64::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(u32::try_from(now.saturating_sub(made)).unwrap_or(u32::MAX))
}

/// Removes what belongs to sessions that the gateway knows to be dead, and is old enough.
///
/// # Errors
/// As the interfaces say; what could not be removed is in the page.
pub(crate) fn sweep(call: &Call<CloudRun>, older_than_seconds: u32, page: &Page) -> Result<SweepPage> {
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
        match release::remove(call, &managed.object) {
            Ok(()) => swept.removed.push(managed.object),
            Err(error) => swept.failed.push(error.object(managed.object).into()),
        }
    }
    Ok(swept)
}
