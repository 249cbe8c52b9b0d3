//! What was asked for, from flags and files together: which servers, which plugins, where state is kept.

use crate::args::{ImageArgs, KubernetesArgs, SourceArgs};
use crate::assemble::containers::Containers;
use crate::assemble::direct::Fixed;
use crate::assemble::enabled::Enabled;
use crate::assemble::files::Files;
use crate::assemble::placement::canonical;
use crate::assemble::{providers, templates};
use crate::bundled;
use crate::environment::Environment;
use crate::output::{Usage, say};
use anyhow::{Context as _, Result};
use host_config::{
    Context, HostPattern, PluginSettings, PluginSource, Server, Settings, ToolFilter, Warning,
};
use std::path::{Path, PathBuf};

/// The file that is read when no other is named.
pub(crate) const DEFAULT_SETTINGS: &str = "gateway.yaml";

/// Everything that was asked for.
pub(crate) struct Inputs {
    /// The settings file; empty if there is none.
    pub(crate) settings: Settings,
    /// Servers to run, in order.
    pub(crate) servers: Vec<Server>,
    /// Plugins: those of the settings, then those of `--plugin`, which replace equal names.
    pub(crate) plugins: Vec<PluginSettings>,
    /// Names of the plugins that `--plugin` gave, in order.
    pub(crate) chosen: Vec<String>,
    /// `--provisioner`.
    pub(crate) provisioner: Option<String>,
    /// `--docker-context`.
    pub(crate) docker_context: Option<String>,
    /// `--kubeconfig`, `--kube-context`, `--namespace`.
    pub(crate) kubernetes: KubernetesArgs,
    /// `--cpus`, `--memory`, `--block-network`.
    pub(crate) containers: Containers,
    /// `--tools`.
    pub(crate) tools: ToolFilter,
    /// The entries of `--tools`, as typed.
    pub(crate) tool_words: Vec<String>,
    /// The flags, by which the files can be read anew; none where they do not say everything.
    pub(crate) source: Option<SourceArgs>,
    /// What was asked for in a file and does not run.
    pub(crate) not_run: Vec<Warning>,
    /// Lists of tools for servers that nobody knows.
    pub(crate) without_effect: Vec<Warning>,
    /// The other files: values, tool lists.
    pub(crate) files: Files,
    /// `--secrets`.
    pub(crate) secrets: Option<String>,
    /// State folder.
    pub(crate) state: PathBuf,
    /// Cache folder.
    pub(crate) cache: Option<PathBuf>,
    /// `--max-server-startup-timeout`.
    pub(crate) start_timeout: Option<std::time::Duration>,
    /// `--verify-signatures`, `--signature-key`.
    pub(crate) images: ImageArgs,
    /// `--static`: servers that a plugin would start are up already.
    pub(crate) is_static: bool,
    /// `--static-endpoint`: where servers are that are up already.
    pub(crate) static_endpoints: Vec<(String, Fixed)>,
    /// `--allow-host`: hosts that servers may be reached at although they are inside or speak without TLS.
    pub(crate) allow_hosts: Vec<HostPattern>,
}

impl Inputs {
    /// Reads the files.
    ///
    /// # Errors
    /// All problems of a file at once, an unknown name in `--servers`, or no place for state.
    pub(crate) fn load(args: &SourceArgs, environment: &Environment) -> Result<Self> {
        let names: Vec<String> = args.plugin.iter().map(|given| plugin_name(given)).collect();
        let known = known(&names);
        let mut given = Vec::new();
        for (path, name) in args.plugin.iter().zip(&names).filter(|(path, _)| is_path(path)) {
            given.push((name.clone(), located(path)?));
        }
        let context = Context { bundled_plugins: &known, given_plugins: &given };
        let settings = match &args.settings {
            Some(path) => Settings::load(path, &context)?,
            None if Path::new(DEFAULT_SETTINGS).exists() => {
                Settings::load(Path::new(DEFAULT_SETTINGS), &context)?
            }
            None => Settings::default(),
        };
        Self::with(settings, args, environment)
    }

