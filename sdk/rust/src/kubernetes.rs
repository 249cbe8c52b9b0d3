//! A Kubernetes cluster, and the image registries that a plugin for one must ask. Grants: `kubernetes`, `registry`.
//!
//! Documents are JSON texts in the API's own form. Secret objects can be made and referred to, never read.

use crate::Result;
use crate::connection::{Connection, RunOutput};
use crate::host::{Host, millis, side};
use crate::types::{Failure, Page, RegistryLogin};
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::generated::gateway::provisioner::{kubernetes as real, registry};

pub use crate::generated::gateway::provisioner::kubernetes::{
    Address, ClusterInfo, Condition, DocumentPage, ExecResult, Met, OutputFiles, OwnPod, PodOutput, Right,
    SecretContent, SecretEntry, Target, Test, Tunnel,
};
pub use crate::generated::gateway::provisioner::registry::ImageConfig;

impl Target {
    /// An object by kind (`v1/Pod`), namespace (empty for a kind without namespaces) and name.
    #[must_use]
    pub fn new(kind: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// See [`Host::kubernetes`].
#[derive(Debug, Clone, Copy)]
pub struct Kubernetes<'a> {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only the fake side is an object"))]
    pub(crate) host: &'a Host,
}

/// Every function fails with `retryable` when the cluster does not answer, and with `permission` outside the grant or without the right.
impl Kubernetes<'_> {
    /// What cluster it is.
    pub fn cluster(&self) -> Result<ClusterInfo> {
        side!(real => Ok(real::cluster()?), fake => self.host.fake.kubernetes_cluster())
    }

    /// Server-side apply; the object as stored. `conflict` with another field manager.
    pub fn apply(&self, document: &str) -> Result<String> {
        side!(real => Ok(real::apply(document)?), fake => self.host.fake.kubernetes_apply(document))
    }

    /// What the API server would store, without storing it.
    pub fn dry_run(&self, document: &str) -> Result<String> {
        side!(real => Ok(real::dry_run(document)?), fake => self.host.fake.kubernetes_dry_run(document))
    }

    /// Absent when it does not exist.
    pub fn get(&self, target: &Target) -> Result<Option<String>> {
        side!(real => Ok(real::get(target)?), fake => self.host.fake.kubernetes_get(target))
    }

    /// By kind, namespace (empty: all that are granted) and label selector. Objects of other owners can be seen, not changed.
    pub fn enumerate(
        &self,
        kind: &str,
        namespace: &str,
        selector: &str,
        page: &Page,
    ) -> Result<DocumentPage> {
        side!(
            real => Ok(real::enumerate(kind, namespace, selector, page)?),
            fake => self.host.fake.kubernetes_enumerate(kind, namespace, selector, page),
        )
    }

    /// Succeeds when it is not there. Waits for nothing; use [`Kubernetes::wait`] with `gone`. With `uid`, only if it is still that object.
    pub fn remove(&self, target: &Target, grace: Option<Duration>, uid: Option<&str>) -> Result<()> {
        let grace = grace.map(|grace| u32::try_from(grace.as_secs()).unwrap_or(u32::MAX));
        side!(
            real => Ok(real::remove(target, grace, uid)?),
            fake => self.host.fake.kubernetes_remove(target, grace, uid),
        )
    }

    /// Makes or updates a Secret of this session from a document without data; the host fills the values in.
    pub fn apply_secret(&self, document: &str, entries: &[SecretEntry]) -> Result<()> {
        side!(
            real => Ok(real::apply_secret(document, entries)?),
            fake => self.host.fake.kubernetes_apply_secret(document, entries),
        )
    }

    /// Names of the entries of a Secret that a document may refer to. Absent when it does not exist; `permission` when the credentials may not
    /// read it, which says nothing about the pod.
    pub fn secret_keys(&self, namespace: &str, name: &str) -> Result<Option<Vec<String>>> {
        side!(
            real => Ok(real::secret_keys(namespace, name)?),
            fake => self.host.fake.kubernetes_secret_keys(namespace, name),
        )
    }

    /// Waits for the first of several conditions. `timeout` when none came in time.
    pub fn wait(&self, conditions: &[Condition], timeout: Duration) -> Result<Met> {
        side!(
            real => Ok(real::wait(conditions, millis(timeout))?),
            fake => self.host.fake.kubernetes_wait(conditions, millis(timeout)),
        )
    }

