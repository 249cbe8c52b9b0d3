//! What is let through, decided by name and port before anything is looked up, and by address afterwards.

use crate::address::{is_never, is_public};
use std::net::IpAddr;

/// Ports of programs that connect to names themselves, where a rule names none.
const USUAL: [u16; 2] = [80, 443];

/// Which hosts a rule covers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// This name.
    Name(String),
    /// This address, and no name that leads there.
    Address(IpAddr),
    /// Every name below this one, of one or more labels; not the name itself.
    Below(String),
    /// Every name, as far as it leads to a public address.
    Any,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    tcp: bool,
    hosts: Hosts,
    port: Option<u16>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    list: Vec<Rule>,
    /// Whatever has a public address.
    pub(crate) public: bool,
}

/// How far a host that was let through may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To any address but those that mean this machine.
    Named,
    /// To public addresses.
    Public,
}

/// A name as it is compared: lower case, without the dot of the root.
fn canonical(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl Rule {
    /// A rule, unless the host is none: `*` stands alone or for the first labels.
    pub(crate) fn new(tcp: bool, host: &str, port: Option<u16>) -> Option<Self> {
        let host = canonical(host);
        let hosts = match (host.parse(), host.strip_prefix("*.")) {
            (Ok(address), _) => Hosts::Address(address),
            _ if host == "*" => Hosts::Any,
            (_, Some(rest)) if is_name(rest) => Hosts::Below(rest.to_owned()),
            _ if is_name(&host) => Hosts::Name(host),
            _ => return None,
        };
        Some(Self { tcp, hosts, port })
    }

    fn covers(&self, host: &str) -> bool {
        match &self.hosts {
            Hosts::Name(name) => name == host,
            Hosts::Address(address) => host.parse() == Ok(*address),
            Hosts::Below(name) => host
                .strip_suffix(name.as_str())
                .and_then(|labels| labels.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty() && is_name(labels)),
            Hosts::Any => is_name(host),
        }
    }
}

/// What can be looked up: no characters that a resolver, a log or a header could take for something else.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() <= 253
        && text.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(fits))
}

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.list.push(rule);
    }

    /// Whether this host and port are let through, and how far.
    pub(crate) fn allows(&self, host: &str, port: u16) -> Option<Reach> {
        let host = canonical(host);
        let mut found = None;
        for rule in self.list.iter().filter(|rule| rule.port.is_none_or(|own| own == port)) {
            if rule.covers(&host) {
                match rule.hosts {
                    Hosts::Any => found = Some(Reach::Public),
                    _ => return Some(Reach::Named),
                }
            }
        }
        let public = self.public && (is_name(&host) || host.parse::<IpAddr>().is_ok());
        found.or(public.then_some(Reach::Public))
    }

    /// Whether a name is one of the rules', whatever the port: those are told that they are here.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let name = canonical(name);
        (self.public && is_name(&name)) || self.list.iter().any(|rule| rule.covers(&name))
    }

    /// Ports on which programs are awaited that connect by themselves, sorted.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let any = self.public || self.list.iter().any(|rule| rule.port.is_none());
        let usual = USUAL.iter().copied().filter(|_| any);
        let mut ports: Vec<u16> = self.list.iter().filter_map(|rule| rule.port).chain(usual).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// The host that plain TCP on a port leads to: that of the first rule for TCP that names one.
    pub(crate) fn behind(&self, port: u16) -> Option<&str> {
        self.list.iter().filter(|rule| rule.tcp && rule.port == Some(port)).find_map(|rule| {
            match &rule.hosts {
                Hosts::Name(name) => Some(name.as_str()),
                Hosts::Address(_) | Hosts::Below(_) | Hosts::Any => None,
            }
        })
    }

    /// Whether somebody on this port may speak first, or speak anything: then no name is waited for.
    pub(crate) fn is_plain(&self, port: u16) -> bool {
        let mut on_port = self.list.iter().filter(|rule| rule.port.is_none_or(|own| own == port));
        !self.public && on_port.all(|rule| rule.tcp) && self.behind(port).is_some()
    }
}

impl Reach {
    /// Whether an address may be connected to.
    pub(crate) fn to(self, address: IpAddr) -> bool {
        match self {
            Self::Named => !is_never(address),
            Self::Public => is_public(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &[(&str, &str, Option<u16>)]) -> Rules {
        let mut rules = Rules::default();
        for (protocol, host, port) in list {
            rules.add(Rule::new(*protocol == "tcp", host, *port).unwrap());
        }
        rules
    }

    #[test]
    fn a_host_is_let_through_by_name_and_port() {
        let rules = rules(&[
            ("http", "API.example", Some(443)),
            ("tcp", "db.example", Some(5432)),
            ("http", "*.wild.example", Some(443)),
            ("http", "10.0.0.7", Some(80)),
            ("http", "fe80::1", Some(80)),
        ]);
        for (host, port, allowed) in [
            ("api.example", 443, true),
            ("Api.Example.", 443, true),
            ("api.example", 80, false),
            ("xapi.example", 443, false),
            ("a.api.example", 443, false),
            ("db.example", 5432, true),
            ("a.wild.example", 443, true),
            ("a.b.wild.example", 443, true),
            ("wild.example", 443, false),
            (".wild.example", 443, false),
            ("a..wild.example", 443, false),
            ("evil.example/.wild.example", 443, false),
            ("10.0.0.7", 80, true),
            ("10.0.0.8", 80, false),
            ("0xa000007", 80, false),
            ("fe80::1", 80, true),
            ("", 443, false),
        ] {
            assert_eq!(rules.allows(host, port).is_some(), allowed, "{host}:{port}");
        }
        assert_eq!(rules.ports(), [80, 443, 5432]);
        assert_eq!((rules.behind(5432), rules.behind(443)), (Some("db.example"), None));
        assert!(rules.is_plain(5432) && !rules.is_plain(443));
        assert!(rules.knows("x.wild.example") && !rules.knows("evil.example"));
    }

    #[test]
    fn a_star_and_public_lead_to_public_addresses_only() {
        let star = rules(&[("http", "*", Some(443))]);
        assert_eq!((star.allows("a.b", 443), star.allows("a.b", 80)), (Some(Reach::Public), None));
        assert_eq!(star.allows("10.0.0.1", 443).map(|reach| reach.to([10, 0, 0, 1].into())), Some(false));
        let public = Rules { public: true, ..Rules::default() };
        assert_eq!(public.allows("a.b", 8443), Some(Reach::Public));
        assert_eq!(public.ports(), [80, 443]);
        assert!(!Reach::Public.to([192, 168, 0, 1].into()) && Reach::Public.to([93, 184, 216, 34].into()));
    }

    #[test]
    fn no_name_leads_to_this_machine() {
        for never in [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!Reach::Named.to(never.parse().unwrap()), "{never}");
        }
        assert!(Reach::Named.to([10, 0, 0, 1].into()));
    }

    #[test]
    fn what_is_no_host_is_no_rule() {
        for host in ["", "*x", "a b", "*.*", "a..b", "h/x", "user@h"] {
            assert_eq!(Rule::new(false, host, None), None, "{host}");
        }
    }
}
