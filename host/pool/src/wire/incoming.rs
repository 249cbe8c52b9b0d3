//! What comes from a server: answers to those who wait, requests and notifications to those whom they are meant for, and what is no message.

use super::Wire;
use crate::asked::ServerRequest;
use crate::event::{Changed, Event};
use crate::pending::Incoming;
use bytes::Bytes;
use host_message::{Envelope, EnvelopeError, Kind, code, method};
use host_provisioner::sanitize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use tokio_util::sync::CancellationToken;

/// Lines that are no messages and are worth a line in the log; the rest is only counted.
const LOGGED_RUBBISH: u64 = 10;
/// Bytes of such a line, and of a method that we do not serve, that are shown.
const SHOWN_RUBBISH: usize = 120;

/// What a server printed that is no message.
#[derive(Default)]
pub(crate) struct Rubbish {
    count: AtomicU64,
    first: OnceLock<String>,
    /// A message came already.
    heard: AtomicBool,
    /// Rubbish came before any message.
    pub(crate) early: CancellationToken,
}

impl Rubbish {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether a message came after all.
    pub(crate) fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// The first bytes of the first such line, escaped.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }
}

impl Wire {
    /// Takes one line of the server.
    pub(crate) fn line(self: &Arc<Self>, line: Bytes) {
        self.message(line, None);
    }

    /// Takes one message of the server; `stream` is the call on whose own stream it came, where calls have streams of their own.
    pub(crate) fn message(self: &Arc<Self>, line: Bytes, stream: Option<u64>) {
        match Envelope::parse(line.clone()) {
            Ok(envelope) => {
                if !self.rubbish.heard.load(Ordering::Relaxed) {
                    self.rubbish.heard.store(true, Ordering::Relaxed);
                }
                self.dispatch(envelope, stream);
            }
            Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Err(error) => self.unusable(&line, &error, stream),
        }
    }

    fn unusable(&self, line: &[u8], error: &EnvelopeError, stream: Option<u64>) {
        if self.rubbish.count.fetch_add(1, Ordering::Relaxed) < LOGGED_RUBBISH {
            // The whole line, so that nothing is left of a value that would be cut.
            let shown = self.blotter.bytes(line);
            let shown = shown.get(..SHOWN_RUBBISH.min(shown.len())).unwrap_or_default();
            let shown = match std::str::from_utf8(shown) {
                Ok(text) => sanitize::line(text, SHOWN_RUBBISH),
                Err(_) => shown.escape_ascii().to_string(),
            };
            tracing::warn!(server = %self.server, %error, line = %shown, "a line of the server is no MCP message");
            let _ = self.rubbish.first.set(shown);
        }
        if !self.rubbish.heard.load(Ordering::Relaxed) {
            self.rubbish.early.cancel();
        }
        // A broken answer must not leave its caller waiting for ever.
        let whose = match &error.id {
            _ if stream.is_some() => stream,
            Some(id) => id.as_u64(),
            None if line.trim_ascii_start().starts_with(b"{") => self.pending.only_call(),
            None => None,
        };
        if let Some(id) = whose {
            self.fail_call(id, &format!("the server's answer is not usable: {error}"));
        }
    }

    fn dispatch(self: &Arc<Self>, envelope: Envelope, stream: Option<u64>) {
        match envelope.kind() {
            Kind::Response | Kind::Error => match envelope.id_u64() {
                Some(id) => {
                    if !self.pending.respond(id, envelope) {
                        tracing::trace!(server = %self.server, id, "an answer nobody waits for");
                    }
                    self.call_ended(id);
                }
                None => tracing::debug!(server = %self.server, "an answer without an id of ours"),
            },
            Kind::Request => self.asked(envelope, stream),
            Kind::Notification => self.notified(envelope, stream),
            // Only 2025-03-26 has batches; taking them from anybody costs nothing.
            Kind::Batch => {
                let items = envelope.batch_items();
                if items.len() > host_message::MAX_BATCH {
                    return self.die("it sent a batch of more than 1000 messages");
                }
                for item in items {
                    match Envelope::parse(item) {
                        Ok(item) if item.kind() != Kind::Batch => self.dispatch(item, stream),
                        Ok(item) => tracing::debug!(server = %self.server, ?item, "a batch within a batch"),
                        Err(error) => self.unusable(envelope.bytes(), &error, stream),
                    }
                }
            }
        }
    }

