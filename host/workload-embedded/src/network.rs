//! Outbound hosts: what a workload may look up and where it may connect to.
//!
//! WASI checks addresses, people grant names. So the lookup is ours: a name is only looked up if it is granted, and the addresses found
//! for it become connectable on the granted ports, for this workload. Asking the system again at connect time would be a race; so
//! would be trusting the answer, which is why a public name that leads into a private network is refused.

mod address;
mod lookup;
mod pattern;
mod resolve;
#[cfg(test)]
mod tests;

pub use address::is_public;
pub(crate) use lookup::add_to_linker;
pub(crate) use resolve::{Resolver, Turns};

use crate::error::Error;
use pattern::{Host, Pattern};
use std::collections::VecDeque;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

/// Addresses remembered per workload, the oldest forgotten first. Big services have a few dozen.
const MAX_RESOLVED: usize = 512;

/// Refusals that are written to the log per workload: a guest that tries again and again does not fill it.
const MAX_LOGGED: u32 = 16;

/// The grants of one workload and what its lookups have found.
pub(crate) struct Network {
    workload: String,
    patterns: Vec<Pattern>,
    /// Addresses that lookups have found, with the name they were found for.
    found: VecDeque<(IpAddr, String)>,
    logged: u32,
}

impl Network {
    /// Reads the patterns.
    ///
    /// # Errors
    ///
    /// For the first one that is malformed, naming it.
    pub(crate) fn shared(workload: &str, hosts: &[String]) -> Result<SharedNetwork, Error> {
        let patterns = hosts.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        Ok(SharedNetwork(Arc::new(Mutex::new(Self {
            workload: workload.to_owned(),
            patterns,
            found: VecDeque::new(),
            logged: 0,
        }))))
    }

    fn may_look_up(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.host.matches_name(name))
    }

    /// Takes an address that was found for a granted name. False if the name must not lead there.
    fn admit(&mut self, name: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let by_name =
            address::is_public(address) || (address.is_loopback() && name.eq_ignore_ascii_case("localhost"));
        let literally = self.patterns.iter().any(|pattern| pattern.host == Host::Address(address));
        if !by_name && !literally {
            self.log(&format!("`{name}` leads to {address}, which is not a public address"));
            return false;
        }
        if by_name && !self.found.iter().any(|(known, of)| *known == address && of == name) {
            if self.found.len() >= MAX_RESOLVED {
                self.found.pop_front();
            }
            self.found.push_back((address, name.to_owned()));
        }
        true
    }

    fn may_connect(&mut self, to: SocketAddr) -> bool {
        let (address, port) = (to.ip().to_canonical(), to.port());
        let allowed =
            self.patterns.iter().filter(|pattern| pattern.port == port).any(|pattern| match &pattern.host {
                Host::Address(granted) => *granted == address,
                host => self.found.iter().any(|(known, name)| *known == address && host.matches_name(name)),
            });
        if !allowed {
            self.log(&format!("no host of `allowHosts` allows connecting to {to}"));
        }
        allowed
    }

    fn allows(&mut self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        match purpose {
            SocketAddrUse::TcpConnect => self.may_connect(address),
            // Every connection binds its own end first, to any address and a port that the system chooses.
            SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
            SocketAddrUse::TcpListen
            | SocketAddrUse::TcpAccept
            | SocketAddrUse::UdpBind
            | SocketAddrUse::UdpSend
            | SocketAddrUse::UdpReceive => false,
        }
    }

    fn log(&mut self, text: &str) {
        if self.logged < MAX_LOGGED {
            self.logged += 1;
            tracing::warn!(workload = %self.workload, "refused: {}", crate::error::printable(text));
        }
    }
}

/// The same, shared by the lookup and the check at connect time.
#[derive(Clone)]
pub(crate) struct SharedNetwork(Arc<Mutex<Network>>);

impl SharedNetwork {
    fn with<T>(&self, ask: impl FnOnce(&mut Network) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens exactly what is granted. Without a grant every socket is refused when it is made.
    pub(crate) fn apply(&self, builder: &mut WasiCtxBuilder) {
        let granted = self.with(|network| !network.patterns.is_empty());
        let check = self.clone();
        builder.allow_udp(false).allow_tcp(granted).allow_ip_name_lookup(granted).socket_addr_check(
            move |address, purpose| Box::pin(ready(check.with(|network| network.allows(address, purpose)))),
        );
    }
}
