//! What is in the cluster, whose it is, and taking away what is nobody's.

use crate::names::{DEPLOYMENT, POD, POLICY, SECRET, SERVICE};
use gateway_plugin::kubernetes::Target;
use gateway_plugin::types::{Liveness, ManagedObject, ManagedPage, ObjectRef, Page, SweepPage};
use gateway_plugin::{Context, Error, Host, Result, label};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// In the order in which they are taken away: what brings others back goes first, what others need goes last.
const KINDS: [&str; 5] = [DEPLOYMENT, POD, SERVICE, POLICY, SECRET];

/// What every object of any gateway has.
const MANAGED: &str = "app.kubernetes.io/managed-by=mcp-gateway";

pub(crate) fn enumerate(host: &Host, page: &Page) -> Result<ManagedPage> {
    let (at, inner) = match page.cursor.as_deref() {
        None => (0, None),
        Some(cursor) => match cursor.split_once('/') {
            Some((at, inner)) => {
                let at = at
                    .parse::<usize>()
                    .map_err(|_| Error::permanent(format!("continue at cursor `{cursor}`")))?;
                (at, (!inner.is_empty()).then(|| inner.to_owned()))
            }
            None => return Err(Error::permanent(format!("continue at cursor `{cursor}`"))),
        },
    };
    let next = (at + 1 < KINDS.len()).then(|| format!("{}/", at + 1));
    let Some(kind) = KINDS.get(at) else { return Ok(ManagedPage::default()) };
    if !host.kubernetes().cluster()?.kinds.iter().any(|granted| granted == kind) {
        return Ok(ManagedPage { objects: Vec::new(), cursor: next });
    }
    let inner = Page { cursor: inner, limit: page.limit };
    let found = host.kubernetes().enumerate(kind, "", MANAGED, &inner)?;
    let mut objects = Vec::with_capacity(found.documents.len());
    for document in found.documents {
        objects.push(managed(kind, &serde_json::from_str(&document)?));
    }
    Ok(ManagedPage { objects, cursor: found.cursor.map(|inner| format!("{at}/{inner}")).or(next) })
}

fn managed(kind: &str, object: &Value) -> ManagedObject {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let labels = object.pointer("/metadata/labels");
    let label = |key: &str| labels?.get(key)?.as_str().map(str::to_owned);
    ManagedObject {
        object: ObjectRef::new(kind, text("/metadata/namespace"), text("/metadata/name")),
        gateway: label(label::GATEWAY),
        session: label(label::SESSION),
        plugin: label(label::PLUGIN),
        server_id: label(label::SERVER),
        request: label(label::REQUEST),
        age_seconds: age(text("/metadata/creationTimestamp")),
        // `sweep` asks the Leases, once per namespace.
        session_alive: None,
        text: text("/status/phase").to_owned(),
        extras: Vec::new(),
    }
}

/// Seconds since a time as the API writes it, `2026-01-31T12:00:00Z`.
fn age(created: &str) -> Option<u32> {
    let part = |from: usize, to: usize| created.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    // Days since 1970-01-01 in the proleptic Gregorian calendar, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let created = u64::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(u32::try_from(now.saturating_sub(created)).unwrap_or(u32::MAX))
}

/// Removes what belongs to dead sessions: those whose Lease was not renewed, or that the gateway knows to be dead.
pub(crate) fn sweep(
    host: &Host,
    context: &Context,
    older_than_seconds: u32,
    page: &Page,
) -> Result<SweepPage> {
    let found = enumerate(host, page)?;
    let own = context.labels.iter().find(|label| label.key == label::PLUGIN).map(|label| &label.value);
    let mut swept = SweepPage { cursor: found.cursor, ..SweepPage::default() };
    let mut living: Vec<(String, Vec<String>)> = Vec::new();
    for object in found.objects {
        let old = object.age_seconds.is_some_and(|age| age >= older_than_seconds);
        let mine = object.plugin.as_ref() == own;
        let Some(session) = object.session.filter(|_| old && mine) else { continue };
        let dead = match host.session_liveness(&session) {
            Liveness::Dead => true,
            Liveness::Alive | Liveness::ThisSession => false,
            _ => {
                let namespace = &object.object.scope;
                if !living.iter().any(|(known, _)| known == namespace) {
                    // Where nobody says who lives, nobody is dead.
                    let Ok(sessions) = host.kubernetes().living_sessions(namespace) else { continue };
                    living.push((namespace.clone(), sessions));
                }
                let alive = living.iter().find(|(known, _)| known == namespace);
                alive.is_some_and(|(_, sessions)| !sessions.contains(&session))
            }
        };
        if !dead {
            continue;
        }
        let target = Target::new(&object.object.kind, &object.object.scope, &object.object.name);
        match host.kubernetes().remove(&target, Some(Duration::ZERO), None) {
            Ok(()) => swept.removed.push(object.object),
            Err(error) => swept.failed.push(error.object(object.object).into()),
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_are_counted_from_the_api_s_times() {
        assert!(age("1970-01-01T00:00:00Z").is_some_and(|age| age > 1_700_000_000));
        // Not born yet.
        assert_eq!(age("2999-12-31T23:59:59Z"), Some(0));
        assert_eq!(age(""), None);
    }
}
