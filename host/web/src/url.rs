//! The part of a URL that decides where it leads. Strict: what two readers could read in two ways is refused.

use crate::error::Error;
use std::fmt;
use std::net::IpAddr;

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether it is `https`.
    pub secure: bool,
    /// In lower case, an IPv6 address without brackets.
    pub host: String,
    /// The port, written or not.
    pub port: u16,
    /// With the query, at least `/`.
    pub path: String,
}

impl Target {
    /// Reads an absolute `http` or `https` URL without user.
    ///
    /// # Errors
    /// It is none, or could be read in two ways.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let why = |text: &str| {
            Error::refused(format!("`{url}` {text}")).with_hint("write it like `https://mcp.example/mcp`")
        };
        let odd = |c: char| {
            c.is_whitespace() || c.is_control() || !c.is_ascii() || matches!(c, '\\' | '#' | '"' | '<' | '>')
        };
        if url.contains(odd) {
            return Err(why("is no URL"));
        }
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(why("is no http or https URL")),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        if authority.contains('@') {
            // It may be a password, so it is not repeated.
            return Err(Error::refused("the URL holds a user")
                .with_hint("put credentials into a header with a secret"));
        }
        let (host, port) = split(authority).ok_or_else(|| why("has no host that can be read"))?;
        let port = match port {
            None if secure => 443,
            None => 80,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| why("has no valid port"))?
            }
            Some(_) => return Err(why("has no valid port")),
        };
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        Ok(Self { secure, host, port, path })
    }

    /// Whether both lead to the same place, whatever the path.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host == other.host && self.port == other.port
    }

    /// The URL that `reference` means when it is read on this page: absolute, from the root, or beside the last part of the path.
    ///
    /// # Errors
    /// It is none.
    pub fn join(&self, reference: &str) -> Result<Self, Error> {
        if reference.contains("://") && !reference.starts_with('/') {
            return Self::parse(reference);
        }
        let scheme = if self.secure { "https" } else { "http" };
        if reference.starts_with("//") {
            return Self::parse(&format!("{scheme}:{reference}"));
        }
        let path = if reference.starts_with('/') {
            reference.to_owned()
        } else {
            let bare = self.path.split('?').next().unwrap_or_default();
            let folder = if reference.starts_with('?') {
                bare
            } else {
                bare.rsplit_once('/').map_or("", |(folder, _)| folder)
            };
            let between = if reference.starts_with('?') { "" } else { "/" };
            format!("{folder}{between}{reference}")
        };
        Self::parse(&format!("{}{path}", self.origin()))
    }

    /// Scheme, host and port, the port only where it is not the scheme's.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }

    /// Host and port as the `Host` header has them.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.secure { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    /// The host, where it is an address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// Host, without brackets, and port, if one is written.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, after) = inner.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let labels = host.strip_suffix('.').unwrap_or(host);
    let named = host.chars().all(plain) && labels.split('.').all(|label| !label.is_empty());
    // `0x7f.1` and `2130706433` are addresses to some readers and names to others.
    let last = labels.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit());
    (named && (!numeric || host.parse::<std::net::Ipv4Addr>().is_ok())).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_in_one_way_or_refused() {
        let read =
            |text: &str| Target::parse(text).map(|target| target.to_string()).map_err(|error| error.text);
        for (text, expected) in [
            ("http://a.example/mcp?x=1", "http://a.example/mcp?x=1"),
            ("https://A.Example", "https://a.example/"),
            ("HTTPS://a.example:443/x", "https://a.example/x"),
            ("http://a.example.:8080?q", "http://a.example:8080/?q"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            ("http://127.0.0.1/", "http://127.0.0.1/"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "ftp://a/",
            "//a/",
            "a.example",
            "http:///x",
            "http://a:/",
            "http://a:+1/",
            "http://a:70000/",
            "http://a\\b/",
            "http://a b/",
            "http://ä/",
            "http://[::1/",
            "http://[x]/",
            "http://a..b/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://a/#b",
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` ")), "{text}: {error}");
        }
        assert_eq!(read("https://me:hunter2@a.example/"), Err("the URL holds a user".to_owned()));
    }

    #[test]
    fn a_reference_is_read_on_its_page() {
        let page = Target::parse("https://a.example/x/sse?t=1").unwrap();
        for (reference, expected) in [
            ("/messages?id=1", "https://a.example/messages?id=1"),
            ("messages?id=1", "https://a.example/x/messages?id=1"),
            ("?id=1", "https://a.example/x/sse?id=1"),
            ("https://a.example/y", "https://a.example/y"),
            ("//b.example/y", "https://b.example/y"),
            ("http://b.example/y", "http://b.example/y"),
            ("/y?to=https://b.example", "https://a.example/y?to=https://b.example"),
        ] {
            assert_eq!(page.join(reference).unwrap().to_string(), expected, "{reference}");
        }
        assert!(page.same_origin(&page.join("/y").unwrap()));
        assert!(!page.same_origin(&page.join("//a.example:8443/").unwrap()));
    }
}
