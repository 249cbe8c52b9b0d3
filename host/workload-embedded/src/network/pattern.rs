//! `host:port` patterns.

use crate::error::Error;
use std::net::IpAddr;

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// The host of a grant. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    /// Every name that ends with this, which begins with a dot.
    Below(String),
    Address(IpAddr),
}

impl Host {
    /// Whether a name is granted. An address is no name.
    pub(super) fn matches_name(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        match self {
            Self::Name(granted) => granted.eq_ignore_ascii_case(name),
            Self::Below(suffix) => name
                .len()
                .checked_sub(suffix.len())
                .filter(|start| *start > 0)
                .and_then(|start| name.get(start..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix)),
            Self::Address(_) => false,
        }
    }
}

impl Pattern {
    /// Reads `host:port` or `host:port/tcp`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::specification(format!("the pattern `{text}` of `allowHosts` {why}"))
                .with_hint("write `name:port`, `*.name:port`, `address:port` or `[address]:port`")
        };
        if text.contains("://") {
            return Err(wrong("is a URL, not a host and a port"));
        }
        let rest = match text.rsplit_once('/') {
            None => text,
            Some((rest, protocol)) if protocol.eq_ignore_ascii_case("tcp") => rest,
            Some((_, protocol)) => {
                return Err(wrong(&format!("names the protocol `{protocol}`, but only TCP is offered")));
            }
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("names no port"))?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong("has no valid port"))?;
        Ok(Self { host: Self::host(host).ok_or_else(|| wrong("has no valid host"))?, port })
    }

    fn host(text: &str) -> Option<Host> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: std::net::Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Host::Address(IpAddr::from(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Host::Address(address.into()));
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if !is_name(&name) {
            return None;
        }
        Some(if below { Host::Below(format!(".{name}")) } else { Host::Name(name) })
    }
}

/// Whether a text is the name of a host: up to 253 bytes of labels as RFC 1123 (2.1) has them, and the underscore that is in use beside
/// them. Names in other scripts are asked for as they stand on the wire (`xn--…`). A dot at the end makes it absolute and changes nothing.
pub(super) fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A name whose last label is a number is an address in disguise.
    let last_is_number =
        name.rsplit('.').next().is_none_or(|label| label.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && !last_is_number && name.split('.').all(good)
}
