//! What the host functions do once they have been entered: ask whether it may be, then ask the cluster.

use super::document::{shown, template_of};
use super::own::{CONFIG_MAP, LEASE, SECRET, SHOWN, label, text};
use super::{Answer, Kubernetes, PAGE};
use crate::ledger::Record;
use crate::sanitize::line;
use crate::v0_1::imported::kubernetes::{DocumentPage, Right, Target};
use crate::v0_1::types::{Failure, FailureCategory, Page};
use host_workload_kubernetes as cluster;
use host_workload_kubernetes::{ErrorKind, Kind, Removal, session_id};
use serde_json::Value;
use std::sync::Arc;

impl Kubernetes<'_> {
    pub(super) async fn apply(&self, document: &str) -> Answer<String> {
        let Some(record) = self.record.clone().filter(|_| self.may_create()) else {
            return Ok(Err(self.not_in_this_phase("applied")));
        };
        let (kind, mut document) = match self.checked(document).await {
            Ok(checked) => checked,
            Err(failure) => return Ok(Err(failure)),
        };
        match self.front_of(&kind.written(), &document) {
            Ok(None) => {}
            Ok(Some(front)) => match self.fronted(&kind.written(), document, front).await? {
                Ok(fronted) => document = fronted,
                Err(failure) => return Ok(Err(failure)),
            },
            Err(failure) => return Ok(Err(failure)),
        }
        self.apply_checked(&record, &kind, document)
            .await
            .map(|applied| applied.map(|object| shown(object).to_string()))
    }

    /// A document that may be applied.
    pub(super) async fn checked(&self, document: &str) -> Result<(Kind, Value), Failure> {
        let (kind, document) = self.parsed(document).await?;
        if kind.written() == SECRET {
            return Err(self.refuse_with(
                FailureCategory::Permission,
                "a Secret is not applied as a document",
                "use `apply-secret`, where the host fills the values in",
            ));
        }
        self.document_fits(&kind, &document)?;
        self.images_trusted(&kind, &document).await?;
        Ok((kind, document))
    }

    /// The operator's policy allows every image of it.
    async fn images_trusted(&self, kind: &Kind, document: &Value) -> Result<(), Failure> {
        let spec = template_of(&kind.written()).and_then(|at| document.pointer(&format!("{at}/spec")));
        for key in ["initContainers", "containers"] {
            let containers = spec.and_then(|spec| spec.get(key)).and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                self.image_trusted(text(container, "/image"), None).await?;
            }
        }
        Ok(())
    }

    /// Applies what was checked, with the labels of the call.
    pub(super) async fn apply_checked(
        &self,
        record: &Arc<Record>,
        kind: &Kind,
        mut document: Value,
    ) -> wasmtime::Result<Result<Value, Failure>> {
        self.label(record, kind, &mut document);
        let namespace = text(&document, "/metadata/namespace").to_owned();
        let name = text(&document, "/metadata/name").to_owned();
        self.keep_lease(&namespace).await?;
        // *Invariant:* noted before it is created.
        if let Err(failure) = self.note(record, &kind.written(), &namespace, &name).await? {
            return Ok(Err(failure));
        }
        Ok(self.create_or_update(kind, document).await)
    }

    /// Puts the labels of the call onto a document and the pods that come of it.
    fn label(&self, record: &Record, kind: &Kind, document: &mut Value) {
        let labels = self.labels(record, self.acts_for());
        if let Some(metadata) = document.get_mut("metadata") {
            self.stamp(metadata, &labels);
        }
        if let Some(at) = template_of(&kind.written()).filter(|at| !at.is_empty())
            && let Some(Value::Object(template)) = document.pointer_mut(at)
        {
            self.stamp(template.entry("metadata").or_insert(Value::Null), &labels);
        }
    }

    /// Created if it is not there, which is nearly always; else changed, if it is ours.
    async fn create_or_update(&self, kind: &Kind, mut document: Value) -> Result<Value, Failure> {
        let cluster = self.cluster()?;
        let failed = |error| self.of_cluster(&error);
        let (namespace, name) = (text(&document, "/metadata/namespace"), text(&document, "/metadata/name"));
        if document.pointer("/metadata/resourceVersion").is_none() {
            match cluster.create(kind, &document, false).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                created => return created.map_err(failed),
            }
        }
        let Some(found) = cluster.get(kind, namespace, name).await.map_err(failed)? else {
            let text = format!("{} `{name}` was there and is gone", kind.kind);
            return Err(self.refuse(FailureCategory::Retryable, text));
        };
        let own = self.may_act(&found).await?;
        if !own && !self.is_left(&found).await {
            // It was noted before it was tried; what is somebody else's is not ours to take away.
            let (kind_name, namespace, name) = (kind.written(), namespace.to_owned(), name.to_owned());
            self.forget_noted(&Target { kind: kind_name, namespace, name });
            return Err(self.taken(kind, &found));
        }
        // A pod cannot be changed; that of this request is the one that a lost answer was about.
        if own && kind.written() == "v1/Pod" && self.is_of_request(&found) {
            return Ok(found);
        }
        let version = text(&found, "/metadata/resourceVersion").to_owned();
        if let Some(metadata) = document.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.entry("resourceVersion").or_insert_with(|| Value::from(version));
        }
        cluster.apply(kind, &document, false).await.map_err(failed)
    }

    /// Whether an object is one of ours that its session left behind.
    pub(super) async fn is_left(&self, object: &Value) -> bool {
        let managed = label(object, super::own::MANAGED_BY.0) == Some(super::own::MANAGED_BY.1);
        let Some(session) = label(object, "gateway-session").filter(|_| managed) else { return false };
        self.is_dead(object, session).await.unwrap_or(false)
    }

    /// `provisioning.md` 3.12, ownership.
    pub(super) fn taken(&self, kind: &Kind, object: &Value) -> Failure {
        let owner = match label(object, "mcp-gateway.docker.com/session") {
            Some(session) => format!("session {}", line(session, 60)),
            None => "somebody else".to_owned(),
        };
        let text = format!(
            "{} `{}` in namespace `{}` belongs to {owner}",
            kind.kind,
            line(text(object, "/metadata/name"), SHOWN),
            line(text(object, "/metadata/namespace"), SHOWN)
        );
        let hint = "choose another name for it in the plugin's settings (of the bundled one: `--cluster-secret-name`)";
        self.refuse_with(FailureCategory::Conflict, text, hint)
    }

    pub(super) async fn dry_run(&self, document: &str) -> Result<String, Failure> {
        let (kind, mut document) = self.checked(document).await?;
        if let Some(record) = &self.record {
            self.label(record, &kind, &mut document);
        }
        let stored = self.cluster()?.create(&kind, &document, true).await;
        stored.map(|object| shown(object).to_string()).map_err(|error| self.of_cluster(&error))
    }

    pub(super) async fn read(&self, target: &Target) -> Result<Option<String>, Failure> {
        let kind = self.target(target).await?;
        let found = self.cluster()?.get(&kind, &target.namespace, &target.name).await;
        let found = found.map_err(|error| self.of_cluster(&error))?;
        Ok(found.map(|object| shown(object).to_string()))
    }

    pub(super) async fn enumerate(
        &self,
        kind: &str,
        namespace: &str,
        selector: &str,
        page: Page,
    ) -> Result<DocumentPage, Failure> {
        let kind = self.kind(kind).await?;
        let granted = self.namespaces().await?;
        // All that are granted, one after the other; the cursor says which, and where in it.
        let (at, inner) = match page.cursor.as_deref().and_then(|cursor| cursor.split_once(' ')) {
            Some((at, inner)) => {
                (at.parse::<usize>().unwrap_or(0), Some(inner.to_owned()).filter(|i| !i.is_empty()))
            }
            None => (0, None),
        };
        let namespaces = if namespace.is_empty() {
            granted
        } else {
            self.namespace_fits(namespace).await?;
            vec![namespace.to_owned()]
        };
        let Some(here) = namespaces.get(at) else {
            return Ok(DocumentPage { documents: Vec::new(), cursor: None });
        };
        let limit = page.limit.clamp(1, PAGE);
        let found = self.cluster()?.list(&kind, here, selector, "", limit, inner.as_deref()).await;
        let found = found.map_err(|error| self.of_cluster(&error))?;
        let next = match found.cursor {
            Some(inner) => Some(format!("{at} {inner}")),
            None => (at + 1 < namespaces.len()).then(|| format!("{} ", at + 1)),
        };
        let documents = found.items.into_iter().map(|object| shown(object).to_string()).collect();
        Ok(DocumentPage { documents, cursor: next })
    }

    pub(super) async fn remove(
        &self,
        target: &Target,
        grace_seconds: Option<u32>,
        uid: Option<String>,
    ) -> Result<(), Failure> {
        if !self.may_remove() {
            return Err(self.not_in_this_phase("removed"));
        }
        let kind = self.target(target).await?;
        if let Some(found) = self.own(&kind, target).await? {
            if target.kind == LEASE {
                self.drop_lease(&target.namespace).await?;
            }
            if target.kind == CONFIG_MAP {
                self.forget_bridge(&target.namespace).await;
            }
            let now = text(&found, "/metadata/uid").to_owned();
            let same = uid.is_none_or(|uid| uid == now);
            if same {
                // Of what keeps pods, nothing is left when it is gone.
                let dependents_first = template_of(&target.kind).is_some_and(|at| !at.is_empty());
                let how = Removal { grace_seconds, uid: Some(now), dependents_first };
                let removed = self.cluster()?.remove(&kind, &target.namespace, &target.name, &how).await;
                removed.map_err(|error| self.of_cluster(&error))?;
            }
        }
        if target.kind == SECRET {
            self.host.kubernetes.forget(&target.namespace, &target.name);
        }
        self.forget_noted(target);
        Ok(())
    }

    pub(super) async fn missing_rights(&self, rights: Vec<Right>) -> Result<Vec<(Right, String)>, Failure> {
        let cluster = self.cluster()?;
        let mut asked = Vec::with_capacity(rights.len());
        for right in rights {
            if !right.namespace.is_empty() {
                self.namespace_fits(&right.namespace).await?;
            }
            let wanted = cluster::Right {
                verb: right.verb.clone(),
                group: right.group.clone(),
                plural: right.plural.clone(),
                subresource: right.subresource.clone(),
                namespace: right.namespace.clone(),
                name: right.name.clone(),
            };
            let cluster = Arc::clone(&cluster);
            let may = tokio::spawn(async move { (cluster.may(&wanted).await, wanted) });
            asked.push((right, may));
        }
        let mut missing = Vec::new();
        for (right, may) in asked {
            let (may, wanted) =
                may.await.map_err(|_| self.refuse(FailureCategory::Retryable, "the gateway is ending"))?;
            if !may.map_err(|error| self.of_cluster(&error))? {
                missing.push((right, wanted.advice()));
            }
        }
        Ok(missing)
    }

    pub(super) async fn living_sessions(&self, namespace: &str) -> Result<Vec<String>, Failure> {
        self.namespace_fits(namespace).await?;
        let selector = format!("{}={}", super::own::MANAGED_BY.0, super::own::MANAGED_BY.1);
        let leases = self.cluster()?.living_sessions(namespace, &selector).await;
        let leases = leases.map_err(|error| self.of_cluster(&error))?;
        let session = |lease: &Value| label(lease, "gateway-session").map(str::to_owned);
        Ok(leases.iter().filter_map(|(_, lease)| session(lease)).collect())
    }

    /// Shows that this session lives, before anything of it is in a namespace. Without the right one goes on without, and says so once.
    pub(super) async fn keep_lease(&self, namespace: &str) -> wasmtime::Result<()> {
        let (Ok(cluster), Ok(grant)) = (self.cluster(), self.grant()) else { return Ok(()) };
        let mut leases = self.host.kubernetes.leases.lock().await;
        let at = (grant.context, namespace.to_owned());
        if leases.contains_key(&at) {
            return Ok(());
        }
        let session = session_id(self.host.config.session.as_str());
        // For the whole run: `shutdown` removes it, also after a crash.
        let Some(record) = self.host.plugin(&self.plugin.name).map(|plugin| plugin.shared_record()) else {
            return Ok(());
        };
        let labels = self.labels(&record, None);
        if self.note(&record, LEASE, namespace, &session).await?.is_err() {
            return Ok(());
        }
        let holder = format!("gateway {} process {}", self.host.config.gateway.as_str(), std::process::id());
        match cluster.keep_lease(namespace, &session, &labels, &holder).await {
            Ok(lease) => {
                tracing::info!(namespace, "gateway session ID: {session}");
                leases.insert(at, Some(lease));
            }
            Err(error) if error.is_denied() => {
                tracing::warn!(
                    "no Lease shows that this session lives, so others may take it for dead: {error}"
                );
                leases.insert(at, None);
            }
            // The next one tries again.
            Err(error) => tracing::debug!(error = error.text, "no Lease yet"),
        }
        Ok(())
    }

    async fn drop_lease(&self, namespace: &str) -> Result<(), Failure> {
        let at = (self.grant()?.context, namespace.to_owned());
        self.host.kubernetes.leases.lock().await.remove(&at);
        Ok(())
    }
}
