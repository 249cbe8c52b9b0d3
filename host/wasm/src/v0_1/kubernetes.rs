//! `kubernetes`: objects in a cluster. What may be asked for is checked in `check`, whose an object is in `own`; here it is done.

mod act;
mod check;
mod document;
mod front;
mod own;
mod pull;
mod reach;
mod records;
mod run;
mod secret;
mod state;
mod wait;

pub(crate) use check::key;
pub(crate) use state::{KubernetesState, Tunnels};

use crate::limits;
use crate::sanitize;
use crate::state::{CallState, Scope};
use crate::v0_1::bounds::Bounded;
use crate::v0_1::connection::{Held, RunOutput};
use crate::v0_1::imported::kubernetes::{
    Address, ClusterInfo, Condition, DocumentPage, ExecResult, Host, Met, PodOutput, Right, SecretEntry,
    Target, Tunnel,
};
use crate::v0_1::types::{Failure, FailureCategory, Page};
use host_provisioner as provisioner;
use host_workload_kubernetes as cluster;
use host_workload_kubernetes::{Error, ErrorKind};
use std::ops::Deref;
use std::time::Duration;
use wasmtime::component::Resource;

/// Bytes of a document (`wit/v0.1/kubernetes.wit`).
const DOCUMENT: usize = 1 << 20;
/// Bytes of a log that a plugin is given.
const LOG: usize = 64 << 10;
/// Bytes of output of a program inside a container.
const OUTPUT: usize = 1 << 20;
/// Entries of a page.
const PAGE: u32 = 500;
/// Time that is kept for telling a plugin that the cluster does not answer.
const NOTICE: Duration = Duration::from_millis(250);

/// One call, as it acts on the cluster.
#[derive(Clone, Copy)]
struct Kubernetes<'a>(&'a Scope);

impl Deref for Kubernetes<'_> {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        self.0
    }
}

/// What an answer of the cluster becomes.
type Answer<T> = wasmtime::Result<Result<T, Failure>>;

fn document(text: &str) -> Result<(), limits::Met> {
    if text.len() > DOCUMENT { Err(limits::Met::Fixed("bytes of a document", DOCUMENT)) } else { Ok(()) }
}

impl CallState {
    /// Begins a function of the cluster and does its work. Requests are given up in time for the plugin to hear who did not answer.
    async fn on_cluster<'s, T, W>(
        &'s mut self,
        function: &'static str,
        work: impl FnOnce(Kubernetes<'s>) -> W,
    ) -> Answer<T>
    where
        W: Future<Output = Answer<T>>,
    {
        self.enter(function)?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        let ends = self.ends.checked_sub(NOTICE).unwrap_or(self.ends);
        cluster::within(ends, work(Kubernetes(&self.scope))).await
    }
}

impl Host for CallState {
    async fn cluster(&mut self) -> Answer<ClusterInfo> {
        self.on_cluster("kubernetes.cluster", |cluster| async move { Ok(cluster.info().await) }).await
    }

    async fn apply(&mut self, text: String) -> Answer<String> {
        self.on_cluster("kubernetes.apply", |cluster| async move {
            document(&text)?;
            cluster.apply(&text).await
        })
        .await
    }

    async fn dry_run(&mut self, text: String) -> Answer<String> {
        self.on_cluster("kubernetes.dry-run", |cluster| async move {
            document(&text)?;
            Ok(cluster.dry_run(&text).await)
        })
        .await
    }

    async fn get(&mut self, target: Target) -> Answer<Option<String>> {
        self.on_cluster("kubernetes.get", |cluster| async move {
            target.bounded()?;
            Ok(cluster.read(&target).await)
        })
        .await
    }

    async fn enumerate(
        &mut self,
        kind: String,
        namespace: String,
        selector: String,
        page: Page,
    ) -> Answer<DocumentPage> {
        self.on_cluster("kubernetes.enumerate", |cluster| async move {
            [&kind, &namespace, &selector].into_iter().try_for_each(Bounded::bounded)?;
            page.cursor.bounded()?;
            Ok(cluster.enumerate(&kind, &namespace, &selector, page).await)
        })
        .await
    }

    async fn remove(
        &mut self,
        target: Target,
        grace_seconds: Option<u32>,
        uid: Option<String>,
    ) -> Answer<()> {
        self.on_cluster("kubernetes.remove", |cluster| async move {
            target.bounded()?;
            uid.bounded()?;
            Ok(cluster.remove(&target, grace_seconds, uid).await)
        })
        .await
    }

    async fn apply_secret(&mut self, text: String, entries: Vec<SecretEntry>) -> Answer<()> {
        self.on_cluster("kubernetes.apply-secret", |cluster| async move {
            document(&text)?;
            crate::v0_1::bounds::list(&entries)?;
            for entry in &entries {
                entry.key.bounded()?;
                entry.server_ids.bounded()?;
            }
            cluster.apply_secret(&text, entries).await
        })
        .await
    }

    async fn secret_keys(&mut self, namespace: String, name: String) -> Answer<Option<Vec<String>>> {
        self.on_cluster("kubernetes.secret-keys", |cluster| async move {
            namespace.bounded()?;
            name.bounded()?;
            Ok(cluster.secret_keys(&namespace, &name).await)
        })
        .await
    }

    async fn wait(&mut self, conditions: Vec<Condition>, timeout_ms: u32) -> Answer<Met> {
        let time = Duration::from_millis(u64::from(timeout_ms)).min(self.remaining());
        self.on_cluster("kubernetes.wait", |cluster| async move {
            crate::v0_1::bounds::list(&conditions)?;
            conditions.iter().try_for_each(|condition| condition.target.bounded())?;
            Ok(cluster.wait_for_one(&conditions, time).await)
        })
        .await
    }

