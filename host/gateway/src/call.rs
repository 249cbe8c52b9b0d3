//! Requests that a server must answer: `tools/call`, `prompts/get`, `resources/read`.
//!
//! The hot path is `begin` → `send` → `Live::next`: no task, no lock across an await, one message written up and one down. Whatever
//! takes longer (a server that must come up first, a name not known yet) goes through a task of its own in `slow`.

mod live;
mod progress;
mod slow;

pub(crate) use live::Live;
pub(crate) use slow::pump;

use crate::answer::{Answer, Hop, relay};
use crate::caller::Caller;
use crate::directory::{Route, View};
use crate::error::{RpcError, SERVER_BUSY, SERVER_GONE};
use crate::front::Front;
use bytes::Bytes;
use host_message::{Envelope, Params, RawId, method};
use host_pool::{Client, InFlight, Outgoing, SendError};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What comes back for one request, in this order: any number of the first, one of the second.
#[derive(Debug)]
pub(crate) enum Event {
    /// A whole notification.
    Progress(Bytes),
    Answer(Answer),
}

impl Event {
    /// The message, whichever it is.
    pub(crate) fn into_message(self) -> Bytes {
        match self {
            Self::Progress(message) => message,
            Self::Answer(answer) => answer.message,
        }
    }
}

/// Where the events of a call come from.
pub(crate) enum Source {
    /// From the server itself.
    Live(Live),
    /// From the task that brings the server up.
    Task(mpsc::Receiver<Event>),
}

impl Source {
    /// The next event; `None` after the answer, and when the client has taken the request back.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Live(live) => live.next().await,
            Self::Task(events) => events.recv().await,
        }
    }
}

/// Which of the three it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Tool,
    Prompt,
    Resource,
}

impl Wanted {
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Tool => method::TOOLS_CALL,
            Self::Prompt => method::PROMPTS_GET,
            Self::Resource => method::RESOURCES_READ,
        }
    }
}

/// Who waits for an answer to what.
pub(crate) struct Asked {
    front: Arc<Front>,
    caller: Caller,
    wanted: Wanted,
    id: RawId,
    /// The client's token for progress.
    token: Option<Bytes>,
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
    let id = envelope.id().ok_or_else(|| RpcError::invalid_request("a request has an id"))?;
    let params = envelope.params().ok_or_else(|| RpcError::invalid_params("`params` is missing"))?;
    let token = Caller::progress_token(&params)?;
    let asked = Asked { front: Arc::clone(front), caller, wanted, id, token };
    let call = Call { asked, params };
    let known = {
        call.find(&call.name()?).and_then(|route| {
            let client = front.pool().peek(&route.server, call.asked.caller.owner())?;
            Some((client, route.own))
        })
    };
    match known {
        Some((client, own)) => match call.send(&client, own.as_deref()) {
            Ok(in_flight) => Ok(Source::Live(Live::new(call.asked, client, in_flight))),
            // It died between the look and the call. Nothing was sent, so another one may have it.
            Err(SendError::Gone { .. }) => Ok(slow::begin(call)),
            Err(error) => Err(refused(client.server(), &error)),
        },
        None => Ok(slow::begin(call)),
    }
}

impl Asked {
    /// The client's answer out of the server's.
    fn relay(&self, client: &Client, envelope: &Envelope) -> Answer {
        let hop = Hop {
            down: self.caller.era,
            up: client.era(),
            method: self.wanted.method(),
            server: client.server(),
        };
        relay(self.id.as_bytes(), envelope, hop)
    }
}

impl Call {
    /// The tool's or prompt's name, or the resource's URI.
    fn name(&self) -> Result<Cow<'_, str>, RpcError> {
        let (member, key) = match self.asked.wanted {
            Wanted::Resource => (self.params.uri(), "uri"),
            Wanted::Tool | Wanted::Prompt => (self.params.name(), "name"),
        };
        let member = member.ok_or_else(|| RpcError::invalid_params(format!("`{key}` is missing")))?;
        Ok(self.params.text(member)?)
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
            Wanted::Resource => {
                let route = |server: &Arc<str>| Route {
                    server: Arc::clone(server),
                    own: None,
                    mirrors: Arc::default(),
                };
                view.resource(name).map(route)
            }
        }
    }

    /// Writes the request to a server, under the server's own name for the thing.
    fn send(&self, client: &Client, own: Option<&[u8]>) -> Result<InFlight, SendError> {
        let mut outgoing = Outgoing::new(self.asked.wanted.method()).params(&self.params);
        if let (Some(own), Some(member)) = (own, self.params.name()) {
            outgoing.edits().set(member, own);
        }
        client.request(outgoing)
    }
}

/// A server that did not take the request.
fn refused(server: &str, error: &SendError) -> RpcError {
    let code = if matches!(error, SendError::Gone { .. }) { SERVER_GONE } else { SERVER_BUSY };
    RpcError::server(code, server, error)
}
