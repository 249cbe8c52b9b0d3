//! The plugins that there are, what each is granted, and what the plugin host carries for them.

use crate::assemble::Inputs;
use crate::assemble::asks::Named;
use crate::assemble::deferred::Deferred;
use crate::assemble::grants;
use crate::assemble::images;
use crate::assemble::placement::canonical;
use crate::assemble::providers::{self, Providers};
use crate::bundled;
use crate::environment::Environment;
use crate::output::Usage;
use anyhow::{Context, Result};
use host_config::{PluginSettings, PluginSource};
use host_provisioner::{Provisioner, WorkloadKind};
use host_resolver::Resolver;
use host_wasm::{BridgeProgram, EgressProgram, PluginHost, PluginSpec};
use host_workload_docker::{DockerEngine, Endpoint};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

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

/// What a plugin host starts beside servers on an engine, and puts in front of programs in a cluster.
pub(crate) fn carry_programs(host: &PluginHost, environment: &Environment) {
    if let Some((architecture, bytes)) = bundled::EGRESS {
        let architecture = architecture.to_owned();
        host.carry_egress(EgressProgram { bytes: bytes.into(), architecture });
    }
    let program = bundled::BRIDGE.map(|(architecture, bytes)| BridgeProgram {
        bytes: bytes.into(),
        architecture: architecture.to_owned(),
    });
    host.carry_bridge(program, images::catalog(environment));
}

/// Every plugin that could be used: those of the settings and of `--plugin`, and the bundled ones.
///
/// # Errors
/// Grants that cannot be given.
pub(crate) fn provisioners(
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
        let mut spec = plugin_spec(plugin, environment)?;
        tell_context(&mut spec, plugin, inputs);
        let deferred = Deferred::new(Arc::clone(host), spec, Named::of(plugin));
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
            tell_context(&mut spec, &plugin, inputs);
            let deferred = Deferred::new(Arc::clone(host), spec, Named::of(&plugin));
            found.insert(name.to_owned(), deferred);
        }
    }
    Ok(found)
}

/// Tells the bundled plugin `docker` the name of the context, which stands in the lines that it prints: whoever pastes one means the same engine.
fn tell_context(spec: &mut PluginSpec, plugin: &PluginSettings, inputs: &Inputs) {
    let ours = matches!(&plugin.source, PluginSource::Bundled(name) if canonical(name) == "docker");
    let context = inputs.docker_context.as_deref().filter(|context| ours && !context.is_empty());
    if let (Some(context), Some(settings)) = (context, spec.settings.as_object_mut()) {
        settings.entry("context").or_insert_with(|| context.into());
    }
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
pub(crate) async fn chosen(
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
