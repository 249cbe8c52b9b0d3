//! Patterns, public addresses, and what follows from both.

use super::*;

fn network(hosts: &[&str]) -> SharedNetwork {
    let hosts: Vec<String> = hosts.iter().map(|text| (*text).to_owned()).collect();
    Network::shared("test", &hosts).unwrap()
}

fn connects(network: &SharedNetwork, to: &str) -> bool {
    network.with(|network| network.allows(to.parse().unwrap(), SocketAddrUse::TcpConnect))
}

#[test]
fn patterns_that_are_no_patterns_are_named() {
    let cases = [
        ("example.com", "the pattern `example.com` of `allowHosts` names no port"),
        ("example.com:0", "the pattern `example.com:0` of `allowHosts` has no valid port"),
        (
            "example.com:443/udp",
            "the pattern `example.com:443/udp` of `allowHosts` names the protocol `udp`, but only TCP is offered",
        ),
        ("*:443", "the pattern `*:443` of `allowHosts` has no valid host"),
        ("a.*.com:443", "the pattern `a.*.com:443` of `allowHosts` has no valid host"),
        ("127.1:80", "the pattern `127.1:80` of `allowHosts` has no valid host"),
        ("::1:80", "the pattern `::1:80` of `allowHosts` has no valid host"),
        ("[::1:80", "the pattern `[::1:80` of `allowHosts` has no valid host"),
        (
            "http://example.com:80",
            "the pattern `http://example.com:80` of `allowHosts` is a URL, not a host and a port",
        ),
    ];
    for (text, expected) in cases {
        match Network::shared("test", &[text.to_owned()]) {
            Ok(_) => panic!("`{text}` was accepted"),
            Err(error) => assert_eq!(error.text, expected),
        }
    }
}

#[test]
fn only_granted_names_are_looked_up() {
    let network = network(&["api.example.com:443", "*.example.org:443/tcp", "192.0.2.1:80"]);
    let may = |name: &str| network.with(|network| network.may_look_up(name));
    assert!(may("api.example.com") && may("API.Example.com.") && may("a.b.example.org"));
    for name in
        ["example.com", "x.api.example.com", "example.org", "badexample.org", ".example.org", "192.0.2.1", ""]
    {
        assert!(!may(name), "`{name}` was allowed");
    }
}

#[test]
fn what_is_no_name_is_not_asked_for() {
    let long = format!("{}.example.org", "a.".repeat(120));
    assert!(pattern::is_name("xn--bcher-kva.example.org.") && pattern::is_name("_dns.example.org"));
    for text in
        ["", ".", "a..b", "a b.example.org", "bücher.example.org", "a\0.example.org", "192.0.2.1", &long]
    {
        assert!(!pattern::is_name(text), "`{text}` is a name");
    }
    assert!(!pattern::is_name(&format!("{}.example.org", "a".repeat(64))));
}

#[test]
fn a_found_address_is_open_on_the_granted_port_only() {
    let network = network(&["api.example.com:443"]);
    assert!(!connects(&network, "93.184.216.34:443"), "before the lookup nothing is open");
    assert!(network.with(|network| network.admit("api.example.com", "93.184.216.34".parse().unwrap())));
    assert!(connects(&network, "93.184.216.34:443"));
    assert!(!connects(&network, "93.184.216.34:80"));
    assert!(!connects(&network, "93.184.216.35:443"));
}

#[test]
fn a_name_does_not_lead_into_a_private_network() {
    let network = network(&["rebind.example.com:80", "10.0.0.7:80", "localhost:8080"]);
    for address in [
        "127.0.0.1",
        "10.0.0.8",
        "169.254.169.254",
        "::1",
        "::ffff:10.0.0.8",
        "fd00::1",
        "fe80::1",
        "100.64.0.1",
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert!(
            !network.with(|network| network.admit("rebind.example.com", address)),
            "{address} was admitted"
        );
        assert!(!connects(&network, &SocketAddr::new(address, 80).to_string()), "{address} is open");
    }
    assert!(connects(&network, "10.0.0.7:80"), "what is named literally is open");
    assert!(network.with(|network| network.admit("localhost", "127.0.0.1".parse().unwrap())));
    assert!(connects(&network, "127.0.0.1:8080"));
    assert!(!connects(&network, "127.0.0.1:80"), "only on its own port");
}

#[test]
fn everything_but_connecting_is_closed() {
    let network = network(&["127.0.0.1:80"]);
    let allows =
        |address: &str, purpose| network.with(|network| network.allows(address.parse().unwrap(), purpose));
    assert!(allows("0.0.0.0:0", SocketAddrUse::TcpBind), "a connection binds its own end");
    assert!(!allows("127.0.0.1:80", SocketAddrUse::TcpBind));
    for purpose in
        [SocketAddrUse::TcpListen, SocketAddrUse::TcpAccept, SocketAddrUse::UdpBind, SocketAddrUse::UdpSend]
    {
        assert!(!allows("127.0.0.1:80", purpose), "{purpose:?} was allowed");
    }
}

#[test]
fn public_addresses() {
    for address in ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"] {
        assert!(address::is_public(address.parse().unwrap()), "{address}");
    }
    for address in [
        "0.0.0.0",
        "192.168.1.1",
        "172.16.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "64:ff9b:1::1",
        "fec0::1",
        "5f00::1",
    ] {
        assert!(!address::is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn found_addresses_are_bounded() {
    let network = network(&["*.example.com:443"]);
    network.with(|network| {
        for n in 0..2_000_u32 {
            let address = IpAddr::from(std::net::Ipv4Addr::from(0x0808_0000 + n));
            assert!(network.admit("a.example.com", address));
        }
        assert_eq!(network.found.len(), MAX_RESOLVED);
    });
}
