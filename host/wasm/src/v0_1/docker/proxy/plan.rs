//! What an egress proxy lets through, how many are needed, and what a server's container needs to use them.
//!
//! One proxy does for HTTP and TLS, whose hosts are told apart by the names that programs say, and for plain TCP as long as a port stands for
//! one host. Where two hosts want one port for plain TCP, nothing but the address can tell them apart, so each further one gets a proxy,
//! that is, an address, of its own (as every host has in the original, `docker-mcp-gateway.md` 13.3).

use crate::sanitize::line;
use crate::server::ServerScope;
use crate::v0_1::docker::{CONTAINER, Docker, NETWORK};
use crate::v0_1::imported::docker::{EgressProxy, ProxySpec};
use crate::v0_1::server::destination;
use crate::v0_1::types::{Destination, Egress, Failure, FailureCategory, ObjectRef, Protocol};
use host_provisioner as provisioner;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// The port of the HTTP proxy, that of the original.
const PROXY: u16 = 8080;
/// Ports of programs that connect by themselves, where a destination names none.
const USUAL: [u16; 2] = [80, 443];
/// A name is part of a host name, and such parts have at most so many characters.
const LONGEST_NAME: usize = 60;
/// Proxies of one server.
const MOST: usize = 16;

/// What is to be made.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the plugin is told.
    pub(super) proxy: EgressProxy,
    /// The network of the server.
    pub(super) network: String,
    /// In the order in which they are started.
    pub(super) instances: Vec<Instance>,
    /// Ports of the server that lead in.
    pub(super) ingress: Vec<u16>,
}

/// One proxy.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    /// The one that is an HTTP proxy and a name server too; the others only carry plain TCP.
    pub(super) main: bool,
    /// Ports that stand for a host, or for whichever is named.
    ports: BTreeSet<u16>,
    /// Settings of the program, a line each.
    lines: Vec<String>,
}

impl Instance {
    /// What the program is told (`host/egress/src/settings.rs`).
    pub(super) fn settings<'a>(&self, inside: IpAddr, outside: impl Iterator<Item = &'a IpAddr>) -> String {
        let mut text = format!("inside {inside}\n");
        for address in outside {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "outside {address}");
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("start\n");
        text
    }
}

impl Docker<'_> {
    pub(super) fn proxy_planned(&self, spec: &ProxySpec, server: &ServerScope) -> Result<Plan, Failure> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if spec.name.is_empty() || spec.name.len() > LONGEST_NAME || !spec.name.bytes().all(fits) {
            let text = format!("`{}` is no name of an egress proxy", line(&spec.name, 100));
            let hint =
                format!("it is part of a host name: `a-z`, `0-9` and `-`, at most {LONGEST_NAME} characters");
            return Err(self.refuse_with(FailureCategory::Config, text, hint));
        }
        self.within_entry(&spec.egress, server)?;
        if !spec.ingress.is_empty() && !is_alias(&spec.server_alias) {
            let text = format!("`{}` is no name of a server in its network", line(&spec.server_alias, 100));
            return Err(self.refuse(FailureCategory::Config, text));
        }
        let none = Vec::new();
        let destinations = match &spec.egress {
            Egress::Only(list) => list,
            _ => &none,
        };
        for destination in destinations {
            self.understood(destination)?;
        }
        let public = matches!(spec.egress, Egress::Public);
        let plan = arrange(spec, destinations, public);
        if plan.instances.len() > MOST {
            let text = format!("the entry names more than {MOST} hosts for one port of plain TCP");
            return Err(self.refuse(FailureCategory::Config, text));
        }
        Ok(plan)
    }

    /// A plugin can narrow what the entry allows, not widen it.
    fn within_entry(&self, wanted: &Egress, server: &ServerScope) -> Result<(), Failure> {
        let same = |a: &Destination, b: &Destination| {
            a.host.eq_ignore_ascii_case(&b.host) && a.port == b.port && a.protocol == b.protocol
        };
        let within = match (wanted, &server.spec.egress) {
            (Egress::Unrestricted | Egress::Other(_), _) => {
                let text = "an egress proxy that limits nothing, or in a way that this gateway does not know";
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
            (Egress::None, _) | (_, provisioner::Egress::Unrestricted) => true,
            (Egress::Only(list), provisioner::Egress::Hosts(hosts)) => {
                let own: Vec<Destination> = hosts.iter().map(|host| destination(host)).collect();
                list.iter().all(|wanted| own.iter().any(|own| same(own, wanted)))
            }
            (Egress::Public | Egress::Only(_), _) => false,
        };
        if within {
            return Ok(());
        }
        let name = line(&server.spec.name, 100);
        let text = format!("an egress proxy that lets server `{name}` reach more than its entry names");
        Err(self.refuse(FailureCategory::Permission, text))
    }

    /// What the proxy cannot do is refused by the operator's own words.
    fn understood(&self, destination: &Destination) -> Result<(), Failure> {
        let written = line(&destination.written, 200);
        let refuse = |why: &str| {
            let hint = "write it like `api.example:443`, `db.example:5432/tcp` or `*.example:443`";
            Err(self.refuse_with(
                FailureCategory::Config,
                format!("`allowHosts` has `{written}`, {why}"),
                hint,
            ))
        };
        if !matches!(destination.protocol, Protocol::Any | Protocol::Http | Protocol::Https | Protocol::Tcp) {
            return refuse("whose protocol the egress proxy does not carry");
        }
        if destination.port == Some(0) {
            return refuse("which names no port");
        }
        match destination.host.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if address.is_loopback() || address.is_multicast() || address.is_unspecified() => {
                refuse("an address that no server may reach")
            }
            Ok(_) => Ok(()),
            Err(_) if is_pattern(&destination.host) => Ok(()),
            Err(_) => refuse("which is no host"),
        }
    }
}

