//! Clients of both eras in front of servers of both.

use super::server::{Script, Speaks};
use super::world::World;
use serde_json::{Value, json};

fn everything(name: &'static str, speaks: Speaks) -> Script {
    let mut script = Script::new(name, speaks)
        .tools(&["echo", "fail", "input"])
        .raw("prompts", vec![format!("{{\"name\":\"greet\",\"x-\\u006bept\":[1.0]}}")])
        .raw(
            "resources",
            vec![
                format!("{{\"uri\":\"{name}://one\",\"name\":\"one\"}}"),
                format!("{{\"uri\":\"{name}://missing\"}}"),
            ],
        )
        .raw(
            "resourceTemplates",
            vec![format!("{{\"uriTemplate\":\"{name}://of/{{id}}\",\"name\":\"of\"}}")],
        );
    script.instructions = Some("Be kind.");
    script
}

#[tokio::test]
async fn legacy_clients() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![everything("s", speaks)]).await;
        world.front.ready().await;
        let mut http = world.http().await;
        assert_eq!(http.initialize("2025-11-25").await["instructions"], "## s\n\nBe kind.");
        let tools = http.ask("tools/list", json!({})).await["result"].clone();
        assert_eq!(tools["tools"][0]["name"], "echo");
        assert_eq!(tools.as_object().unwrap().keys().collect::<Vec<_>>(), ["tools"]);
        assert_eq!(http.ask("prompts/list", json!({})).await["result"]["prompts"][0]["x-kept"], json!([1.0]));
        assert_eq!(http.ask("resources/list", json!({})).await["result"]["resources"][0]["uri"], "s://one");
        let templates = http.ask("resources/templates/list", json!({})).await;
        assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "s://of/{id}");
        let called =
            http.ask("tools/call", json!({"name":"echo","arguments":{"text":"hi"}})).await["result"].clone();
        assert_eq!(called, json!({"content":[{"type":"text","text":"s:hi"}],"x-odd":[1.5,"ä"]}));
        let prompt = http.ask("prompts/get", json!({"name":"greet"})).await["result"].clone();
        assert_eq!(prompt["description"], "greet of s");
        for uri in ["s://one", "s://of/7"] {
            let read = http.ask("resources/read", json!({"uri":uri})).await["result"].clone();
            assert_eq!(read, json!({"contents":[{"uri":uri,"text":"s"}]}));
        }
        for uri in ["s://missing", "nobody://missing"] {
            assert_eq!(
                http.ask("resources/read", json!({"uri":uri})).await["error"]["code"],
                -32002,
                "{uri}"
            );
        }
        assert_eq!(http.ask("tools/call", json!({"name":"fail"})).await["error"]["code"], -32042);
        if speaks == Speaks::Modern {
            let error = http.ask("tools/call", json!({"name":"input"})).await["error"].clone();
            assert_eq!(error["code"], crate::error::NOT_RELAYED);
            let text = "server `s`: wants more input and does not say what";
            assert_eq!(error["message"], text);
        }
    }
}

/// Of all servers, in their order, each under its name; one that has none is not named.
#[tokio::test]
async fn instructions_of_all_servers_are_merged() {
    let advising = |name, speaks, text| {
        let mut script = Script::new(name, speaks).tools(&["echo"]);
        script.instructions = text;
        script
    };
    let world = World::of(vec![
        advising("a", Speaks::Legacy, Some("Be kind.\n")),
        advising("b", Speaks::Legacy, None),
        advising("c", Speaks::Modern, Some("Be \"brief\".")),
    ])
    .await;
    world.front.ready().await;
    let merged = "## a\n\nBe kind.\n\n## c\n\nBe \"brief\".";
    assert_eq!(world.http().await.initialize("2025-11-25").await["instructions"], merged);
    let (_, hello) = world.http().await.ask_modern("server/discover", json!({})).await;
    assert_eq!(hello["result"]["instructions"], merged);
}

