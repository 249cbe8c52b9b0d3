//! Servers that run elsewhere and speak HTTP.

use crate::direct::Opened;
use host_provisioner::{
    Class, Connection, Failure, HttpEndpoint, Phase, ServerSpec, Value, Variable, Workload,
};
use host_resolver::Resolver;
use host_web::{Access, Endpoint, EndpointConfig, Grant, Target};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// What servers elsewhere need.
pub struct RemoteConfig {
    /// Knows the secrets in their headers.
    pub resolver: Arc<Resolver>,
    /// Hosts that the operator granted although they are inside, or speak without TLS.
    pub granted: Arc<Grant>,
    /// How such a host is granted, with `HOST:PORT` in the place of both.
    pub advice: String,
}

/// See the module.
pub(crate) struct Remote {
    config: RemoteConfig,
}

impl Remote {
    pub(crate) fn new(config: RemoteConfig) -> Self {
        Self { config }
    }

    /// What would be reached. Values of headers are left out.
    pub(crate) fn plan(url: &str, headers: &[Variable]) -> String {
        let mut text = format!("connects to {url}\n");
        for header in headers {
            let from = match &header.value {
                Value::Text(_) => "set in its entry".to_owned(),
                Value::Secret(name) => format!("secret `{name}`"),
                Value::Joined(_) => "set in its entry, with secrets".to_owned(),
            };
            let _ = writeln!(text, "  {}: {from}", header.name);
        }
        text
    }

    pub(crate) fn validate(&self, server: &ServerSpec) -> Result<(), Failure> {
        self.endpoint(server, Phase::Validate).map(drop)
    }

    /// Makes the endpoint. Connects to nobody yet: that is part of the handshake.
    pub(crate) fn open(&self, server: &ServerSpec) -> Result<Opened, Failure> {
        let endpoint = self.endpoint(server, Phase::Provision)?;
        let protocol = match &server.workload {
            Workload::Remote { protocol, .. } => *protocol,
            _ => None,
        };
        let url = endpoint.target().to_string();
        let connection = Connection::Http(HttpEndpoint { url, protocol, channel: Arc::new(endpoint) });
        Ok(Opened { connection, number: 0, objects: Vec::new() })
    }

    fn endpoint(&self, server: &ServerSpec, phase: Phase) -> Result<Endpoint, Failure> {
        let wrong = |text: String| Failure::new(phase, Class::Config, text);
        let Workload::Remote { url, headers, by_operator, .. } = &server.workload else {
            return Err(wrong(format!("server `{}` is nothing to connect to", server.name)));
        };
        let mut shown = Vec::with_capacity(headers.len());
        for header in headers {
            let value = self.config.resolver.evaluate(server.id.as_str(), &header.value);
            let value = value.map_err(|error| wrong(error.to_string()))?;
            shown.push((header.name.clone(), value.reveal().to_owned()));
        }
        let access = Access::new(self.granted(url, *by_operator), &self.config.advice);
        Endpoint::new(EndpointConfig::new(url, shown, access)).map_err(|error| {
            let mut failure = wrong(error.text);
            failure.hint = error.hint;
            failure
        })
    }

    /// What was granted, and, where the operator wrote the URL, the address that stands in it: nobody else could have meant it. A name is no
    /// such word, because it is for others to say where it leads.
    fn granted(&self, url: &str, by_operator: bool) -> impl Fn(&str, u16) -> bool + Send + Sync + use<> {
        let granted = Arc::clone(&self.config.granted);
        let written = Target::parse(url).ok().filter(|target| {
            by_operator && (target.host == "localhost" || target.host.parse::<IpAddr>().is_ok())
        });
        move |host: &str, port: u16| {
            let meant = written.as_ref().is_some_and(|target| {
                target.port == port
                    && (target.host == host
                        || (target.host == "localhost"
                            && host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())))
            });
            meant || granted(host, port)
        }
    }
}
