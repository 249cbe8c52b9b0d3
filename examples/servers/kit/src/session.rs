//! One client's conversation: the loop over lines, the two eras, and subscriptions.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};

use serde_json::{Map, Value, json, value::RawValue};

use crate::methods::{object, text};
use crate::server::Server;
use crate::wire::{Failure, Line, Message, Response, read_line, write_line};

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const NEWEST_LEGACY: &str = "2025-11-25";
/// The one revision in which several messages may come as one array.
const BATCHING: &str = "2025-03-26";
const MODERN: [&str; 1] = ["2026-07-28"];

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// How many subscriptions one client may hold.
const MOST_SUBSCRIPTIONS: usize = 256;
/// For how long clients may keep what does not change while the program runs.
const FIXED_TTL: u64 = 3_600_000;

impl Server {
    /// Answers messages until the input ends.
    ///
    /// # Errors
    /// When the input cannot be read or the output cannot be written. A client that closes both is no error.
    pub fn serve(&self, mut input: impl BufRead, output: impl Write) -> io::Result<()> {
        let mut session = Session {
            server: self,
            output,
            era: Era::Open,
            watched: BTreeSet::new(),
            listeners: Vec::new(),
            failed: None,
        };
        let mut line = Vec::new();
        let ended = loop {
            let step = match read_line(&mut input, &mut line) {
                Ok(Line::Whole) => session.receive(&line),
                Ok(Line::TooLong) => session.send(&Response {
                    id: Value::Null,
                    outcome: Err(Failure::envelope("the message is too long")),
                }),
                Ok(Line::End) => break session.end(),
                Err(cause) => Err(cause),
            };
            if let Err(cause) = step.and_then(|()| session.failed.take().map_or(Ok(()), Err)) {
                break Err(cause);
            }
        };
        match ended {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

/// How the client talks to us; its first request decides.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Era {
    /// Nothing but `server/discover` and `ping` so far.
    Open,
    Legacy(&'static str),
    Modern,
}

/// An open `subscriptions/listen`, with what was granted.
struct Listener {
    id: Value,
    list_changed: bool,
    updated: BTreeSet<String>,
}

/// One client, and what was agreed with it.
pub(crate) struct Session<'a, W> {
    pub(crate) server: &'a Server,
    pub(crate) output: W,
    pub(crate) era: Era,
    /// The resources a legacy client subscribed to.
    watched: BTreeSet<String>,
    listeners: Vec<Listener>,
    /// A write that failed inside a handler, where it cannot be returned.
    pub(crate) failed: Option<io::Error>,
}

impl<W: Write> Session<'_, W> {
    fn receive(&mut self, line: &[u8]) -> io::Result<()> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if line.starts_with(b"[") && self.era == Era::Legacy(BATCHING) {
            return self.receive_batch(line);
        }
        let mut changes = Changes::default();
        let response = self.answer(line, &mut changes)?;
        // Before the answer: a client that lists as soon as it has it, perhaps through a gateway that keeps lists, then sees the change.
        self.announce(&changes)?;
        response.map_or(Ok(()), |response| self.send(&response))
    }

    fn receive_batch(&mut self, line: &[u8]) -> io::Result<()> {
        let mut changes = Changes::default();
        let mut responses = Vec::new();
        match serde_json::from_slice::<Vec<&RawValue>>(line) {
            Ok(messages) if !messages.is_empty() => {
                for message in messages {
                    responses.extend(self.answer(message.get().as_bytes(), &mut changes)?);
                }
            }
            Ok(_) => return self.fail(Failure::envelope("a batch has at least one message")),
            Err(cause) => return self.fail(Failure::parse(&cause)),
        }
        self.announce(&changes)?;
        if responses.is_empty() { Ok(()) } else { self.send(&responses) }
    }

    /// Answers one message; notifications and open subscriptions have no answer.
    fn answer(&mut self, text: &[u8], changes: &mut Changes) -> io::Result<Option<Response>> {
        match Message::read(text) {
            Message::Request { id, method, params } => {
                let outcome = if self.listeners.iter().any(|listener| listener.id == id) {
                    Err(Failure::envelope("this id belongs to a request that is still open"))
                } else {
                    match self.request(&id, &method, &params, changes) {
                        Ok(Some(result)) => Ok(result),
                        Ok(None) => return self.acknowledge(&id).map(|()| None),
                        Err(failure) => Err(failure),
                    }
                };
                Ok(Some(Response { id, outcome }))
            }
            Message::Notification { method, params } => {
                // A cancelled request is not answered. Only a subscription can still be open when this arrives.
                if method == "notifications/cancelled"
                    && let Some(id) = params.get("requestId")
                {
                    self.listeners.retain(|listener| listener.id != *id);
                }
                Ok(None)
            }
            Message::Response => Ok(None),
            Message::Bad(response) => Ok(Some(response)),
        }
    }

