//! A provisioner that is loaded at its first use, so that a start costs nothing and clients are answered at once.
//!
//! *Invariant:* `prepare` has succeeded, with all servers placed here, before any `provision`. A failure to load or prepare is not kept: it
//! reaches those who waited, and the next call tries again.

use crate::assemble::asks::{self, Named};
use crate::assemble::plugins::ours;
use async_trait::async_trait;
use host_provisioner::{
    Blueprint, Call, Class, Description, Failure, FieldReport, Health, Lease, ManagedObject, Phase,
    Provisioned, Provisioner, Reconnected, ReleaseReason, RequestId, ServerSpec, SweepReport, ToolOutput,
    ToolRun,
};
use host_wasm::{
    Asks, Grants, Limits, LoadError, LoadErrorKind, Plugin, PluginHost, PluginSource, PluginSpec,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long `prepare` may take. It may pull images for many servers.
const PREPARE_WITHIN: Duration = Duration::from_secs(300);

/// See the module.
pub(crate) struct Deferred {
    host: Arc<PluginHost>,
    spec: PluginSpec,
    named: Named,
    plugin: OnceCell<Arc<Plugin>>,
    /// Another cell for other servers: what is being prepared for the old ones does not count for the new ones.
    prepared: Mutex<Arc<OnceCell<()>>>,
    servers: Mutex<Vec<Arc<ServerSpec>>>,
}

impl Deferred {
    pub(crate) fn new(host: Arc<PluginHost>, spec: PluginSpec, named: Named) -> Arc<Self> {
        Arc::new(Self {
            host,
            spec,
            named,
            plugin: OnceCell::new(),
            prepared: Mutex::default(),
            servers: Mutex::default(),
        })
    }

    /// The servers placed here. Others than before have to be prepared before their first use.
    pub(crate) fn place(&self, servers: Vec<Arc<ServerSpec>>) {
        let mut known = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != servers {
            *known = servers;
            *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        }
    }

    /// The plugin, loaded now if it was not.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) async fn plugin(&self) -> Result<&Arc<Plugin>, LoadError> {
        let load = async || match self.host.load(self.spec.clone()).await {
            Err(error) if error.kind == LoadErrorKind::Grant => Err(self.advised(error).await),
            loaded => loaded,
        };
        self.plugin.get_or_try_init(load).await
    }

    /// The refusal of an import, with everything that is missing as lines to be pasted instead of the first import's setting.
    async fn advised(&self, mut error: LoadError) -> LoadError {
        if let Ok(asks) = self.asks().await {
            let missing = asks::missing(&asks, &self.spec.grants);
            if !missing.is_empty() {
                error.hint = Some(self.named.advice(&missing, &self.spec.grants));
            }
        }
        error
    }

    /// What its component imports, whatever it was granted.
    ///
    /// # Errors
    /// It cannot be read, or is no plugin.
    pub(crate) async fn asks(&self) -> Result<Asks, LoadError> {
        asks::asks(&self.spec.name, &self.spec.source).await
    }

    /// By what it is loaded.
    pub(crate) fn spec(&self) -> &PluginSpec {
        &self.spec
    }

    /// What it was granted.
    pub(crate) fn grants(&self) -> &Grants {
        &self.spec.grants
    }

    /// What it may use up.
    pub(crate) fn limits(&self) -> &Limits {
        &self.spec.limits
    }

    /// How the operator named it.
    pub(crate) fn named(&self) -> &Named {
        &self.named
    }

    /// Whether it comes from a file, which may change.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.spec.source, PluginSource::File(_))
    }

    /// Why the file that the operator named is not what runs, if it is not: a copy of a bundled plugin has the bundled grants, and they
    /// are for those bytes alone.
    pub(crate) fn strayed(&self) -> Option<String> {
        let file = self.named.file.as_ref().filter(|_| !self.is_file())?;
        if ours(file).is_some() {
            return None;
        }
        let text = format!(
            "file {} is no longer the plugin that comes with this gateway, and has no grants of its own; grant it what it needs under \
             `plugins.{}` in gateway.yaml and start anew",
            file.display(),
            self.spec.name
        );
        Some(text)
    }

    /// Where its component is.
    pub(crate) fn source(&self) -> PluginSource {
        self.spec.source.clone()
    }

    /// The plugin, if it was needed yet.
    pub(crate) fn loaded(&self) -> Option<&Arc<Plugin>> {
        self.plugin.get()
    }

    async fn ready(&self) -> Result<&Arc<Plugin>, Failure> {
        let plugin = self.plugin().await.map_err(failure)?;
        let prepared = Arc::clone(&self.prepared.lock().unwrap_or_else(PoisonError::into_inner));
        prepared
            .get_or_try_init(|| async {
                let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let bits = getrandom::u64().map_err(|error| {
                    Failure::new(Phase::Prepare, Class::Other, format!("no random bytes: {error}"))
                })?;
                plugin.prepare(&Call::new(RequestId::from_bits(bits), PREPARE_WITHIN), &servers).await
            })
            .await?;
        Ok(plugin)
    }
}

