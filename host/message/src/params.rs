//! The few members of `params` that a relay reads or rewrites, found in the same pass that validates.

use crate::object::{JsonKind, Member, key_is};
use crate::scan::{Scanner, check};
use crate::text::decode_string;
use crate::{EnvelopeError, Splice, code, meta};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// Where the known members are, relative to the start of the object.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Index {
    name: Option<Member>,
    uri: Option<Member>,
    cursor: Option<Member>,
    request_id: Option<Member>,
    progress_token: Option<Member>,
    arguments: Option<Member>,
    reference: Option<Member>,
    level: Option<Member>,
    meta: Option<Member>,
    meta_progress_token: Option<Member>,
    meta_protocol_version: Option<Member>,
    meta_client_info: Option<Member>,
    meta_client_capabilities: Option<Member>,
    meta_log_level: Option<Member>,
    meta_subscription_id: Option<Member>,
}

impl Index {
    fn slot(&mut self, raw: &[u8], member: &Member) -> Option<(&mut Option<Member>, &'static str)> {
        let names: [(&'static str, &mut Option<Member>); 9] = [
            ("name", &mut self.name),
            ("arguments", &mut self.arguments),
            ("_meta", &mut self.meta),
            ("uri", &mut self.uri),
            ("cursor", &mut self.cursor),
            ("requestId", &mut self.request_id),
            (meta::PROGRESS_TOKEN, &mut self.progress_token),
            ("ref", &mut self.reference),
            ("level", &mut self.level),
        ];
        names.into_iter().find(|(name, _)| key_is(raw, member.key, name)).map(|(name, slot)| (slot, name))
    }

    fn meta_slot(&mut self, raw: &[u8], member: &Member) -> Option<(&mut Option<Member>, &'static str)> {
        let names: [(&'static str, &mut Option<Member>); 6] = [
            (meta::PROGRESS_TOKEN, &mut self.meta_progress_token),
            (meta::PROTOCOL_VERSION, &mut self.meta_protocol_version),
            (meta::CLIENT_INFO, &mut self.meta_client_info),
            (meta::CLIENT_CAPABILITIES, &mut self.meta_client_capabilities),
            (meta::LOG_LEVEL, &mut self.meta_log_level),
            (meta::SUBSCRIPTION_ID, &mut self.meta_subscription_id),
        ];
        names.into_iter().find(|(name, _)| key_is(raw, member.key, name)).map(|(name, slot)| (slot, name))
    }

    /// Walks over the object at `scanner`, which stands inside `depth` levels. What is wrong with the JSON comes back as the outer error;
    /// what is wrong only with the parameters goes to `problem`, so that the scan goes on and finds the request's id.
    pub(crate) fn scan(
        scanner: &mut Scanner<'_>,
        depth: u32,
        problem: &mut Option<EnvelopeError>,
    ) -> Result<Self, EnvelopeError> {
        let mut index = Self::default();
        let raw = scanner.bytes();
        let mut more = scanner.open(b'{', b'}', depth)?;
        while more {
            let key = scanner.key()?;
            if key_is(raw, key, "_meta") && scanner.peek() == Some(b'{') {
                let start = scanner.at();
                index.scan_meta(scanner, depth + 1, problem)?;
                let member = Member {
                    key,
                    value: crate::scan::Span::new(start, scanner.at()),
                    kind: JsonKind::Object,
                };
                keep(&mut index.meta, member, "_meta", problem);
            } else {
                let member = scanner.member(key, depth + 1)?;
                if let Some((slot, name)) = index.slot(raw, &member) {
                    if name == "_meta" && member.kind != JsonKind::Null {
                        *problem = Some(wrong("`_meta` must be an object"));
                    }
                    keep(slot, member, name, problem);
                }
            }
            more = scanner.more(b'}')?;
        }
        Ok(index)
    }

    fn scan_meta(
        &mut self,
        scanner: &mut Scanner<'_>,
        depth: u32,
        problem: &mut Option<EnvelopeError>,
    ) -> Result<(), EnvelopeError> {
        let raw = scanner.bytes();
        let mut more = scanner.open(b'{', b'}', depth)?;
        while more {
            let key = scanner.key()?;
            let member = scanner.member(key, depth + 1)?;
            if let Some((slot, name)) = self.meta_slot(raw, &member) {
                keep(slot, member, name, problem);
            }
            more = scanner.more(b'}')?;
        }
        Ok(())
    }

    /// Moves all ranges from a message to the object that starts at `start` in it.
    pub(crate) fn relative_to(mut self, start: u32) -> Self {
        for member in [
            &mut self.name,
            &mut self.uri,
            &mut self.cursor,
            &mut self.request_id,
            &mut self.progress_token,
            &mut self.arguments,
            &mut self.reference,
            &mut self.level,
            &mut self.meta,
            &mut self.meta_progress_token,
            &mut self.meta_protocol_version,
            &mut self.meta_client_info,
            &mut self.meta_client_capabilities,
            &mut self.meta_log_level,
            &mut self.meta_subscription_id,
        ]
        .into_iter()
        .flatten()
        {
            member.key.start -= start;
            member.key.end -= start;
            member.value.start -= start;
            member.value.end -= start;
        }
        self
    }
}

fn wrong(text: impl Into<Cow<'static, str>>) -> EnvelopeError {
    EnvelopeError::new(code::INVALID_PARAMS, text)
}

/// A second member of the same name would be read by one side and not by the other: message smuggling.
fn keep(slot: &mut Option<Member>, member: Member, name: &str, problem: &mut Option<EnvelopeError>) {
    if slot.replace(member).is_some() {
        *problem = Some(wrong(format!("`{name}` occurs twice in the parameters")));
    }
}

/// The parameters of a message: an object, raw, with the members a relay asks for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Params {
    raw: Bytes,
    index: Index,
}

impl Params {
    /// Scans an object that did not come in an [`Envelope`](crate::Envelope), which has done it already.
    ///
    /// # Errors
    /// The bytes are no JSON object, or an asked-for key occurs twice.
    pub fn scan(raw: Bytes) -> Result<Self, EnvelopeError> {
        check(&raw)?;
        let mut problem = None;
        let mut scanner = Scanner::new(&raw);
        scanner.peek();
        let start = scanner.at();
        let index = Index::scan(&mut scanner, 0, &mut problem)?;
        let end = scanner.at();
        scanner.end()?;
        let index = index.relative_to(start as u32);
        match problem {
            Some(problem) => Err(problem),
            None => Ok(Self { raw: raw.slice(start..end), index }),
        }
    }

