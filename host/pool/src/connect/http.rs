//! A server behind HTTP, as a wire sees it: messages go out one by one, each with an exchange of its own, and come back to the wire with the
//! call on whose stream they came.
//!
//! On standard streams everything is one stream each way, so the wire writes and a reader reads. Over HTTP each message is a request: the
//! answer of a call is the body of its response, one object or a stream of events that may carry notifications and requests of the server
//! before it; what belongs to no call comes on a stream that is asked for with GET (legacy), or on that of `subscriptions/listen` (modern).
//! So an [`Http`] has a task per message and hands every message that comes to [`Wire::message`], with the call's id where there is one. Nothing
//! of this is on the way of servers with standard streams.
//!
//! A legacy session that the server has forgotten (404, or a 400 that can mean nothing else) is begun anew in the place of the old one and the call
//! repeated once, because the server has not seen it; what it answers then is that call's answer. A stream that breaks off is resumed after its last event where the server numbers its events. Both are the transport's own
//! matter (`mcp-ecosystem.md` 3); what is lost with a session, such as subscriptions, is told by events.

mod answer;
mod head;
mod old;
mod session;
mod stream;

use crate::event::{Changed, Event};
use crate::wire::Wire;
use crate::writer::NotSent;
use crate::{Client, ListKind, SendError};
use answer::{Whole, collect};
use bytes::Bytes;
use head::{Common, SESSION};
use host_message::{Envelope, ErrorBody, Mirror, Revision, code, method};
use host_provisioner::{Blotter, BoxBody, Failure, HttpChannel, HttpEndpoint, HttpProtocol};
use http::{Response, StatusCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of an answer that is no success.
const REFUSAL_LIMIT: usize = 64 << 10;
/// Bytes of it that a failure shows.
const SHOWN: usize = 300;
/// How long a message may take that nobody answers, and a session that is begun anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of messages that nobody answers and that are on their way at once.
const MOST_TOLD: usize = 16 << 20;
/// What each of them counts for at least: it has a connection of its own.
const LEAST_TOLD: usize = 64 << 10;
/// How long the end of a session may take.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the rest of a stream may take whose answer is there, so that its connection can be used again.
const REST: Duration = Duration::from_millis(500);

/// See the module.
pub(crate) struct Http {
    channel: Arc<dyn HttpChannel>,
    url: String,
    protocol: Option<HttpProtocol>,
    limit: usize,
    /// Takes the server's secrets out of its words.
    blotter: Blotter,
    tracker: TaskTracker,
    wire: OnceLock<Weak<Wire>>,
    client: OnceLock<Weak<Client>>,
    /// Counts the sessions that were begun in the place of lost ones.
    renewed: watch::Sender<u64>,
    state: Mutex<State>,
    /// Whether the server was told that the handshake is over; until then nothing else may be sent.
    open: watch::Sender<bool>,
    renewing: tokio::sync::Mutex<()>,
    /// Bytes that may still go on their way without an answer: a server that takes nothing costs no more than this.
    told: Arc<Semaphore>,
    closed: CancellationToken,
}

#[derive(Default)]
struct State {
    common: Common,
    /// How often the session was begun anew.
    generation: u64,
    /// When it was begun anew the last time, and the pause before that.
    renewed: Option<Instant>,
    pause: Duration,
    /// HTTP+SSE: where messages go.
    posts_to: Option<String>,
    /// Calls on their way, each with what ends it.
    running: HashMap<u64, CancellationToken>,
    /// Ends the stream for unsolicited messages.
    stream: Option<CancellationToken>,
    /// The message that began the session.
    initialize: Option<Bytes>,
    /// The message that asked for a level of log messages last, which a new session must hear too.
    level: Option<Bytes>,
    /// Why the server was not reached, or would not have us.
    refusal: Option<Failure>,
    /// Arguments that tools want repeated in headers.
    tools: HashMap<Box<str>, Arc<[Mirror]>>,
}

/// Why an exchange came to nothing.
enum Trouble {
    /// This one.
    Call(String),
    /// All of them: nobody is there any more.
    Dead(String),
}

/// How an exchange went.
enum Done {
    /// What came has been handed over.
    Here,
    /// The answer comes on another stream.
    Elsewhere,
}

impl Http {
    pub(crate) fn new(
        endpoint: HttpEndpoint,
        limit: usize,
        blotter: Blotter,
        tracker: &TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            channel: endpoint.channel,
            url: endpoint.url,
            protocol: endpoint.protocol,
            limit,
            blotter,
            tracker: tracker.clone(),
            wire: OnceLock::new(),
            client: OnceLock::new(),
            renewed: watch::Sender::new(0),
            state: Mutex::default(),
            open: watch::Sender::new(false),
            renewing: tokio::sync::Mutex::default(),
            told: Arc::new(Semaphore::new(MOST_TOLD)),
            closed: CancellationToken::new(),
        })
    }

    /// Says to whom messages are handed. Before the first one is sent.
    pub(crate) fn attach(&self, wire: &Arc<Wire>) {
        let _ = self.wire.set(Arc::downgrade(wire));
    }

    /// Says whose calls these are, once the handshake is over.
    pub(crate) fn serve(&self, client: &Arc<Client>) {
        let _ = self.client.set(Arc::downgrade(client));
    }

    /// See [`Client::renewals`].
    pub(crate) fn renewals(self: &Arc<Self>) -> watch::Receiver<u64> {
        self.renewed.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wire(&self) -> Option<Arc<Wire>> {
        self.wire.get()?.upgrade()
    }

    /// Sends a message; `call` is the id and the method of one that will be answered.
    pub(crate) fn send(self: &Arc<Self>, call: Option<(u64, &str)>, message: Bytes) -> Result<(), NotSent> {
        if self.closed.is_cancelled() {
            return Err(NotSent::Closed);
        }
        let (http, stop) = (Arc::clone(self), self.closed.child_token());
        let Some((id, name)) = call else {
            let size = u32::try_from(message.len().clamp(LEAST_TOLD, MOST_TOLD)).unwrap_or(u32::MAX);
            let Ok(place) = Arc::clone(&self.told).try_acquire_many_owned(size) else {
                return Err(NotSent::Refused(SendError::Backlog { limit: MOST_TOLD }));
            };
            self.tracker.spawn(async move {
                stop.run_until_cancelled(http.tell(&message)).await;
                drop(place);
            });
            return Ok(());
        };
        let name = name.to_owned();
        self.state().running.insert(id, stop.clone());
        self.tracker.spawn(async move {
            stop.run_until_cancelled(http.call(id, &name, &message)).await;
            http.state().running.remove(&id);
        });
        Ok(())
    }

    /// Nobody waits for this call any more. Closing its stream is what tells a modern server; a legacy one gets `notice`.
    pub(crate) fn forget(self: &Arc<Self>, id: u64, notice: Option<Bytes>) {
        let (running, modern) = {
            let mut state = self.state();
            (state.running.remove(&id), state.common.mirrors)
        };
        if let Some(running) = running {
            running.cancel();
        }
        if let Some(notice) = notice.filter(|_| !modern) {
            let _ = self.send(None, notice);
        }
    }

    /// Both sides agreed on this revision.
    pub(crate) fn agreed(&self, revision: Revision) {
        let modern = revision.era().is_modern();
        let mut state = self.state();
        state.refusal = None;
        state.common.mirrors = modern;
        // The oldest revision does not know the header, and over HTTP+SSE nobody does.
        let says = revision > Revision::V2025_03_26 && state.posts_to.is_none();
        state.common.version = says.then_some(revision.as_str());
        drop(state);
        if modern {
            self.open.send_replace(true);
        }
    }

    /// Why the server was not reached, or would not have us.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        self.state().refusal.clone()
    }

    /// Whether the server is known to have no era but the old one.
    pub(crate) fn is_old(&self) -> bool {
        self.protocol == Some(HttpProtocol::Sse)
    }

    /// Which arguments the tools of the server want repeated.
    pub(crate) fn learn(&self, tools: HashMap<Box<str>, Arc<[Mirror]>>) {
        self.state().tools = tools;
    }

    /// Ends everything that is on its way, and the session.
    pub(crate) fn close(&self) {
        if self.closed.is_cancelled() {
            return;
        }
        self.closed.cancel();
        let common = self.state().common.clone();
        // Without a runtime nobody is there to say goodbye.
        if common.session.is_none() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (channel, url) = (Arc::clone(&self.channel), self.url.clone());
        self.tracker.spawn(async move {
            if let Ok(request) = common.delete(&url) {
                // A server may refuse, or be gone: it forgets the session in its own time then.
                let _ = tokio::time::timeout(GOODBYE, channel.send(request)).await;
            }
        });
    }

    async fn is_open(&self) {
        let mut open = self.open.subscribe();
        // The sender lives in `self`.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Carries a message that nobody answers.
    async fn tell(self: Arc<Self>, message: &Bytes) {
        let envelope = Envelope::parse(message.clone());
        let ends_handshake = envelope.is_ok_and(|envelope| envelope.method() == Some(method::INITIALIZED));
        if !ends_handshake {
            self.is_open().await;
        }
        let sent = match tokio::time::timeout(PATIENCE, self.post(message, None)).await {
            Ok(sent) => sent,
            Err(_) if ends_handshake => Err(Trouble::Dead(format!(
                "it did not take the end of the handshake within {} s",
                PATIENCE.as_secs()
            ))),
            Err(_) => Err(Trouble::Call(format!("not within {} s", PATIENCE.as_secs()))),
        };
        match sent {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => {
                tracing::debug!(url = self.url, status = %response.status(), "a message was not taken");
            }
            Err(Trouble::Dead(reason)) => return self.die(&reason),
            Err(Trouble::Call(reason)) => tracing::debug!(url = self.url, reason, "a message was not taken"),
        }
        if ends_handshake {
            self.open.send_replace(true);
            // Over HTTP+SSE everything comes on one stream, which is there.
            if self.state().posts_to.is_none() {
                self.listen();
            }
        }
    }

    /// Carries a call to its answer.
    async fn call(self: &Arc<Self>, id: u64, name: &str, message: &Bytes) {
        match name {
            method::DISCOVER => {
                let version = Some(Revision::LATEST.as_str());
                self.state().common = Common { version, mirrors: true, session: None };
            }
            method::INITIALIZE => {
                let mut state = self.state();
                state.common = Common::default();
                // What it thought of the question before is over.
                state.refusal = None;
                state.initialize = Some(message.clone());
            }
            _ => self.is_open().await,
        }
        if name == method::SET_LEVEL {
            self.state().level = Some(message.clone());
        }
        let trouble = match self.exchange(id, name, message).await {
            Ok(Done::Elsewhere) => return,
            Ok(Done::Here) => Trouble::Call("the server answered something else than was asked".to_owned()),
            Err(trouble) => trouble,
        };
        match (trouble, self.wire()) {
            (Trouble::Dead(reason), _) => self.die(&reason),
            // Without effect if it was answered.
            (Trouble::Call(reason), Some(wire)) => wire.fail_call(id, &reason),
            (Trouble::Call(_), None) => {}
        }
    }

    fn die(&self, reason: &str) {
        if let Some(wire) = self.wire() {
            wire.die(reason);
        }
    }

    async fn exchange(self: &Arc<Self>, id: u64, name: &str, message: &Bytes) -> Result<Done, Trouble> {
        if self.is_old() && self.state().posts_to.is_none() {
            self.begin_old().await?;
        }
        if self.state().posts_to.is_some() {
            let response = self.post(message, None).await?;
            return match response.status().is_success() {
                true => Ok(Done::Elsewhere),
                false => self.refused(id, response).await,
            };
        }
        let tool = (name == method::TOOLS_CALL).then(|| self.tool(message)).flatten();
        let mut response = self.post(message, tool.clone()).await?;
        if name == method::TOOLS_CALL && response.status() == StatusCode::BAD_REQUEST {
            let (wanted, refused) = self.wants_headers(response).await?;
            response = refused;
            if wanted && self.lists_anew().await {
                let now = self.tool(message);
                if now != tool {
                    response = self.post(message, now).await?;
                }
            }
        }
        let status = response.status();
        if status.is_success() {
            if name == method::INITIALIZE {
                self.state().common.session = response.headers().get(SESSION).cloned();
            }
            return self.answer(id, response).await;
        }
        let unknown = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        );
        if name == method::INITIALIZE && unknown && self.protocol.is_none() {
            // `mcp-ecosystem.md` 1: then it may be a server of the first revision.
            let first = self.refused(id, response);
            return match self.begin_old().await {
                Ok(()) => match self.post(message, None).await?.status().is_success() {
                    true => Ok(Done::Elsewhere),
                    false => first.await,
                },
                Err(_) => first.await,
            };
        }
        self.refused(id, response).await
    }

    /// The same answer, and whether it says that headers and body disagree: the server was not called, and may want other arguments repeated
    /// than when it listed its tools (`mcp-ecosystem.md` 3 and 4).
    async fn wants_headers(&self, response: Response<BoxBody>) -> Result<(bool, Response<BoxBody>), Trouble> {
        let (head, body) = response.into_parts();
        let body = collect(body, REFUSAL_LIMIT).await?;
        let error = Envelope::parse(body.clone()).ok().and_then(|envelope| envelope.error());
        let wants = error.is_some_and(|error| ErrorBody::scan(&error).code == code::HEADER_MISMATCH);
        Ok((wants, Response::from_parts(head, BoxBody::new(Whole(body)))))
    }

    /// Has the server list its tools again, and says so to those who keep the list. False if it does not.
    async fn lists_anew(&self) -> bool {
        let Some(client) = self.client.get().and_then(Weak::upgrade) else { return false };
        if let Err(error) = client.list(ListKind::Tools).await {
            tracing::debug!(url = self.url, %error, "tools were not listed again");
            return false;
        }
        if let Some(wire) = self.wire() {
            let (server, owner) = (Arc::clone(&wire.server), wire.owner());
            wire.emit(Event::ListChanged { server, owner, what: Changed::Tools });
        }
        true
    }

    fn tool(&self, message: &Bytes) -> Option<Arc<[Mirror]>> {
        let state = self.state();
        if !state.common.mirrors || state.tools.is_empty() {
            return None;
        }
        let params = Envelope::parse(message.clone()).ok()?.params()?;
        let name = params.text(params.name()?).ok()?;
        state.tools.get(name.as_ref()).cloned()
    }
}
