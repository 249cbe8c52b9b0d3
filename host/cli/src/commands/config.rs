//! `gateway config check`: everything that can be said about the files without starting anything.

use crate::args::ConfigCommand;
use crate::assemble::Inputs;
use crate::assemble::enabled::no_server;
use crate::assemble::placement::{Place, Placement};
use crate::assemble::providers::{self, Providers};
use crate::assemble::secret_places::resolver;
use crate::assemble::spec::{server_spec, server_spec_on_platform};
use crate::assemble::values::misfits;
use crate::commands::secret;
use crate::environment::Environment;
use crate::exit;
use crate::output::{print, print_json};
use anyhow::Result;
use host_config::{Kind, Warning};
use serde_json::json;

pub(super) fn run(command: ConfigCommand, environment: &Environment) -> Result<u8> {
    let ConfigCommand::Check { source, json } = command;
    let inputs = Inputs::load(&source, environment)?;
    let resolver = resolver(&inputs, environment)?;
    let cluster_has = Providers::of(&inputs.plugins);
    let placement =
        Placement { flag: inputs.provisioner.as_deref(), rules: &inputs.settings.placement, plugins: &[] };
    let servers: Vec<Checked> = inputs
        .servers
        .iter()
        .map(|server| {
            let mut problems: Vec<String> = Vec::new();
            let in_cluster = placement.of(server) == Place::Provisioner(providers::PLUGIN.to_owned());
            let spec = if in_cluster && cluster_has.config.is_some() {
                server_spec_on_platform(server, environment)
            } else {
                server_spec(server, &inputs.files.configs, environment)
            };
            problems.extend(spec.err().and_then(|error| error.chain().last().map(ToString::to_string)));
            // What a cluster has, nobody here can look up.
            if !(in_cluster && cluster_has.secret.is_some()) {
                let secrets = secret::of_server(server, &resolver);
                problems.extend(secrets.into_iter().filter_map(|secret| secret.found.err()));
            }
            Checked {
                name: server.name.clone(),
                kind: server.kind(),
                place: server.place.to_string(),
                problems,
            }
        })
        .collect();
    let mut warnings: Vec<String> = unused(&inputs).iter().map(ToString::to_string).collect();
    for server in &inputs.servers {
        let misfits = misfits(server, &inputs.files.configs);
        warnings.extend(misfits.into_iter().map(|text| format!("server `{}`: {text}", server.name)));
    }
    // What does not run although a file asks for it was told when the files were read.
    let wrong = !inputs.not_run.is_empty() || servers.iter().any(|server| !server.problems.is_empty());
    if json {
        // For people they were told when the files were read.
        warnings.extend(inputs.without_effect.iter().map(ToString::to_string));
        print_json(&json!({
            "ok": !wrong,
            "settings": Some(&inputs.settings.source).filter(|file| !file.is_empty()),
            "files": inputs.files.read.iter().map(|(what, path)| json!({"what": what, "path": path})).collect::<Vec<_>>(),
            "servers": servers.iter().map(|server| json!({
                "name": server.name, "kind": server.kind.as_str(), "place": server.place, "problems": server.problems,
            })).collect::<Vec<_>>(),
            "warnings": warnings,
        }));
    } else {
        print(&page(&inputs, &servers, &warnings));
    }
    Ok(if wrong { exit::SAID_NO } else { exit::DONE })
}

struct Checked {
    name: String,
    kind: Kind,
    place: String,
    problems: Vec<String>,
}

fn page(inputs: &Inputs, servers: &[Checked], warnings: &[String]) -> String {
    let mut lines = Vec::new();
    if !inputs.settings.source.is_empty() {
        lines.push(format!("settings         {}", inputs.settings.source));
    }
    for (what, path) in &inputs.files.read {
        lines.push(format!("{what:<16} {}", path.display()));
    }
    if servers.is_empty() {
        lines.push(inputs.no_servers());
    }
    for server in servers {
        let verdict = if server.problems.is_empty() { "ok" } else { "cannot run" };
        lines.push(format!("server `{}` ({}, {}): {verdict}", server.name, server.kind, server.place));
        lines.extend(server.problems.iter().map(|problem| format!("  {problem}")));
    }
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}

/// Values for servers that do not exist: most likely a name was mistyped. Those of servers that exist and are not enabled are nobody's mistake.
fn unused(inputs: &Inputs) -> Vec<Warning> {
    let all = inputs.servers.iter().chain(&inputs.files.catalog.servers).chain(&inputs.settings.servers);
    let known: Vec<String> = all.map(host_config::Server::canonical_name).collect();
    let values = inputs.files.configs.servers.iter().map(|(name, config)| (name, &config.place));
    let warning = |(name, place): (&String, &host_config::Place)| {
        let dots = name.replace('.', "_");
        let dotted = format!("write `{dots}`; every `.` of a server's name is a `_` here");
        let hint = known.contains(&dots).then_some(dotted);
        no_server(name, "values", place, known.iter().map(String::as_str))
            .map(|warning| Warning { hint: hint.or(warning.hint.clone()), ..warning })
    };
    values.filter_map(warning).collect()
}
