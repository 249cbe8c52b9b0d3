//! Credentials of registries, as `docker login` leaves them: in `config.json`, or behind a `docker-credential-*` helper. They are read
//! at each pull, so that a login takes effect at once.

use crate::error::{Error, ErrorKind};
use crate::image::reference::DEFAULT_REGISTRY;
use crate::secret::SecretText;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use zeroize::Zeroizing;

/// Under which name Docker's own registry stands in the configuration.
const DEFAULT_KEY: &str = "https://index.docker.io/v1/";

/// Bytes of a helper's answer.
const ANSWER: usize = 64 << 10;

/// A name and a password for one registry. Has no `Debug`.
#[derive(Clone)]
pub struct Login {
    /// The user; empty for a token.
    pub username: String,
    /// The password, or the token where there is no user.
    pub password: SecretText,
}

impl Login {
    pub(crate) fn credentials(&self, registry: &str) -> DockerCredentials {
        let address = if registry == DEFAULT_REGISTRY { DEFAULT_KEY } else { registry };
        let mut credentials =
            DockerCredentials { serveraddress: Some(address.to_owned()), ..DockerCredentials::default() };
        let password = Some(self.password.expose().to_owned());
        if self.username.is_empty() {
            credentials.identitytoken = password;
        } else {
            credentials.username = Some(self.username.clone());
            credentials.password = password;
        }
        credentials
    }
}

impl Login {
    /// The value of `Authorization` that shows name and password; none where there is only a token.
    #[must_use]
    pub fn basic(&self) -> Option<String> {
        let pair = Zeroizing::new(format!("{}:{}", self.username, self.password.expose()));
        (!self.username.is_empty()).then(|| format!("Basic {}", STANDARD.encode(pair.as_bytes())))
    }

    /// The login for a registry as `docker login` left it in Docker's own folder; none where there is none.
    ///
    /// # Errors
    /// A malformed file, or a credential helper that cannot be used.
    pub async fn of_registry(folder: &Path, registry: &str) -> Result<Option<Self>, Error> {
        Logins::read(folder).await?.find(registry).await
    }
}

/// A text as `docker login` writes it, from elsewhere than this machine, such as a pull Secret of a cluster. Only what stands in it counts: no helper
/// is asked, because those are programs of this machine.
#[derive(Clone)]
pub struct LoginFile(SecretText);

impl fmt::Debug for LoginFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginFile")
    }
}

impl LoginFile {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretText::new(text))
    }

    /// The login for a registry; none where there is none.
    ///
    /// # Errors
    /// A malformed text.
    pub fn login(&self, registry: &str) -> Result<Option<Login>, Error> {
        let text = self.0.expose();
        // Only the place of a mistake is told, because the text holds passwords.
        let logins: Logins = serde_json::from_str(text).map_err(|error| {
            Error::specification(format!("read a file of logins: malformed in line {}", error.line()))
        })?;
        logins.written(registry)
    }
}

/// `config.json`, as far as it is about credentials.
#[derive(Deserialize, Default)]
pub(crate) struct Logins {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(rename = "credsStore", default)]
    store: Option<String>,
    #[serde(rename = "credHelpers", default)]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: Option<SecretText>,
    #[serde(default)]
    identitytoken: Option<SecretText>,
    /// Apart, as clusters take it too.
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<SecretText>,
}

/// What a helper answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret")]
    secret: SecretText,
}

