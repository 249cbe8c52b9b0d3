//! JSON-RPC on a line: what a message looks like, how it fails, and how it is written.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _, Write};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use serde_json::{Map, Value, json, value::RawValue};

/// The longest line read; a longer one is skipped and refused, so that a client cannot fill our memory.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// A JSON-RPC error.
#[derive(Debug)]
pub(crate) struct Failure {
    code: i32,
    message: String,
    data: Option<Value>,
}

impl Failure {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    pub(crate) fn parse(cause: &serde_json::Error) -> Self {
        Self::new(-32700, format!("the message is not valid JSON: {cause}"))
    }

    pub(crate) fn envelope(message: impl Into<String>) -> Self {
        Self::new(-32600, message)
    }

    pub(crate) fn method(method: &str) -> Self {
        Self::new(-32601, format!("there is no method `{method}` here"))
    }

    pub(crate) fn parameters(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(-32603, message)
    }

    pub(crate) fn version(requested: &str, supported: &[&str]) -> Self {
        Self::new(-32022, format!("protocol version `{requested}` is not supported"))
            .with_data(json!({ "supported": supported, "requested": requested }))
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serializer.serialize_struct("error", 2 + usize::from(self.data.is_some()))?;
        error.serialize_field("code", &self.code)?;
        error.serialize_field("message", &self.message)?;
        if let Some(data) = &self.data {
            error.serialize_field("data", data)?;
        }
        error.end()
    }
}

/// The answer to one request.
#[derive(Debug)]
pub(crate) struct Response {
    /// The client's own id, or null where it could not be told.
    pub(crate) id: Value,
    /// What is answered.
    pub(crate) outcome: Result<Value, Failure>,
}

impl Serialize for Response {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut response = serializer.serialize_struct("response", 3)?;
        response.serialize_field("jsonrpc", "2.0")?;
        response.serialize_field("id", &self.id)?;
        match &self.outcome {
            Ok(result) => response.serialize_field("result", result)?,
            Err(failure) => response.serialize_field("error", failure)?,
        }
        response.end()
    }
}

/// A message as it came in.
#[derive(Debug)]
pub(crate) enum Message {
    Request {
        id: Value,
        method: String,
        params: Map<String, Value>,
    },
    Notification {
        method: String,
        params: Map<String, Value>,
    },
    /// An answer to a request; we send none, so it is dropped.
    Response,
    /// Not a message; this is what is answered.
    Bad(Response),
}

impl Message {
    /// Reads one message. The envelope is read before its parameters, so that a request whose parameters cannot be
    /// read (a lone surrogate, nesting without end) is still answered under its own id.
    pub(crate) fn read(text: &[u8]) -> Self {
        let bad = |id: Value, failure| Self::Bad(Response { id, outcome: Err(failure) });
        let raw = match serde_json::from_slice::<&RawValue>(text) {
            Ok(raw) => raw.get(),
            Err(cause) => return bad(Value::Null, Failure::parse(&cause)),
        };
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw) else {
            return bad(Value::Null, Failure::envelope("a message is a JSON object"));
        };
        let field = |name: &str| fields.get(name).map(|raw| raw.get());
        let id = match field("id").map(serde_json::from_str::<Value>) {
            None => None,
            Some(Ok(Value::String(id))) => Some(Value::String(id)),
            Some(Ok(Value::Number(id))) if id.is_i64() || id.is_u64() => Some(Value::Number(id)),
            Some(_) => return bad(Value::Null, Failure::envelope("an `id` is a string or an integer")),
        };
        let known = id.clone().unwrap_or(Value::Null);
        if field("jsonrpc").is_none_or(|version| version != "\"2.0\"") {
            return bad(known, Failure::envelope("`jsonrpc` must be \"2.0\""));
        }
        let method = match field("method").map(serde_json::from_str::<String>) {
            None if fields.contains_key("result") || fields.contains_key("error") => return Self::Response,
            Some(Ok(method)) => method,
            _ => return bad(known, Failure::envelope("`method` must be a string")),
        };
        let params = match field("params").map(serde_json::from_str::<Value>) {
            None | Some(Ok(Value::Null)) => Ok(Map::new()),
            Some(Ok(Value::Object(params))) => Ok(params),
            Some(Ok(_)) => Err(Failure::parameters("`params` must be an object")),
            Some(Err(cause)) => Err(Failure::parameters(format!("`params` cannot be read: {cause}"))),
        };
        match (id, params) {
            (Some(id), Ok(params)) => Self::Request { id, method, params },
            (Some(id), Err(failure)) => bad(id, failure),
            (None, params) => Self::Notification { method, params: params.unwrap_or_default() },
        }
    }
}

/// What reading a line gave.
pub(crate) enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads the next line into `line`, without keeping more than the longest line in memory.
pub(crate) fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    input.by_ref().take(LONGEST_LINE).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(Line::End);
    }
    if (line.len() as u64) < LONGEST_LINE || line.ends_with(b"\n") {
        return Ok(Line::Whole);
    }
    line.clear();
    input.skip_until(b'\n')?;
    Ok(Line::TooLong)
}

/// Writes a message as one line with one write, so that nobody ever reads half of it.
pub(crate) fn write_line(output: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
