//! Waiting for a task, and what its states and last words mean (`kubernetes-and-cloud-patterns.md` 13, steps 5 and 6).

use crate::aws::Api;
use crate::settings::Place;
use crate::task::CONTAINER;
use gateway_plugin::{Error, Host, Result, Wake};
use serde_json::{Value, json};
use std::time::Duration;

/// The first pause between two looks; each is half as long again.
const FIRST: Duration = Duration::from_millis(400);
/// The longest.
const LONGEST: Duration = Duration::from_secs(4);

/// Where a task is on its way.
#[derive(Debug, PartialEq)]
pub(crate) enum Stage {
    /// ECS does not know it, or not yet.
    Missing,
    /// On its way, in ECS' word.
    Coming(String),
    /// It runs.
    Running,
    /// On its way out.
    Going(String),
    /// It has ended, or has left its network.
    Gone,
}

/// Reads a task's state.
#[must_use]
pub(crate) fn stage(task: Option<&Value>) -> Stage {
    let Some(task) = task else { return Stage::Missing };
    let status = task.get("lastStatus").and_then(Value::as_str).unwrap_or_default();
    match status {
        "RUNNING" => Stage::Running,
        "DEACTIVATING" | "STOPPING" => Stage::Going(status.to_owned()),
        // Its containers have ended; what comes after is ECS' own housekeeping and takes a minute.
        "DEPROVISIONING" | "STOPPED" | "DELETED" => Stage::Gone,
        _ => Stage::Coming(status.to_owned()),
    }
}

/// Asks for a task once.
///
/// # Errors
/// As ECS says.
pub(crate) fn look(api: &Api<'_>, cluster: &str, arn: &str) -> Result<Option<Value>> {
    let request = json!({"cluster": cluster, "tasks": [arn], "include": ["TAGS"]});
    let answer = api.ask("DescribeTasks", &request)?;
    Ok(answer.pointer("/tasks/0").cloned())
}

/// The pauses of one wait.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    /// How long was paused in all.
    pub(crate) slept: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: FIRST, slept: Duration::ZERO }
    }
}

impl Pauses {
    /// Pauses. `what` is waited for.
    ///
    /// # Errors
    /// `cancelled`, or `timeout` when the call's own time is over.
    pub(crate) fn pause(&mut self, host: &Host, what: impl FnOnce() -> String) -> Result<()> {
        let pause = self.next;
        self.next = LONGEST.min(self.next + self.next / 2);
        self.slept += pause;
        match host.sleep(pause) {
            Wake::Elapsed => Ok(()),
            Wake::Cancelled => Err(Error::cancelled("wait for the task: nobody waits any more")),
            Wake::Deadline => Err(Error::timeout(what())),
        }
    }
}

/// Waits until a task runs.
///
/// # Errors
/// Why it has ended instead, or how far it came in the time there was.
pub(crate) fn running(host: &Host, api: &Api<'_>, place: &Place, arn: &str) -> Result<Value> {
    let mut pauses = Pauses::default();
    let mut shown = String::new();
    loop {
        let found = look(api, &place.cluster, arn)?;
        let word = match (stage(found.as_ref()), found) {
            (Stage::Running, Some(task)) => return Ok(task),
            (Stage::Gone | Stage::Going(_), Some(task)) => return Err(ended(&task)),
            // A task that was just taken may be unknown for a moment.
            (Stage::Missing, _) | (_, None) => "unknown".to_owned(),
            (Stage::Coming(word), _) => word,
        };
        if word != shown {
            host.progress(format!("task is {word}"));
            shown.clone_from(&word);
        }
        pauses.pause(host, || format!("wait for the task: it is still {word}")).map_err(|error| {
            error
                .step("wait")
                .hint("a large image takes long to pull; `--max-server-startup-timeout` gives it more time")
        })?;
    }
}

/// Whether everything of these tasks has ended.
///
/// # Errors
/// As ECS says.
pub(crate) fn all_gone(api: &Api<'_>, cluster: &str, arns: &[String]) -> Result<bool> {
    let answer = api.ask("DescribeTasks", &json!({"cluster": cluster, "tasks": arns}))?;
    match answer.get("tasks").and_then(Value::as_array) {
        Some(tasks) => Ok(tasks.iter().all(|task| stage(Some(task)) == Stage::Gone)),
        None => Err(Error::retryable("read an answer of ECS: it has no `tasks`")),
    }
}

/// The container of the server.
#[must_use]
pub(crate) fn container(task: &Value) -> Option<&Value> {
    let containers = task.get("containers")?.as_array()?;
    containers.iter().find(|container| container.get("name").and_then(Value::as_str) == Some(CONTAINER))
}

