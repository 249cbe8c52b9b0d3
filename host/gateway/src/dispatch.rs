//! From a method to what answers it, the same for every transport.

use crate::announce::{Kinds, News};
use crate::answer::Answer;
use crate::call::{self, Event, Source, Wanted, log_at};
use crate::caller::Caller;
use crate::directory::{List, page};
use crate::error::RpcError;
use crate::front::Front;
use crate::listen::Subscription;
use crate::session::Session;
use crate::unasked::level_of;
use host_message::{Envelope, Params, method};
use host_pool::Owner;
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
        method::COMPLETE => call::begin(front, caller, Wanted::Completion, envelope).map(Reply::Call),
        method::SET_LEVEL if !modern => set_level(front, &caller, envelope),
        method::RESOURCES_SUBSCRIBE if !modern => subscribe(front, &caller, envelope).await,
        method::RESOURCES_UNSUBSCRIBE if !modern => unsubscribe(front, &caller, envelope),
        method::PING if !modern => Ok(Reply::Answer(Answer::result(id, b"{}"))),
        method::DISCOVER if modern => Ok(Reply::Answer(Answer::result(id, &front.discovered()))),
        method::SUBSCRIPTIONS_LISTEN if modern => {
            let subscription = Subscription::begin(envelope, front.announcer())?;
            Ok(Reply::Listen(subscription.listen(front, caller.owner()).await))
        }
        method::INITIALIZE if !modern => Err(RpcError::invalid_request("the session is initialized already")),
        other => Err(RpcError::method_not_found(other)),
    }
}

/// The level of log messages that a legacy client wants from now on, from all servers.
fn set_level(front: &Arc<Front>, caller: &Caller, envelope: &Envelope) -> Result<Reply, RpcError> {
    let params = envelope.params();
    let level = params.as_ref().and_then(level_of);
    let level =
        level.ok_or_else(|| RpcError::invalid_params("`level` must be one of the protocol's levels"))?;
    if let Some(session) = &caller.session {
        session.set_level(level);
        for client in front.pool().clients(&session.owner) {
            log_at(&client, level, caller);
        }
    }
    Ok(Reply::Answer(Answer::result(envelope.id_raw().unwrap_or(b"null"), b"{}")))
}

/// Finds the server of the resource that a request names.
async fn resource(
    front: &Arc<Front>,
    caller: &Caller,
    envelope: &Envelope,
) -> Result<(Arc<str>, String), RpcError> {
    let params = envelope.params().ok_or_else(|| RpcError::invalid_params("`uri` is missing"))?;
    let member = params.uri().ok_or_else(|| RpcError::invalid_params("`uri` is missing"))?;
    let uri = params.text(member)?.into_owned();
    let find = || front.directory().view_of(caller.session.as_deref()).resource(&uri).cloned();
    let mut found = find();
    if found.is_none() {
        // Its server may be about to come up.
        front.directory().wait().await;
        found = find();
    }
    match found {
        Some(server) => Ok((server, uri)),
        None => Err(RpcError::unknown_resource(&uri, caller.era)),
    }
}

async fn subscribe(front: &Arc<Front>, caller: &Caller, envelope: &Envelope) -> Result<Reply, RpcError> {
    let (server, uri) = resource(front, caller, envelope).await?;
    if let Some(session) = &caller.session {
        front.subscriptions().subscribe(&server, &session.owner, &uri, &session.listener).await?;
    }
    Ok(Reply::Answer(Answer::result(envelope.id_raw().unwrap_or(b"null"), b"{}")))
}

fn unsubscribe(front: &Arc<Front>, caller: &Caller, envelope: &Envelope) -> Result<Reply, RpcError> {
    let params = envelope.params().ok_or_else(|| RpcError::invalid_params("`uri` is missing"))?;
    let member = params.uri().ok_or_else(|| RpcError::invalid_params("`uri` is missing"))?;
    let uri = params.text(member)?;
    let server = front.directory().view_of(caller.session.as_deref()).resource(&uri).cloned();
    if let (Some(session), Some(server)) = (&caller.session, server) {
        front.subscriptions().unsubscribe(&server, &session.owner, &uri, &session.listener);
    }
    Ok(Reply::Answer(Answer::result(envelope.id_raw().unwrap_or(b"null"), b"{}")))
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
        if session.begins_to_list() {
            own_instances(front, session).await;
        }
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

/// Brings up the session's own instances of legacy servers that offer more to a client that can be asked, as many do: what everybody is shown was
/// listed by an instance whose client could not. Waits for them no longer than lists wait for servers.
async fn own_instances(front: &Arc<Front>, session: &Arc<Session>) {
    let pool = front.pool();
    let servers = pool.statuses().into_iter().map(|status| status.name).filter(|server| {
        let legacy = pool.spoke_modern(server) != Some(true);
        legacy && pool.is_shared(server) == Some(false)
    });
    let started = servers.map(|server| {
        let (pool, owner) = (Arc::clone(pool), session.owner.clone());
        // In tasks of their own, so that what takes longer comes up all the same, and then announces itself.
        front.tasks().spawn(async move {
            if let Err(error) = pool.acquire(&server, &owner, None).await {
                tracing::debug!(%server, %error, "a session's own instance did not come up");
            }
        })
    });
    let started = futures_util::future::join_all(started.collect::<Vec<_>>());
    if tokio::time::timeout(front.config().list_wait, started).await.is_ok() {
        // Takes over that they are there, before it is waited for what they list.
        front.directory().wait().await;
    }
}

fn cursor(params: Option<&Params>) -> Result<Option<String>, RpcError> {
    let Some((params, member)) = params.and_then(|params| Some((params, params.cursor()?))) else {
        return Ok(None);
    };
    Ok(Some(params.text(member)?.into_owned()))
}

/// Handles a notification. One that is unknown is no error.
pub(crate) fn notification(front: &Front, caller: &Caller, envelope: &Envelope) {
    let Some(session) = &caller.session else { return };
    match envelope.method() {
        Some(method::CANCELLED) => {
            if let Some(params) = envelope.params()
                && let Some(id) = params.request_id()
                && let Ok(id) = params.token(id)
            {
                session.calls.cancel(id);
            }
        }
        // For the servers that were told that this may come.
        Some(method::ROOTS_CHANGED) if session.declared.allows(method::ROOTS_LIST) => {
            for client in front.pool().clients(&session.owner) {
                if !client.era().is_modern()
                    && client.owner() != Owner::Shared
                    && let Err(error) = client.notify(method::ROOTS_CHANGED, envelope.params_raw())
                {
                    tracing::debug!(server = %client.server(), %error, "a notification was not sent");
                }
            }
        }
        _ => {}
    }
}

/// Takes what a legacy client answers to a request of ours.
pub(crate) fn answered(caller: &Caller, envelope: &Envelope) {
    if let Some(session) = &caller.session
        && !session.asks.resolve(envelope)
    {
        tracing::debug!("a client answers what nobody asked");
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
    loop {
        match subscription.listener.news().await {
            News::Changed(kinds) => {
                for method in kinds.methods() {
                    send(events, Event::Progress(subscription.change(method))).await;
                }
            }
            News::Updated(uris) => {
                for uri in uris {
                    send(events, Event::Progress(subscription.updated(&uri))).await;
                }
            }
            News::Message(_) => {}
            News::Closed => break,
        }
    }
    send(events, Event::Answer(Answer { message: subscription.end(), code: 0 })).await;
}

/// Nobody may be left who reads; whoever sends finds out in other ways whether that matters.
async fn send(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await;
}
