//! The protocol as tables of lines in and lines out, for both eras.

use serde_json::{Value, json};

use crate::{Prompt, Resources, Server, Tool, ToolOutput, object};

/// Resources that exist only as their addresses, `test:///000` and so on.
struct Numbers(usize);

impl Resources for Numbers {
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Value>, String> {
        let uris = (0..self.0).map(|number| format!("test:///{number:03}"));
        let rest = uris.filter(|uri| after.is_none_or(|after| uri.as_str() > after));
        Ok(rest.take(most).map(|uri| json!({ "uri": uri, "name": uri })).collect())
    }

    fn templates(&self) -> Vec<Value> {
        vec![json!({ "uriTemplate": "test:///{number}", "name": "number" })]
    }

    fn read(&self, uri: &str) -> Result<Option<Value>, String> {
        match uri {
            "test:///000" => Ok(Some(json!({ "uri": uri, "text": "zero" }))),
            "test:///bad" => Err("it is bad".into()),
            _ => Ok(None),
        }
    }

    fn complete(&self, template: &str, argument: &str, start: &str) -> Result<Option<Vec<String>>, String> {
        let known = (template, argument) == ("test:///{number}", "number");
        Ok(known.then(|| {
            (0..self.0)
                .map(|number| format!("{number:03}"))
                .filter(|number| number.starts_with(start))
                .collect()
        }))
    }
}

/// A server with a tool, a prompt and resources.
fn server() -> Server {
    let input = object(
        json!({
            "text": { "type": "string", "minLength": 1, "maxLength": 9 },
            "times": { "type": "integer", "minimum": 1, "maximum": 3 },
            "loud": { "type": "boolean" },
            "mode": { "type": "string", "enum": ["x", "y"] },
        }),
        &["text"],
    );
    let echo = Tool::new("echo", "Echo", "Says it again.", input, |arguments, call| {
        let text = arguments.text("text").unwrap_or_default();
        match text {
            "fail" => return Err("it failed".into()),
            "change" => {
                call.resources_changed();
                call.resource_updated("test:///000");
            }
            _ => {}
        }
        call.progress(1, 2, "half");
        let times = usize::try_from(arguments.integer("times").unwrap_or(1)).unwrap();
        Ok(ToolOutput::with_text(json!({ "said": text.repeat(times) }), text))
    });
    let greet = Prompt::new("greet", "Greet", "Greets.", &[("who", "Whom", true)], |arguments| {
        let text = format!("Hello {}", arguments.text("who").unwrap_or_default());
        Ok(vec![json!({ "role": "user", "content": { "type": "text", "text": text } })])
    });
    Server::new("test", "Test", "1.0")
        .instructions("Use it.")
        .tool(echo)
        .prompt(greet)
        .resources(Numbers(250))
}

/// Everything a server answers to these lines.
fn answers(server: &Server, lines: &[String]) -> Vec<Value> {
    let mut output = Vec::new();
    server.serve(lines.join("\n").as_bytes(), &mut output).unwrap();
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params }).to_string()
}

/// A request that stands alone.
fn modern(id: impl Into<Value>, method: &str, mut params: Value) -> String {
    let meta = params.as_object_mut().unwrap().entry("_meta").or_insert_with(|| json!({}));
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    request(id, method, params)
}

fn initialize(version: &str) -> String {
    let client = json!({ "name": "c", "version": "1" });
    request(
        "init",
        "initialize",
        json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client }),
    )
}

/// The answers of a legacy session after its handshake.
fn legacy(lines: &[String]) -> Vec<Value> {
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let all = [&[initialize("2025-11-25"), initialized], lines].concat();
    answers(&server(), &all).split_off(1)
}

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_default()
}