/// One or more labels.
fn is_alias(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() <= 253
        && text.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(fits))
}

/// A name, `*.name`, or `*`.
fn is_pattern(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "*" || is_alias(host.strip_prefix("*.").unwrap_or(host))
}

/// Puts every destination where it can be served.
fn arrange(spec: &ProxySpec, destinations: &[Destination], public: bool) -> Plan {
    let instance = |number: usize| Instance {
        name: if number == 1 { spec.name.clone() } else { format!("{}-{number}", spec.name) },
        main: number == 1,
        ports: BTreeSet::new(),
        lines: Vec::new(),
    };
    let mut main = instance(1);
    main.ports.insert(PROXY);
    main.lines.extend([format!("proxy {PROXY}"), "names".to_owned()]);
    if public {
        main.lines.push("public".to_owned());
        main.ports.extend(USUAL);
    }
    let port = |port: Option<u16>| port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    let is_name = |host: &str| host.parse::<IpAddr>().is_err() && !host.contains('*');
    // By host: its ports, in the order of the entry, each once.
    let mut plain: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    let mut http = public;
    for destination in destinations {
        let host = destination.host.to_ascii_lowercase();
        match destination.port {
            Some(port) if destination.protocol == Protocol::Tcp && is_name(&host) => {
                let ports = plain.entry(host).or_default();
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
            // Without a name that leads to the proxy, a program can only ask it.
            _ => {
                http = true;
                let protocol = if destination.protocol == Protocol::Tcp { "tcp" } else { "http" };
                main.lines.push(format!("allow {protocol} {host} {}", port(destination.port)));
                match destination.port {
                    Some(port) => main.ports.extend([port]),
                    None => main.ports.extend(USUAL),
                }
            }
        }
    }
    let mut instances = vec![main];
    let mut links = Vec::new();
    for (host, ports) in plain {
        let free = instances.iter().position(|known| ports.iter().all(|port| !known.ports.contains(port)));
        let at = free.unwrap_or_else(|| {
            instances.push(instance(instances.len() + 1));
            instances.len() - 1
        });
        if let Some(chosen) = instances.get_mut(at) {
            chosen.ports.extend(ports.iter().copied());
            chosen.lines.extend(ports.iter().map(|port| format!("allow tcp {host} {port}")));
            links.push(format!("{}:{host}", chosen.name));
        }
    }
    // Plain TCP by host, then the others as they are written, each as often (`docker-mcp-gateway.md` 11.5, 31).
    let named = destinations.iter().filter(|d| d.protocol != Protocol::Tcp && is_name(&d.host));
    links.extend(named.map(|destination| format!("{}:{}", spec.name, destination.host)));
    for port in &spec.ingress {
        if let Some(main) = instances.first_mut() {
            main.lines.push(format!("ingress {port} {}", spec.server_alias));
        }
    }
    let network = format!("{}-inside", spec.name);
    let object = |kind: &str, name: &str| ObjectRef {
        kind: kind.to_owned(),
        scope: String::new(),
        name: name.to_owned(),
    };
    let mut objects = vec![object(NETWORK, &network)];
    objects.extend(instances.iter().map(|instance| object(CONTAINER, &instance.name)));
    let at = format!("{}:{PROXY}", spec.name);
    let variables = ["http_proxy", "https_proxy"].into_iter().filter(|_| http);
    let proxy = EgressProxy {
        container: spec.name.clone(),
        objects,
        networks: vec![network.clone()],
        links,
        // Known once it runs.
        dns: vec![format!("<address of {}>", spec.name)],
        extra_hosts: Vec::new(),
        environment: variables.map(|name| (name.to_owned(), at.clone())).collect(),
    };
    Plan { proxy, network, instances, ingress: spec.ingress.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(written: &[&str]) -> Plan {
        let destinations: Vec<Destination> = written.iter().map(|written| destination(written)).collect();
        let spec = ProxySpec {
            name: "p".to_owned(),
            egress: Egress::Only(destinations.clone()),
            ingress: vec![3001],
            server_alias: "server".to_owned(),
        };
        arrange(&spec, &destinations, false)
    }

    /// `docker-mcp-gateway.md` 11.5, 30 to 32: plain TCP by host and first, the others as written, variables only where something is HTTP.
    #[test]
    fn links_and_variables_are_those_of_the_reference() {
        let links = |written: &[&str]| planned(written).proxy.links;
        assert_eq!(links(&["h:443"]), ["p:h"]);
        let many = ["z:5432/tcp", "h:443", "a:22/tcp", "z:80/tcp", "h:80/http"];
        assert_eq!(links(&many), ["p:a", "p-2:z", "p:h", "p:h"]);
        let plan = planned(&["h:443/tcp"]);
        assert_eq!((plan.proxy.links, plan.proxy.environment), (vec!["p:h".to_owned()], vec![]));
        let environment = planned(&["h:443"]).proxy.environment;
        let variable = |name: &str| (name.to_owned(), "p:8080".to_owned());
        assert_eq!(environment, [variable("http_proxy"), variable("https_proxy")]);
    }

    #[test]
    fn hosts_that_nothing_but_an_address_tells_apart_get_one_each() {
        let plan = planned(&["a:5432/tcp", "b:5432/tcp", "c:8080/tcp", "d:6379/tcp"]);
        let lines: Vec<Vec<&str>> = plan
            .instances
            .iter()
            .map(|i| i.lines.iter().filter(|l| l.starts_with("allow")).map(String::as_str).collect())
            .collect();
        let first = vec!["allow tcp a 5432", "allow tcp d 6379"];
        assert_eq!(lines, [first, vec!["allow tcp b 5432", "allow tcp c 8080"]]);
        let names: Vec<&str> = plan.proxy.objects.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(names, ["p-inside", "p", "p-2"]);
    }

    #[test]
    fn the_program_is_told_where_it_stands_and_what_it_lets_through() {
        let plan = planned(&["api.example:443", "*.wild.example:443", "10.0.0.7:80"]);
        let inside = IpAddr::from([10, 9, 0, 2]);
        let outside = [IpAddr::from([172, 17, 0, 3])];
        let expected = "inside 10.9.0.2\noutside 172.17.0.3\nproxy 8080\nnames\n\
                        allow http api.example 443\nallow http *.wild.example 443\nallow http 10.0.0.7 80\n\
                        ingress 3001 server\nstart\n";
        assert_eq!(plan.instances[0].settings(inside, outside.iter()), expected);
        assert_eq!(plan.proxy.links, ["p:api.example"]);
    }

    #[test]
    fn a_pattern_is_a_name_or_everything_below_one() {
        for (host, fits) in [
            ("a.b", true),
            ("*.a", true),
            ("*", true),
            ("*a", false),
            ("a.*", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(is_pattern(host), fits, "{host}");
        }
    }
}
