//! What servers say without having been asked: requests outside of calls, log messages, and that something is finished.

use crate::asks::{Question, withdrawn};
use crate::session::{Session, Sessions};
use crate::subscriptions::{Subscriptions, about};
use bytes::Bytes;
use host_message::{Envelope, Level, Params, method};
use host_pool::{Event, Owner, Pool, ServerRequest};
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::TaskTracker;

/// Reads what the pool tells until it ends.
pub(crate) async fn read(
    pool: Arc<Pool>,
    sessions: Arc<Sessions>,
    subscriptions: Arc<Subscriptions>,
    tasks: TaskTracker,
) {
    let mut events = pool.events();
    let pool = Arc::downgrade(&pool);
    loop {
        match events.recv().await {
            Ok(Event::Asked { owner: Owner::Session(session), request, .. }) => {
                // Who is nobody's client any more refuses by letting the request go.
                if let Some(session) = sessions.get(&session)
                    && let Some(question) = ask(&session, request, &tasks)
                {
                    session.listener.ask(question);
                }
            }
            Ok(Event::Notification { server, owner, message }) => match message.method() {
                Some(method::MESSAGE) => {
                    let tell = |session: &Session| {
                        if session.wants_log(&message) {
                            session.listener.post(&plain(&message));
                        }
                    };
                    match owner {
                        Owner::Session(session) => {
                            sessions.get(&session).iter().for_each(|session| tell(session))
                        }
                        Owner::Shared => {
                            // Also the instance that only lists for others is nobody's: its words are for those who use it.
                            let shared =
                                pool.upgrade().and_then(|pool| pool.is_shared(&server)) == Some(true);
                            sessions.each(|session| {
                                if shared || session.owner == Owner::Shared {
                                    tell(session);
                                }
                            });
                        }
                    }
                }
                Some(method::ELICITATION_COMPLETE) => {
                    if let Owner::Session(session) = owner
                        && let Some(session) = sessions.get(&session)
                    {
                        session.listener.post(&plain(&message));
                    }
                }
                Some(method::RESOURCE_UPDATED) => {
                    subscriptions.updated(&server, &owner, &message);
                }
                _ => {}
            },
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Asks a legacy client for a server. The question is for whoever can deliver it; `None` if the client has too many open. When the server
/// takes it back the client is told.
pub(crate) fn ask(session: &Arc<Session>, request: ServerRequest, tasks: &TaskTracker) -> Option<Question> {
    let over = request.withdrawn().clone();
    let (id, question) = session.asks.ask_for(request)?;
    let session = Arc::downgrade(session);
    tasks.spawn(async move {
        over.cancelled().await;
        if let Some(session) = session.upgrade()
            && session.asks.withdraw(id)
        {
            session.listener.post(&withdrawn(id));
        }
    });
    Some(question)
}

/// The notification as a legacy client gets it: all of a message that is not the envelope of its hop.
pub(crate) fn plain(message: &Envelope) -> Bytes {
    host_message::notification(message.method().unwrap_or_default(), message.params_raw())
}

/// The level of a log message; `None` for one that names none of the protocol's.
pub(crate) fn level_of(params: &Params) -> Option<Level> {
    params.level().and_then(|level| params.text(level).ok()).and_then(|text| Level::parse(&text))
}

/// Tells a legacy client that a resource was updated.
pub(crate) fn updated(uri: &str) -> Bytes {
    host_message::notification(method::RESOURCE_UPDATED, Some(&about(uri, b"")))
}
