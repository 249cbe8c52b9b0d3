//! Waiting for the first of several conditions, and why it does not come. Served from shared watches.

use super::Kubernetes;
use super::document::{carries_secrets, shown};
use super::own::{SHOWN, text};
use crate::sanitize::{self, line};
use crate::v0_1::imported::kubernetes::{Condition, Met, Target, Test};
use crate::v0_1::types::{Failure, FailureCategory, ObjectRef};
use host_provisioner::Progress;
use host_workload_kubernetes as cluster;
use host_workload_kubernetes::{
    Cause, Diagnosis, Kind, LogRequest, Watched, diagnose_pod, diagnose_set, is_met,
};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at what no watch shows: objects that are not this session's.
const PACE: Duration = Duration::from_secs(1);
/// Events and lines of the log that a failure shows.
const EVENTS: usize = 5;
const LINES: u32 = 5;

/// A condition, ready to be looked at.
struct Look {
    kind: Kind,
    target: Target,
    test: cluster::Test,
    /// How long something hopeless must last; absent for other tests.
    hopeless: Option<Duration>,
    /// Since when it has been hopeless.
    since: Option<Instant>,
    /// It has been seen, so that being gone means something.
    seen: Option<Value>,
}

impl Kubernetes<'_> {
    pub(super) async fn wait_for_one(
        &self,
        conditions: &[Condition],
        time: Duration,
    ) -> Result<Met, Failure> {
        if conditions.is_empty() {
            return Err(self.refuse(FailureCategory::Config, "wait for no condition at all"));
        }
        let ends = Instant::now() + time;
        let mut looks = Vec::with_capacity(conditions.len());
        for condition in conditions {
            looks.push(self.look(condition).await?);
        }
        let mut watches = self.watches(&looks)?;
        let mut strangers: BTreeMap<(String, String, String), Option<Value>> = BTreeMap::new();
        let mut said = String::new();
        loop {
            let mut next = ends;
            for (index, look) in (0..).zip(&mut looks) {
                let Some(object) = self.seen(look, &watches, &mut strangers).await? else { continue };
                let shown = object.as_ref().and_then(|object| shows(object, look, &watches));
                self.say(shown.as_deref(), &mut said);
                if let Some(met) = self.met(index, look, object, &watches, &mut next).await? {
                    return Ok(met);
                }
            }
            if !strangers.is_empty() {
                strangers.clear();
                next = next.min(Instant::now() + PACE);
            }
            let changed = async {
                let waits = watches.values_mut().map(|watched| Box::pin(watched.changed()));
                futures_util::future::select_all(waits).await;
            };
            tokio::select! {
                () = self.call.cancelled.cancelled() => {
                    return Err(self.refuse(FailureCategory::Cancelled, "nobody waits any more"));
                }
                () = tokio::time::sleep_until(next) => {
                    if next >= ends {
                        return Err(self.late(&looks, &watches, time).await);
                    }
                }
                () = changed => {}
            }
        }
    }

    async fn look(&self, condition: &Condition) -> Result<Look, Failure> {
        let kind = self.target(&condition.target).await?;
        let unsupported = |what: &str| {
            let text = format!("this gateway does not know the test {}", line(what, SHOWN));
            self.refuse(FailureCategory::Unsupported, text)
        };
        let mut hopeless = None;
        let test = match &condition.test {
            Test::Exists => cluster::Test::Exists,
            Test::Gone => cluster::Test::Gone,
            Test::IsTrue(name) => cluster::Test::IsTrue(name.clone()),
            Test::IsFalse(name) => cluster::Test::IsFalse(name.clone()),
            Test::Equals((pointer, json)) => {
                let value = serde_json::from_str(json).map_err(|_| unsupported(json))?;
                cluster::Test::Equals(pointer.clone(), value)
            }
            Test::RolledOut => cluster::Test::RolledOut,
            Test::HasEndpoints => {
                return Err(unsupported("has-endpoints; wait for the pod behind the Service"));
            }
            Test::Hopeless(ms) => {
                hopeless = Some(Duration::from_millis(u64::from(*ms)));
                cluster::Test::Exists
            }
            Test::Other(json) => return Err(unsupported(json)),
        };
        Ok(Look { kind, target: condition.target.clone(), test, hopeless, since: None, seen: None })
    }

    /// One watch for each kind and namespace, of this session's objects; the pods' too where a set is asked about.
    fn watches(&self, looks: &[Look]) -> Result<BTreeMap<(String, String), Watched>, Failure> {
        let cluster = self.cluster()?;
        let selector = self.watched_by();
        let mut watches = BTreeMap::new();
        for look in looks {
            let mut kinds = vec![look.kind.clone()];
            if look.hopeless.is_some() && look.kind.kind != "Pod" {
                kinds.extend(Kind::known("v1/Pod"));
            }
            for kind in kinds {
                let key = (kind.written(), look.target.namespace.clone());
                watches.entry(key).or_insert_with(|| cluster.watch(&kind, &look.target.namespace, &selector));
            }
        }
        Ok(watches)
    }

    /// The object of a condition, `Some(None)` if it is not there, `None` if nothing is known yet.
    async fn seen(
        &self,
        look: &mut Look,
        watches: &BTreeMap<(String, String), Watched>,
        strangers: &mut BTreeMap<(String, String, String), Option<Value>>,
    ) -> Result<Option<Option<Value>>, Failure> {
        let Some(watched) = watches.get(&(look.kind.written(), look.target.namespace.clone())) else {
            return Ok(None);
        };
        if !watched.is_known().map_err(|error| self.of_cluster(&error))? {
            return Ok(None);
        }
        if let Some(object) = watched.object(&look.target.name) {
            look.seen = Some(object.clone());
            return Ok(Some(Some(object)));
        }
        if look.seen.is_some() || look.test == cluster::Test::Gone {
            return Ok(Some(None));
        }
        // Not this session's, or not in the watch yet: asked for itself.
        let key = (look.kind.written(), look.target.namespace.clone(), look.target.name.clone());
        if let Some(known) = strangers.get(&key) {
            return Ok(Some(known.clone()));
        }
        let found = self.cluster()?.get(&look.kind, &look.target.namespace, &look.target.name).await;
        let found = found.map_err(|error| self.of_cluster(&error))?;
        strangers.insert(key, found.clone());
        Ok(Some(found))
    }

    async fn met(
        &self,
        index: u32,
        look: &mut Look,
        object: Option<Value>,
        watches: &BTreeMap<(String, String), Watched>,
        next: &mut Instant,
    ) -> Result<Option<Met>, Failure> {
        let Some(lasts) = look.hopeless else {
            if !is_met(&look.test, object.as_ref()) {
                return Ok(None);
            }
            let document = object.or_else(|| look.seen.take()).map(|object| shown(object).to_string());
            return Ok(Some(Met { index, document: document.unwrap_or_default(), failure: None }));
        };
        let Some((diagnosis, concerned)) = hopeless(look, object, watches) else {
            look.since = None;
            return Ok(None);
        };
        let since = *look.since.get_or_insert_with(Instant::now);
        if since.elapsed() < lasts {
            *next = (*next).min(since + lasts);
            return Ok(None);
        }
        let failure = self.explained(&diagnosis, &look.target, concerned.as_ref()).await;
        let document = concerned.map(|object| shown(object).to_string()).unwrap_or_default();
        Ok(Some(Met { index, document, failure: Some(failure) }))
    }

    /// How far it is, for whoever waits.
    fn say(&self, object: Option<&Value>, said: &mut String) {
        let (Some(sink), Some(object)) = (&self.call.progress, object) else { return };
        let now = step_of(object);
        if now != said.as_str() {
            now.clone_into(said);
            let name = sanitize::line(text(object, "/metadata/name"), SHOWN);
            sink.report(Progress { text: format!("pod `{name}`: {now}"), done: None, total: None });
        }
    }

    /// It did not come in time: with the same details.
    async fn late(
        &self,
        looks: &[Look],
        watches: &BTreeMap<(String, String), Watched>,
        time: Duration,
    ) -> Failure {
        let mut failure = {
            let text = format!("wait for {} conditions: none came in {} ms", looks.len(), time.as_millis());
            self.refuse(FailureCategory::Timeout, text)
        };
        if let Some((look, object)) = looks.iter().find_map(|look| Some((look, look.seen.as_ref()?))) {
            failure.text =
                format!("{} `{}` was not ready after {} s", look.kind.kind, look.target.name, time.as_secs());
            let pod = shows(object, look, watches);
            let diagnosis = match &pod {
                Some(pod) => diagnose_pod(pod),
                None => diagnose_set(object),
            };
            let concerned = pod.as_deref().unwrap_or(object);
            failure.step = Some(step_of(concerned).to_owned());
            if let Some(diagnosis) = diagnosis {
                failure.text = format!("{}: {}", failure.text, self.told(&diagnosis, Some(concerned)));
                failure.hint.clone_from(&diagnosis.hint);
            }
            self.details(&mut failure, &look.target, concerned, None).await;
        }
        failure
    }

    pub(super) async fn diagnose(&self, target: &Target) -> Result<Failure, Failure> {
        let kind = self.target(target).await?;
        let found = self.own(&kind, target).await?.ok_or_else(|| self.not_there(target))?;
        let diagnosis = if kind.kind == "Pod" { diagnose_pod(&found) } else { diagnose_set(&found) };
        Ok(match diagnosis {
            Some(diagnosis) => self.explained(&diagnosis, target, Some(&found)).await,
            None => {
                let mut failure =
                    self.refuse(FailureCategory::Other, "the cluster notes nothing that is wrong with it");
                self.details(&mut failure, target, &found, None).await;
                failure
            }
        })
    }

    /// A diagnosis as a failure, with events and, where it may be shown, the end of the log.
    async fn explained(&self, diagnosis: &Diagnosis, target: &Target, object: Option<&Value>) -> Failure {
        let category = match diagnosis.cause {
            Cause::Image => FailureCategory::Image,
            Cause::Entry => FailureCategory::Config,
            Cause::Room => FailureCategory::Quota,
            Cause::Ended => FailureCategory::Permanent,
            Cause::TakenAway => FailureCategory::Retryable,
        };
        let mut failure = self.refuse(category, self.told(diagnosis, object));
        failure.hint.clone_from(&diagnosis.hint);
        failure.step = Some(diagnosis.step.to_owned());
        let name = object.map_or(target.name.as_str(), |object| text(object, "/metadata/name")).to_owned();
        let kind = if diagnosis.container.is_some() { "v1/Pod" } else { target.kind.as_str() };
        failure.objects = vec![ObjectRef { kind: kind.to_owned(), scope: target.namespace.clone(), name }];
        if let Some(object) = object {
            self.details(&mut failure, target, object, diagnosis.container.as_deref()).await;
        }
        failure
    }

    /// The words of a diagnosis; of a program that knows secrets, neither code nor message.
    fn told(&self, diagnosis: &Diagnosis, object: Option<&Value>) -> String {
        let closed = object.is_some_and(|object| carries_secrets(object.get("spec")));
        if closed && diagnosis.cause == Cause::Ended {
            let server = self.server.as_ref().map_or("", |server| server.spec.name.as_str());
            let blotter = self.blotter();
            let text = blotter.text(&diagnosis.text);
            tracing::warn!(server, "{}", sanitize::line(&text, sanitize::LINE));
            return "its program has ended; its pod carries secrets, so only the gateway's log says more"
                .to_owned();
        }
        sanitize::line(&diagnosis.text, sanitize::LINE)
    }

    async fn details(&self, failure: &mut Failure, target: &Target, object: &Value, container: Option<&str>) {
        let Ok(cluster) = self.cluster() else { return };
        let uid = text(object, "/metadata/uid");
        match cluster.events(&target.namespace, uid).await {
            Ok(events) => {
                let newest = events.iter().rev().take(EVENTS).rev();
                let lines = newest.map(|(reason, message)| {
                    sanitize::line(&format!("event {reason}: {message}"), sanitize::LINE)
                });
                failure.details.extend(lines);
            }
            Err(error) if error.is_denied() => {
                failure.details.push("events unavailable (forbidden)".to_owned())
            }
            // Perhaps that is why.
            Err(error) => failure.details.push(sanitize::line(&error.text, sanitize::LINE)),
        }
        let is_pod = object.pointer("/spec/containers").is_some();
        if !is_pod || carries_secrets(object.get("spec")) {
            return;
        }
        let first = text(object, "/spec/containers/0/name");
        let container = container.unwrap_or(first);
        let request = LogRequest { lines: LINES, bytes: 4 << 10, previous: false };
        match cluster.log_tail(&target.namespace, text(object, "/metadata/name"), container, &request).await {
            Ok(log) => {
                let lines = log.lines().map(|said| sanitize::line(&format!("> {said}"), 500));
                failure.details.extend(lines);
            }
            Err(error) if error.is_denied() => {
                failure.details.push("logs unavailable (forbidden)".to_owned())
            }
            // It never started, so there is none.
            Err(_) => {}
        }
    }
}

