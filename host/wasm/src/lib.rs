//! Runs provisioner plugins: WebAssembly components of the contract `wit/v0.1`, each call in a fresh instance with its own limits.
//!
//! Implements [`host_provisioner::Provisioner`] and owns what that takes: the engine, the checks before a load, grants, limits, host
//! functions, the ledger of what was begun, and replacing a plugin while it runs. It must never know MCP, sessions of clients, or the
//! operator's file formats.
//!
//! *Invariant:* what a plugin is not granted is not linked; what it is granted is narrowed by the host function to the server of the call.
//!
//! *Invariant:* nothing is created before it is in the ledger, and what is in the ledger is released by somebody: the caller, the reaper
//! of this process, or the next start.
//!
//! *Invariant:* whatever a plugin does (loop, trap, allocate, lie, hang), it costs one call, and the failure says so in a sentence that
//! names the plugin and the setting.

mod check;
mod engine;
mod error;
mod faults;
mod generated;
mod grants;
mod host;
mod image_policy;
mod image_words;
mod ledger;
mod limits;
mod load;
mod output;
mod plugin;
mod reaper;
mod run;
mod schema;
mod server;
mod state;
mod swap;
mod tape;
#[cfg(test)]
mod tests;
mod v0_1;
mod wasi;
mod watch;

use host_provisioner::sanitize;

pub use check::{Asks, asks};
pub use error::{LoadError, LoadErrorKind};
pub use faults::{Fault, Faults};
pub use grants::{
    DockerGrant, EmbeddedGrant, FolderGrant, Grants, HostPattern, HttpGrant, KubernetesGrant, NamePattern,
    PlaceAt, RegistryGrant, SecretPlace, Signer, SignerKind,
};
pub use host::{LeftBehind, PluginHost, PluginHostConfig, PluginSpec, RunId};
pub use image_policy::{ImagePolicy, NotTrusted};
pub use image_words::{
    BridgeProgram, ImageCatalog, ImageLogin, ImageQuestion, ImageUnknown, ImageUnknownWhy,
};
pub use limits::Limits;
pub use load::PluginSource;
pub use plugin::Plugin;
pub use swap::PluginStatus;
pub use tape::{Noted, Object, Section, Tape};
pub use v0_1::docker::EgressProgram;
pub use watch::Watch;
