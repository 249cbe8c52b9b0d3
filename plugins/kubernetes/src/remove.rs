//! Takes objects away, in the order in which they may go.

use crate::manifest::GRACE;
use crate::names::{DEPLOYMENT, POD};
use gateway_plugin::kubernetes::{Condition, Target, Test};
use gateway_plugin::types::{ObjectRef, Page};
use gateway_plugin::{FailureCategory, Host, Result, each};
use serde_json::Value;
use std::time::Duration;

/// Seconds beside its grace in which a pod must be gone.
const BESIDE: u32 = 5;
/// Left of a call's time for what comes after waiting.
const MARGIN: Duration = Duration::from_secs(1);

/// Removes objects: first the pods among them and the Deployments that keep some, and waits until they are gone. A server whose standard input was
/// closed ends by itself, then by its signal, then it is killed. What shuts it in goes only after it.
pub(crate) fn remove_all<'a>(
    host: &Host,
    objects: impl Iterator<Item = &'a ObjectRef>,
    grace: Option<u32>,
) -> Result<()> {
    let target = |object: &ObjectRef| Target::new(&object.kind, &object.scope, &object.name);
    let (workloads, others): (Vec<_>, Vec<_>) =
        objects.partition(|object| [POD, DEPLOYMENT].contains(&object.kind.as_str()));
    let seconds = grace.map(|seconds| Duration::from_secs(seconds.into()));
    each(&workloads, |workload| host.kubernetes().remove(&target(workload), seconds, None))?;
    each(workloads, |workload| gone(host, &target(workload), grace.unwrap_or(GRACE)))?;
    each(others, |other| host.kubernetes().remove(&target(other), None, None))
}

/// Waits until something is gone that has been removed; kills what does not go. A Deployment is gone when its pods are.
fn gone(host: &Host, target: &Target, grace: u32) -> Result<()> {
    let gone = [Condition { target: target.clone(), test: Test::Gone }];
    // The pod of a Deployment has the grace of its own document, and those who remove it for the Deployment need a moment too.
    let (grace, beside) = if target.kind == DEPLOYMENT { (GRACE, 2 * BESIDE) } else { (grace, BESIDE) };
    let time = Duration::from_secs((grace + beside).into()).min(host.remaining().saturating_sub(MARGIN));
    match host.kubernetes().wait(&gone, time) {
        Ok(_) => Ok(()),
        Err(error) if error.category() == FailureCategory::Timeout => {
            for pod in pods(host, target)? {
                host.kubernetes().remove(&pod, Some(Duration::ZERO), None)?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The pods behind a pod or a Deployment.
fn pods(host: &Host, target: &Target) -> Result<Vec<Target>> {
    if target.kind == POD {
        return Ok(vec![target.clone()]);
    }
    let Some(document) = host.kubernetes().get(target)? else { return Ok(Vec::new()) };
    let deployment: Value = serde_json::from_str(&document)?;
    let selector = deployment.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let selector: Vec<String> = selector
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let page = Page { cursor: None, limit: 100 };
    let found = host.kubernetes().enumerate(POD, &target.namespace, &selector.join(","), &page)?;
    let mut pods = Vec::new();
    for document in found.documents {
        let pod: Value = serde_json::from_str(&document)?;
        if let Some(name) = pod.pointer("/metadata/name").and_then(Value::as_str) {
            pods.push(Target::new(POD, &target.namespace, name));
        }
    }
    Ok(pods)
}
