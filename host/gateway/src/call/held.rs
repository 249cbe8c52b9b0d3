//! A legacy server that asks, in front of it a modern client: the call stays open upward while the client is answered `input_required`, and
//! the client's repetition of the call finds it again by a state that only we can make (ARCHITECTURE.md, "Protocol").

use super::live::failed;
use super::progress::Rising;
use super::{Asked, Call, Event, Source};
use crate::answer::Answer;
use crate::caller::Caller;
use crate::error::{RpcError, SERVER_BUSY};
use crate::unasked::plain;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use hmac::{Hmac, Mac};
use host_message::{JsonKind, Params, find_member, method, write_string};
use host_pool::{Client, Declared, InFlight, Incoming, Owner, Pool, ServerRequest};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a held call waits for its client.
const PATIENCE: Duration = Duration::from_secs(600);
/// Calls that may be held at once.
const MOST_HELD: usize = 1000;
/// Lanes that one server may have for clients of one kind.
const MOST_LANES: usize = 64;
/// Kinds of lanes: servers times sorts of clients.
const MOST_KINDS: usize = 256;
/// Events that wait for a client.
const WAITING: usize = 16;
/// Begins a state of ours. What does not begin so is a modern server's, which checks its own.
const MARK: &str = "gateway-held-1.";
/// The key under which a client is asked.
const KEY: &str = "ask";

/// Calls that are held, and lanes.
pub(crate) struct Held {
    /// Made by this process and known to nobody; `None` if the system gives no random numbers, and then nothing is held.
    key: Option<[u8; 32]>,
    parked: Mutex<HashMap<[u8; 16], oneshot::Sender<Resume>>>,
    lanes: Mutex<HashMap<Kind, Free>>,
    next: AtomicU64,
}

/// Lanes of one server for clients that can be asked for the same.
type Kind = (Arc<str>, Bytes);

#[derive(Debug, Default)]
struct Free {
    owners: Vec<Owner>,
    made: usize,
}

/// What a repetition of a call brings.
struct Resume {
    asked: Asked,
    /// Raw.
    responses: Option<Bytes>,
    events: mpsc::Sender<Event>,
}

/// An instance of a server that belongs to one call at a time.
pub(super) struct Lane {
    held: Arc<Held>,
    kind: Kind,
    owner: Owner,
}

impl Lane {
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut lanes = self.held.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(free) = lanes.get_mut(&self.kind) {
            free.owners.push(self.owner.clone());
        }
    }
}

impl Held {
    pub(crate) fn new() -> Arc<Self> {
        let mut key = [0; 32];
        let key = getrandom::fill(&mut key).is_ok().then_some(key);
        Arc::new(Self { key, parked: Mutex::default(), lanes: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// A lane that nobody uses, the one that was used last if there is one: its server is up.
    pub(super) fn lane(
        self: &Arc<Self>,
        server: &Arc<str>,
        declared: &Declared,
        pool: &Pool,
    ) -> Result<Lane, RpcError> {
        let kind = (Arc::clone(server), declared.raw().clone());
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MOST_KINDS && !lanes.contains_key(&kind) {
            // What clients declare is theirs to invent, so there may be any number of kinds; those that nobody uses make room.
            for (_, unused) in lanes.extract_if(|_, free| free.owners.len() == free.made) {
                for owner in unused.owners {
                    if let Owner::Session(id) = owner {
                        pool.end_session(&id);
                    }
                }
            }
            if lanes.len() >= MOST_KINDS {
                let text =
                    format!("calls of {MOST_KINDS} kinds of clients that servers may ask are in flight");
                return Err(RpcError::server(SERVER_BUSY, server, text));
            }
        }
        let free = lanes.entry(kind.clone()).or_default();
        let owner = match free.owners.pop() {
            Some(owner) => owner,
            None if free.made >= MOST_LANES => {
                let text = format!("{MOST_LANES} calls of clients that it may ask are in flight");
                return Err(RpcError::server(SERVER_BUSY, server, text));
            }
            None => {
                free.made += 1;
                let id: Arc<str> = format!("lane-{}", self.next.fetch_add(1, Ordering::Relaxed)).into();
                pool.declare(&id, declared.clone());
                Owner::Session(id)
            }
        };
        drop(lanes);
        Ok(Lane { held: Arc::clone(self), kind, owner })
    }

    /// The code over everything that a state is bound to.
    fn code(&self, name: &[u8; 16], asked: &Asked, what: &str) -> Option<Hmac<Sha256>> {
        let mut code = Hmac::<Sha256>::new_from_slice(self.key.as_ref()?).ok()?;
        code.update(name);
        // Each part with its length, so that no two sets of parts are one text.
        for part in [asked.wanted.method(), what, &identity(&asked.caller)] {
            code.update(&(part.len() as u64).to_be_bytes());
            code.update(part.as_bytes());
        }
        Some(code)
    }

    /// Makes room for a call and gives the state that leads back to it.
    fn park(&self, asked: &Asked, what: &str) -> Option<(String, oneshot::Receiver<Resume>)> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).ok()?;
        let code = self.code(&name, asked, what)?.finalize().into_bytes();
        let (sender, receiver) = oneshot::channel();
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|_, sender| !sender.is_closed());
        if parked.len() >= MOST_HELD {
            return None;
        }
        parked.insert(name, sender);
        drop(parked);
        let state = [name.as_slice(), code.as_slice()].concat();
        Some((format!("{MARK}{}", URL_SAFE_NO_PAD.encode(state)), receiver))
    }

