//! What a plan does not show and a start would refuse: components, folders, memory, secrets, kinds; and what in the settings has no effect.
//!
//! The host function that starts a component checks all of this again, when it matters. Here it is found out before anything runs.

use crate::assemble::App;
use crate::assemble::placed::Placed;
use crate::bundled;
use host_provisioner::{
    Access, Blueprint, Class, Failure, FieldReport, Honoured, Mount, MountSource, Part, Phase, Provisioner,
    ServerSpec, Value, Workload, WorkloadKind,
};
use host_wasm::EmbeddedGrant;
use host_workload_embedded::{ComponentSource, DEFAULT_MEMORY_MIB};
use std::collections::BTreeSet;
use std::path::Path;

/// What stands against one server beside its plan, which is empty where it was refused.
pub(crate) async fn server(app: &App, placed: &Placed, plan: &Blueprint) -> Vec<Failure> {
    let spec = &placed.spec;
    let cluster_has = placed
        .plugin
        .as_ref()
        .and_then(|plugin| plugin.grants().kubernetes.as_ref()?.cluster_secret.as_ref())
        .is_some();
    let mut found = if cluster_has { Vec::new() } else { secrets(app, spec) };
    let Some(deferred) = &placed.plugin else { return found };
    let Ok(plugin) = deferred.plugin().await else { return found };
    let description = plugin.description();
    let kind = match spec.workload {
        Workload::Image { .. } => WorkloadKind::Image,
        Workload::Component { .. } | Workload::Bundled { .. } => WorkloadKind::Component,
        // Brought up without a plugin, so there is none to ask.
        Workload::Command { .. }
        | Workload::Remote { .. }
        | Workload::Tools { .. }
        | Workload::Listening { .. } => return found,
    };
    if !description.runs.contains(&kind) {
        let runs: Vec<&str> = description.runs.iter().map(|kind| kind.as_str()).collect();
        let text = format!(
            "server `{}` is of kind `{}`, and plugin `{}` says that it runs {}",
            spec.name,
            kind.as_str(),
            deferred.name(),
            if runs.is_empty() { "nothing".to_owned() } else { format!("`{}`", runs.join("`, `")) }
        );
        found.push(
            failure(Class::Unsupported, text)
                .with_hint("place it elsewhere with `placement:` or `--provisioner`"),
        );
    }
    let uses_engine = description.abilities.iter().any(|ability| ability == "embedded");
    if let (true, WorkloadKind::Component, Some(grant)) = (uses_engine, kind, &deferred.grants().embedded) {
        found.extend(component(app, spec, &plan.fields, grant, deferred.name()).await);
        if !changed(&plan.fields, "mounts") {
            let mounts = spec.mounts.iter();
            found.extend(mounts.filter_map(|mount| folder(spec, mount, grant, deferred.name())));
        }
    }
    found
}

/// What the settings say to no effect; lines for the operator.
pub(crate) async fn whole(app: &App) -> Vec<String> {
    let mut lines = Vec::new();
    for plugin in &app.inputs.plugins {
        let used = app.placed.iter().filter_map(|placed| placed.plugin.as_ref());
        if used.into_iter().any(|deferred| deferred.name() == plugin.name) {
            continue;
        }
        lines.push(format!("no server is placed on plugin `{}`", plugin.name));
        if let Some(deferred) = app.provisioners.get(&plugin.name)
            && let Err(error) = deferred.plugin().await
        {
            lines.push(error.to_string());
        }
    }
    if app.inputs.provisioner.is_none() {
        lines.extend(rules(app));
    }
    for source in &app.inputs.settings.secrets {
        if let host_config::SecretSource::EnvFile(file) = source
            && let Err(error) = std::fs::metadata(&file.path)
        {
            lines.push(format!("file `{}` under `secrets` cannot be read: {error}", file.written));
        }
    }
    lines
}

/// Placement rules that decide nothing.
fn rules(app: &App) -> Vec<String> {
    let rules = &app.inputs.settings.placement;
    let mut lines = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let fits: Vec<_> = app.inputs.servers.iter().filter(|server| rule.matches(server)).collect();
        let taken =
            |server: &&host_config::Server| rules.iter().take(at).any(|earlier| earlier.matches(server));
        if fits.is_empty() {
            lines.push(format!("{}: this placement rule fits no server that is to run", rule.place));
        } else if fits.iter().all(taken) {
            lines.push(format!(
                "{}: earlier placement rules take every server that this one fits",
                rule.place
            ));
        }
    }
    lines
}

