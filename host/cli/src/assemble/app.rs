//! The assembled program: provisioners by name, servers with their places, a pool over them.

use crate::assemble::Inputs;
use crate::assemble::asks::Named;
use crate::assemble::cloud_secrets::Cloud;
use crate::assemble::deferred::Deferred;
use crate::assemble::difference::{Change, Wanted, difference};
use crate::assemble::direct::{self, DirectWays};
use crate::assemble::grants;
use crate::assemble::identity::Identity;
use crate::assemble::images;
use crate::assemble::kubernetes;
use crate::assemble::placement::{Place, Placement, canonical};
use crate::assemble::providers::{self, Providers};
use crate::assemble::refusing::Refusing;
use crate::assemble::spec::{server_spec, server_spec_on_platform};
use crate::assemble::tools_asked::ToolsAsked;
use crate::bundled;
use crate::environment::Environment;
use crate::output::{Usage, name, say};
use anyhow::{Context, Result};
use host_config::{PluginSettings, PluginSource, SecretSource, Server};
use host_gateway::Checks;
use host_pool::{Pool, PoolConfig, ServerEntry};
use host_provisioner::{Class, Failure, Phase, Provisioner, ServerSpec, Workload, WorkloadKind};
use host_resolver::{Resolver, Source};
use host_toolbox::Toolbox;
use host_wasm::{BridgeProgram, EgressProgram, LeftBehind, PluginHost, PluginHostConfig, PluginSpec, RunId};
use host_workload_docker::{DockerEngine, Endpoint};
use host_workload_embedded::{EmbeddedEngine, EngineConfig};
use host_workload_process::{EngineConfig as ProcessConfig, ProcessEngine};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long one plugin may compile. Python guests take up to fourteen seconds on a slow machine.
pub(crate) const COMPILE_WITHIN: Duration = Duration::from_secs(120);
/// How long one lease of a dead run may take to be released.
const RELEASE_WITHIN: Duration = Duration::from_secs(60);

/// What stands for the provisioner of a server that needs none, because it runs already.
pub(crate) const NO_PROVISIONER: &str = "none";

/// Where secrets are in the original's container (`docker-mcp-gateway.md` 4.1), of which the first that can be read counts.
const SECRETS_IN_CONTAINER: &str = "docker-desktop:/run/secrets/mcp_secret:/.env";