#[test]
fn initialize_agrees_on_a_version() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let answer = &answers(&server(), &[initialize(asked)])[0];
        assert_eq!(
            *answer,
            json!({ "jsonrpc": "2.0", "id": "init", "result": {
            "protocolVersion": agreed,
            "capabilities": { "tools": {}, "prompts": {}, "completions": {},
                "resources": { "listChanged": true, "subscribe": true } },
            "serverInfo": { "name": "test", "title": "Test", "version": "1.0" },
            "instructions": "Use it.",
        } })
        );
    }
    let bare = Server::new("bare", "Bare", "1");
    assert_eq!(answers(&bare, &[initialize("2025-06-18")])[0]["result"]["capabilities"], json!({}));
}

#[test]
fn envelopes_that_are_wrong_are_answered_under_their_id() {
    let surrogate = r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":"\ud800"}}"#;
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":8,"method":"ping","params":{{"x":{}1{}}}}}"#,
        "[".repeat(9000),
        "]".repeat(9000)
    );
    let cases = [
        ("nonsense", Some((Value::Null, -32700))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"#, Some((Value::Null, -32700))),
        ("[]", Some((Value::Null, -32600))),
        ("3", Some((Value::Null, -32600))),
        (r#"{"id":1,"method":"ping"}"#, Some((json!(1), -32600))),
        (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, Some((json!("a"), -32600))),
        (r#"{"jsonrpc":"2.0","id":1}"#, Some((json!(1), -32600))),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, Some((json!(1), -32600))),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Some((Value::Null, -32600))),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, Some((Value::Null, -32600))),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Some((Value::Null, -32600))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, Some((json!(1), -32602))),
        (surrogate, Some((json!(7), -32602))),
        (&deep, Some((json!(8), -32602))),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None),
        (r#"{"jsonrpc":"2.0","method":"notifications/whatever"}"#, None),
        (r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#, None),
        ("   ", None),
    ];
    for (line, expected) in cases {
        let got = legacy(&[line.to_owned()]);
        let shown: String = line.chars().take(80).collect();
        assert_eq!(got.first().map(|answer| (answer["id"].clone(), code(answer))), expected, "{shown}");
    }
}

#[test]
fn ids_come_back_as_they_were() {
    for id in [json!("1"), json!(1), json!(0), json!(-5), json!("ä\n"), json!(u64::MAX)] {
        assert_eq!(legacy(&[request(id.clone(), "ping", json!({}))])[0]["id"], id);
    }
}

#[test]
fn a_line_without_end_is_refused_and_the_next_one_read() {
    let long =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":"{}"}}}}"#, "x".repeat(5_000_000));
    let got = legacy(&[long, request(2, "ping", json!({}))]);
    assert_eq!((code(&got[0]), &got[0]["id"]), (-32600, &Value::Null));
    assert_eq!(got[1], json!({ "jsonrpc": "2.0", "id": 2, "result": {} }));
}

/// Method and parameters, and the code or the result that both eras give; the modern one also adds what it must.
#[test]
fn features_answer_alike_in_both_eras() {
    let cases = [
        (
            "tools/call",
            json!({ "name": "echo", "arguments": { "text": "hi", "times": 2.0 } }),
            Ok(
                json!({ "content": [{ "type": "text", "text": "hi" }], "structuredContent": { "said": "hihi" } }),
            ),
        ),
        (
            "tools/call",
            json!({ "name": "echo", "arguments": { "text": "fail" } }),
            Ok(json!({ "content": [{ "type": "text", "text": "it failed" }], "isError": true })),
        ),
        (
            "tools/call",
            json!({ "name": "ecko", "arguments": {} }),
            Err((-32602, "there is no tool `ecko`; did you mean `echo`?")),
        ),
        ("tools/call", json!({ "arguments": {} }), Err((-32602, "`name` is missing"))),
        (
            "tools/call",
            json!({ "name": "echo", "arguments": [] }),
            Err((-32602, "`arguments` must be an object")),
        ),
        (
            "prompts/get",
            json!({ "name": "greet", "arguments": { "who": "you" } }),
            Ok(json!({ "description": "Greets.", "messages": [
             { "role": "user", "content": { "type": "text", "text": "Hello you" } }] })),
        ),
        ("prompts/get", json!({ "name": "greet" }), Err((-32602, "argument `who` is required"))),
        (
            "prompts/get",
            json!({ "name": "meet" }),
            Err((-32602, "there is no prompt `meet`; did you mean `greet`?")),
        ),
        (
            "resources/read",
            json!({ "uri": "test:///000" }),
            Ok(json!({ "contents": [{ "uri": "test:///000", "text": "zero" }] })),
        ),
        ("resources/read", json!({ "uri": "test:///bad" }), Err((-32603, "it is bad"))),
        ("resources/read", json!({ "uri": 3 }), Err((-32602, "`uri` must be a string"))),
        (
            "resources/templates/list",
            json!({}),
            Ok(json!({ "resourceTemplates": [{ "uriTemplate": "test:///{number}", "name": "number" }] })),
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/resource", "uri": "test:///{number}" },
            "argument": { "name": "number", "value": "24" } }),
            Ok(
                json!({ "completion": { "values": ["240", "241", "242", "243", "244", "245", "246", "247", "248", "249"],
            "total": 10, "hasMore": false } }),
            ),
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "greet" },
            "argument": { "name": "who", "value": "" } }),
            Ok(json!({ "completion": { "values": [], "total": 0, "hasMore": false } })),
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "other" },
            "argument": { "name": "who", "value": "" } }),
            Err((-32602, "there is nothing to complete for `who`")),
        ),
        ("tools/list", json!({ "cursor": "" }), Err((-32602, "the `cursor` is not one of this list"))),
        ("tools/list", json!({ "cursor": "zz" }), Err((-32602, "the `cursor` is not one of this list"))),
        ("tools/list", json!({ "cursor": 5 }), Err((-32602, "the `cursor` is not one of this list"))),
        (
            "logging/setLevel",
            json!({ "level": "info" }),
            Err((-32601, "there is no method `logging/setLevel` here")),
        ),
        ("nonsense", json!({}), Err((-32601, "there is no method `nonsense` here"))),
    ];
    for (method, params, expected) in cases {
        let old = legacy(&[request(1, method, params.clone())]).remove(0);
        let mut new = answers(&server(), &[modern(1, method, params.clone())]).remove(0);
        match expected {
            Ok(result) => {
                assert_eq!(old["result"], result, "{method} {params}");
                let object = new["result"].as_object_mut().unwrap();
                assert_eq!(object.remove("resultType"), Some(json!("complete")));
                assert_eq!(object["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "test");
                object.remove("_meta");
                let cached = method.ends_with("/list") || method == "resources/read";
                assert_eq!(object.remove("ttlMs").is_some(), cached, "{method}");
                assert_eq!(object.remove("cacheScope").is_some(), cached, "{method}");
                assert_eq!(new["result"], result, "{method} {params}");
            }
            Err((code, message)) => {
                let error = json!({ "code": code, "message": message });
                assert_eq!(old["error"], error, "{method} {params}");
                assert_eq!(new["error"], error, "{method} {params}");
            }
        }
    }
}

#[test]
fn arguments_that_do_not_fit_are_named() {
    let cases = [
        (json!({}), "argument `text` is required"),
        (json!({ "text": null }), "argument `text` is required"),
        (json!({ "text": 5 }), "argument `text` must be a string"),
        (json!({ "text": "" }), "argument `text` must not be empty"),
        (json!({ "text": "0123456789" }), "argument `text` must have at most 9 characters, not 10"),
        (json!({ "text": "a", "times": "2" }), "argument `times` must be a whole number"),
        (json!({ "text": "a", "times": 1.5 }), "argument `times` must be a whole number"),
        (json!({ "text": "a", "times": 0 }), "argument `times` must be at least 1"),
        (json!({ "text": "a", "times": 4 }), "argument `times` must be at most 3"),
        (json!({ "text": "a", "loud": "yes" }), "argument `loud` must be true or false"),
        (json!({ "text": "a", "mode": "z" }), "argument `mode` must be one of: x, y"),
        (json!({ "text": "a", "tims": 1 }), "there is no argument `tims`; did you mean `times`?"),
    ];
    for (arguments, text) in cases {
        let answer =
            &legacy(&[request(1, "tools/call", json!({ "name": "echo", "arguments": arguments }))])[0];
        assert_eq!(answer["result"]["content"][0]["text"], text);
        assert_eq!(answer["result"]["isError"], true);
    }
    // A model's null for "not given" is as good as nothing.
    let arguments = json!({ "text": "a", "times": null });
    let answer = &legacy(&[request(1, "tools/call", json!({ "name": "echo", "arguments": arguments }))])[0];
    assert_eq!(answer["result"]["structuredContent"]["said"], "a");
}

#[test]
fn lists_come_in_pages() {
    let mut seen = Vec::new();
    let mut params = json!({});
    loop {
        let answer = legacy(&[request(1, "resources/list", params)]).remove(0);
        let page = answer["result"]["resources"].as_array().unwrap().clone();
        seen.push(page.len());
        match answer["result"].get("nextCursor") {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => break,
        }
    }
    assert_eq!(seen, [100, 100, 50]);

    let many = (0..201).fold(Server::new("many", "Many", "1"), |server, number| {
        let name = format!("tool{number}");
        server.tool(Tool::new(&name, "", "", object(json!({}), &[]), |_, _| Err(String::new())))
    });
    let list =
        |cursor: Value| answers(&many, &[modern(1, "tools/list", json!({ "cursor": cursor }))]).remove(0);
    let second = list(list(Value::Null)["result"]["nextCursor"].clone());
    assert_eq!(second["result"]["tools"][0]["name"], "tool100");
    let third = list(second["result"]["nextCursor"].clone());
    assert_eq!(third["result"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(third["result"].get("nextCursor"), None);
    // The cursor of one list is not one of another.
    let other = answers(&many, &[modern(1, "prompts/list", json!({}))]).remove(0);
    assert_eq!(code(&other), -32601, "no prompts, no method");
    let resource_cursor =
        legacy(&[request(1, "resources/list", json!({}))])[0]["result"]["nextCursor"].clone();
    assert_eq!(code(&list(resource_cursor)), -32602);
}

#[test]
fn discovery_says_what_initialize_says() {
    let answer = &answers(&server(), &[modern(1, "server/discover", json!({}))])[0];
    assert_eq!(
        answer["result"],
        json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {}, "prompts": {}, "completions": {},
                "resources": { "listChanged": true, "subscribe": true } },
            "instructions": "Use it.",
            "ttlMs": 3_600_000,
            "cacheScope": "public",
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "test", "title": "Test", "version": "1.0" } },
        })
    );
}

