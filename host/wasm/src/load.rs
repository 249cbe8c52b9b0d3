//! From bytes to a plugin that can be called: read, checked without running it, compiled, linked with what it is granted, asked who it is.

mod description;

pub(crate) use description::is_name;

use crate::check;
use crate::engine::Engines;
use crate::error::{LoadError, LoadErrorKind};
use crate::host::PluginHost;
use crate::limits::PARTS;
use crate::plugin::Identity;
use crate::run::{self, Lane};
use crate::sanitize;
use crate::schema::JsonSchema;
use crate::state::{CallState, Scope};
use crate::v0_1;
use crate::v0_1::bounds::Bounded;
use crate::v0_1::exports::{Describe, Functions};
use bytes::Bytes;
use description::{kind, rules};
use host_provisioner::{Call, Description, Phase, RequestId};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};

/// Where the component of a plugin is.
#[derive(Debug, Clone)]
pub enum PluginSource {
    /// A file.
    File(PathBuf),
    /// In memory.
    Bytes(Bytes),
    /// Compiled into the program. It is not validated before it is compiled, as it was when it was built, and the compiler does it once more.
    Carried(&'static [u8]),
}

/// A plugin that was checked, compiled, linked and described. Goes when the last call that uses it ends.
pub(crate) struct Loaded {
    pub(crate) description: Arc<Description>,
    /// Of the settings in a server's entry.
    pub(crate) server_settings: JsonSchema,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) functions: Functions,
}

impl Loaded {
    pub(crate) fn engine(&self) -> &wasmtime::Engine {
        self.pre.component().engine()
    }
}

/// Loads a plugin.
///
/// # Errors
/// The first step that does not succeed, in the words of an operator.
pub(crate) async fn load(
    host: &Arc<PluginHost>,
    identity: &Arc<Identity>,
    source: &PluginSource,
) -> Result<Loaded, LoadError> {
    let name = identity.name.as_str();
    let bytes = source.read(name).await?;
    let gone = |kind| LoadError::new(name, kind, "was not loaded, because the gateway is ending");
    let checked = {
        let (identity, bytes) = (Arc::clone(identity), bytes.clone());
        let validate = !matches!(source, PluginSource::Carried(_));
        let check = move || check::check(&identity.name, &bytes, &identity.grants, validate);
        tokio::task::spawn_blocking(check).await.map_err(|_| gone(LoadErrorKind::Format))??
    };
    let digest = crate::server::hex(&bytes);
    let engines = host.engines().await.map_err(|text| LoadError::new(name, LoadErrorKind::Engine, text))?;
    let pre = compile(host, identity, &engines, &bytes, &checked.abilities).await?;
    describe(host, identity, pre, digest, checked.abilities).await
}

impl PluginSource {
    /// The component; `plugin` is the name for errors.
    ///
    /// # Errors
    /// It cannot be read, or is larger than a plugin may be.
    pub async fn read(&self, plugin: &str) -> Result<Bytes, LoadError> {
        read(plugin, self).await
    }
}

async fn read(name: &str, source: &PluginSource) -> Result<Bytes, LoadError> {
    let file = |text: String| LoadError::new(name, LoadErrorKind::File, text);
    let too_large = |bytes: u64| {
        file(format!("has {} MiB, and a plugin may have {}", bytes >> 20, check::MAX_BYTES >> 20))
    };
    match source {
        PluginSource::Bytes(bytes) if bytes.len() as u64 > check::MAX_BYTES => {
            Err(too_large(bytes.len() as u64))
        }
        PluginSource::Bytes(bytes) => Ok(bytes.clone()),
        PluginSource::Carried(bytes) => Ok(Bytes::from_static(bytes)),
        PluginSource::File(path) => {
            let unreadable =
                |error: std::io::Error| file(format!("cannot be read from `{}`: {error}", path.display()));
            let found = tokio::fs::metadata(path).await.map_err(unreadable)?;
            if found.is_dir() {
                return Err(file(format!("cannot be read from `{}`: it is a folder", path.display())));
            }
            // Before anything of it is read.
            if found.len() > check::MAX_BYTES {
                return Err(too_large(found.len()));
            }
            Ok(tokio::fs::read(path).await.map_err(unreadable)?.into())
        }
    }
}

