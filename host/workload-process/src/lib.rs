//! Local commands as servers: a process group of its own each, with standard streams, an environment that holds nothing it was not given, and
//! an end that reaches every process of the group.
//!
//! The crate must never know about plugins, MCP, the catalogue or the contract. It speaks of commands, processes and bytes. Nothing here
//! isolates: a command can do what the user of the gateway can do, so whoever calls this has made sure that the operator wanted it.
//!
//! *Invariant:* a process gets exactly the variables of its [`StartSpec`] and [`MARK`], and of what the gateway has open only its three streams.
//!
//! *Invariant:* no process of a group outlives [`ProcessEngine::stop`]; what a gateway leaves that was killed itself, [`work_off`] ends at the
//! next start, where the system can tell whose a process is (Linux).

mod abandoned;
mod end;
mod engine;
mod error;
mod group;
mod inherit;
mod program;
mod record;
mod spec;

#[cfg(test)]
mod tests;

pub use abandoned::{Abandoned, work_off};
pub use end::Status;
pub use engine::{EngineConfig, ProcessEngine, Started};
pub use error::{Error, ErrorKind};
pub use inherit::{INHERITED, inherited};
pub use spec::StartSpec;

/// The variable by which processes of a gateway are known: `SESSION.NUMBER`. Every process of a group inherits it, so that also those are
/// found which a server has started and which have left its group.
pub const MARK: &str = "GATEWAY_PROCESS";
