//! What the fake gateway knows: the call, the ledger, the secrets, and the platforms.

use super::FakeHost;
use super::docker::Engine as DockerEngine;
use super::embedded::Engine;
use super::http::Web;
use super::kubernetes::Cluster;
use crate::connection::Ending;
use crate::host::{Level, Update, Wake};
use crate::secrets::{Reference, SecretInfo};
use crate::types::{
    Context, File, Header, Liveness, Mount, ObjectRef, Part, SecretName, SecretOwner, Server, State,
    ToolContainer, Variable,
};
use crate::{Error, Result, value};
use std::collections::{BTreeMap, BTreeSet};

/// Where a test ends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) at: usize,
    pub(crate) before: bool,
}

/// A connection that closes itself in the fake gateway when it is dropped.
#[derive(Debug)]
pub(crate) struct Handle {
    host: FakeHost,
    id: u32,
    label: String,
}

impl Handle {
    pub(super) fn new(host: FakeHost, id: u32, label: String) -> Self {
        Self { host, id, label }
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.host.close(self.id);
    }
}

/// What a container that ran has left.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) label: String,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) truncated: bool,
    pub(crate) ending: Ending,
    pub(crate) exit_code: Option<i32>,
}

impl Output {
    /// Keeps the beginning of each stream, as the contract says.
    pub(super) fn limited(mut self, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.truncated = self.stdout.len() > limit || self.stderr.len() > limit;
        self.stdout.truncate(limit);
        self.stderr.truncate(limit);
        self
    }
}

/// The values of whom the call is for, as far as the rules of the contract speak of them.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) environment: Vec<Variable>,
    pub(super) files: Vec<File>,
    pub(super) headers: Vec<Header>,
    pub(super) mounts: Vec<Mount>,
    pub(super) network: crate::types::Network,
    pub(super) workload: crate::types::Workload,
    pub(super) secrets: Vec<String>,
}

impl From<&Server> for Subject {
    fn from(server: &Server) -> Self {
        use crate::types::Transport::{Sse, StreamableHttp};
        let headers = match &server.transport {
            StreamableHttp(endpoint) | Sse(endpoint) => endpoint.headers.clone(),
            _ => Vec::new(),
        };
        Self {
            environment: server.environment.clone(),
            files: server.files.clone(),
            headers,
            mounts: server.mounts.clone(),
            network: server.network.clone(),
            workload: server.workload.clone(),
            secrets: server.secrets.clone(),
        }
    }
}

impl From<&ToolContainer> for Subject {
    fn from(tool: &ToolContainer) -> Self {
        Self {
            environment: tool.environment.clone(),
            files: tool.files.clone(),
            headers: Vec::new(),
            mounts: tool.mounts.clone(),
            network: tool.network.clone(),
            workload: tool.workload.clone(),
            secrets: tool.secrets.clone(),
        }
    }
}

