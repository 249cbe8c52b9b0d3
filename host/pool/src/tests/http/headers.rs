//! What the modern era says in headers.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_modern_server_is_told_in_headers_what_the_message_says() {
    let mut scene = Scene::new(
        None,
        modern(|seen| match seen.short().as_str() {
            "POST tools/list" => Say::Json(
                200,
                result(
                    seen,
                    &json!({"tools": [{"name": "x", "inputSchema": {"properties":
                {"where": {"type": "string", "x-mcp-header": "Region"}}}}]}),
                ),
            ),
            _ => echo(seen),
        }),
    );
    let client = scene.client().await;
    client.list(crate::ListKind::Tools).await.unwrap();
    answer(call(&client, "tools/call", &json!({"name": "x", "arguments": {"where": "eu"}}))).await;
    scene.end().await;
    let seen = scene.sees("POST tools/call").await;
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "x"),
        ("mcp-param-region", "eu"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(scene.all(), ["POST server/discover", "POST tools/list", "POST tools/call"]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_wants_other_headers_than_before_is_looked_up_and_called_again() {
    // The tool wants its argument repeated from its second list on; `mends` says whether it is content with that.
    let server = |mends: bool| {
        let lists = Mutex::new(0);
        modern(move |seen: &Seen| match seen.short().as_str() {
            "POST tools/list" => {
                *lists.lock().unwrap() += 1;
                let property = match *lists.lock().unwrap() {
                    1 => json!({"type": "string"}),
                    _ => json!({"type": "string", "x-mcp-header": "Region"}),
                };
                let tool = json!({"name": "x", "inputSchema": {"type": "object", "properties": {"region": property}}});
                Say::Json(200, result(seen, &json!({"resultType": "complete", "tools": [tool]})))
            }
            "POST tools/call" if mends && seen.header("mcp-param-region") == Some("north") => echo(seen),
            _ => {
                let error = json!({"code": -32020, "message": "Header mismatch: Mcp-Param-Region"});
                Say::Json(400, json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": error}))
            }
        })
    };
    let with = json!({"name": "x", "arguments": {"region": "north"}});
    let scene = Scene::new(None, server(true));
    let client = scene.client().await;
    assert_eq!(client.list(ListKind::Tools).await.unwrap().items.len(), 1);
    let mut events = scene.pool.events();
    let got = answer(call(&client, "tools/call", &with)).await;
    assert_eq!(got["result"]["params"]["arguments"]["region"], "north");
    let event = events.recv().await.unwrap();
    assert!(matches!(event, Event::ListChanged { what: crate::Changed::Tools, .. }), "{event:?}");
    let [call_, list] = ["POST tools/call", "POST tools/list"];
    assert_eq!(scene.all()[1..], [list, call_, list, call_]);
    // The next call knows.
    answer(call(&client, "tools/call", &with)).await;
    assert_eq!(scene.all()[5..], [call_]);

    // Once is enough: the client hears what the server says.
    let scene = Scene::new(None, server(false));
    let client = scene.client().await;
    client.list(ListKind::Tools).await.unwrap();
    let got = answer(call(&client, "tools/call", &with)).await;
    assert_eq!(got["error"]["code"], -32020);
    assert_eq!(scene.all()[1..], [list, call_, list, call_]);
    let got = answer(call(&client, "tools/call", &with)).await;
    assert_eq!(got["error"]["code"], -32020);
    assert_eq!(scene.all()[5..], [call_, list], "the list says nothing new");
}
