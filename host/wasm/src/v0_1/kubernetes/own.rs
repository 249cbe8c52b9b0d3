//! Whose an object is: by its labels, which the host sets and a plugin cannot; and which namespaces and kinds are granted.

use super::Kubernetes;
use crate::grants::KubernetesGrant;
use crate::ledger::{Liveness, Record};
use crate::sanitize::line;
use crate::v0_1::context::{self, Who};
use crate::v0_1::imported::kubernetes::Target;
use crate::v0_1::types::{Failure, FailureCategory, Label};
use host_provisioner::{ObjectRef, Phase};
use host_workload_kubernetes::{Cluster, Kind, session_id};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The labels of the contract (`context::labels`).
pub(super) const GATEWAY: &str = "gateway-id";
pub(super) const SESSION: &str = "gateway-session";
pub(super) const PLUGIN: &str = "gateway-plugin";
pub(super) const REQUEST: &str = "gateway-request";
pub(super) const SERVER: &str = "gateway-server";

/// The labels by which tools for Docker's gateway find its objects (`provisioning.md` 3.3).
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "mcp-gateway");
const INSTANCE: &str = "app.kubernetes.io/instance";
const SESSION_OF_ORIGINAL: &str = "mcp-gateway.docker.com/session";

/// Kind of the Leases that the host itself makes.
pub(super) const LEASE: &str = "coordination.k8s.io/v1/Lease";
/// Kind of the ConfigMaps that the host itself makes.
pub(super) const CONFIG_MAP: &str = "v1/ConfigMap";
/// Kind of Secrets.
pub(super) const SECRET: &str = "v1/Secret";

/// Bytes of a name in a refusal.
pub(super) const SHOWN: usize = 200;

/// The text at a pointer.
pub(super) fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// One label of an object.
pub(super) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/labels")?.get(key)?.as_str()
}