    /// Why an object is not well, as far as the cluster knows.
    pub fn diagnose(&self, target: &Target) -> Result<Failure> {
        side!(real => Ok(real::diagnose(target)?), fake => self.host.fake.kubernetes_diagnose(target))
    }

    /// Standard streams of a container of a running pod of the server of this call.
    pub fn attach(&self, pod: &Target, container: &str) -> Result<Connection> {
        side!(
            real => Ok(real::attach(pod, container)?.into()),
            fake => self.host.fake.kubernetes_attach(pod, container),
        )
    }

    /// Starts a program in a container and connects its standard streams. `permission` where the container carries secrets.
    pub fn exec_attached(&self, pod: &Target, container: &str, arguments: &[String]) -> Result<Connection> {
        side!(
            real => Ok(real::exec_attached(pod, container, arguments)?.into()),
            fake => self.host.fake.kubernetes_exec_attached(pod, container, arguments),
        )
    }

    /// Runs a program inside. `permission` where the container carries secrets.
    pub fn exec(
        &self,
        pod: &Target,
        container: &str,
        arguments: &[String],
        output_limit: u32,
    ) -> Result<ExecResult> {
        side!(
            real => Ok(real::exec(pod, container, arguments, output_limit)?),
            fake => self.host.fake.kubernetes_exec(pod, container, arguments, output_limit),
        )
    }

    /// Applies this pod, gives it the input, waits for its end, takes its output and removes it. Being killed at the time limit is a
    /// result.
    pub fn run_pod(
        &self,
        document: &str,
        container: &str,
        output: &PodOutput,
        input: Option<&[u8]>,
        output_limit: u32,
        timeout: Duration,
    ) -> Result<RunOutput> {
        side!(
            real => Ok(real::run_pod(document, container, output, input, output_limit, millis(timeout))?.into()),
            fake => {
                self.host.fake.kubernetes_run_pod(document, container, output, input, output_limit, millis(timeout))
            },
        )
    }

    /// The end of a container's log. `permission` where the container carries secrets.
    pub fn log_tail(&self, pod: &Target, container: &str, lines: u32, previous: bool) -> Result<String> {
        side!(
            real => Ok(real::log_tail(pod, container, lines, previous)?),
            fake => self.host.fake.kubernetes_log_tail(pod, container, lines, previous),
        )
    }

    /// A way from the gateway to a port of a pod or Service by port-forward.
    pub fn open_tunnel(&self, target: &Target, port: u16) -> Result<Tunnel> {
        side!(
            real => Ok(real::open_tunnel(target, port)?),
            fake => self.host.fake.kubernetes_open_tunnel(target, port),
        )
    }

    /// The address of a Service as seen from the gateway, when the gateway runs inside.
    pub fn service_address(&self, namespace: &str, name: &str, port: u16) -> Result<Address> {
        side!(
            real => Ok(real::service_address(namespace, name, port)?),
            fake => self.host.fake.kubernetes_service_address(namespace, name, port),
        )
    }

    /// Which of these rights are missing, with the rule for a Role, as YAML, that would give each.
    pub fn missing_rights(&self, rights: &[Right]) -> Result<Vec<(Right, String)>> {
        side!(
            real => Ok(real::missing_rights(rights)?),
            fake => self.host.fake.kubernetes_missing_rights(rights),
        )
    }

    /// The sessions whose Lease shows that they live. The host keeps this session's own.
    pub fn living_sessions(&self, namespace: &str) -> Result<Vec<String>> {
        side!(
            real => Ok(real::living_sessions(namespace)?),
            fake => self.host.fake.kubernetes_living_sessions(namespace),
        )
    }
}

/// See [`Host::registry`].
#[derive(Debug, Clone, Copy)]
pub struct Registry<'a> {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only the fake side is an object"))]
    pub(crate) host: &'a Host,
}

impl Registry<'_> {
    /// Resolves a reference and reads the image's configuration for a platform such as `linux/amd64`.
    ///
    /// # Errors
    ///
    /// `image` if it does not exist, `permission` if the registry refuses.
    pub fn image(
        &self,
        reference: &str,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
    ) -> Result<ImageConfig> {
        side!(
            real => Ok(registry::image(reference, platform, login)?),
            fake => self.host.fake.registry_image(reference, platform, login),
        )
    }
}
