//! One message: its kind, id and method, and where its payload is.

use crate::object::{JsonKind, key_text};
use crate::params::{Index, is_token};
use crate::scan::{Scanner, Span, check};
use crate::text::decode_string;
use crate::{EnvelopeError, Params, code, elements, members};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;

/// Members of an envelope beyond those of JSON-RPC that are tolerated; more are refused, because each is compared with each.
const UNKNOWN_LIMIT: usize = 16;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wants an answer.
    Request,
    /// Wants none.
    Notification,
    /// A successful answer.
    Response,
    /// An answer that says why not.
    Error,
    /// An array of messages, which only revision 2025-03-26 has. Its elements were not looked at.
    Batch,
}

/// An id as it came, with its JSON type: a string `"1"` is not the number `1`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawId(Bytes);

impl RawId {
    /// The raw JSON.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id as a number, if it is one that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        parse_u64(&self.0)
    }
}

impl fmt::Debug for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0))
    }
}

/// Digits as a number, without sign.
fn parse_u64(raw: &[u8]) -> Option<u64> {
    raw.iter().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

#[derive(Debug, Clone)]
enum Method {
    None,
    Plain(Span),
    /// Written with escapes, such as `tools\/call`.
    Decoded(Box<str>),
}

/// One message, validated, raw. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Envelope {
    bytes: Bytes,
    kind: Kind,
    id: Option<Span>,
    method: Method,
    params: Option<(Span, Index)>,
    payload: Option<Span>,
}

impl Envelope {
    /// Reads one message in one validating pass.
    ///
    /// `params: null` counts as missing, because clients exist that send it. Unknown members of the envelope are allowed and, since
    /// messages are written anew on every hop, not passed on.
    ///
    /// # Errors
    /// No UTF-8, no JSON, nested too deeply; no JSON-RPC 2.0; a member of the envelope, or an asked-for member of the parameters, twice.
    pub fn parse(bytes: Bytes) -> Result<Self, EnvelopeError> {
        check(&bytes)?;
        let mut scanner = Scanner::new(&bytes);
        if scanner.peek() == Some(b'[') {
            scanner.value(0)?;
            scanner.end()?;
            return Ok(Self::batch(bytes));
        }
        let parts = Parts::scan(&mut scanner)?;
        let id = parts.id.as_ref().filter(|id| id.1 != JsonKind::Null).map(|id| id.0);
        match parts.judge(&bytes) {
            Ok((kind, method)) => Ok(Self {
                kind,
                id,
                method,
                params: parts.params.map(|(span, index)| (span, index.relative_to(span.start))),
                payload: parts.result.or(parts.error.map(|error| error.0)),
                bytes,
            }),
            Err(error) => {
                let usable = parts.id.filter(|(span, kind)| {
                    !parts.id_in_doubt && is_token(*kind, bytes.get(span.range()).unwrap_or_default())
                });
                Err(error.with_id(usable.map(|(span, _)| RawId(bytes.slice(span.range())))))
            }
        }
    }

    fn batch(bytes: Bytes) -> Self {
        Self { bytes, kind: Kind::Batch, id: None, method: Method::None, params: None, payload: None }
    }

    /// The same message in memory of its own. A message is usually a part of a larger block, which it keeps for as long as it is kept.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self.clone() }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole message as it came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The id, for as long as one likes. `None` for notifications, batches, and errors whose id is `null` or missing.
    #[must_use]
    pub fn id(&self) -> Option<RawId> {
        self.id.map(|id| RawId(self.bytes.slice(id.range())))
    }

    /// The raw id.
    #[must_use]
    pub fn id_raw(&self) -> Option<&[u8]> {
        self.id.and_then(|id| self.bytes.get(id.range()))
    }

    /// The id as a number, if it is one of those that we give out.
    #[must_use]
    pub fn id_u64(&self) -> Option<u64> {
        self.id_raw().and_then(parse_u64)
    }

