//! A small HTTP server of a test, and forwarding to another one.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is sent back.
pub(super) type Answer = Response<BoxBody<Bytes, io::Error>>;

/// A request, read whole.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The path without its query.
    pub(super) fn plain_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

type Handled = Pin<Box<dyn Future<Output = Option<Answer>> + Send>>;

/// Answers on a free port of loopback until it is dropped.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    /// Starts one. A handler that gives nothing closes the connection without an answer.
    pub(super) async fn start<F>(handler: F) -> Self
    where
        F: Fn(Asked) -> Handled + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = Arc::new(handler);
        let task = tokio::spawn(async move {
            // Connections end with the task that accepts them.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let handler = Arc::clone(&handler);
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let handler = Arc::clone(&handler);
                        async move {
                            let (head, body) = request.into_parts();
                            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                            let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
                            let asked = Asked { method: head.method, path, headers: head.headers, body };
                            // A platform that has begun with a request goes on when whoever asked has gone.
                            let answered = tokio::spawn(handler(asked)).await;
                            answered.ok().flatten().ok_or_else(|| io::Error::other("no answer"))
                        }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An answer of this text.
pub(super) fn answer(status: u16, kind: &str, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    response
}

/// Sends a request to another server, and gives what comes as it comes.
pub(super) async fn forward(to: &str, asked: &Asked) -> io::Result<Answer> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let mut request = Request::new(Full::new(asked.body.clone()));
    *request.method_mut() = asked.method.clone();
    *request.uri_mut() = asked.path.parse().map_err(io::Error::other)?;
    *request.headers_mut() = asked.headers.clone();
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        request.headers_mut().remove(name);
    }
    request.headers_mut().insert("host", to.parse().map_err(io::Error::other)?);
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let (mut head, body) = response.into_parts();
    head.headers.remove(CONNECTION);
    head.headers.remove(TRANSFER_ENCODING);
    Ok(Response::from_parts(head, body.map_err(io::Error::other).boxed()))
}

/// The same, read whole.
pub(super) async fn forwarded(to: &str, asked: &Asked) -> io::Result<(u16, Bytes)> {
    let response = forward(to, asked).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
