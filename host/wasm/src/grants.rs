//! What one plugin is allowed to do. What is absent is not granted: it is not linked, or refused by the host function.

mod docker;
mod http;
mod kubernetes;

pub use docker::{DockerGrant, NamePattern};
pub(crate) use http::hands_out;
pub use http::{HttpGrant, PlaceAt, SecretPlace, Signer, SignerKind};
pub use kubernetes::KubernetesGrant;

use host_provisioner::Access;
/// One notion of what is public for grants of plugins and for servers: what one refuses, the other must not let through.
pub(crate) use host_workload_embedded::is_public;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Everything one plugin is granted. The names are those of the operator's file: `plugins.NAME.grants.KEY`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// `embedded`: to run components inside the gateway.
    pub embedded: Option<EmbeddedGrant>,
    /// `connect`: hosts and ports that an endpoint handed to the gateway may have.
    pub connect: Vec<HostPattern>,
    /// `secrets`: names of secrets that belong to the plugin itself.
    pub secrets: Vec<String>,
    /// `docker`: to run containers on an engine with Docker's API.
    pub docker: Option<DockerGrant>,
    /// `kubernetes`: to make objects in a cluster.
    pub kubernetes: Option<KubernetesGrant>,
    /// `http`: to send requests, which the host signs. A request needs one element that covers it.
    pub http: Vec<HttpGrant>,
    /// The hosts that a secret of [`Grants::secrets`] may be sent to, by its name. One that is not here goes nowhere.
    pub secret_hosts: BTreeMap<String, Vec<HostPattern>>,
    /// `registry`: to ask registries about images.
    pub registry: Option<RegistryGrant>,
}

impl Grants {
    /// Whether the interface of that name may be imported.
    pub(crate) fn has(&self, ability: &str) -> bool {
        match ability {
            "embedded" => self.embedded.is_some(),
            "docker" => self.docker.is_some(),
            "kubernetes" => self.kubernetes.is_some(),
            "http" => !self.http.is_empty(),
            "registry" => self.registry.is_some(),
            _ => false,
        }
    }
}

/// To run components inside the gateway: the most that one server may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedGrant {
    /// Memory of one server in bytes.
    pub memory: u64,
    /// Share of a processor of one server in thousandths; `None`: no ceiling.
    pub cpu_millis: Option<u32>,
    /// Folders, each with all that is below it, for mounts that the operator's own file did not name. What it names needs no grant.
    pub folders: Vec<FolderGrant>,
    /// Hosts that servers may be let out to, beside their own network rules; `None`: their own rules decide alone.
    pub hosts: Option<Vec<HostPattern>>,
}

impl Default for EmbeddedGrant {
    /// 256 MiB, no folders, hosts as the servers' own rules have them.
    fn default() -> Self {
        Self { memory: 256 << 20, cpu_millis: None, folders: Vec::new(), hosts: None }
    }
}

/// To ask registries about images: about those of the servers and tools of each call, and more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryGrant {
    /// Registries that may be asked about any image.
    pub hosts: Vec<HostPattern>,
}

impl RegistryGrant {
    /// Whether a registry is covered, as references write it (`docker.io`, `registry.example:5000`), and if so, whether it was written out. What
    /// only a `*` covers must be public.
    pub(crate) fn covers(&self, registry: &str) -> Option<bool> {
        let (host, port) = match registry.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, port),
            _ => (registry, 443),
        };
        let host = host.trim_matches(['[', ']']);
        let mut covering = self.hosts.iter().filter(|pattern| pattern.covers(host, Some(port))).peekable();
        covering.peek()?;
        Some(covering.any(|pattern| !pattern.host.contains('*')))
    }
}

/// A folder of this machine, with all that is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderGrant {
    /// The folder, as an absolute path without symbolic links; nobody follows them later, or a link could be made to lead elsewhere.
    pub path: PathBuf,
    /// The most that may be done there.
    pub access: Access,
}

/// Hosts that a grant covers: `api.example:443`, `*.example:443`, `10.1.2.3:*`, `10.0.0.0/8:443`, `[fe80::1]:80`, `*:443`.
///
/// Letter case does not matter. `*` within a name stands for a part of one label; `*` alone covers every name and every public address.
/// Addresses of private networks, of this machine and of link-local services are covered only by a pattern that writes them (or their range) out, or by
/// `localhost` for this machine: a name that somebody else controls must not open them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: String,
    port: Option<u16>,
}

impl FromStr for HostPattern {
    type Err = String;

