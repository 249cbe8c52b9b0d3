//! Requests that a server must answer: `tools/call`, `prompts/get`, `resources/read`, `completion/complete`.
//!
//! The hot path is `begin` → `send` → `Live::next`: no task, no lock across an await, one message written up and one down. Whatever
//! takes longer (a server that must come up first, a name not known yet) goes through a task of its own in `slow`.

mod held;
mod inspected;
mod intercepted;
mod live;
mod progress;
mod rounds;
mod slow;

pub(crate) use held::Held;
pub(crate) use live::Live;
pub(crate) use slow::pump;

use crate::answer::{Answer, Hop, relay};
use crate::asks::Question;
use crate::caller::{self, Caller};
use crate::directory::{Route, View};
use crate::error::{RpcError, SERVER_BUSY, SERVER_GONE, TIMED_OUT};
use crate::front::Front;
use crate::unasked::level_of;
use bytes::Bytes;
use host_message::{Envelope, Level, Member, Params, RawId, find_member, method};
use host_pool::{Client, Declared, InFlight, Outgoing, Owner, SendError};
use inspected::Inspected;
use rounds::Rounds;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages that wait for a client. When it reads slowly, the call waits too.
const WAITING: usize = 16;

/// What comes back for one request, in this order: any number of the first, one of the second.
#[derive(Debug)]
pub(crate) enum Event {
    /// A whole notification. Worth nothing to who does not take it.
    Progress(Bytes),
    /// A request to the client. It must reach it, on this way or another.
    Request(Question),
    Answer(Answer),
}

impl Event {
    /// The message, whichever it is.
    pub(crate) fn message(&self) -> &Bytes {
        match self {
            Self::Progress(message) | Self::Request(Question { message, .. }) => message,
            Self::Answer(answer) => &answer.message,
        }
    }

    /// The same.
    pub(crate) fn into_message(self) -> Bytes {
        match self {
            Self::Progress(message) | Self::Request(Question { message, .. }) => message,
            Self::Answer(answer) => answer.message,
        }
    }

    /// Whether somebody waits for it still.
    pub(crate) fn is_needed(&self) -> bool {
        match self {
            Self::Progress(_) => false,
            Self::Request(question) => !question.is_over(),
            Self::Answer(_) => true,
        }
    }
}

/// Where the events of a call come from.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the way of nearly every call, which must not allocate for it"
)]
pub(crate) enum Source {
    /// From the server itself.
    Live(Live),
    /// From the task that brings the server up.
    Task(mpsc::Receiver<Event>),
    /// Known without asking anybody.
    Answered(Option<Answer>),
}

impl Source {
    /// From here on it lives in a task, which outlives the client's connection by itself.
    pub(crate) fn stay(&mut self) {
        if let Self::Live(live) = self {
            live.stay();
        }
    }

    /// The next event; `None` after the answer, and when the client has taken the request back.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Live(live) => live.next().await,
            Self::Task(events) => events.recv().await,
            Self::Answered(answer) => answer.take().map(Event::Answer),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Tool,
    Prompt,
    Resource,
    /// Completion of an argument of a prompt or a resource template.
    Completion,
}

impl Wanted {
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Tool => method::TOOLS_CALL,
            Self::Prompt => method::PROMPTS_GET,
            Self::Resource => method::RESOURCES_READ,
            Self::Completion => method::COMPLETE,
        }
    }
}

/// Who waits for an answer to what.
#[derive(Clone)]
pub(crate) struct Asked {
    front: Arc<Front>,
    caller: Caller,
    wanted: Wanted,
    id: RawId,
    /// The client's token for progress.
    token: Option<Bytes>,
    /// What a client without a session can be asked for, and the log messages it wants, both for this request.
    declared: Declared,
    level: Option<Level>,
    /// Who looks at the call and its answer, if the operator wants that.
    inspected: Option<Arc<Inspected>>,
}

/// One request on its way. Once it is sent, `asked` is all that is left of it.
pub(crate) struct Call {
    asked: Asked,
    params: Params,
}

/// Begins a call. The error is the answer.
pub(crate) fn begin(
    front: &Arc<Front>,
    caller: Caller,
    wanted: Wanted,
    envelope: &Envelope,
) -> Result<Source, RpcError> {
    if wanted == Wanted::Tool
        && !front.config().checks.interceptors.is_empty()
        && let Some(id) = envelope.id()
    {
        return Ok(intercepted::begin(front, caller, envelope, id));
    }
    begin_plain(front, caller, wanted, envelope)
}

