//! A container engine inside the gateway's own process: its images are WASI 0.2 command components (`wasi:cli/run`) and its workloads are
//! instances of them, each with standard streams, a memory limit, a share of the processor, folders and outbound hosts of its own.
//!
//! The crate must never know about plugins, MCP, the catalogue or the contract. It speaks of components, workloads and bytes.
//!
//! *Invariant:* what a [`StartSpec`] does not name does not exist for the workload: no environment, no arguments, no folder, no address.
//!
//! *Invariant:* nothing a workload does grows the host's memory beyond its limits, keeps a worker thread for longer than a few
//! milliseconds, or outlives [`EmbeddedEngine::stop`].

mod cache;
mod check;
mod compiling;
mod component;
mod end;
mod engine;
mod error;
mod folder;
mod limits;
mod network;
mod pace;
mod pipe;
pub mod private;
mod registry;
mod run;
mod runtime;
mod scratch;
mod spec;
mod state;
mod ticker;
mod workload;

pub use compiling::{Compilations, Digest, NotCompiled};
pub use component::{ComponentSource, LoadedComponent, MAX_COMPONENT_BYTES};
pub use end::{Info, Status};
pub use engine::{EmbeddedEngine, EngineConfig, Started};
pub use error::{Error, ErrorKind};
pub use network::is_public;
pub use pipe::host::{Stderr, Stdin, Stdout};
pub use run::{Captured, RunOutput};
pub use spec::{DEFAULT_MAX_FILES, DEFAULT_MEMORY_MIB, FileSpec, MountSpec, StartSpec};
