//! What was asked for: files in, checked values out.
//!
//! This crate knows the formats on disk and nothing else: no plugin, no platform, no protocol, and no
//! secret value. It never reads the environment, never prints, and looks at no file but the one it is
//! told to read. A value it hands out has been checked; whoever holds one does not check again.
//!
//! | file | type |
//! | --- | --- |
//! | `gateway.yaml` | [`Settings`] |
//! | Docker's catalogues | [`Catalog`] |
//! | Docker's `registry.yaml` | [`Registry`] |
//! | Docker's `config.yaml` | [`ServerConfigs`] |
//! | Docker's `tools.yaml` | [`ToolLists`] |
//! | `mcpServers` JSON of editors | [`EditorFile`] |
//!
//! Whatever is wrong with a file comes back as [`Problems`], all at once. The keys of `gateway.yaml`
//! are described in `reference.md`, which [`reference()`] prints.

// What is tried again here also stands in `tests/fuzz`, to which this crate is another one.
#[cfg(test)]
extern crate self as host_config;

mod catalog;
mod decode;
mod editor;
mod file;
mod front;
mod grants;
mod host;
mod limits;
mod misfit;
mod nearest;
mod path;
mod pattern;
mod placement;
mod plugin;
mod problem;
mod quantity;
mod reference;
mod registry;
mod report;
mod server;
mod server_config;
mod settings;
mod tool_filter;
mod tool_lists;
mod yaml;

#[cfg(test)]
mod corpus;

pub use catalog::Catalog;
pub use editor::{CommandLine, EditorEntry, EditorFile, EditorPart, EditorText, Reach, Unfilled};
pub use file::MAX_FILE_BYTES;
pub use front::{Front, FrontTransport, NamePolicy, PoolSettings};
pub use grants::{
    DockerGrant, EmbeddedGrant, FolderGrant, Grants, HttpGrant, KubernetesGrant, ObjectKind, PlaceAt,
    RegistryGrant, SecretGrant, SecretPlace, Signer, Signing, SigningKind,
};
pub use host::{AllowedHost, HostPattern, PortPattern, Protocol};
pub use limits::Limits;
pub use misfit::Misfit;
pub use nearest::nearest;
pub use path::Located;
pub use pattern::Pattern;
pub use placement::PlacementRule;
pub use plugin::{PluginSettings, PluginSource};
pub use problem::{Place, Problem, Problems, Warning};
pub use quantity::{
    Cpus, format_duration, format_size, parse_cpus, parse_duration, parse_size, parse_timeout,
};
pub use reference::reference;
pub use registry::{EnabledServer, Registry};
pub use server::{
    Access, ComponentSource, ContainerTransport, Endpoint, EnvVariable, Folder, Kind, Lifetime, Metadata,
    OAuth, OAuthProvider, OnUnenforced, Port, PortProtocol, Remote, RemoteTransport, Server, ServerSecret,
    Tool, ToolAnnotations, ToolArgument, ToolContainer, ToolParameters, ToolProperty,
};
pub use server_config::{ServerConfig, ServerConfigs};
pub use settings::{CloudSecrets, Context, SecretSource, Settings};
pub use tool_filter::ToolFilter;
pub use tool_lists::{ToolList, ToolLists};
pub use yaml::{Map, Value};
