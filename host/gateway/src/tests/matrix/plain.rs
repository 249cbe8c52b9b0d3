//! What is asked and answered, with nothing in between.

use super::{CAPABILITIES, Pair, Speaks, VERSION, modern, said, said_json};
use serde_json::{Value, json};

super::pairs! {
    request_ids
    capabilities_and_instructions
    pages
    definitions
    names
    tool_calls
    prompts_and_completion
    resources
    meta
    ping
    batches
    url_required
    endings
}

/// A client gets its own id back, with its type and as it wrote it.
async fn request_ids(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["echo"])).await;
    for id in [json!(1), json!("1"), json!(-7), json!(9_007_199_254_740_993_u64), json!("")] {
        // Once the server may have to come up, then it is there.
        for _ in 0..2 {
            m.write(id.clone(), "tools/call", json!({"name": "echo"})).await;
            let answer = m.http.read().await;
            assert!(answer.body.starts_with(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},")), "{answer:?}");
        }
    }
}

/// What the servers offer and advise is told where the client's era looks for it.
async fn capabilities_and_instructions(pair: Pair) {
    let mut script = pair.script().tools(&["echo"]);
    script.instructions = Some("Be kind.");
    let m = pair.meet(script).await;
    assert_eq!(m.hello["instructions"], "## a\n\nBe kind.");
    assert_eq!(m.hello["capabilities"]["tools"], json!({"listChanged": true}));
    assert_eq!(m.hello["capabilities"]["resources"], json!({"listChanged": true, "subscribe": true}));
    assert_eq!(m.hello["capabilities"]["tasks"], Value::Null, "what is not carried is not offered");
    let era = if m.is_modern() {
        m.hello["supportedVersions"].clone()
    } else {
        json!([m.hello["protocolVersion"]])
    };
    assert_eq!(era, if m.is_modern() { json!(["2026-07-28"]) } else { json!(["2025-11-25"]) });
}

/// Every page of a server is fetched; hints and result types are those of the client's era.
async fn pages(pair: Pair) {
    let mut script = pair
        .script()
        .tools(&["x", "y", "z"])
        .raw("prompts", vec!["{\"name\":\"p\"}".into(), "{\"name\":\"q\"}".into()])
        .raw("resources", vec!["{\"uri\":\"a:1\"}".into(), "{\"uri\":\"a:2\"}".into()])
        .raw(
            "resourceTemplates",
            vec!["{\"uriTemplate\":\"a:{x}\"}".into(), "{\"uriTemplate\":\"b:{x}\"}".into()],
        );
    script.page = 1;
    let mut m = pair.meet(script).await;
    for (method, list, key, all) in [
        ("tools/list", "tools", "name", vec!["x", "y", "z"]),
        ("prompts/list", "prompts", "name", vec!["p", "q"]),
        ("resources/list", "resources", "uri", vec!["a:1", "a:2"]),
        ("resources/templates/list", "resourceTemplates", "uriTemplate", vec!["a:{x}", "b:{x}"]),
    ] {
        let result = m.ask(method, json!({})).await["result"].clone();
        let names: Vec<_> =
            result[list].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect();
        assert_eq!(names, all, "{method}");
        let hints = (&result["resultType"], &result["ttlMs"], &result["cacheScope"]);
        // A legacy server promises nothing, so nothing may be kept.
        let expected = match (pair.client, pair.server) {
            (Speaks::Modern, Speaks::Modern) => (json!("complete"), json!(60000), json!("public")),
            (Speaks::Modern, _) => (json!("complete"), json!(0), json!("private")),
            _ => (Value::Null, Value::Null, Value::Null),
        };
        assert_eq!(hints, (&expected.0, &expected.1, &expected.2), "{method}");
    }
    let error = m.ask("tools/list", json!({"cursor": "none of ours"})).await["error"]["code"].clone();
    assert_eq!(error, -32602);
}

/// A definition passes as the bytes it is.
async fn definitions(pair: Pair) {
    let tool = "{ \"name\":\"x\",\"inputSchema\": {\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\
                \"$defs\":{\"\\u0041\":{\"$anchor\":\"n\"}},\"if\":{},\"x-n\":1.50}, \"annotations\":{\"title\":\"t\"} ,\"y\":[ 1e2 ]}";
    let mut m = pair.meet(pair.script().raw("tools", vec![tool.to_owned()])).await;
    m.write(json!(1), "tools/list", json!({})).await;
    let body = m.http.read().await.body;
    assert!(body.contains(&format!("\"tools\":[{tool}]")), "{body}");
}

/// A name that two servers have gets a prefix, which no server sees.
async fn names(pair: Pair) {
    let script = |name| super::Script::new(name, pair.server).tools(&["echo", "line"]);
    let mut m = pair.meet_as(json!({}), vec![script("a"), script("b")]).await;
    let listed = m.ask("tools/list", json!({})).await["result"]["tools"].clone();
    let listed: Vec<_> =
        listed.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(listed, ["a__echo", "a__line", "b__echo", "b__line"]);
    for server in ["a", "b"] {
        let answer = m.call(&format!("{server}__echo"), json!({"text": "x"})).await;
        assert_eq!(said(&answer), format!("{server}:x"));
        let line = said_json(&m.call(&format!("{server}__line"), json!({})).await);
        assert_eq!(line["params"]["name"], "line");
    }
    assert_eq!(m.call("echo", json!({})).await["error"]["code"], -32602);
}