    pub(crate) fn from_parts(raw: Bytes, index: Index) -> Self {
        Self { raw, index }
    }

    /// The object, from brace to brace.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// A copy-free part of the object.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        if range.start <= range.end && range.end <= self.raw.len() {
            self.raw.slice(range)
        } else {
            Bytes::new()
        }
    }

    /// Starts a list of edits of the object.
    #[must_use]
    pub fn splice(&self) -> Splice<'_> {
        Splice::new(&self.raw)
    }

    /// `name`: of a tool or a prompt.
    #[must_use]
    pub fn name(&self) -> Option<&Member> {
        self.index.name.as_ref()
    }

    /// `uri`: of a resource.
    #[must_use]
    pub fn uri(&self) -> Option<&Member> {
        self.index.uri.as_ref()
    }

    /// `cursor`: of a list.
    #[must_use]
    pub fn cursor(&self) -> Option<&Member> {
        self.index.cursor.as_ref()
    }

    /// `requestId`: of a cancellation.
    #[must_use]
    pub fn request_id(&self) -> Option<&Member> {
        self.index.request_id.as_ref()
    }

    /// `progressToken` outside `_meta`: of a progress notification.
    #[must_use]
    pub fn progress_token(&self) -> Option<&Member> {
        self.index.progress_token.as_ref()
    }

    /// `arguments`: of a tool or a prompt.
    #[must_use]
    pub fn arguments(&self) -> Option<&Member> {
        self.index.arguments.as_ref()
    }

    /// `ref`: of a completion.
    #[must_use]
    pub fn reference(&self) -> Option<&Member> {
        self.index.reference.as_ref()
    }

    /// `level`: of `logging/setLevel` and of a log message.
    #[must_use]
    pub fn level(&self) -> Option<&Member> {
        self.index.level.as_ref()
    }

    /// `_meta`: an object or `null`.
    #[must_use]
    pub fn meta(&self) -> Option<&Member> {
        self.index.meta.as_ref()
    }

    /// `_meta.progressToken`: the caller's wish for progress.
    #[must_use]
    pub fn meta_progress_token(&self) -> Option<&Member> {
        self.index.meta_progress_token.as_ref()
    }

    /// `_meta["io.modelcontextprotocol/protocolVersion"]`: its presence makes a request a modern one.
    #[must_use]
    pub fn meta_protocol_version(&self) -> Option<&Member> {
        self.index.meta_protocol_version.as_ref()
    }

    /// `_meta["io.modelcontextprotocol/clientInfo"]`.
    #[must_use]
    pub fn meta_client_info(&self) -> Option<&Member> {
        self.index.meta_client_info.as_ref()
    }

    /// `_meta["io.modelcontextprotocol/clientCapabilities"]`.
    #[must_use]
    pub fn meta_client_capabilities(&self) -> Option<&Member> {
        self.index.meta_client_capabilities.as_ref()
    }

    /// `_meta["io.modelcontextprotocol/logLevel"]`.
    #[must_use]
    pub fn meta_log_level(&self) -> Option<&Member> {
        self.index.meta_log_level.as_ref()
    }

    /// `_meta["io.modelcontextprotocol/subscriptionId"]`: the request a notification belongs to.
    #[must_use]
    pub fn meta_subscription_id(&self) -> Option<&Member> {
        self.index.meta_subscription_id.as_ref()
    }

    /// The text of a member that must be a string.
    ///
    /// # Errors
    /// It is none, or it holds half a surrogate pair; the text names the member. −32602.
    pub fn text(&self, member: &Member) -> Result<Cow<'_, str>, EnvelopeError> {
        let raw = member.value(&self.raw);
        let name = || member.key(&self.raw).unwrap_or(Cow::Borrowed("?")).into_owned();
        if member.kind != JsonKind::String {
            return Err(wrong(format!("`{}` must be a string", name())));
        }
        decode_string(raw).ok_or_else(|| wrong(format!("`{}` holds half a surrogate pair", name())))
    }

    /// The raw text of a member that must be a token or an id: a string, or a number without fraction and exponent.
    ///
    /// # Errors
    /// It is neither; the text names the member. −32602.
    pub fn token(&self, member: &Member) -> Result<&[u8], EnvelopeError> {
        let raw = member.value(&self.raw);
        if is_token(member.kind, raw) {
            return Ok(raw);
        }
        let name = member.key(&self.raw).unwrap_or(Cow::Borrowed("?"));
        Err(wrong(format!("`{name}` must be a string or an integer")))
    }
}

/// Whether a value can be an id or a progress token.
pub(crate) fn is_token(kind: JsonKind, raw: &[u8]) -> bool {
    match kind {
        JsonKind::String => true,
        JsonKind::Number => raw.iter().all(|byte| matches!(byte, b'-' | b'0'..=b'9')),
        _ => false,
    }
}
