//! What belongs to one workload's store: WASI as far as it is granted, its limits, its environment.

use crate::folder;
use crate::limits::{EXTRA_HANDLES, MemoryLimit};
use crate::network::{SharedNetwork, Turns};
use crate::pipe::Pipe;
use crate::pipe::guest::{Input, Output};
use crate::scratch::{Placed, Scratch};
use crate::spec::{DEFAULT_MAX_FILES, DEFAULT_MEMORY_MIB, StartSpec};
use crate::{error::Error, network::Network};
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::p2::bindings::cli::environment;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use zeroize::Zeroizing;

/// Data of a store.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) memory: MemoryLimit,
    pub(crate) network: SharedNetwork,
    /// Its turns at looking names up.
    pub(crate) turns: Arc<Turns>,
    program: Program,
    /// Files made for this workload; they go with it.
    _files: Option<Placed>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The pipes of the three standard streams.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) stdin: Arc<Pipe>,
    pub(crate) stdout: Arc<Pipe>,
    pub(crate) stderr: Arc<Pipe>,
}

impl State {
    /// Opens the folders, places the files and grants what the specification names. Touches the file system, so not for a worker thread.
    ///
    /// # Errors
    ///
    /// When a folder is missing or a pattern is malformed, naming it.
    pub(crate) fn build(
        spec: &StartSpec,
        streams: &Streams,
        turns: Arc<Turns>,
        scratch: &Scratch,
    ) -> Result<Self, Error> {
        let network = Network::shared(&spec.id, &spec.hosts)?;
        let mut builder = WasiCtxBuilder::new();
        builder
            .stdin(Input(Arc::clone(&streams.stdin)))
            .stdout(Output::new(Arc::clone(&streams.stdout)))
            .stderr(Output::new(Arc::clone(&streams.stderr)));
        network.apply(&mut builder);
        for mount in &spec.mounts {
            folder::mount(&mut builder, mount)?;
        }
        let files = scratch.place(spec)?;
        for mount in files.iter().flat_map(|placed| &placed.folders) {
            folder::mount(&mut builder, mount)?;
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles(spec));
        Ok(Self {
            wasi: builder.build(),
            table,
            memory: MemoryLimit::new(spec.memory_mib.unwrap_or(DEFAULT_MEMORY_MIB)),
            network,
            turns,
            program: Program {
                arguments: std::iter::once(spec.component.name().to_owned())
                    .chain(spec.arguments.iter().cloned())
                    .collect(),
                environment: spec.environment.clone(),
            },
            _files: files,
        })
    }
}

/// Handles that the component may hold.
pub(crate) fn handles(spec: &StartSpec) -> usize {
    spec.max_files.unwrap_or(DEFAULT_MAX_FILES) as usize + EXTRA_HANDLES
}

/// Arguments and environment, kept here and not in wasmtime-wasi's context so that the values are wiped at the end.
struct Program {
    arguments: Vec<String>,
    environment: Vec<(String, Zeroizing<String>)>,
}

impl environment::Host for Program {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.environment.iter().map(|(name, value)| (name.clone(), String::clone(value))).collect())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.arguments.clone())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

/// Everything that the engine offers: WASI 0.2 without HTTP, with the environment and the lookup of names in our own hands.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    environment::add_to_linker::<State, HasSelf<Program>>(&mut linker, |state| &mut state.program)?;
    crate::network::add_to_linker(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}
