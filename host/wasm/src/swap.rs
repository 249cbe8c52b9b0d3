//! Replacing a plugin while it runs: the new one is loaded completely beside the old one, and then one pointer is exchanged.
//!
//! Calls in flight end on the old one, which goes with the last of them. Connections belong to the host and notice nothing. What the old
//! one brought up is released by the new one, from the state of the old one; so the new one must understand it.

use crate::error::{LoadError, LoadErrorKind};
use crate::ledger::Subject;
use crate::load::{self, PluginSource};
use crate::plugin::Plugin;
use host_provisioner::Description;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a plugin fares, for a status page.
#[derive(Debug, Clone)]
pub struct PluginStatus {
    /// What runs now, with version and digest.
    pub description: Arc<Description>,
    /// Why the last attempt to replace it failed; `None` after one that succeeded.
    pub last_error: Option<LoadError>,
}

/// State of replacing.
pub(crate) struct Swap {
    /// One at a time, so that the later file wins.
    turn: tokio::sync::Mutex<()>,
    source: Mutex<PluginSource>,
    last_error: Mutex<Option<LoadError>>,
}

impl Swap {
    pub(crate) fn new(source: PluginSource) -> Self {
        Self { turn: tokio::sync::Mutex::default(), source: Mutex::new(source), last_error: Mutex::default() }
    }

    /// Where the plugin came from last.
    pub(crate) fn source(&self) -> PluginSource {
        lock(&self.source).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plugin {
    /// Replaces the plugin. Calls go on meanwhile, and none of them fails because of it. The same bytes again are no replacement.
    ///
    /// # Errors
    /// As [`PluginHost::load`](crate::PluginHost::load), and when the new one does not understand the state of a server that runs. The old
    /// one then stays, and [`Plugin::status`] has the error.
    pub async fn replace(&self, source: PluginSource) -> Result<Arc<Description>, LoadError> {
        let _turn = self.swap.turn.lock().await;
        let outcome = self.exchanged(&source).await;
        *lock(&self.swap.last_error) = outcome.as_ref().err().cloned();
        if outcome.is_ok() {
            *lock(&self.swap.source) = source;
        }
        outcome
    }

    async fn exchanged(&self, source: &PluginSource) -> Result<Arc<Description>, LoadError> {
        let loaded = load::load(self.host(), self.identity(), source).await?;
        let unread = self.unread(&loaded.description);
        if !unread.is_empty() {
            let versions: Vec<String> = unread.iter().map(u32::to_string).collect();
            let text = format!(
                "cannot replace version {}: servers that run have state of version {}, which version {} does not read",
                self.current.load().description.version,
                versions.join(", "),
                loaded.description.version
            );
            return Err(LoadError::new(&self.identity().name, LoadErrorKind::Replace, text)
                .with_hint("end these servers first, or use a version that reads their state"));
        }
        let description = Arc::clone(&loaded.description);
        if description.digest == self.current.load().description.digest {
            return Ok(description);
        }
        let old = self.current.swap(Arc::new(loaded));
        let which = |of: &Description| {
            format!("version {} (sha256:{})", of.version, of.digest.chars().take(12).collect::<String>())
        };
        tracing::info!(
            "plugin `{}` replaced: {} instead of {}",
            self.identity().name,
            which(&description),
            which(&old.description)
        );
        Ok(description)
    }

    /// Versions of state that servers have and the description does not read.
    fn unread(&self, description: &Description) -> BTreeSet<u32> {
        let mine = self.host().ledger.open().into_iter().filter(|record| {
            record.begin.plugin == self.identity().name && record.begin.subject == Subject::Server
        });
        let versions = mine.filter_map(|record| record.last_state().map(|state| state.version));
        versions.filter(|version| !description.reads_state.contains(version)).collect()
    }

    /// How it fares.
    #[must_use]
    pub fn status(&self) -> PluginStatus {
        let current = self.current.load();
        PluginStatus {
            description: Arc::clone(&current.description),
            last_error: lock(&self.swap.last_error).clone(),
        }
    }
}
