//! `gateway plugin test`: the contract suite of `sdk/testkit` against one plugin, on the platform that it is granted.

use crate::args::SourceArgs;
use crate::assemble::{App, Inputs, app, plugins};
use crate::bundled;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, print, print_json, table};
use anyhow::{Context as _, Result};
use gateway_testkit::{Bench, Row, Story};
use host_provisioner::{Provisioner, ServerSpec, Workload, WorkloadKind};
use host_wasm::{PluginHost, PluginHostConfig, PluginSpec, RunId};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See the module.
struct Here {
    app: App,
    plugin: PluginSpec,
    server: Arc<ServerSpec>,
    tools: Option<Arc<ServerSpec>>,
}

impl Bench for Here {
    fn host(&self, state: &Path, gateway: RunId, session: RunId) -> Arc<PluginHost> {
        let host = PluginHost::new(PluginHostConfig {
            gateway,
            session,
            state_dir: state.to_owned(),
            cache_dir: self.app.inputs.cache.as_ref().map(|folder| folder.join("plugins")),
            embedded: Arc::clone(&self.app.embedded),
            docker: plugins::docker(&self.app.inputs, &self.app.environment),
            kubernetes: crate::assemble::kubernetes::surroundings(&self.app.inputs, &self.app.environment),
            outbound: Arc::clone(&self.app.outbound),
            resolver: Arc::clone(&self.app.resolver),
            bundled_servers: bundled::SERVERS
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), *bytes))
                .collect(),
            compile_limit: app::COMPILE_WITHIN,
        });
        plugins::carry_programs(&host, &self.app.environment);
        host
    }

    fn plugin(&self) -> PluginSpec {
        self.plugin.clone()
    }

    fn server(&self) -> Arc<ServerSpec> {
        Arc::clone(&self.server)
    }

    fn tools(&self) -> Option<Arc<ServerSpec>> {
        self.tools.clone()
    }
}

/// An entry of tools as the image of its first one; `None` for an entry that is a server.
fn image_of_tools(spec: &ServerSpec) -> Option<Arc<ServerSpec>> {
    let Workload::Tools { tools } = &spec.workload else { return None };
    let reference = tools.first()?.image.clone();
    let workload = Workload::Image { reference, digest: None, arguments: Vec::new() };
    Some(Arc::new(ServerSpec { workload, ..spec.clone() }))
}

/// What is tried.
pub(super) enum What {
    /// The suite.
    Contract,
    /// And every host function disturbed.
    Inject,
    /// One life, taken down.
    Record(PathBuf),
    /// One life, played.
    Replay(PathBuf),
}

/// Runs the suite and prints a table; says no if a case failed.
///
/// # Errors
/// The plugin cannot be loaded, or there is no server to try it with.
pub(super) async fn run(
    mut source: SourceArgs,
    environment: &Environment,
    given: &str,
    what: What,
    as_json: bool,
) -> Result<u8> {
    let by_file = crate::assemble::inputs::is_path(given);
    if by_file {
        source.plugin.push(given.to_owned());
    }
    let inputs = Inputs::load(&source, environment)?;
    let name = if by_file { inputs.chosen.last().cloned() } else { None }.unwrap_or_else(|| given.to_owned());
    let app = App::assemble(inputs, environment).await?;
    let Some(deferred) = app.provisioners.get(&name) else {
        let known = app.provisioners.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(Usage(format!(
            "there is no plugin `{given}` (there are {known}); a file is given by its path"
        ))
        .into());
    };
    let plugin = deferred.plugin().await.map_err(crate::assemble::deferred::failure)?;
    let placed =
        app.placed.iter().filter(|placed| placed.refusal.is_none() && placed.provisioner.name() == name);
    let (of_tools, servers): (Vec<_>, Vec<_>) =
        placed.partition(|placed| matches!(placed.spec.workload, Workload::Tools { .. }));
    let tools = of_tools.first().and_then(|placed| image_of_tools(&placed.spec));
    let server = match servers.first() {
        Some(placed) => Arc::clone(&placed.spec),
        None if plugin.description().runs.contains(&WorkloadKind::Component) => {
            let workload = Workload::Bundled { name: "time".to_owned(), arguments: Vec::new() };
            Arc::new(ServerSpec::new("testkit", workload))
        }
        None => {
            let text = format!(
                "no server goes to plugin `{name}`: give it one to run, for example with `--catalog FILE --servers NAME`"
            );
            return Err(Usage(text).into());
        }
    };
    let spec = deferred.spec().clone();
    let here = Here { plugin: spec, server, tools, app };
    let rows = match what {
        What::Contract => gateway_testkit::contract(&here).await,
        What::Inject => {
            let mut rows = gateway_testkit::contract(&here).await;
            rows.extend(gateway_testkit::inject(&here).await);
            rows
        }
        What::Record(file) => {
            let story = gateway_testkit::record(&here).await;
            here.app.close().await;
            return recorded(&file, story.map_err(anyhow::Error::msg)?, as_json);
        }
        What::Replay(file) => {
            let text = std::fs::read(&file).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
            let story: Story = serde_json::from_slice(&text).map_err(|error| {
                Usage(format!("{} is nothing that `--record` wrote: {error}", file.display()))
            })?;
            gateway_testkit::replay(&here, &story).await
        }
    };
    here.app.close().await;
    show(&name, &rows, as_json);
    Ok(if rows.iter().all(Row::passed) { exit::DONE } else { exit::SAID_NO })
}

/// Writes a life down, and says what it was.
fn recorded(file: &Path, story: Story, as_json: bool) -> Result<u8> {
    let text = serde_json::to_string_pretty(&story)? + "\n";
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    if as_json {
        print_json(&json!({"steps": story.steps}));
    } else {
        let lines: Vec<Vec<String>> =
            story.steps.into_iter().map(|step| vec![step.call, step.outcome]).collect();
        print(&table(&["CALL", "OUTCOME"], &lines));
    }
    Ok(exit::DONE)
}

fn show(plugin: &str, rows: &[Row], as_json: bool) {
    if as_json {
        let cases: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({"case": row.case, "passed": row.passed(), "failure": row.failure, "served": row.served})
            })
            .collect();
        print_json(&json!({"plugin": plugin, "cases": cases}));
        return;
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let (outcome, why) = match (&row.failure, row.served) {
                (Some(why), _) => ("FAILED", why.clone()),
                (None, Some(true)) => ("passed", "it came up".to_owned()),
                (None, Some(false)) => ("passed", "it failed, and nothing is left".to_owned()),
                (None, None) => ("passed", String::new()),
            };
            vec![row.case.clone(), outcome.to_owned(), why]
        })
        .collect();
    print(&table(&["CASE", "OUTCOME", "WHY"], &lines));
    let failed = rows.iter().filter(|row| !row.passed()).count();
    print(&format!("{} cases, {failed} failed", rows.len()));
    let ended = |up: bool| rows.iter().filter(|row| row.served == Some(up)).count();
    let (up, down) = (ended(true), ended(false));
    if up + down > 0 {
        print(&format!(
            "{} disturbed: {up} times it came up, {down} times it failed and left nothing",
            up + down
        ));
    }
}
