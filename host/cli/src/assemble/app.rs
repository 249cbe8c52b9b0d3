//! The assembled program: provisioners by name, servers with their places, a pool over them.

use crate::assemble::Inputs;
use crate::assemble::deferred::Deferred;
use crate::assemble::difference::{Change, Wanted, difference};
use crate::assemble::direct::DirectWays;
use crate::assemble::identity::Identity;
use crate::assemble::images;
use crate::assemble::kubernetes;
use crate::assemble::placed::{Placed, place};
use crate::assemble::placement::{Place, Placement};
use crate::assemble::plugins::{carry_programs, chosen, docker, provisioners};
use crate::assemble::providers::{self, Providers};
use crate::assemble::secret_places::resolver;
use crate::assemble::spec::{server_spec, server_spec_on_platform};
use crate::assemble::tools_asked::ToolsAsked;
use crate::bundled;
use crate::environment::Environment;
use crate::logging;
use anyhow::{Context, Result};
use host_gateway::Checks;
use host_pool::{Pool, PoolConfig, ServerEntry};
use host_provisioner::{Blot, Blotter, Provisioner, WorkloadKind};
use host_resolver::Resolver;
use host_wasm::{PluginHost, PluginHostConfig, RunId};
use host_workload_embedded::{EmbeddedEngine, EngineConfig};
use host_workload_process::{EngineConfig as ProcessConfig, ProcessEngine};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one plugin may compile. Python guests take up to fourteen seconds on a slow machine.
pub(crate) const COMPILE_WITHIN: Duration = Duration::from_secs(120);

/// The assembled program.
pub(crate) struct App {
    /// Who it is.
    pub(crate) identity: Identity,
    /// What was asked for.
    pub(crate) inputs: Inputs,
    /// Runs plugins.
    pub(crate) host: Arc<PluginHost>,
    /// Runs components.
    pub(crate) embedded: Arc<EmbeddedEngine>,
    /// Sends requests of plugins.
    pub(crate) outbound: Arc<host_outbound::Client>,
    /// Runs commands of this machine.
    pub(crate) processes: Arc<ProcessEngine>,
    /// Knows secrets.
    pub(crate) resolver: Arc<Resolver>,
    /// Bring up what no plugin does.
    direct: Arc<DirectWays>,
    /// Every plugin that could be used, by name.
    pub(crate) provisioners: BTreeMap<String, Arc<Deferred>>,
    /// What the plugins of `--plugin` say that they can run.
    chosen: Vec<(String, Vec<WorkloadKind>)>,
    /// The environment it was started in.
    pub(crate) environment: Environment,
    /// Every server.
    pub(crate) placed: Vec<Placed>,
    /// What became of `--tools`.
    pub(crate) tools_asked: Arc<ToolsAsked>,
    /// What stands between clients and tools.
    pub(crate) checks: Checks,
}

