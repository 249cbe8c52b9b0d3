//! A server elsewhere, played by the test: redirects, and a session that it forgets.

use super::editor_scene;
use gateway_tests::harness::{Era, eventually};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const LEGACY: Era = Era::Legacy("2025-11-25");
const FILE: [&str; 2] = ["--mcp-servers", "mcp.json"];

/// One request that it got.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) headers: HashMap<String, String>,
    /// The message; `null` without one.
    pub(crate) message: Value,
}

/// What it answers: status, further header lines, body.
pub(crate) type Says = (u16, String, String);

/// An HTTP server with keep-alive on a free port.
pub(crate) struct Elsewhere {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Elsewhere {
    pub(crate) async fn start(says: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Asked>>>::default();
        let (says, into) = (Arc::new(says), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&says), Arc::clone(&into)));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Everything it got so far.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    stream: TcpStream,
    says: Arc<impl Fn(&Asked) -> Says + Send + Sync + 'static>,
    seen: Arc<Mutex<Vec<Asked>>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let method = line.split(' ').next().unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await?;
        let asked = Asked { method, headers, message: serde_json::from_slice(&body).unwrap_or_default() };
        seen.lock().unwrap().push(asked.clone());
        let (status, more, body) = says(&asked);
        let answer = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// What a good legacy server answers; `called` makes the text of a call.
pub(crate) fn good(asked: &Asked, session: &str, called: impl Fn(&Value) -> String) -> Says {
    let message = &asked.message;
    let result = match (asked.method.as_str(), message["method"].as_str().unwrap_or_default()) {
        ("DELETE", _) => return (200, String::new(), String::new()),
        ("GET", _) => return (405, String::new(), String::new()),
        (_, "initialize") => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "elsewhere", "version": "1"}}),
        (_, "tools/list") => json!({"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}),
        (_, "tools/call") => {
            json!({"content": [{"type": "text", "text": called(&message["params"]["arguments"])}]})
        }
        _ if message.get("id").is_none() => return (202, String::new(), String::new()),
        _ => {
            let error = json!({"code": -32601, "message": "what?"});
            return (
                200,
                String::new(),
                json!({"jsonrpc": "2.0", "id": message["id"], "error": error}).to_string(),
            );
        }
    };
    let head = format!("Mcp-Session-Id: {session}\r\n");
    (200, head, json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string())
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_not_followed() {
    let inside = Elsewhere::start(|asked| good(asked, "inside", |_| "stolen".to_owned())).await;
    let metadata = "http://169.254.169.254/latest/meta-data/";
    for (status, to) in [
        (307, inside.url()),
        (308, inside.url()),
        (302, inside.url()),
        (307, format!("http://localhost:{}/mcp", inside.address.port())),
        (307, metadata.to_owned()),
        (307, "//169.254.169.254/mcp".to_owned()),
        (307, "file:///etc/passwd".to_owned()),
    ] {
        let location = format!("Location: {to}\r\n");
        // At first it is a good server; only calls are sent elsewhere.
        let server = Elsewhere::start(move |asked| match asked.message["method"] == "tools/call" {
            true => (status, location.clone(), String::new()),
            false => good(asked, "s", |_| String::new()),
        })
        .await;
        let headers = json!({"X-Api-Key": "for this server only"});
        let scene = editor_scene(&json!({"a": {"url": server.url(), "headers": headers}}));
        let gateway = scene.serve(FILE).await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["say"]).await;
        let error = client.call("say", json!({})).await.unwrap_err();
        assert!(error.message.contains("server `a`"), "{to}: {error:?}");
        assert!(error.message.contains("redirect"), "{to}: {error:?}");
        gateway.end().await;
    }
    assert!(inside.seen().is_empty(), "somebody followed: {:?}", inside.seen());
}

#[tokio::test]
async fn a_session_that_the_server_forgets_is_begun_anew_and_the_client_does_not_notice() {
    // Each connection of the gateway has a session of its own here; a call, and nothing else, loses the one that it shows.
    let known = Mutex::new(HashSet::new());
    let begun = Arc::new(AtomicUsize::new(0));
    let forgets = Arc::new(AtomicBool::new(false));
    let (count, forget) = (Arc::clone(&begun), Arc::clone(&forgets));
    let server = Elsewhere::start(move |asked| {
        let mut known = known.lock().unwrap();
        if asked.message["method"] == "initialize" {
            let session = format!("session-{}", count.fetch_add(1, Ordering::SeqCst));
            known.insert(session.clone());
            return good(asked, &session, |_| unreachable!());
        }
        // The question of the modern era comes before any session, and is not understood.
        let Some(shown) = asked.headers.get("mcp-session-id").cloned() else {
            return good(asked, "none", |_| unreachable!());
        };
        if asked.message["method"] == "tools/call" && forget.swap(false, Ordering::SeqCst) {
            known.remove(&shown);
        }
        if !known.contains(&shown) {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32001, "message": "Session not found"}});
            return (404, String::new(), error.to_string());
        }
        good(asked, &shown, |arguments| arguments["text"].to_string())
    })
    .await;
    let scene = editor_scene(&json!({"a": {"url": server.url()}}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["say"]).await;
    for round in 0..3 {
        assert_eq!(client.text("say", json!({"text": round})).await, round.to_string());
        // From now on the session of before is unknown: this very call is repeated in a new one, and once.
        let before = begun.load(Ordering::SeqCst);
        forgets.store(true, Ordering::SeqCst);
        assert_eq!(client.text("say", json!({"text": "again"})).await, "\"again\"");
        assert!(!forgets.load(Ordering::SeqCst), "the call did not reach the server");
        // A copy that lists what everybody is shown may begin one of its own beside it.
        assert!(begun.load(Ordering::SeqCst) > before, "no session was begun for the one that was lost");
        let again = |asked: &&Asked| asked.message["params"]["arguments"]["text"] == "again";
        let seen = server.seen();
        let shown: Vec<_> = seen.iter().filter(again).map(|asked| &asked.headers["mcp-session-id"]).collect();
        assert_eq!(shown.len(), 2 * (round + 1), "{shown:?}");
        assert_ne!(shown[2 * round], shown[2 * round + 1], "repeated in the session that was lost");
    }
    gateway.end().await;
}

/// Nothing of a client's own credentials goes to a server elsewhere.
#[tokio::test]
async fn what_a_client_shows_the_gateway_stays_there() {
    let server = Elsewhere::start(|asked| good(asked, "s", |_| "done".to_owned())).await;
    let scene = editor_scene(&json!({"a": {"url": server.url()}}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["say"]).await;
    let endpoint = gateway.endpoint().await;
    let mut params = json!({"name": "say", "arguments": {}});
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}
    });
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "say"),
        ("cookie", "of-the-client"),
        ("x-api-key", "of-the-client"),
        ("forwarded", "for=of-the-client"),
    ];
    assert_eq!(endpoint.post(&headers, &call).await.unwrap().status, 200);
    eventually("the call", async || {
        let seen = server.seen();
        if seen.iter().any(|asked| asked.message["method"] == "tools/call") {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
    for asked in server.seen() {
        let shown = format!("{:?}", asked.headers);
        assert!(!shown.contains("of-the-client") && !shown.contains("token-of-the-tests"), "{shown}");
        assert!(!asked.headers.contains_key("authorization"), "{shown}");
    }
    gateway.end().await;
}
