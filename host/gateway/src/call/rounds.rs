//! A modern server that wants more input, in front of it a legacy client: the client gets requests, and when it has answered all of them the
//! call is repeated upward with the answers (`mcp-ecosystem.md` 2, "sampling, elicitation, roots").

use super::{Asked, Call, Wanted};
use crate::asks::{Asker, Question, withdrawn};
use crate::error::{NOT_RELAYED, RpcError, shown};
use crate::session::Session;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use host_message::{
    Envelope, ErrorBody, JsonKind, Kind, Params, Splice, find_member, members, method, write_string,
};
use host_pool::Client;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// Rounds of one call. A server that wants more is taken to walk in circles.
const MOST_ROUNDS: u32 = 32;
/// Requests of one round.
const MOST_ASKS: usize = 32;
const TOO_MUCH: &str = "asks for too much at once";
/// How long to wait before a call is repeated for which the server wants nothing but its own state; doubled up to the second.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_millis(800);

/// What it takes to repeat a call.
pub(super) struct Rounds {
    params: Params,
    /// The server's own name for what is called, raw.
    own: Option<Bytes>,
    server: Arc<str>,
    count: u32,
    pause: Duration,
    open: Option<Open>,
}

/// A round that is not over. What its client has not answered when it is dropped is taken back.
struct Open {
    session: Arc<Session>,
    to_ask: VecDeque<(u64, Question)>,
    /// Requests that are on their way to the client.
    asked: Vec<u64>,
    /// Each with its raw key; the answer is missing when the client has gone.
    waiting: FuturesUnordered<Waiting>,
    got: Vec<(Bytes, Bytes)>,
    /// Raw.
    state: Option<Bytes>,
    pause: Option<Pin<Box<Sleep>>>,
}

type Waiting = Pin<Box<dyn Future<Output = (Bytes, Option<Envelope>)> + Send>>;

/// What is to be done next.
pub(super) enum Round {
    /// Send this request to the client.
    Ask(Question),
    /// Repeat the call with these parameters.
    Again(Box<Params>),
    /// The call cannot go on.
    Over(Box<RpcError>),
}

