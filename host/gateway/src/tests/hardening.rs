//! What an attacker tries: requests that two readers understand differently, tokens in the wrong place, bodies without end, and what belongs to
//! somebody else. Foreign hosts and origins are in `surface`, slow heads and bodies in `connections`, streams of another in `resuming`.

use super::client::{Http, JSON, modern};
use super::server::{Script, Speaks};
use super::world::World;
use crate::{FrontConfig, HttpConfig, Token};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const PING: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";

fn guarded() -> FrontConfig {
    FrontConfig { token: Some(Token::new("secret")), ..FrontConfig::default() }
}

#[tokio::test]
async fn a_token_counts_in_its_header_only() {
    let world = World::with(vec![], guarded(), HttpConfig::default()).await;
    for path in [
        "/mcp?token=secret",
        "/mcp?access_token=secret",
        "/mcp?Authorization=Bearer%20secret",
        "/sse?sessionid=secret&access_token=secret",
        "/mcp#secret",
    ] {
        for more in [
            &[][..],
            &[("Cookie", "token=secret")],
            &[("Proxy-Authorization", "Bearer secret")],
            &[("X-Api-Key", "secret")],
        ] {
            let headers = [JSON, more].concat();
            let answer = world.http().await.send("POST", path, &headers, PING).await;
            assert_eq!((answer.status, answer.body.as_str()), (401, "Unauthorized"), "{path} {more:?}");
        }
    }
    // With it in its place, what else is in the query means nothing.
    let headers = [JSON, &[("Authorization", "Bearer secret")]].concat();
    let answer = world.http().await.send("POST", "/mcp?token=wrong", &headers, PING).await;
    assert_eq!(answer.status, 400, "only the session is missing: {answer:?}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_even_read() {
    let config = FrontConfig { message_limit: 1000, ..FrontConfig::default() };
    let world = World::with(vec![], config, HttpConfig::default()).await;
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\n";
    // Declared: refused before a byte of it has come.
    for length in ["1001", "99999999999"] {
        let mut http = world.http().await;
        http.raw(&format!("{head}Content-Length: {length}\r\n\r\n")).await;
        let answer = http.read().await;
        assert_eq!((answer.status, answer.headers["connection"].as_str()), (413, "close"), "{length}");
        assert_eq!(http.rest().await, "");
    }
    // In pieces: refused with the piece that goes too far.
    let mut http = world.http().await;
    http.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    let piece = format!("190\r\n{}\r\n", "x".repeat(400));
    http.raw(&piece.repeat(2)).await;
    http.raw("0190\r\n").await;
    http.raw(&"x".repeat(400)).await;
    assert_eq!(http.read().await.status, 413);
    assert_eq!(http.rest().await, "");
    // A head without end is refused too.
    let mut http = world.http().await;
    let many: String = (0..4000).map(|n| format!("X-{n}: {}\r\n", "y".repeat(40))).collect();
    http.raw(&format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\n{many}")).await;
    assert_eq!(http.head().await.status, 431);
}

/// Whoever stands in front of us may see another request than we do. What could be read in two ways is refused or ends the connection, and what
/// follows on it is never served.
#[tokio::test]
async fn requests_of_two_meanings_hide_none() {
    let world = World::of(vec![]).await;
    let mut victim = world.http().await;
    victim.initialize("2025-11-25").await;
    let session = victim.session.clone().unwrap();
    let hidden = format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {session}\r\n\r\n");
    let start = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\nMcp-Session-Id: {session}\r\n"
    );
    let all = PING.len() + hidden.len();
    let chunk = format!("{:x}\r\n{PING}\r\n0\r\n\r\n", PING.len());
    for (what, headers, body) in [
        ("both framings", format!("Content-Length: {all}\r\nTransfer-Encoding: chunked\r\n"), chunk.clone()),
        (
            "both framings, the other way round",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {all}\r\n"),
            chunk.clone(),
        ),
        (
            "two lengths",
            format!("Content-Length: {}\r\nContent-Length: {all}\r\n", PING.len()),
            PING.to_owned(),
        ),
        ("two lengths in one", format!("Content-Length: {}, {all}\r\n", PING.len()), PING.to_owned()),
        ("a signed length", format!("Content-Length: +{}\r\n", PING.len()), PING.to_owned()),
        ("a length in another base", format!("Content-Length: 0x{:x}\r\n", PING.len()), PING.to_owned()),
        ("a negative length", "Content-Length: -1\r\n".to_owned(), PING.to_owned()),
        (
            "a folded header",
            format!("X: a\r\n Content-Length: 0\r\nContent-Length: {}\r\n", PING.len()),
            PING.to_owned(),
        ),
        ("a folded framing", "Transfer-Encoding:\r\n chunked\r\n".to_owned(), chunk.clone()),
        ("a blank before the colon", "Transfer-Encoding : chunked\r\n".to_owned(), chunk.clone()),
        ("an unknown coding", "Transfer-Encoding: gzip\r\n".to_owned(), chunk.clone()),
        ("a coding after chunked", "Transfer-Encoding: chunked, gzip\r\n".to_owned(), chunk.clone()),
        ("nearly chunked", "Transfer-Encoding: xchunked\r\n".to_owned(), chunk.clone()),
        (
            "a line without a colon",
            format!("Content-Length\r\nContent-Length: {}\r\n", PING.len()),
            PING.to_owned(),
        ),
        (
            "a carriage return in a value",
            format!("X: a\rContent-Length: 0\r\nContent-Length: {}\r\n", PING.len()),
            PING.to_owned(),
        ),
        ("a zero byte in a value", format!("X: a\0b\r\nContent-Length: {}\r\n", PING.len()), PING.to_owned()),
        (
            "a size beyond all bounds",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("10000000000000000{:x}\r\n{PING}\r\n0\r\n\r\n", PING.len()),
        ),
        (
            "a size that is none",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("-1\r\n{PING}\r\n0\r\n\r\n"),
        ),
        (
            "no end of a piece",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{:x}\r\n{PING}xx0\r\n\r\n", PING.len()),
        ),
    ] {
        let mut http = world.http().await;
        http.raw(&format!("{start}{headers}\r\n{body}{hidden}")).await;
        let answers = http.rest().await;
        let statuses: Vec<&str> = answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
        let refused = |status: &&str| status.starts_with("400 ") || status.starts_with("501 ");
        // With both framings the coding counts, and the connection ends behind it (RFC 9112, 6.1).
        let by_coding = what.starts_with("both framings") && answers.contains("connection: close");
        assert!(
            statuses.len() <= 1 && statuses.iter().all(|status| by_coding || refused(status)),
            "{what}: {answers}"
        );
        assert_eq!(world.front.sessions(), 1, "{what}: what was hidden was served");
    }
    // Equal lengths have one meaning, and so have lines that end with a line feed alone (RFC 9112, 2.2 and 6.3).
    let mut http = world.http().await;
    http.raw(&format!("{start}Content-Length: {0}\r\nContent-Length: {0}\r\n\r\n{PING}", PING.len())).await;
    let status = http.read().await.status;
    assert!(matches!(status, 200 | 400), "{status}");
    assert_eq!(victim.ask("ping", json!({})).await["result"], json!({}));
}

/// With a line feed alone two readers agree on where lines end, or one of them refuses. Ours takes it, so the rest of the request must be what it is
/// without.
#[tokio::test]
async fn bare_line_feeds_hide_nothing() {
    let world = World::with(vec![], guarded(), HttpConfig::default()).await;
    let body = PING;
    // A token behind a bare line feed within a value would be one header to one reader and two to another.
    for (head, status) in [
        (format!("POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: {}\n\n", body.len()), 401),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: a\nAuthorization: Bearer wrong\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ),
            401,
        ),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nX: a\nAuthorization: Bearer secret\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ),
            401,
        ),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nAuthorization: Bearer secret\r\nHost: localhost\r\nX: a\nHost: evil.example\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ),
            403,
        ),
    ] {
        let mut http = world.http().await;
        http.raw(&format!("{head}{body}")).await;
        assert_eq!(http.read().await.status, status, "{head:?}");
        assert_eq!(http.rest().await, "");
    }
}

