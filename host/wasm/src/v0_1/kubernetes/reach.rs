//! Ways to what runs: attach, exec, logs, tunnels.

use super::document::carries_secrets;
use super::own::{SHOWN, text};
use super::{Kubernetes, LOG, OUTPUT};
use crate::sanitize::line;
use crate::v0_1::imported::kubernetes::{Address, ExecResult, Target};
use crate::v0_1::types::{Failure, FailureCategory};
use host_provisioner::Streams;
use host_workload_kubernetes::{Attached, Ended, LogRequest, Tunnel};
use serde_json::Value;

impl Kubernetes<'_> {
    /// A pod of this call.
    async fn pod(&self, pod: &Target) -> Result<Value, Failure> {
        if pod.kind != "v1/Pod" {
            let text = format!("`{}` is no kind of pod", line(&pod.kind, SHOWN));
            return Err(self.refuse(FailureCategory::Config, text));
        }
        let kind = self.target(pod).await?;
        self.own(&kind, pod).await?.ok_or_else(|| self.not_there(pod))
    }

    /// The same, if something of it may be shown.
    async fn open(&self, pod: &Target, what: &str) -> Result<Value, Failure> {
        let found = self.pod(pod).await?;
        if carries_secrets(found.get("spec")) {
            return Err(self.denied(format!("{what} pod `{}`: it carries secrets", line(&pod.name, SHOWN))));
        }
        Ok(found)
    }

    pub(super) async fn attach(&self, pod: &Target, container: &str) -> Result<Streams, Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("attached"));
        }
        self.pod(pod).await?;
        let attached = self.cluster()?.attach(&pod.namespace, &pod.name, container).await;
        let attached = attached.map_err(|error| self.of_cluster(&error))?;
        Ok(streams(attached, format!("stdio of pod {}", pod.name)))
    }

    pub(super) async fn exec_attached(
        &self,
        pod: &Target,
        container: &str,
        words: &[String],
    ) -> Result<Streams, Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("run"));
        }
        self.open(pod, "run a program in").await?;
        let cluster = self.cluster()?;
        let attached = cluster.exec_attached(&pod.namespace, &pod.name, container, words, true).await;
        let attached = attached.map_err(|error| self.of_cluster(&error))?;
        Ok(streams(attached, format!("stdio of a program in pod {}", pod.name)))
    }

    pub(super) async fn exec(
        &self,
        pod: &Target,
        container: &str,
        words: &[String],
        limit: usize,
    ) -> Result<ExecResult, Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("run"));
        }
        self.open(pod, "run a program in").await?;
        let cluster = self.cluster()?;
        let ran = cluster.exec(&pod.namespace, &pod.name, container, words, None, limit.min(OUTPUT)).await;
        let ran = ran.map_err(|error| self.of_cluster(&error))?;
        match ran.ended {
            Ended::Exited(exit_code) => Ok(ExecResult { exit_code, stdout: ran.stdout, stderr: ran.stderr }),
            Ended::Lost => {
                Err(self
                    .refuse(FailureCategory::Retryable, "the cluster does not know how the program ended"))
            }
        }
    }

    pub(super) async fn log_tail(
        &self,
        pod: &Target,
        container: &str,
        lines: u32,
        previous: bool,
    ) -> Result<String, Failure> {
        self.open(pod, "read the output of").await?;
        let request = LogRequest { lines: lines.min(1000), bytes: LOG, previous };
        let text = self.cluster()?.log_tail(&pod.namespace, &pod.name, container, &request).await;
        text.map_err(|error| self.of_cluster(&error))
    }

    pub(super) async fn open_tunnel(&self, target: &Target, port: u16) -> Result<Tunnel, Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("opened"));
        }
        let pod = match target.kind.as_str() {
            "v1/Service" => self.behind(target).await?,
            _ => {
                self.pod(target).await?;
                target.name.clone()
            }
        };
        let tunnel = self.cluster()?.open_tunnel(&target.namespace, &pod, port).await;
        tunnel.map_err(|error| self.of_cluster(&error))
    }

    /// A pod of this call behind a Service of this call; one that is ready, if there is one.
    async fn behind(&self, service: &Target) -> Result<String, Failure> {
        let kind = self.target(service).await?;
        let found = self.own(&kind, service).await?.ok_or_else(|| self.not_there(service))?;
        let selector = found.pointer("/spec/selector").and_then(Value::as_object);
        let selector = selector.into_iter().flatten();
        let selector: Vec<String> =
            selector.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let nobody = || {
            let text = format!("no pod is behind the Service `{}`", line(&service.name, SHOWN));
            self.refuse(FailureCategory::Retryable, text)
        };
        if selector.is_empty() {
            return Err(nobody());
        }
        let cluster = self.cluster()?;
        let pods = cluster.kind("v1/Pod").await.map_err(|error| self.of_cluster(&error))?;
        let listed = cluster.list(&pods, &service.namespace, &selector.join(","), "", 100, None).await;
        let ready = host_workload_kubernetes::Test::IsTrue("Ready".to_owned());
        let mut best = None;
        for pod in listed.map_err(|error| self.of_cluster(&error))?.items {
            if !self.may_act(&pod).await? {
                continue;
            }
            let is_ready = host_workload_kubernetes::is_met(&ready, Some(&pod));
            if is_ready || best.is_none() {
                best = Some(text(&pod, "/metadata/name").to_owned());
            }
            if is_ready {
                break;
            }
        }
        best.ok_or_else(nobody)
    }

    pub(super) async fn service_address(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Result<Address, Failure> {
        let cluster = self.cluster()?;
        let config = cluster.config().await.map_err(|error| self.of_cluster(&error))?;
        if !config.inside {
            let text = "the gateway is not inside the cluster, so the address of a Service leads nowhere";
            return Err(self.refuse(FailureCategory::Unsupported, text));
        }
        let target =
            Target { kind: "v1/Service".to_owned(), namespace: namespace.to_owned(), name: name.to_owned() };
        let kind = self.target(&target).await?;
        self.own(&kind, &target).await?.ok_or_else(|| self.not_there(&target))?;
        Ok(Address { host: format!("{name}.{namespace}.svc"), port })
    }
}

fn streams(attached: Attached, label: String) -> Streams {
    Streams {
        label,
        stdin: Box::new(attached.stdin),
        stdout: Box::new(attached.stdout),
        stderr: Some(Box::new(attached.stderr)),
    }
}
