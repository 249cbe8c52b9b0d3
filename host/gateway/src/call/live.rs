//! A request that a server has, seen from the client's side.

use super::progress::Rising;
use super::{Asked, Event};
use crate::answer::Answer;
use crate::caller::Link;
use crate::calls::Begun;
use crate::error::{RpcError, SERVER_GONE, TIMED_OUT};
use host_pool::{CallError, Client, InFlight, Incoming};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// See the module. Dropping it takes the request back, unless its client would want it finished.
pub(crate) struct Live {
    asked: Asked,
    client: Arc<Client>,
    /// `None` once it is over.
    in_flight: Option<InFlight>,
    /// Resolves when the client takes the request back by its id.
    ticket: Option<Begun>,
    rising: Rising,
    /// Whether a task of its own goes on when this is dropped too early.
    detach: bool,
}

impl Live {
    /// A request that was just sent, for a client that waits in the same task.
    pub(super) fn new(asked: Asked, client: Arc<Client>, in_flight: InFlight) -> Self {
        let ticket = asked.caller.session.as_ref().map(|session| session.calls.begin(asked.id.clone()));
        let detach = asked.caller.link == Link::Http && !asked.caller.cancels_by_closing();
        Self { asked, client, in_flight: Some(in_flight), ticket, rising: Rising::default(), detach }
    }

    /// The same inside a task that ends when the client takes the request back.
    pub(super) fn inside_task(
        asked: Asked,
        client: Arc<Client>,
        in_flight: InFlight,
        rising: Rising,
    ) -> Self {
        Self { asked, client, in_flight: Some(in_flight), ticket: None, rising, detach: false }
    }

    /// Where to run what goes on with this call.
    pub(super) fn tasks(&self) -> &TaskTracker {
        self.asked.front.tasks()
    }

    /// See [`Caller::cancels_by_closing`](crate::caller::Caller::cancels_by_closing).
    pub(super) fn cancels_by_closing(&self) -> bool {
        self.asked.caller.cancels_by_closing()
    }

    /// From here on it lives in a task, which outlives the client's connection by itself.
    pub(super) fn stay(&mut self) {
        self.detach = false;
    }

    /// The next event; `None` after the answer, and when the client has taken the request back.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let in_flight = self.in_flight.as_mut()?;
            let incoming = match &mut self.ticket {
                Some((_, cancelled)) => tokio::select! {
                    biased;
                    incoming = in_flight.next() => incoming,
                    Ok(()) = cancelled => {
                        // Dropping it tells the server; nothing more is said about this id.
                        self.in_flight = None;
                        return None;
                    }
                },
                None => in_flight.next().await,
            };
            match incoming {
                Ok(Incoming::Progress(params)) => {
                    let token = self.asked.token.as_deref();
                    if let Some(message) = token.and_then(|token| self.rising.message(&params, token)) {
                        return Some(Event::Progress(message));
                    }
                }
                // Log messages of a request come with a later issue; the capability is not declared.
                Ok(Incoming::Notification(_)) => {}
                Ok(Incoming::Response(envelope)) => {
                    self.in_flight = None;
                    return Some(Event::Answer(self.asked.relay(&self.client, &envelope)));
                }
                Err(error) => {
                    self.in_flight = None;
                    let error = failed(self.client.server(), &error);
                    return Some(Event::Answer(Answer::error(Some(self.asked.id.as_bytes()), &error)));
                }
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let (Some((serial, _)), Some(session)) = (&self.ticket, &self.asked.caller.session) {
            session.calls.end(*serial);
        }
        // The connection of a legacy client broke. That is no cancellation: the work is finished and the answer thrown away.
        if self.detach
            && let Some(mut in_flight) = self.in_flight.take()
        {
            self.asked.front.tasks().spawn(async move {
                while let Ok(incoming) = in_flight.next().await {
                    if matches!(incoming, Incoming::Response(_)) {
                        return;
                    }
                }
            });
        }
    }
}

/// A server that got the request and gave no answer.
fn failed(server: &str, error: &CallError) -> RpcError {
    match error {
        CallError::TimedOut { .. } => RpcError::server(TIMED_OUT, server, error),
        _ => RpcError::server(
            SERVER_GONE,
            server,
            format_args!(
                "{error}; whether the request was carried out cannot be told, the next one starts the server again"
            ),
        ),
    }
}
