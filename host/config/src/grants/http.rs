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
    /// Of these operations; empty: of every one.
    pub operations: Vec<Pattern>,
    /// Operations that change nothing, although they are no GET.
    pub reads: Vec<Pattern>,
    /// Where secrets of servers may stand.
    pub secrets: Vec<SecretPlace>,
    /// How the host signs them; none leaves them as they are.
    pub sign: Option<Signer>,
    /// Whether the host may have a private or loopback address, and be spoken to without TLS.
    pub private: bool,
}

/// A place of a request where a server's secret may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace {
    /// Where.
    pub at: PlaceAt,
    /// In requests of these operations; none: of every one of the element.
    pub operation: Option<Pattern>,
}

/// Where in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceAt {
    /// In the text at this pointer of a JSON body; `*` stands for one step.
    Json(String),
    /// In this field of a form.
    Form(String),
    /// In this header.
    Header(String),
}

/// A signer by the name that a plugin calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Its name; that of its kind unless said.
    pub name: String,
    /// What it does.
    pub signing: Signing,
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
        /// The service in the scope of the signature, such as `ecs`; none leaves it to the plugin.
        service: Option<String>,
        /// The region; none leaves it to the plugin.
        region: Option<String>,
    },
    /// A Google access token of the gateway's own identity, for Google's own interfaces.
    GoogleAccessToken {
        /// What it is good for.
        scopes: Vec<String>,
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
        /// [`Signing::GoogleAccessToken`].
        GoogleAccessToken = "googleAccessToken",
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
            "operations",
            Form::List(&Form::Special("pattern")),
            "The operations: the last part of `X-Amz-Target`, `Action` of a form, or what stands behind `:` at the end of the path. \
             Without any, every one.",
        ),
        key(
            "reads",
            Form::List(&Form::Special("pattern")),
            "Operations that change nothing, although they are no GET. Only they may be sent while servers are looked at.",
        )
        .or("none"),
        key(
            "secrets",
            Form::List(&Form::Group(&PLACE)),
            "Where secrets of servers may stand in such requests. Without it, nowhere.",
        )
        .or("none"),
        key(
            "sign",
            Form::Group(&SIGN),
            "How the gateway signs each request, so that the plugin needs no credentials.",
        ),
        key(
            "private",
            Form::Flag,
            "Whether the host may have a private or loopback address, and be spoken to without TLS. Addresses of that kind must be \
             written out, also as a range (`10.0.0.0/8:443`); those of metadata services always.",
        )
        .or("false"),
    ]],
);

static PLACE: Table = Table::new(
    "plugins.NAME.grants.http.secrets",
    "Where a secret of a server may stand.",
    &[&[
        key(
            "at",
            Form::Special("place"),
            "The place: a JSON pointer into the body (`/SecretString`; `*` for one step), `form:FIELD`, or `header:NAME`. Required.",
        ),
        key("operation", Form::Special("pattern"), "In requests of these operations.").or("every one"),
    ]],
);

