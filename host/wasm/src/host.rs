//! The gateway's side of all plugins: one engine, one ledger, one reaper.

use crate::engine::Engines;
use crate::error::LoadError;
use crate::faults::Faults;
use crate::grants::Grants;
use crate::image_policy::ImagePolicy;
use crate::image_words::{BridgeProgram, ImageCatalog};
use crate::ledger::{Abandoned, Ledger, Record, Subject};
use crate::limits::Limits;
use crate::load::PluginSource;
use crate::plugin::Plugin;
use crate::reaper::{Endings, Reaper};
use crate::server::Digests;
use crate::tape::Tape;
use crate::v0_1::docker::{Containers, EgressProgram};
use crate::v0_1::embedded::Workloads;
use crate::v0_1::kubernetes::KubernetesState;
use host_provisioner::{Failure, Lease, ReleaseReason, sanitize};
use host_resolver::Resolver;
use host_workload_docker::DockerEngine;
use host_workload_embedded::{Compilations, EmbeddedEngine};
use host_workload_kubernetes::Surroundings;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Of the time of an ending, what is kept for that which the servers of a plugin share: a release that hangs must not take it.
const SHARED_ENDS: Duration = Duration::from_secs(5);
/// Objects that a line about something left behind names.
const OBJECTS_SHOWN: usize = 5;

/// Id of an installation or of a run of the gateway: `[a-z][a-z0-9]{15}`, as the contract has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId(String);

impl RunId {
    /// Makes an id of 64 random bits given by the caller.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(crate::v0_1::context::short_id(&format!("{bits:016x}")))
    }

    /// Takes back an id that was written down. Text of another shape gives `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ok = text.len() == 16
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        ok.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Settings of the plugin host.
pub struct PluginHostConfig {
    /// Id of this installation, the same after a restart.
    pub gateway: RunId,
    /// Id of this run. Owner of everything created in it.
    pub session: RunId,
    /// Folder that lives on: the ledger is in `ledger/` below it. Made when it is first needed.
    pub state_dir: PathBuf,
    /// Folder for compiled plugins, private to this user. Without one, every run compiles anew.
    pub cache_dir: Option<PathBuf>,
    /// Where servers that are components run.
    pub embedded: Arc<EmbeddedEngine>,
    /// Where servers that are images run; an error where it cannot be found out, which only those are told who ask for it.
    pub docker: Result<Arc<DockerEngine>, host_workload_docker::Error>,
    /// What the command line and the environment say about clusters. None is looked for before a plugin asks.
    pub kubernetes: Surroundings,
    /// Sends requests of plugins, and signs them with the gateway's own credentials.
    pub outbound: Arc<host_outbound::Client>,
    /// Where secrets come from.
    pub resolver: Arc<Resolver>,
    /// Servers that are compiled into the program, by name.
    pub bundled_servers: BTreeMap<String, &'static [u8]>,
    /// How long one plugin may compile, and how long it may wait for others that do.
    pub compile_limit: Duration,
}

/// What to load.
#[derive(Debug, Clone)]
pub struct PluginSpec {
    /// The operator's name for it: `[a-z][a-z0-9-]*`, at most 40 characters.
    pub name: String,
    /// Its component.
    pub source: PluginSource,
    /// What it is allowed to do.
    pub grants: Grants,
    /// What it may use up.
    pub limits: Limits,
    /// Handed to it as it is: a JSON object.
    pub settings: serde_json::Value,
}