async fn compile(
    host: &PluginHost,
    identity: &Arc<Identity>,
    engines: &Arc<Engines>,
    bytes: &Bytes,
    abilities: &[String],
) -> Result<(InstancePre<CallState>, Functions), LoadError> {
    let work = {
        let (identity, engines, bytes, abilities) =
            (Arc::clone(identity), Arc::clone(engines), bytes.clone(), abilities.to_vec());
        let taped = host.taped().map(|tape| tape.plays());
        move || prepared(&identity, &engines, &bytes, &abilities, taped)
    };
    host.compilations.run(Sha256::digest(bytes).into(), work).await.unwrap_or_else(|why| {
        Err(LoadError::new(&identity.name, LoadErrorKind::Compile, format!("was not compiled {why}")))
    })
}

fn prepared(
    identity: &Identity,
    engines: &Engines,
    bytes: &[u8],
    abilities: &[String],
    taped: Option<bool>,
) -> Result<(InstancePre<CallState>, Functions), LoadError> {
    let broken = |text: String| LoadError::new(&identity.name, LoadErrorKind::Engine, text);
    let engine = engines.for_memory(identity.limits.memory).map_err(broken)?;
    let first = link(identity, engines, &engine, bytes, abilities, taped);
    match first {
        // It may be one that does not fit into the pool; then the other engine takes it.
        Err(_) if engines.is_pooled(&engine) => {
            let engine = engines.on_demand().map_err(broken)?;
            link(identity, engines, &engine, bytes, abilities, taped)
        }
        first => first,
    }
}

fn link(
    identity: &Identity,
    engines: &Engines,
    engine: &wasmtime::Engine,
    bytes: &[u8],
    abilities: &[String],
    taped: Option<bool>,
) -> Result<(InstancePre<CallState>, Functions), LoadError> {
    let name = identity.name.as_str();
    let known = engines.cache.as_ref().map(|cache| cache.verify());
    let component = Component::from_binary(engine, bytes).map_err(|error| {
        LoadError::new(name, LoadErrorKind::Compile, format!("cannot be compiled: {error:#}"))
    })?;
    if let (Some(cache), Some(known)) = (&engines.cache, known) {
        cache.bless(&known);
    }
    parts_fit(name, &component)?;
    // Names fit, as was checked; what is left is a shape that differs: a function or a field that this host does not have.
    let misfit = |error: wasmtime::Error| {
        LoadError::new(
            name,
            LoadErrorKind::Contract,
            format!("does not fit the contract of this gateway: {error:#}"),
        )
        .with_hint("it was probably built for a newer 0.1 than this gateway's")
    };
    let mut linker = Linker::new(engine);
    crate::wasi::link(&mut linker).map_err(misfit)?;
    match taped {
        None => v0_1::link(&mut linker, abilities).map_err(misfit)?,
        Some(false) => v0_1::link_recorded(&mut linker, abilities).map_err(misfit)?,
        Some(true) => {
            v0_1::link(&mut linker, abilities).map_err(misfit)?;
            v0_1::tape::play(&mut linker, &component).map_err(misfit)?;
        }
    }
    let pre = linker.instantiate_pre(&component).map_err(misfit)?;
    let functions = Functions::find(&pre).map_err(misfit)?;
    Ok((pre, functions))
}

/// Refuses what no instance could be made of, by name and before anybody tries.
fn parts_fit(name: &str, component: &Component) -> Result<(), LoadError> {
    let Some(needs) = component.resources_required() else { return Ok(()) };
    for (count, what) in [(needs.num_memories, "memories"), (needs.num_tables, "tables")] {
        if count as usize > PARTS {
            let text = format!("is made of {count} {what}, and a plugin may have {PARTS} of them");
            return Err(LoadError::new(name, LoadErrorKind::Compile, text));
        }
    }
    Ok(())
}