    /// Takes a request of the server: what its client below declared goes to that client, `ping` is answered, the rest is refused.
    fn asked(self: &Arc<Self>, request: Envelope, stream: Option<u64>) {
        let (Some(id), Some(name)) = (request.id(), request.method()) else { return };
        let refuse = |code, text: &str| {
            let answer = host_message::error(Some(id.as_bytes()), code, text, None);
            if let Err(error) = self.send_raw(&answer) {
                tracing::debug!(server = %self.server, %error, "an answer was not sent");
            }
        };
        if name == method::PING {
            if let Err(error) = self.send_raw(&host_message::response(id.as_bytes(), b"{}")) {
                tracing::debug!(server = %self.server, %error, "an answer was not sent");
            }
            return;
        }
        if !self.declared.allows(name) {
            tracing::debug!(server = %self.server, method = name, "the server asks for what was not declared");
            let name = sanitize::line(name, SHOWN_RUBBISH);
            return refuse(code::METHOD_NOT_FOUND, &format!("the client does not serve `{name}`"));
        }
        if let Some(lack) = self.declared.lacks(name, request.params_raw().unwrap_or(b"{}")) {
            let text = format!("the client did not declare that it takes `{lack}` in `{name}`");
            return refuse(code::INVALID_PARAMS, &text);
        }
        let withdrawn = self.dead.child_token();
        let entered = self.asked.lock().unwrap_or_else(PoisonError::into_inner).enter(
            id.as_bytes(),
            request.bytes().len(),
            &withdrawn,
        );
        if let Err(why) = entered {
            tracing::debug!(server = %self.server, method = name, %why, "a request of the server is refused");
            return refuse(code::INTERNAL, &why);
        }
        let request = ServerRequest::new(self, request.detached(), withdrawn);
        // Over HTTP the stream says which call it belongs to (revision 2025-11-25, streamable HTTP); elsewhere nothing does.
        let left = match stream.or_else(|| self.pending.carrier()) {
            Some(call) => self.pending.push(call, Incoming::Request(request)),
            None => Some(Incoming::Request(request)),
        };
        if let Some(Incoming::Request(request)) = left {
            let (server, owner) = (Arc::clone(&self.server), self.owner());
            let _ = self.events.send(Event::Asked { server, owner, request });
        }
    }

    /// Frees the place of a request of the server that is answered, or that nobody holds any more.
    pub(crate) fn close_asked(&self, id: &[u8]) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).leave(id);
    }

    /// The server takes a request back.
    fn withdraw(&self, id: &[u8]) {
        let open = self.asked.lock().unwrap_or_else(PoisonError::into_inner).withdrawn(id);
        if let Some(open) = open.filter(|open| !open.is_cancelled()) {
            open.cancel();
            drop(self.pending.take_withdrawn());
        }
    }

    fn notified(&self, envelope: Envelope, stream: Option<u64>) {
        let name = envelope.method().unwrap_or_default();
        let params = envelope.params();
        let number = |member: Option<&host_message::Member>| {
            let raw = member.zip(params.as_ref()).map(|(member, params)| member.value(params.raw()))?;
            std::str::from_utf8(raw).ok()?.parse::<u64>().ok()
        };
        match name {
            method::PROGRESS => {
                let token = number(params.as_ref().and_then(|params| params.progress_token()));
                if let (Some(id), Some(params)) = (token, params) {
                    // Progress of a call that is over is worth nothing.
                    let _ = self.pending.push(id, Incoming::Progress(params));
                }
                return;
            }
            method::CANCELLED => {
                // A request of the server itself, or a subscription that it ends early.
                if let Some(params) = &params
                    && let Some(Ok(id)) = params.request_id().map(|id| params.token(id))
                {
                    self.withdraw(id);
                }
                let id = number(params.as_ref().and_then(|params| params.request_id()));
                if let Some(id) = id.filter(|id| self.pending.is_subscription(*id)) {
                    let _ = self.pending.push(id, Incoming::Notification(envelope));
                }
                return;
            }
            _ => {}
        }
        let what = match name {
            method::TOOLS_CHANGED => Some(Changed::Tools),
            method::PROMPTS_CHANGED => Some(Changed::Prompts),
            method::RESOURCES_CHANGED => Some(Changed::Resources),
            _ => None,
        };
        if let Some(what) = what {
            let (server, owner) = (Arc::clone(&self.server), self.owner());
            let _ = self.events.send(Event::ListChanged { server, owner, what });
        }
        let subscription = number(params.as_ref().and_then(|params| params.meta_subscription_id()));
        let log = || if name == method::MESSAGE { stream.or_else(|| self.pending.only_call()) } else { None };
        // Where calls have no streams of their own nothing says which one a log message belongs to, so only a single one can be meant.
        let target = subscription.or_else(log);
        let left = match target {
            Some(id) => match self.pending.push(id, Incoming::Notification(envelope)) {
                Some(Incoming::Notification(message)) => message,
                _ => return,
            },
            None => envelope,
        };
        if what.is_none() && subscription.is_none() {
            let (server, owner) = (Arc::clone(&self.server), self.owner());
            let _ = self.events.send(Event::Notification { server, owner, message: Box::new(left) });
        }
    }
}
