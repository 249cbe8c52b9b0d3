//! TCP ports of plugins, connected to here and not by the pool: a name may lead elsewhere the next time, and the first line may be secret.

use crate::grants::is_public;
use crate::plugin::Identity;
use crate::state::Scope;
use crate::v0_1::docker::Told;
use crate::v0_1::kubernetes::Tunnels;
use async_trait::async_trait;
use host_provisioner::{Class, Dial, Failure, Phase, Streams};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// Where a plugin may lead to: what it was granted, and what the host has handed out in this call.
pub(super) struct Reach {
    plugin: Arc<Identity>,
    tunnels: Arc<Tunnels>,
    told: Arc<Told>,
}

impl Reach {
    pub(super) fn of(scope: &Scope) -> Self {
        Self {
            plugin: Arc::clone(&scope.plugin),
            tunnels: Arc::clone(&scope.tunnels),
            told: Arc::clone(&scope.told),
        }
    }

    /// The addresses of a host that may be connected to, or one that may not. They are what is connected to, so that a name cannot change its meaning in
    /// between.
    pub(super) async fn addresses(
        &self,
        host: &str,
        port: u16,
    ) -> io::Result<Result<Vec<SocketAddr>, IpAddr>> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        let grants = &self.plugin.grants.connect;
        let (allowed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| {
            let ip = address.ip().to_canonical();
            is_public(ip)
                || self.tunnels.reaches(host, port)
                || self.told.reaches(&ip.to_string(), port)
                || (ip.is_loopback() && host.eq_ignore_ascii_case("localhost"))
                || grants.iter().any(|pattern| pattern.covers(&ip.to_string(), Some(port)))
        });
        Ok(match (allowed.is_empty(), refused.first()) {
            (true, Some(address)) => Err(address.ip()),
            _ => Ok(allowed),
        })
    }

    /// What to say about an address that may not be connected to.
    pub(super) fn refusal(&self, host: &str, address: IpAddr) -> (String, String) {
        let text = format!("`{host}` leads to {address}, which is not a public address");
        let hint = format!("grant the address itself in `plugins.{}.grants.connect`", self.plugin.name);
        (text, hint)
    }
}

/// A port with what is said first on every connection to it.
pub(super) struct Port {
    pub(super) reach: Reach,
    pub(super) host: String,
    pub(super) port: u16,
    /// With its end.
    pub(super) first_line: Option<Zeroizing<Vec<u8>>>,
}

#[async_trait]
impl Dial for Port {
    async fn dial(&self) -> Result<Streams, Failure> {
        let Self { reach, host, port, first_line } = self;
        let fail = |error: io::Error| {
            let text = format!("connecting to {host}:{port} failed: {error}");
            Failure::new(Phase::Handshake, Class::Retryable, text)
        };
        let addresses = reach.addresses(host, *port).await.map_err(fail)?.map_err(|address| {
            let (text, hint) = reach.refusal(host, address);
            Failure::new(Phase::Handshake, Class::Permission, text).with_hint(hint)
        })?;
        let mut stream = TcpStream::connect(addresses.as_slice()).await.map_err(fail)?;
        // One message is one write; waiting for more would cost 40 ms a call.
        stream.set_nodelay(true).map_err(fail)?;
        if let Some(line) = first_line {
            stream.write_all(line).await.map_err(fail)?;
        }
        let (stdout, stdin) = stream.into_split();
        Ok(Streams {
            label: format!("{host}:{port}"),
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: None,
        })
    }
}
