//! `connection`: ways to servers, as things the host owns. A plugin holds a handle; what it drops, or still holds at the end, is closed.

mod dial;
mod ready;
mod tunnel;
mod url;

use crate::limits::TEXT;
use crate::sanitize;
use crate::state::{CallState, Scope};
use crate::v0_1::bounds;
use crate::v0_1::bounds::Bounded as _;
use crate::v0_1::connection::dial::{Port, Reach};
use crate::v0_1::http::Signed;
use crate::v0_1::imported::connection::{
    Authorization, Ending, Host, HostConnection, HostRunOutput, HttpEndpoint, HttpProtocol, TcpEndpoint,
};
use crate::v0_1::types::{self, Failure, FailureCategory, Part, SecretOwner};
use host_outbound::Signer;
use host_provisioner as provisioner;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;
use zeroize::Zeroizing;

/// Bytes of a label.
const LABEL: usize = 200;
/// Bytes of the first line of a connection (`wit/v0.1/connection.wit`).
const FIRST_LINE: usize = 4 << 10;

/// What a handle of `connection` stands for.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it publicly")]
pub struct Held(pub(crate) provisioner::Connection);

impl Held {
    fn label(&self) -> String {
        match &self.0 {
            provisioner::Connection::Streams(streams) => streams.label.clone(),
            provisioner::Connection::Tcp(host, port) => format!("tcp {host}:{port}"),
            provisioner::Connection::Dialled(endpoint) => format!("tcp {}:{}", endpoint.host, endpoint.port),
            provisioner::Connection::Http(endpoint) => format!("http {}", endpoint.url),
        }
    }
}

/// What a handle of `run-output` stands for.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it publicly")]
pub struct RunOutput {
    /// For logs.
    pub(crate) label: String,
    /// What the host has of it.
    pub(crate) ran: provisioner::ToolOutput,
    /// Whether nothing of it is shown to the plugin, because it carried secrets.
    pub(crate) closed: bool,
}

impl HostConnection for CallState {
    fn label(&mut self, this: Resource<Held>) -> wasmtime::Result<String> {
        self.enter("connection.label")?;
        Ok(sanitize::line(&self.table.get(&this)?.label(), LABEL))
    }

