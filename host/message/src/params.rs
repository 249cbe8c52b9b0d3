//! The few members of `params` that a relay reads or rewrites, found in the same pass that validates.

use crate::object::{JsonKind, Member, key_text};
use crate::scan::{Scanner, Span, check};
use crate::text::decode_string;
use crate::{EnvelopeError, Splice, code, meta};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// The members that are looked for, as places of an [`Index`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Name,
    Uri,
    Cursor,
    RequestId,
    ProgressToken,
    Arguments,
    Reference,
    Level,
    Meta,
    MetaProgressToken,
    MetaProtocolVersion,
    MetaClientInfo,
    MetaClientCapabilities,
    MetaLogLevel,
    MetaSubscriptionId,
}

const KNOWN: usize = Known::MetaSubscriptionId as usize + 1;

impl Known {
    /// A member of `params` by its key.
    fn outer(key: &str) -> Option<Self> {
        Some(match key {
            "name" => Self::Name,
            "arguments" => Self::Arguments,
            "_meta" => Self::Meta,
            "uri" => Self::Uri,
            "cursor" => Self::Cursor,
            "requestId" => Self::RequestId,
            "progressToken" => Self::ProgressToken,
            "ref" => Self::Reference,
            "level" => Self::Level,
            _ => return None,
        })
    }

    /// A member of `_meta` by its key.
    fn inner(key: &str) -> Option<Self> {
        Some(match key {
            meta::PROGRESS_TOKEN => Self::MetaProgressToken,
            meta::PROTOCOL_VERSION => Self::MetaProtocolVersion,
            meta::CLIENT_INFO => Self::MetaClientInfo,
            meta::CLIENT_CAPABILITIES => Self::MetaClientCapabilities,
            meta::LOG_LEVEL => Self::MetaLogLevel,
            meta::SUBSCRIPTION_ID => Self::MetaSubscriptionId,
            _ => return None,
        })
    }
}

/// Where the known members are, relative to the start of the object.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Index([Option<Member>; KNOWN]);

impl Index {
    fn get(&self, known: Known) -> Option<&Member> {
        self.0.get(known as usize).and_then(Option::as_ref)
    }

    /// A second member of the same name would be read by one side and not by the other: message smuggling.
    fn keep(&mut self, known: Known, key: &str, member: Member, problem: &mut Option<EnvelopeError>) {
        if let Some(place) = self.0.get_mut(known as usize)
            && place.replace(member).is_some()
        {
            *problem = Some(wrong(format!("`{key}` occurs twice in the parameters")));
        }
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
            let text = key_text(raw, key);
            let known = Known::outer(&text);
            if known == Some(Known::Meta) && scanner.peek() == Some(b'{') {
                let start = scanner.at();
                index.scan_meta(scanner, depth + 1, problem)?;
                let value = Span::new(start, scanner.at());
                index.keep(Known::Meta, &text, Member { key, value, kind: JsonKind::Object }, problem);
            } else {
                let member = scanner.member(key, depth + 1)?;
                if let Some(known) = known {
                    if known == Known::Meta && member.kind != JsonKind::Null {
                        *problem = Some(wrong("`_meta` must be an object"));
                    }
                    index.keep(known, &text, member, problem);
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
            let text = key_text(raw, key);
            if let Some(known) = Known::inner(&text) {
                self.keep(known, &text, member, problem);
            }
            more = scanner.more(b'}')?;
        }
        Ok(())
    }

    /// Moves all ranges from a message to the object that starts at `start` in it.
    pub(crate) fn relative_to(mut self, start: u32) -> Self {
        for member in self.0.iter_mut().flatten() {
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

    /// The same object in memory of its own, which does not keep the message that it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { raw: Bytes::copy_from_slice(&self.raw), index: self.index }
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
        self.index.get(Known::Name)
    }

    /// `uri`: of a resource.
    #[must_use]
    pub fn uri(&self) -> Option<&Member> {
        self.index.get(Known::Uri)
    }

    /// `cursor`: of a list.
    #[must_use]
    pub fn cursor(&self) -> Option<&Member> {
        self.index.get(Known::Cursor)
    }

    /// `requestId`: of a cancellation.
    #[must_use]
    pub fn request_id(&self) -> Option<&Member> {
        self.index.get(Known::RequestId)
    }

    /// `progressToken` outside `_meta`: of a progress notification.
    #[must_use]
    pub fn progress_token(&self) -> Option<&Member> {
        self.index.get(Known::ProgressToken)
    }

    /// `arguments`: of a tool or a prompt.
    #[must_use]
    pub fn arguments(&self) -> Option<&Member> {
        self.index.get(Known::Arguments)
    }

    /// `ref`: of a completion.
    #[must_use]
    pub fn reference(&self) -> Option<&Member> {
        self.index.get(Known::Reference)
    }

    /// `level`: of `logging/setLevel` and of a log message.
    #[must_use]
    pub fn level(&self) -> Option<&Member> {
        self.index.get(Known::Level)
    }

    /// `_meta`: an object or `null`.
    #[must_use]
    pub fn meta(&self) -> Option<&Member> {
        self.index.get(Known::Meta)
    }

    /// `_meta.progressToken`: the caller's wish for progress.
    #[must_use]
    pub fn meta_progress_token(&self) -> Option<&Member> {
        self.index.get(Known::MetaProgressToken)
    }

    /// `_meta["io.modelcontextprotocol/protocolVersion"]`: its presence makes a request a modern one.
    #[must_use]
    pub fn meta_protocol_version(&self) -> Option<&Member> {
        self.index.get(Known::MetaProtocolVersion)
    }

    /// `_meta["io.modelcontextprotocol/clientInfo"]`.
    #[must_use]
    pub fn meta_client_info(&self) -> Option<&Member> {
        self.index.get(Known::MetaClientInfo)
    }

    /// `_meta["io.modelcontextprotocol/clientCapabilities"]`.
    #[must_use]
    pub fn meta_client_capabilities(&self) -> Option<&Member> {
        self.index.get(Known::MetaClientCapabilities)
    }

    /// `_meta["io.modelcontextprotocol/logLevel"]`.
    #[must_use]
    pub fn meta_log_level(&self) -> Option<&Member> {
        self.index.get(Known::MetaLogLevel)
    }

    /// `_meta["io.modelcontextprotocol/subscriptionId"]`: the request a notification belongs to.
    #[must_use]
    pub fn meta_subscription_id(&self) -> Option<&Member> {
        self.index.get(Known::MetaSubscriptionId)
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