/// A load that failed, as those who use its servers see it.
pub(crate) fn failure(error: LoadError) -> Failure {
    let mut failure =
        Failure::new(Phase::Load, Class::Config, format!("plugin `{}` {}", error.plugin, error.text));
    failure.hint = error.hint;
    failure.plugin = error.plugin;
    failure
}

#[async_trait]
impl Provisioner for Deferred {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn description(&self) -> Arc<Description> {
        match self.plugin.get() {
            Some(plugin) => plugin.description(),
            None => Arc::new(Description {
                name: self.spec.name.clone(),
                version: String::new(),
                digest: String::new(),
                summary: "not loaded yet".to_owned(),
                runs: Vec::new(),
                settings_schema: "{}".to_owned(),
                server_settings_schema: "{}".to_owned(),
                reads_state: Vec::new(),
                abilities: Vec::new(),
            }),
        }
    }

    async fn prepare(&self, call: &Call, servers: &[Arc<ServerSpec>]) -> Result<(), Failure> {
        self.plugin().await.map_err(failure)?.prepare(call, servers).await
    }

    async fn validate(&self, call: &Call, server: &ServerSpec) -> Result<Vec<FieldReport>, Failure> {
        self.plugin().await.map_err(failure)?.validate(call, server).await
    }

    async fn plan(&self, call: &Call, server: &ServerSpec) -> Result<Blueprint, Failure> {
        // A plan may be asked for without a start (`--dry-run`), and `prepare` may create things. Both may be called at any time
        // (`wit/v0.1/lifecycle.wit`, Repeating).
        self.plugin().await.map_err(failure)?.plan(call, server).await
    }

    async fn provision(&self, call: &Call, server: &Arc<ServerSpec>) -> Result<Provisioned, Failure> {
        let provision = async { self.ready().await?.provision(call, server).await };
        if self.plugin.initialized() || self.spec.grants.embedded.is_none() {
            return provision.await;
        }
        // The plugin and the component that it is going to start are loaded side by side.
        let warm = async {
            self.host.warm(server).await;
            std::future::pending().await
        };
        tokio::select! {
            provisioned = provision => provisioned,
            never = warm => never,
        }
    }

    async fn probe(&self, call: &Call, lease: &Lease) -> Result<Health, Failure> {
        self.plugin().await.map_err(failure)?.probe(call, lease).await
    }

    async fn reconnect(&self, call: &Call, lease: &Lease) -> Result<Option<Reconnected>, Failure> {
        self.ready().await?.reconnect(call, lease).await
    }

    async fn release(&self, call: &Call, lease: &Lease, reason: ReleaseReason) -> Result<(), Failure> {
        self.plugin().await.map_err(failure)?.release(call, lease, reason).await
    }

    async fn enumerate(&self, call: &Call) -> Result<Vec<ManagedObject>, Failure> {
        self.ready().await?.enumerate(call).await
    }

    async fn sweep(&self, call: &Call) -> Result<SweepReport, Failure> {
        self.ready().await?.sweep(call).await
    }

    async fn run_tool(&self, call: &Call, tool: &ToolRun) -> Result<ToolOutput, Failure> {
        self.ready().await?.run_tool(call, tool).await
    }

    async fn validate_tool(&self, call: &Call, tool: &ToolRun) -> Result<Vec<FieldReport>, Failure> {
        self.plugin().await.map_err(failure)?.validate_tool(call, tool).await
    }

    async fn plan_tool(&self, call: &Call, tool: &ToolRun) -> Result<Blueprint, Failure> {
        self.plugin().await.map_err(failure)?.plan_tool(call, tool).await
    }

    async fn shutdown(&self, call: &Call) -> Result<(), Failure> {
        match self.plugin.get() {
            Some(plugin) => plugin.shutdown(call).await,
            None => Ok(()),
        }
    }
}