    /// The method of a request or a notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.method {
            Method::None => None,
            Method::Plain(span) => std::str::from_utf8(self.bytes.get(span.range())?).ok(),
            Method::Decoded(text) => Some(text),
        }
    }

    /// The parameters of a request or a notification.
    #[must_use]
    pub fn params(&self) -> Option<Params> {
        self.params.map(|(span, index)| Params::from_parts(self.bytes.slice(span.range()), index))
    }

    /// The raw parameters.
    #[must_use]
    pub fn params_raw(&self) -> Option<&[u8]> {
        self.params.and_then(|(span, _)| self.bytes.get(span.range()))
    }

    /// The raw result of a response.
    #[must_use]
    pub fn result(&self) -> Option<Bytes> {
        self.payload.filter(|_| self.kind == Kind::Response).map(|span| self.bytes.slice(span.range()))
    }

    /// The raw error object of an error response.
    #[must_use]
    pub fn error(&self) -> Option<Bytes> {
        self.payload.filter(|_| self.kind == Kind::Error).map(|span| self.bytes.slice(span.range()))
    }

    /// The elements of a batch, each to be given to [`Envelope::parse`]. Empty for other kinds and for an empty batch, which
    /// JSON-RPC calls invalid. Not more than [`MAX_BATCH`] and one, which says that there are too many: a line of sixteen megabytes
    /// can hold eight million.
    #[must_use]
    pub fn batch_items(&self) -> Vec<Bytes> {
        if self.kind != Kind::Batch {
            return Vec::new();
        }
        let elements = elements(&self.bytes).map_while(Result::ok).take(MAX_BATCH + 1);
        elements.map(|(range, _)| self.bytes.slice(range)).collect()
    }
}

/// Most messages in a batch that is worked off.
pub const MAX_BATCH: usize = 1000;

/// The members of an envelope as they were found.
#[derive(Default)]
struct Parts {
    version: Option<(Span, JsonKind)>,
    id: Option<(Span, JsonKind)>,
    method: Option<(Span, JsonKind)>,
    params: Option<(Span, Index)>,
    params_kind: Option<JsonKind>,
    result: Option<Span>,
    error: Option<(Span, JsonKind)>,
    problem: Option<EnvelopeError>,
    id_in_doubt: bool,
}

impl Parts {
    fn scan(scanner: &mut Scanner<'_>) -> Result<Self, EnvelopeError> {
        let raw = scanner.bytes();
        if scanner.peek() != Some(b'{') {
            // Rather "no JSON" than "no message", if it is neither.
            scanner.value(0)?;
            scanner.end()?;
            return Err(invalid("the message is no JSON object"));
        }
        let mut parts = Self::default();
        let mut unknown: Vec<Span> = Vec::new();
        let mut more = scanner.open(b'{', b'}', 0)?;
        while more {
            let key = scanner.key()?;
            let name = key_text(raw, key);
            let twice = if name == "params" {
                let again = parts.params_kind.is_some();
                if scanner.peek() == Some(b'{') {
                    let start = scanner.at();
                    let index = Index::scan(scanner, 1, &mut parts.problem)?;
                    parts.params = Some((Span::new(start, scanner.at()), index));
                    parts.params_kind = Some(JsonKind::Object);
                } else {
                    parts.params_kind = Some(scanner.value(1)?.1);
                }
                again
            } else {
                let found = scanner.value(1)?;
                match name.as_ref() {
                    "jsonrpc" => parts.version.replace(found).is_some(),
                    "id" => parts.id.replace(found).is_some(),
                    "method" => parts.method.replace(found).is_some(),
                    "result" => parts.result.replace(found.0).is_some(),
                    "error" => parts.error.replace(found).is_some(),
                    _ => {
                        unknown.push(key);
                        false
                    }
                }
            };
            if twice {
                parts.id_in_doubt |= name == "id";
                parts.problem = Some(invalid("a member of the message occurs twice"));
            }
            more = scanner.more(b'}')?;
        }
        scanner.end()?;
        if unknown.len() > UNKNOWN_LIMIT {
            parts.problem = Some(invalid("the message has too many members that JSON-RPC does not know"));
        } else if repeated(raw, &unknown) {
            parts.problem = Some(invalid("a member of the message occurs twice"));
        }
        Ok(parts)
    }