/// Something that could not be taken down. Shown as one line without control characters: whose it is, its objects, why it is still there.
#[derive(Debug, Clone)]
pub struct LeftBehind {
    /// What it was made for, by which plugin, with its objects.
    pub lease: Lease,
    /// Why it is still there, with the way out as hint.
    pub failure: Failure,
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // They may come from a file of another run.
        let name = |text: &str| sanitize::line(text, 200);
        let Lease { server_name, plugin, session, objects, .. } = &self.lease;
        // What `prepare` made belongs to no server.
        if server_name.is_empty() {
            write!(f, "what plugin `{}` made for all servers", name(plugin))?;
        } else {
            write!(f, "server `{}`", name(server_name))?;
        }
        write!(f, " of session {} is still there", name(session))?;
        let shown = objects.iter().take(OBJECTS_SHOWN);
        let mut shown: Vec<_> = shown.map(|o| format!("{} `{}`", name(&o.kind), name(&o.name))).collect();
        if objects.len() > OBJECTS_SHOWN {
            shown.push(format!("{} more", objects.len() - OBJECTS_SHOWN));
        }
        if !shown.is_empty() {
            write!(f, " ({})", shown.join(", "))?;
        }
        write!(f, ": {}", self.failure.one_line())
    }
}

/// See the module.
pub struct PluginHost {
    this: Weak<PluginHost>,
    pub(crate) config: PluginHostConfig,
    pub(crate) ledger: Ledger,
    pub(crate) reaper: Reaper,
    pub(crate) workloads: Workloads,
    pub(crate) containers: Containers,
    pub(crate) kubernetes: KubernetesState,
    pub(crate) digests: Digests,
    pub(crate) compilations: Arc<Compilations>,
    /// See [`PluginHost::carry_egress`].
    pub(crate) egress: OnceLock<EgressProgram>,
    faults: OnceLock<Arc<dyn Faults>>,
    tape: OnceLock<Arc<Tape>>,
    image_policy: OnceLock<Arc<dyn ImagePolicy>>,
    bridge: OnceLock<BridgeProgram>,
    image_catalog: OnceLock<Arc<dyn ImageCatalog>>,
    engines: OnceCell<Arc<Engines>>,
    /// Weak, because a plugin has the host.
    plugins: Mutex<BTreeMap<String, Weak<Plugin>>>,
    number: AtomicU64,
    /// Ledgers of dead runs that were found and not worked off yet, with their locks.
    abandoned: Mutex<Vec<Abandoned>>,
}

