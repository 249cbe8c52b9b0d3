//! Where a port of a container is reached from the gateway, and whether anybody answers there.

use super::Docker;
use crate::sanitize::line;
use crate::v0_1::imported::docker::{Address, EgressProxy};
use crate::v0_1::types::{Failure, FailureCategory};
use host_workload_docker::ContainerInfo;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Time for one question to a port.
const ATTEMPT: Duration = Duration::from_secs(2);
/// An engine's own forwarder accepts a connection before it knows whether anybody listens behind, and closes it when nobody does. So a
/// connection counts when it is still open after this time.
const SETTLED: Duration = Duration::from_millis(150);

/// What one call was told, and may therefore use (`wit/v0.1/docker.wit`, `address-of`, `plan-egress-proxy`).
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    addresses: Vec<(String, u16)>,
    planned: Vec<EgressProxy>,
    started: Vec<EgressProxy>,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this address was given to the plugin in this call.
    pub(crate) fn reaches(&self, host: &str, port: u16) -> bool {
        self.lock().addresses.iter().any(|(known, at)| known == host && *at == port)
    }

    fn address(&self, host: &str, port: u16) {
        self.lock().addresses.push((host.to_owned(), port));
    }

    pub(super) fn planned(&self, proxy: &EgressProxy) {
        self.lock().planned.push(proxy.clone());
    }

    pub(super) fn started(&self, proxy: &EgressProxy) {
        self.lock().started.push(proxy.clone());
    }

    /// Egress proxies whose words a container of this call may have: those that run, or, where nothing is started, those that would.
    pub(crate) fn proxies(&self, starts: bool) -> Vec<EgressProxy> {
        let known = self.lock();
        if starts { known.started.clone() } else { known.planned.clone() }
    }
}

impl Docker<'_> {
    pub(super) async fn address_of(&self, container: &str, port: u16) -> Result<Address, Failure> {
        if !self.may_create() {
            return Err(self.not_in_this_phase("reached"));
        }
        let info = self.own(container).await?.ok_or_else(|| self.not_there(container))?;
        let (host, at) = self.place(&info, port).await?;
        self.told.address(&host, at);
        Ok(Address { host, port: at })
    }

    /// A gateway in a container reaches another one on a network of both; any other gateway where the port is published on loopback.
    async fn place(&self, info: &ContainerInfo, port: u16) -> Result<(String, u16), Failure> {
        let engine = self.docker()?;
        let own = engine.own_networks().await.map_err(|error| self.of_engine(&error))?;
        // In the network of its machine it is like any other process there.
        let on_machine = own.iter().any(|name| name == "host");
        let shared = info.networks.iter().find(|(name, address)| own.contains(name) && !address.is_empty());
        if let Some((_, address)) = shared {
            return Ok((address.clone(), port));
        }
        let name = line(&info.name, 200);
        if engine.runs_in_container() && !on_machine {
            let text = format!(
                "reach port {port} of container `{name}`: the gateway's own container is in no network with it"
            );
            let hint = format!(
                "set `plugins.{}.grants.docker.ownNetworks: true`, so that servers join the networks of the gateway",
                self.plugin.name
            );
            return Err(self.refuse_with(FailureCategory::Config, text, hint));
        }
        if !engine.endpoint().is_local() {
            let text = format!("reach port {port} of container `{name}`: the engine runs on another machine");
            let hint = "let the server speak over its standard streams, or use an engine of this machine";
            return Err(self.refuse_with(FailureCategory::Unsupported, text, hint));
        }
        match info.published.iter().find(|published| published.container_port == port) {
            Some(published) => Ok(("127.0.0.1".to_owned(), published.host_port)),
            None => {
                let text = format!("reach port {port} of container `{name}`: it is not published");
                Err(self.refuse(FailureCategory::Config, text))
            }
        }
    }

    /// Whether a port accepts connections, or, with a path, answers a request as somebody who is ready.
    pub(super) async fn answers(
        &self,
        container: &str,
        port: u16,
        path: Option<&str>,
    ) -> Result<bool, Failure> {
        let Some(info) = self.own(container).await?.filter(ContainerInfo::is_running) else {
            return Ok(false);
        };
        let (host, at) = match self.place(&info, port).await {
            Ok(place) => place,
            // Published only once it runs, on some engines a moment later.
            Err(failure) if info.published.is_empty() && failure.category == FailureCategory::Config => {
                return Ok(false);
            }
            Err(failure) => return Err(failure),
        };
        let asked = match path {
            None => tokio::time::timeout(ATTEMPT, stays_open(&host, at)).await,
            Some(path) => tokio::time::timeout(ATTEMPT, is_ready(&host, at, path)).await,
        };
        Ok(matches!(asked, Ok(Ok(true))))
    }
}

async fn stays_open(host: &str, port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((host, port)).await?;
    match tokio::time::timeout(SETTLED, stream.read(&mut [0])).await {
        Err(_) => Ok(true),
        Ok(read) => Ok(read? > 0),
    }
}

/// 2xx; also 401 and 403, which somebody says who is there.
async fn is_ready(host: &str, port: u16, path: &str) -> std::io::Result<bool> {
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(false);
    }
    let mut stream = TcpStream::connect((host, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    let status = start.strip_prefix(b"HTTP/1.1 ").or_else(|| start.strip_prefix(b"HTTP/1.0 "));
    Ok(status.is_some_and(|status| status.starts_with(b"2") || matches!(status, b"401" | b"403")))
}