/// A server and where it goes.
#[derive(Clone)]
pub(crate) struct Placed {
    /// The entry.
    pub(crate) server: Server,
    /// What it became.
    pub(crate) spec: Arc<ServerSpec>,
    /// Who brings it up.
    pub(crate) provisioner: Arc<dyn Provisioner>,
    /// The same as a plugin; absent where the provisioner only refuses.
    pub(crate) plugin: Option<Arc<Deferred>>,
    /// Why the provisioner refuses it, where it does.
    pub(crate) refusal: Option<String>,
}

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
        if let Some((architecture, bytes)) = bundled::EGRESS {
            let architecture = architecture.to_owned();
            host.carry_egress(EgressProgram { bytes: bytes.into(), architecture });
        }
        carry_bridge(&host, environment);
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
        let images = placed.iter().map(|p| (p.server.name.clone(), p.server.image.clone())).collect();
        self.tools_asked = Arc::new(ToolsAsked::new(self.inputs.tool_words.clone(), images));
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
            client_name: "gateway".to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..defaults
        };
        Pool::new(self.entries(), config)
    }

    /// Takes down what dead runs have left; lines for the operator.
    pub(crate) async fn work_off_ledger(&self) -> Vec<String> {
        let mut lines = direct::work_off(&self.inputs.state).await;
        let leases = self.host.abandoned().await;
        if leases.is_empty() {
            return lines;
        }
        for lease in &leases {
            // The plugin that made it has to be there to take it down.
            if let Some(deferred) = self.provisioners.get(&lease.plugin)
                && let Err(error) = deferred.plugin().await
            {
                lines.push(format!("warning: {error}"));
            }
        }
        let left = self.host.work_off(RELEASE_WITHIN).await;
        // What a session's servers shared goes without a word.
        for lease in leases.iter().filter(|lease| !lease.server_name.is_empty()) {
            if left.iter().all(|behind| behind.lease.request != lease.request) {
                lines.push(format!(
                    "took down server `{}`, which session {} left",
                    name(&lease.server_name),
                    name(&lease.session)
                ));
            }
        }
        lines.extend(left.iter().map(left_behind));
        lines
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

/// What could not be taken down, for a person.
pub(crate) fn left_behind(behind: &LeftBehind) -> String {
    format!(
        "warning: server `{}` of session {} is still there: {}",
        name(&behind.lease.server_name),
        name(&behind.lease.session),
        behind.failure.one_line()
    )
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

/// Knows secrets: those of `--secrets` first, then those of the settings.
///
/// # Errors
/// No place of `--secrets` can be read.
pub(crate) fn resolver(inputs: &Inputs, environment: &Environment) -> Result<Resolver> {
    let settings = inputs.settings.secrets.iter().map(|source| source_of(source, environment));
    let sources = searched(inputs, environment)?.into_iter().chain(settings).collect();
    let mut key = [0; 16];
    getrandom::fill(&mut key).context("get random bytes")?;
    Ok(Resolver::new(sources, key))
}

/// A place of the settings.
pub(crate) fn source_of(source: &SecretSource, environment: &Environment) -> Source {
    match source {
        SecretSource::EnvFile(file) => Source::env_file(&file.path),
        SecretSource::Folder(folder) => Source::folder(&folder.path),
        SecretSource::Keychain { service } => Source::keychain(service),
        SecretSource::Helper { name } => Source::helper(name),
        SecretSource::Engine { socket } => {
            let usual = || environment.secrets_engine().unwrap_or_else(|| "engine.sock".into());
            Source::engine(&socket.as_ref().map_or_else(usual, |socket| socket.path.clone()))
        }
        SecretSource::Cloud(store) => Source::remote(Arc::new(Cloud::new(store, environment))),
        SecretSource::Environment { prefix } => Source::environment(prefix, environment.all()),
    }
}

/// What `--secrets` leads to. In the original's container there is a list where no flag gives one, and nothing has to be there.
fn searched(inputs: &Inputs, environment: &Environment) -> Result<Option<Source>> {
    let engine = environment.secrets_engine();
    let engine = engine.as_deref();
    let Some(list) = &inputs.secrets else {
        let in_container = environment.get(crate::environment::IN_CONTAINER) == Some("1");
        if in_container {
            let found = host_resolver::search(SECRETS_IN_CONTAINER, engine).ok();
            return Ok(found.map(|searched| searched.source));
        }
        // As the original without a word: Docker's secrets engine, where there is one.
        let silent = inputs.settings.secrets.is_empty();
        return Ok(engine.filter(|socket| silent && socket.exists()).map(Source::engine));
    };
    let searched =
        host_resolver::search(list, engine).map_err(|error| Usage(format!("`--secrets`: {error}")))?;
    for place in &searched.passed_over {
        say(&format!("warning: --secrets: passed over {place}"));
    }
    Ok(Some(searched.source))
}

/// The specification by which the host loads a plugin.
///
/// *Invariant:* what is granted without a word of the operator is granted to bytes of ours, and to no file. An exported bundled plugin is
/// still the bundled one, so it is recognised by its content and then loaded from the program; whatever its file may become later needs
/// grants of its own.
pub(crate) fn plugin_spec(plugin: &PluginSettings, environment: &Environment) -> Result<PluginSpec> {
    let (source, bundled) = match &plugin.source {
        PluginSource::Bundled(name) => {
            let bytes =
                bundled::plugin(name).with_context(|| format!("there is no bundled plugin `{name}`"))?;
            (host_wasm::PluginSource::Carried(bytes), Some(canonical(name)))
        }
        PluginSource::File(file) => match ours(&file.path) {
            Some((name, bytes)) if plugin.grants == host_config::Grants::default() => {
                (host_wasm::PluginSource::Carried(bytes), Some(name))
            }
            _ => (host_wasm::PluginSource::File(file.path.clone()), None),
        },
    };
    let mut grants = grants::grants(plugin, bundled, environment).map_err(Usage)?;
    if plugin.name == providers::PLUGIN
        && let Some(grant) = &mut grants.kubernetes
    {
        let Providers { secret, config } = Providers::said(&plugin.settings);
        grant.cluster_secret = secret;
        if config.is_some() && !grant.kinds.iter().any(|kind| kind == "v1/ConfigMap") {
            grant.kinds.push("v1/ConfigMap".to_owned());
        }
        grant.cluster_config = config;
    }
    Ok(PluginSpec {
        name: plugin.name.clone(),
        source,
        grants,
        limits: grants::limits(&plugin.limits),
        settings: plugin.settings.clone(),
    })
}

/// The bundled plugin of which a file is a copy: its name and its bytes.
pub(crate) fn ours(file: &Path) -> Option<(&'static str, &'static [u8])> {
    let bytes = std::fs::read(file).ok()?;
    bundled::PLUGINS.iter().find(|(_, ours)| **ours == *bytes).copied()
}

/// The container engine, as Docker's own command line would find it.
pub(crate) fn docker(
    inputs: &Inputs,
    environment: &Environment,
) -> Result<Arc<DockerEngine>, host_workload_docker::Error> {
    let mut around = environment.docker();
    around.context_flag.clone_from(&inputs.docker_context);
    Ok(DockerEngine::new(host_workload_docker::EngineConfig {
        endpoint: Endpoint::find(&around)?,
        config_dir: around.config_dir,
        own_container: environment.own_container(),
    }))
}

/// What a plugin host puts in front of programs in a cluster.
pub(crate) fn carry_bridge(host: &PluginHost, environment: &Environment) {
    let program = bundled::BRIDGE.map(|(architecture, bytes)| BridgeProgram {
        bytes: bytes.into(),
        architecture: architecture.to_owned(),
    });
    host.carry_bridge(program, images::catalog(environment));
}

fn provisioners(
    inputs: &Inputs,
    environment: &Environment,
    host: &Arc<PluginHost>,
    resolver: &Resolver,
) -> Result<BTreeMap<String, Arc<Deferred>>> {
    let mut found = BTreeMap::new();
    for plugin in &inputs.plugins {
        resolver.declare(
            &format!("plugin:{}", plugin.name),
            plugin.grants.secrets.iter().map(|s| s.name.clone()),
        );
        let deferred = Deferred::new(Arc::clone(host), plugin_spec(plugin, environment)?, Named::of(plugin));
        found.insert(plugin.name.clone(), deferred);
    }
    for name in bundled::plugin_names() {
        if !found.contains_key(name) {
            let plugin = bundled_settings(name);
            let mut spec = plugin_spec(&plugin, environment)?;
            // The word of the operator in the original (`docker-mcp-gateway.md` 11.1): its container is the engine's machine.
            if let Some(grant) = &mut spec.grants.docker
                && environment.get(crate::environment::IN_DIND) == Some("1")
            {
                grant.privileged = true;
                spec.settings = serde_json::json!({"privileged": true});
            }
            let deferred = Deferred::new(Arc::clone(host), spec, Named::of(&plugin));
            found.insert(name.to_owned(), deferred);
        }
    }
    Ok(found)
}

/// A bundled plugin about which the settings say nothing.
pub(crate) fn bundled_settings(name: &str) -> PluginSettings {
    PluginSettings {
        name: name.to_owned(),
        place: host_config::Place::default(),
        source: PluginSource::Bundled(name.to_owned()),
        grants: host_config::Grants::default(),
        limits: host_config::Limits::default(),
        settings: serde_json::json!({}),
    }
}

/// What the plugins of `--plugin` say that they can run, where that decides anything.
async fn chosen(
    inputs: &Inputs,
    provisioners: &BTreeMap<String, Arc<Deferred>>,
) -> Result<Vec<(String, Vec<WorkloadKind>)>> {
    let mut chosen = Vec::new();
    if inputs.provisioner.is_some() {
        return Ok(chosen);
    }
    for name in &inputs.chosen {
        if let Some(deferred) = provisioners.get(name) {
            let plugin = deferred.plugin().await.map_err(crate::assemble::deferred::failure)?;
            chosen.push((name.clone(), plugin.description().runs.clone()));
        }
    }
    Ok(chosen)
}

fn place(
    server: &Server,
    spec: Result<ServerSpec>,
    placement: &Placement<'_>,
    provisioners: &BTreeMap<String, Arc<Deferred>>,
    direct: &DirectWays,
    resolver: &Resolver,
) -> Placed {
    let place = placement.of(server);
    let refuse = |failure: Failure, spec: ServerSpec| {
        // It is refused under the name of the provisioner where it belongs, so that a list shows it there.
        let name = match &place {
            Place::Provisioner(name) => name.as_str(),
            Place::Nowhere => NO_PROVISIONER,
        };
        Placed {
            server: server.clone(),
            spec: Arc::new(spec),
            refusal: Some(failure.text.clone()),
            provisioner: Refusing::new(name, failure),
            plugin: None,
        }
    };
    let empty = || {
        ServerSpec::new(
            &server.name,
            Workload::Image { reference: String::new(), digest: None, arguments: Vec::new() },
        )
    };
    let config = |text: String| Failure::new(Phase::Validate, Class::Config, text);
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => return refuse(config(format!("{error:#}")), empty()),
    };
    if let Some(provisioner) = direct.of(&spec) {
        resolver.declare(spec.id.as_str(), spec.secrets.iter().cloned());
        let spec = Arc::new(spec);
        return Placed { server: server.clone(), spec, provisioner, plugin: None, refusal: None };
    }
    let Place::Provisioner(name) = &place else {
        return refuse(config("nothing says how it is brought up".to_owned()), spec);
    };
    let Some(deferred) = provisioners.get(name) else {
        let text = format!(
            "server `{}` ({}) belongs to the provisioner `{name}`, which is not in this version",
            server.name,
            server.kind()
        );
        let hint = format!(
            "give a plugin of that name with `--plugin`, or another with `placement:` (known: {})",
            known(provisioners)
        );
        return refuse(config(text).with_hint(hint), spec);
    };
    resolver.declare(spec.id.as_str(), spec.secrets.iter().cloned());
    let spec = Arc::new(spec);
    if matches!(spec.workload, Workload::Tools { .. }) {
        // What speaks MCP for them is in this program; the plugin runs each call.
        let provisioner = Toolbox::new(Arc::clone(deferred) as Arc<dyn Provisioner>);
        return Placed { server: server.clone(), spec, provisioner, plugin: None, refusal: None };
    }
    Placed {
        server: server.clone(),
        spec,
        provisioner: Arc::clone(deferred) as Arc<dyn Provisioner>,
        plugin: Some(Arc::clone(deferred)),
        refusal: None,
    }
}

fn known(provisioners: &BTreeMap<String, Arc<Deferred>>) -> String {
    provisioners.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
