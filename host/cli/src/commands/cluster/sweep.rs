//! What gateways made: listed, and taken away. Only what carries a gateway's label.

use super::Place;
use crate::args::{ClusterArgs, KubernetesArgs};
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, name, print, print_json, say, table};
use anyhow::{Result, anyhow};
use host_workload_kubernetes::{ErrorKind, Kind, Removal, is_session_id};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a gateway makes, in the order in which it is taken away.
const KINDS: [&str; 7] = [
    "apps/v1/Deployment",
    "v1/Pod",
    "v1/Service",
    "networking.k8s.io/v1/NetworkPolicy",
    "v1/ConfigMap",
    "v1/Secret",
    "coordination.k8s.io/v1/Lease",
];
pub(super) const MANAGED: &str = "app.kubernetes.io/managed-by=mcp-gateway";
const SESSION: &str = "mcp-gateway.docker.com/session";

/// An object of a gateway's.
struct Found {
    kind: Kind,
    object: Value,
}

impl Found {
    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn label(&self, key: &str) -> &str {
        let labels = self.object.pointer("/metadata/labels");
        labels.and_then(|labels| labels.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    fn session(&self) -> &str {
        self.label(SESSION)
    }
}

/// Objects that were found, and kinds that these credentials may not list.
async fn find(place: &Place, selector: &str) -> Result<(Vec<Found>, Vec<String>)> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let Some(kind) = Kind::known(kind) else { continue };
        let mut cursor: Option<String> = None;
        loop {
            let page =
                place.cluster.list(&kind, &place.namespace, selector, "", 500, cursor.as_deref()).await;
            let page = match page {
                Ok(page) => page,
                // The roles of the documents have fewer kinds; what may be seen is shown, and the rest is named.
                Err(error) if error.kind == ErrorKind::Denied => {
                    refused.push(error.to_string());
                    break;
                }
                Err(error) => return Err(anyhow!(error)),
            };
            found.extend(page.items.into_iter().map(|object| Found { kind: kind.clone(), object }));
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
    }
    if refused.len() == KINDS.len() {
        return Err(anyhow!("{}", refused.join("; ")));
    }
    for line in &refused {
        say(&format!("warning: {line}"));
    }
    Ok((found, refused))
}

/// Leases that show that their sessions live.
async fn leases(place: &Place) -> Result<Vec<(String, Value)>> {
    place
        .cluster
        .living_sessions(&place.namespace, MANAGED)
        .await
        .map_err(|error| anyhow!("nobody says which sessions live, so nothing is taken for dead: {error}"))
}

async fn living(place: &Place) -> Result<Vec<String>> {
    Ok(leases(place).await?.into_iter().map(|(name, _)| name).collect())
}

/// [`exit::PARTLY`] where something may not be looked at.
fn whole(refused: &[String]) -> u8 {
    if refused.is_empty() { exit::DONE } else { exit::PARTLY }
}

pub(super) async fn list(place: &Place, json: bool) -> Result<u8> {
    let living = match living(place).await {
        Ok(living) => Some(living),
        Err(error) => {
            say(&format!("warning: {error:#}"));
            None
        }
    };
    let (found, refused) = find(place, MANAGED).await?;
    let alive = |found: &Found| match &living {
        None => "unknown",
        Some(living) if living.iter().any(|id| id == found.session()) => "alive",
        Some(_) => "dead",
    };
    if json {
        let rows: Vec<Value> = found
            .iter()
            .map(|found| {
                json!({
                    "kind": found.kind.kind,
                    "name": found.name(),
                    "namespace": found.namespace(),
                    "server": found.label("app.kubernetes.io/name"),
                    "session": found.session(),
                    "sessionState": alive(found),
                    "created": found.text("/metadata/creationTimestamp"),
                    "phase": found.text("/status/phase"),
                })
            })
            .collect();
        print_json(&json!({ "objects": rows }));
        return Ok(whole(&refused));
    }
    if found.is_empty() {
        print(&format!("nothing of a gateway in {}", place.words()));
        return Ok(whole(&refused));
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|found| {
            vec![
                found.namespace().to_owned(),
                found.kind.kind.clone(),
                name(found.name()),
                name(found.label("app.kubernetes.io/name")),
                name(found.session()),
                alive(found).to_owned(),
                found.text("/status/phase").to_owned(),
                found.text("/metadata/creationTimestamp").to_owned(),
            ]
        })
        .collect();
    print(&table(&["NAMESPACE", "KIND", "NAME", "SERVER", "SESSION", "STATE", "PHASE", "CREATED"], &rows));
    Ok(whole(&refused))
}

pub(super) async fn sessions(place: &Place, json: bool) -> Result<u8> {
    let leases = leases(place).await?;
    let (found, refused) = find(place, MANAGED).await?;
    // A session is known by its Lease, or by what it left.
    let mut sessions: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (name, lease) in &leases {
        let namespace = lease.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        sessions.entry((namespace.to_owned(), name.clone())).or_default();
    }
    for found in &found {
        *sessions.entry((found.namespace().to_owned(), found.session().to_owned())).or_default() += 1;
    }
    let holder = |namespace: &str, session: &str| {
        let lease = leases.iter().find(|(name, lease)| {
            name == session && lease.pointer("/metadata/namespace").and_then(Value::as_str) == Some(namespace)
        });
        lease.map(|(_, lease)| {
            lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default()
        })
    };
    let rows: Vec<_> = sessions
        .iter()
        .map(|((namespace, session), objects)| (namespace, session, holder(namespace, session), objects))
        .collect();
    if json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(namespace, session, holder, objects)| {
                json!({"namespace": namespace, "session": session, "alive": holder.is_some(), "holder": holder, "objects": objects})
            })
            .collect();
        print_json(&json!({ "sessions": rows }));
        return Ok(whole(&refused));
    }
    if rows.is_empty() {
        print(&format!("no sessions of gateways in {}", place.words()));
        return Ok(whole(&refused));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(namespace, session, holder, objects)| {
            let state = if holder.is_some() { "alive" } else { "dead" };
            vec![
                namespace.clone(),
                name(session),
                state.to_owned(),
                objects.to_string(),
                name(holder.unwrap_or_default()),
            ]
        })
        .collect();
    print(&table(&["NAMESPACE", "SESSION", "STATE", "OBJECTS", "HOLDER"], &rows));
    Ok(whole(&refused))
}

