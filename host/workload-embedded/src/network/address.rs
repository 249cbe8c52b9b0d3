//! Which addresses are public, that is, may be where a name leads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// False for this machine, private networks, link-local addresses (among them the metadata services of clouds), and everything else that
/// the registries of special-purpose addresses (IANA, RFC 6890) take out of the public network.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a >= 240
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded =
        |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match a {
        // Translation to IPv4 (RFC 6052): as public as the address inside.
        0x64 => b == 0xff9b && [c, d, e, f] == [0; 4] && embedded(g, h),
        // 6to4 (RFC 3056).
        0x2002 => embedded(b, c),
        // Protocol assignments and Teredo, and documentation.
        0x2001 => b >= 0x0200 && b != 0x0db8,
        0x3fff => b >= 0x1000,
        // All other unicast that is assigned at all.
        _ => (0x2000..0x4000).contains(&a),
    }
}
