//! Servers that no plugin brings up: which of the ways takes which, and what static mode makes of the others.

use crate::assemble::Inputs;
use crate::environment::Environment;
use host_config::{HostPattern, Server};
use host_provisioner::{Address, Provisioner, ServerSpec, Workload};
use host_resolver::Resolver;
use host_upstream::{CommandConfig, Direct, RemoteConfig};
use host_workload_process::ProcessEngine;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The port where a bridge listens, in a host that is called `mcp-` and the server's name (`docker-mcp-gateway.md` 15.5).
const BRIDGE_PORT: u16 = 4444;

/// Where a server is that runs already, as `--static-endpoint` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// Without HTTP.
    Address(Address),
    /// A URL.
    Url(String),
}

impl Fixed {
    /// Reads `tcp://HOST:PORT`, `unix:///PATH`, or a URL.
    ///
    /// # Errors
    /// It is none of them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let why = || format!("`{text}` is no `tcp://HOST:PORT`, `unix:///PATH` or URL");
        if let Some(path) = text.strip_prefix("unix://") {
            let path = Path::new(path);
            return if path.is_absolute() {
                Ok(Self::Address(Address::Unix(path.to_owned())))
            } else {
                Err(why())
            };
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            let (host, port) = rest.rsplit_once(':').ok_or_else(why)?;
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(why)?;
            let plain = !host.is_empty() && !host.contains(['/', '@', ' ']);
            return if plain { Ok(Self::Address(Address::Tcp(host.to_owned(), port))) } else { Err(why()) };
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            Ok(Self::Url(text.to_owned()))
        } else {
            Err(why())
        }
    }
}

/// See the module.
pub(crate) struct DirectWays {
    commands: Arc<Direct>,
    remote: Arc<Direct>,
    listening: Arc<Direct>,
    is_static: bool,
    fixed: BTreeMap<String, Fixed>,
}

impl DirectWays {
    pub(crate) fn new(
        inputs: &Inputs,
        environment: &Environment,
        session: &str,
        processes: &Arc<ProcessEngine>,
        resolver: &Arc<Resolver>,
    ) -> Self {
        let commands = CommandConfig {
            engine: Arc::clone(processes),
            resolver: Arc::clone(resolver),
            inherited: host_workload_process::inherited(|name| environment.get(name)),
        };
        let patterns: Vec<HostPattern> = inputs.allow_hosts.clone();
        let remote = RemoteConfig {
            resolver: Arc::clone(resolver),
            granted: Arc::new(move |host, port| {
                // What is spoken there is HTTP; a pattern that says `/tcp` opens the port all the same.
                patterns.iter().any(|pattern| pattern.allows(host, port, pattern.protocol))
            }),
            advice: "if you trust it, allow it with `--allow-host HOST:PORT`".to_owned(),
        };
        Self {
            commands: Direct::commands(commands, session),
            remote: Direct::remote(remote, session),
            listening: Direct::listening(session),
            is_static: inputs.is_static,
            fixed: inputs.static_endpoints.iter().cloned().collect(),
        }
    }

    /// The same server in static mode: one that would be started by a plugin is up already, where the operator says or at its usual place. Servers
    /// that are reached by URL, and commands that the operator named, stay what they are.
    pub(crate) fn fixed(&self, server: &Server, mut spec: ServerSpec) -> ServerSpec {
        let by_plugin = matches!(
            spec.workload,
            Workload::Component { .. } | Workload::Bundled { .. } | Workload::Image { .. }
        );
        let workload = match self.fixed.get(&server.name) {
            Some(Fixed::Address(address)) => Workload::Listening { address: address.clone() },
            Some(Fixed::Url(url)) => {
                Workload::Remote { url: url.clone(), protocol: None, headers: Vec::new(), by_operator: true }
            }
            None if self.is_static && by_plugin => {
                Workload::Listening { address: Address::Tcp(format!("mcp-{}", server.name), BRIDGE_PORT) }
            }
            None => return spec,
        };
        // Environment, folders and limits are the matter of whoever started it (`docker-mcp-gateway.md` 15.5).
        let kept = std::mem::replace(&mut spec, ServerSpec::new(&server.name, workload));
        spec.lifetime = kept.lifetime;
        (spec.start_timeout, spec.call_timeout) = (kept.start_timeout, kept.call_timeout);
        (spec.idle_timeout, spec.concurrency) = (kept.idle_timeout, kept.concurrency);
        spec.output_limit = kept.output_limit;
        spec.annotations = kept.annotations;
        spec
    }

    /// Who brings it up, if no plugin does.
    pub(crate) fn of(&self, spec: &ServerSpec) -> Option<Arc<dyn Provisioner>> {
        let direct = match &spec.workload {
            Workload::Command { .. } => &self.commands,
            Workload::Remote { .. } => &self.remote,
            Workload::Listening { .. } => &self.listening,
            Workload::Component { .. }
            | Workload::Bundled { .. }
            | Workload::Image { .. }
            | Workload::Tools { .. } => return None,
        };
        Some(Arc::clone(direct) as Arc<dyn Provisioner>)
    }
}

/// Ends processes that dead runs have left; lines for the operator.
pub(crate) async fn work_off(state: &Path) -> Vec<String> {
    let runs = host_workload_process::work_off(state).await;
    let line = |run: &host_workload_process::Abandoned| {
        let mut line = format!("ended {} processes that session {} left", run.ended.len(), run.session);
        if !run.left.is_empty() {
            line = format!("warning: {line}; these do not end: {:?}", run.left);
        }
        line
    };
    runs.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_strictly() {
        let tcp = |host: &str, port| Ok(Fixed::Address(Address::Tcp(host.to_owned(), port)));
        assert_eq!(Fixed::parse("tcp://127.0.0.1:4445"), tcp("127.0.0.1", 4445));
        assert_eq!(Fixed::parse("tcp://[::1]:4445"), tcp("::1", 4445));
        assert_eq!(
            Fixed::parse("unix:///run/a.sock"),
            Ok(Fixed::Address(Address::Unix("/run/a.sock".into())))
        );
        assert_eq!(Fixed::parse("https://a.example/mcp"), Ok(Fixed::Url("https://a.example/mcp".to_owned())));
        for text in
            ["a:1", "tcp://a", "tcp://:1", "tcp://a:0", "tcp://a:x", "tcp://u@a:1", "unix://a", "ftp://a", ""]
        {
            assert_eq!(
                Fixed::parse(text),
                Err(format!("`{text}` is no `tcp://HOST:PORT`, `unix:///PATH` or URL"))
            );
        }
    }
}
