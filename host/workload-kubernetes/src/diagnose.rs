//! Why something does not come up, from what the cluster says about it. Pure functions over documents.

use crate::error::printable;
use serde_json::Value;

/// What a state of a pod means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The image cannot be had.
    Image,
    /// The entry is wrong: a missing Secret, a user that may not be, a program that is not there.
    Entry,
    /// No node has room, or a quota refuses it.
    Room,
    /// The program ended.
    Ended,
    /// The cluster took it away: evicted, node lost, deleted.
    TakenAway,
}

/// Why something does not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What it means.
    pub cause: Cause,
    /// Where on the way: `schedule`, `pull`, `create`, `start`, `run`.
    pub step: &'static str,
    /// One line: the reason in the cluster's words, and its message.
    pub text: String,
    /// What the operator can do.
    pub hint: Option<String>,
    /// The container that it is about.
    pub container: Option<String>,
}

impl Diagnosis {
    fn new(cause: Cause, step: &'static str, text: String) -> Self {
        Self { cause, step, text: printable(&text), hint: None, container: None }
    }

    fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

/// Why a pod cannot come up or has ended; `None` for one that may still come, or runs.
#[must_use]
pub fn diagnose_pod(pod: &Value) -> Option<Diagnosis> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        let said = joined("it is being removed", text("/status/reason"), text("/status/message"));
        return Some(Diagnosis::new(Cause::TakenAway, "run", said));
    }
    let statuses = ["initContainerStatuses", "containerStatuses"].into_iter().flat_map(|key| {
        pod.pointer(&format!("/status/{key}"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(move |s| (key, s))
    });
    for (key, status) in statuses {
        if let Some(found) = container(status, key == "initContainerStatuses") {
            let name = status.get("name").and_then(Value::as_str).map(str::to_owned);
            return Some(Diagnosis { container: name, ..found });
        }
    }
    match text("/status/phase") {
        "Failed" => {
            let cause = match text("/status/reason") {
                "Evicted" | "NodeLost" | "NodeShutdown" | "Terminated" | "Preempting" | "Shutdown" => {
                    Cause::TakenAway
                }
                _ => Cause::Ended,
            };
            let said = joined("the pod has failed", text("/status/reason"), text("/status/message"));
            return Some(Diagnosis::new(cause, "run", said));
        }
        "Succeeded" => return Some(Diagnosis::new(Cause::Ended, "run", "its program has ended".to_owned())),
        _ => {}
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    for condition in conditions {
        let said = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        if said("type") == "PodScheduled" && said("status") == "False" && said("reason") == "Unschedulable" {
            return Some(
                Diagnosis::new(Cause::Room, "schedule", joined("no node takes it", "Unschedulable", said("message")))
                    .hint("ask for less with `memory` and `cpus` of the server or `requests` of the plugin, or add nodes"),
            );
        }
    }
    None
}

fn container(status: &Value, init: bool) -> Option<Diagnosis> {
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (reason, message) = (text("/state/waiting/reason"), text("/state/waiting/message"));
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => {
            let image = text("/image");
            let said = joined(&format!("pull image `{image}`"), reason, message);
            let found = Diagnosis::new(Cause::Image, "pull", said);
            return Some(if message.contains("unauthorized") || message.contains("denied") {
                found.hint("the registry wants a login: name a pull secret of the namespace under `imagePullSecrets` of the plugin's settings")
            } else {
                found
            });
        }
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PostStartHookError" => {
            let found =
                Diagnosis::new(Cause::Entry, "create", joined("create the container", reason, message));
            return Some(if message.contains("runAsNonRoot") {
                found.hint("the image runs as root, or as a user without a number: write `user: \"1000\"` into the server's entry, or let this plugin run such images with its setting `security: baseline`")
            } else if message.contains("secret") || message.contains("configmap") {
                found.hint("make what is missing, for example with `gateway cluster populate-secret`")
            } else {
                found
            });
        }
        _ => {}
    }
    // One that waits to be started again tells of its end before.
    let ended = ["/state/terminated", "/lastState/terminated"].into_iter().find_map(|at| status.pointer(at));
    let ended = ended.filter(|_| reason == "CrashLoopBackOff" || reason.is_empty());
    let ended = ended.filter(|_| status.pointer("/state/running").is_none())?;
    let code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    if init && code == 0 {
        return None;
    }
    let said = |key: &str| ended.get(key).and_then(Value::as_str).unwrap_or_default();
    let message = said("message");
    if said("reason") == "OOMKilled" {
        return Some(
            Diagnosis::new(
                Cause::Entry,
                "run",
                joined("it was killed for want of memory", "OOMKilled", message),
            )
            .hint("give the server more with `memory`"),
        );
    }
    if said("reason") == "StartError" || said("reason") == "ContainerCannotRun" {
        return Some(Diagnosis::new(
            Cause::Entry,
            "start",
            joined("start its program", said("reason"), message),
        ));
    }
    let restarts = status.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
    let what = if restarts > 0 {
        format!("its program has ended with exit code {code}, {} times", restarts + 1)
    } else {
        format!("its program has ended with exit code {code}")
    };
    let reason = if said("reason") == "Error" || said("reason") == "Completed" { "" } else { said("reason") };
    Some(Diagnosis::new(Cause::Ended, "run", joined(&what, reason, message)))
}

