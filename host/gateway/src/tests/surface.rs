//! Paths, methods, headers: the tables of `docker-mcp-gateway.md` 17, and the checks of the modern era.

use super::client::{JSON, modern};
use super::server::{Script, Speaks};
use super::world::World;
use crate::{FrontConfig, HttpConfig, Token};
use serde_json::{Value, json};
use std::time::Duration;

const PING: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";

#[tokio::test]
async fn paths_and_methods() {
    let world = World::of(vec![]).await;
    world.front.ready().await;
    for (method, path, headers, status) in [
        ("GET", "/health", &[][..], 200),
        ("POST", "/health", &[("Host", "anything.example")], 200),
        ("GET", "/", &[], 307),
        ("GET", "/mcp/", &[], 307),
        ("GET", "/health/x", &[], 307),
        ("POST", "/sse", &[], 400),
        ("POST", "/sse?sessionid=none", &[], 404),
        ("GET", "/sse", &[], 400),
        ("DELETE", "/sse", &[], 405),
        ("GET", "/sse/", &[], 307),
        ("PUT", "/mcp", &[], 405),
        ("OPTIONS", "/mcp", &[], 405),
        ("GET", "/mcp", &[], 400),
        ("DELETE", "/mcp", &[], 400),
        ("GET", "/mcp", &[("MCP-Protocol-Version", "2026-07-28")], 405),
        ("DELETE", "/mcp", &[("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Session-Id", "gone")], 405),
        ("GET", "/mcp", &[("Mcp-Session-Id", "gone"), ("Accept", "text/event-stream")], 404),
        ("DELETE", "/mcp", &[("Mcp-Session-Id", "gone")], 404),
        ("DELETE", "/mcp", &[("Mcp-Session-Id", "a"), ("Mcp-Session-Id", "b")], 400),
        ("POST", "/mcp", &[("Host", "evil.example")], 403),
        ("GET", "/other", &[("Origin", "http://evil.example")], 403),
    ] {
        // A refusal ends its connection.
        let mut http = world.http().await;
        let response = http.send(method, path, headers, "").await;
        assert_eq!(response.status, status, "{method} {path} {headers:?} {response:?}");
        if status == 307 {
            assert_eq!(response.headers["location"], "/mcp");
        }
        if method == "GET" && path == "/mcp" && headers.is_empty() {
            assert_eq!(response.body, "Bad Request: GET requires an Mcp-Session-Id header");
        }
    }
}

#[tokio::test]
async fn media_types() {
    let world = World::of(vec![]).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let session = http.session.clone().unwrap();
    for (content_type, accept, status) in [
        (Some("application/json"), Some("application/json, text/event-stream"), 200),
        (Some("application/json; charset=utf-8"), Some("*/*"), 200),
        (Some("application/json"), Some("application/json"), 200),
        (Some("text/plain"), Some("*/*"), 415),
        (None, Some("*/*"), 415),
        (Some("application/json"), Some("text/event-stream"), 400),
        (Some("application/json"), Some("text/html"), 400),
        (Some("application/json"), Some(""), 400),
        (Some("application/json"), None, 400),
    ] {
        let mut headers = vec![("Mcp-Session-Id", session.as_str())];
        headers.extend(content_type.map(|value| ("Content-Type", value)));
        headers.extend(accept.map(|value| ("Accept", value)));
        let response = http.send("POST", "/mcp", &headers, PING).await;
        assert_eq!(response.status, status, "{content_type:?} {accept:?} {response:?}");
        if status == 415 {
            assert_eq!(response.body, "Content-Type must be 'application/json'");
        }
    }
}

#[tokio::test]
async fn tokens_and_origins() {
    let config = FrontConfig { token: Some(Token::new("secret")), ..FrontConfig::default() };
    let world = World::with(vec![], config, HttpConfig::default()).await;
    let good = ("Authorization", "Bearer secret");
    let evil = ("Origin", "http://evil.example");
    for (headers, status) in [
        (vec![], 401),
        (vec![("Authorization", "Bearer wrong")], 401),
        (vec![("Authorization", "bearer secret")], 401),
        (vec![evil], 401),
        (vec![("Authorization", "Bearer wrong"), ("Origin", "http://localhost")], 401),
        (vec![good, evil], 403),
        (vec![good, ("Origin", "http://localhost:1")], 400),
        (vec![good], 400),
    ] {
        let mut all = JSON.to_vec();
        all.extend(&headers);
        let mut http = world.http().await;
        let response = http.send("POST", "/mcp", &all, PING).await;
        assert_eq!(response.status, status, "{headers:?}");
        if status == 401 || status == 403 {
            assert_eq!(response.headers["connection"], "close");
            assert_eq!(http.rest().await, "");
        }
        if status == 401 {
            assert_eq!(response.headers["www-authenticate"], "Bearer realm=\"MCP Gateway\"");
            assert_eq!(response.body, "Unauthorized");
        }
        if status == 403 {
            let text =
                "Forbidden: Origin, if set, must be localhost, 127.0.0.1, or ::1, got: http://evil.example";
            assert_eq!(response.body, text);
        }
    }
    assert_eq!(world.http().await.send("GET", "/anything", &[], "").await.status, 401);
    let mut http = world.http().await;
    let health = http.send("GET", "/health", &[], "").await.status;
    assert!(matches!(health, 200 | 503));
}

