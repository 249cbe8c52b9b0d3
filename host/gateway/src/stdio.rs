//! One client on standard streams: a JSON message a line, in both directions (`mcp-ecosystem.md` 3).
//!
//! Its first request decides the era. Requests run side by side; one task writes, so that messages never mix.

mod lines;

use crate::announce::News;
use crate::answer::Answer;
use crate::call::Event;
use crate::caller::{Caller, Link};
use crate::config::Stop;
use crate::dispatch;
use crate::error::RpcError;
use crate::front::Front;
use crate::hello;
use crate::http::{check_meta, check_version};
use crate::session::Session;
use crate::unasked::updated;
use bytes::{BufMut, Bytes, BytesMut};
use host_message::{Envelope, EnvelopeError, Era, Kind, Params, RawId, Revision, method, notification};
use host_pool::{Declared, Owner};
use lines::{Line, Lines};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

/// Messages that wait to be written.
const WAITING: usize = 64;
/// Requests in flight. Whoever sends more without reading answers is not read any further.
const IN_FLIGHT: usize = 4096;
/// How long requests in flight may go on when the client has closed its end, as a script does that writes everything at once.
const AFTER_END: Duration = Duration::from_secs(30);
/// How much is written at once.
const CHUNK: usize = 64 << 10;

impl Front {
    /// Serves one client until its input ends or until it is stopped. Requests in flight are finished first, unless nobody reads the answers:
    /// `gone` resolves then. It is asked only when the input has ended.
    ///
    /// # Errors
    /// The streams cannot be read or written.
    pub async fn serve_stdio<R, W>(
        self: &Arc<Self>,
        input: R,
        output: W,
        gone: impl Future<Output = ()>,
        stop: Stop,
    ) -> io::Result<()>
    where
        R: AsyncRead + Send + Unpin,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (events, waiting) = mpsc::channel(WAITING);
        let mut writer = tokio::spawn(write(output, waiting));
        let mut connection = Connection::new(Arc::clone(self), events);
        let mut lines = Lines::new(input, self.config().message_limit);
        let read = async {
            loop {
                let line = tokio::select! {
                    biased;
                    () = stop.drain.cancelled() => return Ok(()),
                    line = lines.next() => line?,
                };
                match line {
                    Some(line) => connection.line(line).await,
                    None => return Ok(()),
                }
            }
        };
        let end = tokio::select! {
            end = read => end,
            () = stop.cut.cancelled() => Ok(()),
            written = &mut writer => return written.unwrap_or_else(|error| Err(io::Error::other(error))),
        };
        tokio::select! {
            () = connection.finish() => {}
            () = tokio::time::sleep(AFTER_END), if !stop.drain.is_cancelled() => {}
            () = gone => {}
            () = stop.cut.cancelled() => {}
        }
        connection.abandon();
        drop(connection);
        // Tasks that did not end in time hold the channel open; what was written before that is enough.
        let written = tokio::select! {
            written = &mut writer => written.unwrap_or_else(|error| Err(io::Error::other(error))),
            () = stop.cut.cancelled() => Ok(()),
        };
        end.and(written)
    }
}

/// What is known about the client.
enum Client {
    Unknown,
    /// `announcing` once it said that it is ready to be told things.
    Legacy {
        session: Arc<Session>,
        announcing: bool,
    },
    Modern(Arc<Session>),
}

/// One client on streams, whatever carries them.
pub(crate) struct Connection {
    front: Arc<Front>,
    client: Client,
    events: mpsc::Sender<Event>,
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
}

impl Connection {
    /// A client of which nothing is known yet. What there is to say to it is sent to `events`.
    pub(crate) fn new(front: Arc<Front>, events: mpsc::Sender<Event>) -> Self {
        let permits = Arc::new(Semaphore::new(IN_FLIGHT));
        Self { front, client: Client::Unknown, events, tasks: TaskTracker::new(), permits }
    }