    /// The same with settings that were read already, whatever file lies around.
    ///
    /// # Errors
    /// As [`Inputs::load`], but for the settings.
    pub(crate) fn with(mut settings: Settings, args: &SourceArgs, environment: &Environment) -> Result<Self> {
        if let Some(names) = args.names {
            settings.front.names = names.into();
        }
        let names: Vec<String> = args.plugin.iter().map(|given| plugin_name(given)).collect();
        let known = known(&names);
        let mut plugins = settings.plugins.clone();
        for (i, (given, name)) in args.plugin.iter().zip(&names).enumerate() {
            if let Some(first) = names.iter().take(i).position(|known| known == name) {
                let first = args.plugin.get(first).map_or("", String::as_str);
                return Err(Usage(format!(
                    "two plugins are called `{name}`: `--plugin {first}` and `--plugin {given}`; rename a file, or give it a name under `plugins:` in the settings"
                ))
                .into());
            }
            add_plugin(&mut plugins, given, name)?;
        }
        providers::apply(&args.providers, &mut plugins)?;
        // A plugin that the operator has called so wins over another spelling of a bundled one.
        let provisioner =
            args.provisioner.as_deref().map(|name| match plugins.iter().any(|p| p.name == name) {
                true => name.to_owned(),
                false => canonical(name).to_owned(),
            });
        if let Some(name) = &provisioner
            && !known.contains(&name.as_str())
            && !plugins.iter().any(|p| p.name == *name)
        {
            return Err(Usage(format!(
                "`--provisioner {name}`: there is no such provisioner; known are {}",
                list(&known, &plugins)
            ))
            .into());
        }
        let files = Files::load(args, &settings, environment)?;
        let Enabled { servers, warnings, without_effect } = Enabled::of(args, &settings, &files)?;
        for (name, _) in &args.static_endpoint {
            if !servers.iter().any(|server| server.name == *name) {
                let text = format!("`--static-endpoint {name}=…`: no server of that name runs");
                return Err(Usage(text).into());
            }
        }
        let templates = templates::warnings(&servers);
        for warning in files.warnings.iter().chain(&warnings).chain(&without_effect).chain(&templates) {
            say(&warning.to_string());
        }
        let state = match &settings.state {
            Some(folder) => folder.path.clone(),
            None => environment.state_dir().context(
                "there is no place for state: set HOME or GATEWAY_STATE, or `state:` in the settings",
            )?,
        };
        Ok(Self {
            servers,
            source: Some(args.clone()),
            not_run: warnings,
            without_effect,
            files,
            secrets: args.files.secrets.clone(),
            plugins,
            chosen: names,
            provisioner,
            docker_context: args.docker_context.clone(),
            kubernetes: args.kubernetes.clone(),
            containers: Containers::of(args),
            tools: ToolFilter::new(&args.tools),
            tool_words: args.tools.clone(),
            state,
            cache: environment.cache_dir(),
            start_timeout: args.max_server_startup_timeout,
            images: args.images.clone(),
            is_static: args.is_static,
            static_endpoints: args.static_endpoint.clone(),
            allow_hosts: args.allow_host.clone(),
            settings,
        })
    }
}

impl Inputs {
    /// What to say when there is nothing to run.
    pub(crate) fn no_servers(&self) -> String {
        let file = match self.settings.source.as_str() {
            "" => "there is no gateway.yaml in this folder; try `--settings FILE` or `gateway quickstart`"
                .to_owned(),
            file => format!("{file} has none"),
        };
        format!(
            "no servers: name some under `servers:` in gateway.yaml, or with `--catalog` and `--servers` ({file})"
        )
    }
}

/// Names that placement may use: bundled plugins, those of the command line, and those of platforms that this version may not carry yet.
fn known(names: &[String]) -> Vec<&str> {
    let mut known: Vec<&str> = bundled::plugin_names();
    known.extend(names.iter().map(String::as_str));
    for name in ["docker", "kubernetes"] {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known
}

fn list(known: &[&str], plugins: &[PluginSettings]) -> String {
    let mut names: Vec<&str> = known.iter().copied().chain(plugins.iter().map(|p| p.name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a plugin that was given on the command line is a file; else it is a name.
pub(crate) fn is_path(given: &str) -> bool {
    given.contains('/') || given.ends_with(".wasm")
}

/// The name of a plugin that was given on the command line: a bundled name as it is, of a file its stem, `k8s.wasm` being `kubernetes`.
fn plugin_name(given: &str) -> String {
    let stem = if is_path(given) {
        Path::new(given).file_stem().and_then(|s| s.to_str()).unwrap_or(given).to_lowercase()
    } else {
        given.to_owned()
    };
    let clean: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let clean = clean.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    canonical(clean).to_owned()
}

fn add_plugin(plugins: &mut Vec<PluginSettings>, given: &str, name: &str) -> Result<()> {
    if let Some(known) = plugins.iter_mut().find(|p| p.name == name) {
        // The settings' grants, limits and settings stay; only the file is another.
        if is_path(given) {
            known.source = PluginSource::File(located(given)?);
        }
        return Ok(());
    }
    let source = if is_path(given) {
        PluginSource::File(located(given)?)
    } else if bundled::plugin(name).is_some() {
        PluginSource::Bundled(name.to_owned())
    } else {
        let names = bundled::plugin_names().join("`, `");
        return Err(Usage(format!(
            "`--plugin {given}`: there is no bundled plugin of that name (bundled: `{names}`); a file is given by its path, for example `./{given}.wasm`"
        ))
        .into());
    };
    plugins.push(PluginSettings { source, ..crate::assemble::plugins::bundled_settings(name) });
    Ok(())
}

fn located(path: &str) -> Result<host_config::Located> {
    let folder = std::env::current_dir().context("find the current folder")?;
    host_config::Located::new(path, &folder).map_err(|misfit| Usage(format!("`--plugin`: {misfit}")).into())
}

#[cfg(test)]
mod tests {
    use super::plugin_name;

    #[test]
    fn a_plugin_file_is_named_by_its_stem() {
        let cases = [
            ("provisioners/k8s.wasm", "kubernetes"),
            ("./Acme_Cloud.wasm", "acme-cloud"),
            ("embedded", "embedded"),
            ("k8s", "kubernetes"),
            ("ecs", "cloud-ecs"),
        ];
        for (given, name) in cases {
            assert_eq!(plugin_name(given), name, "{given}");
        }
    }
}
