//! Addresses that mean this machine, and addresses that everybody can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Never connected to, whatever a name says: this machine, its link (where clouds keep credentials), many at once.
pub(crate) fn is_never(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => {
            a.is_loopback()
                || a.is_unspecified()
                || a.is_link_local()
                || a.is_multicast()
                || a.is_broadcast()
                || a.octets()[0] == 0
        }
        IpAddr::V6(a) => {
            a.is_loopback() || a.is_unspecified() || a.is_unicast_link_local() || a.is_multicast()
        }
    }
}

/// Whether an address is one of the public internet (the IANA special-purpose registries).
pub(crate) fn is_public(address: IpAddr) -> bool {
    if is_never(address) {
        return false;
    }
    match address.to_canonical() {
        IpAddr::V4(a) => v4(a),
        IpAddr::V6(a) => v6(a),
    }
}

fn v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240)
}

fn v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only 2000::/3 is given out; of it 2001::/23 (protocols), documentation and 6to4, which holds an IPv4 address, are not the internet.
    (a & 0xe000) == 0x2000
        && !(a == 0x2001 && b < 0x200)
        && (a, b) != (0x2001, 0xdb8)
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn what_is_public() {
        for (address, public) in [
            ("93.184.216.34", true),
            ("10.0.0.1", false),
            ("172.17.0.1", false),
            ("100.64.0.1", false),
            ("169.254.169.254", false),
            ("198.18.0.1", false),
            ("255.255.255.255", false),
            ("2606:2800:220:1::1", true),
            ("fd00::1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("::ffff:10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }
}
