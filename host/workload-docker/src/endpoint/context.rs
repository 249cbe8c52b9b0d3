//! Contexts of Docker's command line: named engines, as files in the configuration folder.

use super::{Endpoint, Surroundings, tls_files};
use crate::error::Error;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<Docker>,
}

#[derive(Deserialize)]
struct Docker {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

/// The context that `docker context use` chose, if one was chosen.
pub(super) fn current(around: &Surroundings) -> Result<Option<String>, Error> {
    let Some(folder) = &around.config_dir else { return Ok(None) };
    let file = folder.join("config.json");
    let Some(text) = read(&file)? else { return Ok(None) };
    let config: Config = parse(&file, &text)?;
    let name = config.current_context;
    Ok((!name.is_empty() && name != "default").then_some(name))
}

/// Where the engine of a context is.
pub(super) fn endpoint(around: &Surroundings, name: &str) -> Result<Endpoint, Error> {
    let unknown = || {
        Error::specification(format!("use Docker context `{name}`: there is none of that name"))
            .with_hint("`docker context ls` lists them")
    };
    let folder = around.config_dir.as_ref().ok_or_else(unknown)?.join("contexts");
    let hash = Sha256::digest(name.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let file = folder.join("meta").join(&hash).join("meta.json");
    let text = read(&file)?.ok_or_else(unknown)?;
    let meta: Meta = parse(&file, &text)?;
    let Some(docker) = meta.endpoints.docker.filter(|docker| !docker.host.is_empty()) else {
        return Err(Error::specification(format!("use Docker context `{name}`: it names no Docker engine")));
    };
    if docker.skip_tls_verify {
        return Err(Error::specification(format!(
            "use Docker context `{name}`: it trusts every certificate (`SkipTLSVerify`)"
        ))
        .with_hint("give the context the engine's authority instead, with `ca=`"));
    }
    let certificates = folder.join("tls").join(hash).join("docker");
    let tls = if certificates.is_dir() { Some(tls_files(&certificates)?) } else { None };
    Endpoint::parse(&docker.host, tls)
}

fn read(file: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::specification(format!("read `{}`: {error}", file.display()))),
    }
}

fn parse<T: for<'a> Deserialize<'a>>(file: &Path, text: &str) -> Result<T, Error> {
    // The message of the parser may quote the file, which may hold credentials; its place says enough.
    serde_json::from_str(text).map_err(|error| {
        Error::specification(format!("read `{}`: malformed in line {}", file.display(), error.line()))
    })
}