#[test]
fn modern_requests_bring_their_version() {
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let cases = [
        (json!({}), -32602),
        (json!({ "_meta": {} }), -32602),
        (json!({ "_meta": { version: "2026-07-28" } }), -32602),
        (json!({ "_meta": { version: "2026-07-28", capabilities: 1 } }), -32602),
        (json!({ "_meta": { version: 20_260_728, capabilities: {} } }), -32602),
        (json!({ "_meta": { version: "2027-01-01", capabilities: {} } }), -32022),
        (json!({ "_meta": { version: "2025-11-25", capabilities: {} } }), -32022),
    ];
    for (params, expected) in cases {
        for method in ["server/discover", "tools/list", "subscriptions/listen"] {
            let answer = &answers(&server(), &[request(1, method, params.clone())])[0];
            assert_eq!(code(answer), expected, "{method} {params}");
        }
    }
    let asked = json!({ "_meta": { version: "2027-01-01", capabilities: {} } });
    let answer = &answers(&server(), &[request(1, "tools/list", asked)])[0];
    assert_eq!(answer["error"]["data"], json!({ "supported": ["2026-07-28"], "requested": "2027-01-01" }));
}

#[test]
fn the_first_request_decides_the_era() {
    let ping = || request(9, "ping", json!({}));
    let discover = || modern(1, "server/discover", json!({}));
    let codes = |lines: &[String]| answers(&server(), lines).iter().map(code).collect::<Vec<_>>();
    // A discovery is still a probe; what follows it decides.
    assert_eq!(codes(&[discover(), initialize("2025-11-25"), ping()]), [0, 0, 0]);
    assert_eq!(codes(&[ping(), discover(), modern(2, "tools/list", json!({}))]), [0, 0, 0]);
    assert_eq!(codes(&[modern(1, "tools/list", json!({})), initialize("2025-11-25")]), [0, -32022]);
    assert_eq!(codes(&[modern(1, "tools/list", json!({})), ping()]), [0, -32602]);
    assert_eq!(codes(&[modern(1, "ping", json!({})), modern(2, "initialize", json!({}))]), [-32601, -32601]);
    assert_eq!(codes(&[modern(1, "initialize", json!({})), initialize("2025-11-25")]), [-32601, 0]);
    assert_eq!(codes(&[initialize("2025-11-25"), modern(2, "tools/list", json!({}))]), [0, -32600]);
    assert_eq!(codes(&[initialize("2025-11-25"), initialize("2025-11-25")]), [0, -32600]);
    assert_eq!(codes(&[initialize("2025-11-25"), request(2, "server/discover", json!({}))]), [0, -32601]);
    assert_eq!(codes(&[request(1, "tools/list", json!({}))]), [-32602]);
    assert_eq!(codes(&[request(1, "initialize", json!({}))]), [-32602]);
}

