//! A small MCP client of either era over either transport. It knows as little as possible, so that what it sees is what was sent.

use super::http::Endpoint;
use super::link::Link;
use super::patience::{eventually, patiently};
use super::stdio::Pipe;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io;
use tokio::task::JoinHandle;

/// How a client speaks (`mcp-ecosystem.md` 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// With a handshake, in this revision.
    Legacy(&'static str),
    /// Without one: 2026-07-28.
    Modern,
}

/// The oldest and the newest revision with a handshake, and the one without.
pub const ERAS: [Era; 3] = [Era::Legacy("2024-11-05"), Era::Legacy("2025-11-25"), Era::Modern];

const MODERN: &str = "2026-07-28";

/// A JSON-RPC error, or, with code 0, the reason why no answer came at all.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcError {
    /// Its code.
    pub code: i64,
    /// Its message.
    pub message: String,
    /// Its data; `null` if there is none.
    pub data: Value,
}

impl RpcError {
    fn unanswered(reason: impl std::fmt::Display) -> Self {
        Self { code: 0, message: format!("no answer: {reason}"), data: Value::Null }
    }
}

/// What a request came to.
pub type Answer = Result<Value, RpcError>;

/// A request that was sent and whose answer has not been asked for.
pub enum InFlight {
    /// Over standard input, or HTTP+SSE: its id.
    Stdio(u64),
    /// Over HTTP: the task that reads its answer.
    Http(JoinHandle<Answer>),
}

/// A client that has introduced itself.
pub struct Client {
    era: Era,
    wire: Wire,
    next: u64,
    /// What it says it can be asked for.
    capabilities: Value,
    /// Its result for each method that it can be asked for; what is not here it never answers.
    answers: Map<String, Value>,
    /// What it was asked and has answered, oldest first: objects with `method` and `params`.
    pub questions: Vec<Value>,
    /// What the gateway said about itself: result of `initialize` or `server/discover`.
    pub hello: Value,
}

enum Wire {
    Stream { link: Link, early: HashMap<u64, Answer>, notifications: Vec<Value> },
    Http { endpoint: Endpoint, session: String },
}

impl Client {
    /// Introduces itself over standard input and output.
    ///
    /// # Panics
    /// It is not welcome.
    pub async fn over_stdio(pipe: Pipe, era: Era) -> Self {
        Self::asked_over_stdio(pipe, era, json!({}), Map::new()).await
    }

    /// The same for a client that says it can be asked for something, with its result for each method.
    ///
    /// # Panics
    /// It is not welcome.
    pub async fn asked_over_stdio(
        pipe: Pipe,
        era: Era,
        capabilities: Value,
        answers: Map<String, Value>,
    ) -> Self {
        let wire = Wire::Stream { link: Link::Pipe(pipe), early: HashMap::new(), notifications: Vec::new() };
        Self::introduced(wire, era, capabilities, answers).await
    }

    /// Introduces itself by HTTP+SSE.
    ///
    /// # Panics
    /// It is not welcome.
    pub async fn over_events(endpoint: &Endpoint, era: Era) -> Self {
        let link = Link::by_events(endpoint).await;
        let wire = Wire::Stream { link, early: HashMap::new(), notifications: Vec::new() };
        Self::introduced(wire, era, json!({}), Map::new()).await
    }

    /// Introduces itself over HTTP.
    ///
    /// # Panics
    /// It is not welcome.
    pub async fn over_http(endpoint: Endpoint, era: Era) -> Self {
        let wire = Wire::Http { endpoint, session: String::new() };
        Self::introduced(wire, era, json!({}), Map::new()).await
    }

    async fn introduced(wire: Wire, era: Era, capabilities: Value, answers: Map<String, Value>) -> Self {
        let (questions, hello) = (Vec::new(), Value::Null);
        let mut client = Self { era, wire, next: 1, capabilities, answers, questions, hello };
        client.introduce().await.unwrap_or_else(|error| panic!("no welcome: {error:?}"));
        client
    }

