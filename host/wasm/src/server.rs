//! A server as one call sees it: its entry, the digest of its component, and a revision that changes with its secrets.

use crate::host::PluginHost;
use host_provisioner::{Class, Failure, Phase, ServerSpec, Value, Workload};
use host_workload_embedded::ComponentSource;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// See the module.
pub(crate) struct ServerScope {
    pub(crate) spec: Arc<ServerSpec>,
    /// Absent for servers that are no components.
    pub(crate) component: Option<Component>,
    /// `[a-z0-9]{16}`.
    pub(crate) revision: String,
}

/// The component of a server.
#[derive(Clone)]
pub(crate) struct Component {
    /// What the plugin gets. No path.
    pub(crate) reference: String,
    /// SHA-256 in hexadecimal.
    pub(crate) digest: String,
    pub(crate) source: ComponentSource,
}

impl ServerScope {
    /// Whether any value of the server holds a secret.
    pub(crate) fn has_secrets(&self) -> bool {
        let secret = |value: &Value| !matches!(value, Value::Text(_));
        !self.spec.secrets.is_empty()
            || self.spec.environment.iter().any(|variable| secret(&variable.value))
            || self.spec.files.iter().any(|file| secret(&file.content))
    }
}

/// Digests of components, so that a plugin can be told what will run without reading the file each time.
#[derive(Default)]
pub(crate) struct Digests {
    files: Mutex<HashMap<PathBuf, (SystemTime, u64, String)>>,
    bundled: Mutex<BTreeMap<String, String>>,
}

/// A file must have been left alone for so long before its times are trusted to show the next change.
const SETTLED: Duration = Duration::from_secs(2);

impl Digests {
    fn known(&self, path: &Path, changed: SystemTime, length: u64) -> Option<String> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(path).filter(|(c, l, _)| (*c, *l) == (changed, length)).map(|(.., digest)| digest.clone())
    }

    async fn of_file(&self, path: &Path) -> std::io::Result<String> {
        let found = tokio::fs::metadata(path).await?;
        let (changed, length) = (found.modified()?, found.len());
        if let Some(digest) = self.known(path, changed, length) {
            return Ok(digest);
        }
        if length > host_workload_embedded::MAX_COMPONENT_BYTES {
            return Err(std::io::Error::other(format!(
                "it is larger than {} MiB",
                host_workload_embedded::MAX_COMPONENT_BYTES >> 20
            )));
        }
        let owned = path.to_owned();
        let digest =
            tokio::task::spawn_blocking(move || std::fs::read(owned).map(|bytes| hex(&bytes))).await??;
        if changed.elapsed().is_ok_and(|age| age > SETTLED) {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.insert(path.to_owned(), (changed, length, digest.clone()));
        }
        Ok(digest)
    }

    fn of_bundled(&self, name: &str, bytes: &'static [u8]) -> String {
        let mut bundled = self.bundled.lock().unwrap_or_else(PoisonError::into_inner);
        bundled.entry(name.to_owned()).or_insert_with(|| hex(bytes)).clone()
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl PluginHost {
    /// Looks at a server for one call.
    ///
    /// # Errors
    /// Class `image`: its component is not there.
    pub(crate) async fn scope_of(
        &self,
        phase: Phase,
        spec: Arc<ServerSpec>,
    ) -> Result<Arc<ServerScope>, Failure> {
        let component = self.component_of(phase, &spec).await?;
        let revision = self.revision_of(&spec, component.as_ref()).await;
        Ok(Arc::new(ServerScope { spec, component, revision }))
    }

    /// Compiles the component of a server, or reads what was compiled before, while its plugin is still being loaded. Nothing of it runs, and what
    /// goes wrong is told by the start.
    pub async fn warm(&self, server: &ServerSpec) {
        if let Ok(Some(component)) = self.component_of(Phase::Provision, server).await {
            let _ = self.config.embedded.load(component.source).await;
        }
    }

    async fn component_of(&self, phase: Phase, spec: &ServerSpec) -> Result<Option<Component>, Failure> {
        let reference = || format!("component-of-{}", spec.id);
        match &spec.workload {
            Workload::Image { .. } => Ok(None),
            Workload::Command { .. }
            | Workload::Remote { .. }
            | Workload::Tools { .. }
            | Workload::Listening { .. } => {
                let text = format!("server `{}` needs no plugin and is never placed on one", spec.name);
                Err(Failure::new(phase, Class::Config, text))
            }
            Workload::Component { path, .. } => {
                let digest = self.digests.of_file(path).await.map_err(|error| {
                    let text = format!(
                        "the component `{}` of server `{}` cannot be read: {error}",
                        path.display(),
                        spec.name
                    );
                    Failure::new(phase, Class::Image, crate::sanitize::line(&text, crate::sanitize::LINE))
                })?;
                let source = ComponentSource::File(path.clone());
                Ok(Some(Component { reference: reference(), digest, source }))
            }
            Workload::Bundled { name, .. } => match self.config.bundled_servers.get(name.as_str()) {
                Some(bytes) => {
                    let digest = self.digests.of_bundled(name, bytes);
                    let source = ComponentSource::Bytes {
                        name: name.clone(),
                        bytes: bytes::Bytes::from_static(bytes),
                    };
                    Ok(Some(Component { reference: reference(), digest, source }))
                }
                None => {
                    let known: Vec<&str> = self.config.bundled_servers.keys().map(String::as_str).collect();
                    let text = format!("the gateway carries no server `{name}` inside itself");
                    let hint = format!(
                        "it carries: {}",
                        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                    );
                    Err(Failure::new(phase, Class::Image, text).with_hint(hint))
                }
            },
        }
    }

    /// Changes with the entry, the component, and every secret; tells nothing about them, because the secrets' own revisions are keyed.
    async fn revision_of(&self, spec: &Arc<ServerSpec>, component: Option<&Component>) -> String {
        let mut hash = HashWriter(Sha256::new());
        // Writing into a hash cannot fail.
        let _ = write!(hash, "{spec:?}");
        if let Some(component) = component {
            hash.0.update(component.digest.as_bytes());
        }
        if !spec.secrets.is_empty() {
            let (resolver, spec) = (Arc::clone(&self.config.resolver), Arc::clone(spec));
            let revisions = tokio::task::spawn_blocking(move || {
                let revision = |name: &String| {
                    let info = resolver.info(spec.id.as_str(), name);
                    // One that is missing has no revision, and gets one when it comes.
                    info.map(|info| info.revision).unwrap_or_default()
                };
                spec.secrets.iter().map(revision).collect::<Vec<_>>().join(" ")
            });
            hash.0.update(revisions.await.unwrap_or_default().as_bytes());
        }
        hash.0.finalize().iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

struct HashWriter(Sha256);

impl std::fmt::Write for HashWriter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