#[tokio::test]
async fn messages_that_are_none() {
    let config = FrontConfig { message_limit: 1000, ..FrontConfig::default() };
    let world = World::with(vec![], config, HttpConfig::default()).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    for (body, status, code) in [
        ("x", 400, -32700),
        ("", 400, -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1}", 400, -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"ping\"}", 400, -32600),
        ("[]", 400, -32600),
        ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", 400, -32600),
    ] {
        let response = http.post(body).await;
        assert_eq!(
            (response.status, response.json()["error"]["code"].as_i64()),
            (status, Some(code)),
            "{body}"
        );
    }
    assert_eq!(http.post(PING).await.status, 200, "the connection is as good as before");
    let refused = http.post(&format!("\"{}\"", "x".repeat(1000))).await;
    assert_eq!((refused.status, refused.headers["connection"].as_str()), (413, "close"));
}

#[tokio::test]
async fn a_body_in_pieces_is_one_message() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let text = "x".repeat(300_000);
    let answer = http.ask("tools/call", json!({"name":"echo","arguments":{"text":text}})).await;
    assert_eq!(answer["result"]["content"][0]["text"], format!("a:{text}"));
}

#[tokio::test]
async fn modern_headers() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    let mut http = world.http().await;
    let version = ("MCP-Protocol-Version", "2026-07-28");
    let call = ("Mcp-Method", "tools/call");
    let name = ("Mcp-Name", "echo");
    let good = modern(json!({"name":"echo","arguments":{"text":"x"}}));
    let mut no_capabilities = good.clone();
    no_capabilities["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    let mut no_info = good.clone();
    no_info["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientInfo");
    let mut unknown = good.clone();
    unknown["_meta"]["io.modelcontextprotocol/protocolVersion"] = "v999".into();
    let bare = json!({"name":"echo"});
    for (headers, params, status, code) in [
        (vec![version, call, name], &good, 200, None),
        (vec![version, call, ("mcp-name", "  echo ")], &good, 200, None),
        (vec![version, call, ("MCP-NAME", "=?base64?ZWNobw==?=")], &good, 200, None),
        (vec![version, call, name, ("Mcp-Session-Id", "ignored"), ("Last-Event-ID", "1")], &good, 200, None),
        (vec![version, call, name], &no_info, 200, None),
        (vec![call, name], &good, 400, Some(-32020)),
        (vec![version, name], &good, 400, Some(-32020)),
        (vec![version, call], &good, 400, Some(-32020)),
        (vec![version, ("Mcp-Method", "tools/list"), name], &good, 400, Some(-32020)),
        (vec![version, call, ("Mcp-Name", "other")], &good, 400, Some(-32020)),
        (vec![version, call, ("Mcp-Name", "=?base64?!?=")], &good, 400, Some(-32020)),
        (vec![version, version, call, name], &good, 400, Some(-32020)),
        (vec![version, call, call, name], &good, 400, Some(-32020)),
        (vec![version, call, name, name], &good, 400, Some(-32020)),
        (vec![("MCP-Protocol-Version", "2025-11-25"), call, name], &good, 400, Some(-32020)),
        (vec![version, call, name], &unknown, 400, Some(-32020)),
        (vec![("MCP-Protocol-Version", "v999"), call, name], &unknown, 400, Some(-32022)),
        (vec![version, call, name], &no_capabilities, 400, Some(-32602)),
        (vec![version, call, name], &bare, 400, Some(-32602)),
    ] {
        let body = json!({"jsonrpc":"2.0","id":"q","method":"tools/call","params":params}).to_string();
        let mut all = JSON.to_vec();
        all.extend(&headers);
        let response = http.send("POST", "/mcp", &all, &body).await;
        let answer = response.json();
        assert_eq!(
            (response.status, answer["error"]["code"].as_i64()),
            (status, code),
            "{headers:?} {params} {answer}"
        );
        assert_eq!(answer["id"], "q");
        if code == Some(-32022) {
            assert_eq!(answer["error"]["data"], json!({"supported":["2026-07-28"],"requested":"v999"}));
        }
    }
}

