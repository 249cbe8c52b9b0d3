//! A server of the tests: a loop over lines that speaks one of the eras and has tools for every behaviour a test wants.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, WriteHalf};
use tokio::sync::watch;

/// How a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Legacy,
    Modern,
    /// Reads and never says a word.
    Nothing,
}

/// One server and all its lives.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) speaks: Speaks,
    /// Lists by the member of the result that holds them. Raw, so that a test sees what becomes of every byte.
    pub(super) lists: Mutex<HashMap<&'static str, Vec<String>>>,
    /// Items on a page; zero for all.
    pub(super) page: usize,
    pub(super) instructions: Option<&'static str>,
    /// While it is false the server reads nothing.
    pub(super) open: watch::Sender<bool>,
    /// Every line it got.
    pub(super) seen: watch::Sender<Vec<String>>,
    out: Mutex<Vec<Arc<tokio::sync::Mutex<WriteHalf<DuplexStream>>>>>,
}

impl Script {
    pub(super) fn new(name: &'static str, speaks: Speaks) -> Self {
        Self {
            name,
            speaks,
            lists: Mutex::default(),
            page: 0,
            instructions: None,
            open: watch::Sender::new(true),
            seen: watch::Sender::default(),
            out: Mutex::default(),
        }
    }

    pub(super) fn tools(self, names: &[&str]) -> Self {
        let items = names
            .iter()
            .map(|name| format!("{{\"name\":\"{name}\",\"inputSchema\":{{\"type\":\"object\"}}}}"));
        self.raw("tools", items.collect())
    }

    pub(super) fn raw(self, list: &'static str, items: Vec<String>) -> Self {
        self.lists.lock().unwrap().insert(list, items);
        self
    }

    /// Waits until a line fulfils the condition and gives it.
    pub(super) async fn saw(&self, what: impl Fn(&str) -> bool) -> String {
        let mut seen = self.seen.subscribe();
        let lines = seen.wait_for(|lines| lines.iter().any(|line| what(line))).await.unwrap();
        lines.iter().find(|line| what(line)).unwrap().clone()
    }

    /// How many lines fulfil the condition by now.
    pub(super) fn count(&self, what: &str) -> usize {
        self.seen.borrow().iter().filter(|line| line.contains(what)).count()
    }