/// Arguments that are missing stay missing; results have the type that their era has.
async fn tool_calls(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["line", "echo"])).await;
    let line = said_json(&m.ask("tools/call", json!({"name": "line"})).await);
    assert_eq!(line["params"].get("arguments"), None);
    let line = said_json(&m.call("line", json!({"n": 1.5, "none": null})).await);
    assert_eq!(line["params"]["arguments"], json!({"n": 1.5, "none": null}));
    let result = m.call("echo", json!({"text": "hi"})).await["result"].clone();
    assert_eq!(result["x-odd"], json!([1.5, "ä"]));
    assert_eq!(result.get("resultType"), m.is_modern().then_some(&json!("complete")));
}

/// A completion reaches the owner of what it is about, with its context.
async fn prompts_and_completion(pair: Pair) {
    let script = pair
        .script()
        .raw("prompts", vec!["{\"name\":\"p\"}".to_owned()])
        .raw("resourceTemplates", vec!["{\"uriTemplate\":\"t://{id}\"}".to_owned()]);
    let mut m = pair.meet(script).await;
    let prompt = m.ask("prompts/get", json!({"name": "p"})).await["result"].clone();
    assert_eq!(prompt["description"], "p of a");
    for about in
        [json!({"type": "ref/prompt", "name": "p"}), json!({"type": "ref/resource", "uri": "t://{id}"})]
    {
        let own = about["name"].as_str().or(about["uri"].as_str()).unwrap().to_owned();
        let params = json!({"ref": about, "argument": {"name": "n", "value": "v"}, "context": {"arguments": {"x": "y"}}});
        let result = m.ask("completion/complete", params).await["result"].clone();
        assert_eq!(result["completion"]["values"], json!([own, "v", "y"]));
    }
}

/// A resource is read from its owner; one that is not there has the code of the client's era.
async fn resources(pair: Pair) {
    let script = pair
        .script()
        .raw("resources", vec!["{\"uri\":\"r://one\"}".into(), "{\"uri\":\"r://missing\"}".into()])
        .raw("resourceTemplates", vec!["{\"uriTemplate\":\"r://of/{id}\"}".to_owned()]);
    let mut m = pair.meet(script).await;
    for uri in ["r://one", "r://of/7"] {
        let result = m.ask("resources/read", json!({"uri": uri})).await["result"].clone();
        assert_eq!(result["contents"], json!([{"uri": uri, "text": "a"}]));
        assert_eq!(result.get("cacheScope"), m.is_modern().then_some(&json!("private")));
    }
    let missing = if m.is_modern() { -32602 } else { -32002 };
    for uri in ["r://missing", "nobody://missing"] {
        assert_eq!(m.ask("resources/read", json!({"uri": uri})).await["error"]["code"], missing, "{uri}");
    }
}

/// Free keys pass; those of the protocol are each hop's own.
async fn meta(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["line"])).await;
    let meta = json!({"traceparent": "00-1", "x.example/y": [1.5]});
    let answer = m.ask("tools/call", json!({"name": "line", "_meta": meta})).await;
    let line = said_json(&answer);
    let seen = &line["params"]["_meta"];
    assert_eq!((&seen["traceparent"], &seen["x.example/y"]), (&json!("00-1"), &json!([1.5])));
    let modern = pair.server == Speaks::Modern;
    assert_eq!((seen[VERSION].is_string(), seen[CAPABILITIES].is_object()), (modern, modern), "{line}");
    assert_ne!(seen["io.modelcontextprotocol/clientInfo"]["name"], "t", "we are the client there");
}

/// The legacy era has `ping`, the modern one does not.
async fn ping(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["echo"])).await;
    if m.is_modern() {
        let (status, answer) = m.http.ask_modern("ping", json!({})).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32601)));
    } else {
        assert_eq!(m.ask("ping", json!({})).await["result"], json!({}));
    }
    assert_eq!(m.server().count("\"ping\""), 0, "it is answered below");
}

/// One revision has batches: taken below, never sent upward.
async fn batches(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["echo"])).await;
    let call = |id: u64| {
        let params = json!({"name": "echo", "arguments": {"text": id.to_string()}});
        let params = if pair.client == Speaks::Modern { modern(params) } else { params };
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    let batch = json!([call(1), call(2)]).to_string();
    if m.is_modern() {
        let headers = [super::super::client::JSON, &[("MCP-Protocol-Version", "2026-07-28")]].concat();
        assert_eq!(m.http.send("POST", "/mcp", &headers, &batch).await.status, 400);
        assert_eq!(m.server().count("tools/call"), 0);
        return;
    }
    m.http.session = None;
    m.http.initialize("2025-03-26").await;
    let answers = m.http.post(&batch).await.json();
    let mut texts: Vec<_> = answers.as_array().unwrap().iter().map(said).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["a:1", "a:2"]);
    assert!(m.server().seen.borrow().iter().all(|line| !line.starts_with('[')));
}

/// An error that only a legacy client understands goes to legacy clients alone.
async fn url_required(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["fail"])).await;
    let code = m.call("fail", json!({})).await["error"]["code"].clone();
    assert_eq!(code, if m.is_modern() { json!(crate::error::NOT_RELAYED) } else { json!(-32042) });
}

/// A server that ends in a call fails that call; the next one finds another.
async fn endings(pair: Pair) {
    let mut m = pair.meet(pair.script().tools(&["die", "echo"])).await;
    for _ in 0..2 {
        let answer = m.call("die", json!({})).await;
        assert_eq!(answer["error"]["code"], crate::error::SERVER_GONE, "{answer}");
        assert_eq!(said(&m.call("echo", json!({"text": "again"})).await), "a:again");
    }
}