    fn drop(&mut self, this: Resource<Held>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostRunOutput for CallState {
    fn label(&mut self, this: Resource<RunOutput>) -> wasmtime::Result<String> {
        self.enter("run-output.label")?;
        Ok(sanitize::line(&self.table.get(&this)?.label, LABEL))
    }

    fn ending(&mut self, this: Resource<RunOutput>) -> wasmtime::Result<Ending> {
        self.enter("run-output.ending")?;
        Ok(ending(self.table.get(&this)?.ran.ending))
    }

    fn exit_code(&mut self, this: Resource<RunOutput>) -> wasmtime::Result<Option<i32>> {
        self.enter("run-output.exit-code")?;
        let output = self.table.get(&this)?;
        Ok(output.ran.exit_code.filter(|_| !output.closed))
    }

    fn drop(&mut self, this: Resource<RunOutput>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl Host for CallState {
    async fn http(&mut self, endpoint: HttpEndpoint) -> wasmtime::Result<Result<Resource<Held>, Failure>> {
        self.enter("connection.http")?;
        match self.scope.endpoint(endpoint).await? {
            Ok(connection) => Ok(Ok(self.push(Held(connection))?)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn tcp(&mut self, endpoint: TcpEndpoint) -> wasmtime::Result<Result<Resource<Held>, Failure>> {
        self.enter("connection.tcp")?;
        bounds::text(&endpoint.host)?;
        endpoint.first_line.bounded()?;
        match self.scope.port(endpoint).await {
            Ok(connection) => Ok(Ok(self.push(Held(connection))?)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn wait_ready(
        &mut self,
        connection: Resource<Held>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<(), Failure>> {
        self.enter("connection.wait-ready")?;
        let limit = self.remaining().min(Duration::from_millis(u64::from(timeout_ms)));
        match ready::target(&self.scope, &self.table.get(&connection)?.0) {
            Ok(None) => Ok(Ok(())),
            Ok(Some(target)) => Ok(self.scope.ready(&target, limit).await),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn hand_over(&mut self, connection: Resource<Held>) -> wasmtime::Result<()> {
        self.enter("connection.hand-over")?;
        // The one before, if there is one, is dropped here and so closed.
        self.handed_over = Some(self.table.delete(connection)?);
        Ok(())
    }

    fn hand_over_output(&mut self, output: Resource<RunOutput>) -> wasmtime::Result<()> {
        self.enter("connection.hand-over-output")?;
        self.handed_output = Some(self.table.delete(output)?);
        Ok(())
    }

    fn output(
        &mut self,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        truncated: bool,
        ending: Ending,
        exit_code: Option<i32>,
    ) -> wasmtime::Result<Result<Resource<RunOutput>, Failure>> {
        self.enter("connection.output")?;
        if self.scope.phase != provisioner::Phase::Run {
            let text = "`connection.output` is for tools, inside `container-runtime.run`";
            return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
        }
        if self.scope.server.as_ref().is_none_or(|server| server.has_secrets()) {
            let text = "the output of what carries secrets does not pass through a plugin";
            return Ok(Err(self.scope.refuse(FailureCategory::Permission, text)));
        }
        let captured = |bytes| provisioner::Captured { bytes, left_out: (!truncated).then_some(0) };
        let ran = provisioner::ToolOutput {
            ending: match ending {
                Ending::Exited => provisioner::Ending::Exited,
                Ending::TimedOut => provisioner::Ending::TimedOut,
                Ending::OutOfMemory => provisioner::Ending::OutOfMemory,
                Ending::Lost | Ending::Other => provisioner::Ending::Lost,
            },
            exit_code,
            stdout: captured(stdout),
            stderr: captured(stderr),
            fields: Vec::new(),
        };
        let label = "output that the plugin fetched".to_owned();
        Ok(Ok(self.push(RunOutput { label, ran, closed: false })?))
    }
}

/// The word of this track.
fn ending(ending: provisioner::Ending) -> Ending {
    match ending {
        provisioner::Ending::Exited => Ending::Exited,
        provisioner::Ending::TimedOut => Ending::TimedOut,
        provisioner::Ending::OutOfMemory => Ending::OutOfMemory,
        provisioner::Ending::Lost => Ending::Lost,
    }
}

impl Scope {
    /// A TCP port.
    async fn port(&self, endpoint: TcpEndpoint) -> Result<provisioner::Connection, Failure> {
        let TcpEndpoint { host, port, tunnel, tls, first_line } = endpoint;
        if let Some(failure) = self.not_carried(tls.is_some()) {
            return Err(failure);
        }
        self.may_connect(&host, port)?;
        let first_line = match first_line {
            Some(line) => Some(self.first_line(&line, &host, port).await?),
            None => None,
        };
        if let Some(tunnel) = self.tunnel(tunnel.as_deref(), &host, port)? {
            let first_line = first_line.as_ref().map(|line| line.as_slice());
            return self.tunnelled(tunnel, first_line).await.map(provisioner::Connection::Streams);
        }
        // An address that was checked is the one that the pool connects to; what a name means is to be checked each time.
        if first_line.is_none() && host.parse::<IpAddr>().is_ok() {
            return Ok(provisioner::Connection::Tcp(host, port));
        }
        let dial = Port { reach: Reach::of(self), host: host.clone(), port, first_line };
        let endpoint = provisioner::DialledEndpoint { host, port, dial: Arc::new(dial) };
        Ok(provisioner::Connection::Dialled(endpoint))
    }

    /// What is said first on each connection to a port, with its end.
    async fn first_line(
        &self,
        value: &types::Value,
        host: &str,
        port: u16,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let target = host_web::Target { secure: false, host: host.to_owned(), port, path: "/".to_owned() };
        let text =
            Zeroizing::new(self.endpoint_value(value, &target, "the first line of a connection").await?);
        if text.is_empty() || text.len() > FIRST_LINE || text.contains(['\n', '\r', '\0']) {
            let text = format!("the first line of a connection is one line of 1 to {FIRST_LINE} bytes");
            return Err(self.refuse(FailureCategory::Config, text));
        }
        let mut line = Zeroizing::new(Vec::with_capacity(text.len() + 1));
        line.extend_from_slice(text.as_bytes());
        line.push(b'\n');
        Ok(line)
    }

    async fn endpoint(
        &self,
        endpoint: HttpEndpoint,
    ) -> wasmtime::Result<Result<provisioner::Connection, Failure>> {
        bounds::text(&endpoint.url)?;
        bounds::list(&endpoint.headers)?;
        for header in &endpoint.headers {
            bounds::text(&header.name)?;
            header.value.bounded()?;
        }
        if let Some(failure) = self.not_carried(endpoint.tls.is_some()) {
            return Ok(Err(failure));
        }
        let protocol = match endpoint.protocol {
            HttpProtocol::StreamableHttp => provisioner::HttpProtocol::Streamable,
            HttpProtocol::Sse => provisioner::HttpProtocol::Sse,
            HttpProtocol::Other => {
                let text = "this gateway does not know that protocol of an endpoint";
                return Ok(Err(self.refuse(FailureCategory::Unsupported, text)));
            }
        };
        let Some(url) = url::parse(&endpoint.url) else {
            let text = format!("`{}` is no absolute http or https URL", sanitize::line(&endpoint.url, LABEL));
            return Ok(Err(self.refuse(FailureCategory::Config, text)));
        };
        if let Err(failure) = self.may_connect(url.host, url.port) {
            return Ok(Err(failure));
        }
        let tunnel = match self.tunnel(endpoint.tunnel.as_deref(), url.host, url.port) {
            Ok(tunnel) => tunnel,
            Err(failure) => return Ok(Err(failure)),
        };
        let (headers, signer) = match self.endpoint_secrets(&endpoint).await {
            Ok(found) => found,
            Err(failure) => return Ok(Err(failure)),
        };
        let grants = Arc::clone(&self.plugin);
        let (tunnels, told) = (Arc::clone(&self.tunnels), Arc::clone(&self.told));
        let access = host_web::Access::of_names(
            move |host, port| {
                tunnels.reaches(host, port)
                    || told.reaches(host, port)
                    || grants.grants.connect.iter().any(|pattern| pattern.covers(host, Some(port)))
            },
            &format!("grant it: add `HOST:PORT` to `plugins.{}.grants.connect`", self.plugin.name),
        );
        let config = host_web::EndpointConfig::new(&endpoint.url, headers, access);
        match host_web::Endpoint::new(config) {
            Ok(channel) => {
                let channel = match signer {
                    None => tunnel::through(tunnel, channel),
                    Some(signer) => {
                        let client = Arc::clone(&self.host.config.outbound);
                        tunnel::through(tunnel, Signed { channel, client, signer })
                    }
                };
                let (url, protocol) = (endpoint.url, Some(protocol));
                Ok(Ok(provisioner::Connection::Http(provisioner::HttpEndpoint { url, protocol, channel })))
            }
            Err(error) => {
                Ok(Err(self
                    .refuse(FailureCategory::Permission, sanitize::line(&error.to_string(), sanitize::LINE))))
            }
        }
    }

    /// The headers of an endpoint with their values, and who signs its requests.
    async fn endpoint_secrets(
        &self,
        endpoint: &HttpEndpoint,
    ) -> Result<(Vec<(String, String)>, Option<Signer>), Failure> {
        let target = host_web::Target::parse(&endpoint.url).map_err(|error| {
            self.refuse(FailureCategory::Config, sanitize::line(&error.text, sanitize::LINE))
        })?;
        let signer = match &endpoint.authorization {
            Authorization::None => None,
            Authorization::Signed(signing) => {
                Some(self.ready_signer(self.endpoint_signer(signing, &target)?).await?)
            }
            Authorization::Other(_) => {
                let text = "this gateway does not know that authorization of an endpoint";
                return Err(self.refuse(FailureCategory::Unsupported, text));
            }
        };
        let mut headers = Vec::with_capacity(endpoint.headers.len());
        for header in &endpoint.headers {
            // Without a signer a bearer token of the plugin's own is the usual case.
            let own = signer.is_none() && header.name.eq_ignore_ascii_case("authorization");
            if !own && !host_outbound::Client::is_free(&header.name, signer.as_ref()) {
                let name = sanitize::line(&header.name, LABEL);
                let text = format!("the header `{name}` is set by the connection or the signer");
                return Err(self.refuse(FailureCategory::Permission, text));
            }
            let value = self.endpoint_value(&header.value, &target, "a header of an endpoint").await?;
            headers.push((header.name.clone(), value));
        }
        Ok((headers, signer))
    }

    /// Secrets in it are the plugin's own, for that host, or were generated.
    async fn endpoint_value(
        &self,
        value: &types::Value,
        target: &host_web::Target,
        place: &str,
    ) -> Result<String, Failure> {
        let mut text = Zeroizing::new(String::new());
        for part in value {
            match part {
                Part::Secret(name) if name.owner == SecretOwner::Plugin => {
                    self.secret_may_go(&name.name, target)?;
                    text.push_str(&self.own_secret(&name.name).await?);
                }
                Part::Secret(name) if name.owner == SecretOwner::Server => {
                    let name = sanitize::line(&name.name, LABEL);
                    let text = format!(
                        "secret `{name}` may not stand in {place}: the entry's own headers are added by the host"
                    );
                    return Err(self.refuse(FailureCategory::Permission, text));
                }
                other => text.push_str(&self.filled(&vec![other.clone()])?),
            }
        }
        Ok(text.to_string())
    }

    fn not_carried(&self, tls: bool) -> Option<Failure> {
        tls.then(|| self.refuse(FailureCategory::Unsupported, "this gateway does not carry TLS profiles yet"))
    }

    /// Checks a host and a port against the `connect` grant.
    fn may_connect(&self, host: &str, port: u16) -> Result<(), Failure> {
        if !self.may_create() {
            let text = format!("no connection is made in `{}`", self.phase.as_str());
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        if self.tunnels.reaches(host, port) || self.told.reaches(host, port) {
            return Ok(());
        }
        let plugin = &self.plugin;
        if host.len() <= TEXT && plugin.grants.connect.iter().any(|pattern| pattern.covers(host, Some(port)))
        {
            return Ok(());
        }
        let host = sanitize::line(host, LABEL);
        let text = format!("plugin `{}` may not connect servers at {host}:{port}", plugin.name);
        let hint = format!(
            "if you trust it with that, add `{host}:{port}` to `plugins.{}.grants.connect`",
            plugin.name
        );
        Err(self.refuse_with(FailureCategory::Permission, text, hint))
    }
}
