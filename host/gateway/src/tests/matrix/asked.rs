//! Servers that ask their client: sampling, elicitation, roots.

use super::{Meeting, Pair, Speaks, said_json};
use serde_json::{Value, json};

super::pairs! {
    sampling
    sampling_with_tools
    elicitation
    url_elicitation
    roots
    many_rounds
    undeclared
}

fn everything() -> Value {
    json!({"sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": true}})
}

async fn meet(pair: Pair, capabilities: Value) -> Meeting {
    let script = pair.script().tools(&[
        "ask-sample",
        "ask-toolsample",
        "ask-elicit",
        "ask-url",
        "ask-roots",
        "again-elicit",
    ]);
    pair.meet_as(capabilities, vec![script]).await
}

impl Meeting {
    /// Calls a tool that asks, answers each question, and gives the questions (without what is of their hop) and the answer.
    async fn asked(&mut self, name: &str, answers: &[Value]) -> (Vec<Value>, Value) {
        let mut params = json!({"name": name});
        let mut questions = Vec::new();
        if self.is_modern() {
            for answer in answers {
                let result = self.ask("tools/call", params.clone()).await["result"].clone();
                assert_eq!(result["resultType"], "input_required", "{result}");
                let (key, question) = result["inputRequests"].as_object().unwrap().iter().next().unwrap();
                questions.push(question.clone());
                params["requestState"] = result["requestState"].clone();
                params["inputResponses"] = json!({key: answer});
            }
            let answer = self.ask("tools/call", params).await;
            assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
            return (questions, answer);
        }
        self.write(json!("c"), "tools/call", params).await;
        let head = self.http.head().await;
        assert_eq!(head.headers["content-type"], "text/event-stream");
        let mut other = self.connection().await;
        for answer in answers {
            let mut question = self.http.event().await.unwrap();
            let reply = json!({"jsonrpc": "2.0", "id": question["id"], "result": answer});
            assert_eq!(other.post(&reply.to_string()).await.status, 202);
            for key in ["jsonrpc", "id"] {
                question.as_object_mut().unwrap().remove(key);
            }
            questions.push(question);
        }
        let answer = self.http.event().await.unwrap();
        assert_eq!((self.http.event().await, &answer["id"]), (None, &json!("c")));
        (questions, answer)
    }
}

/// What the tool got: of a modern server all answers by their keys, of a legacy one the only one.
fn got(pair: Pair, answer: &Value) -> Value {
    let got = said_json(answer);
    match pair.server {
        Speaks::Modern => got.as_object().unwrap().values().next().unwrap().clone(),
        _ => got,
    }
}

async fn one_question(pair: Pair, name: &str, method: &str, reply: Value) -> Value {
    let mut m = meet(pair, everything()).await;
    let mut last = Value::Null;
    // Once the server has to come up, then it is there.
    for _ in 0..2 {
        let (questions, answer) = m.asked(name, std::slice::from_ref(&reply)).await;
        assert_eq!(questions[0]["method"], method);
        assert_eq!(got(pair, &answer), reply);
        last = questions[0].clone();
    }
    last
}

async fn sampling(pair: Pair) {
    let reply = json!({"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m"});
    let question = one_question(pair, "ask-sample", "sampling/createMessage", reply).await;
    assert_eq!(question["params"]["maxTokens"], 5);
}

/// Tools inside a sample are relayed as they are, and only to clients that have said they take them.
async fn sampling_with_tools(pair: Pair) {
    let reply = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "t", "input": {"n": 1.5}}],
                       "model": "m", "stopReason": "toolUse"});
    let question = one_question(pair, "ask-toolsample", "sampling/createMessage", reply).await;
    let tools = json!([{"name": "t", "inputSchema": {"type": "object"}, "x": 1.5}]);
    assert_eq!(
        (&question["params"]["tools"], &question["params"]["toolChoice"]),
        (&tools, &json!({"mode": "auto"}))
    );

    // A modern client that is asked by a modern server all the same is the one to refuse: results pass.
    if matches!((pair.client, pair.server), (Speaks::Modern, Speaks::Modern)) {
        return;
    }
    let mut m = meet(pair, json!({"sampling": {}})).await;
    let answer = m.call("ask-toolsample", json!({})).await;
    if pair.server == Speaks::Modern {
        let text =
            "server `a`: asks for `sampling/createMessage` with `tools`, which this client did not declare";
        assert_eq!(answer["error"]["message"], text);
    } else {
        assert_eq!(said_json(&answer)["code"], -32602, "{answer}");
    }
}

