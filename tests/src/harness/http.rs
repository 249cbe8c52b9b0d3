//! Plain HTTP requests to a gateway, one connection each, with whatever headers a test wants to send.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use tokio::net::TcpStream;

/// Where a gateway listens and what it is shown.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `127.0.0.1:PORT`.
    pub authority: String,
    /// `/mcp`.
    pub path: String,
    /// The bearer token, if one is sent.
    pub token: Option<String>,
}

impl Endpoint {
    /// Of a URL `http://AUTHORITY/PATH`.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn new(url: &str, token: Option<&str>) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("`{url}` is no plain HTTP URL"));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self { authority: authority.to_owned(), path: format!("/{path}"), token: token.map(str::to_owned) }
    }

    /// Another path of the same server.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }

    /// Sends a request and waits for the head of its answer. Headers given here win over those that are sent anyway; one that is
    /// given as an empty text is not sent at all.
    ///
    /// # Errors
    /// The connection broke before an answer came.
    ///
    /// # Panics
    /// A header is none.
    pub async fn send(
        &self,
        method: Method,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> io::Result<Reply> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Lives until the body of the answer has been read or dropped, and ends with it.
        tokio::spawn(connection);
        let mut all = HeaderMap::new();
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let usual = [
            ("host", Some(self.authority.as_str())),
            ("content-type", Some("application/json")),
            ("accept", Some("application/json, text/event-stream")),
            ("authorization", bearer.as_deref()),
        ];
        for (name, value) in usual.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            all.insert(name, value.parse().unwrap());
        }
        for &(name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            all.remove(&name);
            if !value.is_empty() {
                all.insert(name, value.parse().unwrap());
            }
        }
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.parse().unwrap();
        *request.headers_mut() = all;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        Ok(Reply { status: head.status, headers: head.headers, body, unread: Vec::new() })
    }

    /// Sends a message with POST.
    ///
    /// # Errors
    /// As [`Endpoint::send`].
    pub async fn post(&self, headers: &[(&str, &str)], message: &Value) -> io::Result<Reply> {
        self.send(Method::POST, headers, message.to_string()).await
    }
}

/// An answer whose body is still to be read.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
}

impl Reply {
    /// One of its headers; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// Whether messages come as events.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.header("content-type").starts_with("text/event-stream")
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn text(self) -> io::Result<String> {
        let body = self.body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The next message: the body itself, or the next event that carries one. `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    ///
    /// # Panics
    /// It is no message.
    pub async fn message(&mut self) -> io::Result<Option<Value>> {
        if self.is_stream() {
            return Ok(self.event().await?.map(|(_, data)| parsed(&data)));
        }
        while self.fill().await? {}
        let whole = std::mem::take(&mut self.unread);
        Ok((!whole.is_empty()).then(|| parsed(&String::from_utf8_lossy(&whole))))
    }

    /// The next event with data: its name, empty if it has none, and the data. `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    ///
    /// # Panics
    /// It is no text.
    pub async fn event(&mut self) -> io::Result<Option<(String, String)>> {
        loop {
            let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") else {
                if self.fill().await? {
                    continue;
                }
                return Ok(None);
            };
            let event: Vec<u8> = self.unread.drain(..end + 2).collect();
            let text = String::from_utf8(event).unwrap();
            let field = |name: &str| -> String {
                text.lines().filter_map(|line| line.strip_prefix(name)).map(str::trim_start).collect()
            };
            // Comments keep a connection alive, and an event without data only gives an id.
            if !field("data:").is_empty() {
                return Ok(Some((field("event:"), field("data:"))));
            }
        }
    }

    /// Reads more of the body. False at its end.
    async fn fill(&mut self) -> io::Result<bool> {
        let Some(frame) = self.body.frame().await else { return Ok(false) };
        let frame = frame.map_err(io::Error::other)?;
        if let Some(data) = frame.data_ref() {
            self.unread.extend(data.iter().filter(|byte| **byte != b'\r'));
        }
        Ok(true)
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no message ({error}): {text}"))
}
