//! States and last words of tasks, as AWS writes them.

use super::{Stage, detail, ended, stage};
use gateway_plugin::FailureCategory::{self, Config, Image, Permanent, Permission, Quota, Retryable};
use serde_json::{Value, json};

fn task(code: &str, reason: &str, container: &str, exit: Option<i32>) -> Value {
    let mut server = json!({"name": "server", "reason": container});
    if let (Some(exit), Some(object)) = (exit, server.as_object_mut()) {
        object.insert("exitCode".to_owned(), exit.into());
    }
    json!({"lastStatus": "STOPPED", "stopCode": code, "stoppedReason": reason, "containers": [server]})
}

#[test]
fn states_are_told_apart() {
    for (status, expected) in [
        ("PROVISIONING", Stage::Coming("PROVISIONING".to_owned())),
        ("PENDING", Stage::Coming("PENDING".to_owned())),
        ("RUNNING", Stage::Running),
        ("STOPPING", Stage::Going("STOPPING".to_owned())),
        ("DEPROVISIONING", Stage::Gone),
        ("STOPPED", Stage::Gone),
    ] {
        assert_eq!(stage(Some(&json!({"lastStatus": status}))), expected);
    }
    assert_eq!(stage(None), Stage::Missing);
}

/// Stop code, reason of the task and of its container, exit code; what that is, and a part of what is said.
type Words = (&'static str, &'static str, &'static str, Option<i32>, FailureCategory, &'static str);

#[test]
fn last_words_are_told_apart_with_a_way_out() {
    let cases: [Words; 13] = [
        (
            "TaskFailedToStart",
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/x/y:1: not found",
            "",
            None,
            Image,
            "pull the image",
        ),
        (
            "TaskFailedToStart",
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): dial tcp 1.2.3.4:443: i/o timeout",
            "",
            None,
            Config,
            "pull the image: the task does not reach the registry",
        ),
        (
            "TaskFailedToStart",
            "CannotPullECRContainerError: AccessDeniedException: User is not authorized to perform: ecr:GetAuthorizationToken: CannotPullContainer",
            "",
            None,
            Permission,
            "pull the image: the registry refuses",
        ),
        (
            "TaskFailedToStart",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: AccessDeniedException",
            "",
            None,
            Permission,
            "start the task: its execution role may not read its secrets",
        ),
        (
            "TaskFailedToStart",
            "ResourceInitializationError: unable to pull secrets or registry auth: dial tcp 10.0.0.1:443: i/o timeout",
            "",
            None,
            Config,
            "start the task: it does not reach Secrets Manager",
        ),
        (
            "TaskFailedToStart",
            "ResourceInitializationError: failed to validate logger args: The specified log group does not exist.",
            "",
            None,
            Config,
            "start the task: its log group cannot be used",
        ),
        (
            "EssentialContainerExited",
            "Essential container in task exited",
            "OutOfMemoryError: Container killed due to memory usage",
            Some(137),
            Permanent,
            "run the server: it had no memory left",
        ),
        (
            "EssentialContainerExited",
            "Essential container in task exited",
            "",
            Some(3),
            Permanent,
            "run the server: it ended with exit code 3",
        ),
        (
            "EssentialContainerExited",
            "Essential container in task exited",
            "CannotStartContainerError: exec: \"nothing\": executable file not found in $PATH",
            None,
            Image,
            "start the container",
        ),
        (
            "EssentialContainerExited",
            "exec /server: exec format error",
            "",
            None,
            Image,
            "run the image: it is for another processor",
        ),
        (
            "SpotInterruption",
            "Your Spot Task was interrupted.",
            "",
            None,
            Retryable,
            "run the task: AWS has taken it away",
        ),
        (
            "UserInitiated",
            "Task stopped by user",
            "",
            Some(143),
            Permanent,
            "run the task: somebody has stopped it",
        ),
        (
            "TaskFailedToStart",
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
            "",
            None,
            Quota,
            "run the task: Fargate has no room there now",
        ),
    ];
    for (code, reason, container, exit, category, text) in cases {
        let error = ended(&task(code, reason, container, exit));
        assert_eq!((error.category(), error.to_string().as_str()), (category, text), "{reason} {container}");
        assert_eq!(
            error.failure().details.first().map(String::as_str),
            Some(reason),
            "AWS' own words are shown"
        );
    }
    assert_eq!(ended(&json!({})).to_string(), "run the task: it has ended", "a double says nothing at all");
}

#[test]
fn the_address_is_that_of_the_network_interface() {
    let task = json!({"attachments": [
        {"type": "Other", "details": [{"name": "privateIPv4Address", "value": "1.1.1.1"}]},
        {"type": "ElasticNetworkInterface", "details": [
            {"name": "networkInterfaceId", "value": "eni-1"}, {"name": "privateIPv4Address", "value": "10.0.3.17"},
        ]},
    ]});
    assert_eq!(detail(&task, "privateIPv4Address").as_deref(), Some("10.0.3.17"));
    assert_eq!(detail(&task, "networkInterfaceId").as_deref(), Some("eni-1"));
    assert_eq!(detail(&json!({}), "privateIPv4Address"), None, "it has none yet");
}
