//! Requests that a server makes: sampling, elicitation, roots.
//!
//! *Invariant:* each is answered exactly once. Whoever takes one and lets it go without an answer has refused it.

use crate::wire::Wire;
use bytes::Bytes;
use host_message::{Envelope, JsonKind, Params, code, find_member, members, method};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use tokio_util::sync::CancellationToken;

/// Requests that one server may have open.
const MOST_OPEN: usize = 64;
/// Bytes of them. Sampling shows models pictures: one of 5 MB, the most that well-known models take, has 6.7 MB in base64. A request is held up
/// to twice, as the server wrote it and as its client gets it.
const MOST_OPEN_BYTES: usize = 8 << 20;

/// The requests of one server that are not answered yet, by their raw ids.
///
/// *Invariant:* a request keeps its place until it is answered or nobody holds it any more. That its server takes it back frees nothing, because
/// it may still wait in a queue: a server that asks and takes back without end gets no further than its places.
#[derive(Default)]
pub(crate) struct Open {
    places: HashMap<Bytes, Place>,
    bytes: usize,
}

struct Place {
    size: usize,
    withdrawn: CancellationToken,
}

impl Open {
    /// Takes a place for a request of so many bytes. The error tells the server why there is none.
    pub(crate) fn enter(
        &mut self,
        id: &[u8],
        size: usize,
        withdrawn: &CancellationToken,
    ) -> Result<(), String> {
        if self.places.len() >= MOST_OPEN || self.places.contains_key(id) {
            return Err("too many requests are open, or two with one id".to_owned());
        }
        if self.bytes.saturating_add(size) > MOST_OPEN_BYTES {
            return Err(format!(
                "the request has {size} bytes, and all that are open may have {MOST_OPEN_BYTES} together"
            ));
        }
        self.bytes += size;
        let place = Place { size, withdrawn: withdrawn.clone() };
        self.places.insert(Bytes::copy_from_slice(id), place);
        Ok(())
    }

    /// Frees the place of a request.
    pub(crate) fn leave(&mut self, id: &[u8]) {
        if let Some(place) = self.places.remove(id) {
            self.bytes -= place.size;
        }
    }

    /// The server takes a request back: what tells whoever holds it.
    pub(crate) fn withdrawn(&self, id: &[u8]) -> Option<CancellationToken> {
        self.places.get(id).map(|place| place.withdrawn.clone())
    }
}

/// What a client below can be asked for, in its own words: the members `roots`, `sampling` and `elicitation` of its capabilities. All others
/// are left out, because nothing of them is relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    raw: Bytes,
    roots: bool,
    sampling: bool,
    /// The member `tools` of `sampling`.
    sampling_tools: bool,
    elicitation: bool,
}

impl Default for Declared {
    fn default() -> Self {
        Self::NONE
    }
}

impl Declared {
    /// Nothing.
    pub const NONE: Self = Self {
        raw: Bytes::from_static(b"{}"),
        roots: false,
        sampling: false,
        sampling_tools: false,
        elicitation: false,
    };

    /// Takes what matters from a raw capabilities object; anything else declares nothing. A value that is no object declares nothing either.
    #[must_use]
    pub fn of(capabilities: &[u8]) -> Self {
        let mut found = Self::NONE;
        let mut kept: Vec<(&str, &[u8])> = Vec::new();
        for member in members(capabilities).map_while(Result::ok) {
            let flag = match member.key(capabilities).as_deref() {
                Some("roots") => (&mut found.roots, "roots"),
                Some("sampling") => (&mut found.sampling, "sampling"),
                Some("elicitation") => (&mut found.elicitation, "elicitation"),
                _ => continue,
            };
            if member.kind() == JsonKind::Object && !std::mem::replace(flag.0, true) {
                let value = member.value(capabilities);
                if flag.1 == "sampling" {
                    let tools = find_member(value, "tools");
                    found.sampling_tools = tools.is_some_and(|tools| tools.kind() == JsonKind::Object);
                }
                kept.push((flag.1, value));
            }
        }
        if !kept.is_empty() {
            let mut raw = Vec::with_capacity(capabilities.len());
            for (key, value) in kept {
                raw.push(if raw.is_empty() { b'{' } else { b',' });
                raw.extend_from_slice(format!("\"{key}\":").as_bytes());
                raw.extend_from_slice(value);
            }
            raw.push(b'}');
            found.raw = raw.into();
        }
        found
    }

