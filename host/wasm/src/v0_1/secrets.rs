//! `secrets`: what can be known about a secret without knowing it.

use crate::sanitize;
use crate::state::CallState;
use crate::v0_1::imported::secrets::{Host, SecretInfo};
use crate::v0_1::types::{Failure, FailureCategory, SecretName, SecretOwner};
use host_resolver::SecretError;

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
        let host = std::sync::Arc::clone(&self.scope.host);
        let name = secret.name.clone();
        // It may read a file.
        let info = tokio::task::spawn_blocking(move || host.config.resolver.info(&scope, &name)).await?;
        Ok(match info {
            Ok(info) => {
                Ok(SecretInfo { secret, available: true, reference: None, revision: Some(info.revision) })
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

    fn generate(&mut self, _name: String) -> wasmtime::Result<Result<SecretName, Failure>> {
        self.enter("secrets.generate")?;
        // It could not be used: headers of endpoints, the only place for one, come with the HTTP client.
        let text = "this gateway does not carry generated secrets yet";
        Ok(Err(self.scope.refuse(FailureCategory::Unsupported, text)))
    }
}
