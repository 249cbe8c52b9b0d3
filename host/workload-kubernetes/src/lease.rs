//! Signs of life: a Lease per session, renewed as long as the session lives (`provisioning.md` 3.10).

use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind};
use crate::kind::Kind;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(30);
/// After how long without renewal the session counts as dead: several renewals may fail, as they do while an API server is upgraded.
const SECONDS: u32 = 180;

/// The id of a session in the words of Docker's gateway: `mcp-gateway-` and eight characters (`provisioning.md` 3.9), of the run's own id.
#[must_use]
pub fn session_id(run: &str) -> String {
    let tail: String = run.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
    format!("mcp-gateway-{tail}")
}

/// Whether a text is such an id, so that it may stand in a selector.
#[must_use]
pub fn is_session_id(text: &str) -> bool {
    text.strip_prefix("mcp-gateway-").is_some_and(|tail| {
        tail.len() == 8 && tail.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

/// A Lease that is renewed until this is dropped. It is not removed by that.
#[derive(Debug)]
pub struct SessionLease(tokio::task::JoinHandle<()>);

impl Drop for SessionLease {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The kind of Leases.
fn kind() -> Kind {
    Kind {
        api_version: "coordination.k8s.io/v1".to_owned(),
        kind: "Lease".to_owned(),
        plural: "leases".to_owned(),
        namespaced: true,
    }
}

impl Cluster {
    /// Shows that a session lives, from now on, in a namespace.
    ///
    /// # Errors
    /// The right is missing, or the cluster does not answer.
    pub async fn keep_lease(
        self: &Arc<Self>,
        namespace: &str,
        session: &str,
        labels: &[(String, String)],
        holder: &str,
    ) -> Result<SessionLease, Error> {
        let (cluster, namespace, session) = (Arc::clone(self), namespace.to_owned(), session.to_owned());
        let labels: Map<String, Value> =
            labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        let holder = holder.to_owned();
        let document = move || {
            json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": { "name": session, "namespace": namespace, "labels": labels },
                "spec": { "holderIdentity": holder, "leaseDurationSeconds": SECONDS, "renewTime": now() },
            })
        };
        cluster.apply(&kind(), &document(), false).await?;
        Ok(SessionLease(tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEW).await;
                if let Err(error) = cluster.apply(&kind(), &document(), false).await {
                    tracing::debug!(error = error.text, "the session's Lease could not be renewed");
                }
            }
        })))
    }

    /// Names of the Leases in a namespace that were renewed in time: ids of sessions that live. Of all gateways.
    ///
    /// # Errors
    /// The right is missing, or the cluster does not answer: then nothing is known of any session.
    pub async fn living_sessions(
        &self,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<(String, Value)>, Error> {
        let (mut living, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.list(&kind(), namespace, selector, "", 500, cursor.as_deref()).await?;
            let now = Timestamp::now();
            living.extend(page.items.into_iter().filter(|lease| lives(lease, now)).filter_map(|lease| {
                let name = lease.pointer("/metadata/name")?.as_str()?.to_owned();
                Some((name, lease))
            }));
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(living),
            }
        }
    }
}

fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

/// Whether a Lease was renewed within its time. One that does not say when is no sign of life.
fn lives(lease: &Value, now: Timestamp) -> bool {
    let renewed = lease.pointer("/spec/renewTime").and_then(Value::as_str);
    let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64);
    let (Some(Ok(renewed)), Some(seconds)) = (renewed.map(str::parse::<Timestamp>), seconds) else {
        return false;
    };
    now.as_second() <= renewed.as_second().saturating_add(seconds)
}

impl Error {
    /// Whether a session's Lease cannot be kept here at all, so that one goes on without.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.kind == ErrorKind::Denied
    }
}

#[cfg(test)]
mod tests {
    use super::{is_session_id, lives, session_id};
    use serde_json::json;

    #[test]
    fn ids_have_the_form_of_the_original() {
        assert_eq!(session_id("k1b2c3d4e5f60718"), "mcp-gateway-e5f60718");
        assert!(is_session_id(&session_id("k1b2c3d4e5f60718")));
        for bad in [
            "",
            "mcp-gateway-",
            "mcp-gateway-abc",
            "mcp-gateway-ABCDEFGH",
            "x-gateway-abcdefgh",
            "mcp-gateway-abc,d=ef",
        ] {
            assert!(!is_session_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_lease_lives_as_long_as_it_says() {
        let lease =
            json!({ "spec": { "renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 60 } });
        assert!(lives(&lease, "2026-01-01T00:01:00Z".parse().unwrap()));
        assert!(!lives(&lease, "2026-01-01T00:01:01Z".parse().unwrap()));
        assert!(!lives(&json!({ "spec": {} }), "2026-01-01T00:00:00Z".parse().unwrap()));
    }
}