#[test]
fn a_missing_resource_has_the_code_of_its_era() {
    let read = json!({ "uri": "test:///999" });
    let old = legacy(&[request(1, "resources/read", read.clone())]).remove(0);
    let new = answers(&server(), &[modern(1, "resources/read", read.clone())]).remove(0);
    for (answer, expected) in [(old, -32002), (new, -32602)] {
        assert_eq!(answer["error"]["code"], expected);
        assert_eq!(answer["error"]["data"], read);
    }
}

#[test]
fn batches_belong_to_one_revision() {
    let batch = format!(
        "[{},{},{}]",
        request(1, "ping", json!({})),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        request("2", "nonsense", json!({})),
    );
    let got = answers(&server(), &[initialize("2025-03-26"), batch.clone()]).remove(1);
    let got = got.as_array().unwrap();
    assert_eq!(got.len(), 2);
    assert_eq!((&got[0]["id"], &got[1]["id"], code(&got[1])), (&json!(1), &json!("2"), -32601));
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        assert_eq!(code(&answers(&server(), &[initialize(version), batch.clone()])[1]), -32600);
    }
    assert_eq!(code(&answers(&server(), &[initialize("2025-03-26"), "[]".into()])[1]), -32600);
    assert_eq!(code(&answers(&server(), &[initialize("2025-03-26"), "[1,".into()])[1]), -32700);
}

