//! How clients reach the gateway, and how long it keeps servers for them.

use std::time::Duration;

use crate::decode::Fields;
use crate::decode::choice::choices;
use crate::decode::table::{Form, Table, key};
use crate::quantity::{parse_duration, parse_timeout};
use crate::report::Report;

choices! {
    /// How clients speak to the gateway.
    pub enum FrontTransport {
        /// Over the gateway's standard streams, for one client.
        Stdio = "stdio",
        /// The older HTTP+SSE.
        Sse = "sse",
        /// Streamable HTTP.
        Streaming = "streaming" | "http" | "streamable" | "streamable-http",
    }
}

choices! {
    /// Which names get the server's prefix.
    #[derive(Default)]
    pub enum NamePolicy {
        /// Those that two servers have.
        #[default]
        Clash = "clash",
        /// All.
        All = "all",
        /// None; two servers with one name are an error.
        Fail = "fail",
    }
}

/// How clients reach the gateway. What is none was not said; flags and defaults decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// How clients speak to it.
    pub transport: Option<FrontTransport>,
    /// The address it listens on.
    pub host: Option<String>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// Further values of the `Host` header that are accepted.
    pub allowed_hosts: Vec<String>,
    /// Further values of the `Origin` header that are accepted.
    pub allowed_origins: Vec<String>,
    /// How long the first list waits for servers that are still starting.
    pub list_wait: Duration,
    /// Which names get the server's prefix.
    pub names: NamePolicy,
}

impl Default for Front {
    fn default() -> Front {
        Front {
            transport: None,
            host: None,
            port: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            list_wait: Duration::from_secs(3),
            names: NamePolicy::default(),
        }
    }
}

pub(crate) static FRONT: Table = Table::new(
    "front",
    "How clients reach the gateway. Flags win over this.",
    &[&[
        key("transport", Form::Choice(FrontTransport::NAMES), "`stdio` for one client, `streaming` for streamable HTTP (also `http`, `streamable`, `streamable-http`), `sse` for the older HTTP+SSE.").or("stdio"),
        key("host", Form::Text, "Address to listen on.").or("127.0.0.1"),
        key("port", Form::Integer, "Port to listen on.").or("8811"),
        key("allowedHosts", Form::List(&Form::Text), "Further accepted values of the `Host` header.").or("none"),
        key("allowedOrigins", Form::List(&Form::Text), "Further accepted values of the `Origin` header.").or("none"),
        key("listWait", Form::Duration, "How long the first list waits for servers that are still starting.").or("3s"),
        key("names", Form::Choice(NamePolicy::NAMES), "Which names get the server's in front: those that two servers have (`clash`), those of `all` tools, or none: then lists and calls of a kind with a clash `fail`.").or("clash"),
    ]],
);

impl Front {
    pub(crate) fn decode(fields: Fields<'_>, report: &mut Report) -> Front {
        let defaults = Front::default();
        let front = Front {
            transport: fields.choice("transport", report),
            host: fields.some_text("host", report),
            port: fields.count("port", 0, 65_535, report),
            allowed_hosts: fields.texts("allowedHosts", report),
            allowed_origins: fields.texts("allowedOrigins", report),
            list_wait: fields.parsed("listWait", report, parse_duration).unwrap_or(defaults.list_wait),
            names: fields.choice("names", report).unwrap_or_default(),
        };
        for (name, values) in
            [("allowedHosts", &front.allowed_hosts), ("allowedOrigins", &front.allowed_origins)]
        {
            if values.iter().any(String::is_empty) {
                report.problem(fields.at_key(name), format!("an element of `{name}` is empty"));
            }
        }
        fields.done();
        front
    }
}

/// How long servers are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// How long an unused server stays up.
    pub idle: Duration,
    /// How many servers may be up at once.
    pub cap: usize,
    /// How long a server may take to start.
    pub start_timeout: Duration,
    /// Whether servers are started for a session when it begins.
    pub prestart: bool,
    /// Between two looks at what killed gateways have left.
    pub sweep: Duration,
}

impl Default for PoolSettings {
    fn default() -> PoolSettings {
        PoolSettings {
            idle: Duration::from_secs(600),
            cap: 100,
            start_timeout: Duration::from_secs(60),
            prestart: false,
            sweep: Duration::from_secs(60),
        }
    }
}

pub(crate) static POOL: Table = Table::new(
    "pool",
    "How long servers are kept.",
    &[&[
        key("idle", Form::Duration, "How long an unused server stays up.").or("10m"),
        key("cap", Form::Integer, "How many servers may be up at once.").or("100"),
        key("startTimeout", Form::Duration, "How long a server may take to start.").or("60s"),
        key(
            "prestart",
            Form::Flag,
            "Start every server for a session when it begins, not at its first call.",
        )
        .or("false"),
        key(
            "sweep",
            Form::Duration,
            "How often is looked, while it runs, for what killed gateways have left.",
        )
        .or("60s"),
    ]],
);

impl PoolSettings {
    pub(crate) fn decode(fields: Fields<'_>, report: &mut Report) -> PoolSettings {
        let defaults = PoolSettings::default();
        let pool = PoolSettings {
            idle: fields.parsed("idle", report, parse_duration).unwrap_or(defaults.idle),
            cap: fields.count("cap", 1, 1_000_000, report).unwrap_or(defaults.cap),
            start_timeout: fields
                .parsed("startTimeout", report, parse_timeout)
                .unwrap_or(defaults.start_timeout),
            prestart: fields.flag("prestart", report).unwrap_or(defaults.prestart),
            sweep: fields.parsed("sweep", report, parse_timeout).unwrap_or(defaults.sweep),
        };
        fields.done();
        pool
    }
}