    /// Replaces a list and says so on every connection.
    pub(super) async fn change(&self, list: &'static str, items: Vec<String>) {
        self.lists.lock().unwrap().insert(list, items);
        let kind = if list == "resourceTemplates" { "resources" } else { list };
        let method = format!("notifications/{kind}/list_changed");
        let outs = self.out.lock().unwrap().clone();
        for out in outs {
            let message = if self.speaks == Speaks::Modern {
                let Some(id) = self.listening() else { continue };
                json!({"jsonrpc":"2.0","method":method,"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":id}}})
            } else {
                json!({"jsonrpc":"2.0","method":method})
            };
            // A connection that has ended hears nothing.
            let _ = out.lock().await.write_all(format!("{message}\n").as_bytes()).await;
        }
    }

    /// Says something on every connection.
    pub(super) async fn say(&self, message: &Value) {
        let outs = self.out.lock().unwrap().clone();
        for out in outs {
            let _ = out.lock().await.write_all(format!("{message}\n").as_bytes()).await;
        }
    }

    fn listening(&self) -> Option<Value> {
        self.listening_for("ListChanged")
    }

    /// The id of the newest stream for this.
    fn listening_for(&self, what: &str) -> Option<Value> {
        let seen = self.seen.borrow();
        let listens = |line: &&String| line.contains("subscriptions/listen") && line.contains(what);
        let line = seen.iter().rev().find(listens)?;
        Some(serde_json::from_str::<Value>(line).unwrap()["id"].clone())
    }

    /// Serves one connection.
    pub(super) async fn serve(self: Arc<Self>, stream: DuplexStream) {
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        let (input, output) = tokio::io::split(stream);
        let output = Arc::new(tokio::sync::Mutex::new(output));
        self.out.lock().unwrap().push(Arc::clone(&output));
        // What this connection alone has got.
        let mut mine = Vec::new();
        let mut lines = BufReader::new(input).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.seen.send_modify(|seen| seen.push(line.clone()));
            if self.speaks == Speaks::Nothing {
                continue;
            }
            // Half a surrogate pair is grammar to us and an error to this parser.
            let message: Value = serde_json::from_str(&line.replace("\\ud800", "")).unwrap();
            let replies = match self.reply(&line, &message, &mut mine) {
                Reply::Lines(lines) => lines,
                Reply::Die => break,
            };
            for reply in replies {
                if output.lock().await.write_all(format!("{reply}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
        self.out.lock().unwrap().retain(|other| !Arc::ptr_eq(other, &output));
        let _ = output.lock().await.shutdown().await;
    }

    fn reply(&self, line: &str, message: &Value, mine: &mut Vec<String>) -> Reply {
        let id = &message["id"];
        if id.is_null() {
            return Reply::Lines(Vec::new());
        }
        let modern = self.speaks == Speaks::Modern;
        let method = message["method"].as_str().unwrap_or_default();
        let params = &message["params"];
        if modern && method != "server/discover" {
            assert_eq!(params["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28", "{line}");
            assert!(params["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_object(), "{line}");
        }
        if message.get("method").is_none() {
            return self.go_on(message);
        }
        let capabilities = json!({"tools":{"listChanged":true},"prompts":{"listChanged":true},"completions":{},"logging":{},
                                  "resources":{"listChanged":true,"subscribe":true}});
        let result = match method {
            "server/discover" if modern => json!({
                "resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":capabilities,
                "instructions":self.instructions,"ttlMs":0,"cacheScope":"private"
            })
            .to_string(),
            "initialize" if !modern => {
                // As real servers do: one tool more for clients that can be asked.
                if params["capabilities"]["sampling"].is_object() {
                    mine.push("{\"name\":\"echo-if-sampling\"}".to_owned());
                }
                json!({
                "protocolVersion":params["protocolVersion"],"capabilities":capabilities,
                "serverInfo":{"name":self.name,"version":"1"},"instructions":self.instructions.unwrap_or_default()
                })
                .to_string()
            }
            "subscriptions/listen" if modern => {
                let meta = json!({"io.modelcontextprotocol/subscriptionId":id});
                let granted = &params["notifications"];
                return Reply::Lines(vec![
                    json!({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged",
                           "params":{"_meta":meta,"notifications":granted}})
                    .to_string(),
                ]);
            }
            "tools/list" => self.list("tools", params, mine),
            "prompts/list" => self.list("prompts", params, &[]),
            "resources/list" => self.list("resources", params, &[]),
            "resources/templates/list" => self.list("resourceTemplates", params, &[]),
            // Gets a tool more on this connection, and says so before it answers.
            "tools/call" if params["name"] == "mine" => {
                mine.push(format!("{{\"name\":\"echo-mine-{}\"}}", params["arguments"]["n"]));
                let message = json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"});
                let result = self.complete("\"content\":[]");
                let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}");
                return Reply::Lines(vec![message.to_string(), answer]);
            }
            "tools/call" => return self.call(line, id, params),
            "prompts/get" => {
                let name = params["name"].as_str().unwrap_or_default();
                self.complete(&format!("\"description\":\"{name} of {}\",\"messages\":[]", self.name))
            }
            "logging/setLevel" | "resources/unsubscribe" => "{}".to_owned(),
            "resources/subscribe" if params["uri"].as_str().is_some_and(|uri| uri.contains("missing")) => {
                return error(id, -32002, "no such resource");
            }
            "resources/subscribe" => "{}".to_owned(),
            "completion/complete" => {
                let about = &params["ref"];
                let about = about["name"].as_str().or(about["uri"].as_str()).unwrap_or_default();
                let values = json!([about, params["argument"]["value"], params["context"]["arguments"]["x"]]);
                self.complete(&format!("\"completion\":{{\"values\":{values}}}"))
            }
            "resources/read" => {
                let uri = params["uri"].as_str().unwrap_or_default();
                if uri.contains("missing") {
                    let code = if modern { -32602 } else { -32002 };
                    return error(id, code, "no such resource");
                }
                let text = format!("\"contents\":[{{\"uri\":\"{uri}\",\"text\":\"{}\"}}]", self.name);
                self.complete(&text)
            }
            _ => return error(id, -32601, "what?"),
        };
        Reply::Lines(vec![format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")])
    }

    /// What a tool asks its client for, by the end of its name.
    fn question(name: &str) -> Value {
        match name.rsplit('-').next().unwrap_or_default() {
            "sample" => json!({"method":"sampling/createMessage","params":{"messages":[],"maxTokens":5}}),
            "toolsample" => {
                let tools = json!([{"name":"t","inputSchema":{"type":"object"},"x":1.5}]);
                json!({"method":"sampling/createMessage",
                       "params":{"messages":[],"maxTokens":5,"tools":tools,"toolChoice":{"mode":"auto"}}})
            }
            "roots" => json!({"method":"roots/list"}),
            "url" => {
                json!({"method":"elicitation/create","params":{"mode":"url","message":"m","url":"x://y"}})
            }
            _ => json!({"method":"elicitation/create","params":{"message":"m","x":1.5}}),
        }
    }

    fn ask(&self, id: &Value, params: &Value) -> Reply {
        let name = params["name"].as_str().unwrap_or_default();
        let mut question = Self::question(name);
        if self.speaks != Speaks::Modern {
            question["jsonrpc"] = "2.0".into();
            question["id"] = format!("{name} {id}").into();
            if question["params"].is_object() {
                question["params"]["_meta"] = json!({"progressToken":"p","kept":1});
            }
            return Reply::Lines(vec![question.to_string()]);
        }
        let got = &params["inputResponses"];
        let result = match params["requestState"].as_str() {
            None => {
                json!({"resultType":"input_required","inputRequests":{"q":question},"requestState":"one"})
            }
            Some("one") if name.starts_with("again") => {
                json!({"resultType":"input_required","inputRequests":{"r":question},"requestState":"two"})
            }
            Some(_) => json!({"resultType":"complete","content":[{"type":"text","text":got.to_string()}]}),
        };
        Reply::Lines(vec![json!({"jsonrpc":"2.0","id":id,"result":result}).to_string()])
    }

    /// A client has answered what a legacy tool asked.
    fn go_on(&self, answer: &Value) -> Reply {
        let asked = answer["id"].as_str().unwrap_or_default();
        let Some((name, id)) = asked.rsplit_once(' ') else { return Reply::Lines(Vec::new()) };
        if let Some(rest) = name.strip_prefix("again") {
            let mut question = Self::question(name);
            question["jsonrpc"] = "2.0".into();
            question["id"] = format!("ask{rest} {id}").into();
            return Reply::Lines(vec![question.to_string()]);
        }
        let got = answer.get("result").or(answer.get("error")).unwrap();
        let content = json!([{"type":"text","text":got.to_string()}]);
        let id: Value = serde_json::from_str(id).unwrap();
        Reply::Lines(vec![json!({"jsonrpc":"2.0","id":id,"result":{"content":content}}).to_string()])
    }

    /// A result with its type, where the era has one.
    fn complete(&self, members: &str) -> String {
        if self.speaks == Speaks::Modern {
            format!("{{{members},\"resultType\":\"complete\"}}")
        } else {
            format!("{{{members}}}")
        }
    }

    fn list(&self, list: &'static str, params: &Value, mine: &[String]) -> String {
        let lists = self.lists.lock().unwrap();
        let items = [lists.get(list).map(Vec::as_slice).unwrap_or_default(), mine].concat();
        let start: usize =
            params["cursor"].as_str().map_or(0, |cursor| cursor.trim_start().parse().unwrap_or(0));
        let size = if self.page == 0 { items.len() } else { self.page };
        let end = (start + size).min(items.len());
        let mut members = format!("\"{list}\":[{}]", items[start..end].join(","));
        if end < items.len() {
            members.push_str(&format!(",\"nextCursor\":\"{end}\""));
        }
        if self.speaks == Speaks::Modern {
            members.push_str(",\"ttlMs\":60000,\"cacheScope\":\"public\"");
        }
        self.complete(&members)
    }

    /// The tools: what a tool does is what its name says, after what looks like a prefix and up to a dash.
    fn call(&self, line: &str, id: &Value, params: &Value) -> Reply {
        let name = params["name"].as_str().unwrap_or_default();
        let done = |text: &str| {
            let content = json!([{"type":"text","text":text}]);
            let result = self.complete(&format!("\"content\":{content},\"x-odd\":[ 1.50 , \"\\u00e4\" ]"));
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
        };
        let what = name.rsplit("__").next().unwrap_or_default();
        match what.split('-').next().unwrap_or_default() {
            // Says who it is and what it was given.
            "echo" => Reply::Lines(vec![done(&format!(
                "{}:{}",
                self.name,
                params["arguments"]["text"].as_str().unwrap_or("")
            ))]),
            // Gives back the line it got.
            "line" => Reply::Lines(vec![done(line)]),
            "progress" => {
                let token = &params["_meta"]["progressToken"];
                let mut lines: Vec<_> = [0, 50, 50, 100]
                    .into_iter()
                    .map(|n| {
                        json!({"jsonrpc":"2.0","method":"notifications/progress",
                               "params":{"progressToken":token,"progress":n,"total":100,"x":"y"}})
                        .to_string()
                    })
                    .collect();
                lines.push(done("done"));
                Reply::Lines(lines)
            }
            // Gets a tool more, and says so before it answers.
            "grow" => {
                let mut lists = self.lists.lock().unwrap();
                let tools = lists.get_mut("tools").unwrap();
                tools.push(format!("{{\"name\":\"tool-{}\"}}", tools.len()));
                let mut message = json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"});
                if self.speaks == Speaks::Modern {
                    let Some(id) = self.listening() else { return Reply::Lines(vec![done("not heard")]) };
                    message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] = id;
                }
                Reply::Lines(vec![message.to_string(), done("grown")])
            }
            // Asks its client for what the name says, and answers with what it got.
            "ask" | "again" => self.ask(id, params),
            // Wants more than it may at once, or something that few declare beside what many do.
            "flood" => {
                let questions = (0..33).map(|n| (format!("q{n}"), Self::question("elicit")));
                let questions: serde_json::Map<_, _> = questions.collect();
                wants(id, &questions.into())
            }
            "mixed" => wants(id, &json!({"a": Self::question("elicit"), "b": Self::question("sample")})),
            // Says three things of three levels before it answers.
            "log" => {
                let say = |level: &str| {
                    json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":level,"data":[ 1.0 ]}})
                        .to_string()
                };
                Reply::Lines(vec![say("debug"), say("warning"), say("error"), done("logged")])
            }
            // Updates the resource that it is given, before it answers.
            "update" => {
                let mut message = json!({"jsonrpc":"2.0","method":"notifications/resources/updated",
                                         "params":{"uri":params["arguments"]["uri"]}});
                if self.speaks == Speaks::Modern {
                    let Some(id) = self.listening_for("resourceSubscriptions") else {
                        return Reply::Lines(vec![done("not heard")]);
                    };
                    message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] = id;
                }
                Reply::Lines(vec![message.to_string(), done("updated")])
            }
            "die" => Reply::Die,
            "hang" => Reply::Lines(Vec::new()),
            "fail" => error(id, -32042, "visit"),
            "input" => Reply::Lines(vec![
                json!({"jsonrpc":"2.0","id":id,"result":{"resultType":"input_required","inputRequests":{}}})
                    .to_string(),
            ]),
            _ => error(id, -32602, "no such tool here"),
        }
    }
}

enum Reply {
    Lines(Vec<String>),
    Die,
}

/// The result of a modern server that wants more input.
fn wants(id: &Value, questions: &Value) -> Reply {
    let result = json!({"resultType":"input_required","inputRequests":questions,"requestState":"one"});
    Reply::Lines(vec![json!({"jsonrpc":"2.0","id":id,"result":result}).to_string()])
}

fn error(id: &Value, code: i64, text: &str) -> Reply {
    Reply::Lines(vec![json!({"jsonrpc":"2.0","id":id,"error":{"code":code,"message":text}}).to_string()])
}
