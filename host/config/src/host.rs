//! Hosts a server may talk to ([`AllowedHost`]), and patterns of hosts that a grant covers
//! ([`HostPattern`]).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::decode::choice::choices;
use crate::misfit::Misfit;
use crate::pattern::glob;

choices! {
    /// What is spoken to an allowed host; decides which proxy lets it through.
    pub enum Protocol {
        /// HTTP, plain or through a `CONNECT` tunnel.
        Http = "http" | "https",
        /// Anything over TCP.
        Tcp = "tcp",
    }
}

/// An element of `allowHosts`: `host:port` or `host:port/protocol`.
///
/// As in Docker's gateway the host is taken as written, and only literal loopback and multicast addresses
/// are refused. It has no wildcards of its own there, because Docker's proxies compare names as they are
/// (`docker-mcp-gateway.md` 13.2); here `*.name` goes on to the contract, where it is every name below
/// `name`, of one or more labels (`types.destination.host`). Any other `*` is refused by who runs the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllowedHost {
    /// Name or address, without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The protocol, HTTP unless said.
    pub protocol: Protocol,
}

/// The way out for most hosts that were refused.
const HOST_HINT: &str = "write it like `api.example:443` or `db.example:5432/tcp`";

impl FromStr for AllowedHost {
    type Err = Misfit;

    /// # Errors
    /// No port, a port that is no number, another protocol, a loopback or multicast address.
    fn from_str(text: &str) -> Result<AllowedHost, Misfit> {
        let misfit = |why: &str| Misfit::new(text, why).hint(HOST_HINT);
        if text.matches('/').count() > 1 {
            return Err(misfit("not `host:port`"));
        }
        let (address, protocol) = match text.split_once('/') {
            // Unlike elsewhere, upper case is refused, as in Docker's gateway.
            Some((address, "http" | "https")) => (address, Protocol::Http),
            Some((address, "tcp")) => (address, Protocol::Tcp),
            Some(_) => return Err(misfit("of an unknown protocol")),
            None => (text, Protocol::Http),
        };
        let (host, port) = split_port(address).map_err(misfit)?;
        let port = port.filter(|port| !port.is_empty()).ok_or_else(|| misfit("without a port"))?;
        let port = parse_port(port).ok_or_else(|| misfit("without a valid port"))?;
        let literal = host.parse::<IpAddr>().map(|address| address.to_canonical());
        if literal.is_ok_and(|address| address.is_loopback() || address.is_multicast()) {
            return Err(Misfit::new(text, "a loopback or multicast address, which is never allowed"));
        }
        Ok(AllowedHost { host: host.to_owned(), port, protocol })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AllowedHost { host, port, protocol } = self;
        if host.contains(':') {
            write!(f, "[{host}]")?
        } else {
            f.write_str(host)?
        }
        match protocol {
            Protocol::Http => write!(f, ":{port}"),
            Protocol::Tcp => write!(f, ":{port}/tcp"),
        }
    }
}

/// The port part of a [`HostPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortPattern {
    /// None was written: 443, the port of HTTPS.
    Https,
    /// `*`.
    Any,
    /// This one.
    One(u16),
}

/// Hosts that a grant covers: `api.example`, `*.example:443`, `ecs.*.amazonaws.com`, `*:*`.
///
/// Letter case does not matter. A `*` stays within one label, so `*.example` covers `a.example` but
/// neither `example` nor `a.b.example`; a `*` alone covers every host. `10.0.0.0/8` is every address of the range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// Name or address in lower case.
    pub host: String,
    /// The port.
    pub port: PortPattern,
    /// The protocol, any unless said.
    pub protocol: Option<Protocol>,
}

impl HostPattern {
    /// Whether a connection to this host and port is covered. `host` is without brackets.
    pub fn allows(&self, host: &str, port: u16, protocol: Option<Protocol>) -> bool {
        let port_fits = match self.port {
            PortPattern::Https => port == 443,
            PortPattern::Any => true,
            PortPattern::One(one) => port == one,
        };
        port_fits && (self.protocol.is_none() || self.protocol == protocol) && self.allows_host(host)
    }

    /// Whether the host is covered, whatever the port.
    pub fn allows_host(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if self.host == "*" {
            return !host.is_empty();
        }
        if let Some((start, bits)) = range(&self.host) {
            return host.parse().is_ok_and(|address| within(address, start, bits));
        }
        let (mut patterns, mut labels) = (self.host.split('.'), host.split('.'));
        loop {
            match (patterns.next(), labels.next()) {
                (None, None) => return true,
                (Some(pattern), Some(label)) if !label.is_empty() && glob(pattern, label) => {}
                _ => return false,
            }
        }
    }

