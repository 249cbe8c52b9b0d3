//! Values that a plugin gives a workload: which may hold secrets, and where these are filled in.

use crate::sanitize::line;
use crate::server::ServerScope;
use crate::state::Scope;
use crate::v0_1::types::{self, Failure, FailureCategory, Part, SecretOwner, Variable};
use host_provisioner as provisioner;
use host_provisioner::Workload;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of a name in a refusal.
const SHOWN: usize = 200;

/// A file with its content filled in. Has no `Debug`.
pub(crate) struct FileValue {
    /// Absolute path inside the workload.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// POSIX permission bits.
    pub(crate) mode: u32,
}

impl Scope {
    pub(crate) fn arguments(&self, values: &[types::Value]) -> Result<Vec<String>, Failure> {
        values.iter().map(|value| self.plain(value, "an argument")).collect()
    }

    /// The text of a value that may hold no secret.
    fn plain(&self, value: &types::Value, what: &str) -> Result<String, Failure> {
        let mut text = String::new();
        for part in value {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Bytes(bytes) => match std::str::from_utf8(bytes) {
                    Ok(part) => text.push_str(part),
                    Err(_) => {
                        return Err(self.refuse(FailureCategory::Config, format!("{what} is not UTF-8")));
                    }
                },
                Part::Secret(name) => {
                    let text = format!("secret `{}` cannot go into {what}", line(&name.name, SHOWN));
                    return Err(self.refuse(FailureCategory::Permission, text));
                }
                Part::Setting(setting) => match setting.text.as_ref().or(setting.default.as_ref()) {
                    Some(part) => text.push_str(part),
                    None => {
                        let text = format!("setting `{}` is not known here", line(&setting.key, SHOWN));
                        return Err(self.refuse(FailureCategory::Config, text));
                    }
                },
                Part::Other(_) => {
                    let text = format!("{what} holds what this gateway does not know");
                    return Err(self.refuse(FailureCategory::Unsupported, text));
                }
            }
        }
        Ok(text)
    }

    /// A server's secrets only in the variables where the entry has them; and a workload that carries one is the entry's own, unchanged.
    /// Tells whether a generated secret is among the values.
    pub(crate) fn environment_fits(
        &self,
        wanted: &[Variable],
        arguments: &[String],
        server: &ServerScope,
    ) -> Result<bool, Failure> {
        let permission = FailureCategory::Permission;
        let (mut carries, mut generated) = (false, false);
        for variable in wanted {
            generated |= secrets_in(&variable.value).any(|name| name.owner == SecretOwner::Generated);
            let Some(secret) = secrets_in(&variable.value).find(|name| name.owner != SecretOwner::Generated)
            else {
                continue;
            };
            carries = true;
            if !own_variable(variable, server) {
                let text = format!(
                    "secret `{}` may not go into the variable `{}`: the entry of server `{}` does not put it there so",
                    line(&secret.name, SHOWN),
                    line(&variable.name, SHOWN),
                    server.spec.name
                );
                return Err(self.refuse(permission, line(&text, crate::sanitize::LINE)));
            }
        }
        if !carries {
            return Ok(generated);
        }
        let own = match &server.spec.workload {
            Workload::Component { arguments, .. }
            | Workload::Bundled { arguments, .. }
            | Workload::Image { arguments, .. } => arguments.as_slice(),
            Workload::Command { .. }
            | Workload::Remote { .. }
            | Workload::Tools { .. }
            | Workload::Listening { .. } => &[],
        };
        if arguments != own {
            return Err(self.refuse(
                permission,
                "the arguments of a server that carries secrets must be those of its entry",
            ));
        }
        let proxies = self.told.proxies(self.starts());
        let of_proxy = |variable: &Variable| {
            let [Part::Text(value)] = variable.value.as_slice() else { return false };
            let mut known = proxies.iter().flat_map(|proxy| &proxy.environment);
            known.any(|(name, own)| *name == variable.name && own == value)
        };
        match wanted.iter().find(|variable| !own_variable(variable, server) && !of_proxy(variable)) {
            None => Ok(generated),
            Some(variable) => {
                let name = line(&variable.name, SHOWN);
                let text = format!(
                    "the variable `{name}` of a server that carries secrets must be that of its entry"
                );
                Err(self.refuse(permission, text))
            }
        }
    }

    /// The values, outside the plugin, at the last moment.
    pub(crate) async fn environment(
        &self,
        wanted: Vec<Variable>,
        server: &Arc<ServerScope>,
    ) -> Result<Vec<(String, Zeroizing<String>)>, Failure> {
        let mut values = Vec::with_capacity(wanted.len());
        let mut secrets = Vec::new();
        for variable in wanted {
            let secret = secrets_in(&variable.value).next().is_some();
            if secret && secrets_in(&variable.value).all(|name| name.owner == SecretOwner::Generated) {
                let text = self.filled(&variable.value)?;
                values.push((variable.name, text));
                continue;
            }
            let own = server.spec.environment.iter().find(|own| own.name == variable.name);
            match own.filter(|_| secret) {
                // It is the entry's own, as was checked.
                Some(own) => secrets.push((values.len(), own.value.clone())),
                None => {
                    let text = self.plain(&variable.value, "this variable")?;
                    values.push((variable.name, Zeroizing::new(text)));
                    continue;
                }
            }
            values.push((variable.name, Zeroizing::new(String::new())));
        }
        if secrets.is_empty() {
            return Ok(values);
        }
        let (host, server) = (Arc::clone(&self.host), Arc::clone(server));
        let found = tokio::task::spawn_blocking(move || {
            let scope = server.spec.id.as_str();
            let evaluate = |(at, value): &(usize, provisioner::Value)| {
                let secret = host.config.resolver.evaluate(scope, value)?;
                Ok((*at, Zeroizing::new(secret.reveal().to_owned())))
            };
            secrets.iter().map(evaluate).collect::<Result<Vec<_>, host_resolver::SecretError>>()
        })
        .await;
        match found {
            Ok(Ok(found)) => {
                for (at, value) in found {
                    if let Some(entry) = values.get_mut(at) {
                        entry.1 = value;
                    }
                }
                Ok(values)
            }
            Ok(Err(error)) => {
                Err(self.refuse(FailureCategory::Config, line(&error.to_string(), crate::sanitize::LINE)))
            }
            Err(_) => Err(self.refuse(FailureCategory::Retryable, "the gateway is ending")),
        }
    }

    /// A value whose secrets were all generated for this lease.
    pub(crate) fn filled(&self, value: &types::Value) -> Result<Zeroizing<String>, Failure> {
        let mut text = Zeroizing::new(String::new());
        for part in value {
            match part {
                Part::Secret(name) => match self.generated(&name.name) {
                    Some(secret) => text.push_str(&secret),
                    None => {
                        let text =
                            format!("no secret `{}` was generated for this lease", line(&name.name, SHOWN));
                        return Err(self.refuse(FailureCategory::Config, text));
                    }
                },
                other => text.push_str(&self.plain(&vec![other.clone()], "this variable")?),
            }
        }
        Ok(text)
    }

    /// A value of a server's entry, by the server's id.
    pub(crate) async fn evaluated_value(
        &self,
        server: String,
        value: provisioner::Value,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let host = Arc::clone(&self.host);
        let found = tokio::task::spawn_blocking(move || {
            let secret = host.config.resolver.evaluate(&server, &value)?;
            Ok::<_, host_resolver::SecretError>(Zeroizing::new(secret.reveal().as_bytes().to_vec()))
        })
        .await;
        match found {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                Err(self.refuse(FailureCategory::Config, line(&error.to_string(), crate::sanitize::LINE)))
            }
            Err(_) => Err(self.refuse(FailureCategory::Retryable, "the gateway is ending")),
        }
    }

    /// Each file is one of the entry's, unchanged.
    pub(crate) fn files_fit(&self, wanted: &[types::File], server: &ServerScope) -> Result<(), Failure> {
        match wanted.iter().find(|file| own_file(file, server).is_none()) {
            None => Ok(()),
            Some(file) => {
                let text = format!("the file `{}` is not one of this call's server", line(&file.path, SHOWN));
                Err(self.refuse(FailureCategory::Permission, text))
            }
        }
    }

    /// The contents, outside the plugin, at the last moment.
    pub(crate) async fn files(
        &self,
        wanted: Vec<types::File>,
        server: &Arc<ServerScope>,
    ) -> Result<Vec<FileValue>, Failure> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (host, server) = (Arc::clone(&self.host), Arc::clone(server));
        let placed = tokio::task::spawn_blocking(move || {
            let scope = server.spec.id.as_str();
            let own = wanted.iter().filter_map(|file| own_file(file, &server));
            let place = |file: &provisioner::File| {
                let content = host.config.resolver.evaluate(scope, &file.content)?;
                let content = Zeroizing::new(content.reveal().as_bytes().to_vec());
                Ok(FileValue { path: file.path.clone(), content, mode: file.mode })
            };
            own.map(place).collect::<Result<Vec<_>, host_resolver::SecretError>>()
        })
        .await;
        match placed {
            Ok(Ok(files)) => Ok(files),
            Ok(Err(error)) => {
                Err(self.refuse(FailureCategory::Config, line(&error.to_string(), crate::sanitize::LINE)))
            }
            Err(_) => Err(self.refuse(FailureCategory::Retryable, "the gateway is ending")),
        }
    }
}