    async fn line(&mut self, line: Line) {
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong => {
                let error = RpcError::invalid_request("the message is too long");
                return self.send(Answer::error(None, &error)).await;
            }
        };
        match Envelope::parse(bytes) {
            Ok(envelope) => self.message(envelope).await,
            Err(error) => {
                let id = error.id.clone();
                self.send(Answer::error(id.as_ref().map(RawId::as_bytes), &error.into())).await;
            }
        }
    }

    /// Takes one message, which is one line.
    pub(crate) async fn message(&mut self, envelope: Envelope) {
        match envelope.kind() {
            Kind::Request => self.request(envelope).await,
            Kind::Notification => self.notification(&envelope),
            Kind::Response | Kind::Error => self.answered(&envelope),
            Kind::Batch => self.batch(&envelope).await,
        }
    }

    async fn request(&mut self, envelope: Envelope) {
        match self.admit(&envelope) {
            Ok(Some(caller)) => self.drive(caller, envelope, self.events.clone()).await,
            Ok(None) => self.greet(&envelope).await,
            Err(error) => self.send(Answer::error(envelope.id_raw(), &error)).await,
        }
    }

    /// Who asks; `None` for a request that is answered before anybody is known.
    fn admit(&mut self, envelope: &Envelope) -> Result<Option<Caller>, RpcError> {
        let params = envelope.params();
        let params = params.as_ref();
        let has_version = params.and_then(Params::meta_protocol_version).is_some();
        let method = envelope.method().unwrap_or_default();
        match &self.client {
            Client::Legacy { session, .. } => {
                let era = Era::Legacy(session.revision);
                return Ok(Some(Caller { era, link: Link::Streams, session: Some(Arc::clone(session)) }));
            }
            Client::Unknown if !has_version && matches!(method, method::INITIALIZE | method::PING) => {
                return Ok(None);
            }
            Client::Unknown if !has_version && method != method::DISCOVER => {
                return Err(RpcError::invalid_request(
                    "the first request must be `initialize` or carry a protocol version",
                ));
            }
            Client::Unknown | Client::Modern(_) => {}
        }
        check_version(&check_meta(params)?)?;
        let session = match &self.client {
            Client::Modern(session) => Arc::clone(session),
            _ => {
                let sessions = self.front.session_table();
                let session =
                    sessions.on_streams(Revision::LATEST, Declared::NONE, self.front.announcer())?;
                self.client = Client::Modern(Arc::clone(&session));
                session
            }
        };
        Ok(Some(Caller { era: Era::Modern, link: Link::Streams, session: Some(session) }))
    }

    /// Answers `initialize` and the `ping` that may come before it.
    async fn greet(&mut self, envelope: &Envelope) {
        let id = envelope.id_raw().unwrap_or(b"null");
        if envelope.method() == Some(method::PING) {
            return self.send(Answer::result(id, b"{}")).await;
        }
        let revision = hello::agreed(envelope.params().as_ref());
        let declared = hello::declared(envelope.params().as_ref());
        let sessions = self.front.session_table();
        let session = match sessions.on_streams(revision, declared.clone(), self.front.announcer()) {
            Ok(session) => session,
            Err(error) => return self.send(Answer::error(Some(id), &error.into())).await,
        };
        if let Owner::Session(id) = &session.owner {
            self.front.pool().declare(id, declared);
        }
        self.front.begin_session(&session);
        self.client = Client::Legacy { session, announcing: false };
        self.send(Answer::result(id, &self.front.initialized(revision))).await;
    }

    fn notification(&mut self, envelope: &Envelope) {
        let (session, era) = match &mut self.client {
            Client::Unknown => return,
            Client::Legacy { session, announcing } => {
                if envelope.method() == Some(method::INITIALIZED) && !std::mem::replace(announcing, true) {
                    self.tasks.spawn(announce(Arc::clone(session), self.events.clone()));
                }
                (&*session, Era::Legacy(session.revision))
            }
            Client::Modern(session) => (&*session, Era::Modern),
        };
        let caller = Caller { era, link: Link::Streams, session: Some(Arc::clone(session)) };
        dispatch::notification(&self.front, &caller, envelope);
    }

    /// The client answers what it was asked. A modern one is never asked this way.
    fn answered(&self, envelope: &Envelope) {
        if let Client::Legacy { session, .. } = &self.client {
            let (era, session) = (Era::Legacy(session.revision), Some(Arc::clone(session)));
            dispatch::answered(&Caller { era, link: Link::Streams, session }, envelope);
        }
    }

    async fn batch(&mut self, envelope: &Envelope) {
        let session = match &self.client {
            Client::Legacy { session, .. } if session.revision == Revision::V2025_03_26 => {
                Arc::clone(session)
            }
            _ => {
                let error = RpcError::invalid_request("batches exist in revision 2025-03-26 only");
                return self.send(Answer::error(None, &error)).await;
            }
        };
        let items = envelope.batch_items();
        if items.is_empty() {
            return self.send(Answer::error(None, &RpcError::invalid_request("the batch is empty"))).await;
        }
        if items.len() > host_message::MAX_BATCH {
            let error = RpcError::invalid_request("the batch holds more than 1000 messages");
            return self.send(Answer::error(None, &error)).await;
        }
        // Answers may come one by one: JSON-RPC lets a client match them by their ids, and progress could not wait for an array.
        for item in items {
            match Envelope::parse(item) {
                Ok(envelope) if envelope.kind() == Kind::Request => {
                    let era = Era::Legacy(session.revision);
                    let caller = Caller { era, link: Link::Streams, session: Some(Arc::clone(&session)) };
                    self.drive(caller, envelope, self.events.clone()).await;
                }
                Ok(envelope) if envelope.kind() == Kind::Notification => self.notification(&envelope),
                Ok(envelope) => self.answered(&envelope),
                Err(error) => {
                    let id = error.id.clone();
                    self.send(Answer::error(id.as_ref().map(RawId::as_bytes), &error.into())).await;
                }
            }
        }
    }

    async fn drive(&self, caller: Caller, envelope: Envelope, events: mpsc::Sender<Event>) {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        let front = Arc::clone(&self.front);
        // Noted here, in the order of the lines: a cancellation right behind its request must find it, whenever the task gets to run.
        let noted = caller.session.clone().zip(envelope.id()).map(|(session, id)| {
            let begun = session.calls.begin(id);
            (session, begun)
        });
        self.tasks.spawn(async move {
            let work = dispatch::drive(front, caller, envelope, events);
            match noted {
                None => work.await,
                Some((session, (serial, cancelled))) => {
                    tokio::select! {
                        biased;
                        Ok(()) = cancelled => {}
                        () = work => {}
                    }
                    session.calls.end(serial);
                }
            }
            drop(permit);
        });
    }

    async fn send(&self, answer: Answer) {
        // If nobody writes any more, the loop that reads ends by itself.
        let _ = self.events.send(Event::Answer(answer)).await;
    }

    /// Waits for the requests in flight, after ending what has no end of its own.
    pub(crate) async fn finish(&self) {
        match &self.client {
            Client::Unknown => {}
            Client::Legacy { session, .. } | Client::Modern(session) => session.close_streams(),
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Takes back what is still in flight.
    pub(crate) fn abandon(&self) {
        if let Client::Legacy { session, .. } | Client::Modern(session) = &self.client {
            session.calls.cancel_all();
            self.front.end_session(session);
        }
    }
}

/// A message over HTTP may be laid out over several lines; towards servers on streams a line is a message. The breaks become blanks,
/// which stand between tokens only: inside of a string there are none, as the first reading has made sure.
pub(crate) fn one_line(envelope: Envelope) -> Result<Envelope, EnvelopeError> {
    if memchr::memchr2(b'\n', b'\r', envelope.bytes()).is_none() {
        return Ok(envelope);
    }
    let mut bytes = envelope.bytes().to_vec();
    bytes.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    Envelope::parse(bytes.into())
}

/// Tells a legacy client what it did not ask for.
async fn announce(session: Arc<Session>, events: mpsc::Sender<Event>) {
    loop {
        let messages: Vec<Bytes> = match session.listener.news().await {
            News::Changed(kinds) => kinds.methods().map(|method| notification(method, None)).collect(),
            News::Updated(uris) => uris.iter().map(|uri| updated(uri)).collect(),
            News::Message(message) => vec![message],
            News::Closed => return,
        };
        for message in messages {
            if events.send(Event::Progress(message)).await.is_err() {
                return;
            }
        }
    }
}

/// Writes messages, one a line, as many at once as are waiting.
async fn write<W: AsyncWrite + Unpin>(mut output: W, mut waiting: mpsc::Receiver<Event>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(event) = waiting.recv().await {
        put_line(&mut buffer, &event.into_message());
        while buffer.len() < CHUNK
            && let Ok(event) = waiting.try_recv()
        {
            put_line(&mut buffer, &event.into_message());
        }
        output.write_all(&buffer).await?;
        output.flush().await?;
        buffer.clear();
    }
    Ok(())
}

/// A line break between tokens, which JSON allows, would end the message; it becomes a space.
fn put_line(buffer: &mut BytesMut, message: &[u8]) {
    let start = buffer.len();
    buffer.put_slice(message);
    let line = buffer.get_mut(start..).unwrap_or_default();
    if memchr::memchr2(b'\n', b'\r', line).is_some() {
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    buffer.put_u8(b'\n');
}