    /// The object.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether there is nothing to ask for.
    #[must_use]
    pub fn is_none(&self) -> bool {
        !(self.roots || self.sampling || self.elicitation)
    }

    /// Whether a request of this method may be made.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        match name {
            method::ROOTS_LIST => self.roots,
            method::CREATE_MESSAGE => self.sampling,
            method::ELICIT => self.elicitation,
            _ => false,
        }
    }

    /// The parameter of a request of this method, which may be made, that may not be in it: tools inside a sample are for clients that take them
    /// (revision 2025-11-25, sampling).
    #[must_use]
    pub fn lacks(&self, name: &str, params: &[u8]) -> Option<&'static str> {
        if name != method::CREATE_MESSAGE || self.sampling_tools {
            return None;
        }
        let given = |key| find_member(params, key).is_some_and(|member| member.kind() != JsonKind::Null);
        ["tools", "toolChoice"].into_iter().find(|key| given(key))
    }
}

/// A request of a server that a client below must answer. Cheap to clone; the first answer counts.
#[derive(Clone)]
pub struct ServerRequest(Arc<Inner>);

struct Inner {
    wire: Weak<Wire>,
    envelope: Envelope,
    answered: AtomicBool,
    withdrawn: CancellationToken,
}

impl fmt::Debug for ServerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerRequest")
            .field("method", &self.method())
            .field("id", &self.0.envelope.id())
            .finish_non_exhaustive()
    }
}

impl ServerRequest {
    /// `withdrawn` is cancelled when the server takes it back or ends.
    pub(crate) fn new(wire: &Arc<Wire>, envelope: Envelope, withdrawn: CancellationToken) -> Self {
        let wire = Arc::downgrade(wire);
        Self(Arc::new(Inner { wire, envelope, answered: AtomicBool::new(false), withdrawn }))
    }

    /// What is asked: one of the three methods that [`Declared`] knows.
    #[must_use]
    pub fn method(&self) -> &str {
        self.0.envelope.method().unwrap_or_default()
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> Option<Params> {
        self.0.envelope.params()
    }

    /// Cancelled when an answer is no longer wanted: it was answered, taken back, or the server has gone.
    #[must_use]
    pub fn withdrawn(&self) -> &CancellationToken {
        &self.0.withdrawn
    }

    /// Answers with a raw result.
    pub fn answer(&self, result: &[u8]) {
        self.0.send(|id| host_message::response(id, result));
    }

    /// Answers with a raw error object.
    pub fn fail(&self, error: &[u8]) {
        self.0.send(|id| {
            let mut out = b"{\"jsonrpc\":\"2.0\",\"id\":".to_vec();
            out.extend_from_slice(id);
            out.extend_from_slice(b",\"error\":");
            out.extend_from_slice(error);
            out.push(b'}');
            out.into()
        });
    }

    /// Answers with an error of our own.
    pub fn refuse(&self, code: i64, text: &str) {
        self.0.send(|id| host_message::error(Some(id), code, text, None));
    }
}

impl Inner {
    fn send(&self, message: impl FnOnce(&[u8]) -> Bytes) {
        if self.answered.swap(true, Ordering::AcqRel) {
            return;
        }
        if let (Some(wire), Some(id)) = (self.wire.upgrade(), self.envelope.id_raw()) {
            // Before the answer, behind which the next request may come.
            wire.close_asked(id);
            // A server that took it back, or has gone, wants no answer.
            if !self.withdrawn.is_cancelled()
                && let Err(error) = wire.send_raw(&message(id))
            {
                tracing::debug!(server = %wire.server, %error, "an answer to the server was not sent");
            }
        }
        self.withdrawn.cancel();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.send(|id| {
            host_message::error(Some(id), code::INTERNAL, "the client has gone and cannot be asked", None)
        });
    }
}
