//! Ways to what runs: attach, exec, logs, tunnels.

use super::document::carries_secrets;
use super::own::{GATEWAY, PLUGIN, SESSION, SHOWN, label, text};
use super::{Kubernetes, LOG, OUTPUT};
use crate::sanitize::line;
use crate::v0_1::imported::kubernetes::{Address, ExecResult, Target};
use crate::v0_1::types::{Failure, FailureCategory};
use host_provisioner::Streams;
use host_workload_kubernetes::{Attached, Ended, LogRequest, Tunnel};
use serde_json::Value;
use std::collections::BTreeMap;

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
        let cluster = self.cluster()?;
        let tunnel = match target.kind.as_str() {
            "v1/Service" => {
                let labels = self.behind(target, "/spec/selector").await?;
                cluster.open_tunnel_to_ready(&target.namespace, labels, &self.watched_by(), port).await
            }
            "apps/v1/Deployment" => {
                let labels = self.behind(target, "/spec/selector/matchLabels").await?;
                cluster.open_tunnel_to_ready(&target.namespace, labels, &self.watched_by(), port).await
            }
            _ => {
                self.pod(target).await?;
                cluster.open_tunnel(&target.namespace, &target.name, port).await
            }
        };
        tunnel.map_err(|error| self.of_cluster(&error))
    }

    /// The labels of the pods behind an object of this call, whose selector is at `at`. Only pods of the same session are: the host gives these labels.
    async fn behind(&self, object: &Target, at: &str) -> Result<BTreeMap<String, String>, Failure> {
        let kind = self.target(object).await?;
        let found = self.own(&kind, object).await?.ok_or_else(|| self.not_there(object))?;
        let selector = found.pointer(at).and_then(Value::as_object).filter(|selector| !selector.is_empty());
        let Some(selector) = selector else {
            let text = format!("no pod is behind the {} `{}`", kind.kind, line(&object.name, SHOWN));
            return Err(self.refuse(FailureCategory::Config, text));
        };
        let own = [GATEWAY, SESSION, PLUGIN].into_iter();
        let own = own.map(|key| (key.to_owned(), label(&found, key).unwrap_or_default().to_owned()));
        let selector =
            selector.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
        Ok(selector.chain(own).collect())
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
        let service = self.own(&kind, &target).await?.ok_or_else(|| self.not_there(&target))?;
        // The address itself, which lives as long as the Service: a name could lead anywhere inside, so it is not trusted to lead to what is not public.
        match text(&service, "/spec/clusterIP") {
            "" | "None" => {
                let text = format!("the Service `{}` has no address of its own", line(name, SHOWN));
                Err(self.refuse(FailureCategory::Unsupported, text))
            }
            address => Ok(Address { host: address.to_owned(), port }),
        }
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
