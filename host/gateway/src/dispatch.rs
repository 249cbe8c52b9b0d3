//! From a method to what answers it, the same for every transport.

use crate::announce::{Kinds, News};
use crate::answer::Answer;
use crate::call::{self, Event, Source, Wanted};
use crate::caller::Caller;
use crate::directory::{List, page};
use crate::error::RpcError;
use crate::front::Front;
use crate::listen::Subscription;
use host_message::{Envelope, Params, method};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What becomes of a request.
pub(crate) enum Reply {
    /// It is answered.
    Answer(Answer),
    /// A server answers it.
    Call(Source),
    /// It is answered when the client wants no more news.
    Listen(Subscription),
}

/// Handles a request whose client and era are known and whose `_meta` was checked.
pub(crate) async fn request(front: &Arc<Front>, caller: Caller, envelope: &Envelope) -> Reply {
    match handle(front, caller, envelope).await {
        Ok(reply) => reply,
        Err(error) => Reply::Answer(Answer::error(envelope.id_raw(), &error)),
    }
}

async fn handle(front: &Arc<Front>, caller: Caller, envelope: &Envelope) -> Result<Reply, RpcError> {
    let modern = caller.era.is_modern();
    let id = envelope.id_raw().unwrap_or(b"null");
    match envelope.method().unwrap_or_default() {
        method::TOOLS_CALL => call::begin(front, caller, Wanted::Tool, envelope).map(Reply::Call),
        method::PROMPTS_GET => call::begin(front, caller, Wanted::Prompt, envelope).map(Reply::Call),
        method::RESOURCES_READ => call::begin(front, caller, Wanted::Resource, envelope).map(Reply::Call),
        method::TOOLS_LIST => list(front, &caller, List::Tools, envelope).await,
        method::PROMPTS_LIST => list(front, &caller, List::Prompts, envelope).await,
        method::RESOURCES_LIST => list(front, &caller, List::Resources, envelope).await,
        method::RESOURCE_TEMPLATES_LIST => list(front, &caller, List::Templates, envelope).await,
        method::PING if !modern => Ok(Reply::Answer(Answer::result(id, b"{}"))),
        method::DISCOVER if modern => Ok(Reply::Answer(Answer::result(id, &front.discovered()))),
        method::SUBSCRIPTIONS_LISTEN if modern => {
            Subscription::begin(envelope, front.announcer()).map(Reply::Listen)
        }
        method::INITIALIZE if !modern => Err(RpcError::invalid_request("the session is initialized already")),
        other => Err(RpcError::method_not_found(other)),
    }
}

async fn list(
    front: &Arc<Front>,
    caller: &Caller,
    list: List,
    envelope: &Envelope,
) -> Result<Reply, RpcError> {
    let params = envelope.params();
    let cursor = cursor(params.as_ref())?;
    let directory = front.directory();
    directory.wait().await;
    if let Some(session) = &caller.session {
        session.own.wait().await;
    }
    let kind = match list {
        List::Tools => Kinds::TOOLS,
        List::Prompts => Kinds::PROMPTS,
        List::Resources | List::Templates => Kinds::RESOURCES,
    };
    if let Some(session) = &caller.session {
        // Before the view is taken: a change in between is then told once too often and never once too seldom.
        session.listener.knows(kind);
    }
    let view = directory.serve(caller.session.as_deref());
    let shelf = match list {
        List::Tools => &view.tools,
        List::Prompts => &view.prompts,
        List::Resources => &view.resources,
        List::Templates => &view.templates,
    };
    let size = front.config().page_size;
    let result = page(list, shelf, cursor.as_deref(), size, caller.era, front.server_info())?;
    Ok(Reply::Answer(Answer::result(envelope.id_raw().unwrap_or(b"null"), &result)))
}

fn cursor(params: Option<&Params>) -> Result<Option<String>, RpcError> {
    let Some((params, member)) = params.and_then(|params| Some((params, params.cursor()?))) else {
        return Ok(None);
    };
    Ok(Some(params.text(member)?.into_owned()))
}

/// Handles a notification. One that is unknown is no error.
pub(crate) fn notification(caller: &Caller, envelope: &Envelope) {
    if envelope.method() != Some(method::CANCELLED) {
        return;
    }
    if let (Some(session), Some(params)) = (&caller.session, envelope.params())
        && let Some(id) = params.request_id()
        && let Ok(id) = params.token(id)
    {
        session.calls.cancel(id);
    }
}

/// Handles a request to its end and sends whatever comes of it. For connections and batches that carry many at a time.
pub(crate) async fn drive(
    front: Arc<Front>,
    caller: Caller,
    envelope: Envelope,
    events: mpsc::Sender<Event>,
) {
    let session = caller.session.clone();
    match request(&front, caller, &envelope).await {
        Reply::Answer(answer) => send(&events, Event::Answer(answer)).await,
        Reply::Call(mut source) => {
            while let Some(event) = source.next().await {
                let last = matches!(event, Event::Answer(_));
                send(&events, event).await;
                if last {
                    return;
                }
            }
        }
        Reply::Listen(subscription) => {
            let Some(session) = session else { return };
            let Some(id) = envelope.id() else { return };
            session.subscribed(&subscription.listener);
            let (serial, cancelled) = session.calls.begin(id);
            tokio::select! {
                () = news(&subscription, &events) => {}
                // The client has taken it back, and is told nothing more about it.
                _ = cancelled => {}
            }
            session.calls.end(serial);
        }
    }
}

async fn news(subscription: &Subscription, events: &mpsc::Sender<Event>) {
    send(events, Event::Progress(subscription.acknowledgement())).await;
    while let News::Changed(kinds) = subscription.listener.news().await {
        for method in kinds.methods() {
            send(events, Event::Progress(subscription.change(method))).await;
        }
    }
    send(events, Event::Answer(Answer { message: subscription.end(), code: 0 })).await;
}

/// Nobody may be left who reads; whoever sends finds out in other ways whether that matters.
async fn send(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await;
}
