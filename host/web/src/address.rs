//! Which addresses are those of the public network.

use std::net::IpAddr;

/// Whether an address is one of the public network: not private, loopback, link-local (where clouds keep their metadata), shared,
/// documentation, benchmark or multicast (`docker-mcp-gateway.md` 16.2 has the list).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => {
            // Only 2000::/3 is given out as public; NAT64 and 6to4 would lead back to IPv4, documentation leads nowhere.
            let [first, second, ..] = v6.segments();
            (first & 0xe000) == 0x2000
                && first != 0x2002
                && !(first == 0x2001 && (second == 0xdb8 || second == 0))
        }
    }
}

/// Whether an address is one that only its own link has, such as that of a cloud's metadata. No name leads there by right.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0) == 0xfe80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docker-mcp-gateway.md` 16.2.
    #[test]
    fn addresses() {
        let not_public = [
            "0.0.0.1",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "64:ff9b::a00:1",
            "2001:db8::1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
        ];
        for text in not_public {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["93.184.216.34", "100.63.0.1", "172.15.0.1", "198.17.0.1", "2606:4700::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
