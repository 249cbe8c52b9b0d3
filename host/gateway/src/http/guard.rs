//! Who may speak to us: the token, and the `Host` and `Origin` that keep web pages out.
//!
//! The rows of `docker-mcp-gateway.md` 17.3 and 17.4, with the two rules of `mcp-ecosystem.md` 3 on top: every request is checked,
//! and on loopback any port of a loopback name is ours. Docker refuses `http://localhost:1` for `127.0.0.1:2` when a client sends
//! no `Sec-Fetch-Site`; that refusal is not kept, because only programs omit it that could send any origin they like.

use crate::config::{HttpConfig, Token};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use std::net::IpAddr;

/// Why a request is turned away before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 401.
    Unauthorized,
    /// 403 with this text.
    Forbidden(String),
}

/// What the operator allows, prepared once per listener.
#[derive(Debug)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self { hosts: config.allowed_hosts.clone(), origins: config.allowed_origins.clone() }
    }

    /// Checks token, `Origin`, `Host` and `Sec-Fetch-Site`, in this order. `local` is the address the client connected to.
    pub(crate) fn check(
        &self,
        token: Option<&Token>,
        uri: &Uri,
        headers: &HeaderMap,
        local: IpAddr,
    ) -> Result<(), Refusal> {
        if let Some(token) = token
            && !bearer_matches(token, headers)
        {
            return Err(Refusal::Unauthorized);
        }
        let local = local.to_canonical().is_loopback();
        let host = single(headers, &HOST).unwrap_or_default();
        // Nearly every client is a program that names no origin, so the common way is two lookups that find nothing.
        if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
            self.check_browser(headers, host, local)?;
        }
        // A target in absolute form replaces `Host` (RFC 9112, 3.2.2), so both must be ours.
        let target = uri.authority().map(http::uri::Authority::as_str);
        for host in std::iter::once(host).chain(target) {
            if !self.host_is_ours(host, local) {
                return Err(Refusal::Forbidden(format!("Forbidden: invalid Host header {host:?}")));
            }
        }
        Ok(())
    }

    fn check_browser(&self, headers: &HeaderMap, host: &str, local: bool) -> Result<(), Refusal> {
        let mut listed = false;
        if headers.contains_key(ORIGIN) {
            let origin = single(headers, &ORIGIN).unwrap_or_default();
            listed = self.origins.iter().any(|allowed| allowed == origin);
            let loopback = loopback_origin(origin).is_some_and(|authority| local || authority == host);
            if !listed && !loopback {
                return Err(Refusal::Forbidden(format!(
                    "Forbidden: Origin, if set, must be localhost, 127.0.0.1, or ::1, got: {origin}"
                )));
            }
        }
        // A browser sets this itself and no page can change it, so a page of somewhere else is told from our own.
        let mut sites = headers.get_all("sec-fetch-site").iter();
        if !listed && !sites.all(|site| site == "same-origin" || site == "none") {
            return Err(Refusal::Forbidden(
                "cross-origin request detected from Sec-Fetch-Site header".to_owned(),
            ));
        }
        Ok(())
    }

    fn host_is_ours(&self, host: &str, local: bool) -> bool {
        let (name, port) = split_port(host);
        let listed = |allowed: &String| match split_port(allowed) {
            (allowed, None) => allowed.eq_ignore_ascii_case(name),
            (allowed, Some(wanted)) => allowed.eq_ignore_ascii_case(name) && port == Some(wanted),
        };
        if self.hosts.iter().any(listed) {
            return true;
        }
        if local { is_loopback_name(name) } else { self.hosts.is_empty() }
    }
}

/// `Bearer`, one space, the token; the scheme in exactly this spelling, as the original has it.
fn bearer_matches(token: &Token, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => {
            value.as_bytes().strip_prefix(b"Bearer ").is_some_and(|offered| token.matches(offered))
        }
        _ => false,
    }
}

/// The value of a header that occurs once and is text.
fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Splits `name:port` and `[v6]:port`; the brackets stay outside of the name.
fn split_port(host: &str) -> (&str, Option<&str>) {
    if let Some(rest) = host.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((name, "")) => (name, None),
            Some((name, port)) => (name, port.strip_prefix(':')),
            None => (host, None),
        };
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, Some(port)),
        _ => (host, None),
    }
}

