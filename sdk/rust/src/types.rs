//! The words of the contract, picked by hand out of what the generator writes, with the small helpers that plugins need.

pub use crate::generated::exports::gateway::provisioner::provisioner::{Description, Prepared, Refused};
pub use crate::generated::gateway::provisioner::types::{
    Access, Amount, Blueprint, ComponentWorkload, Context, Cost, Destination, Document, Egress, Extra,
    Failure, FailureCategory, FieldReport, File, Finding, Header, Health, Honoured, ImageWorkload, Label,
    Lease, Leftovers, Lifetime, Limits, Liveness, ManagedObject, ManagedPage, Mount, MountSource, Network,
    ObjectRef, Page, Part, Phase, Pin, Port, Protocol, PullPolicy, RegistryLogin, ReleaseReason, Resume,
    SecretName, SecretOwner, Server, ServerEndpoint, SettingRef, Severity, Signing, State, Status, Subject,
    SweepPage, ToolContainer, ToolEntry, Transport, Unenforced, Validation, Value, Variable, Workload,
    WorkloadKind,
};

impl Workload {
    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> WorkloadKind {
        match self {
            Self::Component(_) => WorkloadKind::Component,
            Self::Image(_) => WorkloadKind::Image,
            Self::Other(_) => WorkloadKind::Other,
        }
    }
}

impl ObjectRef {
    /// A thing on a platform; `scope` is empty where the platform has no such level.
    #[must_use]
    pub fn new(kind: impl Into<String>, scope: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), scope: scope.into(), name: name.into() }
    }
}

impl Health {
    /// Health without more to say than the status and the platform's words.
    #[must_use]
    pub fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), exit_code: None, failure: None, extras: Vec::new() }
    }
}

impl Document {
    /// A JSON document, laid out for a person.
    ///
    /// # Errors
    ///
    /// `permanent` if the value cannot be JSON, for example a map whose keys are no texts.
    pub fn json(title: impl Into<String>, value: &impl serde::Serialize) -> crate::Result<Self> {
        Ok(Self {
            title: title.into(),
            media_type: "application/json".to_owned(),
            text: serde_json::to_string_pretty(value)?,
        })
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            egress: Egress::Unrestricted,
            detached: false,
            names: Vec::new(),
            extra_hosts: Vec::new(),
            ports: Vec::new(),
        }
    }
}
