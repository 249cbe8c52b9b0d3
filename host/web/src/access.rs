//! What an endpoint may lead to, decided before its name is looked up and again for every address that comes back.

use crate::address::{is_link_local, is_public};
use crate::error::Error;
use crate::url::Target;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Names that mean this machine, its network or its cloud (`docker-mcp-gateway.md` 16.2).
const INSIDE: [&str; 4] = ["localhost", "metadata", "metadata.google.internal", "metadata.azure.internal"];
/// Ends of such names.
const INSIDE_ENDS: [&str; 6] =
    [".localhost", ".local", ".localdomain", ".internal", ".cluster.local", ".svc"];

/// Decides whether a host (in lower case, without brackets) and a port were granted by name or address.
pub type Grant = dyn Fn(&str, u16) -> bool + Send + Sync;

/// What an endpoint may lead to: public addresses over TLS always, anything else where it was granted.
#[derive(Clone)]
pub struct Access {
    granted: Arc<Grant>,
    /// Whether a name that was granted may lead to any address; else to public ones only, and `localhost` to this machine.
    names_lead_inside: bool,
    /// How the operator grants something, for hints: `` add `HOST:PORT` to `remote.allow` ``.
    advice: Arc<str>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

impl Access {
    /// `granted` says what was granted by name or by address. `advice` says how, with `HOST:PORT` in the place of both.
    pub fn new(granted: impl Fn(&str, u16) -> bool + Send + Sync + 'static, advice: &str) -> Self {
        Self { granted: Arc::new(granted), names_lead_inside: true, advice: Arc::from(advice) }
    }

    /// The same where names are not trusted to lead inside: an address that is not public must be granted itself, but for `localhost`.
    pub fn of_names(granted: impl Fn(&str, u16) -> bool + Send + Sync + 'static, advice: &str) -> Self {
        Self { names_lead_inside: false, ..Self::new(granted, advice) }
    }

    /// Only public addresses over TLS.
    #[must_use]
    pub fn public() -> Self {
        Self::new(|_, _| false, "")
    }

    fn grants(&self, host: &str, port: u16) -> bool {
        (self.granted)(host, port)
    }

    fn refuse(&self, text: String, target: &Target) -> Error {
        let error = Error::refused(text);
        if self.advice.is_empty() {
            return error;
        }
        let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
        error.with_hint(self.advice.replace("HOST:PORT", &format!("{host}:{}", target.port)))
    }

    /// Checks what the URL itself says.
    pub(crate) fn check(&self, target: &Target) -> Result<(), Error> {
        if self.grants(&target.host, target.port) {
            return Ok(());
        }
        if !target.secure {
            return Err(self.refuse(format!("`{target}` must use https"), target));
        }
        let host = target.host.as_str();
        if INSIDE.contains(&host) || INSIDE_ENDS.iter().any(|end| host.ends_with(end)) {
            return Err(self.refuse(format!("`{host}` is a name of this machine or its network"), target));
        }
        match target.address() {
            Some(address) if !is_public(address) => {
                Err(self.refuse(format!("`{address}` is not a public address"), target))
            }
            _ => Ok(()),
        }
    }

    /// The addresses of a name that may be connected to.
    pub(crate) fn filter(
        &self,
        target: &Target,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Error> {
        let named = self.grants(&target.host, target.port);
        let allows = |address: IpAddr| {
            is_public(address)
                || (named && self.names_lead_inside && !is_link_local(address))
                || (named && target.address() == Some(address))
                || (named && target.host == "localhost" && address.is_loopback())
                || self.grants(&address.to_canonical().to_string(), target.port)
        };
        let (allowed, refused): (Vec<_>, Vec<_>) = addresses.partition(|address| allows(address.ip()));
        match refused.first() {
            Some(address) if allowed.is_empty() => {
                let text =
                    format!("`{}` leads to {}, which is not a public address", target.host, address.ip());
                Err(self.refuse(text, target))
            }
            _ => Ok(allowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::new(
            |host, port| {
                matches!(
                    (host, port),
                    ("corp.example", 443) | ("127.0.0.1" | "169.254.1.1", 8080) | ("localhost", _)
                )
            },
            "add `HOST:PORT` to `remote.allow`",
        )
    }

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    #[test]
    fn what_a_url_says_is_checked() {
        let check = |url: &str| access().check(&target(url)).map_err(|error| error.to_string());
        for url in
            ["https://a.example/", "https://93.184.216.34/", "http://localhost:1/", "http://127.0.0.1:8080/"]
        {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for (url, expected) in [
            (
                "http://a.example/",
                "`http://a.example/` must use https (add `a.example:80` to `remote.allow`)",
            ),
            (
                "https://10.0.0.1/",
                "`10.0.0.1` is not a public address (add `10.0.0.1:443` to `remote.allow`)",
            ),
            ("https://[::1]:1/", "`::1` is not a public address (add `[::1]:1` to `remote.allow`)"),
            (
                "https://x.svc/",
                "`x.svc` is a name of this machine or its network (add `x.svc:443` to `remote.allow`)",
            ),
            (
                "http://127.0.0.1:8081/",
                "`http://127.0.0.1:8081/` must use https (add `127.0.0.1:8081` to `remote.allow`)",
            ),
        ] {
            assert_eq!(check(url), Err(expected.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_a_name_leads_to_is_checked() {
        let filter = |url: &str, address: &str| {
            let address = SocketAddr::new(address.parse().unwrap(), target(url).port);
            access().filter(&target(url), [address].into_iter()).map_err(|error| error.text)
        };
        for (url, address, allowed) in [
            ("https://a.example/", "93.184.216.34", true),
            ("https://a.example/", "10.0.0.1", false),
            ("https://a.example/", "::ffff:10.0.0.1", false),
            ("https://corp.example/", "10.0.0.1", true),
            ("https://corp.example:8443/", "10.0.0.1", false),
            // A grant of a name is no grant of a cloud's metadata, a grant of the address itself is.
            ("https://corp.example/", "169.254.169.254", false),
            ("https://a.example:8080/", "169.254.1.1", true),
            ("https://a.example:8080/", "127.0.0.1", true),
        ] {
            assert_eq!(filter(url, address).is_ok(), allowed, "{url} {address}");
        }
        let strict = Access::of_names(|_, _| true, "");
        let lead = |url: &str, address: &str| {
            let address = SocketAddr::new(address.parse().unwrap(), 1);
            let granted = Access::of_names(move |host, _| host.parse::<IpAddr>().is_err(), "");
            granted.filter(&target(url), [address].into_iter()).is_ok()
        };
        assert!(lead("http://localhost/", "127.0.0.1"));
        assert!(!lead("http://a.example/", "127.0.0.1"));
        assert!(
            strict.filter(&target("http://a.example/"), ["127.0.0.1:1".parse().unwrap()].into_iter()).is_ok()
        );
        assert_eq!(
            filter("https://a.example/", "10.0.0.1").unwrap_err(),
            "`a.example` leads to 10.0.0.1, which is not a public address"
        );
    }
}
