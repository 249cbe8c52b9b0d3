//! Batches, which only revision 2025-03-26 has: taken from its sessions, never sent upward.

use super::body::{Answering, Stream};
use super::media::Accepts;
use super::respond;
use crate::answer::Answer;
use crate::asks::Question;
use crate::call::Event;
use crate::caller::{Caller, Link};
use crate::dispatch;
use crate::error::RpcError;
use crate::front::Front;
use crate::session::Visit;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Envelope, Era, Kind, RawId, Revision};
use http::{Response, StatusCode};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages in one batch. Every request among them is a task.
const MOST: usize = host_message::MAX_BATCH;

/// Answers a batch: as one array, or as a stream if a request tells of its progress.
pub(crate) async fn handle(
    front: &Arc<Front>,
    visit: Visit,
    envelope: &Envelope,
    accepts: Accepts,
) -> Response<Answering> {
    let revision = visit.session().revision;
    let bad = |text: &'static str| {
        respond::json(StatusCode::BAD_REQUEST, RpcError::invalid_request(text).message(None))
    };
    if revision != Revision::V2025_03_26 {
        return bad("batches exist in revision 2025-03-26 only");
    }
    let items = envelope.batch_items();
    if items.is_empty() {
        return bad("the batch is empty");
    }
    if items.len() > MOST {
        return bad("the batch holds more than 1000 messages");
    }
    let session = Arc::clone(visit.session());
    let caller = Caller { era: Era::Legacy(revision), link: Link::Http, session: Some(session) };
    let (events, mut received) = mpsc::channel(items.len());
    let mut answers = Vec::new();
    let mut requests: usize = 0;
    for item in items {
        match Envelope::parse(item) {
            Ok(envelope) => match envelope.kind() {
                Kind::Request => {
                    requests += 1;
                    front.tasks().spawn(dispatch::drive(
                        Arc::clone(front),
                        caller.clone(),
                        envelope,
                        events.clone(),
                    ));
                }
                Kind::Notification => dispatch::notification(front, &caller, &envelope),
                Kind::Response | Kind::Error => dispatch::answered(&caller, &envelope),
                Kind::Batch => {
                    answers.push(RpcError::invalid_request("a batch holds no batches").message(None))
                }
            },
            Err(error) => {
                let id = error.id.clone();
                let answer = Answer::error(id.as_ref().map(RawId::as_bytes), &error.into());
                answers.push(answer.message);
            }
        }
    }
    drop(events);
    while let Some(event) = received.recv().await {
        match event {
            Event::Answer(answer) => {
                requests = requests.saturating_sub(1);
                answers.push(answer.message);
            }
            Event::Progress(message) | Event::Request(Question { message, .. }) if accepts.events => {
                answers.push(message);
                let keep_alive = front.config().keep_alive;
                return respond::events(Stream::answers(
                    answers,
                    received,
                    requests,
                    Some(visit),
                    keep_alive,
                ));
            }
            Event::Progress(_) => {}
            Event::Request(question) => visit.session().listener.ask(question),
        }
    }
    if answers.is_empty() {
        return respond::empty(StatusCode::ACCEPTED);
    }
    respond::json(StatusCode::OK, array(&answers))
}

fn array(items: &[Bytes]) -> Bytes {
    let mut out = BytesMut::with_capacity(items.iter().map(|item| item.len() + 1).sum::<usize>() + 2);
    out.put_u8(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(item);
    }
    out.put_u8(b']');
    out.freeze()
}