#[test]
fn progress_comes_before_the_answer_and_only_when_asked() {
    let call = |token: Value| {
        let meta = if token.is_null() { json!({}) } else { json!({ "progressToken": token }) };
        json!({ "name": "echo", "arguments": { "text": "a" }, "_meta": meta })
    };
    for token in [json!("t"), json!(7)] {
        let lines = [request(1, "tools/call", call(token.clone()))];
        let modern_lines = [modern(1, "tools/call", call(token.clone()))];
        for got in [legacy(&lines), answers(&server(), &modern_lines)] {
            assert_eq!(
                got[0]["params"],
                json!({ "progressToken": token, "progress": 1, "total": 2, "message": "half" })
            );
            assert_eq!(got[1]["id"], 1);
        }
    }
    assert_eq!(legacy(&[request(1, "tools/call", call(Value::Null))]).len(), 1);
}

#[test]
fn legacy_clients_hear_of_changes() {
    let change = || request(5, "tools/call", json!({ "name": "echo", "arguments": { "text": "change" } }));
    let got = legacy(&[change()]);
    assert_eq!(got[0], json!({ "jsonrpc": "2.0", "method": "notifications/resources/list_changed" }));
    assert_eq!(got[1]["id"], 5);
    assert_eq!(got.len(), 2);
    let subscribe = |method: &str| request(4, method, json!({ "uri": "test:///000" }));
    let got = legacy(&[subscribe("resources/subscribe"), change()]);
    let updated = json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": "test:///000" } });
    assert_eq!(got[2], updated);
    let got = legacy(&[subscribe("resources/subscribe"), subscribe("resources/unsubscribe"), change()]);
    assert_eq!(got.len(), 4);
}

