//! HTTP+SSE, the transport of revision 2024-11-05: one stream for everything that we say, whose first event names where to post everything that
//! the client says (`mcp-ecosystem.md` 3, "HTTP+SSE"). Behind that it is a client on streams: its connection is its session.

use super::body::{Answering, Stream};
use super::service::Shared;
use super::{incoming, media, respond};
use crate::call::Event;
use crate::error::RpcError;
use crate::stdio::{Connection, one_line};
use host_message::{Envelope, RawId};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Where it is spoken.
pub(crate) const ENDPOINT: &str = "/sse";
/// Messages that wait to be written.
const WAITING: usize = 64;

/// The clients that are connected this way, by the names that they were given.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<Arc<str>, Client>>);

type Client = Arc<tokio::sync::Mutex<Connection>>;

/// One client's connection, until its stream ends. What it has in flight is taken back then: an answer would have no way to it.
pub(crate) struct Open {
    id: Arc<str>,
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

impl Clients {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Arc<str>, Client>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    /// The gateway ends: takes nothing more, and lets the stream end when everything in flight is answered.
    pub(crate) fn finish(&self) {
        if let Some(client) = self.shared.sse.with(|clients| clients.remove(&self.id)) {
            self.tasks.spawn(async move { client.lock().await.finish().await });
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(client) = self.shared.sse.with(|clients| clients.remove(&self.id)) {
            self.tasks.spawn(async move { client.lock().await.abandon() });
        }
    }
}

/// Opens the stream of a new client.
pub(crate) fn open(shared: &Arc<Shared>, head: &Parts) -> Response<Answering> {
    if !media::accepts(&head.headers).events {
        let text = "Accept must contain 'text/event-stream' for GET requests";
        return respond::text(StatusCode::BAD_REQUEST, text);
    }
    let front = &shared.front;
    let full = || respond::text(StatusCode::SERVICE_UNAVAILABLE, "too many sessions are in use");
    let Ok(id) = crate::session::random_id() else { return full() };
    let id: Arc<str> = id.into();
    let (events, received) = mpsc::channel::<Event>(WAITING);
    let connection = Connection::new(Arc::clone(front), events);
    let entered = shared.sse.with(|clients| {
        let room = clients.len() < front.config().session_cap;
        if room {
            clients.insert(Arc::clone(&id), Arc::new(tokio::sync::Mutex::new(connection)));
        }
        room
    });
    if !entered {
        return full();
    }
    let endpoint = format!("event: endpoint\ndata: {ENDPOINT}?sessionid={id}\n\n");
    let open = Open { id, shared: Arc::clone(shared), tasks: front.tasks().clone() };
    let every = front.config().keep_alive;
    respond::events(Stream::connection(endpoint.into(), received, open, front.announcer(), every))
}

/// Takes a message of a client. What there is to say about it is said on the client's stream.
pub(crate) async fn post(shared: &Shared, head: &Parts, body: Incoming) -> Response<Answering> {
    let bad = |status, text: &'static str| respond::last(respond::text(status, text));
    let query = head.uri.query().unwrap_or_default();
    let id =
        query.split('&').find_map(|pair| pair.strip_prefix("sessionid=").or(pair.strip_prefix("sessionId=")));
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return bad(StatusCode::BAD_REQUEST, "sessionid must be provided");
    };
    let Some(client) = shared.sse.with(|clients| clients.get(id).cloned()) else {
        return bad(StatusCode::NOT_FOUND, "session not found");
    };
    if !media::is_json(&head.headers) {
        return bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be 'application/json'");
    }
    let bytes = match incoming::read(body, shared.front.config().message_limit, shared.body_timeout).await {
        Ok(bytes) => bytes,
        Err(status) => {
            return respond::last(respond::text(status, status.canonical_reason().unwrap_or_default()));
        }
    };
    let envelope = match Envelope::parse(bytes).and_then(one_line) {
        Ok(envelope) => envelope,
        Err(error) => {
            let id = error.id.clone();
            let error = RpcError::from(error);
            return respond::json(StatusCode::BAD_REQUEST, error.message(id.as_ref().map(RawId::as_bytes)));
        }
    };
    client.lock().await.message(envelope).await;
    respond::text(StatusCode::ACCEPTED, "Accepted")
}
