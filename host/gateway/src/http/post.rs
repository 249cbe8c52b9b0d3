//! POST: one message, or a batch where the session's revision has them. Decides the era of each request
//! (`mcp-ecosystem.md`, "Telling the eras apart").

use super::body::{Answering, Stream};
use super::service::{Claim, Shared, claims, session_id};
use super::{batch, incoming, media, modern, respond};
use crate::answer::Answer;
use crate::call::{Event, Source, pump};
use crate::caller::{Caller, Link};
use crate::dispatch::{self, Reply};
use crate::error::RpcError;
use crate::front::Front;
use crate::hello;
use crate::session::{NoSession, Visit};
use crate::stdio::one_line;
use host_message::{Envelope, Era, Kind, Params, method};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use media::Accepts;
use std::sync::Arc;

/// Answers a POST.
pub(crate) async fn handle(shared: &Shared, head: &Parts, body: Incoming) -> Response<Answering> {
    if !media::is_json(&head.headers) {
        return respond::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be 'application/json'");
    }
    let accepts = media::accepts(&head.headers);
    if !accepts.can_post() {
        let text = "Accept must contain 'application/json', and 'text/event-stream' to receive progress";
        return respond::text(StatusCode::BAD_REQUEST, text);
    }
    let front = &shared.front;
    let bytes = match incoming::read(body, front.config().message_limit, shared.body_timeout).await {
        Ok(bytes) => bytes,
        Err(status) => {
            return respond::last(respond::text(status, status.canonical_reason().unwrap_or_default()));
        }
    };
    let envelope = match Envelope::parse(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            let id = error.id.clone();
            return bad(id.as_ref().map(host_message::RawId::as_bytes), &error.into());
        }
    };
    let envelope = match one_line(envelope) {
        Ok(envelope) => envelope,
        Err(error) => return bad(None, &error.into()),
    };
    match envelope.kind() {
        Kind::Request => request(front, &head.headers, &envelope, accepts).await,
        Kind::Batch => match legacy_session(front, &head.headers) {
            Ok(visit) => batch::handle(front, visit, &envelope, accepts).await,
            Err(response) => *response,
        },
        Kind::Notification => notification(front, &head.headers, &envelope),
        Kind::Response | Kind::Error => match legacy_session(front, &head.headers) {
            Ok(visit) => {
                let era = Era::Legacy(visit.session().revision);
                let session = Some(Arc::clone(visit.session()));
                dispatch::answered(&Caller { era, link: Link::Http, session }, &envelope);
                respond::empty(StatusCode::ACCEPTED)
            }
            Err(response) => *response,
        },
    }
}

async fn request(
    front: &Arc<Front>,
    headers: &HeaderMap,
    envelope: &Envelope,
    accepts: Accepts,
) -> Response<Answering> {
    let params = envelope.params();
    if params.as_ref().and_then(Params::meta_protocol_version).is_some() {
        return modern_request(front, headers, envelope, params.as_ref(), accepts).await;
    }
    if envelope.method() == Some(method::INITIALIZE) {
        return initialize(front, envelope, params.as_ref());
    }
    let session = match session_id(headers) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    let claim = claims(headers);
    if session.is_none()
        && (matches!(claim, Claim::Modern | Claim::Unknown) || envelope.method() == Some(method::DISCOVER))
    {
        // It speaks of the modern era and lacks what makes a request of it.
        return modern_request(front, headers, envelope, params.as_ref(), accepts).await;
    }
    let visit = match find_session(front, session, claim, envelope) {
        Ok(visit) => visit,
        Err(response) => return *response,
    };
    let era = Era::Legacy(visit.session().revision);
    let caller = Caller { era, link: Link::Http, session: Some(Arc::clone(visit.session())) };
    let reply = dispatch::request(front, caller, envelope).await;
    deliver(front, reply, era, accepts, Some(visit)).await
}

async fn modern_request(
    front: &Arc<Front>,
    headers: &HeaderMap,
    envelope: &Envelope,
    params: Option<&Params>,
    accepts: Accepts,
) -> Response<Answering> {
    let mut checked = modern::check(headers, envelope, params);
    if checked.is_ok() && envelope.method() == Some(method::TOOLS_CALL) {
        checked = modern::check_arguments(front, headers, params).await;
    }
    if let Err((status, error)) = checked {
        return respond::json(status, error.message(envelope.id_raw()));
    }
    let caller = Caller { era: Era::Modern, link: Link::Http, session: None };
    let reply = dispatch::request(front, caller, envelope).await;
    deliver(front, reply, Era::Modern, accepts, None).await
}

/// Opens a session.
fn initialize(front: &Front, envelope: &Envelope, params: Option<&Params>) -> Response<Answering> {
    let id = envelope.id_raw();
    let revision = hello::agreed(params);
    let declared = hello::declared(params);
    match front.session_table().create(revision, declared.clone(), front.announcer()) {
        Ok((visit, evicted)) => {
            front.pool().declare(&visit.session().id, declared);
            front.begin_session(visit.session());
            if let Some(evicted) = evicted {
                tracing::debug!("the session that was idle longest has ended to make room for a new one");
                front.end_session(&evicted);
            }
            let answer = Answer::result(id.unwrap_or(b"null"), &front.initialized(revision));
            let mut response = respond::answer(answer, Era::Legacy(revision));
            if let Ok(value) = HeaderValue::from_str(&visit.session().id) {
                response.headers_mut().insert(respond::SESSION, value);
            }
            response
        }
        Err(error @ (NoSession::Full | NoSession::NoRandom)) => {
            respond::json(StatusCode::SERVICE_UNAVAILABLE, RpcError::from(error).message(id))
        }
    }
}

