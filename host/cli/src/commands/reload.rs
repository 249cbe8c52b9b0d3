//! Taking over changed files while the gateway runs.
//!
//! *Invariant:* nothing of a set of files that does not pass every check is taken over. Servers whose evaluated entry is the same keep
//! their clients; the others finish their calls and are replaced.

use crate::assemble::difference::{Change, line};
use crate::assemble::{App, Inputs};
use crate::commands::running::Running;
use crate::output::say;
use notify::{RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long files must be left alone before they are read, as in the original.
const QUIET: Duration = Duration::from_millis(300);

/// Who asked for a reload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A person, who wants to hear that nothing has changed.
    ByName,
    /// A file that was touched.
    ByWatch,
}

impl Running {
    /// Reads all files anew and takes over what has changed; says what, or why not.
    pub(crate) async fn reload_files(&self, asked: Asked) {
        let app = self.app();
        let Some(source) = app.inputs.source.clone() else { return };
        let environment = app.environment.clone();
        let read = tokio::task::spawn_blocking(move || Inputs::load(&source, &environment)).await;
        let inputs = match read {
            Ok(Ok(inputs)) => inputs,
            Ok(Err(error)) => {
                return say(&format!("warning: the changed files are not used, what runs stays:\n{error:#}"));
            }
            Err(error) => {
                return say(&format!("warning: the changed files are not used, what runs stays: {error}"));
            }
        };
        let restart = needs_restart(&app.inputs, &inputs);
        if !restart.is_empty() {
            say(&format!("note: changes of {} take effect at the next start", restart.join(", ")));
        }
        let (next, changes) = app.again(inputs);
        let same_shown = next.shows_the_same(&app);
        if changes.is_empty() && same_shown {
            if asked == Asked::ByName {
                say("reloaded: no server has changed");
            }
            // The files that are watched may be others all the same.
            return self.replace(next, false);
        }
        self.replace(next, true);
        changes.iter().for_each(|(name, change)| say(&format!("reloaded: {}", line(name, change))));
        if changes.iter().all(|(_, change)| !matches!(change, Change::Added | Change::Removed)) && !same_shown
        {
            say("reloaded: names or lists of tools");
        }
    }

    /// Takes files over when they change.
    pub(crate) fn watch_files(self: &Arc<Self>, stop: &CancellationToken) {
        let (running, stop) = (Arc::clone(self), stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(running.follow_files()).await });
    }

    async fn follow_files(&self) {
        let mut files = self.app().files();
        let mut watch = match FileWatch::new(&files) {
            Ok(watch) => watch,
            Err(why) => return say(&format!("warning: files are not watched: {why}")),
        };
        while watch.changed().await {
            self.reload_files(Asked::ByWatch).await;
            let now = self.app().files();
            if now != files {
                files = now;
                match FileWatch::new(&files) {
                    Ok(new) => watch = new,
                    Err(why) => return say(&format!("warning: files are no longer watched: {why}")),
                }
                // Whatever was touched before the new files were watched.
                self.reload_files(Asked::ByWatch).await;
            }
        }
    }
}

/// What only a start takes over.
fn needs_restart(old: &Inputs, new: &Inputs) -> Vec<&'static str> {
    let (a, b) = (&old.settings, &new.settings);
    let parts = [
        ("`plugins`", a.plugins != b.plugins),
        ("`front`", a.front != b.front),
        ("`pool`", a.pool != b.pool),
        ("`secrets`", a.secrets != b.secrets),
        ("`state`", a.state != b.state),
    ];
    parts.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

impl App {
    /// The files that it was read from.
    fn files(&self) -> BTreeSet<PathBuf> {
        let settings = Some(&self.inputs.settings.source).filter(|file| !file.is_empty()).map(PathBuf::from);
        settings.into_iter().chain(self.inputs.files.read.iter().map(|(_, path)| path.clone())).collect()
    }
}

/// Notices changes of files. Their folders are watched, because most editors replace files by renaming, and Kubernetes swaps a link.
struct FileWatch {
    events: mpsc::Receiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl FileWatch {
    fn new(files: &BTreeSet<PathBuf>) -> Result<Self, String> {
        let files: BTreeSet<PathBuf> =
            files.iter().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone())).collect();
        let folders: BTreeSet<PathBuf> =
            files.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
        let (send, events) = mpsc::channel(1);
        let names: BTreeSet<_> =
            files.iter().filter_map(|file| file.file_name()).map(ToOwned::to_owned).collect();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may have hidden an event, so it counts as one. `..data` is the link behind a mounted ConfigMap.
            let ours = |path: &PathBuf| {
                path.file_name().is_some_and(|name| name == "..data" || names.contains(name))
            };
            let touched =
                event.as_ref().map_or(true, |event| !event.kind.is_access() && event.paths.iter().any(ours));
            if touched {
                // One that waits already is enough.
                let _ = send.try_send(());
            }
        })
        .map_err(|error| error.to_string())?;
        for folder in &folders {
            watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .map_err(|error| format!("folder {}: {error}", folder.display()))?;
        }
        Ok(Self { events, _watcher: watcher })
    }

    /// Waits until something was touched and then left alone for a moment; false if nothing is watched any more.
    async fn changed(&mut self) -> bool {
        if self.events.recv().await.is_none() {
            return false;
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.events.recv()).await {}
        true
    }
}
