//! HTTP to the engine: one connection per request, as Docker's own program does. What bollard sends goes through here, and what bollard
//! would slow down (attached streams) or hide (when events begin) is sent from here.

use crate::dial::{self, Stream};
use crate::endpoint::Endpoint;
use crate::error::{Error, with_reasons};
use crate::tls;
use bollard::BollardRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio_rustls::rustls::ClientConfig;

/// Bytes of an error that are read. The engine's are a sentence.
const ERROR_BYTES: usize = 64 << 10;

/// The way to one engine.
pub(crate) struct Wire {
    endpoint: Endpoint,
    /// Read at the first use, because a file that is wrong is no reason not to start.
    tls: OnceLock<Result<Arc<ClientConfig>, Error>>,
    /// `1.41`: the version of the API that was agreed on; before that, requests name none.
    version: OnceLock<String>,
}

impl Wire {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, tls: OnceLock::new(), version: OnceLock::new() }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn agree_on(&self, version: String) {
        // Whoever was first has agreed on the same.
        let _ = self.version.set(version);
    }

    async fn dial(&self) -> io::Result<Stream> {
        let tls = match &self.endpoint {
            Endpoint::Tcp { tls: Some(files), .. } => {
                let config = self.tls.get_or_init(|| tls::config(files)).as_ref();
                Some(
                    config
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.text.clone()))?,
                )
            }
            _ => None,
        };
        dial::dial(&self.endpoint, tls).await
    }

    /// Sends a request and returns the answer as soon as its head is there.
    pub(crate) async fn send<B>(&self, mut request: Request<B>) -> io::Result<Response<Incoming>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.dial().await?;
        *request.uri_mut() = self.versioned(request.uri())?;
        request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Ends by itself: with the body of the answer, or when nobody holds it any more.
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.map_err(io::Error::other)
    }

    /// The path under the agreed version.
    fn versioned(&self, uri: &Uri) -> io::Result<Uri> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let text = match self.version.get() {
            Some(version) if !path.starts_with("/v1.") => format!("/v{version}{path}"),
            _ => path.to_owned(),
        };
        text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no path of a request"))
    }

    /// What bollard sends.
    pub(crate) async fn bollard(
        self: Arc<Self>,
        request: BollardRequest,
    ) -> Result<Response<Incoming>, bollard::errors::Error> {
        self.send(request).await.map_err(|err| bollard::errors::Error::IOError { err })
    }

    /// A request without a body, whose answer must be success.
    pub(crate) async fn get(&self, what: &str, path: &str) -> Result<Response<Incoming>, Error> {
        let request = Request::builder().method(Method::GET).uri(path).body(Empty::<Bytes>::new());
        let request = request.map_err(|_| Error::specification(format!("{what}: no path of a request")))?;
        let response = self.send(request).await.map_err(|error| Error::io(what, &error))?;
        if response.status().is_success() { Ok(response) } else { Err(refused(what, response).await) }
    }

    /// Asks to turn the connection into a stream, and returns the stream.
    pub(crate) async fn upgrade(&self, what: &str, path: &str) -> Result<(Stream, Bytes), Error> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .body(Empty::<Bytes>::new())
            .map_err(|_| Error::specification(format!("{what}: no path of a request")))?;
        let response = self.send(request).await.map_err(|error| Error::io(what, &error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(what, response).await);
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|e| Error::cut(what, &with_reasons(&e)))?;
        let parts = upgraded
            .downcast::<TokioIo<Stream>>()
            .map_err(|_| Error::cut(what, "the stream is not the one that was opened"))?;
        Ok((parts.io.into_inner(), parts.read_buf))
    }
}

/// The sentence of an answer that is no success.
async fn refused(what: &str, response: Response<Incoming>) -> Error {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    let status = response.status().as_u16();
    let mut body = http_body_util::Limited::new(response.into_body(), ERROR_BYTES);
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    let message = serde_json::from_slice::<Message>(&bytes).map(|message| message.message);
    let message = message.unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned());
    Error::answered(what, status, &message)
}