/// Begins a call, past the interceptors.
fn begin_plain(
    front: &Arc<Front>,
    caller: Caller,
    wanted: Wanted,
    envelope: &Envelope,
) -> Result<Source, RpcError> {
    let id = envelope.id().ok_or_else(|| RpcError::invalid_request("a request has an id"))?;
    let params = envelope.params().ok_or_else(|| RpcError::invalid_params("`params` is missing"))?;
    let token = Caller::progress_token(&params)?;
    let asked = Asked::new(front, caller, wanted, id, token, &params)?;
    let mut call = Call { asked, params };
    if wanted == Wanted::Tool
        && let Some(inspector) = &front.config().checks.inspector
    {
        call.asked.inspected = Some(Inspected::begin(inspector, &call)?);
    }
    if let Some(held) = held::resume(&call)? {
        return Ok(held);
    }
    let known = {
        call.find(&call.name()?).and_then(|route| {
            let client = front.pool().peek(&route.server, call.asked.caller.owner())?;
            Some((client, route.own))
        })
    };
    match known {
        Some((client, _)) if call.answer_without(&client).is_some() => {
            Ok(Source::Answered(call.answer_without(&client)))
        }
        // A legacy server could not tell this client from others that use it.
        Some((client, _)) if call.asked.may_be_held(&client) => Ok(slow::begin(call)),
        Some((client, own)) => match call.send(&client, own.as_deref()) {
            Ok(in_flight) => {
                let rounds = Rounds::of(&call, &client, own);
                Ok(Source::Live(Live::new(call.asked, client, in_flight, rounds)))
            }
            // It died between the look and the call, so another one may have it; or it reads slowly. Nothing was sent.
            Err(SendError::Gone { .. } | SendError::Backlog { .. }) => Ok(slow::begin(call)),
            Err(error) => Err(refused(client.server(), &error)),
        },
        None => Ok(slow::begin(call)),
    }
}

impl Asked {
    fn new(
        front: &Arc<Front>,
        caller: Caller,
        wanted: Wanted,
        id: RawId,
        token: Option<Bytes>,
        params: &Params,
    ) -> Result<Self, RpcError> {
        let (mut declared, mut level) = (Declared::NONE, None);
        if caller.era.is_modern() {
            let capabilities = params.meta_client_capabilities().map(|member| member.value(params.raw()));
            declared = capabilities.filter(|raw| *raw != b"{}").map(Declared::of).unwrap_or_default();
            level = caller::log_level(params)?;
        }
        Ok(Self { front: Arc::clone(front), caller, wanted, id, token, declared, level, inspected: None })
    }

    /// What the client can be asked for.
    fn declared(&self) -> &Declared {
        match &self.caller.session {
            Some(session) if !self.caller.era.is_modern() => &session.declared,
            _ => &self.declared,
        }
    }

    /// The log messages that the client wants: for this request, or for its session.
    fn level(&self) -> Option<Level> {
        match &self.caller.session {
            Some(session) if !self.caller.era.is_modern() => session.level(),
            _ => self.level,
        }
    }

    /// Whether this log message is for the client. A modern one gets those it asked for, a legacy one those that it did not refuse.
    fn wants_log(&self, message: &Envelope) -> bool {
        match &self.caller.session {
            Some(session) if !self.caller.era.is_modern() => session.wants_log(message),
            _ => {
                let level = message.params().as_ref().and_then(level_of);
                self.level.zip(level).is_some_and(|(wanted, level)| level >= wanted)
            }
        }
    }

    /// Whether the call may have to be held while its modern client is asked for a legacy server.
    fn may_be_held(&self, client: &Client) -> bool {
        self.caller.era.is_modern()
            && !self.declared.is_none()
            && !client.era().is_modern()
            && self.front.pool().is_shared(client.server()) == Some(false)
    }

    /// The client's answer out of the server's.
    fn relay(&self, client: &Client, envelope: &Envelope) -> Answer {
        let hop = Hop {
            down: self.caller.era,
            up: client.era(),
            method: self.wanted.method(),
            server: client.server(),
        };
        let answer = relay(self.id.as_bytes(), envelope, hop);
        match &self.inspected {
            None => answer,
            Some(inspected) => inspected.end(envelope, self.id.as_bytes(), answer),
        }
    }
}