/// `localhost` in exactly this spelling, or any loopback address.
fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host and port of an origin that is one of the three loopback names over HTTP.
fn loopback_origin(origin: &str) -> Option<&str> {
    let (scheme, rest) = origin.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, _) = split_port(authority);
    matches!(name, "localhost" | "127.0.0.1" | "::1").then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::net::Ipv4Addr;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in rows {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn guard(hosts: &[&str], origins: &[&str]) -> Guard {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Guard::new(&HttpConfig {
            allowed_hosts: own(hosts),
            allowed_origins: own(origins),
            ..HttpConfig::default()
        })
    }

    fn open(guard: &Guard, local: IpAddr, rows: &[(&'static str, &str)]) -> bool {
        guard.check(None, &Uri::from_static("/mcp"), &headers(rows), local).is_ok()
    }

    #[test]
    fn hosts_over_loopback() {
        let guard = guard(&[], &[]);
        for host in ["localhost", "localhost:9", "127.0.0.1", "127.0.0.2", "[::1]:80", "[::1]"] {
            assert!(open(&guard, LOOPBACK, &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "10.0.0.5",
            "LOCALHOST",
            "localhost.",
            "host.docker.internal:8811",
            "",
            "localhost.evil",
            "::1:80",
        ] {
            assert!(!open(&guard, LOOPBACK, &[("host", host)]), "{host}");
        }
        assert!(!open(&guard, LOOPBACK, &[]), "no host at all");
        assert!(!open(&guard, LOOPBACK, &[("host", "localhost"), ("host", "evil.example")]), "two hosts");
    }

    #[test]
    fn hosts_over_another_address() {
        assert!(open(&guard(&[], &[]), OUTSIDE, &[("host", "evil")]));
        let guard = guard(&["gateway.example", "other.example:8811"], &[]);
        for (host, ours) in [
            ("gateway.example", true),
            ("gateway.example:1", true),
            ("other.example:8811", true),
            ("other.example", false),
            ("other.example:8812", false),
            ("evil", false),
            ("localhost", false),
        ] {
            assert_eq!(open(&guard, OUTSIDE, &[("host", host)]), ours, "{host}");
        }
        assert!(open(&guard, LOOPBACK, &[("host", "gateway.example:1")]));
    }

    #[test]
    fn a_target_in_absolute_form_is_checked_too() {
        let uri = Uri::from_static("http://evil.example/mcp");
        let refusal = guard(&[], &[]).check(None, &uri, &headers(&[("host", "localhost")]), LOOPBACK);
        let text = "Forbidden: invalid Host header \"evil.example\"".to_owned();
        assert_eq!(refusal, Err(Refusal::Forbidden(text)));
    }

    #[test]
    fn origins_over_loopback() {
        let guard = guard(&[], &["https://app.example"]);
        for origin in [
            "http://localhost",
            "https://localhost:3000",
            "http://127.0.0.1:1",
            "http://[::1]:2",
            "HTTP://localhost",
            "http://localhost/x",
            "http://user@localhost",
            "https://app.example",
        ] {
            assert!(open(&guard, LOOPBACK, &[("host", "localhost:1"), ("origin", origin)]), "{origin}");
        }
        for origin in [
            "http://LOCALHOST",
            "http://127.0.0.2",
            "http://0.0.0.0",
            "http://[::]",
            "http://localhost.evil",
            "http://localhost.evil.com",
            "http://evil.com",
            "http://localhost@evil.com",
            "null",
            "localhost",
            "http://",
            "",
            "file://localhost",
            "ftp://localhost",
            "ws://localhost",
            "chrome-extension://localhost",
            "https://app.example:444",
            "http://app.example",
        ] {
            assert!(!open(&guard, LOOPBACK, &[("host", "localhost:1"), ("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn a_browser_says_where_a_page_is_from() {
        let guard = guard(&[], &["https://app.example"]);
        let with = |site, origin| {
            open(&guard, LOOPBACK, &[("host", "localhost:1"), ("sec-fetch-site", site), ("origin", origin)])
        };
        assert!(with("same-origin", "http://localhost:5"));
        assert!(with("none", "http://localhost:5"));
        assert!(!with("cross-site", "http://localhost:5"));
        assert!(!with("same-site", "http://localhost:5"));
        assert!(with("cross-site", "https://app.example"), "named by the operator");
    }

    #[test]
    fn over_another_address_a_loopback_origin_must_be_the_host() {
        let guard = guard(&[], &[]);
        assert!(open(&guard, OUTSIDE, &[("host", "localhost:8811"), ("origin", "http://localhost:8811")]));
        assert!(!open(&guard, OUTSIDE, &[("host", "evil"), ("origin", "http://localhost:8811")]));
        assert!(!open(&guard, OUTSIDE, &[("host", "evil"), ("origin", "http://evil")]));
    }

    #[test]
    fn tokens() {
        let guard = guard(&[], &[]);
        let token = Token::new("abc");
        let check = |rows: &[(&'static str, &str)]| {
            let mut rows = rows.to_vec();
            rows.push(("host", "localhost"));
            guard.check(Some(&token), &Uri::from_static("/mcp"), &headers(&rows), LOOPBACK)
        };
        assert_eq!(check(&[("authorization", "Bearer abc")]), Ok(()));
        for value in
            ["bearer abc", "Bearer  abc", "Bearer abcd", "Bearer ab", "Bearer", "Basic abc", "abc", ""]
        {
            assert_eq!(check(&[("authorization", value)]), Err(Refusal::Unauthorized), "{value:?}");
        }
        assert_eq!(check(&[]), Err(Refusal::Unauthorized));
        let twice = [("authorization", "Bearer abc"), ("authorization", "Bearer x")];
        assert_eq!(check(&twice), Err(Refusal::Unauthorized));
        // The token comes first: without it nobody learns what else is checked.
        assert_eq!(check(&[("origin", "http://evil")]), Err(Refusal::Unauthorized));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