pub(super) async fn session(session: &str, place: &Place, args: &ClusterArgs) -> Result<u8> {
    if !is_session_id(session) {
        let text = format!(
            "`{}` is no id of a session: it is `mcp-gateway-` and eight of a-z and 0-9",
            name(session)
        );
        return Err(Usage(text).into());
    }
    let (found, refused) = find(place, &format!("{MANAGED},{SESSION}={session}")).await?;
    let code = remove(found, place, args).await?;
    Ok(if code == exit::DONE { whole(&refused) } else { code })
}

/// An age as the original takes it.
pub(super) fn age(text: &str) -> Result<Duration> {
    duration(text).ok_or_else(|| {
        Usage(format!("`{}` is no age; write it like `24h`, `2h30m`, `45m`", name(text))).into()
    })
}

pub(super) async fn stale(
    age: Duration,
    include_live: bool,
    place: &Place,
    args: &ClusterArgs,
) -> Result<u8> {
    let (found, refused) = old(age, include_live, place).await?;
    let code = remove(found, place, args).await?;
    Ok(if code == exit::DONE { whole(&refused) } else { code })
}

/// What is that old, and of sessions that are dead.
async fn old(age: Duration, include_live: bool, place: &Place) -> Result<(Vec<Found>, Vec<String>)> {
    let living = if include_live { Vec::new() } else { living(place).await? };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let is_old = |found: &Found| {
        let created = seconds(found.text("/metadata/creationTimestamp")).map(Duration::from_secs);
        created.is_some_and(|created| now.saturating_sub(created) >= age)
    };
    let (mut found, refused) = find(place, MANAGED).await?;
    found.retain(|found| is_old(found) && !living.iter().any(|id| id == found.session()));
    Ok((found, refused))
}