    /// Reads a pattern whose port must be written, be it as `*`, and that may end in `/tcp`:
    /// `db.example:5432/tcp`. A grant opens a port and not a protocol, so no other can be named.
    ///
    /// # Errors
    /// As [`HostPattern::from_str`], another protocol, and a missing port.
    pub fn with_port(text: &str) -> Result<HostPattern, Misfit> {
        let (address, protocol) = match text.split_once('/') {
            Some((address, "tcp")) => (address, Some(Protocol::Tcp)),
            // A range of addresses has a slash of its own.
            Some((_, rest)) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                match text.strip_suffix("/tcp") {
                    Some(address) => (address, Some(Protocol::Tcp)),
                    None => (text, None),
                }
            }
            // Which is said of it below.
            Some(_) if text.contains("://") => (text, None),
            Some(_) => {
                return Err(Misfit::new(text, "of an unknown protocol")
                    .hint("leave the protocol out, or write `/tcp`: what is granted is a port"));
            }
            None => (text, None),
        };
        let pattern = HostPattern { protocol, ..address.parse()? };
        if pattern.port == PortPattern::Https {
            return Err(Misfit::new(text, "without a port")
                .hint(format!("write `{text}:443`, or `{text}:*` for every port")));
        }
        Ok(pattern)
    }
}

impl FromStr for HostPattern {
    type Err = Misfit;

