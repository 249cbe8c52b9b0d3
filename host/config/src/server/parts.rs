//! The smaller maps inside an entry: how to reach a server, what it is given, what is said about it.

use super::decode_all;
use crate::decode::Fields;
use crate::decode::choice::choices;
use crate::decode::table::{Form, Table, key};
use crate::nearest::list;
use crate::report::Report;
use crate::yaml::Position;

choices! {
    /// How a remote server is spoken to.
    pub enum RemoteTransport {
        /// Streamable HTTP.
        Streaming = "streamable-http" | "streaming" | "streamable" | "http",
        /// The older HTTP+SSE.
        Sse = "sse",
    }
}

/// A server that runs elsewhere, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// Its URL; an entry whose URL is empty is not a remote server.
    pub url: String,
    /// The word for its transport, see [`RemoteTransport`].
    pub transport_type: String,
    /// Headers for each request, in order; `$NAME` stands for the server's secret with that `env`.
    pub headers: Vec<(String, String)>,
}

/// Where and how a remote server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Its URL.
    pub url: &'a str,
    /// Its transport.
    pub transport: RemoteTransport,
    /// Headers for each request; see [`Remote::headers`].
    pub headers: &'a [(String, String)],
}

/// How a person signs in to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OAuth {
    /// Who grants tokens.
    pub providers: Vec<OAuthProvider>,
    /// What to ask for.
    pub scopes: Vec<String>,
}

/// Somebody who grants tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OAuthProvider {
    /// Its name.
    pub provider: String,
    /// The secret that the token replaces.
    pub secret: String,
    /// The environment variable for the token.
    pub env: String,
}

/// A secret that a server gets in an environment variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSecret {
    /// Name of the secret. Its value never comes near this crate.
    pub name: String,
    /// Name of the variable.
    pub env: String,
}

/// An environment variable that a server gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvVariable {
    /// Its name.
    pub name: String,
    /// Its value, with templates or `$NAME`; an empty one is not passed.
    pub value: String,
}

/// What is said about a server to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// How often its image was pulled.
    pub pulls: i64,
    /// Stars of its image.
    pub stars: i64,
    /// Stars of its repository.
    pub github_stars: i64,
    /// What it is about.
    pub category: String,
    /// Labels; `community` marks what nobody has vetted.
    pub tags: Vec<String>,
    /// Its licence.
    pub license: String,
    /// Who makes it.
    pub owner: String,
    /// Where it was found.
    pub registry_url: String,
}

pub(super) static REMOTE: Table = Table::new(
    "remote",
    "A server that runs elsewhere.",
    &[&[
        key("url", Form::Text, "Its URL."),
        key(
            "transport_type",
            Form::Text,
            "`streamable-http` (also `http`, `streaming`, `streamable`) or `sse`.",
        ),
        key(
            "headers",
            Form::Map(&Form::Text),
            "Headers of each request. `$NAME` and `${NAME}` stand for the server's secret with that `env`.",
        ),
    ]],
);

pub(super) static OAUTH: Table = Table::new(
    "oauth",
    "How a person signs in to a server.",
    &[&[
        key("providers", Form::List(&Form::Group(&PROVIDER)), "Who grants tokens."),
        key("scopes", Form::List(&Form::Text), "What to ask for."),
    ]],
);

static PROVIDER: Table = Table::new(
    "oauth.providers",
    "Somebody who grants tokens.",
    &[&[
        key("provider", Form::Text, "Its name."),
        key("secret", Form::Text, "The secret that the token replaces."),
        key("env", Form::Text, "The environment variable for the token."),
    ]],
);

pub(super) static SECRET: Table = Table {
    ignored: &["example", "description", "required"],
    ..Table::new(
        "secrets",
        "A secret that a server gets in an environment variable.",
        &[&[key("name", Form::Text, "Name of the secret."), key("env", Form::Text, "Name of the variable.")]],
    )
};

pub(super) static VARIABLE: Table = Table::new(
    "env",
    "An environment variable that a server gets.",
    &[&[
        key("name", Form::Text, "Its name."),
        key(
            "value",
            Form::Text,
            "Its value: a template `{{…}}`, or text with `$NAME`. An empty one is not passed.",
        ),
    ]],
);