    /// Chooses the era of a request, and answers it by its rules. `None`: it stays open.
    fn request(
        &mut self,
        id: &Value,
        method: &str,
        params: &Map<String, Value>,
        changes: &mut Changes,
    ) -> Result<Option<Value>, Failure> {
        let meta = params.get("_meta").and_then(Value::as_object);
        let version = meta.and_then(|meta| meta.get(META_VERSION));
        match (self.era, version) {
            (Era::Legacy(_), Some(_)) => Err(Failure::envelope(
                "this session began with `initialize`; its requests carry no protocol version",
            )),
            (Era::Legacy(_), None) => self.legacy(method, params, changes).map(Some),
            (_, Some(version)) => {
                let Some(version) = version.as_str() else {
                    return Err(Failure::parameters(format!(
                        "`_meta` field `{META_VERSION}` must be a string"
                    )));
                };
                if !MODERN.contains(&version) {
                    return Err(Failure::version(version, &MODERN));
                }
                if !meta.and_then(|meta| meta.get(META_CAPABILITIES)).is_some_and(Value::is_object) {
                    return Err(Failure::parameters(format!(
                        "`_meta` lacks the object `{META_CAPABILITIES}`"
                    )));
                }
                // A discovery may be a probe by a client that then decides for `initialize`.
                if !matches!(method, "server/discover" | "initialize") {
                    self.era = Era::Modern;
                }
                self.modern(id, method, params, changes)
            }
            (Era::Open, None) => match method {
                "initialize" => self.initialize(params).map(Some),
                "ping" => Ok(Some(json!({}))),
                _ => Err(Failure::parameters(format!(
                    "begin with `initialize`, or give every request `{META_VERSION}` in its `_meta`"
                ))),
            },
            (Era::Modern, None) if method == "initialize" => {
                let requested = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
                Err(Failure::version(requested, &MODERN))
            }
            (Era::Modern, None) => Err(Failure::parameters(format!("`_meta` lacks `{META_VERSION}`"))),
        }
    }

    fn initialize(&mut self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let Some(requested) = params.get("protocolVersion").and_then(Value::as_str) else {
            return Err(Failure::parameters("`protocolVersion` must be a string"));
        };
        let version = LEGACY.into_iter().find(|version| *version == requested).unwrap_or(NEWEST_LEGACY);
        self.era = Era::Legacy(version);
        let mut result = self.about();
        result.insert("protocolVersion".into(), version.into());
        result.insert("serverInfo".into(), self.server.information.clone());
        Ok(result.into())
    }

    /// What both eras say about the server.
    fn about(&self) -> Map<String, Value> {
        let mut about = Map::new();
        about.insert("capabilities".into(), self.server.capabilities());
        if let Some(instructions) = &self.server.instructions {
            about.insert("instructions".into(), instructions.as_str().into());
        }
        about
    }

    fn legacy(
        &mut self,
        method: &str,
        params: &Map<String, Value>,
        changes: &mut Changes,
    ) -> Result<Value, Failure> {
        match method {
            "initialize" => Err(Failure::envelope("this session is initialized already")),
            "ping" => Ok(json!({})),
            "resources/subscribe" | "resources/unsubscribe" if self.server.resources.is_some() => {
                let uri = text(params, "uri")?;
                if method == "resources/unsubscribe" {
                    self.watched.remove(uri);
                } else if self.watched.len() < MOST_SUBSCRIPTIONS {
                    self.watched.insert(uri.to_owned());
                } else {
                    return Err(Failure::internal("too many subscriptions"));
                }
                Ok(json!({}))
            }
            _ => self.feature(method, params, changes).map(Value::Object),
        }
    }

