//! Servers behind HTTP: a channel whose other end is the test.

mod answers;
mod bounds;
mod headers;
mod old;
mod sessions;
mod streams;

use super::harness::{Twisted, answer, call, next, session, value};
use crate::{AcquireError, Client, Event, ListKind, Owner, Pool, PoolConfig, ServerEntry};
use async_trait::async_trait;
use bytes::Bytes;
use host_provisioner::fake::FakeProvisioner;
use host_provisioner::{
    BoxBody, Class, Failure, HttpBody, HttpChannel, HttpEndpoint, HttpFailure, HttpProtocol, Provisioner,
    ServerSpec, Workload,
};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

/// The body of an answer: pieces, as they come.
struct Pieces(mpsc::UnboundedReceiver<Bytes>);

impl HttpBody for Pieces {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpFailure>>> {
        self.0.poll_recv(context).map(|piece| piece.map(Ok))
    }
}

/// What the server saw of one request.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    uri: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// In short: `POST tools/call`, `GET`, `DELETE`.
    fn short(&self) -> String {
        match self.body["method"].as_str() {
            Some(method) => format!("{} {method}", self.method),
            None => self.method.to_string(),
        }
    }
}

/// One answer of the server.
enum Say {
    Json(u16, Value),
    Text(u16, &'static str, &'static str),
    Head(u16, Vec<(&'static str, &'static str)>, Value),
    Stream(mpsc::UnboundedReceiver<Bytes>),
    Unreachable,
    /// Nothing, and the connection stays.
    Never,
}

type Manner = Box<dyn Fn(&Seen) -> Say + Send + Sync>;

struct Server {
    manner: Manner,
    seen: Mutex<Vec<Seen>>,
    tell: mpsc::UnboundedSender<Seen>,
}

#[async_trait]
impl HttpChannel for Server {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<BoxBody>, HttpFailure> {
        let headers = request.headers().iter();
        let seen = Seen {
            method: request.method().clone(),
            uri: request.uri().to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: serde_json::from_slice(request.body()).unwrap_or(Value::Null),
        };
        self.seen.lock().unwrap().push(seen.clone());
        let said = (self.manner)(&seen);
        let _ = self.tell.send(seen);
        let whole = |text: String| {
            let (sender, pieces) = mpsc::unbounded_channel();
            sender.send(Bytes::from(text)).unwrap();
            BoxBody::new(Pieces(pieces))
        };
        let response = Response::builder();
        let response = match said {
            Say::Json(status, value) => response
                .status(status)
                .header("content-type", "application/json; charset=utf-8")
                .body(whole(value.to_string())),
            Say::Text(status, media, text) => {
                response.status(status).header("content-type", media).body(whole(text.to_owned()))
            }
            Say::Head(status, headers, value) => {
                let response = headers
                    .into_iter()
                    .fold(response, |response, (name, value)| response.header(name, value));
                response
                    .status(status)
                    .header("content-type", "application/json")
                    .body(whole(value.to_string()))
            }
            Say::Stream(pieces) => response
                .status(200)
                .header("content-type", "text/event-stream")
                .body(BoxBody::new(Pieces(pieces))),
            Say::Never => return std::future::pending().await,
            Say::Unreachable => {
                return Err(HttpFailure {
                    seen: false,
                    permanent: false,
                    text: "connecting to a.example:443 failed: refused".to_owned(),
                    hint: None,
                });
            }
        };
        Ok(response.unwrap())
    }

    fn resolve(&self, reference: &str) -> Result<String, HttpFailure> {
        Ok(format!("https://a.example{reference}"))
    }
}

/// A pool whose one server is behind HTTP.
struct Scene {
    server: Arc<Server>,
    pool: Arc<Pool>,
    told: mpsc::UnboundedReceiver<Seen>,
}

impl Scene {
    fn new(protocol: Option<HttpProtocol>, manner: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let server = Arc::new(Server { manner: Box::new(manner), seen: Mutex::default(), tell });
        let endpoint = HttpEndpoint {
            url: "https://a.example/mcp".to_owned(),
            protocol,
            channel: Arc::clone(&server) as Arc<dyn HttpChannel>,
        };
        let fake = FakeProvisioner::new(|_, stream| {
            // Nobody is at that end: the server is reached over the endpoint.
            drop(stream);
            Ok(())
        });
        let twisted = Twisted { http: Some(endpoint), ..Twisted::of(&fake) };
        let workload = Workload::Bundled { name: "a".to_owned(), arguments: vec![] };
        let entry = ServerEntry {
            spec: Arc::new(ServerSpec::new("a", workload)),
            provisioner: Arc::new(twisted) as Arc<dyn Provisioner>,
        };
        Self { server, pool: Pool::new(vec![entry], PoolConfig::default()), told }
    }

    async fn client(&self) -> Arc<Client> {
        self.pool.acquire("a", &Owner::Shared, None).await.unwrap()
    }

    async fn failure(&self) -> Arc<Failure> {
        match self.pool.acquire("a", &Owner::Shared, None).await {
            Err(AcquireError::Failed { failure, .. }) => failure,
            other => panic!("{other:?}"),
        }
    }

    /// The next request of this kind.
    async fn sees(&mut self, short: &str) -> Seen {
        loop {
            let seen = self.told.recv().await.unwrap();
            if seen.short() == short {
                return seen;
            }
        }
    }

    fn all(&self) -> Vec<String> {
        self.server.seen.lock().unwrap().iter().map(Seen::short).collect()
    }

    async fn end(&self) {
        let report =
            self.pool.shutdown(Duration::from_secs(1), tokio_util::sync::CancellationToken::new()).await;
        assert_eq!(report, crate::ShutdownReport::default());
    }
}

fn result(seen: &Seen, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": seen.body["id"], "result": result})
}

fn hello(seen: &Seen) -> Say {
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {"listChanged": true}}});
    Say::Head(200, vec![("mcp-session-id", "s-1")], result(seen, &hello))
}

/// A legacy server with sessions; `calls` answers what is no handshake.
fn legacy(calls: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> impl Fn(&Seen) -> Say + Send + Sync {
    move |seen| match seen.short().as_str() {
        "POST server/discover" => Say::Text(400, "text/plain", "Bad Request: no session"),
        "POST initialize" => hello(seen),
        "POST notifications/initialized" => Say::Text(202, "", ""),
        "GET" => Say::Text(405, "text/plain", ""),
        "DELETE" => Say::Text(200, "", ""),
        _ => calls(seen),
    }
}

/// A modern server.
fn modern(calls: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> impl Fn(&Seen) -> Say + Send + Sync {
    move |seen| match seen.short().as_str() {
        "POST server/discover" => Say::Json(
            200,
            result(
                seen,
                &json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}),
            ),
        ),
        _ => calls(seen),
    }
}

fn echo(seen: &Seen) -> Say {
    Say::Json(200, result(seen, &json!({"params": seen.body["params"]})))
}

fn event(value: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {value}\n\n"))
}

/// A stream of the server, and its other end.
fn stream() -> (mpsc::UnboundedSender<Bytes>, Mutex<VecDeque<mpsc::UnboundedReceiver<Bytes>>>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Mutex::new(VecDeque::from([receiver])))
}
