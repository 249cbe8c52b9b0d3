//! Requests to a client of the legacy era that wait for its answer, under ids of ours.

use bytes::Bytes;
use host_message::{Digits, Envelope, Kind, Params, code, method, notification, request};
use host_pool::ServerRequest;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Requests that one client may have open.
const MOST: usize = 256;

/// A request on its way to a client. It must reach it, unless nobody wants its answer any more.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) message: Bytes,
    over: CancellationToken,
}

impl Question {
    /// Whether it was answered or taken back, or who asked has gone: then nothing is to hold it.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }
}

/// The requests of one session.
#[derive(Debug, Default)]
pub(crate) struct Asks(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    asker: Asker,
    over: CancellationToken,
}

/// Who wants the answer.
#[derive(Debug)]
pub(crate) enum Asker {
    /// A legacy server.
    Server(ServerRequest),
    /// The gateway itself, for a modern server.
    Round(oneshot::Sender<Envelope>),
}

impl Asks {
    /// A new request: its id and the whole of it. `None` if the client has too many open, which refuses this one.
    pub(crate) fn ask(&self, name: &str, params: Option<&[u8]>, asker: Asker) -> Option<(u64, Question)> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.open.len() >= MOST {
            return None;
        }
        inner.last += 1;
        let id = inner.last;
        let over = CancellationToken::new();
        inner.open.insert(id, Open { asker, over: over.clone() });
        Some((id, Question { message: request(id, name, params), over }))
    }

    /// The same for a request that a legacy server made. Its token for progress stays here, because the client's progress would lead nowhere.
    pub(crate) fn ask_for(&self, asked: ServerRequest) -> Option<(u64, Question)> {
        let params = asked.params().map(|params| without_token(&params));
        let name = asked.method().to_owned();
        self.ask(&name, params.as_deref(), Asker::Server(asked))
    }

    /// Takes what the client has answered. False if nobody asked.
    pub(crate) fn resolve(&self, answer: &Envelope) -> bool {
        let Some(id) = answer.id_u64() else { return false };
        let Some(asker) = self.take(id) else { return false };
        match asker {
            Asker::Server(asked) => match (answer.kind(), answer.result(), answer.error()) {
                (Kind::Response, Some(result), _) => asked.answer(&result),
                (_, _, Some(error)) => asked.fail(&error),
                _ => asked.refuse(code::INTERNAL, "the client's answer is not usable"),
            },
            // Who asked may have gone.
            Asker::Round(sender) => drop(sender.send(answer.clone())),
        }
        true
    }

    /// Forgets a request. True if it was open: then the client must be told.
    pub(crate) fn withdraw(&self, id: u64) -> bool {
        self.take(id).is_some()
    }

    fn take(&self, id: u64) -> Option<Asker> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&id)?;
        open.over.cancel();
        Some(open.asker)
    }

    /// Forgets all of them, because the client has gone; whoever asked is told.
    pub(crate) fn clear(&self) {
        let open = std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).open);
        open.values().for_each(|open| open.over.cancel());
    }
}

/// Tells a client that a request need not be answered any more.
pub(crate) fn withdrawn(id: u64) -> Bytes {
    let mut params = b"{\"requestId\":".to_vec();
    params.extend_from_slice(Digits::new(id).as_bytes());
    params.extend_from_slice(b",\"reason\":\"the server does not want an answer any more\"}");
    notification(method::CANCELLED, Some(&params))
}

fn without_token(params: &Params) -> Bytes {
    let Some(token) = params.meta_progress_token() else { return params.raw().clone() };
    let mut splice = params.splice();
    splice.remove_member(token);
    splice.build().unwrap_or_else(|_| params.raw().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_who_asked_once() {
        let asks = Asks::default();
        let (sender, mut receiver) = oneshot::channel();
        let (id, question) = asks.ask("roots/list", Some(b"{}"), Asker::Round(sender)).unwrap();
        assert_eq!(
            question.message,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\",\"params\":{}}"
        );
        let answer = |text: &'static str| Envelope::parse(Bytes::from_static(text.as_bytes())).unwrap();
        assert!(
            !asks.resolve(&answer("{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{}}")),
            "text is another id"
        );
        assert!(!question.is_over());
        assert!(asks.resolve(&answer("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1}}")));
        assert!(question.is_over());
        assert_eq!(receiver.try_recv().unwrap().result().unwrap(), "{\"a\":1}");
        assert!(!asks.resolve(&answer("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}")));
        assert!(!asks.withdraw(id));
        for _ in 0..MOST {
            assert!(asks.ask("ping", None, Asker::Round(oneshot::channel().0)).is_some());
        }
        assert!(asks.ask("ping", None, Asker::Round(oneshot::channel().0)).is_none());
        asks.clear();
        assert!(asks.ask("ping", None, Asker::Round(oneshot::channel().0)).is_some());
    }
}