#[tokio::test]
async fn arguments_that_are_repeated_in_headers() {
    let schema = r#"{"name":"echo","inputSchema":{"type":"object","properties":{
        "text":{"type":"string","x-mcp-header":"Text"},"n":{"type":"integer","x-mcp-header":"N"}}}}"#;
    let bad = r#"{"name":"bad","inputSchema":{"type":"object","properties":{"x":{"type":"number","x-mcp-header":"X"}}}}"#;
    let script =
        Script::new("a", Speaks::Legacy).raw("tools", vec![schema.replace('\n', ""), bad.to_owned()]);
    let world = World::of(vec![script]).await;
    let mut http = world.http().await;
    let base = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "echo")];
    let text = ("Mcp-Param-Text", "hi");
    let n = ("mcp-param-n", "7");
    let full = json!({"text":"hi","n":7});
    for (headers, arguments, problem) in [
        (vec![text, n], &full, ""),
        (vec![text, ("Mcp-Param-N", "7.0"), ("Mcp-Param-Other", "x")], &full, ""),
        (vec![("Mcp-Param-Text", "=?base64?aGk=?="), n], &full, ""),
        (vec![], &json!({"text":null}), ""),
        (vec![], &json!({}), ""),
        (vec![text], &full, "mcp-param-n header is missing, or cannot say what the argument is"),
        (
            vec![("Mcp-Param-Text", "ho"), n],
            &full,
            "mcp-param-text header does not match the argument in the body",
        ),
        (vec![text, n, n], &full, "mcp-param-n header appears more than once"),
        (
            vec![("Mcp-Param-Text", "=?base64?!?="), n],
            &full,
            "mcp-param-text header carries a malformed base64 value",
        ),
        (vec![text], &json!({}), "mcp-param-text header does not match the argument in the body"),
    ] {
        let params = modern(json!({"name":"echo","arguments":arguments}));
        let body = json!({"jsonrpc":"2.0","id":"q","method":"tools/call","params":params}).to_string();
        let all = [JSON, &base, &headers].concat();
        let response = http.send("POST", "/mcp", &all, &body).await;
        let answer = response.json();
        if problem.is_empty() {
            assert_eq!(response.status, 200, "{headers:?} {arguments} {answer}");
            assert!(answer["result"].is_object(), "{answer}");
        } else {
            let error = json!({"code":-32020,"message":problem});
            assert_eq!((response.status, &answer["error"]), (400, &error), "{headers:?} {arguments}");
        }
    }
    // A tool whose annotations break the rules is not offered.
    let listed = http.ask_modern("tools/list", json!({})).await.1;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn modern_methods() {
    let world = World::of(vec![]).await;
    let mut http = world.http().await;
    for method in ["ping", "initialize", "logging/setLevel", "resources/subscribe", "tasks/get", "nonsense"] {
        let (status, answer) = http.ask_modern(method, json!({})).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32601)), "{method}");
    }
    // Without `_meta` these are of no era, and say which one they mean.
    for (method, headers) in [
        ("server/discover", JSON.to_vec()),
        ("tools/list", {
            let mut headers = JSON.to_vec();
            headers.push(("MCP-Protocol-Version", "2026-07-28"));
            headers
        }),
    ] {
        let body = json!({"jsonrpc":"2.0","id":7,"method":method}).to_string();
        let response = http.send("POST", "/mcp", &headers, &body).await;
        assert_eq!(
            (response.status, response.json()["error"]["code"].as_i64()),
            (400, Some(-32602)),
            "{method}"
        );
    }
    let mut headers = JSON.to_vec();
    headers.push(("MCP-Protocol-Version", "2026-07-28"));
    let notification =
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}";
    assert_eq!(http.send("POST", "/mcp", &headers, notification).await.status, 202);
    headers.pop();
    headers.push(("MCP-Protocol-Version", "v999"));
    let response = http.send("POST", "/mcp", &headers, notification).await;
    assert_eq!((response.status, response.json()["error"]["code"].as_i64()), (400, Some(-32022)));
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let http_config = HttpConfig { header_timeout: Duration::from_millis(20), ..HttpConfig::default() };
    let world = World::with(vec![], FrontConfig::default(), http_config).await;
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"POST /mcp HTTP/1.1\r\nHost:").await.unwrap();
    let mut rest = Vec::new();
    // What matters is that this ends at all.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
}

#[tokio::test]
async fn drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo", "hang"])]).await;
    world.front.ready().await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let mut stream = world.http().await;
    let session = http.session.clone().unwrap();
    let headers = [("Mcp-Session-Id", session.as_str()), ("Accept", "text/event-stream")];
    stream.write("GET", "/mcp", &headers, "").await;
    assert_eq!(stream.head().await.status, 200);
    http.write_post(
        "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{\"name\":\"hang\"}}",
    )
    .await;
    let line = world.servers["a"].saw(|line| line.contains("\"hang\"")).await;
    world.stop.drain.cancel();
    assert_eq!(stream.event().await, None, "streams of events end in good order");
    assert!(!world.serving.is_finished());
    let id = serde_json::from_str::<Value>(&line).unwrap()["id"].clone();
    assert!(id.is_u64());
    world.stop.cut.cancel();
    world.serving.await.unwrap();
    world.front.shutdown(Duration::from_secs(5)).await;
}
