//! Containers through the API of a Docker engine, or of anything that speaks it (Podman): images, containers with their standard streams,
//! networks, events. No command line of Docker's is needed; only an engine over `ssh` needs `ssh`.
//!
//! The crate must never know about plugins, MCP, the catalogue or the contract, and it reads no environment: whoever uses it says in
//! [`Surroundings`] what the environment says.
//!
//! **Deadlines** are the caller's: no function here gives up by itself, and each may be dropped at any point. What was created by then is
//! still there under the name that the caller chose, so a caller notes the name first. [`DockerEngine::run`] and
//! [`DockerEngine::start_attached`] remove their container when they are dropped.
//!
//! *Invariant:* names that reach the path of a request have been checked, so that no name can address another object.
//!
//! *Invariant:* values of environment variables and files stand in no error and in no log line of this crate.

mod attach;
mod container;
mod creating;
mod dial;
mod endpoint;
mod engine;
mod error;
mod exec;
mod files;
mod image;
mod list;
mod load;
mod login;
mod name;
mod network;
mod run;
mod secret;
mod spec;
mod tls;
mod watch;
mod wire;

pub use attach::{Attached, Stderr, Stdin, Stdout};
pub use container::{ContainerInfo, Health, Published};
pub use endpoint::{Endpoint, Surroundings, TlsFiles};
pub use engine::{DockerEngine, EngineConfig, EngineInfo};
pub use error::{Error, ErrorKind};
pub use exec::ExecOutput;
pub use image::configuration::{ImageConfiguration, ImageWords};
pub use image::reference::Reference;
pub use image::{ImageInfo, ImageRequest, PullPolicy, PullProgress};
pub use list::{Page, PageRequest};
pub use load::ProgramImage;
pub use login::{Login, LoginFile};
pub use network::{NetworkInfo, NetworkSpec};
pub use run::{Captured, Ending, RunOutput};
pub use secret::{SecretBytes, SecretText};
pub use spec::{ContainerSpec, FileSpec, MountSource, MountSpec, PublishSpec};
pub use watch::{End, Watched};
