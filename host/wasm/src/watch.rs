//! Notices that the file of a plugin was changed, and replaces the plugin.
//!
//! The folder is watched, not the file, because most tools replace files by renaming. A file that is still being written fails to load;
//! the old plugin stays, and the next event tries again.

use crate::load::PluginSource;
use crate::plugin::Plugin;
use notify::{RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a file must be left alone before it is read.
const QUIET: Duration = Duration::from_millis(200);

/// Watches until it is dropped.
pub struct Watch {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Watches the file that a plugin was loaded from. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The plugin came from no file, or the system does not let its folder be watched.
    pub fn new(plugin: &Arc<Plugin>) -> Result<Self, String> {
        let PluginSource::File(path) = plugin.swap.source() else {
            return Err(format!(
                "plugin `{}` came from no file, so there is nothing to watch",
                plugin.identity().name
            ));
        };
        let bad = |why: String| format!("the folder of `{}` cannot be watched: {why}", path.display());
        let absolute = std::path::absolute(&path).map_err(|e| bad(e.to_string()))?;
        let folder = absolute.parent().map(Path::to_owned).ok_or_else(|| bad("it has none".to_owned()))?;
        let (send, events) = mpsc::channel(1);
        let name = absolute.file_name().map(ToOwned::to_owned);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error (such as an overflow) may have hidden an event, so it counts as one. Reading counts not.
            let touched = event.as_ref().map_or(true, |event| {
                !event.kind.is_access() && event.paths.iter().any(|path| path.file_name() == name.as_deref())
            }) || event.as_ref().is_ok_and(closed_after_writing);
            if touched {
                // One that waits already is enough.
                let _ = send.try_send(());
            }
        })
        .map_err(|e| bad(e.to_string()))?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(|e| bad(e.to_string()))?;
        let task = tokio::spawn(follow(Arc::downgrade(plugin), absolute, events, watcher));
        Ok(Self { task })
    }
}

fn closed_after_writing(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(event.kind, notify::EventKind::Access(AccessKind::Close(AccessMode::Write)))
}

async fn follow(
    plugin: std::sync::Weak<Plugin>,
    path: PathBuf,
    mut events: mpsc::Receiver<()>,
    _watcher: impl Watcher,
) {
    while events.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(QUIET, events.recv()).await {}
        let Some(plugin) = plugin.upgrade() else { return };
        let unchanged = tokio::fs::read(&path)
            .await
            .is_ok_and(|bytes| plugin.status().description.digest == crate::server::hex(&bytes));
        if unchanged {
            continue;
        }
        if let Err(error) = plugin.replace(PluginSource::File(path.clone())).await {
            tracing::warn!(plugin = plugin.identity().name, "the changed file is not used: {error}");
        }
    }
}
