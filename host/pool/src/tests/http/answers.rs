//! Answers that are no success, and what is made of them.

use super::*;

#[tokio::test(start_paused = true)]
async fn answers_that_are_no_mcp_are_told_in_words() {
    let scene = Scene::new(
        None,
        legacy(|seen| match seen.body["params"]["name"].as_str().unwrap() {
            "html" => Say::Text(200, "text/html", "<html>"),
            "accepted" => Say::Text(202, "", ""),
            "other" => Say::Json(200, json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
            "broken" => Say::Text(200, "application/json", "{\"jsonrpc\":"),
            "status" => Say::Text(500, "text/plain", "oh \u{1b}[31mno"),
            "error" => Say::Json(
                400,
                json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32602, "message": "no such tool"}}),
            ),
            other => panic!("{other}"),
        }),
    );
    let client = scene.client().await;
    for (name, expected) in [
        ("html", "server `a`: the server answered with `text/html`, which is no MCP"),
        ("accepted", "server `a`: the server took the request and answered nothing"),
        ("other", "server `a`: the server answered something else than was asked"),
        ("status", "server `a`: the server answered HTTP 500 Internal Server Error: oh \\u{1b}[31mno"),
        ("error", "no such tool"),
    ] {
        let got = answer(call(&client, "tools/call", &json!({"name": name}))).await;
        assert_eq!(got["error"]["message"], expected, "{name}");
    }
    let got = answer(call(&client, "tools/call", &json!({"name": "broken"}))).await;
    let text = got["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("server `a`: the server's answer is not usable: "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_would_not_have_us_says_why() {
    let scene =
        Scene::new(None, |_| Say::Head(401, vec![("www-authenticate", "Bearer realm=\"x\"")], Value::Null));
    let failure = scene.failure().await;
    assert_eq!(failure.class, Class::Permission);
    assert_eq!(failure.text, "the server answered HTTP 401 Unauthorized: null");
    assert!(failure.hint.as_ref().unwrap().contains("headers: {Authorization: 'Bearer …'}"));
    let scene = Scene::new(None, |_| Say::Unreachable);
    let failure = scene.failure().await;
    assert_eq!(
        (failure.class, failure.text.as_str()),
        (Class::Other, "connecting to a.example:443 failed: refused")
    );
    assert_eq!(scene.all(), ["POST server/discover"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_time_gets_it() {
    let tries = Mutex::new(0);
    let scene = Scene::new(None, move |seen: &Seen| {
        if seen.body["method"] == "initialize" {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            if *tries == 1 {
                return Say::Head(503, vec![("retry-after", "7")], Value::Null);
            }
        }
        legacy(echo)(seen)
    });
    let begun = Instant::now();
    scene.client().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_while_it_is_used_is_reached_anew() {
    let gone = Arc::new(Mutex::new(false));
    let is_gone = Arc::clone(&gone);
    let scene =
        Scene::new(
            None,
            move |seen: &Seen| if *is_gone.lock().unwrap() { Say::Unreachable } else { legacy(echo)(seen) },
        );
    let client = scene.client().await;
    *gone.lock().unwrap() = true;
    let error = call(&client, "tools/call", &json!({"name": "x"})).response().await.unwrap_err();
    assert_eq!(error.to_string(), "the server has gone: connecting to a.example:443 failed: refused");
    assert_eq!(scene.failure().await.text, "connecting to a.example:443 failed: refused");
    *gone.lock().unwrap() = false;
    answer(call(&*scene.client().await, "tools/call", &json!({"name": "x"}))).await;
}