    /// # Errors
    /// A sentence for text that is no `host:port`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is no `host:port`", text.escape_debug());
        let text = text.strip_suffix("/tcp").unwrap_or(text);
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").ok_or_else(bad)?,
            None => text.rsplit_once(':').ok_or_else(bad)?,
        };
        let port = match port {
            "*" => None,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().map_err(|_| bad())?),
            _ => return Err(bad()),
        };
        let host = plain(host);
        let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
        let name = host.split('.').all(|part| !part.is_empty() && part.chars().all(label));
        if !name && host.parse::<IpAddr>().is_err() && range(&host).is_none() {
            return Err(bad());
        }
        Ok(Self { host, port })
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
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

impl HostPattern {
    /// Whether it covers this host, without brackets, at this port; `None` asks for every port.
    #[must_use]
    pub fn covers(&self, host: &str, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        let host = plain(host);
        if host == self.host {
            return true;
        }
        match host.parse::<IpAddr>() {
            Ok(address) => match range(&self.host) {
                Some((start, bits)) => within(address, start, bits),
                None => self.host == "*" && is_public(address),
            },
            // `localhost` is this machine, whoever asks.
            Err(_) if host == "localhost" || host.ends_with(".localhost") => false,
            Err(_) => self.host == "*" || same_labels(&self.host, &host),
        }
    }
}

/// `10.0.0.0/8`: the address and how many of its bits count.
fn range(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
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

/// Lower case, without the dot that makes a name absolute.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn same_labels(pattern: &str, host: &str) -> bool {
    let (mut patterns, mut labels) = (pattern.split('.'), host.split('.'));
    loop {
        match (patterns.next(), labels.next()) {
            (None, None) => return true,
            (Some(pattern), Some(label)) if !label.is_empty() && glob(pattern, label) => {}
            _ => return false,
        }
    }
}

/// `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| glob(after, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_they_say() {
        for (pattern, host, port, covered) in [
            ("api.example:443", "API.example.", Some(443), true),
            ("api.example:443", "api.example", Some(80), false),
            ("api.example:443", "api.example", None, false),
            ("api.example:*", "api.example", None, true),
            ("*.example:443", "a.example", Some(443), true),
            ("*.example:443", "a.b.example", Some(443), false),
            ("*.example:443", "example", Some(443), false),
            ("ecs.*.cloud:443", "ecs.eu-1.cloud", Some(443), true),
            ("ecs.*.cloud:443", "ecs.eu-1.cloud.evil", Some(443), false),
            ("*:443", "anything.at.all", Some(443), true),
            ("*:*", "93.184.216.34", Some(1), true),
            ("*:*", "10.0.0.1", Some(22), false),
            ("*:*", "169.254.169.254", Some(80), false),
            ("*:*", "::ffff:127.0.0.1", Some(80), false),
            ("*:*", "64:ff9b::a00:1", Some(80), false),
            ("*:*", "2002:a00:1::1", Some(80), false),
            ("*:*", "3fff::1", Some(80), false),
            ("*:*", "localhost", Some(80), false),
            ("localhost:*", "localhost", Some(80), true),
            ("127.0.0.1:8080", "127.0.0.1", Some(8080), true),
            ("[fe80::1]:80", "fe80::1", Some(80), true),
            ("10.0.0.0/8:*", "10.1.2.3", Some(80), true),
            ("10.0.0.0/8:*", "11.1.2.3", Some(80), false),
            ("10.0.0.0/8:*", "a.example", Some(80), false),
            ("10.0.0.0/8:*", "::ffff:10.1.2.3", Some(80), true),
        ] {
            let parsed: HostPattern = pattern.parse().unwrap();
            assert_eq!(parsed.covers(host, port), covered, "{pattern} {host} {port:?}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
    }

    #[test]
    fn a_registry_that_was_written_out_may_be_inside() {
        let hosts = ["docker.io:443", "*.corp.example:443", "registry.corp.example:443", "127.0.0.1:5000"];
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let grant = RegistryGrant { hosts };
        for (registry, covered) in [
            ("docker.io", Some(true)),
            ("other.corp.example", Some(false)),
            ("registry.corp.example", Some(true)),
            ("registry.corp.example:5000", None),
            ("127.0.0.1:5000", Some(true)),
            ("127.0.0.1", None),
            ("other.example", None),
        ] {
            assert_eq!(grant.covers(registry), covered, "{registry}");
        }
        assert_eq!(RegistryGrant::default().covers("docker.io"), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in
            ["", "a", "a:", "a:x", "a:+1", ":80", "a b:1", "a..b:1", "http://a:80", "::1:80x", "a:70000"]
        {
            assert_eq!(
                text.parse::<HostPattern>(),
                Err(format!("`{}` is no `host:port`", text.escape_debug())),
                "{text}"
            );
        }
    }
}