    fn judge(&self, bytes: &[u8]) -> Result<(Kind, Method), EnvelopeError> {
        let text = |span: Span| bytes.get(span.range()).unwrap_or_default();
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        if self.version.is_none_or(|(span, _)| decode_string(text(span)).as_deref() != Some("2.0")) {
            return Err(invalid("`jsonrpc` must be \"2.0\""));
        }
        let id_is_null = matches!(self.id, Some((_, JsonKind::Null)));
        if let Some((span, kind)) = self.id
            && !id_is_null
            && !is_token(kind, text(span))
        {
            return Err(invalid("`id` must be a string or an integer"));
        }
        let answers = usize::from(self.result.is_some()) + usize::from(self.error.is_some());
        let Some((method, _)) = self.method else {
            return self.judge_answer(answers, id_is_null).map(|kind| (kind, Method::None));
        };
        if answers != 0 {
            return Err(invalid("a message is a request or a response, not both"));
        }
        if id_is_null {
            return Err(invalid("`id` of a request must not be null"));
        }
        if !matches!(self.params_kind, None | Some(JsonKind::Object | JsonKind::Null)) {
            return Err(invalid("`params` must be an object"));
        }
        let method = match decode_string(text(method)) {
            Some(Cow::Borrowed(_)) => Method::Plain(Span { start: method.start + 1, end: method.end - 1 }),
            Some(Cow::Owned(decoded)) => Method::Decoded(decoded.into_boxed_str()),
            None => return Err(invalid("`method` must be a string")),
        };
        Ok((if self.id.is_some() { Kind::Request } else { Kind::Notification }, method))
    }

    fn judge_answer(&self, answers: usize, id_is_null: bool) -> Result<Kind, EnvelopeError> {
        match (answers, self.error) {
            (0, _) => Err(invalid("the message has no method and is no response")),
            (1, None) if self.id.is_none() || id_is_null => Err(invalid("the response has no id")),
            (1, None) => Ok(Kind::Response),
            (1, Some((_, JsonKind::Object))) => Ok(Kind::Error),
            (1, Some(_)) => Err(invalid("`error` must be an object")),
            _ => Err(invalid("a response has a result or an error, not both")),
        }
    }
}

fn invalid(text: &'static str) -> EnvelopeError {
    EnvelopeError::new(code::INVALID_REQUEST, text)
}

/// Whether two of the keys are the same once they are decoded.
fn repeated(raw: &[u8], keys: &[Span]) -> bool {
    let text = |span: &Span| raw.get(span.range()).unwrap_or_default();
    keys.iter().enumerate().any(|(at, key)| {
        keys.iter().skip(at + 1).any(|other| {
            let (one, two) = (text(key), text(other));
            one == two || decode_string(one).is_some_and(|one| decode_string(two) == Some(one))
        })
    })
}

/// The parts of an error object.
#[derive(Debug, Clone)]
pub struct ErrorBody {
    /// The code.
    pub code: i64,
    /// The message, decoded; half surrogate pairs make it empty.
    pub message: String,
    /// Raw `data`, if there is any.
    pub data: Option<Bytes>,
}

impl ErrorBody {
    /// Reads an error object, as [`Envelope::error`] gives it. A missing or unusable code becomes −32603, a missing message stays empty:
    /// a sloppy refusal is still a refusal.
    #[must_use]
    pub fn scan(raw: &Bytes) -> Self {
        let mut body = Self { code: code::INTERNAL, message: String::new(), data: None };
        for member in members(raw).map_while(Result::ok) {
            let value = member.value(raw);
            if member.key_is(raw, "code") {
                let parsed = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                body.code = parsed.unwrap_or(code::INTERNAL);
            } else if member.key_is(raw, "message") {
                body.message = member.string(raw).unwrap_or_default().into_owned();
            } else if member.key_is(raw, "data") {
                body.data = Some(raw.slice(member.value_range()));
            }
        }
        body
    }
}
