//! A gateway that runs, as the control socket, signals and `--watch` see it.

use crate::assemble::App;
use crate::assemble::sweep::Whose;
use crate::commands::plan;
use crate::control::{Answer, Request};
use crate::output::{digest, say, short_digest};
use anyhow::{Context, Result, bail};
use host_pool::{Pool, ServerStatus};
use host_wasm::Watch;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// See the module.
pub(crate) struct Running {
    /// Replaced as a whole when files were taken over.
    app: RwLock<Arc<App>>,
    pool: Arc<Pool>,
    /// Tells the front about other servers; absent as long as there is no front.
    refront: OnceLock<Refront>,
}

/// Tells a front about other servers.
pub(crate) type Refront = Box<dyn Fn(&App) + Send + Sync>;

impl Running {
    pub(crate) fn new(app: Arc<App>, pool: Arc<Pool>) -> Self {
        Self { app: RwLock::new(app), pool, refront: OnceLock::new() }
    }

    /// What runs now.
    pub(crate) fn app(&self) -> Arc<App> {
        Arc::clone(&self.app.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says how the front is told about other servers.
    pub(crate) fn tell_front(&self, refront: Refront) {
        let _ = self.refront.set(refront);
    }

    /// Takes another set of servers over; `differs` if clients could notice.
    pub(crate) fn replace(&self, app: App, differs: bool) {
        let app = Arc::new(app);
        *self.app.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&app);
        if !differs {
            return;
        }
        self.pool.replace_servers(app.entries());
        if let Some(refront) = self.refront.get() {
            refront(&app);
        }
    }

    /// Loads plugin files anew: one, or all that are loaded. One row per plugin; what failed kept its old version.
    ///
    /// # Errors
    /// There is no such plugin.
    pub(crate) async fn reload(&self, name: Option<&str>) -> Result<Vec<Value>> {
        if let Some(name) = name
            && !self.app().provisioners.contains_key(name)
        {
            bail!("there is no plugin `{name}` here (there are: {})", self.names());
        }
        let mut rows = Vec::new();
        for (known, deferred) in &self.app().provisioners {
            if name.is_some_and(|name| name != known) {
                continue;
            }
            let Some(plugin) = deferred.loaded() else {
                rows.push(json!({"plugin": known, "outcome": "not-loaded", "text": "it was not needed yet; its file is read when it is"}));
                continue;
            };
            if let Some(why) = deferred.strayed() {
                rows.push(json!({"plugin": known, "outcome": "kept", "error": why}));
                continue;
            }
            let old = plugin.status().description;
            rows.push(match plugin.replace(deferred.source()).await {
                Ok(new) if new.digest == old.digest => json!({
                    "plugin": known, "outcome": "unchanged", "version": new.version, "digest": digest(&new.digest),
                }),
                Ok(new) => json!({
                    "plugin": known, "outcome": "replaced", "version": new.version, "digest": digest(&new.digest),
                    "oldVersion": old.version, "oldDigest": digest(&old.digest),
                }),
                Err(error) => json!({"plugin": known, "outcome": "kept", "error": error.to_string()}),
            });
        }
        Ok(rows)
    }

    /// As [`Running::reload`], for a signal: says what happened.
    pub(crate) async fn reload_and_say(&self, name: Option<&str>) {
        match self.reload(name).await {
            // The log tells of what was replaced, as it does with `--watch`.
            Ok(rows) => {
                let told = |row: &&Value| row["outcome"] == "replaced";
                rows.iter().filter(|row| !told(row)).for_each(|row| say(&reload_line(row)));
            }
            Err(error) => say(&format!("error: {error:#}")),
        }
    }

    /// Replaces plugins when their files change. Plugins that come from files are loaded for it now.
    pub(crate) fn watch(&self, stop: &CancellationToken) {
        for deferred in self.app().provisioners.values().filter(|deferred| deferred.named().file.is_some()) {
            if !deferred.is_file() {
                say(&format!(
                    "warning: --watch: plugin `{}` is a copy of the one that comes with this gateway and has its grants; another file in its \
                     place needs grants of its own, under `plugins:` in gateway.yaml",
                    deferred.named().name
                ));
                continue;
            }
            let deferred = Arc::clone(deferred);
            let stop = stop.clone();
            tokio::spawn(async move {
                let watching = match deferred.plugin().await {
                    Ok(plugin) => Watch::new(plugin),
                    Err(error) => Err(error.to_string()),
                };
                match watching {
                    Ok(_watch) => stop.cancelled().await,
                    Err(why) => say(&format!("warning: --watch: {why}")),
                }
            });
        }
    }

    /// Takes down what runs that no longer live have left: now, and again and again, because another gateway may be killed while this one runs.
    pub(crate) async fn sweep(&self) {
        // The ledger says which plugins are needed, and loads them.
        self.app().work_off_ledger().await.iter().for_each(|line| say(line));
        loop {
            // Nothing waits for it: a start of theirs does the same.
            tokio::time::sleep(self.app().inputs.settings.pool.sweep).await;
            let (lines, _) = self.app().sweep(Whose::Loaded).await;
            lines.iter().for_each(|line| say(line));
        }
    }

    fn names(&self) -> String {
        self.app().provisioners.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    async fn server(&self, name: &str) -> Result<Value> {
        let app = self.app();
        let placed = app
            .placed
            .iter()
            .find(|placed| placed.server.name == name)
            .with_context(|| format!("there is no server `{name}` here"))?;
        let status = self.pool.statuses().into_iter().find(|status| &*status.name == name);
        let plan = plan::of(&app, placed).await;
        Ok(json!({"status": status.as_ref().map(row), "plan": plan}))
    }
}

/// One line for people.
pub(crate) fn reload_line(row: &Value) -> String {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let which =
        |version: &str, digest: &str| format!("version {} ({})", text(version), short_digest(text(digest)));
    let plugin = text("plugin");
    match text("outcome") {
        "replaced" => format!(
            "plugin `{plugin}` replaced: {} instead of {}",
            which("version", "digest"),
            which("oldVersion", "oldDigest")
        ),
        "unchanged" => {
            format!("plugin `{plugin}` unchanged: its file is still {}", which("version", "digest"))
        }
        "kept" => format!("plugin `{plugin}` kept as it was: {}", text("error")),
        _ => format!("plugin `{plugin}`: {}", text("text")),
    }
}

/// One server for programs.
fn row(status: &ServerStatus) -> Value {
    json!({
        "name": &*status.name,
        "id": status.id.as_str(),
        "provisioner": status.provisioner,
        "state": status.state.as_str(),
        "unchangedForSeconds": status.unchanged_for.as_secs(),
        "clients": status.clients,
        "calls": status.calls,
        "rubbishLines": status.rubbish,
        "progress": status.progress.as_ref().map(|p| p.text.clone()),
        "failure": status.last_failure.as_ref().map(|f| json!({
            "phase": f.phase.as_str(), "class": f.class.as_str(), "step": f.step, "text": f.text, "hint": f.hint,
            "details": f.details, "plugin": f.plugin, "secondsAgo": status.failed_for.map(|ago| ago.as_secs()),
        })),
        "fields": status.fields.iter().map(plan::field).collect::<Vec<_>>(),
    })
}

#[async_trait::async_trait]
impl Answer for Running {
    async fn answer(&self, request: Request) -> Result<Value> {
        match request {
            Request::Reload { plugin } => Ok(json!({"plugins": self.reload(plugin.as_deref()).await?})),
            Request::Servers => {
                let servers: Vec<Value> = self.pool.statuses().iter().map(row).collect();
                Ok(json!({"session": self.app().identity.session, "servers": servers}))
            }
            Request::Server { name } => self.server(&name).await,
        }
    }
}