#[tokio::test]
async fn a_session_is_nothing_without_the_token_and_nothing_to_another() {
    let script = Script::new("a", Speaks::Legacy).tools(&["hang", "ask-elicit", "echo"]);
    let world = World::with(vec![script], guarded(), HttpConfig::default()).await;
    world.front.ready().await;
    let good = ("Authorization", "Bearer secret");
    let open = async || {
        let mut http = world.http().await;
        let headers = [JSON, &[good]].concat();
        let capabilities = json!({"elicitation":{}});
        let hello = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":capabilities}});
        let answer = http.send("POST", "/mcp", &headers, &hello.to_string()).await;
        (http, answer.headers["mcp-session-id"].clone())
    };
    let ((mut mine, own), (mut theirs, other)) = (open().await, open().await);
    let headers = |session: &str| -> Vec<(&'static str, String)> {
        JSON.iter()
            .chain([&good])
            .map(|(name, value)| (*name, (*value).to_owned()))
            .chain([("Mcp-Session-Id", session.to_owned())])
            .collect()
    };
    let write = async |http: &mut Http, session: &str, body: &Value| {
        let headers = headers(session);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        http.write("POST", "/mcp", &headers, &body.to_string()).await;
    };
    // Who has the id and not the token gets nowhere, and ends nothing.
    for token in [&[][..], &[("Authorization", "Bearer wrong")]] {
        for method in ["GET", "POST", "DELETE"] {
            let session = [("Mcp-Session-Id", own.as_str())];
            let headers = [JSON, token, &session].concat();
            let body = if method == "POST" { PING } else { "" };
            assert_eq!(
                world.http().await.send(method, "/mcp", &headers, body).await.status,
                401,
                "{method} {token:?}"
            );
        }
    }
    // Nearly the id is none: in another case, with something more, with something less, or of another kind.
    for wrong in [
        own.to_uppercase(),
        format!("{own}0"),
        own[1..].to_owned(),
        format!("{own},{own}"),
        "lane-0".to_owned(),
    ] {
        if wrong != own {
            write(&mut mine, &wrong, &serde_json::from_str(PING).unwrap()).await;
            assert_eq!(mine.read().await.status, 404, "{wrong}");
        }
    }
    // The same id of a request in two sessions: one does not take back the other's.
    let call = json!({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"hang","arguments":{"whose":"mine"}}});
    write(&mut mine, &own, &call).await;
    world.servers["a"].saw(|line| line.contains("whose")).await;
    let cancel = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}});
    write(&mut theirs, &other, &cancel).await;
    assert_eq!(theirs.read().await.status, 202);
    let echo = json!({"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"echo"}});
    write(&mut theirs, &other, &echo).await;
    assert_eq!(theirs.read().await.json()["id"], 6);
    assert_eq!(world.servers["a"].count("notifications/cancelled"), 0);
    // Nor does one answer what the other was asked.
    let mut asked = world.http().await;
    let ask = json!({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ask-elicit"}});
    write(&mut asked, &own, &ask).await;
    asked.head().await;
    let question = asked.event().await.unwrap();
    for (session, result) in [(&other, "stolen"), (&own, "given")] {
        let answer = json!({"jsonrpc":"2.0","id":question["id"],"result":{"action":result}});
        write(&mut theirs, session, &answer).await;
        assert_eq!(theirs.read().await.status, 202);
    }
    let answer = asked.event().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "{\"action\":\"given\"}");
    assert_eq!(world.servers["a"].count("stolen"), 0);
    write(&mut theirs, &own, &cancel).await;
    assert_eq!(theirs.read().await.status, 202);
    world.servers["a"].saw(|line| line.contains("notifications/cancelled")).await;
}

#[tokio::test]
async fn a_state_with_any_bit_flipped_opens_nothing() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["ask-elicit"])]).await;
    world.front.ready().await;
    let mut http = world.http().await;
    let capabilities = json!({"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}});
    let call = |state: Option<&str>| match state {
        None => modern(json!({"name":"ask-elicit","_meta":capabilities})),
        Some(state) => modern(
            json!({"name":"ask-elicit","_meta":capabilities,"requestState":state,"inputResponses":{"ask":{"n":1}}}),
        ),
    };
    let held = http.ask_modern("tools/call", call(None)).await.1["result"].clone();
    let state = held["requestState"].as_str().unwrap();
    let coded = state.strip_prefix("gateway-held-1.").unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(coded).unwrap();
    assert_eq!(bytes.len(), 48, "16 of a name and 32 of a code");
    for bit in 0..bytes.len() * 8 {
        let mut bent = bytes.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let bent = format!("gateway-held-1.{}", URL_SAFE_NO_PAD.encode(bent));
        let error = http.ask_modern("tools/call", call(Some(&bent))).await.1["error"].clone();
        assert_eq!(
            error,
            json!({"code":-32602,"message":"`requestState` failed its integrity check"}),
            "bit {bit}"
        );
    }
    // None of that has used it up.
    let answer = http.ask_modern("tools/call", call(Some(state))).await.1;
    assert_eq!(answer["result"]["content"][0]["text"], "{\"n\":1}");
}

#[tokio::test]
async fn a_server_has_no_part_in_the_resources_of_another() {
    let own = |name: &str| format!("{{\"uri\":\"{name}://one\"}}");
    let good = Script::new("a", Speaks::Legacy).tools(&["echo-a"]).raw("resources", vec![own("a")]);
    // It claims what is the other's, by name and by a template for everything.
    let sly = Script::new("b", Speaks::Legacy)
        .tools(&["update"])
        .raw("resources", vec![own("a"), own("b")])
        .raw("resourceTemplates", vec!["{\"uriTemplate\":\"{+all}\",\"name\":\"all\"}".to_owned()]);
    let world = World::of(vec![good, sly]).await;
    world.front.ready().await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let read = http.ask("resources/read", json!({"uri":"a://one"})).await["result"].clone();
    assert_eq!(read["contents"][0]["text"], "a", "the first owner answers");
    let read = http.ask("resources/read", json!({"uri":"b://one"})).await["result"].clone();
    assert_eq!(read["contents"][0]["text"], "b");
    assert_eq!(world.servers["b"].count("a://one"), 0, "the other does not even hear of it");
    // It says that the other's resource was updated: nobody is told, also not who listens to it.
    let session = http.session.clone().unwrap();
    let mut stream = world.http().await;
    stream.write("GET", "/mcp", &[("Mcp-Session-Id", &session), ("Accept", "text/event-stream")], "").await;
    assert_eq!(stream.head().await.status, 200);
    for uri in ["a://one", "b://one"] {
        assert_eq!(http.ask("resources/subscribe", json!({"uri":uri})).await["result"], json!({}), "{uri}");
    }
    for uri in ["a://one", "b://one"] {
        http.ask("tools/call", json!({"name":"update","arguments":{"uri":uri}})).await;
    }
    let told = json!({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"b://one"}});
    assert_eq!(stream.event().await, Some(told), "its own, and nothing before it");
}
