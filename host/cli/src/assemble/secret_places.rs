//! Where secrets are looked for, as flags and settings say.

use crate::assemble::Inputs;
use crate::assemble::cloud_secrets::Cloud;
use crate::environment::Environment;
use crate::output::{Usage, say};
use anyhow::{Context, Result};
use host_config::SecretSource;
use host_resolver::{Resolver, Source};
use std::sync::Arc;

/// Where secrets are in the original's container (`docker-mcp-gateway.md` 4.1), of which the first that can be read counts.
const SECRETS_IN_CONTAINER: &str = "docker-desktop:/run/secrets/mcp_secret:/.env";

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
