//! From a host that was let through to a connection.

use crate::settings::Settings;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Time for one address.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Addresses that are tried.
const MOST: usize = 4;

/// Why nobody was reached.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// Not let through.
    Refused(String),
    /// Let through, and nobody is there.
    Failed(String),
}

/// Connects, if the rules let this host and port through. The address that was checked is the one that is connected to.
pub(crate) fn connect(settings: &Settings, host: &str, port: u16) -> Result<TcpStream, Unreached> {
    let Some(reach) = settings.rules.allows(host, port) else {
        return Err(Unreached::Refused(format!("{host}:{port} is not listed")));
    };
    let failed = |error: io::Error| Unreached::Failed(format!("{host}:{port}: {error}"));
    let found = addresses(host, port).map_err(failed)?;
    let allowed: Vec<SocketAddr> = found.iter().copied().filter(|at| reach.to(at.ip())).take(MOST).collect();
    if let (true, Some(first)) = (allowed.is_empty(), found.first()) {
        return Err(Unreached::Refused(format!(
            "{host}:{port} leads to {}, which no server may reach",
            first.ip()
        )));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in allowed {
        match TcpStream::connect_timeout(&address, ATTEMPT) {
            Ok(stream) => {
                // One message is one write; waiting for more would cost 40 ms a call.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    Ok((name.as_str(), port).to_socket_addrs()?.collect())
}
