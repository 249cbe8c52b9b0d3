//! The way of a call whose server is not up or has no room for it, or whose name is not known yet: a task that does what is missing.

use super::held::{self, Lane};
use super::live::Live;
use super::progress::{Provisioning, Rising};
use super::rounds::Rounds;
use super::{Call, Event, Source, WAITING, Wanted, refused};
use crate::announce::Kinds;
use crate::answer::Answer;
use crate::directory::Route;
use crate::error::{NAME_CLASH, RpcError, SERVER_BUSY, SHUTTING_DOWN};
use crate::session::Session;
use bytes::Bytes;
use host_message::{ErrorBody, Kind, code};
use host_pool::{AcquireError, Client, InFlight, Incoming, SendError};
use host_provisioner::ProgressSink;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a name that nobody offers may still be that of a server which is coming up.
const FIRST_WAIT: Duration = Duration::from_secs(30);

/// Goes on with the call in a task of its own.
pub(super) fn begin(call: Call) -> Source {
    let (events, received) = mpsc::channel(WAITING);
    let tasks = call.asked.front.tasks().clone();
    tasks.spawn(run(call, events));
    Source::Task(received)
}

/// Goes on with a call that has begun to stream, and may have said something already.
pub(crate) fn pump(mut live: Live, first: Option<Event>) -> mpsc::Receiver<Event> {
    let (events, received) = mpsc::channel(WAITING);
    let tasks = live.tasks().clone();
    let cancels = live.cancels_by_closing();
    live.stay();
    let session = live.session();
    tasks.spawn(async move {
        let work = async {
            let mut next = match first {
                None => live.next().await,
                first => first,
            };
            while let Some(event) = next {
                give(&events, event, session.as_deref()).await;
                next = live.next().await;
            }
        };
        tokio::select! {
            () = work => {}
            () = events.closed(), if cancels => {}
        }
    });
    received
}

/// Hands an event to whoever delivers it. Nobody may be left: that matters only to a client that takes its request back this way, and for what
/// the client is asked, which finds it on another stream.
pub(super) async fn give(events: &mpsc::Sender<Event>, event: Event, session: Option<&Session>) {
    if let Err(mpsc::error::SendError(Event::Request(question))) = events.send(event).await
        && let Some(session) = session
    {
        session.listener.ask(question);
    }
}

