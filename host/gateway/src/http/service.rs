//! From a request to its answer: the path, who may ask, the HTTP method.

use super::body::{Answering, Stream};
use super::guard::Guard;
use super::{media, post, respond, routing, sse};
use crate::config::Home;
use crate::front::Front;
use crate::replay::{EventId, UNASKED};
use crate::session::Visit;
use host_message::Revision;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What all connections of a listener share.
pub(crate) struct Shared {
    pub(crate) front: Arc<Front>,
    pub(crate) guard: Guard,
    pub(crate) body_timeout: Duration,
    pub(crate) home: Home,
    pub(crate) sse: sse::Clients,
}

/// Where MCP is spoken.
const ENDPOINT: &str = "/mcp";

/// Answers one request that came to the address `local`. `admitted` hears that it may ask.
pub(crate) async fn handle(
    shared: &Arc<Shared>,
    local: IpAddr,
    request: Request<Incoming>,
    admitted: impl FnOnce(),
) -> Response<Answering> {
    let front = &shared.front;
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == "/health" {
        let ready = front.is_ready();
        return respond::empty(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE });
    }
    if let Err(refusal) = shared.guard.check(front.config().token.as_ref(), &head.uri, &head.headers, local) {
        return respond::refused(refusal);
    }
    admitted();
    if path == sse::ENDPOINT {
        return match head.method {
            Method::GET => sse::open(shared, &head),
            Method::POST => sse::post(shared, &head, body).await,
            _ => respond::not_allowed("GET, POST"),
        };
    }
    if path != ENDPOINT {
        return respond::redirect(match shared.home {
            Home::Streaming => ENDPOINT,
            Home::Sse => sse::ENDPOINT,
        });
    }
    match head.method {
        Method::POST => post::handle(shared, &head, body).await,
        Method::GET => get(front, &head),
        Method::DELETE => delete(front, &head),
        _ => respond::not_allowed("GET, POST, DELETE"),
    }
}

/// Opens the stream on which a legacy session is told what it did not ask for.
fn get(front: &Front, head: &Parts) -> Response<Answering> {
    match visit(front, &head.headers) {
        Ok(Some(visit)) if media::accepts(&head.headers).events => {
            let every = front.config().keep_alive;
            let last = head.headers.get("last-event-id").and_then(|value| value.to_str().ok());
            let last = last.and_then(EventId::parse);
            respond::events(match last.map(|last| (last, visit.session().replays.find(last.stream))) {
                // A call's stream that broke: what is left of it, and nothing else.
                Some((last, Some(log))) => Stream::log(visit, log, last.event, every),
                Some((last, None)) if last.stream == UNASKED => {
                    Stream::session(visit, Some(last.event), every)
                }
                // Nothing, or a stream that was read to its end or is too long ago.
                _ => Stream::session(visit, None, every),
            })
        }
        Ok(Some(_)) => {
            respond::text(StatusCode::BAD_REQUEST, "Accept must contain 'text/event-stream' for GET requests")
        }
        Ok(None) => {
            respond::text(StatusCode::BAD_REQUEST, "Bad Request: GET requires an Mcp-Session-Id header")
        }
        Err(response) => *response,
    }
}

/// Ends a legacy session.
fn delete(front: &Front, head: &Parts) -> Response<Answering> {
    match visit(front, &head.headers) {
        Ok(Some(visit)) => {
            if let Some(session) = front.session_table().remove(&visit.session().id) {
                front.end_session(&session);
            }
            respond::empty(StatusCode::NO_CONTENT)
        }
        Ok(None) => {
            respond::text(StatusCode::BAD_REQUEST, "Bad Request: DELETE requires an Mcp-Session-Id header")
        }
        Err(response) => *response,
    }
}

/// The session of a request without a body. The modern era knows neither sessions nor these methods.
fn visit(front: &Front, headers: &HeaderMap) -> Result<Option<Visit>, Box<Response<Answering>>> {
    let found = match session_id(headers)? {
        Some(id) => front.session_table().enter(id),
        None => None,
    };
    if found.is_none() && claims(headers) == Claim::Modern {
        return Err(Box::new(respond::not_allowed("POST")));
    }
    if found.is_none() && headers.contains_key(respond::SESSION) {
        return Err(Box::new(respond::text(StatusCode::NOT_FOUND, "session not found")));
    }
    match claims(headers) {
        Claim::Unknown => {
            Err(Box::new(respond::text(StatusCode::BAD_REQUEST, "Bad Request: Unsupported protocol version")))
        }
        _ => Ok(found),
    }
}

/// The session a request names.
pub(crate) fn session_id(headers: &HeaderMap) -> Result<Option<&str>, Box<Response<Answering>>> {
    let wrong =
        || Box::new(respond::text(StatusCode::BAD_REQUEST, "Bad Request: invalid Mcp-Session-Id header"));
    let Some(id) = routing::one(headers, respond::SESSION.as_str()).map_err(|_| wrong())? else {
        return Ok(None);
    };
    std::str::from_utf8(id).map(Some).map_err(|_| wrong())
}

/// What `MCP-Protocol-Version` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Nothing,
    Legacy,
    Modern,
    /// A revision that we do not know.
    Unknown,
}

/// Reads `MCP-Protocol-Version`.
pub(crate) fn claims(headers: &HeaderMap) -> Claim {
    match headers.get(routing::VERSION) {
        None => Claim::Nothing,
        Some(value) => match value.to_str().ok().and_then(Revision::parse) {
            Some(revision) if revision.era().is_modern() => Claim::Modern,
            Some(_) => Claim::Legacy,
            None => Claim::Unknown,
        },
    }
}