    /// # Errors
    /// An empty host, a scheme or path, characters no host has, a port that is no number or `*`.
    fn from_str(text: &str) -> Result<HostPattern, Misfit> {
        let misfit =
            |why: &str| Misfit::new(text, why).hint("write it like `api.example` or `*.example:8443`");
        if text.contains("://") {
            return Err(misfit("a URL, not a host"));
        }
        let (host, port) = split_port(text).map_err(misfit)?;
        let port = match port {
            None => PortPattern::Https,
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::One(parse_port(port).ok_or_else(|| misfit("without a valid port"))?),
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
        let labels_fit = host.split('.').all(|label| !label.is_empty() && label.chars().all(allowed));
        if !labels_fit && host.parse::<std::net::Ipv6Addr>().is_err() && range(&host).is_none() {
            return Err(misfit("not a host"));
        }
        Ok(HostPattern { host, port, protocol: None })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        match self.port {
            PortPattern::Https => {}
            PortPattern::Any => f.write_str(":*")?,
            PortPattern::One(port) => write!(f, ":{port}")?,
        }
        match self.protocol {
            Some(protocol) => write!(f, "/{protocol}"),
            None => Ok(()),
        }
    }
}

/// Host, without brackets, and port, if there is one.
fn split_port(address: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("without a closing bracket")?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err("not `host:port`"),
        };
    }
    match address.split_once(':') {
        None => Ok((address, None)),
        Some((_, port)) if port.contains(':') => Err("an address with too many colons"),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

/// `10.0.0.0/8`: the address and how many of its bits count.
fn range(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits = parse_port(bits).map(u32::from)?;
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

fn within(address: IpAddr, start: IpAddr, bits: u32) -> bool {
    let same = |a: u128, b: u128, width: u32| bits == 0 || (a ^ b) >> (width - bits) == 0;
    match (address.to_canonical(), start) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

/// Digits only, so that neither a sign nor a space slips through.
fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of section 13.2 of the reference.
    #[test]
    fn allowed_hosts() {
        let accepted = [
            ("h:443", "h", 443, Protocol::Http),
            ("h:443/http", "h", 443, Protocol::Http),
            ("h:443/https", "h", 443, Protocol::Http),
            ("h:443/tcp", "h", 443, Protocol::Tcp),
            ("h:0", "h", 0, Protocol::Http),
            ("h:65535", "h", 65535, Protocol::Http),
            ("h:080", "h", 80, Protocol::Http),
            (":443", "", 443, Protocol::Http),
            (" h:80", " h", 80, Protocol::Http),
            ("*.h:80", "*.h", 80, Protocol::Http),
            ("localhost:80", "localhost", 80, Protocol::Http),
            ("0.0.0.0:80", "0.0.0.0", 80, Protocol::Http),
            ("10.0.0.1:80", "10.0.0.1", 80, Protocol::Http),
            ("169.254.169.254:80", "169.254.169.254", 80, Protocol::Http),
            ("2130706433:80", "2130706433", 80, Protocol::Http),
            ("h.:80", "h.", 80, Protocol::Http),
            ("h_x:80", "h_x", 80, Protocol::Http),
            ("H.Example:80", "H.Example", 80, Protocol::Http),
            ("[fe80::1]:80", "fe80::1", 80, Protocol::Http),
            ("[::]:80", "::", 80, Protocol::Http),
            ("[h]:80", "h", 80, Protocol::Http),
        ];
        for (text, host, port, protocol) in accepted {
            let expected = AllowedHost { host: host.to_owned(), port, protocol };
            assert_eq!(text.parse::<AllowedHost>(), Ok(expected), "{text}");
        }
        let refused = [
            ("127.0.0.1:80", "a loopback or multicast address, which is never allowed"),
            ("127.9.9.9:80", "a loopback or multicast address, which is never allowed"),
            ("[::1]:80", "a loopback or multicast address, which is never allowed"),
            ("[::ffff:127.0.0.1]:80", "a loopback or multicast address, which is never allowed"),
            ("224.0.0.1:80", "a loopback or multicast address, which is never allowed"),
            ("[ff02::1]:80", "a loopback or multicast address, which is never allowed"),
            ("h", "without a port"),
            ("", "without a port"),
            ("h:", "without a port"),
            ("h:65536", "without a valid port"),
            ("h:-1", "without a valid port"),
            ("h:+80", "without a valid port"),
            ("h:http", "without a valid port"),
            ("h: 80", "without a valid port"),
            ("h:80 ", "without a valid port"),
            ("h:80-90", "without a valid port"),
            ("h:443/udp", "of an unknown protocol"),
            ("h:443/TCP", "of an unknown protocol"),
            ("h:443/", "of an unknown protocol"),
            ("h:443//", "not `host:port`"),
            ("h:80/tcp/x", "not `host:port`"),
            ("http://h:80", "not `host:port`"),
            ("::1:80", "an address with too many colons"),
        ];
        for (text, why) in refused {
            assert_eq!(text.parse::<AllowedHost>().unwrap_err().why, why, "{text}");
        }
    }

    #[test]
    fn host_patterns() {
        let cases = [
            ("api.example", "api.example", 443, true),
            ("api.example", "API.Example.", 443, true),
            ("api.example", "api.example", 80, false),
            ("api.example:8443", "api.example", 8443, true),
            ("api.example:*", "api.example", 1, true),
            ("*.example", "a.example", 443, true),
            ("*.example", "example", 443, false),
            ("*.example", "a.b.example", 443, false),
            ("*.example", ".example", 443, false),
            ("ecs.*.amazonaws.com", "ecs.eu-west-1.amazonaws.com", 443, true),
            ("ecs.*.amazonaws.com", "ecs.evil.example.amazonaws.com", 443, false),
            ("ecs.*.amazonaws.com", "ecs.eu-west-1.amazonaws.com.evil.example", 443, false),
            ("api-*.example", "api-2.example", 443, true),
            ("*", "anything.at.all", 443, true),
            ("*:*", "10.0.0.1", 22, true),
            ("[fe80::1]:80", "fe80::1", 80, true),
            ("10.1.0.0/16:8080", "10.1.2.3", 8080, true),
            ("10.1.0.0/16:8080", "10.2.2.3", 8080, false),
            ("10.1.0.0/16:*", "a.example", 8080, false),
            ("[fd00::/8]:80", "fd12::1", 80, true),
        ];
        for (pattern, host, port, allowed) in cases {
            let pattern: HostPattern = pattern.parse().unwrap();
            assert_eq!(pattern.allows(host, port, None), allowed, "{pattern} {host}:{port}");
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        for refused in
            ["", "https://h", "h:x", "a b", "h:", "a..b", "h/x", "h:443/tcp", "user@h", "10.0.0.0/33", "h/8"]
        {
            refused.parse::<HostPattern>().unwrap_err();
        }
        for refused in ["h", "h/tcp", "h:443/udp", "h:443/", "h:443/http", "h:443/https", "https://h:443"] {
            let why = HostPattern::with_port(refused).unwrap_err().why;
            let expected = match refused {
                "h" | "h/tcp" => "without a port",
                "https://h:443" => "a URL, not a host",
                _ => "of an unknown protocol",
            };
            assert_eq!(why, expected, "{refused}");
        }
        assert!(HostPattern::with_port("h:5432/tcp").unwrap().allows("h", 5432, Some(Protocol::Tcp)));
        assert!(!HostPattern::with_port("h:5432/tcp").unwrap().allows("h", 5432, Some(Protocol::Http)));
    }
}