pub(super) static METADATA: Table = Table::new(
    "metadata",
    "What is said about a server to people.",
    &[&[
        key("pulls", Form::Integer, "How often its image was pulled."),
        key("stars", Form::Integer, "Stars of its image."),
        key("githubStars", Form::Integer, "Stars of its repository."),
        key("category", Form::Text, "What it is about."),
        key("tags", Form::List(&Form::Text), "Labels; `community` marks what nobody has vetted."),
        key("license", Form::Text, "Its licence."),
        key("owner", Form::Text, "Who makes it."),
        key("registryUrl", Form::Text, "Where it was found."),
    ]],
);

impl Remote {
    pub(super) fn decode(fields: Fields<'_>, report: &mut Report) -> Remote {
        let remote = Remote {
            url: fields.text("url", report),
            transport_type: fields.text("transport_type", report),
            headers: fields.named_texts("headers", report),
        };
        if report.strict() {
            remote.check(&fields, report);
        }
        fields.done();
        remote
    }

    fn check(&self, fields: &Fields<'_>, report: &mut Report) {
        if self.url.is_empty() {
            report.problem(fields.at(), "`remote` without a `url`");
        } else {
            check_url(&self.url, fields.at_key("url"), report);
        }
        if !fields.has("transport_type") {
            let hint = format!("write one of {}", list(RemoteTransport::NAMES));
            report.problem_with_hint(fields.at(), "`remote` without a `transport_type`", hint);
        } else if let Err(misfit) = self.transport_type.parse::<RemoteTransport>() {
            let what = format!("`transport_type`: {}", misfit.what());
            report.problem_maybe_hint(fields.at_key("transport_type"), what, misfit.hint);
        }
    }
}

/// Only the beginning: what may be reached is decided where it is reached.
pub(super) fn check_url(url: &str, at: Position, report: &mut Report) {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if rest.is_none_or(str::is_empty) {
        report.problem_with_hint(
            at,
            format!("`{url}` is not a URL"),
            "write it like `https://mcp.example/mcp`",
        );
    }
}

impl OAuth {
    pub(super) fn decode(fields: Fields<'_>, report: &mut Report) -> OAuth {
        let oauth = OAuth {
            providers: decode_all(&fields, "providers", report, OAuthProvider::decode),
            scopes: fields.texts("scopes", report),
        };
        fields.done();
        oauth
    }
}

impl OAuthProvider {
    fn decode(fields: Fields<'_>, report: &mut Report) -> OAuthProvider {
        let provider = OAuthProvider {
            provider: fields.text("provider", report),
            secret: fields.text("secret", report),
            env: fields.text("env", report),
        };
        fields.done();
        provider
    }
}

impl ServerSecret {
    pub(super) fn decode(fields: Fields<'_>, report: &mut Report) -> ServerSecret {
        let secret = ServerSecret { name: fields.text("name", report), env: fields.text("env", report) };
        check_variable(&fields, "env", &secret.env, report);
        if report.strict() && secret.name.is_empty() {
            let hint = "`name` is what it is looked up by, for example `name: notes.token`";
            report.problem_with_hint(fields.at(), "a secret without a `name`", hint);
        }
        fields.done();
        secret
    }
}

impl EnvVariable {
    pub(super) fn decode(fields: Fields<'_>, report: &mut Report) -> EnvVariable {
        let variable = EnvVariable { name: fields.text("name", report), value: fields.text("value", report) };
        check_variable(&fields, "name", &variable.name, report);
        fields.done();
        variable
    }
}

/// Docker's gateway passes any name on, and one with `=` in it then sets another variable.
fn check_variable(fields: &Fields<'_>, key: &'static str, name: &str, report: &mut Report) {
    if report.strict() && (name.is_empty() || name.contains(['=', '\0'])) {
        let what = match name {
            "" => format!("`{key}` must name an environment variable"),
            name => format!(
                "`{key}`: `{}` cannot be the name of an environment variable",
                name.replace('\0', "\u{FFFD}")
            ),
        };
        report.problem(fields.at_key(key), what);
    }
}

impl Metadata {
    pub(super) fn decode(fields: Fields<'_>, report: &mut Report) -> Metadata {
        let metadata = Metadata {
            pulls: fields.integer("pulls", report).unwrap_or_default(),
            stars: fields.integer("stars", report).unwrap_or_default(),
            github_stars: fields.integer("githubStars", report).unwrap_or_default(),
            category: fields.text("category", report),
            tags: fields.texts("tags", report),
            license: fields.text("license", report),
            owner: fields.text("owner", report),
            registry_url: fields.text("registryUrl", report),
        };
        fields.done();
        metadata
    }
}
