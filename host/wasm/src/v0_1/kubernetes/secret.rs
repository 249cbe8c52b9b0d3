//! Secrets of this session: made from names, filled in here, never read back.

use super::own::{SECRET, SHOWN, text};
use super::{Answer, Kubernetes};
use crate::sanitize::line;
use crate::v0_1::imported::kubernetes::{SecretContent, SecretEntry};
use crate::v0_1::types::{Failure, FailureCategory, Part, RegistryLogin, SecretOwner};
use crate::v0_1::values::same_as;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_provisioner as provisioner;
use host_provisioner::ServerSpec;
use host_workload_kubernetes::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of a Secret in the API.
const MOST: usize = 1 << 20;
/// Type of a Secret by which images are pulled, and its one key.
const LOGINS: &str = "kubernetes.io/dockerconfigjson";
const LOGIN: &str = ".dockerconfigjson";

/// What an entry of a Secret is made of.
enum Filling {
    /// The value of a server's entry; all servers of the list have the same.
    Server(String, provisioner::Value),
    /// A text that was made here, or is no secret.
    Text(Zeroizing<String>),
    /// What images are pulled with.
    Login(RegistryLogin),
}

impl Kubernetes<'_> {
    pub(super) async fn apply_secret(&self, document: &str, entries: Vec<SecretEntry>) -> Answer<()> {
        let Some(record) = self.record.clone().filter(|_| self.may_create()) else {
            return Ok(Err(self.not_in_this_phase("applied")));
        };
        let (kind, mut document, values) = match self.filled_secret(document, entries).await {
            Ok(filled) => filled,
            Err(failure) => return Ok(Err(failure)),
        };
        let namespace = text(&document, "/metadata/namespace").to_owned();
        let name = text(&document, "/metadata/name").to_owned();
        if let Some(map) = document.as_object_mut() {
            let data: Map<String, Value> = values
                .iter()
                .map(|(key, (value, _))| (key.clone(), Value::from(STANDARD.encode(value.as_slice()))))
                .collect();
            map.insert("data".to_owned(), Value::Object(data));
        }
        let applied = self.apply_checked(&record, &kind, document).await?;
        Ok(applied.map(|_| {
            for (key, (_, servers)) in values {
                self.host.kubernetes.holds((namespace.clone(), name.clone(), key), servers);
            }
        }))
    }

    async fn filled_secret(
        &self,
        document: &str,
        entries: Vec<SecretEntry>,
    ) -> Result<
        (Kind, Value, BTreeMap<String, (Zeroizing<Vec<u8>>, BTreeMap<String, provisioner::Value>)>),
        Failure,
    > {
        let (kind, document) = self.parsed(document).await?;
        if kind.written() != SECRET {
            return Err(self.refuse(FailureCategory::Config, "`apply-secret` makes Secrets"));
        }
        let known = ["apiVersion", "kind", "metadata", "type"];
        let has = document.as_object().into_iter().flatten().find(|(key, _)| !known.contains(&key.as_str()));
        if let Some((key, _)) = has {
            return Err(self.denied(format!(
                "the document of a Secret has `{}`: its data is the host's to fill in",
                line(key, SHOWN)
            )));
        }
        let is_login =
            |entry: &SecretEntry| entry.key == LOGIN && matches!(entry.content, SecretContent::Login(_));
        let fits = match text(&document, "/type") {
            "" | "Opaque" => !entries.iter().any(|entry| matches!(entry.content, SecretContent::Login(_))),
            LOGINS => matches!(entries.as_slice(), [only] if is_login(only)),
            _ => false,
        };
        if !fits {
            return Err(self.denied(format!(
                "a Secret that is made here is of type `Opaque`, or of type `{LOGINS}` with one login under `{LOGIN}`"
            )));
        }
        let mut values = BTreeMap::new();
        let mut size = 0;
        for entry in entries {
            self.key_fits(&entry.key)?;
            let (filling, servers) = self.filling(&entry)?;
            let value = match filling {
                Filling::Text(text) => Zeroizing::new(text.as_bytes().to_vec()),
                Filling::Server(server, value) => self.evaluated_value(server, value).await?,
                Filling::Login(login) => self.login(&login).await?,
            };
            size += value.len() + entry.key.len();
            if size > MOST {
                return Err(self.refuse(FailureCategory::Quota, "a Secret holds 1 MiB at most"));
            }
            if values.insert(entry.key.clone(), (value, servers)).is_some() {
                let text = format!("two entries of the Secret are called `{}`", line(&entry.key, SHOWN));
                return Err(self.refuse(FailureCategory::Config, text));
            }
        }
        Ok((kind, document, values))
    }

    fn key_fits(&self, key: &str) -> Result<(), Failure> {
        let fits = (1..=253).contains(&key.len())
            && !key.starts_with("..")
            && key != "."
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if fits {
            return Ok(());
        }
        Err(self.refuse(FailureCategory::Config, format!("`{}` is no key of a Secret", line(key, SHOWN))))
    }

    /// What an entry holds: the value of a variable or file of servers of this call, unchanged; or what holds no server's secret.
    fn filling(
        &self,
        entry: &SecretEntry,
    ) -> Result<(Filling, BTreeMap<String, provisioner::Value>), Failure> {
        let value = match &entry.content {
            SecretContent::Value(value) => value,
            SecretContent::Login(login) => return Ok((Filling::Login(login.clone()), BTreeMap::new())),
            SecretContent::Other(_) => {
                let text = "this gateway does not know that kind of entry of a Secret";
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
        };
        let of_server = value
            .iter()
            .any(|part| matches!(part, Part::Secret(name) if name.owner != SecretOwner::Generated));
        if !of_server {
            return Ok((Filling::Text(self.filled(value)?), BTreeMap::new()));
        }
        let mut servers = BTreeMap::new();
        for id in &entry.server_ids {
            let spec = self.spec_of(id)?;
            let own = spec
                .environment
                .iter()
                .map(|variable| &variable.value)
                .chain(spec.files.iter().map(|f| &f.content));
            let found = own.into_iter().find(|own| same_as(value, own, id));
            let Some(found) = found else {
                let text = format!(
                    "the entry `{}` holds a secret that server `{}` does not have so in a variable or file",
                    line(&entry.key, SHOWN),
                    line(id, 64)
                );
                return Err(self.denied(text));
            };
            servers.insert(id.clone(), found.clone());
        }
        match servers.iter().next() {
            Some((id, value)) => Ok((Filling::Server(id.clone(), value.clone()), servers)),
            None => {
                let text = format!("the entry `{}` names no server", line(&entry.key, SHOWN));
                Err(self.refuse(FailureCategory::Config, text))
            }
        }
    }

    /// A server of this call by its id.
    fn spec_of(&self, id: &str) -> Result<Arc<ServerSpec>, Failure> {
        self.spec_of_call(id)
            .ok_or_else(|| self.denied(format!("server `{}` is not one of this call", line(id, 64))))
    }

    /// A login as `docker login` leaves it, made of the plugin's own secrets.
    async fn login(&self, login: &RegistryLogin) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut words = Vec::with_capacity(2);
        for value in [&login.username, &login.password] {
            let part = |part: &Part| match part {
                Part::Text(text) => Ok(provisioner::Part::Text(text.clone())),
                Part::Secret(name)
                    if name.owner == SecretOwner::Plugin
                        && self.plugin.grants.secrets.contains(&name.name) =>
                {
                    Ok(provisioner::Part::Secret(name.name.clone()))
                }
                _ => {
                    let plugin = &self.plugin.name;
                    let text = "a login is made of text and of secrets that are granted to the plugin";
                    let hint = format!("name the secret in `plugins.{plugin}.grants.secrets`");
                    Err(self.refuse_with(FailureCategory::Permission, text, hint))
                }
            };
            let parts = value.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            let scope = format!("plugin:{}", self.plugin.name);
            words.push(self.evaluated_value(scope, host_resolver::joined(parts)).await?);
        }
        let not_text = || self.refuse(FailureCategory::Config, "a login is no text");
        let [username, password] = words.as_slice() else { return Err(not_text()) };
        let username = std::str::from_utf8(username).map_err(|_| not_text())?;
        let password = std::str::from_utf8(password).map_err(|_| not_text())?;
        let pair = Zeroizing::new(format!("{username}:{password}"));
        let auth = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        let entry = BTreeMap::from([("auth", auth.as_str()), ("password", password), ("username", username)]);
        let registry = match login.registry.as_str() {
            // Its own programs look for it under this name.
            "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
            other => other,
        };
        let file = BTreeMap::from([("auths", BTreeMap::from([(registry, entry)]))]);
        serde_json::to_vec(&file).map(Zeroizing::new).map_err(|_| not_text())
    }

    /// Names of the entries of a Secret that documents may refer to.
    pub(super) async fn secret_keys(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Vec<String>>, Failure> {
        self.namespace_fits(namespace).await?;
        let grant = self.grant()?;
        let granted = grant.secrets.iter().any(|pattern| pattern.matches(name))
            || grant.cluster_secret.as_deref() == Some(name);
        if !granted && !self.host.kubernetes.made(namespace, name) {
            let plugin = &self.plugin.name;
            let shown = line(name, SHOWN);
            let text = format!("plugin `{plugin}` may not look at the Secret `{shown}`");
            let hint = format!(
                "if you trust it with that, add `{shown}` to `plugins.{plugin}.grants.kubernetes.secrets`"
            );
            return Err(self.refuse_with(FailureCategory::Permission, text, hint));
        }
        let cluster = self.cluster()?;
        let kind = cluster.kind(SECRET).await.map_err(|error| self.of_cluster(&error))?;
        let found = cluster.get(&kind, namespace, name).await.map_err(|error| self.of_cluster(&error))?;
        Ok(found.map(|secret| {
            let data = secret.get("data").and_then(Value::as_object);
            data.into_iter().flatten().map(|(key, _)| key.clone()).collect()
        }))
    }
}