impl PluginHost {
    /// Makes a host. Costs nothing: engine and folders come with the first plugin.
    #[must_use]
    pub fn new(config: PluginHostConfig) -> Arc<Self> {
        let kubernetes = KubernetesState::new(config.kubernetes.clone());
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            ledger: Ledger::new(&config.state_dir, config.session.as_str()),
            compilations: Compilations::new(config.compile_limit),
            image_policy: OnceLock::new(),
            config,
            reaper: Reaper::default(),
            workloads: Workloads::default(),
            containers: Containers::default(),
            kubernetes,
            digests: Digests::default(),
            egress: OnceLock::new(),
            faults: OnceLock::new(),
            bridge: OnceLock::new(),
            image_catalog: OnceLock::new(),
            tape: OnceLock::new(),
            engines: OnceCell::new(),
            plugins: Mutex::default(),
            number: AtomicU64::new(0),
            abandoned: Mutex::default(),
        })
    }

    /// Gives it the program that egress proxies run. Without one, nobody's way out can be limited by name, and that is said. The first counts.
    pub fn carry_egress(&self, program: EgressProgram) {
        let _ = self.egress.set(program);
    }

    /// From now on, host functions are disturbed as this says. For tests of plugins; it can be said once.
    pub fn disturb(&self, faults: Arc<dyn Faults>) {
        if self.faults.set(faults).is_err() {
            tracing::warn!("host functions are disturbed already, and go on as they were");
        }
    }

    pub(crate) fn faults(&self) -> Option<&Arc<dyn Faults>> {
        self.faults.get()
    }

    /// From now on plugins are recorded on this tape, or it plays for them. To be called once, before the first plugin is loaded.
    pub fn tape(&self, tape: Arc<Tape>) {
        if self.tape.set(tape).is_err() {
            tracing::warn!("there is a tape already, which stays");
        }
    }

    pub(crate) fn taped(&self) -> Option<&Arc<Tape>> {
        self.tape.get()
    }

    /// From now on images run only if the policy allows them. To be called once, before the first plugin is.
    pub fn trust_images_by(&self, policy: Arc<dyn ImagePolicy>) {
        if self.image_policy.set(policy).is_err() {
            tracing::error!("images have a policy already, which stays");
        }
    }

    /// Gives it what it puts in front of programs in a cluster, and who knows which programs images start. Without them, tools and adapters
    /// there are refused. The first counts.
    pub fn carry_bridge(&self, program: Option<BridgeProgram>, catalog: Arc<dyn ImageCatalog>) {
        if let Some(program) = program {
            let _ = self.bridge.set(program);
        }
        let _ = self.image_catalog.set(catalog);
    }

    pub(crate) fn bridge(&self) -> Option<&BridgeProgram> {
        self.bridge.get()
    }

    pub(crate) fn image_catalog(&self) -> Option<&dyn ImageCatalog> {
        self.image_catalog.get().map(AsRef::as_ref)
    }

    pub(crate) fn image_policy(&self) -> Option<&dyn ImagePolicy> {
        self.image_policy.get().map(AsRef::as_ref)
    }

    /// Loads a plugin: reads, checks, compiles, links and describes it. Must be called within a tokio runtime.
    ///
    /// The host knows the plugin as long as the caller keeps it; clean-up and the end of the gateway need it.
    ///
    /// A second plugin of the same name replaces the first for clean-up; use [`Plugin::replace`] to exchange one that runs.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong with the file, what it asks for and is not granted, how its description breaks a rule.
    pub async fn load(self: &Arc<Self>, spec: PluginSpec) -> Result<Arc<Plugin>, LoadError> {
        let plugin = Plugin::load(self, spec).await?;
        self.plugins().insert(plugin.identity().name.clone(), Arc::downgrade(&plugin));
        Ok(plugin)
    }

    /// Leases of runs of the gateway that are dead, oldest first, those of what `prepare` made among them, which have no server. Their ledgers
    /// stay locked until [`PluginHost::work_off`].
    pub async fn abandoned(self: &Arc<Self>) -> Vec<Lease> {
        let host = Arc::clone(self);
        let find = move || {
            let found = host.ledger.abandoned();
            let mut abandoned = host.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
            abandoned.extend(found);
            abandoned.iter().flat_map(|file| &file.leases).map(|left| left.lease()).collect()
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_default()
    }

    /// Takes down what dead runs have left: each open lease is released by the plugin of its name, in the order of creation, each with
    /// `each` to do it; then the plugin's `shutdown` gets what `prepare` had made. Plugins do so side by side, so that one that hangs holds
    /// up nobody else's clean-up. What cannot be released moves into the ledger of this run and is returned with the way out.
    pub async fn work_off(self: &Arc<Self>, each: Duration) -> Vec<LeftBehind> {
        drop(self.abandoned().await);
        let files = std::mem::take(&mut *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner));
        let mut left_behind = Vec::new();
        let mut by_plugin: BTreeMap<String, Vec<Arc<Record>>> = BTreeMap::new();
        for mut file in files {
            let mut leases = file.leases.clone();
            // Servers first: what they share goes last.
            leases.sort_by_key(|left| (left.begin.subject == Subject::Shared, left.begin.number));
            for left in leases {
                // First into our own ledger, so that at every moment one of the two has it.
                match self.ledger.adopt(left.clone(), self.next_number()) {
                    Ok(record) => {
                        file.released(&left.begin.lease);
                        by_plugin.entry(record.begin.plugin.clone()).or_default().push(record);
                    }
                    Err(error) => left_behind.push(crate::reaper::unadopted(&left, &error)),
                }
            }
            file.finish();
        }
        let mut releases = Endings::default();
        for (name, records) in by_plugin {
            let (host, plugin, of) = (Arc::clone(self), self.plugin(&name), records.clone());
            releases.add(of, async move {
                let mut left = Vec::new();
                for record in records {
                    let reason = ReleaseReason::Orphaned;
                    let done = crate::reaper::once(&host, plugin.as_ref(), &record, reason, each).await;
                    left.extend(done.err().map(|failure| LeftBehind { lease: record.lease(), failure }));
                }
                left
            });
        }
        left_behind.extend(releases.all().await);
        left_behind
    }

    /// Leases of dead runs that nobody has taken down yet, in whichever ledger they stand: what ends now leaves them to the next start.
    #[must_use]
    pub fn not_worked_off(&self) -> Vec<Lease> {
        let abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = abandoned.iter().flat_map(|file| &file.leases).map(|left| left.lease());
        let adopted = self.ledger.open().into_iter().map(|record| record.lease());
        waiting.chain(adopted.filter(|lease| lease.session != self.config.session.as_str())).collect()
    }

    /// Whether a lease of that id is one of this run's plugins.
    #[must_use]
    pub fn gave(&self, lease: &str) -> bool {
        lease.strip_prefix(self.config.session.as_str()).is_some_and(|rest| rest.starts_with('-'))
    }

    /// Ends: waits for clean-up that runs, tries once more what is still in the ledger, calls each plugin's `shutdown`, and reports what is
    /// left. To be called after all releases. Takes at most `deadline`, of which servers that are released leave something for the rest.
    pub async fn shutdown(self: &Arc<Self>, deadline: Duration) -> Vec<LeftBehind> {
        let ends = Instant::now() + deadline;
        let servers_end = ends - SHARED_ENDS.min(deadline / 3);
        let until = |end: Instant| end.saturating_duration_since(Instant::now());
        self.reaper.drain(servers_end).await;
        let mut left_behind = Vec::new();
        let servers = self.ledger.open().into_iter().filter(|record| record.begin.subject != Subject::Shared);
        let mut releases = Endings::default();
        for record in servers {
            let (host, plugin, each) =
                (Arc::clone(self), self.plugin(&record.begin.plugin), until(servers_end));
            releases.add(vec![Arc::clone(&record)], async move {
                let done = if each.is_zero() {
                    Err(crate::reaper::unfinished())
                } else {
                    crate::reaper::once(&host, plugin.as_ref(), &record, ReleaseReason::Shutdown, each).await
                };
                Vec::from_iter(done.err().map(|failure| LeftBehind { lease: record.lease(), failure }))
            });
        }
        left_behind.extend(releases.all().await);
        let plugins: Vec<Arc<Plugin>> = self.plugins().values().filter_map(Weak::upgrade).collect();
        let mut ends_of = Endings::default();
        for plugin in plugins {
            let (each, record) = (until(ends), plugin.shared_record());
            ends_of.add(vec![Arc::clone(&record)], async move {
                let done = plugin.end(&record, each).await;
                Vec::from_iter(done.err().map(|failure| LeftBehind { lease: record.lease(), failure }))
            });
        }
        left_behind.extend(ends_of.all().await);
        self.ledger.close();
        left_behind
    }

    pub(crate) fn this(&self) -> Option<Arc<PluginHost>> {
        self.this.upgrade()
    }

    /// The plugin of that name.
    pub(crate) fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.plugins().get(name).and_then(Weak::upgrade)
    }

    fn plugins(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Weak<Plugin>>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next number of a lease in this run.
    pub(crate) fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// The engines, built on a blocking thread when they are first needed.
    pub(crate) async fn engines(&self) -> Result<Arc<Engines>, String> {
        let build = || async {
            let cache_dir = self.config.cache_dir.clone();
            let built = tokio::task::spawn_blocking(move || Engines::build(cache_dir.as_deref())).await;
            built.map_err(|_| "cannot run, because the gateway is ending".to_owned())?.map(Arc::new)
        };
        self.engines.get_or_try_init(build).await.cloned()
    }
}