    async fn introduce(&mut self) -> Result<(), RpcError> {
        let Era::Legacy(revision) = self.era else {
            self.hello = self.request("server/discover", json!({})).await?;
            return Ok(());
        };
        let params = json!({
            "protocolVersion": revision, "capabilities": self.capabilities, "clientInfo": {"name": "tests", "version": "1"}
        });
        if let Wire::Http { endpoint, session } = &mut self.wire {
            let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
            let mut reply = endpoint.post(&[], &message).await.map_err(RpcError::unanswered)?;
            *session = reply.header("mcp-session-id");
            let message = reply.message().await.map_err(RpcError::unanswered)?;
            self.hello =
                answer_of(message.ok_or_else(|| RpcError::unanswered(format!("status {}", reply.status)))?)?;
        } else {
            self.hello = self.request("initialize", params).await?;
        }
        assert_eq!(self.hello["protocolVersion"], revision, "another revision than the one asked for");
        self.notify("notifications/initialized", json!({})).await;
        Ok(())
    }

    /// Sends a request and waits for its answer. What a modern client is asked on the way it answers, and sends the request again.
    ///
    /// # Errors
    /// The error that came instead.
    ///
    /// # Panics
    /// It is asked for something that it cannot be asked for.
    pub async fn request(&mut self, method: &str, mut params: Value) -> Answer {
        loop {
            let sent = self.begin(method, params.clone()).await;
            let result = self.finish(sent).await?;
            if result["resultType"] != "input_required" || self.answers.is_empty() {
                return Ok(result);
            }
            let mut responses = Map::new();
            for (key, question) in result["inputRequests"].as_object().unwrap() {
                let answer = self.answers.get(question["method"].as_str().unwrap());
                let answer = answer.unwrap_or_else(|| panic!("nobody can answer {question}"));
                responses.insert(key.clone(), answer.clone());
                self.questions.push(question.clone());
            }
            params["inputResponses"] = Value::Object(responses);
            if let Some(state) = result.get("requestState") {
                params["requestState"] = state.clone();
            }
        }
    }

    /// Answers so from now on when it is asked for this.
    pub fn will_answer(&mut self, method: &str, result: Value) {
        self.answers.insert(method.to_owned(), result);
    }

    /// Sends a request.
    pub async fn begin(&mut self, method: &str, params: Value) -> InFlight {
        let id = self.next;
        self.next += 1;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": self.dressed(params)});
        match &mut self.wire {
            Wire::Stream { link, .. } => {
                link.send(&message).await;
                InFlight::Stdio(id)
            }
            Wire::Http { endpoint, session } => {
                InFlight::Http(tokio::spawn(exchange(endpoint.clone(), self.era, session.clone(), message)))
            }
        }
    }

    /// Waits for the answer to a request that was sent.
    ///
    /// # Errors
    /// The error that came instead.
    ///
    /// # Panics
    /// Neither answer nor error comes.
    pub async fn finish(&mut self, sent: InFlight) -> Answer {
        match (sent, &mut self.wire) {
            (InFlight::Http(task), _) => patiently("an answer over HTTP", task).await.unwrap(),
            (InFlight::Stdio(id), Wire::Stream { .. }) => loop {
                if let Wire::Stream { early, .. } = &mut self.wire
                    && let Some(answer) = early.remove(&id)
                {
                    return answer;
                }
                if !self.read("an answer on standard output").await {
                    return Err(RpcError::unanswered("the gateway closed its standard output"));
                }
            },
            (InFlight::Stdio(_), Wire::Http { .. }) => panic!("a request of another client"),
        }
    }

    /// Reads one message from standard output, answers it if it is a question, and keeps it otherwise. False at the end.
    async fn read(&mut self, what: &str) -> bool {
        let Wire::Stream { link, early, notifications } = &mut self.wire else {
            panic!("a client over HTTP has a stream for what is no answer")
        };
        let Some(mut message) = patiently(what, link.next()).await else { return false };
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        match (message.get("id").and_then(Value::as_u64), self.answers.get(&method)) {
            (Some(id), _) if method.is_empty() => drop(early.insert(id, answer_of(message))),
            (Some(id), Some(answer)) => {
                link.send(&json!({"jsonrpc": "2.0", "id": id, "result": answer})).await;
                self.questions.push(json!({"method": method, "params": message["params"].take()}));
            }
            _ => notifications.push(message),
        }
        true
    }

    /// Sends a notification.
    ///
    /// # Panics
    /// The gateway does not accept it.
    pub async fn notify(&mut self, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": self.dressed(params)});
        match &mut self.wire {
            Wire::Stream { link, .. } => link.send(&message).await,
            Wire::Http { endpoint, session } => {
                let headers = headers(self.era, session, &message);
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let reply = endpoint.post(&headers, &message).await.unwrap();
                assert_eq!(reply.status, 202, "answer to {method}");
            }
        }
    }