#[tokio::test]
async fn modern_clients() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![everything("s", speaks)]).await;
        world.front.ready().await;
        let mut http = world.http().await;
        let (status, hello) = http.ask_modern("server/discover", json!({})).await;
        assert_eq!(status, 200);
        let hello = &hello["result"];
        assert_eq!(hello["supportedVersions"], json!(["2026-07-28"]));
        assert_eq!(hello["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "gateway");
        assert_eq!(hello["instructions"], "## s\n\nBe kind.");
        assert_eq!(
            (&hello["ttlMs"], &hello["cacheScope"], &hello["resultType"]),
            (&json!(0), &json!("private"), &json!("complete"))
        );
        let hints = if speaks == Speaks::Modern {
            (json!(60000), json!("public"))
        } else {
            (json!(0), json!("private"))
        };
        for (method, list, key, first) in [
            ("tools/list", "tools", "name", "echo"),
            ("prompts/list", "prompts", "name", "greet"),
            ("resources/list", "resources", "uri", "s://one"),
            ("resources/templates/list", "resourceTemplates", "uriTemplate", "s://of/{id}"),
        ] {
            let result = http.ask_modern(method, json!({})).await.1["result"].clone();
            assert_eq!(result[list][0][key], first);
            assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&hints.0, &hints.1), "{method}");
            assert_eq!(result["resultType"], "complete");
        }
        let called = http.ask_modern("tools/call", json!({"name":"echo","arguments":{"text":"hi"}})).await.1;
        let expected =
            json!({"content":[{"type":"text","text":"s:hi"}],"x-odd":[1.5,"ä"],"resultType":"complete"});
        assert_eq!(called["result"], expected);
        let prompt = http.ask_modern("prompts/get", json!({"name":"greet"})).await.1;
        assert_eq!(prompt["result"]["resultType"], "complete");
        let read = http.ask_modern("resources/read", json!({"uri":"s://of/7"})).await.1["result"].clone();
        assert_eq!(
            (&read["contents"][0]["uri"], &read["cacheScope"], &read["ttlMs"]),
            (&json!("s://of/7"), &json!("private"), &json!(0))
        );
        for uri in ["s://missing", "nobody://missing"] {
            let (status, answer) = http.ask_modern("resources/read", json!({"uri":uri})).await;
            assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32602)), "{uri}");
        }
        assert_eq!(
            http.ask_modern("tools/call", json!({"name":"fail"})).await.1["error"]["code"],
            crate::error::NOT_RELAYED
        );
        if speaks == Speaks::Modern {
            let asked = http.ask_modern("tools/call", json!({"name":"input"})).await.1;
            assert_eq!(asked["result"]["resultType"], "input_required");
        }
    }
}

#[tokio::test]
async fn every_byte_that_is_not_understood_survives() {
    let world = World::of(vec![
        Script::new("old", Speaks::Legacy)
            .raw("tools", vec!["{ \"x\" : 1.0 , \"name\":\"line-old\", \"_meta\":{\"a\":1e2}}".to_owned()]),
        Script::new("new", Speaks::Modern)
            .raw("tools", vec!["{\"name\" :\"line-new\",\"$defs\":{\"\\u0041\":null}}".to_owned()]),
    ])
    .await;
    world.front.ready().await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let list = http.post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}").await;
    assert_eq!(
        list.body,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{ \"x\" : 1.0 , \"name\":\"line-old\", \"_meta\":{\"a\":1e2}},\
         {\"name\" :\"line-new\",\"$defs\":{\"\\u0041\":null}}]}}"
    );
    // A message laid out over several lines is one line upward.
    let odd = "\"arguments\" :\r\n{ \"n\" : 1.50, \"s\":\"\\u00e4\\ud800\" }, \"extra\":[ ]";
    for name in ["line-old", "line-new"] {
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\n\"id\":\"x\",\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\",{odd}}}}}"
        );
        let answer = http.post(&body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let server = if name == "line-old" { "old" } else { "new" };
        let line = world.servers[server].saw(|line| line.contains("extra")).await;
        let kept = odd.replace(['\r', '\n'], " ");
        assert!(line.contains(&kept) || line.contains(&odd.replace("\r\n", "")), "{line}");
    }
    let raw = "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0031\",\"method\":\"tools\\/call\",\"params\":{\"name\":\"line-old\"}}";
    let answer = http.post(raw).await.body;
    assert!(
        answer.starts_with("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0031\",\"result\":{\"content\":["),
        "{answer}"
    );
    assert!(answer.ends_with(",\"x-odd\":[ 1.50 , \"\\u00e4\" ]}}"), "{answer}");
}

#[tokio::test]
async fn keys_of_one_hop_stay_on_it() {
    let world = World::of(vec![
        Script::new("old", Speaks::Legacy).tools(&["line-old"]),
        Script::new("new", Speaks::Modern).tools(&["line-new"]),
    ])
    .await;
    world.front.ready().await;
    let mut http = world.http().await;
    let params = |name: &str| json!({"name":name,"_meta":{"traceparent":"00-1","io.modelcontextprotocol/logLevel":"debug"}});
    for (name, upward) in [("line-old", false), ("line-new", true)] {
        let answer = http.ask_modern("tools/call", params(name)).await.1;
        let line: Value =
            serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
        let meta = &line["params"]["_meta"];
        assert_eq!(meta["traceparent"], "00-1");
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"].is_string(), upward);
        if upward {
            assert_ne!(meta["io.modelcontextprotocol/clientInfo"]["name"], "t", "we are the client there");
        }
    }
}