/// Why a Deployment or another set cannot make its pods: quota, admission, rights of its service account.
#[must_use]
pub fn diagnose_set(set: &Value) -> Option<Diagnosis> {
    let conditions = set.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    for condition in conditions {
        let said = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        if said("type") == "ReplicaFailure" && said("status") == "True" {
            let message = said("message");
            let cause = if message.contains("quota") || message.contains("maximum ") {
                Cause::Room
            } else {
                Cause::Entry
            };
            return Some(Diagnosis::new(cause, "create", joined("create its pod", said("reason"), message)));
        }
    }
    None
}

fn joined(what: &str, reason: &str, message: &str) -> String {
    let message = message.trim();
    match (reason.is_empty(), message.is_empty()) {
        (true, true) => what.to_owned(),
        (false, true) => format!("{what}: {reason}"),
        (true, false) => format!("{what}: {message}"),
        (false, false) => format!("{what}: {reason}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, diagnose_pod, diagnose_set};
    use serde_json::{Value, json};

    fn with(status: Value) -> Value {
        json!({ "metadata": { "name": "p" }, "status": status })
    }

    fn waiting(reason: &str, message: &str) -> Value {
        let state = json!({ "waiting": { "reason": reason, "message": message } });
        with(
            json!({ "phase": "Pending", "containerStatuses": [{ "name": "server", "image": "a/b:1", "state": state }] }),
        )
    }

    #[test]
    fn each_way_not_to_come_up_has_its_cause() {
        let cases = [
            (
                waiting("ErrImagePull", "not found"),
                Cause::Image,
                "pull",
                "pull image `a/b:1`: ErrImagePull: not found",
            ),
            (
                waiting("CreateContainerConfigError", "secret \"x\" not found"),
                Cause::Entry,
                "create",
                "create the container: CreateContainerConfigError: secret \"x\" not found",
            ),
            (
                with(json!({ "phase": "Failed", "reason": "Evicted", "message": "disk" })),
                Cause::TakenAway,
                "run",
                "the pod has failed: Evicted: disk",
            ),
            (
                with(json!({ "phase": "Pending", "conditions": [
                    { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes" }] })),
                Cause::Room,
                "schedule",
                "no node takes it: Unschedulable: 0/1 nodes",
            ),
            (
                with(json!({ "phase": "Failed", "containerStatuses": [
                    { "name": "server", "state": { "terminated": { "exitCode": 3, "reason": "Error" } } }] })),
                Cause::Ended,
                "run",
                "its program has ended with exit code 3",
            ),
            (
                with(json!({ "phase": "Running", "containerStatuses": [
                    { "name": "server", "restartCount": 2, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                      "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }] })),
                Cause::Entry,
                "run",
                "it was killed for want of memory: OOMKilled",
            ),
            (
                with(json!({ "phase": "Succeeded", "containerStatuses": [
                    { "name": "server", "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } }] })),
                Cause::Ended,
                "run",
                "its program has ended with exit code 0",
            ),
        ];
        for (pod, cause, step, text) in cases {
            let found = diagnose_pod(&pod).unwrap();
            assert_eq!((found.cause, found.step, found.text.as_str()), (cause, step, text));
        }
    }

    #[test]
    fn what_may_still_come_or_runs_is_not_hopeless() {
        let running = json!({ "phase": "Running", "containerStatuses": [
            { "name": "server", "restartCount": 1, "state": { "running": {} },
              "lastState": { "terminated": { "exitCode": 1 } } }] });
        let initialised = json!({ "phase": "Pending", "initContainerStatuses": [
            { "name": "copy", "state": { "terminated": { "exitCode": 0 } } }] });
        for status in [running, initialised, json!({ "phase": "Pending" })] {
            assert_eq!(diagnose_pod(&with(status)), None);
        }
        assert_eq!(diagnose_pod(&waiting("ContainerCreating", "")), None);
        assert_eq!(diagnose_pod(&waiting("PodInitializing", "")), None);
    }

    #[test]
    fn a_root_image_is_told_what_to_do() {
        let message = "container has runAsNonRoot and image will run as root";
        let found = diagnose_pod(&waiting("CreateContainerConfigError", message)).unwrap();
        assert!(found.hint.unwrap().contains("`user: \"1000\"`"));
    }

    #[test]
    fn a_set_that_may_not_make_pods_says_why() {
        let set = json!({ "status": { "conditions": [
            { "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q" }] } });
        let found = diagnose_set(&set).unwrap();
        assert_eq!(
            (found.cause, found.text.as_str()),
            (Cause::Room, "create its pod: FailedCreate: exceeded quota: q")
        );
    }
}
