//! The grant to send HTTP requests, which the host signs so that no credential enters a plugin.

use crate::decode::Fields;
use crate::decode::choice::choices;
use crate::decode::table::{Form, Table, key};
use crate::host::HostPattern;
use crate::misfit::Misfit;
use crate::nearest::list;
use crate::pattern::Pattern;
use crate::report::Report;

/// Requests that a plugin may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// To these hosts.
    pub host: HostPattern,
    /// With these methods, in upper case; `*` for all.
    pub methods: Vec<String>,
    /// To these paths, without query.
    pub paths: Vec<Pattern>,
    /// How the host signs them; none leaves them as they are.
    pub sign: Option<Signing>,
    /// Whether the host may have a private, loopback or link-local address.
    pub private: bool,
}

impl HttpGrant {
    /// Whether it covers a request. `host` without brackets; `path` without query and as the server will
    /// see it, that is without `.` and `..`, which a pattern cannot see through.
    pub fn allows(&self, method: &str, host: &str, port: u16, path: &str) -> bool {
        self.methods.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(method))
            && self.host.allows(host, port, self.host.protocol)
            && self.paths.iter().any(|allowed| allowed.matches(path))
    }
}

/// The paths of a grant that names none.
const EVERY_PATH: &str = "/*";

/// How the host signs a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// AWS Signature Version 4 with the gateway's own credentials.
    AwsSigV4 {
        /// The service in the scope of the signature, such as `ecs`.
        service: String,
        /// The region; none takes it from the gateway's own settings.
        region: Option<String>,
    },
    /// A Google ID token of the gateway's own identity.
    GoogleIdToken {
        /// Whom the token is for; none takes the URL's host.
        audience: Option<String>,
    },
    /// `Authorization: Bearer` with a secret granted to the plugin.
    Bearer {
        /// Name of the secret.
        secret: String,
    },
}

choices! {
    /// The word for a [`Signing`].
    pub enum SigningKind {
        /// [`Signing::AwsSigV4`].
        AwsSigV4 = "awsSigV4",
        /// [`Signing::GoogleIdToken`].
        GoogleIdToken = "googleIdToken",
        /// [`Signing::Bearer`].
        Bearer = "bearer",
    }
}

pub(super) static HTTP: Table = Table::new(
    "plugins.NAME.grants.http",
    "Requests that the plugin may send.",
    &[&[
        key(
            "host",
            Form::Special("host"),
            "The host. `*` stands for one label: `ecs.*.amazonaws.com`. Without a port, 443. Required.",
        ),
        key("methods", Form::List(&Form::Special("method")), "The methods; `*` for all. Required."),
        key("paths", Form::List(&Form::Special("pattern")), "The paths, without query.").or("[\"/*\"]"),
        key(
            "sign",
            Form::Group(&SIGN),
            "How the gateway signs each request, so that the plugin needs no credentials.",
        ),
        key("private", Form::Flag, "Whether the host may have a private, loopback or link-local address.")
            .or("false"),
    ]],
);

static SIGN: Table = Table::new(
    "plugins.NAME.grants.http.sign",
    "How the gateway signs each request.",
    &[&[
        key("kind", Form::Choice(SigningKind::NAMES), "The scheme. Required."),
        key("service", Form::Text, "`awsSigV4`: the service, such as `ecs`. Required there."),
        key("region", Form::Text, "`awsSigV4`: the region.").or("that of the gateway's own settings"),
        key("audience", Form::Text, "`googleIdToken`: whom the token is for.").or("the URL's host"),
        key("secret", Form::Text, "`bearer`: the secret, which must be granted too. Required there."),
    ]],
);

impl HttpGrant {
    pub(super) fn decode(fields: Fields<'_>, report: &mut Report) -> Option<HttpGrant> {
        let host: Option<HostPattern> = fields.parsed("host", report, str::parse);
        if !fields.has("host") {
            report.problem_with_hint(
                fields.at(),
                "an HTTP grant without a `host`",
                "for example `host: api.example`",
            );
        }
        let methods = fields.parsed_list("methods", report, method);
        super::require(&fields, "methods", &methods, "[GET]", report);
        let mut paths: Vec<Pattern> = fields.parsed_list("paths", report, path);
        if !fields.has("paths") {
            paths = path(EVERY_PATH).into_iter().collect();
        } else if paths.is_empty() {
            super::require(&fields, "paths", &paths, "[\"/v1/*\"]", report);
        }
        let sign = fields.group("sign", report).and_then(|fields| Signing::decode(fields, report));
        let private = fields.flag("private", report).unwrap_or_default();
        fields.done();
        Some(HttpGrant { host: host?, methods, paths, sign, private })
    }
}

impl Signing {
    /// The word for it.
    pub fn kind(&self) -> SigningKind {
        match self {
            Signing::AwsSigV4 { .. } => SigningKind::AwsSigV4,
            Signing::GoogleIdToken { .. } => SigningKind::GoogleIdToken,
            Signing::Bearer { .. } => SigningKind::Bearer,
        }
    }

    fn decode(fields: Fields<'_>, report: &mut Report) -> Option<Signing> {
        let kind: Option<SigningKind> = fields.choice("kind", report);
        if !fields.has("kind") {
            let hint = format!("write one of {}", list(SigningKind::NAMES));
            report.problem_with_hint(fields.at(), "`sign` without a `kind`", hint);
        }
        let service = fields.some_text("service", report);
        let region = fields.some_text("region", report);
        let audience = fields.some_text("audience", report);
        let secret = fields.some_text("secret", report);
        let kind = kind?;
        let own: &[&str] = match kind {
            SigningKind::AwsSigV4 => &["service", "region"],
            SigningKind::GoogleIdToken => &["audience"],
            SigningKind::Bearer => &["secret"],
        };
        for other in ["service", "region", "audience", "secret"] {
            if fields.has(other) && !own.contains(&other) {
                report.problem(fields.at_key(other), format!("`{other}` means nothing for `{kind}`"));
            }
        }
        let signing = match kind {
            SigningKind::AwsSigV4 => service.map(|service| Signing::AwsSigV4 { service, region }),
            SigningKind::GoogleIdToken => Some(Signing::GoogleIdToken { audience }),
            SigningKind::Bearer => secret.map(|secret| Signing::Bearer { secret }),
        };
        if signing.is_none() {
            let needed = own.first().copied().unwrap_or_default();
            report.problem(fields.at(), format!("`{kind}` needs `{needed}`"));
        }
        fields.done();
        signing
    }
}

fn method(text: &str) -> Result<String, Misfit> {
    if text == "*" || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic())) {
        return Ok(text.to_ascii_uppercase());
    }
    Err(Misfit::new(text, "not an HTTP method").hint("write it like `GET`, or `*` for all"))
}

fn path(text: &str) -> Result<Pattern, Misfit> {
    if text.starts_with('/') || text == "*" {
        return text.parse();
    }
    Err(Misfit::new(text, "not a path").hint("it must start with `/`, for example `/v1/*`"))
}