pub(super) struct World {
    pub(super) calls: Vec<String>,
    pub(super) failures: BTreeMap<usize, Error>,
    pub(super) cut: Option<Cut>,
    pub(super) cancelled: bool,
    pub(super) remaining_ms: u32,
    pub(super) settings: String,
    pub(super) context: Context,
    pub(super) subject: Option<Subject>,
    /// Secrets of the servers that `prepare` is about; empty in other calls.
    pub(super) prepared_secrets: Vec<String>,
    pub(super) plugin_secrets: BTreeSet<String>,
    pub(super) generated: BTreeSet<String>,
    pub(super) references: BTreeMap<String, Reference>,
    pub(super) sessions: BTreeMap<String, Liveness>,
    pub(super) state: Option<State>,
    pub(super) ledger: Vec<ObjectRef>,
    pub(super) connections: BTreeMap<u32, String>,
    pub(super) progress: Vec<Update>,
    pub(super) log: Vec<(Level, String)>,
    pub(super) embedded: Engine,
    pub(super) docker: DockerEngine,
    pub(super) kubernetes: Cluster,
    pub(super) http: Web,
    next: u32,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            calls: Vec::new(),
            failures: BTreeMap::new(),
            cut: None,
            cancelled: false,
            remaining_ms: 60_000,
            settings: "{}".to_owned(),
            context: super::context(),
            subject: None,
            prepared_secrets: Vec::new(),
            plugin_secrets: BTreeSet::new(),
            generated: BTreeSet::new(),
            references: BTreeMap::new(),
            sessions: BTreeMap::new(),
            state: None,
            ledger: Vec::new(),
            connections: BTreeMap::new(),
            progress: Vec::new(),
            log: Vec::new(),
            embedded: Engine::default(),
            docker: DockerEngine::default(),
            kubernetes: Cluster::default(),
            http: Web::default(),
            next: 0,
        }
    }

    pub(super) fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub(super) fn record(&mut self, object: ObjectRef) {
        if !self.ledger.contains(&object) {
            self.ledger.push(object);
        }
    }

    pub(super) fn forget(&mut self, object: &ObjectRef) {
        self.ledger.retain(|recorded| recorded != object);
    }

    pub(super) fn left(&self) -> Vec<ObjectRef> {
        let mut left = self.embedded.left();
        left.extend(self.docker.left());
        left.extend(self.kubernetes.left());
        left.extend(self.http.left());
        left
    }

    /// Time passes only here and in waits, so a test never waits itself.
    pub(super) fn sleep(&mut self, ms: u32) -> Wake {
        if self.cancelled {
            return Wake::Cancelled;
        }
        let usable = self.remaining_ms.saturating_sub(1000);
        self.remaining_ms -= ms.min(usable);
        if ms > usable { Wake::Deadline } else { Wake::Elapsed }
    }

    pub(super) fn lookup(&self, secret: &SecretName) -> Result<SecretInfo> {
        let name = &secret.name;
        let known = match secret.owner {
            SecretOwner::Server => {
                let own = self.subject.as_ref().is_some_and(|subject| subject.secrets.contains(name));
                own || self.prepared_secrets.contains(name)
            }
            SecretOwner::Plugin => self.plugin_secrets.contains(name),
            SecretOwner::Generated => self.generated.contains(name),
        };
        if !known {
            return Err(Error::config(format!("find secret `{name}`: nobody declares it")));
        }
        let reference = self.references.get(name).cloned();
        let available = reference.is_none();
        let revision = available.then(|| "r1".to_owned());
        Ok(SecretInfo { secret: secret.clone(), available, reference, revision })
    }

    pub(super) fn carries_secrets(&self) -> bool {
        self.subject.as_ref().is_some_and(|subject| !subject.secrets.is_empty())
    }

    /// *Invariant of the contract:* a value with a server's secret is one of the server's own values, unchanged.
    pub(super) fn check_environment(&self, environment: &[Variable]) -> Result<()> {
        environment.iter().try_for_each(|variable| {
            self.check_value("variable", &variable.name, &variable.value, |subject| {
                subject.environment.contains(variable)
            })
        })
    }

    /// *Invariant of the contract:* a workload that carries a server's secret has the entry's own variables and no others.
    pub(super) fn check_unchanged(&self, environment: &[Variable]) -> Result<()> {
        let carries =
            |variable: &Variable| value::secrets(&variable.value).any(|s| s.owner == SecretOwner::Server);
        let own =
            |variable: &&Variable| self.subject.as_ref().is_some_and(|s| s.environment.contains(variable));
        match environment.iter().find(|variable| !own(variable)) {
            Some(added) if environment.iter().any(carries) => Err(Error::permission(format!(
                "set variable `{}` of a server that carries secrets: its entry does not",
                added.name
            ))),
            _ => Ok(()),
        }
    }

    /// As for variables.
    pub(super) fn check_files(&self, files: &[File]) -> Result<()> {
        files.iter().try_for_each(|file| {
            self.check_value("file", &file.path, &file.content, |subject| {
                subject.files.iter().any(|own| own.path == file.path && own.content == file.content)
            })
        })
    }

    /// Headers of a connection or request: the host adds the server's own, so the plugin may name only its own secrets.
    pub(super) fn check_plugin_value(&self, what: &str, name: &str, parts: &[Part]) -> Result<()> {
        self.check_value(what, name, parts, |subject| {
            subject.headers.iter().any(|own| own.name == name && own.value == parts)
        })
    }

    fn check_value(
        &self,
        what: &str,
        name: &str,
        parts: &[Part],
        own: impl Fn(&Subject) -> bool,
    ) -> Result<()> {
        for secret in value::secrets(parts) {
            self.lookup(secret)?;
            if secret.owner == SecretOwner::Server && !self.subject.as_ref().is_some_and(&own) {
                return Err(Error::permission(format!(
                    "put secret `{}` into {what} `{name}`: the server's entry does not",
                    secret.name
                )));
            }
        }
        Ok(())
    }

    /// Each mount is one of the server's, with the same or less access.
    pub(super) fn check_mounts(&self, mounts: &[Mount]) -> Result<()> {
        use crate::types::Access::{ReadOnly, ReadWrite};
        let own = self.subject.as_ref().map(|subject| subject.mounts.as_slice()).unwrap_or_default();
        for mount in mounts {
            let allowed = own.iter().any(|own| {
                own.source == mount.source
                    && own.target == mount.target
                    && (own.access == ReadWrite || mount.access == ReadOnly)
            });
            if !allowed {
                return Err(Error::permission(format!(
                    "mount `{}`: the server's entry does not",
                    mount.target
                )));
            }
        }
        Ok(())
    }
}
