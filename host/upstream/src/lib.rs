//! Servers that no plugin brings up: commands of this machine, servers that run elsewhere, and servers that are up already.
//!
//! Each is a [`host_provisioner::Provisioner`] like a plugin, so that the pool sees no difference. They are no plugins because there is nothing to
//! decide: a command could do everything that the operator can do, whoever starts it, and a URL is only looked at. What they start or reach
//! stands in a file that the operator named; a catalogue can ask for URLs, never for commands.
//!
//! Relies on `host-workload-process` for processes, on `host-web` for HTTP, on the resolver for secrets. It must never know MCP, plugins, or
//! formats on disk.

mod command;
mod direct;
mod env_file;
mod listening;
mod remote;

#[cfg(test)]
mod tests;

pub use command::CommandConfig;
pub use direct::Direct;
pub use remote::RemoteConfig;
