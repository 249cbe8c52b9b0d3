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

impl Host for CallState {
    async fn cluster(&mut self) -> Answer<ClusterInfo> {
        self.enter("kubernetes.cluster")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        Ok(Kubernetes(&self.scope).info().await)
    }

    async fn apply(&mut self, text: String) -> Answer<String> {
        self.enter("kubernetes.apply")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        document(&text)?;
        Kubernetes(&self.scope).apply(&text).await
    }

    async fn dry_run(&mut self, text: String) -> Answer<String> {
        self.enter("kubernetes.dry-run")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        document(&text)?;
        Ok(Kubernetes(&self.scope).dry_run(&text).await)
    }

    async fn get(&mut self, target: Target) -> Answer<Option<String>> {
        self.enter("kubernetes.get")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        target.bounded()?;
        Ok(Kubernetes(&self.scope).read(&target).await)
    }

    async fn enumerate(
        &mut self,
        kind: String,
        namespace: String,
        selector: String,
        page: Page,
    ) -> Answer<DocumentPage> {
        self.enter("kubernetes.enumerate")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        [&kind, &namespace, &selector].into_iter().try_for_each(Bounded::bounded)?;
        page.cursor.bounded()?;
        Ok(Kubernetes(&self.scope).enumerate(&kind, &namespace, &selector, page).await)
    }

    async fn remove(
        &mut self,
        target: Target,
        grace_seconds: Option<u32>,
        uid: Option<String>,
    ) -> Answer<()> {
        self.enter("kubernetes.remove")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        target.bounded()?;
        uid.bounded()?;
        Ok(Kubernetes(&self.scope).remove(&target, grace_seconds, uid).await)
    }

    async fn apply_secret(&mut self, text: String, entries: Vec<SecretEntry>) -> Answer<()> {
        self.enter("kubernetes.apply-secret")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        document(&text)?;
        crate::v0_1::bounds::list(&entries)?;
        for entry in &entries {
            entry.key.bounded()?;
            entry.server_ids.bounded()?;
        }
        Kubernetes(&self.scope).apply_secret(&text, entries).await
    }

    async fn secret_keys(&mut self, namespace: String, name: String) -> Answer<Option<Vec<String>>> {
        self.enter("kubernetes.secret-keys")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        namespace.bounded()?;
        name.bounded()?;
        Ok(Kubernetes(&self.scope).secret_keys(&namespace, &name).await)
    }

    async fn wait(&mut self, conditions: Vec<Condition>, timeout_ms: u32) -> Answer<Met> {
        self.enter("kubernetes.wait")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        crate::v0_1::bounds::list(&conditions)?;
        conditions.iter().try_for_each(|condition| condition.target.bounded())?;
        let time = Duration::from_millis(u64::from(timeout_ms)).min(self.remaining());
        Ok(Kubernetes(&self.scope).wait_for_one(&conditions, time).await)
    }

    async fn diagnose(&mut self, target: Target) -> Answer<Failure> {
        self.enter("kubernetes.diagnose")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        target.bounded()?;
        Ok(Kubernetes(&self.scope).diagnose(&target).await)
    }

    async fn attach(&mut self, pod: Target, container: String) -> Answer<Resource<Held>> {
        self.enter("kubernetes.attach")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        pod.bounded()?;
        container.bounded()?;
        match Kubernetes(&self.scope).attach(&pod, &container).await {
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
        self.enter("kubernetes.exec-attached")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        pod.bounded()?;
        container.bounded()?;
        words.bounded()?;
        match Kubernetes(&self.scope).exec_attached(&pod, &container, &words).await {
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
        self.enter("kubernetes.exec")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        pod.bounded()?;
        container.bounded()?;
        words.bounded()?;
        Ok(Kubernetes(&self.scope).exec(&pod, &container, &words, output_limit as usize).await)
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
        self.enter("kubernetes.run-pod")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        document(&text)?;
        container.bounded()?;
        let asked = run::Asked {
            document: &text,
            container: &container,
            output: &output,
            input,
            limit: output_limit as usize,
            time: Duration::from_millis(u64::from(timeout_ms)),
            remaining: self.remaining(),
        };
        match Kubernetes(&self.scope).run_pod(asked).await? {
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
        self.enter("kubernetes.log-tail")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        pod.bounded()?;
        container.bounded()?;
        Ok(Kubernetes(&self.scope).log_tail(&pod, &container, lines, previous).await)
    }

    async fn open_tunnel(&mut self, target: Target, port: u16) -> Answer<Tunnel> {
        self.enter("kubernetes.open-tunnel")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        target.bounded()?;
        match Kubernetes(&self.scope).open_tunnel(&target, port).await {
            Err(failure) => Ok(Err(failure)),
            Ok(tunnel) => Ok(Ok(self.scope.tunnels.add(tunnel))),
        }
    }

    async fn service_address(&mut self, namespace: String, name: String, port: u16) -> Answer<Address> {
        self.enter("kubernetes.service-address")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        namespace.bounded()?;
        name.bounded()?;
        let found = Kubernetes(&self.scope).service_address(&namespace, &name, port).await;
        if let Ok(address) = &found {
            self.scope.tunnels.hand_out(&address.host, address.port);
        }
        Ok(found)
    }

    async fn missing_rights(&mut self, rights: Vec<Right>) -> Answer<Vec<(Right, String)>> {
        self.enter("kubernetes.missing-rights")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        crate::v0_1::bounds::list(&rights)?;
        Ok(Kubernetes(&self.scope).missing_rights(rights).await)
    }

    async fn living_sessions(&mut self, namespace: String) -> Answer<Vec<String>> {
        self.enter("kubernetes.living-sessions")?;
        if let Some(failure) = self.disturbed().await {
            return Ok(Err(failure));
        }
        namespace.bounded()?;
        Ok(Kubernetes(&self.scope).living_sessions(&namespace).await)
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