impl Logins {
    /// Reads the configuration; a folder without one has no logins.
    pub(crate) async fn read(folder: &Path) -> Result<Self, Error> {
        let file = folder.join("config.json");
        let text = match tokio::fs::read(&file).await {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::specification(format!("read `{}`: {error}", file.display()))),
        };
        // Only the place of a mistake is told, because the file holds passwords.
        serde_json::from_slice(&text).map_err(|error| {
            Error::specification(format!("read `{}`: malformed in line {}", file.display(), error.line()))
        })
    }

    /// The credentials of a registry. A helper of that registry comes first, then the store for all, then the file, as with Docker.
    pub(crate) async fn find(&self, registry: &str) -> Result<Option<Login>, Error> {
        let keys = keys(registry);
        let helper = keys.iter().find_map(|key| self.helpers.get(key).map(|helper| (helper, key)));
        if let Some((helper, key)) = helper {
            return ask(helper, key).await;
        }
        if let Some(store) = self.store.as_ref().filter(|store| !store.is_empty()) {
            for key in &keys {
                if let Some(login) = ask(store, key).await? {
                    return Ok(Some(login));
                }
            }
        }
        self.written(registry)
    }

    /// Those that stand in the file itself.
    fn written(&self, registry: &str) -> Result<Option<Login>, Error> {
        let found = keys(registry).iter().find_map(|key| self.auths.get(key));
        found.map_or(Ok(None), |auth| auth.login(registry))
    }
}

/// Under which names a registry may stand in the configuration.
fn keys(registry: &str) -> Vec<String> {
    if registry == DEFAULT_REGISTRY {
        let others = ["index.docker.io", "docker.io", "registry-1.docker.io"];
        return std::iter::once(DEFAULT_KEY).chain(others).map(str::to_owned).collect();
    }
    vec![
        registry.to_owned(),
        format!("https://{registry}"),
        format!("https://{registry}/v1/"),
        format!("https://{registry}/v2/"),
    ]
}

impl Auth {
    fn login(&self, registry: &str) -> Result<Option<Login>, Error> {
        if let Some(token) = self.identitytoken.as_ref().filter(|token| !token.expose().is_empty()) {
            return Ok(Some(Login { username: String::new(), password: token.clone() }));
        }
        let Some(auth) = self.auth.as_ref().map(SecretText::expose).filter(|auth| !auth.is_empty()) else {
            let pair = self.username.clone().filter(|name| !name.is_empty()).zip(self.password.clone());
            return Ok(pair.map(|(username, password)| Login { username, password }));
        };
        let wrong = || Error::specification(format!("read the login for `{registry}`: it is damaged"));
        let decoded = Zeroizing::new(STANDARD.decode(auth.as_bytes()).map_err(|_| wrong())?);
        let text = std::str::from_utf8(&decoded).map_err(|_| wrong())?;
        let (username, password) = text.split_once(':').ok_or_else(wrong)?;
        // Docker pads with zero bytes.
        let password = SecretText::new(password.trim_end_matches('\0'));
        Ok(Some(Login { username: username.to_owned(), password }))
    }
}

/// Runs `docker-credential-NAME get`. It is a program of the operator's machine, found like any other.
async fn ask(helper: &str, server: &str) -> Result<Option<Login>, Error> {
    let name_ok = !helper.is_empty()
        && !helper.starts_with('-')
        && helper.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !name_ok {
        return Err(Error::specification(format!("`{helper}` is no name of a credential helper")));
    }
    let program = format!("docker-credential-{helper}");
    let what = format!("ask `{program}` for the login of `{server}`");
    let failed = |error: std::io::Error| {
        let error = Error::new(ErrorKind::Specification, format!("{what}: {error}"));
        error.with_hint(format!("install `{program}`, or take it out of Docker's `config.json`"))
    };
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that ends without reading says by its exit code why.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    let stdout = Zeroizing::new(output.stdout);
    if !output.status.success() || stdout.len() > ANSWER {
        let says =
            String::from_utf8_lossy(stdout.get(..stdout.len().min(200)).unwrap_or_default()).into_owned();
        // The words of the helpers' own library for "there is none".
        if says.contains("credentials not found") || says.contains("no credentials") {
            return Ok(None);
        }
        return Err(Error::new(ErrorKind::Denied, format!("{what}: {}", says.trim())));
    }
    let answer: Answer = serde_json::from_slice(&stdout)
        .map_err(|_| Error::new(ErrorKind::Denied, format!("{what}: its answer is malformed")))?;
    if answer.secret.expose().is_empty() {
        return Ok(None);
    }
    let username = if answer.username == "<token>" { String::new() } else { answer.username };
    Ok(Some(Login { username, password: answer.secret }))
}

#[cfg(test)]
mod tests;