    async fn diagnose(&mut self, target: Target) -> Answer<Failure> {
        self.on_cluster("kubernetes.diagnose", |cluster| async move {
            target.bounded()?;
            Ok(cluster.diagnose(&target).await)
        })
        .await
    }

    async fn attach(&mut self, pod: Target, container: String) -> Answer<Resource<Held>> {
        let attached = self.on_cluster("kubernetes.attach", |cluster| async move {
            pod.bounded()?;
            container.bounded()?;
            Ok(cluster.attach(&pod, &container).await)
        });
        match attached.await? {
            Err(failure) => Ok(Err(failure)),
            Ok(streams) => Ok(Ok(self.push(Held(provisioner::Connection::Streams(streams)))?)),
        }
    }

    async fn exec_attached(
        &mut self,
        pod: Target,
        container: String,
        words: Vec<String>,
    ) -> Answer<Resource<Held>> {
        let attached = self.on_cluster("kubernetes.exec-attached", |cluster| async move {
            pod.bounded()?;
            container.bounded()?;
            words.bounded()?;
            Ok(cluster.exec_attached(&pod, &container, &words).await)
        });
        match attached.await? {
            Err(failure) => Ok(Err(failure)),
            Ok(streams) => Ok(Ok(self.push(Held(provisioner::Connection::Streams(streams)))?)),
        }
    }

    async fn exec(
        &mut self,
        pod: Target,
        container: String,
        words: Vec<String>,
        output_limit: u32,
    ) -> Answer<ExecResult> {
        self.on_cluster("kubernetes.exec", |cluster| async move {
            pod.bounded()?;
            container.bounded()?;
            words.bounded()?;
            Ok(cluster.exec(&pod, &container, &words, output_limit as usize).await)
        })
        .await
    }

    async fn run_pod(
        &mut self,
        text: String,
        container: String,
        output: PodOutput,
        input: Option<Vec<u8>>,
        output_limit: u32,
        timeout_ms: u32,
    ) -> Answer<Resource<RunOutput>> {
        let remaining = self.remaining();
        let ran = self.on_cluster("kubernetes.run-pod", |cluster| async move {
            document(&text)?;
            container.bounded()?;
            let asked = run::Asked {
                document: &text,
                container: &container,
                output: &output,
                input,
                limit: output_limit as usize,
                time: Duration::from_millis(u64::from(timeout_ms)),
                remaining,
            };
            cluster.run_pod(asked).await
        });
        match ran.await? {
            Err(failure) => Ok(Err(failure)),
            Ok(output) => Ok(Ok(self.push(output)?)),
        }
    }

    async fn log_tail(
        &mut self,
        pod: Target,
        container: String,
        lines: u32,
        previous: bool,
    ) -> Answer<String> {
        self.on_cluster("kubernetes.log-tail", |cluster| async move {
            pod.bounded()?;
            container.bounded()?;
            Ok(cluster.log_tail(&pod, &container, lines, previous).await)
        })
        .await
    }

    async fn open_tunnel(&mut self, target: Target, port: u16) -> Answer<Tunnel> {
        self.on_cluster("kubernetes.open-tunnel", |cluster| async move {
            target.bounded()?;
            let tunnel = cluster.open_tunnel(&target, port).await;
            Ok(tunnel.map(|tunnel| cluster.tunnels.add(tunnel)))
        })
        .await
    }

    async fn service_address(&mut self, namespace: String, name: String, port: u16) -> Answer<Address> {
        self.on_cluster("kubernetes.service-address", |cluster| async move {
            namespace.bounded()?;
            name.bounded()?;
            let found = cluster.service_address(&namespace, &name, port).await;
            if let Ok(address) = &found {
                cluster.tunnels.hand_out(&address.host, address.port);
            }
            Ok(found)
        })
        .await
    }

    async fn missing_rights(&mut self, rights: Vec<Right>) -> Answer<Vec<(Right, String)>> {
        self.on_cluster("kubernetes.missing-rights", |cluster| async move {
            crate::v0_1::bounds::list(&rights)?;
            Ok(cluster.missing_rights(rights).await)
        })
        .await
    }

    async fn living_sessions(&mut self, namespace: String) -> Answer<Vec<String>> {
        self.on_cluster("kubernetes.living-sessions", |cluster| async move {
            namespace.bounded()?;
            Ok(cluster.living_sessions(&namespace).await)
        })
        .await
    }
}

impl Kubernetes<'_> {
    /// An error of the cluster's, as the contract has it.
    fn of_cluster(&self, error: &Error) -> Failure {
        let category = match error.kind {
            ErrorKind::Unreachable => FailureCategory::Retryable,
            ErrorKind::Denied => FailureCategory::Permission,
            ErrorKind::NotFound => FailureCategory::NotFound,
            ErrorKind::Conflict => FailureCategory::Conflict,
            ErrorKind::Specification => FailureCategory::Config,
            ErrorKind::Quota => FailureCategory::Quota,
            ErrorKind::Unsupported => FailureCategory::Unsupported,
            ErrorKind::Cluster => FailureCategory::Permanent,
        };
        // The cluster's words are data too.
        let text = sanitize::line(&error.text, sanitize::LINE);
        Failure { hint: error.hint.clone(), ..self.refuse(category, text) }
    }

    fn denied(&self, text: impl Into<String>) -> Failure {
        self.refuse(FailureCategory::Permission, text)
    }

    fn not_in_this_phase(&self, what: &str) -> Failure {
        self.denied(format!("nothing is {what} in `{}`", self.phase.as_str()))
    }
}

impl Bounded for Target {
    fn bounded(&self) -> Result<(), limits::Met> {
        self.kind.bounded()?;
        self.namespace.bounded()?;
        self.name.bounded()
    }
}
