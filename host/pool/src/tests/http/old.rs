//! HTTP+SSE of 2024-11-05.

use super::*;

/// A server of 2024-11-05: what it says comes on one stream.
fn old() -> impl Fn(&Seen) -> Say + Send + Sync {
    let stream: Mutex<Option<mpsc::UnboundedSender<Bytes>>> = Mutex::default();
    move |seen| {
        if seen.method == Method::GET {
            let (sender, receiver) = mpsc::unbounded_channel();
            sender.send(Bytes::from_static(b"event: endpoint\ndata: /messages?id=7\n\n")).unwrap();
            *stream.lock().unwrap() = Some(sender);
            return Say::Stream(receiver);
        }
        if seen.uri == "https://a.example/mcp" {
            return Say::Text(405, "text/plain", "Method Not Allowed");
        }
        assert_eq!(seen.uri, "https://a.example/messages?id=7");
        assert_eq!(seen.header("mcp-protocol-version"), None);
        let stream = stream.lock().unwrap();
        let stream = stream.as_ref().unwrap();
        match seen.body["method"].as_str().unwrap() {
            "initialize" => {
                let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}});
                stream.send(event(&result(seen, &hello))).unwrap();
            }
            "tools/call" => drop(stream.send(event(&result(seen, &json!({"old": true}))))),
            _ => {}
        }
        Say::Text(202, "text/plain", "Accepted")
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_transport_is_spoken_where_it_was_asked_for_or_nothing_else_is() {
    for (protocol, before) in [
        (Some(HttpProtocol::Sse), &["GET", "POST initialize"][..]),
        (None, &["POST server/discover", "POST initialize", "GET", "POST initialize"]),
    ] {
        let scene = Scene::new(protocol, old());
        let client = scene.client().await;
        assert_eq!(client.revision().as_str(), "2024-11-05");
        assert_eq!(answer(call(&client, "tools/call", &json!({"name": "x"}))).await["result"]["old"], true);
        assert_eq!(scene.all().get(..before.len()).unwrap(), before);
        scene.end().await;
    }
    // Who says that it is streamable HTTP is not doubted.
    let scene = Scene::new(Some(HttpProtocol::Streamable), old());
    assert_eq!(
        scene.failure().await.text,
        "the server answered HTTP 405 Method Not Allowed: Method Not Allowed"
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_first_transports_stream_is_the_end_of_the_server() {
    let (sender, streams) = stream();
    let manner = old();
    let scene = Scene::new(Some(HttpProtocol::Sse), move |seen: &Seen| {
        if seen.method == Method::GET
            && let Some(stream) = streams.lock().unwrap().pop_front()
        {
            return Say::Stream(stream);
        }
        manner(seen)
    });
    // It never says where messages go.
    drop(sender);
    let failure = scene.failure().await;
    assert!(failure.text.ends_with("its stream of events ended"), "{}", failure.text);
    let client = scene.client().await;
    assert_eq!(
        value(&call(&client, "tools/call", &json!({"name": "x"})).response().await.unwrap())["result"]["old"],
        true
    );
}