    /// The call that a state leads to, which it opens once.
    fn unpark(&self, state: &str, asked: &Asked, what: &str) -> Result<oneshot::Sender<Resume>, RpcError> {
        let broken = || RpcError::invalid_params("`requestState` failed its integrity check");
        let bytes = URL_SAFE_NO_PAD.decode(state).map_err(|_| broken())?;
        let (name, code) = bytes.split_first_chunk::<16>().ok_or_else(broken)?;
        let expected = self.code(name, asked, what).ok_or_else(broken)?;
        expected.verify_slice(code).map_err(|_| broken())?;
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = parked.remove(name).filter(|sender| !sender.is_closed());
        sender.ok_or_else(|| {
            RpcError::invalid_params("the call that `requestState` belongs to is over; make it anew")
        })
    }
}

/// Who a state is made for: one client on streams, or whoever shows the token over HTTP.
fn identity(caller: &Caller) -> String {
    caller.session.as_ref().map_or_else(|| "http".to_owned(), |session| format!("streams {}", session.id))
}

/// Finds the call that a request goes on with; `None` if it is a call of its own.
pub(super) fn resume(call: &Call) -> Result<Option<Source>, RpcError> {
    if !call.asked.caller.era.is_modern() {
        return Ok(None);
    }
    let raw = call.params.raw();
    let state = find_member(raw, "requestState").and_then(|member| member.string(raw));
    let Some(state) = state.as_deref().and_then(|state| state.strip_prefix(MARK)) else { return Ok(None) };
    let what = call.name()?;
    let sender = call.asked.front.held().unpark(state, &call.asked, &what)?;
    let responses = find_member(raw, "inputResponses").filter(|member| member.kind() == JsonKind::Object);
    let responses = responses.map(|member| raw.slice(member.value_range()));
    let (events, received) = mpsc::channel(WAITING);
    let asked = call.asked.clone();
    let over = |_| RpcError::invalid_params("the call that `requestState` belongs to is over; make it anew");
    sender.send(Resume { asked, responses, events }).map_err(over)?;
    Ok(Some(Source::Task(received)))
}

/// Carries a call on a lane to its end, through as many repetitions as its server has questions.
pub(super) async fn run(
    call: Call,
    client: Arc<Client>,
    mut in_flight: InFlight,
    mut rising: Rising,
    lane: Lane,
    mut events: mpsc::Sender<Event>,
) {
    let Ok(what) = call.name().map(std::borrow::Cow::into_owned) else { return };
    let held = Arc::clone(&lane.held);
    let mut asked = call.asked;
    let mut waiting: std::collections::VecDeque<ServerRequest> = std::collections::VecDeque::new();
    loop {
        if let Some(request) = waiting.pop_front() {
            // It may have been taken back while another one was answered.
            if request.withdrawn().is_cancelled() {
                continue;
            }
            let Some((state, resumed)) = held.park(&asked, &what) else {
                drop(request);
                continue;
            };
            let answer = Answer::result(asked.id.as_bytes(), &input_required(&request, &state));
            let _ = events.send(Event::Answer(answer)).await;
            // Nobody is at the other end now; letting the call go tells the server.
            let Ok(Ok(resume)) = tokio::time::timeout(PATIENCE, resumed).await else { return };
            (asked, events) = (resume.asked, resume.events);
            rising = Rising::default();
            let answered = resume.responses.as_ref().and_then(|responses| {
                find_member(responses, KEY).map(|member| responses.slice(member.value_range()))
            });
            match answered {
                Some(result) => request.answer(&result),
                // It came back without what was asked: it is asked again.
                None => waiting.push_front(request),
            }
            continue;
        }
        let incoming = tokio::select! {
            incoming = in_flight.next() => incoming,
            // A modern client takes its request back by closing the stream.
            () = events.closed() => return,
        };
        let event = match incoming {
            Ok(Incoming::Request(request)) => {
                waiting.push_back(request);
                continue;
            }
            Ok(Incoming::Progress(params)) => {
                let message = asked.token.as_deref().and_then(|token| rising.message(&params, token));
                message.map(Event::Progress)
            }
            Ok(Incoming::Notification(message)) => {
                let log = message.method() == Some(method::MESSAGE) && asked.wants_log(&message);
                log.then(|| Event::Progress(plain(&message)))
            }
            Ok(Incoming::Response(envelope)) => Some(Event::Answer(asked.relay(&client, &envelope))),
            Err(error) => {
                let error = failed(client.server(), &error);
                Some(Event::Answer(Answer::error(Some(asked.id.as_bytes()), &error)))
            }
        };
        let Some(event) = event else { continue };
        let last = matches!(event, Event::Answer(_));
        let _ = events.send(event).await;
        if last {
            drop(lane);
            return;
        }
    }
}

/// The result that asks a modern client what a legacy server wants to know.
fn input_required(request: &ServerRequest, state: &str) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(b"{\"resultType\":\"input_required\",\"inputRequests\":{\"");
    out.put_slice(KEY.as_bytes());
    out.put_slice(b"\":{\"method\":");
    write_string(&mut out, request.method());
    if let Some(params) = request.params() {
        out.put_slice(b",\"params\":");
        out.put_slice(&upward_only_left_out(&params));
    }
    out.put_slice(b"}},\"requestState\":");
    write_string(&mut out, state);
    out.put_u8(b'}');
    out.freeze()
}

/// The parameters without what means something between a legacy server and its client only: the name of a visit to a URL, and the token for
/// progress.
fn upward_only_left_out(params: &Params) -> Bytes {
    let raw = params.raw();
    let mut splice = params.splice();
    if let Some(member) = find_member(raw, "elicitationId") {
        splice.remove_member(&member);
    }
    if let Some(member) = params.meta_progress_token() {
        splice.remove_member(member);
    }
    splice.build().unwrap_or_else(|_| raw.clone())
}