/// The entry's own file that this one is, part by part.
fn own_file<'a>(file: &types::File, server: &'a ServerScope) -> Option<&'a provisioner::File> {
    server.spec.files.iter().find(|own| {
        let content = crate::v0_1::server::value(&own.content, None);
        own.path == file.path && own.mode == file.mode && same(&file.content, &content, server)
    })
}

/// The secrets in a value.
fn secrets_in(value: &types::Value) -> impl Iterator<Item = &types::SecretName> {
    value.iter().filter_map(|part| match part {
        Part::Secret(name) => Some(name),
        _ => None,
    })
}

/// Whether a variable is one of the entry's, part by part.
fn own_variable(variable: &Variable, server: &ServerScope) -> bool {
    // A name may stand there more than once, each time with another value.
    let mut own = server.spec.environment.iter().filter(|own| own.name == variable.name);
    own.any(|own| same(&variable.value, &crate::v0_1::server::value(&own.value, None), server))
}

fn same(a: &types::Value, b: &types::Value, server: &ServerScope) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|parts| match parts {
            (Part::Text(a), Part::Text(b)) => a == b,
            (Part::Secret(a), Part::Secret(b)) => {
                let of_server = a.server_id.as_deref().is_none_or(|id| id == server.spec.id.as_str());
                a.owner == SecretOwner::Server && of_server && a.name == b.name
            }
            _ => false,
        })
}

/// Whether a value is the one of a server's entry, part by part.
pub(crate) fn same_as(value: &types::Value, own: &provisioner::Value, id: &str) -> bool {
    let own = crate::v0_1::server::value(own, None);
    value.len() == own.len()
        && value.iter().zip(&own).all(|parts| match parts {
            (Part::Text(a), Part::Text(b)) => a == b,
            (Part::Secret(a), Part::Secret(b)) => {
                let of_server = a.server_id.as_deref().is_none_or(|named| named == id);
                a.owner == SecretOwner::Server && of_server && a.name == b.name
            }
            _ => false,
        })
}
