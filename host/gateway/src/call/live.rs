//! A request that a server has, seen from the client's side.

use super::progress::Rising;
use super::rounds::{Round, Rounds};
use super::{Asked, Event};
use crate::answer::Answer;
use crate::caller::Link;
use crate::calls::Begun;
use crate::error::{RpcError, SERVER_GONE, TIMED_OUT};
use crate::session::Session;
use crate::unasked::{ask, plain};
use host_message::{Params, method};
use host_pool::{CallError, Client, InFlight, Incoming, Outgoing};
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
    /// What it takes to repeat the call with what the client has answered; `None` where nobody can ask for that.
    rounds: Option<Box<Rounds>>,
    /// The call with what the client has answered, until the server has room for it.
    again: Option<Box<Params>>,
    /// Whether a task of its own goes on when this is dropped too early.
    detach: bool,
}

impl Live {
    /// A request that was just sent, for a client that waits in the same task.
    pub(super) fn new(
        asked: Asked,
        client: Arc<Client>,
        in_flight: InFlight,
        rounds: Option<Box<Rounds>>,
    ) -> Self {
        let ticket = asked.caller.session.as_ref().map(|session| session.calls.begin(asked.id.clone()));
        let detach = asked.caller.link == Link::Http && !asked.caller.cancels_by_closing();
        let (in_flight, rising) = (Some(in_flight), Rising::default());
        Self { asked, client, in_flight, ticket, rising, rounds, again: None, detach }
    }

    /// The same inside a task that ends when the client takes the request back.
    pub(super) fn inside_task(
        asked: Asked,
        client: Arc<Client>,
        in_flight: InFlight,
        rising: Rising,
        rounds: Option<Box<Rounds>>,
    ) -> Self {
        let in_flight = Some(in_flight);
        Self { asked, client, in_flight, ticket: None, rising, rounds, again: None, detach: false }
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

    /// The session of a client that can be asked while its call goes on.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.asked.caller.session.clone()
    }

    /// The next event; `None` after the answer, and when the client has taken the request back.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(params) = &self.again {
                // In a box, because the way of nearly every call comes by here and must not carry it.
                let sent = Box::pin(self.client.request_in_turn(again(&self.asked, params)));
                let sent = or_cancelled(sent, &mut self.ticket).await;
                self.again = None;
                match sent {
                    Some(Ok(in_flight)) => self.in_flight = Some(in_flight),
                    Some(Err(error)) => {
                        let error = super::refused(self.client.server(), &error);
                        return Some(self.over(&error));
                    }
                    None => {
                        self.rounds = None;
                        return None;
                    }
                }
            }
            let step = match &mut self.in_flight {
                Some(in_flight) => or_cancelled(in_flight.next(), &mut self.ticket).await.map(Step::Upward),
                None => match self.rounds.as_mut().filter(|rounds| rounds.is_open()) {
                    Some(rounds) => or_cancelled(rounds.next(), &mut self.ticket).await.map(Step::Downward),
                    None => return None,
                },
            };
            let Some(step) = step else {
                (self.in_flight, self.rounds) = (None, None);
                return None;
            };
            let event = match step {
                Step::Upward(incoming) => self.upward(incoming),
                Step::Downward(Round::Ask(question)) => Some(Event::Request(question)),
                Step::Downward(Round::Again(params)) => {
                    self.again = Some(params);
                    None
                }
                Step::Downward(Round::Over(error)) => Some(self.over(&error)),
            };
            if event.is_some() {
                return event;
            }
        }
    }

    fn upward(&mut self, incoming: Result<Incoming, CallError>) -> Option<Event> {
        match incoming {
            Ok(Incoming::Progress(params)) => {
                let token = self.asked.token.as_deref()?;
                self.rising.message(&params, token).map(Event::Progress)
            }
            Ok(Incoming::Notification(message)) => {
                let log = message.method() == Some(method::MESSAGE) && self.asked.wants_log(&message);
                log.then(|| Event::Progress(plain(&message)))
            }
            Ok(Incoming::Request(request)) => {
                // A modern client is asked in another way (`held`); letting the request go refuses it.
                let session = self.asked.caller.session.as_ref()?;
                ask(session, request, self.asked.front.tasks()).map(Event::Request)
            }
            Ok(Incoming::Response(envelope)) => {
                self.in_flight = None;
                if let Some(rounds) = &mut self.rounds {
                    match rounds.begin(&envelope, &self.asked) {
                        Ok(false) => {}
                        Ok(true) => return None,
                        Err(error) => return Some(self.over(&error)),
                    }
                }
                Some(Event::Answer(self.asked.relay(&self.client, &envelope)))
            }
            Err(error) => {
                let error = failed(self.client.server(), &error);
                Some(self.over(&error))
            }
        }
    }

    fn over(&mut self, error: &RpcError) -> Event {
        (self.in_flight, self.rounds) = (None, None);
        Event::Answer(Answer::error(Some(self.asked.id.as_bytes()), error))
    }
}

/// The call with what the client has answered.
fn again<'a>(asked: &'a Asked, params: &'a Params) -> Outgoing<'a> {
    let outgoing = Outgoing::new(asked.wanted.method()).params(params).declared(asked.declared());
    match asked.level() {
        Some(level) => outgoing.log_level(level.as_str()),
        None => outgoing,
    }
}

/// What has happened on one of the two sides.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and the large one is the way of nearly every call"
)]
enum Step {
    Upward(Result<Incoming, CallError>),
    Downward(Round),
}

/// The future's value, or `None` if the client takes its request back first. Dropping what is in flight tells the server; nothing more is said
/// about this id.
async fn or_cancelled<T>(future: impl Future<Output = T>, ticket: &mut Option<Begun>) -> Option<T> {
    match ticket {
        Some((_, cancelled)) => tokio::select! {
            biased;
            value = future => Some(value),
            Ok(()) = cancelled => None,
        },
        None => Some(future.await),
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let (Some((serial, cancelled)), Some(session)) = (self.ticket.take(), &self.asked.caller.session) {
            // Before its sender, whose end would wake whoever listens: this task.
            drop(cancelled);
            session.calls.end(serial);
        }
        // The connection of a legacy client broke. That is no cancellation: the work is finished and the answer thrown away.
        if self.detach
            && let Some(mut in_flight) = self.in_flight.take()
        {
            let (session, tasks) = (self.asked.caller.session.clone(), self.asked.front.tasks().clone());
            self.asked.front.tasks().spawn(async move {
                while let Ok(incoming) = in_flight.next().await {
                    match incoming {
                        Incoming::Response(_) => return,
                        Incoming::Request(request) => {
                            if let Some(session) = &session
                                && let Some(question) = ask(session, request, &tasks)
                            {
                                session.listener.ask(question);
                            }
                        }
                        Incoming::Progress(_) | Incoming::Notification(_) => {}
                    }
                }
            });
        }
    }
}

/// A server that got the request and gave no answer.
pub(super) fn failed(server: &str, error: &CallError) -> RpcError {
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