/// `gateway run --cleanup-stale`: the same beside the start, with a word for each object.
pub(crate) async fn sweep_at_start(
    age: Duration,
    args: &KubernetesArgs,
    environment: &Environment,
) -> Vec<String> {
    let swept = async {
        let place = Place::there(args, environment).await?;
        let (found, _) = old(age, false, &place).await?;
        let mut lines = Vec::new();
        for one in &found {
            lines.push(match take(one, &place).await {
                Ok(()) => {
                    format!("removed {} `{}`, which a dead session left", one.kind.kind, name(one.name()))
                }
                Err(error) => {
                    format!("warning: {} `{}` is still there: {error}", one.kind.kind, name(one.name()))
                }
            });
        }
        Ok::<_, anyhow::Error>(lines)
    };
    swept.await.unwrap_or_else(|error| vec![format!("warning: --cleanup-stale: {error:#}")])
}

async fn take(one: &Found, place: &Place) -> Result<(), host_workload_kubernetes::Error> {
    let uid = Some(one.text("/metadata/uid").to_owned());
    let how = Removal { uid, ..Removal::default() };
    place.cluster.remove(&one.kind, one.namespace(), one.name(), &how).await
}

async fn remove(found: Vec<Found>, place: &Place, args: &ClusterArgs) -> Result<u8> {
    let (mut deleted, mut failed) = (0, Vec::new());
    let total = found.len();
    for one in &found {
        let named = format!("{} {}/{}", one.kind.kind, name(one.namespace()), name(one.name()));
        if args.dry_run {
            say(&format!("would delete {named}"));
            continue;
        }
        match take(one, place).await {
            Ok(()) => {
                deleted += 1;
                say(&format!("deleted {named}"));
            }
            Err(error) => failed.push(format!("{named}: {error}")),
        }
    }
    for line in &failed {
        say(&format!("warning: {line}"));
    }
    let report =
        json!({ "found": total, "deleted": deleted, "failed": failed.len(), "dryRun": args.dry_run });
    if args.json {
        print_json(&report);
    } else {
        print(&format!("found {total}, deleted {deleted}, failed {}", failed.len()));
    }
    // `provisioning.md` 4.5 has 3 for a part that failed; here that is what the other commands have for it.
    Ok(if failed.is_empty() { exit::DONE } else { exit::PARTLY })
}

/// `2h30m`, as Go writes times; each unit once or more.
fn duration(text: &str) -> Option<Duration> {
    let (mut total, mut number) = (0_u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && !text.is_empty()).then(|| Duration::from_secs(total))
}

/// Seconds since 1970 of a time as the API writes it, `2026-01-31T12:00:00Z`.
fn seconds(created: &str) -> Option<u64> {
    let part = |from: usize, to: usize| created.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    // Days in the proleptic Gregorian calendar, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    u64::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

#[cfg(test)]
mod tests {
    use super::{duration, seconds};
    use std::time::Duration;

    #[test]
    fn ages_are_read_as_the_original_reads_them() {
        for (text, expected) in [("24h", 86_400), ("2h30m", 9_000), ("45m", 2_700), ("90s", 90)] {
            assert_eq!(duration(text), Some(Duration::from_secs(expected)), "{text}");
        }
        for text in ["", "24", "h", "1x", "1h2"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(seconds("1970-01-02T00:00:01Z"), Some(86_401));
        assert_eq!(seconds("2024-02-29T12:00:00Z"), Some(1_709_208_000));
    }
}