static SIGN: Table = Table::new(
    "plugins.NAME.grants.http.sign",
    "How the gateway signs each request.",
    &[&[
        key("kind", Form::Choice(SigningKind::NAMES), "The scheme. Required."),
        key("name", Form::Text, "What the plugin calls it.")
            .or("`aws`, `google`, `google-id-token` or `bearer`, by the kind"),
        key("service", Form::Text, "`awsSigV4`: the service, such as `ecs`.").or("as the plugin says"),
        key("region", Form::Text, "`awsSigV4`: the region.").or("as the plugin says"),
        key(
            "scopes",
            Form::List(&Form::Special("scope")),
            "`googleAccessToken`: what the token is good for.",
        )
        .or("[https://www.googleapis.com/auth/cloud-platform]"),
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
        let operations = fields.parsed_list("operations", report, str::parse);
        let reads = fields.parsed_list("reads", report, str::parse);
        let places = fields.groups("secrets", report).into_iter();
        let secrets = places.filter_map(|fields| SecretPlace::decode(fields, report)).collect();
        let sign = fields.group("sign", report).and_then(|fields| Signer::decode(fields, report));
        let private = fields.flag("private", report).unwrap_or_default();
        fields.done();
        Some(HttpGrant { host: host?, methods, paths, operations, reads, secrets, sign, private })
    }
}

impl SecretPlace {
    fn decode(fields: Fields<'_>, report: &mut Report) -> Option<SecretPlace> {
        let at = fields.parsed("at", report, place);
        if !fields.has("at") {
            let hint = "for example `at: /SecretString`";
            report.problem_with_hint(fields.at(), "a place of secrets without `at`", hint);
        }
        let operation = fields.parsed("operation", report, str::parse);
        fields.done();
        Some(SecretPlace { at: at?, operation })
    }
}

/// What a scope of Google's is unless another one is named.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

impl Signer {
    fn decode(fields: Fields<'_>, report: &mut Report) -> Option<Signer> {
        let name = fields.some_text("name", report);
        let signing = Signing::decode(fields, report)?;
        let usual = match signing {
            Signing::AwsSigV4 { .. } => "aws",
            Signing::GoogleAccessToken { .. } => "google",
            Signing::GoogleIdToken { .. } => "google-id-token",
            Signing::Bearer { .. } => "bearer",
        };
        Some(Signer { name: name.unwrap_or_else(|| usual.to_owned()), signing })
    }
}

impl Signing {
    /// The word for it.
    pub fn kind(&self) -> SigningKind {
        match self {
            Signing::AwsSigV4 { .. } => SigningKind::AwsSigV4,
            Signing::GoogleAccessToken { .. } => SigningKind::GoogleAccessToken,
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
        let scopes: Vec<String> = fields.parsed_list("scopes", report, |text| Ok(text.to_owned()));
        let kind = kind?;
        let own: &[&str] = match kind {
            SigningKind::AwsSigV4 => &["service", "region"],
            SigningKind::GoogleAccessToken => &["scopes"],
            SigningKind::GoogleIdToken => &["audience"],
            SigningKind::Bearer => &["secret"],
        };
        for other in ["service", "region", "audience", "secret", "scopes"] {
            if fields.has(other) && !own.contains(&other) {
                report.problem(fields.at_key(other), format!("`{other}` means nothing for `{kind}`"));
            }
        }
        let signing = match kind {
            SigningKind::AwsSigV4 => Some(Signing::AwsSigV4 { service, region }),
            SigningKind::GoogleAccessToken => {
                let usual = || vec![CLOUD_PLATFORM.to_owned()];
                let scopes = if scopes.is_empty() { usual() } else { scopes };
                Some(Signing::GoogleAccessToken { scopes })
            }
            SigningKind::GoogleIdToken => Some(Signing::GoogleIdToken { audience }),
            SigningKind::Bearer => secret.map(|secret| Signing::Bearer { secret }),
        };
        if signing.is_none() {
            report.problem(fields.at(), format!("`{kind}` needs `secret`"));
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

fn place(text: &str) -> Result<PlaceAt, Misfit> {
    let named = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    match text.split_once(':') {
        _ if text.len() > 1 && text.starts_with('/') => Ok(PlaceAt::Json(text.to_owned())),
        Some(("form", field)) if named(field) => Ok(PlaceAt::Form(field.to_owned())),
        Some(("header", name)) if named(name) => Ok(PlaceAt::Header(name.to_ascii_lowercase())),
        _ => Err(Misfit::new(text, "not a place in a request")
            .hint("write a JSON pointer like `/SecretString`, `form:FIELD` or `header:NAME`")),
    }
}

fn path(text: &str) -> Result<Pattern, Misfit> {
    if text.starts_with('/') || text == "*" {
        return text.parse();
    }
    Err(Misfit::new(text, "not a path").hint("it must start with `/`, for example `/v1/*`"))
}
