//! The part of a URL that decides where it leads. Strict: what two readers could read in two ways is refused.

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    pub(crate) secure: bool,
    /// Without brackets.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// With the query, at least `/`.
    pub(crate) path: &'a str,
}

/// Reads an absolute `http` or `https` URL without user and fragment.
pub(crate) fn parse(url: &str) -> Option<Url<'_>> {
    let bad = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || !c.is_ascii()
            || matches!(c, '\\' | '#' | '@' | '"' | '<' | '>')
    };
    if url.contains(bad) {
        return None;
    }
    let (secure, rest) = match url.split_once("://")? {
        ("http", rest) => (false, rest),
        ("https", rest) => (true, rest),
        _ => return None,
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(at)?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port = match port {
        "" if authority.ends_with(':') => return None,
        "" if secure => 443,
        "" => 80,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let named = !host.is_empty() && host.chars().all(plain);
    named.then_some(Url { secure, host, port, path: if path.is_empty() { "/" } else { path } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = |secure, host, port, path| Some(Url { secure, host, port, path });
        for (text, read) in [
            ("http://a.example/mcp?x=1", url(false, "a.example", 80, "/mcp?x=1")),
            ("https://a.example", url(true, "a.example", 443, "/")),
            ("http://127.0.0.1:8080/", url(false, "127.0.0.1", 8080, "/")),
            ("http://[::1]:8080/x", url(false, "::1", 8080, "/x")),
            ("http://a@b/", None),
            ("http://a:b@c:1/", None),
            ("http://a:/", None),
            ("http://a:+1/", None),
            ("http:///x", None),
            ("ftp://a/", None),
            ("http://a\\b/", None),
            ("http://a b/", None),
            ("http://ä/", None),
            ("http://[::1/", None),
            ("http://[x]/", None),
            ("//a/", None),
        ] {
            assert_eq!(parse(text), read, "{text}");
        }
    }
}