async fn describe(
    host: &Arc<PluginHost>,
    identity: &Arc<Identity>,
    (pre, functions): (InstancePre<CallState>, Functions),
    digest: String,
    abilities: Vec<String>,
) -> Result<Loaded, LoadError> {
    let name = identity.name.as_str();
    let bad = |text: String| LoadError::new(name, LoadErrorKind::Description, text);
    let engines = host.engines().await.map_err(|text| LoadError::new(name, LoadErrorKind::Engine, text))?;
    let limits = identity.limits.for_describe();
    let mut loaded = Loaded {
        description: Arc::new(Description {
            name: name.to_owned(),
            version: String::new(),
            digest: digest.clone(),
            summary: String::new(),
            runs: Vec::new(),
            settings_schema: String::new(),
            server_settings_schema: String::new(),
            reads_state: Vec::new(),
            abilities: abilities.clone(),
        }),
        server_settings: JsonSchema::parse("{}").map_err(bad)?,
        pre,
        functions,
    };
    let scope = Scope {
        host: Arc::clone(host),
        plugin: Arc::clone(identity),
        phase: Phase::Describe,
        call: Call::new(RequestId::from_bits(0), limits.call),
        server: None,
        record: None,
        prepared: None,
        description: None,
        tunnels: Arc::default(),
        put: Arc::default(),
        told: Arc::default(),
    };
    let done =
        run::run(&engines, &loaded, &limits, Lane::Load, scope, Describe).await.map_err(|failure| {
            let error = bad(format!("cannot describe itself: {}", failure.text));
            match failure.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })?;
    let from = done.answer;
    from.bounded().map_err(|met| bad(format!("cannot describe itself: it {met}")))?;
    rules(&from).map_err(|text| bad(format!("breaks a rule with its description: {text}")))?;
    let broken = |text: String| bad(format!("breaks a rule with its description: {text}"));
    loaded.server_settings = JsonSchema::parse(&from.server_settings_schema).map_err(broken)?;
    let settings = JsonSchema::parse(&from.settings_schema).map_err(broken)?;
    let given = serde_json::from_str(&identity.settings).unwrap_or_default();
    settings.check(&format!("plugins.{name}.settings"), &given).map_err(|text| {
        LoadError::new(name, LoadErrorKind::Settings, format!("does not take its settings: {text}"))
    })?;
    loaded.description = Arc::new(Description {
        name: from.name,
        version: from.version,
        digest,
        summary: sanitize::line(&from.summary, 300),
        runs: from.runs.iter().map(kind).collect(),
        settings_schema: from.settings_schema,
        server_settings_schema: from.server_settings_schema,
        reads_state: from.reads_state,
        abilities,
    });
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component of so many instances of a module with so many memories, byte by byte.
    fn component(memories: u8, instances: u8) -> Vec<u8> {
        let section = |id: u8, body: &[u8]| {
            // Two bytes hold every length here (LEB128).
            let (low, high) = (body.len() & 0x7f | 0x80, body.len() >> 7);
            [&[id, u8::try_from(low).unwrap(), u8::try_from(high).unwrap()], body].concat()
        };
        let memory = [[memories].to_vec(), [0, 0].repeat(memories.into())].concat();
        let module = [b"\0asm\x01\0\0\0".to_vec(), section(5, &memory)].concat();
        let instance = [[instances].to_vec(), [0, 0, 0].repeat(instances.into())].concat();
        [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module), section(2, &instance)].concat()
    }

    #[test]
    fn what_is_made_of_much_takes_nothing_from_the_pool_and_of_too_much_is_refused_by_name() {
        let engines = Engines::build(None).unwrap();
        let pooled = engines.for_memory(1).unwrap();
        assert!(engines.is_pooled(&pooled), "this machine has no address space for a pool");
        let made = |engine: &wasmtime::Engine, memories, instances| {
            Component::from_binary(engine, &component(memories, instances))
        };
        assert!(made(&pooled, 1, 1).is_ok());
        for (memories, instances) in [(2, 1), (1, 2), (0, 17)] {
            let Err(error) = made(&pooled, memories, instances) else {
                panic!("{memories} memories in each of {instances} instances are in the pool");
            };
            assert!(format!("{error:#}").contains("pooling allocator"), "{error:#}");
        }
        let on_demand = engines.on_demand().unwrap();
        parts_fit("p", &made(&on_demand, 64, 2).unwrap()).unwrap();
        let error = parts_fit("p", &made(&on_demand, 65, 2).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "plugin `p` is made of 130 memories, and a plugin may have 128 of them"
        );
    }
}
