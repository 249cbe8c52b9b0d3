//! `secrets`: what can be known about a secret without knowing it.

use crate::generated::{MOST, NotGenerated};
use crate::sanitize;
use crate::state::{CallState, Scope};
use crate::v0_1::imported::secrets::{self, Host, SecretInfo};
use crate::v0_1::types::{Failure, FailureCategory, SecretName, SecretOwner};
use host_provisioner::ServerSpec;
use host_resolver::{Reference, SecretError};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of the name of a generated secret.
const NAME: usize = 128;

impl Host for CallState {
    async fn lookup(&mut self, secret: SecretName) -> wasmtime::Result<Result<SecretInfo, Failure>> {
        self.enter("secrets.lookup")?;
        let config = FailureCategory::Config;
        let scope = match (secret.owner, &secret.server_id, &self.scope.server) {
            (SecretOwner::Plugin, None, _) if self.scope.plugin.grants.secrets.contains(&secret.name) => {
                format!("plugin:{}", self.scope.plugin.name)
            }
            (SecretOwner::Plugin, _, _) => {
                let name = sanitize::line(&secret.name, 128);
                let text = format!("secret `{name}` is not granted to plugin `{}`", self.scope.plugin.name);
                let hint = format!("name it in `plugins.{}.grants.secrets`", self.scope.plugin.name);
                return Ok(Err(self.scope.refuse_with(config, text, hint)));
            }
            (SecretOwner::Server, None, Some(server)) => server.spec.id.as_str().to_owned(),
            (SecretOwner::Server, Some(id), Some(server)) if *id == server.spec.id.as_str() => id.clone(),
            (SecretOwner::Server, Some(id), None) if self.scope.prepares(id) => id.clone(),
            (SecretOwner::Server, Some(id), _) => {
                let text = format!("server `{}` is not the server of this call", sanitize::line(id, 64));
                return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
            }
            (SecretOwner::Server, None, None) => {
                return Ok(Err(self.scope.refuse(config, "this call is for no server, so it must be named")));
            }
            (SecretOwner::Generated, _, _) => {
                return Ok(Err(self
                    .scope
                    .refuse(config, "nothing is to be found out about a generated secret")));
            }
        };
        if secret.owner == SecretOwner::Server
            && let Some(found) = self.scope.in_cluster(&scope, &secret).await
        {
            return Ok(found);
        }
        let host = Arc::clone(&self.scope.host);
        let name = secret.name.clone();
        // It may read a file.
        let info = tokio::task::spawn_blocking(move || host.config.resolver.info(&scope, &name)).await?;
        Ok(match info {
            Ok(info) => {
                let revision = Some(info.revision).filter(|revision| !revision.is_empty());
                let reference = info.reference.map(|Reference { provider, id }| reference(provider, id));
                Ok(SecretInfo { secret, available: revision.is_some(), reference, revision })
            }
            Err(error @ (SecretError::NotDeclared { .. } | SecretError::Missing { .. })) => {
                Err(self.scope.refuse(config, sanitize::line(&error.to_string(), sanitize::LINE)))
            }
            Err(error) => {
                let text = sanitize::line(&error.to_string(), sanitize::LINE);
                Err(self.scope.refuse(FailureCategory::Retryable, text))
            }
        })
    }

    fn generate(&mut self, name: String) -> wasmtime::Result<Result<SecretName, Failure>> {
        self.enter("secrets.generate")?;
        let record = match &self.scope.record {
            Some(record) if self.scope.may_create() => Arc::clone(record),
            _ => {
                let text = format!("no secret is generated in `{}`", self.scope.phase.as_str());
                return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
            }
        };
        if name.is_empty() || name.len() > NAME {
            let text = format!("the name of a generated secret has 1 to {NAME} bytes");
            return Ok(Err(self.scope.refuse(FailureCategory::Config, text)));
        }
        Ok(match record.generated.make(&name) {
            Ok(()) => Ok(SecretName { owner: SecretOwner::Generated, server_id: None, name }),
            Err(NotGenerated::Full) => {
                let text = format!("one lease has at most {MOST} generated secrets");
                Err(self.scope.refuse(FailureCategory::Quota, text))
            }
            Err(NotGenerated::NoRandom) => {
                let text = "the system gives no random numbers";
                Err(self.scope.refuse(FailureCategory::Retryable, text))
            }
        })
    }
}

/// Where the platform finds a secret by itself.
const IN_CLUSTER: &str = "kubernetes-secret";
fn reference(provider: String, id: String) -> secrets::Reference {
    secrets::Reference { provider, id }
}

impl Scope {
    /// A declared secret of a server, where only the cluster has the values. `None` where they are looked up here.
    async fn in_cluster(&self, server: &str, secret: &SecretName) -> Option<Result<SecretInfo, Failure>> {
        let grant = self.plugin.grants.kubernetes.as_ref()?;
        let holder = grant.cluster_secret.as_ref()?;
        let spec = self.spec_of_call(server)?;
        if !spec.secrets.contains(&secret.name) {
            let name = sanitize::line(&secret.name, 128);
            let text = format!(
                "secret `{name}` is not declared by server `{server}`: name it under `secrets` of its entry"
            );
            return Some(Err(self.refuse(FailureCategory::Config, text)));
        }
        let namespace = match self.host.kubernetes.cluster(grant.context.as_deref()).config().await {
            Ok(config) => config.namespace.clone(),
            Err(error) => {
                return Some(Err(
                    self.refuse(FailureCategory::Config, sanitize::line(&error.text, sanitize::LINE))
                ));
            }
        };
        let id = format!("{namespace}/{holder}/{}", crate::v0_1::kubernetes::key(&secret.name));
        let reference = Some(reference(IN_CLUSTER.to_owned(), id));
        Some(Ok(SecretInfo { secret: secret.clone(), available: false, reference, revision: None }))
    }

    /// A server of this call by its id.
    pub(crate) fn spec_of_call(&self, id: &str) -> Option<Arc<ServerSpec>> {
        let prepared = self.prepared.iter().flat_map(|all| all.iter()).find(|spec| spec.id.as_str() == id);
        let own = self.server.as_ref().map(|server| &server.spec).filter(|spec| spec.id.as_str() == id);
        prepared.or(own).map(Arc::clone)
    }

    /// A secret that was generated for the lease of this call, or in `prepare` for the whole session.
    pub(crate) fn generated(&self, name: &str) -> Option<Zeroizing<String>> {
        let own = self.record.as_ref().and_then(|record| record.generated.value(name));
        own.or_else(|| self.host.plugin(&self.plugin.name)?.shared_record().generated.value(name))
    }
}