/// Why a task has ended that should run.
#[must_use]
pub(crate) fn ended(task: &Value) -> Error {
    let word = |value: Option<&Value>, key: &str| {
        value.and_then(|value| value.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let code = word(Some(task), "stopCode");
    let reason = word(Some(task), "stoppedReason");
    let containers = task.get("containers").and_then(Value::as_array).into_iter().flatten();
    let reasons: Vec<String> = containers.map(|container| word(Some(container), "reason")).collect();
    let all = format!("{reason} {}", reasons.join(" "));
    let exit = container(task).and_then(|container| container.get("exitCode")).and_then(Value::as_i64);
    let mut error = because(&code, &all, exit).step("start");
    for line in std::iter::once(&reason).chain(&reasons).filter(|line| !line.is_empty()) {
        error = error.detail(line.clone());
    }
    error
}

/// The words of ECS, from the most certain to the least.
fn because(code: &str, words: &str, exit: Option<i64>) -> Error {
    let has = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    let no_way = has(&[
        "i/o timeout",
        "dial tcp",
        "connection refused",
        "request canceled",
        "no such host",
        "timed out",
    ]);
    let secrets = has(&["unable to pull secrets", "retrieve secret", "secretsmanager"]);
    let denied =
        has(&["AccessDenied", "not authorized", "no basic auth", "is not authorized to perform", "denied"]);
    if has(&["OutOfMemory"]) {
        return Error::permanent("run the server: it had no memory left").hint("raise `memory` in its entry");
    }
    if secrets && no_way {
        return Error::config("start the task: it does not reach Secrets Manager").hint(
            "give its subnets NAT or a VPC endpoint for Secrets Manager, or set `assignPublicIp: true`",
        );
    }
    if secrets && denied {
        return Error::permission("start the task: its execution role may not read its secrets")
            .hint("allow the role of `executionRole` `secretsmanager:GetSecretValue` on `mcp-*` and on ARNs that you name");
    }
    if secrets {
        return Error::config("start the task: a secret cannot be fetched");
    }
    let pull =
        has(&["CannotPullContainer", "CannotPullImage", "pull image", "image manifest", "pull access"]);
    if pull && no_way {
        return Error::config("pull the image: the task does not reach the registry")
            .hint("give its subnets NAT or VPC endpoints for ECR and S3, or set `assignPublicIp: true`");
    }
    if pull && denied {
        return Error::permission("pull the image: the registry refuses")
            .hint("allow the role of `executionRole` to pull from ECR (`AmazonECSTaskExecutionRolePolicy`), or make the image public");
    }
    if pull {
        return Error::image("pull the image")
            .hint("correct the image of the server's entry; ECS pulls it under exactly that name");
    }
    if has(&["log group", "logger", "awslogs"]) {
        return Error::config("start the task: its log group cannot be used")
            .hint("allow the execution role `logs:CreateLogStream` and `logs:PutLogEvents`, or name another `logGroup`");
    }
    if has(&["exec format error", "image Manifest does not contain descriptor matching platform"]) {
        return Error::image("run the image: it is for another processor")
            .hint("set `architecture` in the settings of the plugin, or `platform` in the server's entry");
    }
    if has(&["CannotStartContainer", "CannotCreateContainer", "executable file not found"]) {
        return Error::image("start the container")
            .hint("compare the entry point and the command with what the image has");
    }
    if has(&["apacity is unavailable", "Timeout waiting for network interface"]) {
        return Error::quota("run the task: Fargate has no room there now");
    }
    match code {
        "SpotInterruption" | "TerminationNotice" | "InfrastructureHealth" | "ServiceSchedulerInitiated" => {
            Error::retryable("run the task: AWS has taken it away")
        }
        "UserInitiated" => Error::permanent("run the task: somebody has stopped it"),
        _ => match exit {
            Some(exit) => Error::permanent(format!("run the server: it ended with exit code {exit}"))
                .hint("look into the log group of its tasks"),
            None if code == "TaskFailedToStart" => Error::permanent("start the task"),
            None => Error::permanent("run the task: it has ended"),
        },
    }
}

/// The address of a task that runs.
///
/// # Errors
/// `retryable` while it has none; as EC2 says for the public one.
pub(crate) fn address(api: &Api<'_>, task: &Value, public: bool) -> Result<String> {
    if !public {
        return detail(task, "privateIPv4Address")
            .ok_or_else(|| Error::retryable("reach the task: it has no private address").step("address"));
    }
    let Some(interface) = detail(task, "networkInterfaceId") else {
        return Err(Error::retryable("reach the task: it has no network interface").step("address"));
    };
    let parameters = [("NetworkInterfaceId.1".to_owned(), interface)];
    let xml = api.query("DescribeNetworkInterfaces", &parameters)?;
    let found = crate::aws::elements(&xml, "publicIp").first().map(|text| (*text).to_owned());
    found.ok_or_else(|| {
        Error::config("reach the task: it has no public address")
            .step("address")
            .hint("its subnet gives none; take a public one, or leave `reach` away")
    })
}

/// A detail of the task's network interface.
fn detail(task: &Value, name: &str) -> Option<String> {
    let attachments = task.get("attachments")?.as_array()?;
    let interface = attachments.iter().find(|attachment| {
        attachment.get("type").and_then(Value::as_str) == Some("ElasticNetworkInterface")
    })?;
    let details = interface.get("details")?.as_array()?;
    let detail = details.iter().find(|detail| detail.get("name").and_then(Value::as_str) == Some(name))?;
    detail.get("value")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