async fn elicitation(pair: Pair) {
    let reply = json!({"action": "accept", "content": {"n": 1.5}});
    let question = one_question(pair, "ask-elicit", "elicitation/create", reply).await;
    assert_eq!((&question["params"]["message"], &question["params"]["x"]), (&json!("m"), &json!(1.5)));
}

/// A URL is relayed untouched.
async fn url_elicitation(pair: Pair) {
    let question = one_question(pair, "ask-url", "elicitation/create", json!({"action": "accept"})).await;
    assert_eq!((&question["params"]["mode"], &question["params"]["url"]), (&json!("url"), &json!("x://y")));

    // In the legacy era the server says when the visit is over; the modern one has no word for it.
    if matches!((pair.client, pair.server), (Speaks::Legacy, Speaks::Legacy)) {
        let mut m = meet(pair, everything()).await;
        m.asked("ask-url", &[json!({"action": "accept"})]).await;
        let mut news = m.news(json!({})).await;
        let over = json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete",
                          "params": {"elicitationId": "visit-1", "x": [1.5]}});
        m.server().say(&over).await;
        // That its own server lists more than everybody's may be told before.
        let mut told = news.event().await.unwrap();
        while told["method"] == "notifications/tools/list_changed" {
            told = news.event().await.unwrap();
        }
        assert_eq!(told, over);
    }
}

async fn roots(pair: Pair) {
    let reply = json!({"roots": [{"uri": "file:///x", "name": "x"}]});
    one_question(pair, "ask-roots", "roots/list", reply).await;
}

/// Two questions of one call are two rounds.
async fn many_rounds(pair: Pair) {
    let mut m = meet(pair, everything()).await;
    let replies = [json!({"action": "cancel"}), json!({"action": "accept", "content": {"n": 2}})];
    let (questions, answer) = m.asked("again-elicit", &replies).await;
    assert_eq!(questions.len(), 2);
    assert!(said_json(&answer).to_string().contains("accept"), "{answer}");
}

/// A server is told what its client declared and no more; a legacy client is not asked for anything else, nor is any client by a legacy server.
async fn undeclared(pair: Pair) {
    let mut m = meet(pair, json!({"roots": {}})).await;
    m.asked("ask-roots", &[json!({"roots": []})]).await;
    let seen = m.server().seen.borrow().clone();
    let declared = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        match pair.server {
            Speaks::Modern => line["params"]["_meta"][super::CAPABILITIES].clone(),
            _ => line["params"]["capabilities"].clone(),
        }
    };
    let told: Vec<Value> = seen.iter().map(declared).filter(|told| told.is_object()).collect();
    assert!(told.contains(&json!({"roots": {}})), "{told:?}");
    assert!(told.iter().all(|told| *told == json!({}) || *told == json!({"roots": {}})), "{told:?}");
    // A modern client that is asked by a modern server all the same is the one to refuse: results pass.
    if matches!((pair.client, pair.server), (Speaks::Modern, Speaks::Modern)) {
        return;
    }
    let answer = m.call("ask-sample", json!({})).await;
    if pair.server == Speaks::Modern {
        let text = "server `a`: asks for `sampling/createMessage`, which this client did not declare";
        assert_eq!(answer["error"]["message"], text);
    } else {
        assert_eq!(said_json(&answer)["code"], -32601, "{answer}");
    }
}