/// Why an object cannot come up, and the object that shows it: itself, or a pod of its.
fn hopeless(
    look: &Look,
    object: Option<Value>,
    watches: &BTreeMap<(String, String), Watched>,
) -> Option<(Diagnosis, Option<Value>)> {
    let Some(object) = object else {
        let seen = look.seen.clone()?;
        let text = "it was removed".to_owned();
        let gone = Diagnosis { cause: Cause::TakenAway, step: "run", text, hint: None, container: None };
        return Some((gone, Some(seen)));
    };
    if look.kind.kind == "Pod" {
        return diagnose_pod(&object).map(|diagnosis| (diagnosis, Some(object)));
    }
    if let Some(diagnosis) = diagnose_set(&object) {
        return Some((diagnosis, Some(object)));
    }
    pods_of(&object, look, watches).into_iter().find_map(|pod| Some((diagnose_pod(&pod)?, Some(pod))))
}

/// The pods of a set that are not on their way out.
fn pods_of(set: &Value, look: &Look, watches: &BTreeMap<(String, String), Watched>) -> Vec<Value> {
    let selector = set.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let pods = watches.get(&("v1/Pod".to_owned(), look.target.namespace.clone()));
    let (Some(selector), Some(pods)) = (selector, pods) else { return Vec::new() };
    pods.objects(|pod| {
        let labels = pod.pointer("/metadata/labels");
        let alive = pod.pointer("/metadata/deletionTimestamp").is_none();
        alive && selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    })
}

/// The pod that shows how far an object is: itself, or one of its.
fn shows<'o>(
    object: &'o Value,
    look: &Look,
    watches: &BTreeMap<(String, String), Watched>,
) -> Option<Cow<'o, Value>> {
    if object.pointer("/spec/containers").is_some() {
        return Some(Cow::Borrowed(object));
    }
    pods_of(object, look, watches).into_iter().next().map(Cow::Owned)
}

/// Where a pod is on its way, in one word or two.
fn step_of(pod: &Value) -> &'static str {
    let condition = |kind: &str| {
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        conditions.into_iter().any(|c| {
            c.get("type").and_then(Value::as_str) == Some(kind)
                && c.get("status").and_then(Value::as_str) == Some("True")
        })
    };
    if condition("Ready") {
        "ready"
    } else if text(pod, "/status/phase") == "Running" {
        "started"
    } else if condition("Initialized") && condition("PodScheduled") {
        "pull and create"
    } else if condition("PodScheduled") {
        "initialise"
    } else {
        "schedule"
    }
}