#[test]
fn modern_clients_hear_only_what_they_listen_for() {
    let listen =
        |id: Value, filter: Value| modern(id, "subscriptions/listen", json!({ "notifications": filter }));
    let change =
        |id: i32| modern(id, "tools/call", json!({ "name": "echo", "arguments": { "text": "change" } }));
    assert_eq!(answers(&server(), &[change(1)]).len(), 1, "nobody listens");

    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "l" } });
    let got = answers(
        &server(),
        &[
            listen(json!("l"), json!({ "resourcesListChanged": true, "toolsListChanged": true })),
            listen(json!(2), json!({ "resourceSubscriptions": ["test:///000", "test:///001"] })),
            change(3),
            cancel.to_string(),
            change(4),
        ],
    );
    let meta = |id: Value| json!({ "io.modelcontextprotocol/subscriptionId": id });
    let about = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "method": method, "params": params });
    let acknowledged = "notifications/subscriptions/acknowledged";
    let updated =
        || about("notifications/resources/updated", json!({ "_meta": meta(json!(2)), "uri": "test:///000" }));
    // What never changes here is left out of what is granted.
    let granted = json!({ "_meta": meta(json!("l")), "notifications": { "resourcesListChanged": true } });
    assert_eq!(got[0], about(acknowledged, granted));
    let granted = json!({ "resourceSubscriptions": ["test:///000", "test:///001"] });
    assert_eq!(got[1], about(acknowledged, json!({ "_meta": meta(json!(2)), "notifications": granted })));
    assert_eq!(got[2], about("notifications/resources/list_changed", json!({ "_meta": meta(json!("l")) })));
    assert_eq!(got[3], updated());
    assert_eq!(got[4]["id"], 3);
    // Cancelled: silent from here on, without an answer.
    assert_eq!(got[5], updated());
    assert_eq!(got[6]["id"], 4);
    // The other one is answered when the input ends.
    assert_eq!((&got[7]["id"], &got[7]["result"]["resultType"]), (&json!(2), &json!("complete")));
    assert_eq!(got[7]["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 2);
    assert_eq!(got.len(), 8);
}

#[test]
fn subscriptions_have_limits() {
    let listen = |id: i32, uris: usize| {
        let uris: Vec<_> = (0..uris).map(|number| format!("test:///{number}")).collect();
        modern(id, "subscriptions/listen", json!({ "notifications": { "resourceSubscriptions": uris } }))
    };
    assert_eq!(code(&answers(&server(), &[listen(1, 300)])[0]), -32603);
    let got = answers(&server(), &[listen(1, 1), listen(1, 1)]);
    assert_eq!(code(&got[1]), -32600, "an id that is still open");
    let bad = modern(1, "subscriptions/listen", json!({}));
    assert_eq!(code(&answers(&server(), &[bad])[0]), -32602);
}

#[test]
fn a_client_that_is_gone_is_no_error() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert!(server().serve(initialize("2025-11-25").as_bytes(), Closed).is_ok());
}

#[test]
fn each_message_is_one_write() {
    struct Counted(Vec<Vec<u8>>);
    impl std::io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut output = Counted(Vec::new());
    let lines = [initialize("2025-11-25"), request(1, "tools/list", json!({}))].join("\n");
    server().serve(lines.as_bytes(), &mut output).unwrap();
    assert_eq!(output.0.len(), 2);
    assert!(
        output
            .0
            .iter()
            .all(|line| line.ends_with(b"\n") && line.iter().filter(|byte| **byte == b'\n').count() == 1)
    );
}