async fn run(call: Call, events: mpsc::Sender<Event>) {
    let session = call.asked.caller.session.clone();
    let ticket = session.as_ref().map(|session| session.calls.begin(call.asked.id.clone()));
    let (serial, cancelled) = ticket.unzip();
    let cancels = call.asked.caller.cancels_by_closing();
    let taken_back = async {
        let taken_back = match cancelled {
            Some(cancelled) => cancelled.await.is_ok(),
            None => false,
        };
        if !taken_back {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = work(call, &events) => {}
        () = taken_back => {}
        () = events.closed(), if cancels => {}
    }
    if let (Some(session), Some(serial)) = (session, serial) {
        session.calls.end(serial);
    }
}

async fn work(call: Call, events: &mpsc::Sender<Event>) {
    let id = call.asked.id.clone();
    let answer = match bring(&call, events).await {
        Ok(Brought::Sent(client, in_flight, rising, own)) => {
            let rounds = Rounds::of(&call, &client, own);
            let session = call.asked.caller.session.clone();
            let Call { asked, params } = call;
            // They may be long, and the server has them.
            drop(params);
            let mut live = Live::inside_task(asked, client, in_flight, rising, rounds);
            while let Some(event) = live.next().await {
                give(events, event, session.as_deref()).await;
            }
            return;
        }
        Ok(Brought::Alone(client, in_flight, rising, lane)) => {
            // In a task of its own: it outlives the exchange that it began in.
            let tasks = call.asked.front.tasks().clone();
            tasks.spawn(held::run(call, client, in_flight, rising, lane, events.clone()));
            return;
        }
        Ok(Brought::Answered(answer)) => answer,
        Err(error) => Answer::error(Some(id.as_bytes()), &error),
    };
    let _ = events.send(Event::Answer(answer)).await;
}

enum Brought {
    Sent(Arc<Client>, InFlight, Rising, Option<Bytes>),
    /// The same on a lane.
    Alone(Arc<Client>, InFlight, Rising, Lane),
    Answered(Answer),
}

async fn bring(call: &Call, events: &mpsc::Sender<Event>) -> Result<Brought, RpcError> {
    let route = match find(call)? {
        Some(route) => route,
        None => {
            // Its server may be about to come up.
            call.asked.front.directory().wait().await;
            if let Some(session) = &call.asked.caller.session {
                session.own.wait().await;
            }
            let mut found = find(call)?;
            if found.is_none() {
                call.asked.front.directory().wait_for_first(FIRST_WAIT).await;
                found = find(call)?;
            }
            match found {
                Some(route) => route,
                None => return search(call).await.map(Brought::Answered),
            }
        }
    };
    let sink = call
        .asked
        .token
        .clone()
        .map(|token| Arc::new(Provisioning::new(events.clone(), token, &route.server)));
    let mut tries = 0;
    let mut lane: Option<Lane> = None;
    loop {
        let watcher = sink.clone().map(|sink| sink as Arc<dyn ProgressSink>);
        let owner = lane.as_ref().map_or(call.asked.caller.owner(), Lane::owner);
        let client = call.asked.front.pool().acquire(&route.server, owner, watcher).await;
        let client = client.map_err(|error| not_up(call, &route.server, &error))?;
        if lane.is_none() && call.asked.may_be_held(&client) {
            lane = Some(call.asked.front.held().lane(
                &route.server,
                &call.asked.declared,
                call.asked.front.pool(),
            )?);
            continue;
        }
        if let Some(answer) = call.answer_without(&client) {
            return Ok(Brought::Answered(answer));
        }
        match call.send_in_turn(&client, route.own.as_deref()).await {
            Ok(in_flight) => {
                let rising = sink.as_ref().map_or_else(Rising::default, |sink| sink.end());
                return Ok(match lane {
                    Some(lane) => Brought::Alone(client, in_flight, rising, lane),
                    None => Brought::Sent(client, in_flight, rising, route.own),
                });
            }
            // It came up and died again before it was asked anything. Once more, and no further: the pool knows when to give up.
            Err(SendError::Gone { .. }) if tries == 0 => tries += 1,
            Err(error) => return Err(refused(&route.server, &error)),
        }
    }
}

fn find(call: &Call) -> Result<Option<Route>, RpcError> {
    Ok(call.find(&call.name()?))
}

/// What to say about a name that nobody offers. A resource may exist without being listed, as those do that tools hand out; the
/// servers which this client uses already are asked for it one after the other. None is started for it.
async fn search(call: &Call) -> Result<Answer, RpcError> {
    let name = call.name()?;
    let view = call.asked.front.directory().serve(call.asked.caller.session.as_deref());
    let clash = match call.asked.wanted {
        Wanted::Tool => &view.tools.clash,
        Wanted::Prompt => &view.prompts.clash,
        Wanted::Resource | Wanted::Completion => &None,
    };
    // Where equal names are an error, two servers may offer it, and that is what has to be mended.
    if let Some(clash) = clash {
        return Err(RpcError::new(NAME_CLASH, clash.clone()));
    }
    let unknown = match call.asked.wanted {
        Wanted::Tool => RpcError::unknown("tool", &name, view.nearest(Kinds::TOOLS, &name)),
        Wanted::Prompt => RpcError::unknown("prompt", &name, view.nearest(Kinds::PROMPTS, &name)),
        Wanted::Resource => RpcError::unknown_resource(&name, call.asked.caller.era),
        Wanted::Completion => unknown_reference(call, &name),
    };
    if call.asked.wanted != Wanted::Resource {
        return Err(unknown);
    }
    for server in view.resource_servers() {
        let Some(client) = call.asked.front.pool().peek(server, call.asked.caller.owner()) else { continue };
        let Ok(mut in_flight) = call.send_in_turn(&client, None).await else { continue };
        while let Ok(incoming) = in_flight.next().await {
            let Incoming::Response(envelope) = incoming else { continue };
            let not_found = envelope.kind() == Kind::Error
                && envelope.error().is_some_and(|raw| {
                    matches!(
                        ErrorBody::scan(&raw).code,
                        code::RESOURCE_NOT_FOUND | code::INVALID_PARAMS | code::METHOD_NOT_FOUND
                    )
                });
            if not_found {
                break;
            }
            return Ok(call.asked.relay(&client, &envelope));
        }
    }
    Err(unknown)
}

fn not_up(call: &Call, server: &str, error: &AcquireError) -> RpcError {
    match error {
        AcquireError::Failed { failure, .. } => RpcError::start_failed(server, failure),
        AcquireError::Busy { .. } | AcquireError::Retired => RpcError::server(SERVER_BUSY, server, error),
        AcquireError::ShuttingDown => RpcError::new(SHUTTING_DOWN, "the gateway is shutting down"),
        // It was taken out of the configuration a moment ago.
        AcquireError::UnknownServer(_) => match call.asked.wanted {
            Wanted::Resource => {
                RpcError::unknown_resource(&call.name().unwrap_or_default(), call.asked.caller.era)
            }
            Wanted::Completion => unknown_reference(call, &call.name().unwrap_or_default()),
            Wanted::Tool => RpcError::unknown("tool", &call.name().unwrap_or_default(), None),
            Wanted::Prompt => RpcError::unknown("prompt", &call.name().unwrap_or_default(), None),
        },
    }
}

fn unknown_reference(call: &Call, name: &str) -> RpcError {
    RpcError::unknown(if call.is_about_prompt() { "prompt" } else { "resource template" }, name, None)
}
