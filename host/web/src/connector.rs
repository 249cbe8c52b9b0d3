//! Connecting: look the name up, check every address, connect to one that was checked, and speak TLS where the URL says so.

use crate::access::Access;
use crate::error::Error;
use crate::stream::Stream;
use crate::tls;
use crate::url::Target;
use http::Uri;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// How long one address may take to answer.
const ONE_ADDRESS: Duration = Duration::from_secs(5);

/// What a name leads to, in the place of the system's answer; `None` asks the system.
pub(crate) type Lookup = Arc<dyn Fn(&str, u16) -> Option<Vec<SocketAddr>> + Send + Sync>;

/// See the module. Knows one target; a request for another never comes here.
#[derive(Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    access: Access,
    within: Duration,
    /// In the place of the system's certificates.
    tls: Option<TlsConnector>,
    lookup: Option<Lookup>,
}

impl Connector {
    pub(crate) fn new(
        target: Target,
        access: Access,
        within: Duration,
        tls: Option<TlsConnector>,
        lookup: Option<Lookup>,
    ) -> Self {
        Self { shared: Arc::new(Shared { target, access, within, tls, lookup }) }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let within = shared.within;
            let late = || {
                Error::unreachable(format!(
                    "connecting to {} took longer than {within:?}",
                    shared.target.authority()
                ))
            };
            tokio::time::timeout(within, shared.connect())
                .await
                .unwrap_or_else(|_| Err(late()))
                .map(TokioIo::new)
        })
    }
}

impl Shared {
    async fn connect(&self) -> Result<Stream, Error> {
        let target = &self.target;
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Error::unreachable(format!("{what} {} failed: {error}", target.authority()))
        };
        self.access.check(target)?;
        let told = self.lookup.as_ref().and_then(|lookup| lookup(&target.host, target.port));
        let found = match told {
            Some(found) => found,
            None => tokio::net::lookup_host((target.host.as_str(), target.port))
                .await
                .map_err(|error| failed("looking up", &error))?
                .collect(),
        };
        let addresses = self.access.filter(target, found.into_iter())?;
        let stream = first(&addresses).await.map_err(|error| failed("connecting to", &error))?;
        // A request is one write and an event may be a small one; waiting for more would cost 40 ms each.
        stream.set_nodelay(true).map_err(|error| failed("connecting to", &error))?;
        if !target.secure {
            return Ok(Stream::Plain(stream));
        }
        let connector = match &self.tls {
            Some(tls) => tls.clone(),
            None => tls::connector()?,
        };
        let name = ServerName::try_from(target.host.clone())
            .map_err(|error| failed("checking the name of", &error))?;
        let stream = connector.connect(name, stream).await.map_err(|error| failed("TLS with", &error))?;
        Ok(Stream::Secure(Box::new(stream)))
    }
}

/// The first of the addresses that answers.
async fn first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match tokio::time::timeout(ONE_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
