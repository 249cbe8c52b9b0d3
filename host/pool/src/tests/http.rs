//! Servers behind HTTP: a channel whose other end is the test.

mod bounds;

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

#[tokio::test(start_paused = true)]
async fn a_legacy_server_has_a_session_from_initialize_to_delete() {
    let mut scene = Scene::new(None, legacy(echo));
    let client = scene.client().await;
    assert_eq!(client.revision().as_str(), "2025-06-18");
    let got = answer(call(&client, "tools/call", &json!({"name": "x"}))).await;
    assert_eq!(got["result"]["params"]["name"], "x");
    scene.end().await;
    let initialize = scene.sees("POST initialize").await;
    assert_eq!(
        (initialize.header("mcp-protocol-version"), initialize.header("mcp-session-id")),
        (None, None)
    );
    for short in ["POST notifications/initialized", "POST tools/call", "DELETE"] {
        let seen = scene.sees(short).await;
        let headers =
            (seen.header("mcp-protocol-version"), seen.header("mcp-session-id"), seen.header("mcp-method"));
        assert_eq!(headers, (Some("2025-06-18"), Some("s-1"), None), "{short}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_modern_server_is_told_in_headers_what_the_message_says() {
    let mut scene = Scene::new(
        None,
        modern(|seen| match seen.short().as_str() {
            "POST tools/list" => Say::Json(
                200,
                result(
                    seen,
                    &json!({"tools": [{"name": "x", "inputSchema": {"properties":
                {"where": {"type": "string", "x-mcp-header": "Region"}}}}]}),
                ),
            ),
            _ => echo(seen),
        }),
    );
    let client = scene.client().await;
    client.list(crate::ListKind::Tools).await.unwrap();
    answer(call(&client, "tools/call", &json!({"name": "x", "arguments": {"where": "eu"}}))).await;
    scene.end().await;
    let seen = scene.sees("POST tools/call").await;
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "x"),
        ("mcp-param-region", "eu"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(scene.all(), ["POST server/discover", "POST tools/list", "POST tools/call"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_on_the_stream_of_a_call_belongs_to_that_call() {
    let streams = Arc::new(Mutex::new(VecDeque::new()));
    let mut senders = Vec::new();
    for _ in 0..2 {
        let (sender, receiver) = mpsc::unbounded_channel();
        senders.push(sender);
        streams.lock().unwrap().push_back(receiver);
    }
    let scene = Scene::new(None, legacy(move |_| Say::Stream(streams.lock().unwrap().pop_front().unwrap())));
    let client = scene.client().await;
    let mut one = call(&client, "tools/call", &json!({"name": "one"}));
    // The second one is sent when the first has its stream, so that each has its own.
    tokio::task::yield_now().await;
    while scene.all().last().map(String::as_str) != Some("POST tools/call") {
        tokio::task::yield_now().await;
    }
    let mut two = call(&client, "tools/call", &json!({"name": "two"}));
    let log = |text: &str| json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": text}});
    let done = |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": {}});
    senders[1].send(event(&log("of two"))).unwrap();
    senders[0].send(event(&log("of one"))).unwrap();
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": one.id(), "progress": 1}});
    senders[0].send(event(&progress)).unwrap();
    senders[0].send(event(&done(one.id()))).unwrap();
    senders[1].send(event(&done(two.id()))).unwrap();
    assert_eq!(next(&mut one).await.unwrap().1["params"]["data"], "of one");
    assert_eq!(next(&mut one).await.unwrap().0, "progress");
    assert_eq!(next(&mut one).await.unwrap().0, "response");
    assert_eq!(next(&mut two).await.unwrap().1["params"]["data"], "of two");
    assert_eq!(next(&mut two).await.unwrap().0, "response");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_closes_its_stream_or_is_cancelled_as_the_era_wants() {
    for (modern_era, era) in [(true, "modern"), (false, "legacy")] {
        let (sender, streams) = stream();
        let calls = move |seen: &Seen| match seen.short().as_str() {
            "POST tools/call" => Say::Stream(streams.lock().unwrap().pop_front().unwrap()),
            _ => Say::Text(202, "", ""),
        };
        let mut scene =
            if modern_era { Scene::new(None, modern(calls)) } else { Scene::new(None, legacy(calls)) };
        let client = scene.client().await;
        let given_up = call(&client, "tools/call", &json!({"name": "x"}));
        let id = given_up.id();
        scene.sees("POST tools/call").await;
        tokio::task::yield_now().await;
        drop(given_up);
        sender.closed().await;
        if !modern_era {
            let seen = scene.sees("POST notifications/cancelled").await;
            assert_eq!(seen.body["params"]["requestId"], id);
        }
        scene.end().await;
        let told = scene.all().iter().any(|short| short == "POST notifications/cancelled");
        assert_eq!(told, !modern_era, "{era}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_begun_anew_and_the_call_repeated() {
    for (status, code, text) in
        [(404, -32001, "Session not found"), (400, -32000, "Bad Request: No valid session ID provided")]
    {
        lost_session(status, code, text).await;
    }
}

async fn lost_session(status: u16, code: i64, text: &'static str) {
    let sessions = Mutex::new(0);
    let scene = Scene::new(None, move |seen: &Seen| match seen.short().as_str() {
        "POST initialize" => {
            let mut sessions = sessions.lock().unwrap();
            *sessions += 1;
            let id = if *sessions == 1 { "s-1" } else { "s-2" };
            let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}});
            Say::Head(200, vec![("mcp-session-id", id)], result(seen, &hello))
        }
        "POST tools/call" if seen.header("mcp-session-id") == Some("s-1") => {
            Say::Json(status, json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": text}}))
        }
        _ => legacy(echo)(seen),
    });
    let mut events = scene.pool.events();
    let client = scene.client().await;
    let (one, two) = (
        call(&client, "tools/call", &json!({"name": "one"})),
        call(&client, "tools/call", &json!({"name": "two"})),
    );
    assert_eq!(answer(one).await["result"]["params"]["name"], "one");
    assert_eq!(answer(two).await["result"]["params"]["name"], "two");
    let began = scene.all().iter().filter(|short| *short == "POST initialize").count();
    assert_eq!(began, 2, "{:?}", scene.all());
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(match event {
            Event::Ready { .. } => "ready",
            Event::ListChanged { .. } => "changed",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["ready", "ready", "changed", "changed", "changed"]);
    assert!(client.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_new_session_hears_the_level_of_the_lost_one_and_is_told_of() {
    let sessions = Mutex::new(0);
    let mut scene = Scene::new(None, move |seen: &Seen| match seen.short().as_str() {
        "POST initialize" => {
            let mut sessions = sessions.lock().unwrap();
            *sessions += 1;
            let id = if *sessions == 1 { "s-1" } else { "s-2" };
            let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {"logging": {}}});
            Say::Head(200, vec![("mcp-session-id", id)], result(seen, &hello))
        }
        "POST tools/call" if seen.header("mcp-session-id") == Some("s-1") => {
            Say::Text(404, "text/plain", "gone")
        }
        _ => legacy(echo)(seen),
    });
    let client = scene.client().await;
    let mut renewals = client.renewals();
    client.log(host_message::Level::Debug);
    let first = scene.sees("POST logging/setLevel").await;
    assert_eq!(first.header("mcp-session-id"), Some("s-1"));
    answer(call(&client, "tools/call", &json!({"name": "x"}))).await;
    let again = scene.sees("POST logging/setLevel").await;
    assert_eq!((again.header("mcp-session-id"), &again.body), (Some("s-2"), &first.body));
    renewals.next().await;
    let all = scene.all();
    let place = |short: &str| all.iter().rposition(|other| other == short);
    assert!(place("POST logging/setLevel") < place("POST tools/call"), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_wants_other_headers_than_before_is_looked_up_and_called_again() {
    // The tool wants its argument repeated from its second list on; `mends` says whether it is content with that.
    let server = |mends: bool| {
        let lists = Mutex::new(0);
        modern(move |seen: &Seen| match seen.short().as_str() {
            "POST tools/list" => {
                *lists.lock().unwrap() += 1;
                let property = match *lists.lock().unwrap() {
                    1 => json!({"type": "string"}),
                    _ => json!({"type": "string", "x-mcp-header": "Region"}),
                };
                let tool = json!({"name": "x", "inputSchema": {"type": "object", "properties": {"region": property}}});
                Say::Json(200, result(seen, &json!({"resultType": "complete", "tools": [tool]})))
            }
            "POST tools/call" if mends && seen.header("mcp-param-region") == Some("north") => echo(seen),
            _ => {
                let error = json!({"code": -32020, "message": "Header mismatch: Mcp-Param-Region"});
                Say::Json(400, json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": error}))
            }
        })
    };
    let with = json!({"name": "x", "arguments": {"region": "north"}});
    let scene = Scene::new(None, server(true));
    let client = scene.client().await;
    assert_eq!(client.list(ListKind::Tools).await.unwrap().items.len(), 1);
    let mut events = scene.pool.events();
    let got = answer(call(&client, "tools/call", &with)).await;
    assert_eq!(got["result"]["params"]["arguments"]["region"], "north");
    let event = events.recv().await.unwrap();
    assert!(matches!(event, Event::ListChanged { what: crate::Changed::Tools, .. }), "{event:?}");
    let [call_, list] = ["POST tools/call", "POST tools/list"];
    assert_eq!(scene.all()[1..], [list, call_, list, call_]);
    // The next call knows.
    answer(call(&client, "tools/call", &with)).await;
    assert_eq!(scene.all()[5..], [call_]);

    // Once is enough: the client hears what the server says.
    let scene = Scene::new(None, server(false));
    let client = scene.client().await;
    client.list(ListKind::Tools).await.unwrap();
    let got = answer(call(&client, "tools/call", &with)).await;
    assert_eq!(got["error"]["code"], -32020);
    assert_eq!(scene.all()[1..], [list, call_, list, call_]);
    let got = answer(call(&client, "tools/call", &with)).await;
    assert_eq!(got["error"]["code"], -32020);
    assert_eq!(scene.all()[5..], [call_, list], "the list says nothing new");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_every_session_is_given_up() {
    let scene = Scene::new(None, legacy(|_| Say::Text(404, "text/plain", "gone")));
    let client = scene.client().await;
    let error = call(&client, "tools/call", &json!({"name": "x"})).response().await.unwrap_err();
    assert_eq!(error.to_string(), "the server has gone: it forgets its session as soon as one is begun");
    assert!(!client.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_is_resumed_after_its_last_event() {
    let scene = Scene::new(
        None,
        legacy(|_| {
            let (sender, receiver) = mpsc::unbounded_channel();
            sender.send(Bytes::from_static(b"id: e-1\nretry: 250\ndata:\n\n")).unwrap();
            Say::Stream(receiver)
        }),
    );
    let server = Arc::clone(&scene.server);
    // The call's id is known only when it is sent, so the resumed stream is answered from what was seen.
    let scene =
        Scene::new(None, move |seen: &Seen| match (seen.method.as_str(), seen.header("last-event-id")) {
            ("GET", Some("e-1")) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                let calls = server.seen.lock().unwrap();
                let id = calls.last().unwrap().body["id"].clone();
                sender
                    .send(event(&json!({"jsonrpc": "2.0", "id": id, "result": {"resumed": true}})))
                    .unwrap();
                Say::Stream(receiver)
            }
            ("POST", _) if seen.body["method"] == "tools/call" => {
                server.seen.lock().unwrap().push(seen.clone());
                (server.manner)(seen)
            }
            _ => legacy(echo)(seen),
        });
    let client = scene.client().await;
    let begun = Instant::now();
    assert_eq!(answer(call(&client, "tools/call", &json!({"name": "x"}))).await["result"]["resumed"], true);
    assert_eq!(begun.elapsed(), Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_without_numbers_fails_its_call_alone() {
    let scene = Scene::new(
        None,
        legacy(|seen| match seen.body["params"]["name"].as_str() {
            Some("bad") => Say::Text(200, "text/event-stream", ": nothing\n\n"),
            _ => echo(seen),
        }),
    );
    let client = scene.client().await;
    let got = answer(call(&client, "tools/call", &json!({"name": "bad"}))).await;
    assert_eq!(got["error"]["message"], "server `a`: the server ended its stream before it answered");
    assert_eq!(
        answer(call(&client, "tools/call", &json!({"name": "good"}))).await["result"]["params"]["name"],
        "good"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_no_mcp_are_told_in_words() {
    let scene = Scene::new(
        None,
        legacy(|seen| match seen.body["params"]["name"].as_str().unwrap() {
            "html" => Say::Text(200, "text/html", "<html>"),
            "accepted" => Say::Text(202, "", ""),
            "other" => Say::Json(200, json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
            "broken" => Say::Text(200, "application/json", "{\"jsonrpc\":"),
            "status" => Say::Text(500, "text/plain", "oh \u{1b}[31mno"),
            "error" => Say::Json(
                400,
                json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32602, "message": "no such tool"}}),
            ),
            other => panic!("{other}"),
        }),
    );
    let client = scene.client().await;
    for (name, expected) in [
        ("html", "server `a`: the server answered with `text/html`, which is no MCP"),
        ("accepted", "server `a`: the server took the request and answered nothing"),
        ("other", "server `a`: the server answered something else than was asked"),
        ("status", "server `a`: the server answered HTTP 500 Internal Server Error: oh \\u{1b}[31mno"),
        ("error", "no such tool"),
    ] {
        let got = answer(call(&client, "tools/call", &json!({"name": name}))).await;
        assert_eq!(got["error"]["message"], expected, "{name}");
    }
    let got = answer(call(&client, "tools/call", &json!({"name": "broken"}))).await;
    let text = got["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("server `a`: the server's answer is not usable: "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_would_not_have_us_says_why() {
    let scene =
        Scene::new(None, |_| Say::Head(401, vec![("www-authenticate", "Bearer realm=\"x\"")], Value::Null));
    let failure = scene.failure().await;
    assert_eq!(failure.class, Class::Permission);
    assert_eq!(failure.text, "the server answered HTTP 401 Unauthorized: null");
    assert!(failure.hint.as_ref().unwrap().contains("headers: {Authorization: 'Bearer …'}"));
    let scene = Scene::new(None, |_| Say::Unreachable);
    let failure = scene.failure().await;
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Other, "connecting to a.example:443 failed: refused")
    );
    assert_eq!(scene.all(), ["POST server/discover"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_time_gets_it() {
    let tries = Mutex::new(0);
    let scene = Scene::new(None, move |seen: &Seen| {
        if seen.body["method"] == "initialize" {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            if *tries == 1 {
                return Say::Head(503, vec![("retry-after", "7")], Value::Null);
            }
        }
        legacy(echo)(seen)
    });
    let begun = Instant::now();
    scene.client().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_while_it_is_used_is_reached_anew() {
    let gone = Arc::new(Mutex::new(false));
    let is_gone = Arc::clone(&gone);
    let scene =
        Scene::new(
            None,
            move |seen: &Seen| if *is_gone.lock().unwrap() { Say::Unreachable } else { legacy(echo)(seen) },
        );
    let client = scene.client().await;
    *gone.lock().unwrap() = true;
    let error = call(&client, "tools/call", &json!({"name": "x"})).response().await.unwrap_err();
    assert_eq!(error.to_string(), "the server has gone: connecting to a.example:443 failed: refused");
    assert_eq!(scene.failure().await.text, "connecting to a.example:443 failed: refused");
    *gone.lock().unwrap() = false;
    answer(call(&*scene.client().await, "tools/call", &json!({"name": "x"}))).await;
}

async fn changed(events: &mut broadcast::Receiver<Event>) {
    loop {
        if matches!(events.recv().await.unwrap(), Event::ListChanged { .. }) {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_no_call_comes_on_a_stream_of_its_own() {
    let (sender, streams) = stream();
    let scene = Scene::new(None, move |seen: &Seen| match seen.method {
        Method::GET => match streams.lock().unwrap().pop_front() {
            Some(stream) => Say::Stream(stream),
            None => Say::Text(503, "", ""),
        },
        _ => legacy(echo)(seen),
    });
    let mut events = scene.pool.events();
    scene.pool.acquire("a", &session("s"), None).await.unwrap();
    let note = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    sender.send(event(&note)).unwrap();
    changed(&mut events).await;
    let asks = |scene: &Scene| scene.all().iter().filter(|short| *short == "GET").count();
    assert_eq!(asks(&scene), 1);
    // It is asked for again when it ends, less and less often while there is none.
    drop(sender);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(asks(&scene), 3);
    scene.end().await;
}

/// A server of 2024-11-05: what it says comes on one stream.
fn old() -> impl Fn(&Seen) -> Say + Send + Sync {
    let stream: Mutex<Option<mpsc::UnboundedSender<Bytes>>> = Mutex::default();
    move |seen| {
        if seen.method == Method::GET {
            let (sender, receiver) = mpsc::unbounded_channel();
            sender.send(Bytes::from_static(b"event: endpoint\ndata: /messages?id=7\n\n")).unwrap();
            *stream.lock().unwrap() = Some(sender);
            return Say::Stream(receiver);
        }
        if seen.uri == "https://a.example/mcp" {
            return Say::Text(405, "text/plain", "Method Not Allowed");
        }
        assert_eq!(seen.uri, "https://a.example/messages?id=7");
        assert_eq!(seen.header("mcp-protocol-version"), None);
        let stream = stream.lock().unwrap();
        let stream = stream.as_ref().unwrap();
        match seen.body["method"].as_str().unwrap() {
            "initialize" => {
                let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}});
                stream.send(event(&result(seen, &hello))).unwrap();
            }
            "tools/call" => drop(stream.send(event(&result(seen, &json!({"old": true}))))),
            _ => {}
        }
        Say::Text(202, "text/plain", "Accepted")
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_transport_is_spoken_where_it_was_asked_for_or_nothing_else_is() {
    for (protocol, before) in [
        (Some(HttpProtocol::Sse), &["GET", "POST initialize"][..]),
        (None, &["POST server/discover", "POST initialize", "GET", "POST initialize"]),
    ] {
        let scene = Scene::new(protocol, old());
        let client = scene.client().await;
        assert_eq!(client.revision().as_str(), "2024-11-05");
        assert_eq!(answer(call(&client, "tools/call", &json!({"name": "x"}))).await["result"]["old"], true);
        assert_eq!(scene.all().get(..before.len()).unwrap(), before);
        scene.end().await;
    }
    // Who says that it is streamable HTTP is not doubted.
    let scene = Scene::new(Some(HttpProtocol::Streamable), old());
    assert_eq!(
        scene.failure().await.text,
        "the server answered HTTP 405 Method Not Allowed: Method Not Allowed"
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_first_transports_stream_is_the_end_of_the_server() {
    let (sender, streams) = stream();
    let manner = old();
    let scene = Scene::new(Some(HttpProtocol::Sse), move |seen: &Seen| {
        if seen.method == Method::GET
            && let Some(stream) = streams.lock().unwrap().pop_front()
        {
            return Say::Stream(stream);
        }
        manner(seen)
    });
    // It never says where messages go.
    drop(sender);
    let failure = scene.failure().await;
    assert!(failure.text.ends_with("its stream of events ended"), "{}", failure.text);
    let client = scene.client().await;
    assert_eq!(
        value(&call(&client, "tools/call", &json!({"name": "x"})).response().await.unwrap())["result"]["old"],
        true
    );
}