    /// Waits for a notification over standard output and gives it.
    ///
    /// # Panics
    /// It does not come, or the client is one over HTTP.
    pub async fn notified(&mut self, method: &str) -> Value {
        loop {
            if let Wire::Stream { notifications, .. } = &mut self.wire
                && let Some(at) = notifications.iter().position(|message| message["method"] == method)
            {
                return notifications.remove(at);
            }
            assert!(self.read(method).await, "the gateway ended without {method}");
        }
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// The error that came instead of a result.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool that must succeed and gives the text of its first content.
    ///
    /// # Panics
    /// It does not.
    pub async fn text(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error:?}"));
        assert_ne!(result["isError"], true, "{tool} failed: {result}");
        result["content"][0]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{tool} gave no text: {result}"))
            .to_owned()
    }

    /// Names of all tools, over all pages, sorted.
    ///
    /// # Panics
    /// They cannot be listed.
    pub async fn tools(&mut self) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), None);
        loop {
            let params = cursor.map_or_else(|| json!({}), |cursor: Value| json!({"cursor": cursor}));
            let result = self
                .request("tools/list", params)
                .await
                .unwrap_or_else(|error| panic!("tools/list: {error:?}"));
            for tool in result["tools"].as_array().unwrap() {
                names.push(tool["name"].as_str().unwrap().to_owned());
            }
            match result.get("nextCursor") {
                Some(next) => cursor = Some(next.clone()),
                None => break,
            }
        }
        names.sort();
        names
    }

    /// Lists until all of these tools are there: servers come up behind the gateway while it already answers.
    ///
    /// # Panics
    /// They never are.
    pub async fn await_tools(&mut self, wanted: &[&str]) {
        eventually(&format!("tools {wanted:?}"), async || {
            let there = self.tools().await;
            let missing = wanted.iter().any(|name| !there.iter().any(|tool| tool == name));
            if missing { Err(format!("there are {there:?}")) } else { Ok(()) }
        })
        .await;
    }

    /// Ends its session, as a client does that goes for good. One without a session just goes.
    ///
    /// # Panics
    /// The gateway does not let it.
    pub async fn leave(self) {
        if let Wire::Http { endpoint, session } = &self.wire
            && !session.is_empty()
        {
            let reply =
                endpoint.send(http::Method::DELETE, &[("mcp-session-id", session)], "").await.unwrap();
            assert!(reply.status.is_success(), "DELETE of a session: {}", reply.status);
        }
    }

    /// Adds what a modern request carries about its sender.
    fn dressed(&self, mut params: Value) -> Value {
        if self.era == Era::Modern {
            let meta =
                params.as_object_mut().unwrap().entry("_meta").or_insert_with(|| Value::Object(Map::new()));
            meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "tests", "version": "1"});
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        }
        params
    }
}

/// Headers of a message beside those of every request (`mcp-ecosystem.md` 3).
fn headers(era: Era, session: &str, message: &Value) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    match era {
        Era::Legacy(revision) => {
            if !session.is_empty() {
                headers.push(("mcp-session-id", session.to_owned()));
            }
            // Came with 2025-06-18.
            if revision >= "2025-06-18" {
                headers.push(("mcp-protocol-version", revision.to_owned()));
            }
        }
        Era::Modern => {
            headers.push(("mcp-protocol-version", MODERN.to_owned()));
            headers.push(("mcp-method", message["method"].as_str().unwrap_or_default().to_owned()));
            let params = &message["params"];
            if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
                headers.push(("mcp-name", name.to_owned()));
            }
        }
    }
    headers
}

async fn exchange(endpoint: Endpoint, era: Era, session: String, message: Value) -> Answer {
    let headers = headers(era, &session, &message);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let read = async {
        let mut reply = endpoint.post(&headers, &message).await?;
        while let Some(read) = reply.message().await? {
            if read.get("method").is_none() && read["id"] == message["id"] {
                return Ok(answer_of(read));
            }
        }
        io::Result::Ok(Err(RpcError::unanswered(format!("the body ended, status {}", reply.status))))
    };
    read.await.unwrap_or_else(|error| Err(RpcError::unanswered(error)))
}

/// Takes a response apart.
fn answer_of(mut message: Value) -> Answer {
    if let Some(error) = message.get_mut("error") {
        return Err(RpcError {
            code: error["code"].as_i64().unwrap(),
            message: error["message"].as_str().unwrap().to_owned(),
            data: error["data"].take(),
        });
    }
    Ok(message["result"].take())
}