/// The component itself, and what it would be given.
async fn component(
    app: &App,
    spec: &ServerSpec,
    fields: &[FieldReport],
    grant: &EmbeddedGrant,
    plugin: &str,
) -> Vec<Failure> {
    let mut found = Vec::new();
    let most = u32::try_from(grant.memory >> 20).unwrap_or(u32::MAX);
    let memory = spec.limits.memory_mib.unwrap_or(DEFAULT_MEMORY_MIB.min(most));
    if memory > most && !changed(fields, "limits.memory") {
        let text =
            format!("{memory} MiB of memory are more than the {most} MiB that plugin `{plugin}` may give");
        let hint = format!("raise `plugins.{plugin}.grants.embedded.memory`, or lower the server's limit");
        found.push(failure(Class::Permission, text).with_hint(hint));
    }
    if let (Some(asked), Some(most)) = (spec.limits.cpu_millis, grant.cpu_millis)
        && asked > most
        && !changed(fields, "limits.cpu-millis")
    {
        let text = format!(
            "{asked} thousandths of a processor are more than the {most} that plugin `{plugin}` may give"
        );
        let hint = format!("raise `plugins.{plugin}.grants.embedded.cpu`, or lower the server's limit");
        found.push(failure(Class::Permission, text).with_hint(hint));
    }
    match source(&spec.workload) {
        None => {}
        Some(source) => match app.embedded.load(source).await {
            Err(error) => {
                let mut refused = failure(Class::Image, error.text);
                refused.hint = error.hint;
                found.push(refused);
            }
            Ok(loaded) if loaded.least_memory_mib() > memory && !changed(fields, "limits.memory") => {
                let text = format!(
                    "the component needs {} MiB of memory to start, and server `{}` has {memory} MiB",
                    loaded.least_memory_mib(),
                    spec.name
                );
                found.push(failure(Class::Config, text).with_hint("raise `memory` of the server"));
            }
            Ok(_) => {}
        },
    }
    found
}

fn source(workload: &Workload) -> Option<ComponentSource> {
    match workload {
        Workload::Component { path, .. } => Some(ComponentSource::File(path.clone())),
        Workload::Bundled { name, .. } => bundled::server(name)
            .map(|bytes| ComponentSource::Bytes { name: name.clone(), bytes: bytes.into() }),
        Workload::Image { .. }
        | Workload::Command { .. }
        | Workload::Remote { .. }
        | Workload::Tools { .. }
        | Workload::Listening { .. } => None,
    }
}

/// Whether the plugin says that it does not do with a field what the entry asks for; then the engine will not be asked for it either.
fn changed(fields: &[FieldReport], field: &str) -> bool {
    fields.iter().any(|report| report.field == field && report.honoured != Honoured::Honoured)
}

/// A folder that is not there, or that nobody granted.
fn folder(spec: &ServerSpec, mount: &Mount, grant: &EmbeddedGrant, plugin: &str) -> Option<Failure> {
    let MountSource::Folder(path) = &mount.source else { return None };
    let shown = path.display();
    let real = match std::fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => {
            let text = format!("the folder `{shown}` cannot be mounted: {error}");
            return Some(failure(Class::Config, text).with_hint("make it, or correct the path"));
        }
    };
    if !real.is_dir() {
        let text = format!("the folder `{shown}` cannot be mounted: it is a file");
        return Some(failure(Class::Config, text).with_hint("name the folder that it is in"));
    }
    let covers = |granted: &Path, access: Access| {
        std::fs::canonicalize(granted).is_ok_and(|granted| real.starts_with(granted))
            && mount.access <= access
    };
    if mount.by_operator || grant.folders.iter().any(|granted| covers(&granted.path, granted.access)) {
        return None;
    }
    let leads = if real == *path { String::new() } else { format!(" (which is `{}`)", real.display()) };
    let kind = if mount.access == Access::ReadWrite { " for writing" } else { "" };
    let text =
        format!("server `{}` asks for the folder `{shown}`{leads}{kind}, which no grant covers", spec.name);
    let hint = format!("if it may have it, add the folder to `plugins.{plugin}.grants.embedded.folders`");
    Some(failure(Class::Permission, text).with_hint(hint))
}

/// Secrets that its values name and nobody has.
fn secrets(app: &App, spec: &ServerSpec) -> Vec<Failure> {
    let variables = spec.environment.iter().map(|variable| &variable.value);
    let files = spec.files.iter().map(|file| &file.content);
    let mut names = BTreeSet::new();
    for value in variables.chain(files) {
        match value {
            Value::Text(_) => {}
            Value::Secret(name) => drop(names.insert(name)),
            Value::Joined(parts) => names.extend(parts.iter().filter_map(|part| match part {
                Part::Secret(name) => Some(name),
                Part::Text(_) | Part::Setting(_) => None,
            })),
        }
    }
    let missing = |name: &String| app.resolver.info(spec.id.as_str(), name).err();
    names.into_iter().filter_map(missing).map(|error| failure(Class::Config, error.to_string())).collect()
}

fn failure(class: Class, text: String) -> Failure {
    Failure::new(Phase::Validate, class, text)
}