impl Kubernetes<'_> {
    pub(super) fn grant(&self) -> Result<KubernetesGrant, Failure> {
        // Without the grant the interface is not linked; this is for the reader.
        self.plugin.grants.kubernetes.clone().ok_or_else(|| self.denied("`kubernetes` is not granted"))
    }

    pub(super) fn cluster(&self) -> Result<Arc<Cluster>, Failure> {
        Ok(self.host.kubernetes.cluster(self.grant()?.context.as_deref()))
    }

    /// Namespaces that are granted.
    pub(super) async fn namespaces(&self) -> Result<Vec<String>, Failure> {
        let grant = self.grant()?;
        let mut namespaces = grant.namespaces;
        if grant.own_namespace {
            let cluster = self.cluster()?;
            let config = cluster.config().await.map_err(|error| self.of_cluster(&error))?;
            if !namespaces.contains(&config.namespace) {
                namespaces.push(config.namespace.clone());
            }
        }
        Ok(namespaces)
    }

    pub(super) async fn namespace_fits(&self, namespace: &str) -> Result<(), Failure> {
        if self.namespaces().await?.iter().any(|granted| granted == namespace) {
            return Ok(());
        }
        let plugin = &self.plugin.name;
        let shown = line(namespace, SHOWN);
        let text = format!("plugin `{plugin}` may do nothing in namespace `{shown}`");
        let hint = format!(
            "if you trust it with that, add `{shown}` to `plugins.{plugin}.grants.kubernetes.namespaces`"
        );
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
    }

    /// The kind, if it is granted and served. Leases and the ConfigMap of `front` are the host's own: they can be removed, and nothing else.
    pub(super) async fn kind(&self, written: &str) -> Result<Kind, Failure> {
        let granted = self.grant()?.kinds.iter().any(|kind| kind == written);
        let of_host = written == LEASE || written == CONFIG_MAP;
        let removes = of_host && !self.may_create() && self.may_remove();
        if !granted && !removes {
            let plugin = &self.plugin.name;
            let shown = line(written, SHOWN);
            let text = format!("plugin `{plugin}` may do nothing with objects of kind `{shown}`");
            let hint = format!(
                "if you trust it with that, add `{shown}` to `plugins.{plugin}.grants.kubernetes.kinds`"
            );
            return Err(self.refuse_with(FailureCategory::Permission, text, hint));
        }
        self.cluster()?.kind(written).await.map_err(|error| self.of_cluster(&error))
    }

    /// The kind of a target that may be looked at.
    pub(super) async fn target(&self, target: &Target) -> Result<Kind, Failure> {
        let kind = self.kind(&target.kind).await?;
        if !kind.namespaced {
            // What has no namespace belongs to everybody.
            return Err(
                self.denied(format!("objects of kind `{}` are in no namespace", line(&target.kind, SHOWN)))
            );
        }
        self.namespace_fits(&target.namespace).await?;
        Ok(kind)
    }

    /// The labels of what this call makes: the contract's, and the original's.
    pub(super) fn labels(&self, record: &Record, server: Option<&str>) -> Vec<(String, String)> {
        let config = &self.host.config;
        let who = Who {
            gateway: config.gateway.as_str(),
            session: config.session.as_str(),
            plugin: &self.plugin.name,
        };
        let request = if record.begin.request.is_empty() {
            context::short_id(&format!("{:016x}", record.begin.number))
        } else {
            record.begin.request.clone()
        };
        let session = session_id(config.session.as_str());
        let digest = self.plugin_digest().map(context::made_by);
        let own = context::labels(who, &request, server).into_iter().chain(digest);
        own.map(|Label { key, value }| (key, value))
            .chain([
                (MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned()),
                (INSTANCE.to_owned(), session.clone()),
                (SESSION_OF_ORIGINAL.to_owned(), session),
            ])
            .collect()
    }

    /// Puts the call's labels onto a document, in the place of any of their keys.
    pub(super) fn stamp(&self, metadata: &mut Value, labels: &[(String, String)]) {
        if !metadata.is_object() {
            *metadata = Value::Object(Map::new());
        }
        let Some(metadata) = metadata.as_object_mut() else { return };
        let own = metadata.entry("labels").or_insert_with(|| Value::Object(Map::new()));
        if !own.is_object() {
            *own = Value::Object(Map::new());
        }
        if let Some(own) = own.as_object_mut() {
            // Nobody else's labels of that kind either: they would be believed.
            own.retain(|key, _| !key.starts_with("gateway-"));
            for (key, value) in labels {
                own.insert(key.clone(), Value::from(value.as_str()));
            }
        }
    }

    /// What the objects of this session are watched by.
    pub(super) fn watched_by(&self) -> String {
        let session = match &self.record {
            Some(record) => record.begin.session.as_str(),
            None => self.host.config.session.as_str(),
        };
        format!("{SESSION}={session}")
    }

    /// Id of the server that this call acts for.
    pub(super) fn acts_for(&self) -> Option<&str> {
        match (&self.server, &self.record) {
            (Some(server), _) => Some(server.spec.id.as_str()),
            (None, Some(record)) if !record.begin.server_id.is_empty() => Some(&record.begin.server_id),
            _ => None,
        }
    }

    /// Whether this call may act on an object (`wit/v0.1/kubernetes.wit`, `wit/v0.1/lifecycle.wit` "What may be done when").
    pub(super) async fn may_act(&self, object: &Value) -> Result<bool, Failure> {
        let plugin = label(object, PLUGIN) == Some(context::label_value(&self.plugin.name).as_str());
        let managed = label(object, MANAGED_BY.0) == Some(MANAGED_BY.1);
        let Some(session) = label(object, SESSION).filter(|_| plugin && managed) else { return Ok(false) };
        if self.phase == Phase::Sweep {
            return self.is_dead(object, session).await;
        }
        let config = &self.host.config;
        if label(object, GATEWAY) != Some(config.gateway.as_str()) {
            return Ok(false);
        }
        // A lease that was taken over from a dead run keeps that run's name.
        let of_session = match &self.record {
            Some(record) => record.begin.session == session,
            None => session == config.session.as_str(),
        };
        let of_server = match self.acts_for() {
            Some(id) => label(object, SERVER) == Some(context::label_value(id).as_str()),
            None => label(object, SERVER).is_none() || !self.may_remove(),
        };
        Ok(of_session && of_server)
    }

    /// Whether a session is known to be dead: by this machine's ledgers, or because its Lease was not renewed. Of any gateway.
    pub(super) async fn is_dead(&self, object: &Value, session: &str) -> Result<bool, Failure> {
        match self.host.ledger.liveness(session) {
            Liveness::Dead => return Ok(true),
            Liveness::Alive | Liveness::ThisSession => return Ok(false),
            Liveness::Unknown => {}
        }
        let namespace = text(object, "/metadata/namespace");
        let living = self.living_sessions(namespace).await?;
        Ok(!living.iter().any(|alive| alive == session))
    }

    /// An object of this call; `None` if it is not there, a refusal if it is somebody else's.
    pub(super) async fn own(&self, kind: &Kind, target: &Target) -> Result<Option<Value>, Failure> {
        let found = self.cluster()?.get(kind, &target.namespace, &target.name).await;
        match found.map_err(|error| self.of_cluster(&error))? {
            None => Ok(None),
            Some(object) if self.may_act(&object).await? => Ok(Some(object)),
            Some(_) => {
                let name = line(&target.name, SHOWN);
                Err(self.denied(format!("{} `{name}` is not one of this call", kind.kind)))
            }
        }
    }

    pub(super) fn not_there(&self, target: &Target) -> Failure {
        let text = format!("there is no {} `{}`", line(&target.kind, SHOWN), line(&target.name, SHOWN));
        self.refuse(FailureCategory::NotFound, text)
    }

    /// Notes that an object is about to be created, on disk: the cluster keeps it when this process ends.
    pub(super) async fn note(
        &self,
        record: &Arc<Record>,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let object = reference(kind, namespace, name);
        let noted = self.host.ledger.object(record, object, false);
        self.durable(noted).await
    }

    /// Takes an object out of the ledger that is not there (any more). At worst it is removed once more.
    pub(super) fn forget_noted(&self, target: &Target) {
        let Some(record) = &self.record else { return };
        let object = reference(&target.kind, &target.namespace, &target.name);
        if let Err(error) = self.host.ledger.forget(record, &object, false) {
            tracing::warn!(%error, "the ledger could not be brought up to date");
        }
    }
}

fn reference(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind: kind.to_owned(), scope: namespace.to_owned(), name: name.to_owned() }
}