impl App {
    /// Joins everything. Starts and compiles nothing, but loads plugins of `--plugin` when placement has to know what they run.
    ///
    /// # Errors
    /// State cannot be kept, or what was asked for cannot be.
    pub(crate) async fn assemble(inputs: Inputs, environment: &Environment) -> Result<Self> {
        let identity = Identity::load(&inputs.state)?;
        let embedded = EmbeddedEngine::new(EngineConfig {
            cache_dir: inputs.cache.as_ref().map(|folder| folder.join("components")),
            files_dir: Some(inputs.state.join("files")),
            ..EngineConfig::default()
        })
        .context("set up the embedded engine")?;
        let resolver = Arc::new(resolver(&inputs, environment)?);
        logging::hide_values_of(&resolver);
        let outbound = Arc::new(host_outbound::Client::new(environment.clouds()));
        let host = PluginHost::new(PluginHostConfig {
            gateway: run_id(&identity.gateway)?,
            session: run_id(&identity.session)?,
            state_dir: inputs.state.clone(),
            cache_dir: inputs.cache.as_ref().map(|folder| folder.join("plugins")),
            embedded: Arc::clone(&embedded),
            docker: docker(&inputs, environment),
            kubernetes: kubernetes::surroundings(&inputs, environment),
            outbound: Arc::clone(&outbound),
            resolver: Arc::clone(&resolver),
            bundled_servers: bundled::SERVERS
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), *bytes))
                .collect(),
            compile_limit: COMPILE_WITHIN,
        });
        carry_programs(&host, environment);
        if let Some(policy) = images::policy(&inputs.images, environment)? {
            host.trust_images_by(policy);
        }
        let provisioners = provisioners(&inputs, environment, &host, &resolver)?;
        let chosen = chosen(&inputs, &provisioners).await?;
        let processes = ProcessEngine::new(ProcessConfig::new(&identity.session, &inputs.state));
        let direct = DirectWays::new(&inputs, environment, &identity.session, &processes, &resolver);
        let app = Self {
            identity,
            host,
            embedded,
            outbound,
            processes,
            resolver,
            direct: Arc::new(direct),
            provisioners,
            chosen,
            environment: environment.clone(),
            placed: Vec::new(),
            tools_asked: Arc::default(),
            checks: Checks::default(),
            inputs,
        };
        let app = app.placed_anew(&[]);
        // Settings of a plugin that has no servers in this run are no mistake; flags are.
        if app.inputs.source.as_ref().is_some_and(|source| source.providers.ask_a_cluster()) {
            providers::used_by(app.placed.iter().map(|placed| placed.provisioner.name()))?;
        }
        Ok(app)
    }

    /// The same program with other servers, and what differs between the two. Servers that are the same are the same objects, so that a pool
    /// keeps their clients. Plugins, secrets and everything else that was set up at the start stay as they are.
    pub(crate) fn again(&self, inputs: Inputs) -> (Self, Vec<(String, Change)>) {
        let next = Self {
            identity: self.identity.clone(),
            inputs,
            host: Arc::clone(&self.host),
            embedded: Arc::clone(&self.embedded),
            outbound: Arc::clone(&self.outbound),
            processes: Arc::clone(&self.processes),
            resolver: Arc::clone(&self.resolver),
            direct: Arc::clone(&self.direct),
            provisioners: self.provisioners.clone(),
            chosen: self.chosen.clone(),
            environment: self.environment.clone(),
            placed: Vec::new(),
            tools_asked: Arc::default(),
            checks: self.checks.clone(),
        };
        let next = next.placed_anew(&self.placed);
        let changes = difference(&wanted(&self.placed), &wanted(&next.placed));
        (next, changes)
    }

    /// Whether tools of all servers are shown under the same names as in another.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        let prefixes = |app: &Self| -> Vec<(String, String)> {
            app.placed
                .iter()
                .map(|placed| (placed.server.name.clone(), placed.server.prefix.clone()))
                .collect()
        };
        self.inputs.files.tool_lists.servers == other.inputs.files.tool_lists.servers
            && prefixes(self) == prefixes(other)
    }

    /// Places the servers of the inputs; those that are as before are taken over.
    fn placed_anew(mut self, before: &[Placed]) -> Self {
        let placement = Placement {
            flag: self.inputs.provisioner.as_deref(),
            rules: &self.inputs.settings.placement,
            plugins: &self.chosen,
        };
        let configs = &self.inputs.files.configs;
        let cluster_has = Providers::of(&self.inputs.plugins);
        let placed: Vec<Placed> = self
            .inputs
            .servers
            .iter()
            .map(|server| {
                let in_cluster = placement.of(server) == Place::Provisioner(providers::PLUGIN.to_owned());
                let spec = if in_cluster && cluster_has.config.is_some() {
                    server_spec_on_platform(server, &self.environment)
                } else {
                    server_spec(server, configs, &self.environment)
                };
                let spec = spec.map(|spec| {
                    self.direct.fixed(server, self.inputs.containers.completed(spec, server.long_lived))
                });
                let new = place(server, spec, &placement, &self.provisioners, &self.direct, &self.resolver);
                match before.iter().find(|old| old.spec.name == new.spec.name) {
                    Some(old)
                        if difference(
                            &wanted(std::slice::from_ref(old)),
                            &wanted(std::slice::from_ref(&new)),
                        )
                        .is_empty() =>
                    {
                        Placed { server: new.server, ..old.clone() }
                    }
                    _ => new,
                }
            })
            .collect();
        for (name, deferred) in &self.provisioners {
            let here = placed
                .iter()
                .filter(|placed| placed.plugin.as_ref().is_some_and(|plugin| plugin.name() == name));
            deferred.place(here.map(|placed| Arc::clone(&placed.spec)).collect());
        }
        self.tools_asked = Arc::new(ToolsAsked::of(&self.inputs));
        self.placed = placed;
        self
    }

    /// A pool over the servers.
    pub(crate) fn pool(&self) -> Arc<Pool> {
        let defaults = PoolConfig::default();
        let settings = &self.inputs.settings.pool;
        let config = PoolConfig {
            start_timeout: self.inputs.start_timeout.unwrap_or(settings.start_timeout),
            idle: Some(settings.idle),
            cap: Some(settings.cap),
            blotter: Blotter::new(Arc::clone(&self.resolver) as Arc<dyn Blot>, ""),
            client_name: "gateway".to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..defaults
        };
        Pool::new(self.entries(), config)
    }

    /// Ends what an assembly without a pool has started.
    pub(crate) async fn close(&self) {
        self.host.shutdown(Duration::from_secs(5)).await;
        self.processes.shutdown(Duration::from_secs(5)).await;
    }

    /// The servers as a pool takes them.
    pub(crate) fn entries(&self) -> Vec<ServerEntry> {
        self.placed
            .iter()
            .map(|placed| ServerEntry {
                spec: Arc::clone(&placed.spec),
                provisioner: Arc::clone(&placed.provisioner),
            })
            .collect()
    }
}

fn wanted(placed: &[Placed]) -> Vec<Wanted<'_>> {
    // What refuses says why in its place, so that another reason is a change.
    placed
        .iter()
        .map(|placed| Wanted {
            spec: &placed.spec,
            place: placed.refusal.as_deref().unwrap_or_else(|| placed.provisioner.name()),
        })
        .collect()
}

fn run_id(text: &str) -> Result<RunId> {
    RunId::parse(text).with_context(|| format!("`{text}` is no id"))
}
