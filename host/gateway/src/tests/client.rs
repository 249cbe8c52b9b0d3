//! An HTTP client that shows what is on the wire: one connection, headers as they are given.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection of any kind.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

pub(super) struct Http {
    stream: Box<dyn Wire>,
    buffer: Vec<u8>,
    pub(super) session: Option<String>,
    pub(super) last_event: String,
    next: u64,
}

/// A response whose body may still be on its way.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HashMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Whole {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The messages of a stream of events.
    pub(super) fn events(&self) -> Vec<Value> {
        assert_eq!(self.headers["content-type"], "text/event-stream");
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        // An event that only has an id to come back to.
        data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

pub(super) const JSON: &[(&str, &str)] =
    &[("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];

impl Http {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(super) fn over(stream: impl Wire + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
            session: None,
            last_event: String::new(),
            next: 1,
        }
    }

    /// Writes a request with exactly these headers besides `Host` (unless given) and `Content-Length`.
    pub(super) async fn write(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str("Host: localhost\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.raw(&text).await;
    }

    /// Writes what is no whole request.
    pub(super) async fn raw(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Whether something has come, without waiting for it.
    pub(super) fn has_bytes(&mut self) -> bool {
        let mut piece = [0; 64];
        let mut piece = tokio::io::ReadBuf::new(&mut piece);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let ready = std::pin::Pin::new(&mut self.stream).poll_read(&mut context, &mut piece).is_ready();
        self.buffer.extend_from_slice(piece.filled());
        ready
    }

    /// Reads until the connection ends, and gives what came.
    pub(super) async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8(std::mem::take(&mut self.buffer)).unwrap()
    }

    async fn fill(&mut self) -> bool {
        let mut piece = [0; 4096];
        let n = self.stream.read(&mut piece).await.unwrap_or(0);
        self.buffer.extend_from_slice(&piece[..n]);
        n > 0
    }

    /// Reads a head.
    pub(super) async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().await, "the connection ended: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let text: Vec<u8> = self.buffer.drain(..end).collect();
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Head { status, headers }
    }

    /// Reads one chunk of a stream; empty at its end.
    pub(super) async fn chunk(&mut self) -> String {
        let (size, start) = loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let digits = std::str::from_utf8(&self.buffer[..at]).unwrap();
                break (usize::from_str_radix(digits, 16).unwrap(), at + 2);
            }
            assert!(self.fill().await, "the stream was cut");
        };
        while self.buffer.len() < start + size + 2 {
            assert!(self.fill().await, "the stream was cut");
        }
        let data = self.buffer[start..start + size].to_vec();
        self.buffer.drain(..start + size + 2);
        String::from_utf8(data).unwrap()
    }

    /// Reads the next message of a stream of events, leaving out comments; `None` at its end.
    pub(super) async fn event(&mut self) -> Option<Value> {
        self.event_with_id().await.map(|(_, event)| event)
    }

    /// The same with the event's id, which is that of the last event that had one.
    pub(super) async fn event_with_id(&mut self) -> Option<(String, Value)> {
        loop {
            let chunk = self.chunk().await;
            if chunk.is_empty() {
                return None;
            }
            if let Some(id) = chunk.lines().find_map(|line| line.strip_prefix("id: ")) {
                self.last_event = id.to_owned();
            }
            let data = chunk.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data.filter(|data| !data.is_empty()) {
                return Some((self.last_event.clone(), serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// Reads a whole response.
    pub(super) async fn read(&mut self) -> Whole {
        let head = self.head().await;
        let mut body = String::new();
        if head.headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                body.push_str(&chunk);
            }
        } else {
            let length = head.headers.get("content-length").map_or(0, |value| value.parse().unwrap());
            while self.buffer.len() < length {
                assert!(self.fill().await, "the body was cut");
            }
            body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        }
        Whole { status: head.status, headers: head.headers, body }
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Whole {
        self.write(method, path, headers, body).await;
        self.read().await
    }

    /// Writes a POST as a legacy client does.
    pub(super) async fn write_post(&mut self, body: &str) {
        let session = self.session.clone();
        let mut headers = JSON.to_vec();
        if let Some(session) = &session {
            headers.push(("Mcp-Session-Id", session));
        }
        self.write("POST", "/mcp", &headers, body).await;
    }

    pub(super) async fn post(&mut self, body: &str) -> Whole {
        self.write_post(body).await;
        self.read().await
    }

    /// Opens a legacy session of a client that cannot be asked for anything.
    pub(super) async fn initialize(&mut self, revision: &str) -> Value {
        self.initialize_with(revision, json!({})).await
    }

    pub(super) async fn initialize_with(&mut self, revision: &str, capabilities: Value) -> Value {
        let params = json!({"protocolVersion":revision,"capabilities":capabilities,"clientInfo":{"name":"t","version":"1"}});
        let response = self
            .post(&json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":params}).to_string())
            .await;
        assert_eq!(response.status, 200, "{response:?}");
        self.session = Some(response.headers["mcp-session-id"].clone());
        let initialized = json!({"jsonrpc":"2.0","method":"notifications/initialized"});
        assert_eq!(self.post(&initialized.to_string()).await.status, 202);
        response.json()["result"].clone()
    }

    /// A legacy request with a fresh id; gives the whole answer.
    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let response =
            self.post(&json!({"jsonrpc":"2.0","id":id,"method":method,"params":params}).to_string()).await;
        assert_eq!(response.status, 200, "{response:?}");
        let answer = response.json();
        assert_eq!(answer["id"], id);
        answer
    }

    /// Writes a modern request.
    pub(super) async fn write_modern(&mut self, id: Value, method: &str, params: Value) {
        let body = json!({"jsonrpc":"2.0","id":id,"method":method,"params":modern(params)});
        let name = body["params"]["name"].as_str().or(body["params"]["uri"].as_str()).map(str::to_owned);
        let mut headers = JSON.to_vec();
        headers.push(("MCP-Protocol-Version", "2026-07-28"));
        headers.push(("Mcp-Method", method));
        if let Some(name) = &name {
            headers.push(("Mcp-Name", name));
        }
        self.write("POST", "/mcp", &headers, &body.to_string()).await;
    }

    /// A modern request with a fresh id; gives status and answer.
    pub(super) async fn ask_modern(&mut self, method: &str, params: Value) -> (u16, Value) {
        self.next += 1;
        let id = self.next;
        self.write_modern(id.into(), method, params).await;
        let response = self.read().await;
        let answer = response.json();
        assert_eq!(answer["id"], id);
        (response.status, answer)
    }
}

/// Parameters with what the modern era wants in them.
pub(super) fn modern(mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name":"t","version":"1"});
    let capabilities = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    if capabilities.is_null() {
        *capabilities = json!({});
    }
    params
}