/// Makes a response of what became of a request.
async fn deliver(
    front: &Front,
    reply: Reply,
    era: Era,
    accepts: Accepts,
    visit: Option<Visit>,
) -> Response<Answering> {
    let keep_alive = front.config().keep_alive;
    let mut source = match reply {
        Reply::Answer(answer) => return respond::answer(answer, era),
        Reply::Listen(subscription) if accepts.events => {
            return respond::events(Stream::subscription(subscription, keep_alive));
        }
        Reply::Listen(_) => {
            return respond::text(StatusCode::BAD_REQUEST, "Accept must contain 'text/event-stream'");
        }
        Reply::Call(source) => source,
    };
    loop {
        let next = if accepts.events {
            match tokio::time::timeout(keep_alive, source.next()).await {
                Ok(next) => next,
                // It takes long and says nothing. As a stream it can show that it is still there.
                Err(_) => return stream(front, source, None, visit),
            }
        } else {
            source.next().await
        };
        match next {
            Some(Event::Answer(answer)) => return respond::answer(answer, era),
            Some(first @ (Event::Progress(_) | Event::Request(_))) if accepts.events => {
                return stream(front, source, Some(first), visit);
            }
            // A client that takes nothing but JSON goes without progress, and is asked on its other stream.
            Some(Event::Progress(_)) => {}
            Some(Event::Request(question)) => {
                if let Some(visit) = &visit {
                    visit.session().listener.ask(question);
                }
            }
            // Taken back by its client: there is nothing to say about it, and 202 says that in HTTP.
            None => return respond::empty(StatusCode::ACCEPTED),
        }
    }
}

/// Goes on with a request as a stream of events, beginning with what came already.
fn stream(
    front: &Front,
    mut source: Source,
    first: Option<Event>,
    visit: Option<Visit>,
) -> Response<Answering> {
    let every = front.config().keep_alive;
    let Some(visit) = visit else {
        let (first, rest) = match source {
            Source::Live(live) => (None, pump(live, first)),
            Source::Task(rest) => (first, rest),
            // Answered at once, so it is never a stream.
            Source::Answered(answer) => {
                let message = answer.map(|answer| answer.message).unwrap_or_default();
                return respond::json(StatusCode::OK, message);
            }
        };
        return respond::events(Stream::answers(first.map(Event::into_message), rest, 1, None, every));
    };
    // A legacy client whose connection breaks may come back for the rest, so the stream goes on without it.
    let log = visit.session().replays.begin();
    source.stay();
    let written = Arc::clone(&log);
    front.tasks().spawn(async move {
        let mut next = match first {
            None => source.next().await,
            first => first,
        };
        while let Some(event) = next {
            written.push(event);
            next = source.next().await;
        }
        written.finish();
    });
    respond::events(Stream::log(visit, log, 0, every))
}

fn notification(front: &Front, headers: &HeaderMap, envelope: &Envelope) -> Response<Answering> {
    let named = match session_id(headers) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    // A modern client cancels by closing its stream, and there is nothing else to be notified of; what it says is taken and dropped.
    if named.is_none() {
        match claims(headers) {
            Claim::Modern => return respond::empty(StatusCode::ACCEPTED),
            Claim::Unknown => {
                let version = headers.get(super::routing::VERSION).and_then(|value| value.to_str().ok());
                return bad(None, &RpcError::unsupported_version(version.unwrap_or_default()));
            }
            Claim::Nothing | Claim::Legacy => {}
        }
    }
    match legacy_session(front, headers) {
        Ok(visit) => {
            let era = Era::Legacy(visit.session().revision);
            let caller = Caller { era, link: Link::Http, session: Some(Arc::clone(visit.session())) };
            dispatch::notification(front, &caller, envelope);
            respond::empty(StatusCode::ACCEPTED)
        }
        Err(response) => *response,
    }
}

/// The session that a message without an id belongs to.
fn legacy_session(front: &Front, headers: &HeaderMap) -> Result<Visit, Box<Response<Answering>>> {
    let session = session_id(headers)?;
    lookup(front, session, claims(headers), None)
}

fn find_session(
    front: &Front,
    session: Option<&str>,
    claim: Claim,
    envelope: &Envelope,
) -> Result<Visit, Box<Response<Answering>>> {
    lookup(front, session, claim, envelope.id_raw())
}

fn lookup(
    front: &Front,
    session: Option<&str>,
    claim: Claim,
    id: Option<&[u8]>,
) -> Result<Visit, Box<Response<Answering>>> {
    let Some(session) = session else {
        let error = RpcError::invalid_request("Bad Request: Mcp-Session-Id header is required");
        return Err(Box::new(bad(id, &error)));
    };
    let Some(visit) = front.session_table().enter(session) else {
        let error = RpcError::invalid_request("session not found");
        return Err(Box::new(respond::json(StatusCode::NOT_FOUND, error.message(id))));
    };
    // A revision that is ours and not the session's, even of the other era, is served by the session's.
    if claim == Claim::Unknown {
        let error = RpcError::invalid_request("Bad Request: Unsupported protocol version");
        return Err(Box::new(bad(id, &error)));
    }
    Ok(visit)
}

fn bad(id: Option<&[u8]>, error: &RpcError) -> Response<Answering> {
    respond::json(StatusCode::BAD_REQUEST, error.message(id))
}