    fn modern(
        &mut self,
        id: &Value,
        method: &str,
        params: &Map<String, Value>,
        changes: &mut Changes,
    ) -> Result<Option<Value>, Failure> {
        let mut result = match method {
            "server/discover" => {
                let mut about = self.about();
                about.insert("supportedVersions".into(), json!(MODERN));
                about
            }
            "subscriptions/listen" => {
                self.listen(id, params)?;
                return Ok(None);
            }
            _ => self.feature(method, params, changes)?,
        };
        // Definitions are the same for everybody; resources are somebody's, and may change at any time.
        let cache = match method {
            "server/discover" | "tools/list" | "prompts/list" | "resources/templates/list" => {
                Some((FIXED_TTL, "public"))
            }
            "resources/list" | "resources/read" => Some((0, "private")),
            _ => None,
        };
        if let Some((ttl, scope)) = cache {
            result.insert("ttlMs".into(), ttl.into());
            result.insert("cacheScope".into(), scope.into());
        }
        result.insert("resultType".into(), "complete".into());
        result.insert("_meta".into(), json!({ META_SERVER: self.server.information }));
        Ok(Some(result.into()))
    }

    fn listen(&mut self, id: &Value, params: &Map<String, Value>) -> Result<(), Failure> {
        let filter = object(params, "notifications")?
            .ok_or_else(|| Failure::parameters("`notifications` is missing"))?;
        let uris = filter.get("resourceSubscriptions").and_then(Value::as_array);
        let open = self.listeners.iter().map(|listener| 1 + listener.updated.len()).sum::<usize>();
        if open + 1 + uris.map_or(0, Vec::len) > MOST_SUBSCRIPTIONS {
            return Err(Failure::internal("too many subscriptions"));
        }
        // Our tools and prompts never change, so a wish to hear of that is left out of what is granted.
        let offered = self.server.resources.is_some();
        let uris = uris.into_iter().flatten().filter_map(Value::as_str).filter(|_| offered);
        self.listeners.push(Listener {
            id: id.clone(),
            list_changed: offered && filter.get("resourcesListChanged") == Some(&Value::Bool(true)),
            updated: uris.map(str::to_owned).collect(),
        });
        Ok(())
    }

    /// Tells the client what its subscription was granted: the first message that carries its id.
    fn acknowledge(&mut self, id: &Value) -> io::Result<()> {
        let Some(listener) = self.listeners.iter().find(|listener| listener.id == *id) else { return Ok(()) };
        let mut granted = Map::new();
        if listener.list_changed {
            granted.insert("resourcesListChanged".into(), true.into());
        }
        if !listener.updated.is_empty() {
            granted.insert("resourceSubscriptions".into(), json!(listener.updated));
        }
        let params = json!({ "_meta": { META_SUBSCRIPTION: id }, "notifications": granted });
        self.send(&notification("notifications/subscriptions/acknowledged", params))
    }

    /// Sends what changed to a client that is to hear of it.
    fn announce(&mut self, changes: &Changes) -> io::Result<()> {
        let mut messages = Vec::new();
        if let Era::Legacy(_) = self.era {
            if changes.list {
                messages.push(json!({ "jsonrpc": "2.0", "method": "notifications/resources/list_changed" }));
            }
            for uri in changes.updated.iter().filter(|uri| self.watched.contains(*uri)) {
                messages.push(notification("notifications/resources/updated", json!({ "uri": uri })));
            }
        }
        for listener in &self.listeners {
            let meta = json!({ META_SUBSCRIPTION: listener.id });
            if changes.list && listener.list_changed {
                messages.push(notification("notifications/resources/list_changed", json!({ "_meta": meta })));
            }
            for uri in changes.updated.iter().filter(|uri| listener.updated.contains(*uri)) {
                let params = json!({ "_meta": meta, "uri": uri });
                messages.push(notification("notifications/resources/updated", params));
            }
        }
        messages.iter().try_for_each(|message| self.send(message))
    }

    /// The input ended: subscriptions are answered, which is how they end on purpose.
    fn end(&mut self) -> io::Result<()> {
        for listener in std::mem::take(&mut self.listeners) {
            let meta = json!({ META_SUBSCRIPTION: listener.id, META_SERVER: self.server.information });
            let result = json!({ "resultType": "complete", "_meta": meta });
            self.send(&Response { id: listener.id, outcome: Ok(result) })?;
        }
        Ok(())
    }

    fn fail(&mut self, failure: Failure) -> io::Result<()> {
        self.send(&Response { id: Value::Null, outcome: Err(failure) })
    }

    fn send(&mut self, message: &impl serde::Serialize) -> io::Result<()> {
        write_line(&mut self.output, message)
    }
}

/// What calls changed, told after their answer.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) list: bool,
    pub(crate) updated: Vec<String>,
}

pub(crate) fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}
