//! Waiting until something answers at an endpoint, without speaking MCP.

use crate::state::Scope;
use crate::v0_1::connection::dial::Reach;
use crate::v0_1::connection::url;
use crate::v0_1::types::{Failure, FailureCategory};
use bytes::Bytes;
use host_provisioner::{Connection, HttpChannel};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Pauses between two attempts: the first, and the longest.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
/// Time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(5);

/// What is asked.
pub(crate) struct Target {
    host: String,
    port: u16,
    /// The request, for HTTP.
    request: Option<String>,
    /// Whoever asks over TLS: any answer to a request of his is one.
    channel: Option<(Arc<dyn HttpChannel>, String)>,
}

/// Where to ask; nothing for streams, which answer by being there.
pub(crate) fn target(scope: &Scope, connection: &Connection) -> Result<Option<Target>, Failure> {
    match connection {
        Connection::Streams(_) => Ok(None),
        Connection::Tcp(host, port) => {
            Ok(Some(Target { host: host.clone(), port: *port, request: None, channel: None }))
        }
        Connection::Dialled(endpoint) => {
            let (host, port) = (endpoint.host.clone(), endpoint.port);
            Ok(Some(Target { host, port, request: None, channel: None }))
        }
        Connection::Http(endpoint) => match url::parse(&endpoint.url) {
            Some(url) if !url.secure => {
                let (host, port) = (url.host, url.port);
                let request =
                    format!("GET {} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n", url.path);
                let host = host.to_owned();
                Ok(Some(Target { host, port, request: Some(request), channel: None }))
            }
            Some(url) => {
                let channel = Some((Arc::clone(&endpoint.channel), endpoint.url.clone()));
                Ok(Some(Target { host: url.host.to_owned(), port: url.port, request: None, channel }))
            }
            None => Err(scope.refuse(FailureCategory::Config, "the connection has no URL that can be read")),
        },
    }
}

impl Scope {
    /// Asks until something answers, at most `wait`.
    pub(crate) async fn ready(&self, target: &Target, wait: Duration) -> Result<(), Failure> {
        tokio::select! {
            biased;
            () = self.call.cancelled.cancelled() => {
                Err(self.refuse(FailureCategory::Cancelled, "nobody waits for the server any more"))
            }
            outcome = tokio::time::timeout(wait, self.until_ready(target)) => outcome.unwrap_or_else(|_| {
                let text = format!("nothing answered at {}:{} in time", target.host, target.port);
                Err(self.refuse(FailureCategory::Timeout, text))
            }),
        }
    }

    async fn until_ready(&self, target: &Target) -> Result<(), Failure> {
        let mut pause = FIRST;
        loop {
            match tokio::time::timeout(ATTEMPT, self.attempt(target)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Attempt::Refused(failure))) => return Err(failure),
                Ok(Err(Attempt::NotYet)) | Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    async fn attempt(&self, target: &Target) -> Result<(), Attempt> {
        if let Some((channel, url)) = &target.channel {
            return self.asked(channel.as_ref(), url).await;
        }
        let reach = Reach::of(self);
        let addresses = reach.addresses(&target.host, target.port).await?.map_err(|address| {
            let (text, hint) = reach.refusal(&target.host, address);
            Attempt::Refused(self.refuse_with(FailureCategory::Permission, text, hint))
        })?;
        let mut stream = TcpStream::connect(addresses.as_slice()).await?;
        let Some(request) = &target.request else { return Ok(()) };
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0; 7];
        stream.read_exact(&mut start).await?;
        if start == *b"HTTP/1." { Ok(()) } else { Err(Attempt::NotYet) }
    }
}

impl Scope {
    /// Over TLS: whoever carries the requests later asks now.
    async fn asked(&self, channel: &dyn HttpChannel, url: &str) -> Result<(), Attempt> {
        let request =
            http::Request::builder().uri(url).header("accept", "text/event-stream").body(Bytes::new());
        let request = request.map_err(|_| Attempt::NotYet)?;
        match channel.send(request).await {
            // What stands before a server that is not up yet says so.
            Ok(answer) if matches!(answer.status().as_u16(), 502..=504) => Err(Attempt::NotYet),
            Ok(_) => Ok(()),
            Err(failure) if failure.permanent => {
                let text = crate::sanitize::line(&failure.text, crate::sanitize::LINE);
                let mut refused = self.refuse(FailureCategory::Permission, text);
                refused.hint = failure.hint;
                Err(Attempt::Refused(refused))
            }
            Err(_) => Err(Attempt::NotYet),
        }
    }
}

enum Attempt {
    NotYet,
    Refused(Failure),
}

impl From<io::Error> for Attempt {
    fn from(_: io::Error) -> Self {
        Self::NotYet
    }
}