impl Call {
    /// The tool's or prompt's name, or the resource's URI; of a completion the name or URI that it refers to.
    fn name(&self) -> Result<Cow<'_, str>, RpcError> {
        let (member, key) = match self.asked.wanted {
            Wanted::Completion => {
                let (raw, target) = self.reference()?;
                let text = target.string(raw);
                return text.ok_or_else(|| RpcError::invalid_params("what `ref` refers to must be a string"));
            }
            Wanted::Resource => (self.params.uri(), "uri"),
            Wanted::Tool | Wanted::Prompt => (self.params.name(), "name"),
        };
        let member = member.ok_or_else(|| RpcError::invalid_params(format!("`{key}` is missing")))?;
        Ok(self.params.text(member)?)
    }

    /// The raw `ref` of a completion, and the member in it that says what is meant.
    fn reference(&self) -> Result<(&[u8], Member), RpcError> {
        let wrong = || {
            RpcError::invalid_params(
                "`ref` must be a `ref/prompt` with a name or a `ref/resource` with a URI",
            )
        };
        let raw = self.params.reference().map(|member| member.value(self.params.raw())).ok_or_else(wrong)?;
        let kind = find_member(raw, "type").and_then(|member| member.string(raw)).ok_or_else(wrong)?;
        let key = match &*kind {
            "ref/prompt" => "name",
            "ref/resource" => "uri",
            _ => return Err(wrong()),
        };
        Ok((raw, find_member(raw, key).ok_or_else(wrong)?))
    }

    /// Whether a completion is about a prompt.
    fn is_about_prompt(&self) -> bool {
        self.reference().is_ok_and(|(raw, target)| target.key_is(raw, "name"))
    }

    /// The answer that needs no server: one that completes nothing has nothing to offer.
    fn answer_without(&self, client: &Client) -> Option<Answer> {
        let none = self.asked.wanted == Wanted::Completion && !client.capabilities().completions;
        none.then(|| {
            let result: &[u8] = if self.asked.caller.era.is_modern() {
                b"{\"resultType\":\"complete\",\"completion\":{\"values\":[],\"total\":0,\"hasMore\":false}}"
            } else {
                b"{\"completion\":{\"values\":[],\"total\":0,\"hasMore\":false}}"
            };
            Answer::result(self.asked.id.as_bytes(), result)
        })
    }

    /// Where it leads, for this client.
    fn find(&self, name: &str) -> Option<Route> {
        let directory = self.asked.front.directory();
        let base = directory.view();
        // Nothing is counted here for the sessions, nearly all, whose servers list what everybody's list.
        let own = self.asked.caller.session.as_ref().and_then(|session| session.own.over(directory, &base));
        let view: &View = own.as_deref().unwrap_or(&base);
        match self.asked.wanted {
            Wanted::Tool => view.tool(name).cloned(),
            Wanted::Prompt => view.prompt(name).cloned(),
            Wanted::Completion if self.is_about_prompt() => view.prompt(name).cloned(),
            Wanted::Completion => view.template(name).map(plain_route),
            Wanted::Resource => view.resource(name).map(plain_route),
        }
    }

    /// Writes the request to a server at once, under the server's own name for the thing.
    fn send(&self, client: &Client, own: Option<&[u8]>) -> Result<InFlight, SendError> {
        client.request(self.outgoing(client, own))
    }

    /// The same as soon as the server has room for it.
    async fn send_in_turn(&self, client: &Client, own: Option<&[u8]>) -> Result<InFlight, SendError> {
        client.request_in_turn(self.outgoing(client, own)).await
    }

    fn outgoing<'a>(&'a self, client: &Client, own: Option<&'a [u8]>) -> Outgoing<'a> {
        let mut outgoing =
            Outgoing::new(self.asked.wanted.method()).params(&self.params).declared(self.asked.declared());
        if let Some(level) = self.asked.level() {
            // Whichever of the two the server's era has; the other is without effect.
            outgoing = outgoing.log_level(level.as_str());
            log_at(client, level, &self.asked.caller);
        }
        match (own, self.asked.wanted) {
            (Some(own), Wanted::Completion) => {
                // The reference stands inside of the parameters.
                let start = self.params.reference().map(|member| member.value_range().start);
                if let (Some(start), Ok((_, target))) = (start, self.reference()) {
                    let range = target.value_range();
                    outgoing.edits().replace(start + range.start..start + range.end, own);
                }
            }
            (Some(own), _) => {
                if let Some(member) = self.params.name() {
                    outgoing.edits().set(member, own);
                }
            }
            (None, _) => {}
        }
        outgoing
    }
}

fn plain_route(server: &Arc<str>) -> Route {
    Route { server: Arc::clone(server), own: None, mirrors: Arc::default() }
}

/// Asks a legacy server for log messages. One that others use too is asked for more than before, never for less: what is too much for one of
/// them is left out on the way down.
pub(crate) fn log_at(client: &Client, level: Level, caller: &Caller) {
    let alone = client.owner() != Owner::Shared && !caller.era.is_modern();
    if alone || client.logs().is_none_or(|now| level < now) {
        client.log(level);
    }
}

/// A server that did not take the request.
fn refused(server: &str, error: &SendError) -> RpcError {
    let code = match error {
        SendError::Gone { .. } => SERVER_GONE,
        SendError::TimedOut { .. } => TIMED_OUT,
        _ => SERVER_BUSY,
    };
    RpcError::server(code, server, error)
}
