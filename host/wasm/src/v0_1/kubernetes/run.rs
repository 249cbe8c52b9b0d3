//! Pods that run to their end: a tool, with its streams apart and its real exit code.

use super::front::Front;
use super::own::{SHOWN, text};
use super::{Answer, Kubernetes, document};
use crate::sanitize::{self, line};
use crate::v0_1::connection::RunOutput;
use crate::v0_1::imported::kubernetes::{Condition, PodOutput, Target, Test};
use crate::v0_1::types::{Failure, FailureCategory, ObjectRef};
use host_provisioner::{Captured, Ending, ToolOutput};
use host_workload_kubernetes as cluster;
use host_workload_kubernetes::{Removal, RunEnd};
use serde_json::Value;
use std::time::Duration;

/// Bytes of each stream that are kept at most.
const MOST: usize = 16 << 20;
/// How long a pod must be hopeless before it counts.
const HOPELESS: u32 = 2_000;
/// Until a node has ended a pod.
const GONE: Duration = Duration::from_secs(10);
/// Until the cluster has noted how a container ended; it looks about once a second.
const NOTED: Duration = Duration::from_secs(5);
/// The signal of who is killed for want of memory, as an exit code.
const KILLED: i32 = 137;

/// What `run-pod` was asked for.
pub(super) struct Asked<'a> {
    pub(super) document: &'a str,
    pub(super) container: &'a str,
    pub(super) output: &'a PodOutput,
    pub(super) input: Option<Vec<u8>>,
    pub(super) limit: usize,
    pub(super) time: Duration,
    /// Left of the call.
    pub(super) remaining: Duration,
}

impl Kubernetes<'_> {
    pub(super) async fn run_pod(&self, asked: Asked<'_>) -> Answer<RunOutput> {
        let Some(record) = self.record.clone().filter(|_| self.may_create()) else {
            return Ok(Err(self.not_in_this_phase("run")));
        };
        let (kind, pod) = match self.tool(&asked).await {
            Ok(checked) => checked,
            Err(failure) => return Ok(Err(failure)),
        };
        let closed = document::carries_secrets(pod.get("spec"));
        let pod = match self.fronted("v1/Pod", pod, Front::Attached).await? {
            Ok(pod) => pod,
            Err(failure) => return Ok(Err(failure)),
        };
        let applied = match self.apply_checked(&record, &kind, pod).await? {
            Ok(applied) => applied,
            Err(failure) => return Ok(Err(failure)),
        };
        let target = Target {
            kind: kind.written(),
            namespace: text(&applied, "/metadata/namespace").to_owned(),
            name: text(&applied, "/metadata/name").to_owned(),
        };
        let ran = self.until_it_ends(&target, &asked).await;
        // What has ended is gone at once. What still runs is, when its node says so: until then it must stay shut in.
        let ended = matches!(&ran, Ok(ran) if ran.ending == Ending::Exited);
        let how = Removal { grace_seconds: Some(u32::from(!ended)), ..Removal::default() };
        let removed = match self.cluster() {
            Ok(cluster) => cluster.remove(&kind, &target.namespace, &target.name, &how).await.is_ok(),
            Err(_) => false,
        };
        let gone = [Condition { target: target.clone(), test: Test::Gone }];
        // If that fails, the ledger has it, and `stop` is called with it.
        let removed = removed && (ended || self.wait_for_one(&gone, GONE).await.is_ok());
        if removed {
            self.forget_noted(&target);
        }
        Ok(ran.map(|ran| RunOutput { label: format!("output of pod {}", target.name), ran, closed }))
    }

    /// The document, checked, of a pod that can be run so.
    async fn tool(&self, asked: &Asked<'_>) -> Result<(cluster::Kind, Value), Failure> {
        if !matches!(asked.output, PodOutput::Attached) {
            let text = "this gateway takes a tool's output by attaching, and not out of files";
            let hint = "ask for `attached`: it keeps the streams apart on every cluster, and needs no shell";
            return Err(self.refuse_with(FailureCategory::Unsupported, text, hint));
        }
        let (kind, pod) = self.checked(asked.document).await?;
        let config = |text: String| Err(self.refuse(FailureCategory::Config, text));
        if kind.written() != "v1/Pod" {
            return config(format!("a {} is not run to its end: that is for pods", line(&kind.kind, SHOWN)));
        }
        if text(&pod, "/spec/containers/0/name") != asked.container {
            return config(format!("the pod has no container `{}`", line(asked.container, SHOWN)));
        }
        if text(&pod, "/spec/restartPolicy") != "Never" {
            return config("a pod that runs to its end has `restartPolicy: Never`".to_owned());
        }
        Ok((kind, pod))
    }

    async fn until_it_ends(&self, pod: &Target, asked: &Asked<'_>) -> Result<ToolOutput, Failure> {
        let conditions = [
            Condition { target: pod.clone(), test: Test::IsTrue("Ready".to_owned()) },
            Condition { target: pod.clone(), test: Test::Hopeless(HOPELESS) },
        ];
        let met = self.wait_for_one(&conditions, asked.remaining).await?;
        if let Some(failure) = met.failure {
            return Err(failure);
        }
        let cluster = self.cluster()?;
        let input = asked.input.as_deref();
        let limit = asked.limit.min(MOST);
        let ran =
            cluster.run_attached(&pod.namespace, &pod.name, asked.container, input, limit, asked.time).await;
        let ran = ran.map_err(|error| self.of_cluster(&error))?;
        let (ending, exit_code) = match ran.end {
            RunEnd::Exited(KILLED) if self.out_of_memory(pod).await => (Ending::OutOfMemory, Some(KILLED)),
            RunEnd::Exited(code) => (Ending::Exited, Some(code)),
            RunEnd::TimedOut => (Ending::TimedOut, None),
            RunEnd::Lost if self.out_of_memory(pod).await => (Ending::OutOfMemory, Some(KILLED)),
            RunEnd::Lost => (Ending::Lost, None),
            RunEnd::NotStarted(why) => {
                let text = format!("start the program of pod `{}`: {}", pod.name, line(&why, sanitize::LINE));
                let mut failure = self.refuse(FailureCategory::Config, text);
                failure.step = Some("run".to_owned());
                failure.objects = vec![ObjectRef {
                    kind: pod.kind.clone(),
                    scope: pod.namespace.clone(),
                    name: pod.name.clone(),
                }];
                return Err(failure);
            }
        };
        let captured =
            |stream: cluster::Captured| Captured { bytes: stream.bytes, left_out: Some(stream.left_out) };
        let (stdout, stderr) = (captured(ran.stdout), captured(ran.stderr));
        Ok(ToolOutput { ending, exit_code, stdout, stderr, fields: Vec::new() })
    }

    /// Whether the cluster says that it was killed for want of memory. Waits until it says how it ended, or does not any more.
    async fn out_of_memory(&self, pod: &Target) -> bool {
        let at = "/status/containerStatuses/0/state/terminated/reason";
        let because = |reason: &str| Condition {
            target: pod.clone(),
            test: Test::Equals((at.to_owned(), Value::from(reason).to_string())),
        };
        let conditions = [
            because("OOMKilled"),
            because("Error"),
            because("Completed"),
            Condition { target: pod.clone(), test: Test::Gone },
        ];
        matches!(self.wait_for_one(&conditions, NOTED).await, Ok(met) if met.index == 0)
    }
}
