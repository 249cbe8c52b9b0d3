//! The Secret of a session: one for all servers, made before them; each entry is one variable or file of one server, and nobody else's.

use crate::names;
use crate::settings::{ClusterSettings, Provider, RegistryLogin};
use gateway_plugin::kubernetes::{SecretContent, SecretEntry};
use gateway_plugin::{Context, Server, value};
use serde_json::{Value, json};

/// What is in a variable's or file's entry of the Secret: the server's id and its name there.
#[must_use]
pub fn variable_key(id: &str, name: &str) -> String {
    format!("{id}.{}", key(name))
}

/// The entry of a file.
#[must_use]
pub fn file_key(id: &str, path: &str) -> String {
    format!("{id}.file.{}", key(path))
}

/// Everything outside `[A-Za-z0-9._-]` becomes `___` (`provisioning.md` 3.12).
#[must_use]
pub fn key(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            out.push(c);
        } else {
            out.push_str("___");
        }
    }
    out
}

/// Name of the session's own Secret. Where the cluster has the servers' secrets, the name of the settings is that of another one.
#[must_use]
pub fn name(context: &Context, settings: &ClusterSettings) -> String {
    let configured =
        settings.secret_name.as_deref().filter(|_| settings.secret_provider == Provider::DockerEngine);
    configured.map_or_else(|| format!("mcp-gateway-secrets-{}", names::tail(&context.session)), str::to_owned)
}

/// The document, without data: the gateway fills it in.
#[must_use]
pub fn document(context: &Context, namespace: &str, name: &str) -> Value {
    let mut labels = names::labels(context, "shared-secrets", "mcp-server-secret");
    for key in ["app", "runtime", "server"] {
        labels.remove(key);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "type": "Opaque",
    })
}

/// Names of the Secrets by which images are pulled, one for each login of the settings.
#[must_use]
pub fn pull_names(context: &Context, settings: &ClusterSettings) -> Vec<String> {
    let tail = names::tail(&context.session);
    (0..settings.registry_logins.len()).map(|index| format!("mcp-gateway-pull-{index}-{tail}")).collect()
}

/// The document of such a Secret, and its one entry.
#[must_use]
pub fn pull(context: &Context, namespace: &str, name: &str, login: &RegistryLogin) -> (Value, SecretEntry) {
    let mut document = document(context, namespace, name);
    if let Some(map) = document.as_object_mut() {
        map.insert("type".to_owned(), Value::from("kubernetes.io/dockerconfigjson"));
    }
    let login = gateway_plugin::types::RegistryLogin {
        registry: login.registry.clone(),
        username: value::text(login.username.as_str()),
        password: value::secret(value::plugin_secret(login.password_secret.as_str())),
    };
    let key = ".dockerconfigjson".to_owned();
    (document, SecretEntry { key, server_ids: Vec::new(), content: SecretContent::Login(login) })
}

/// Entries for the secret variables of a server, unless the cluster has them, and for all of its files.
#[must_use]
pub fn entries(server: &Server, provider: Provider) -> Vec<SecretEntry> {
    let entry = |key: String, content: &[gateway_plugin::types::Part]| SecretEntry {
        key,
        server_ids: vec![server.id.clone()],
        content: SecretContent::Value(content.to_vec()),
    };
    let variables = server.environment.iter().filter(|variable| {
        provider == Provider::DockerEngine && value::secrets(&variable.value).next().is_some()
    });
    let variables = variables.map(|v| entry(variable_key(&server.id, &v.name), &v.value));
    let files = server.files.iter().map(|file| entry(file_key(&server.id, &file.path), &file.content));
    variables.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use super::{file_key, variable_key};

    #[test]
    fn keys_are_those_of_the_documents() {
        assert_eq!(variable_key("notes-4358b5a0", "ACME_TOKEN"), "notes-4358b5a0.ACME_TOKEN");
        assert_eq!(file_key("n", "/etc/a b"), "n.file.___etc___a___b");
    }
}
