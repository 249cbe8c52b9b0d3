//! `gateway secret`: what is declared and where it was found, keeping and removing; never a value on standard output or in an argument.

mod keep;

use crate::args::SecretCommand;
use crate::assemble::Inputs;
use crate::assemble::secret_places::resolver;
use crate::environment::Environment;
use crate::exit;
use crate::output::{print, print_json, table};
use anyhow::Result;
use host_config::Server;
use host_provisioner::ServerId;
use host_resolver::Resolver;
use serde_json::json;

/// A secret that somebody declares.
pub(super) struct Declared {
    /// Its name.
    pub(super) name: String,
    /// Who declares it: `server notes`, `plugin acme`.
    pub(super) owner: String,
    /// Where it was found, or why it was not.
    pub(super) found: Result<String, String>,
}

pub(super) fn run(command: SecretCommand, environment: &Environment) -> Result<u8> {
    let (source, json) = match command {
        SecretCommand::List { source, json } => (source, json),
        SecretCommand::Set { name, place } => return keep::set(&name, &place, environment),
        SecretCommand::Rm { names, place } => return keep::remove(&names, &place, environment),
    };
    let inputs = Inputs::load(&source, environment)?;
    let resolver = resolver(&inputs, environment)?;
    let mut declared: Vec<Declared> =
        inputs.servers.iter().flat_map(|server| of_server(server, &resolver)).collect();
    for plugin in &inputs.plugins {
        let scope = format!("plugin:{}", plugin.name);
        let names: Vec<String> = plugin.grants.secrets.iter().map(|secret| secret.name.clone()).collect();
        declared.extend(look(&resolver, &scope, &format!("plugin {}", plugin.name), names));
    }
    if json {
        let rows: Vec<_> = declared
            .iter()
            .map(|secret| {
                json!({
                    "name": secret.name,
                    "owner": secret.owner,
                    "foundIn": secret.found.as_ref().ok(),
                    "missing": secret.found.as_ref().err(),
                })
            })
            .collect();
        print_json(&json!({"secrets": rows}));
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = declared
        .into_iter()
        .map(|secret| {
            let found = secret.found.unwrap_or_else(|why| format!("missing: {why}"));
            vec![secret.name, secret.owner, found]
        })
        .collect();
    print(&table(&["SECRET", "FOR", "FOUND IN"], &rows));
    Ok(exit::DONE)
}

/// The secrets of a server.
pub(super) fn of_server(server: &Server, resolver: &Resolver) -> Vec<Declared> {
    let scope = ServerId::from_name(&server.name);
    let mut names: Vec<String> = server.secrets.iter().map(|secret| secret.name.clone()).collect();
    if let Some(editor) = &server.editor {
        names.extend(editor.secrets().into_iter().map(str::to_owned));
    }
    look(resolver, scope.as_str(), &format!("server {}", server.name), names)
}

fn look(resolver: &Resolver, scope: &str, owner: &str, names: Vec<String>) -> Vec<Declared> {
    resolver.declare(scope, names.iter().cloned());
    names
        .into_iter()
        .map(|name| {
            let found =
                resolver.info(scope, &name).map(|info| info.found_in).map_err(|error| error.to_string());
            Declared { name, owner: owner.to_owned(), found }
        })
        .collect()
}