impl Rounds {
    /// For a legacy client in front of a modern server; nobody else needs them.
    pub(super) fn of(call: &Call, client: &Client, own: Option<Bytes>) -> Option<Box<Self>> {
        let may_ask = call.asked.wanted != Wanted::Completion;
        let translates = may_ask && !call.asked.caller.era.is_modern() && client.era().is_modern();
        translates.then(|| {
            Box::new(Self {
                params: call.params.clone(),
                own,
                server: Arc::clone(client.server()),
                count: 0,
                pause: PAUSE,
                open: None,
            })
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Looks whether an answer wants more input, and then begins a round. False if it is an answer for the client.
    pub(super) fn begin(&mut self, answer: &Envelope, asked: &Asked) -> Result<bool, RpcError> {
        let Some(result) = answer.result().filter(|_| answer.kind() == Kind::Response) else {
            return Ok(false);
        };
        if !may_say(&result, b"input_required") {
            return Ok(false);
        }
        let kind = find_member(&result, "resultType");
        if kind.and_then(|kind| kind.string(&result)).as_deref() != Some("input_required") {
            return Ok(false);
        }
        let odd = |text: String| RpcError::server(NOT_RELAYED, &self.server, text);
        self.count += 1;
        if self.count > MOST_ROUNDS {
            return Err(odd(format!("wanted more input {MOST_ROUNDS} times for one call")));
        }
        let session = asked.caller.session.as_ref();
        let session =
            session.ok_or_else(|| odd("wants input of a client that cannot be asked".to_owned()))?;
        let requests =
            find_member(&result, "inputRequests").filter(|member| member.kind() == JsonKind::Object);
        let requests = requests.map(|member| result.slice(member.value_range())).unwrap_or_default();
        // All of them are looked at before the first one takes a place among those of all servers.
        for (at, member) in members(&requests).map_while(Result::ok).enumerate() {
            let name = method_of(member.value(&requests));
            if !session.declared.allows(&name) {
                let text = format!("asks for `{}`, which this client did not declare", shown(&name));
                return Err(odd(text));
            }
            if at >= MOST_ASKS {
                return Err(odd(TOO_MUCH.to_owned()));
            }
        }
        let mut open = Open {
            session: Arc::clone(session),
            to_ask: VecDeque::new(),
            asked: Vec::new(),
            waiting: FuturesUnordered::new(),
            got: Vec::new(),
            state: find_member(&result, "requestState")
                .filter(|member| member.kind() == JsonKind::String)
                .map(|member| result.slice(member.value_range())),
            pause: None,
        };
        for member in members(&requests).map_while(Result::ok) {
            let request = member.value(&requests);
            let key = requests.slice(member.key_range());
            let name = method_of(request);
            let params = find_member(request, "params").filter(|member| member.kind() == JsonKind::Object);
            let lack =
                params.as_ref().and_then(|params| session.declared.lacks(&name, params.value(request)));
            if let Some(lack) = lack {
                let text = format!("asks for `{name}` with `{lack}`, which this client did not declare");
                return Err(odd(text));
            }
            let params = params.map(|member| downward(&name, member.value(request), session.id.as_bytes()));
            let (sender, receiver) = oneshot::channel();
            let ask = session.asks.ask(&name, params.as_deref(), Asker::Round(sender));
            open.to_ask.push_back(ask.ok_or_else(|| odd(TOO_MUCH.to_owned()))?);
            open.waiting.push(Box::pin(async move { (key, receiver.await.ok()) }));
        }
        if open.to_ask.is_empty() {
            if open.state.is_none() {
                return Err(odd("wants more input and does not say what".to_owned()));
            }
            open.pause = Some(Box::pin(tokio::time::sleep(self.pause)));
            self.pause = (self.pause * 2).min(PAUSE_MOST);
        }
        self.open = Some(open);
        Ok(true)
    }

    /// What is to be done next. May be dropped and called again without losing anything.
    pub(super) async fn next(&mut self) -> Round {
        let Some(open) = self.open.as_mut() else { return std::future::pending().await };
        if let Some((id, question)) = open.to_ask.pop_front() {
            open.asked.push(id);
            return Round::Ask(question);
        }
        if let Some(pause) = &mut open.pause {
            pause.await;
        }
        while let Some((key, answer)) = open.waiting.next().await {
            let refused = match answer {
                Some(answer) => match answer.result() {
                    Some(result) => {
                        open.got.push((key, result));
                        continue;
                    }
                    None => {
                        let body = ErrorBody::scan(&answer.error().unwrap_or_default());
                        format!(
                            "the client refused what the server asked it, with error {}: {}",
                            body.code,
                            shown(&body.message)
                        )
                    }
                },
                None => "the client has gone and cannot be asked".to_owned(),
            };
            self.open = None;
            return Round::Over(Box::new(RpcError::server(NOT_RELAYED, &self.server, refused)));
        }
        let answers = std::mem::take(&mut open.got);
        let state = open.state.take();
        self.open = None;
        match self.repeated(&answers, state.as_deref()) {
            Some(params) => Round::Again(Box::new(params)),
            None => Round::Over(Box::new(RpcError::server(
                NOT_RELAYED,
                &self.server,
                "wants input for a call that cannot be repeated",
            ))),
        }
    }

    /// The parameters of the call with the answers, and under the server's own name.
    fn repeated(&self, answers: &[(Bytes, Bytes)], state: Option<&[u8]>) -> Option<Params> {
        let mut first = BytesMut::new();
        if !answers.is_empty() {
            first.put_slice(b"\"inputResponses\":{");
            for (at, (key, value)) in answers.iter().enumerate() {
                if at > 0 {
                    first.put_u8(b',');
                }
                first.put_slice(key);
                first.put_u8(b':');
                first.put_slice(value);
            }
            first.put_u8(b'}');
        }
        if let Some(state) = state {
            if !first.is_empty() {
                first.put_u8(b',');
            }
            first.put_slice(b"\"requestState\":");
            first.put_slice(state);
        }
        let raw = self.params.raw();
        let mut splice = self.params.splice();
        // A legacy client knows neither; what it has under these names must not stand beside ours.
        for key in ["inputResponses", "requestState"] {
            if let Some(member) = find_member(raw, key) {
                splice.remove_member(&member);
            }
        }
        splice.object_insert_first(0, &first);
        if let (Some(own), Some(name)) = (&self.own, self.params.name()) {
            splice.set(name, own);
        }
        Params::scan(splice.build().ok()?).ok()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for (id, _) in &self.to_ask {
            self.session.asks.withdraw(*id);
        }
        for id in &self.asked {
            if self.session.asks.withdraw(*id) {
                self.session.listener.post(&withdrawn(*id));
            }
        }
    }
}

/// What one of the requests asks for.
fn method_of(request: &[u8]) -> Cow<'_, str> {
    find_member(request, "method").and_then(|name| name.string(request)).unwrap_or_default()
}

/// Whether a JSON text may hold this string, spelled as it is or escaped: a quick look that spares nearly every answer a walk through it.
fn may_say(raw: &[u8], text: &[u8]) -> bool {
    memchr::memchr(b'\\', raw).is_some() || memchr::memmem::find(raw, text).is_some()
}

/// A request's parameters for a legacy client. Its era names each visit to a URL, so that the server can say that it is over; a modern server
/// has no names for them, and the client learns the outcome from its call.
fn downward(name: &str, params: &[u8], seed: &[u8]) -> Bytes {
    let is_url =
        || find_member(params, "mode").and_then(|mode| mode.string(params)).as_deref() == Some("url");
    if name != method::ELICIT || !is_url() || find_member(params, "elicitationId").is_some() {
        return Bytes::copy_from_slice(params);
    }
    let mut first = b"\"elicitationId\":".to_vec();
    let number = getrandom::u64().unwrap_or_default();
    let seed = seed.get(..8).unwrap_or_default();
    write_string(&mut first, &format!("{}-{number:016x}", String::from_utf8_lossy(seed)));
    let mut splice = Splice::new(params);
    splice.object_insert_first(0, &first);
    splice.build().unwrap_or_else(|_| Bytes::copy_from_slice(params))
}
