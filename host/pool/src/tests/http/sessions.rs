//! Sessions of legacy servers: begun, lost, begun anew.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_legacy_server_has_a_session_from_initialize_to_delete() {
    let mut scene = Scene::new(None, legacy(echo));
    let client = scene.client().await;
    assert_eq!(client.revision().as_str(), "2025-06-18");
    let got = answer(call(&client, "tools/call", &json!({"name": "x"}))).await;
    assert_eq!(got["result"]["params"]["name"], "x");
    scene.end().await;
    let initialize = scene.sees("POST initialize").await;
    assert_eq!(
        (initialize.header("mcp-protocol-version"), initialize.header("mcp-session-id")),
        (None, None)
    );
    for short in ["POST notifications/initialized", "POST tools/call", "DELETE"] {
        let seen = scene.sees(short).await;
        let headers =
            (seen.header("mcp-protocol-version"), seen.header("mcp-session-id"), seen.header("mcp-method"));
        assert_eq!(headers, (Some("2025-06-18"), Some("s-1"), None), "{short}");
    }
}

/// A refusal that answers no request.
fn refusal(code: i64, text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": text}})
}

const NO_SESSION: &str = "Bad Request: No valid session ID provided";

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_begun_anew_and_the_call_repeated() {
    lost_session(|| Say::Json(404, refusal(-32001, "Session not found"))).await;
    lost_session(|| Say::Json(400, refusal(-32000, NO_SESSION))).await;
    lost_session(|| Say::Json(400, refusal(-32000, "Bad Request: Server not initialized"))).await;
    lost_session(|| Say::Text(400, "text/plain", NO_SESSION)).await;
}

async fn lost_session(forgotten: impl Fn() -> Say + Send + Sync + 'static) {
    let sessions = Mutex::new(0);
    let scene = Scene::new(None, move |seen: &Seen| match seen.short().as_str() {
        "POST initialize" => {
            let mut sessions = sessions.lock().unwrap();
            *sessions += 1;
            let id = if *sessions == 1 { "s-1" } else { "s-2" };
            let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}});
            Say::Head(200, vec![("mcp-session-id", id)], result(seen, &hello))
        }
        "POST tools/call" if seen.header("mcp-session-id") == Some("s-1") => forgotten(),
        _ => legacy(echo)(seen),
    });
    let mut events = scene.pool.events();
    let client = scene.client().await;
    let (one, two) = (
        call(&client, "tools/call", &json!({"name": "one"})),
        call(&client, "tools/call", &json!({"name": "two"})),
    );
    assert_eq!(answer(one).await["result"]["params"]["name"], "one");
    assert_eq!(answer(two).await["result"]["params"]["name"], "two");
    let began = scene.all().iter().filter(|short| *short == "POST initialize").count();
    assert_eq!(began, 2, "{:?}", scene.all());
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(match event {
            Event::Ready { .. } => "ready",
            Event::ListChanged { .. } => "changed",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["ready", "ready", "changed", "changed", "changed"]);
    assert!(client.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_new_session_hears_the_level_of_the_lost_one_and_is_told_of() {
    let sessions = Mutex::new(0);
    let mut scene = Scene::new(None, move |seen: &Seen| match seen.short().as_str() {
        "POST initialize" => {
            let mut sessions = sessions.lock().unwrap();
            *sessions += 1;
            let id = if *sessions == 1 { "s-1" } else { "s-2" };
            let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {"logging": {}}});
            Say::Head(200, vec![("mcp-session-id", id)], result(seen, &hello))
        }
        "POST tools/call" if seen.header("mcp-session-id") == Some("s-1") => {
            Say::Text(404, "text/plain", "gone")
        }
        _ => legacy(echo)(seen),
    });
    let client = scene.client().await;
    let mut renewals = client.renewals();
    client.log(host_message::Level::Debug);
    let first = scene.sees("POST logging/setLevel").await;
    assert_eq!(first.header("mcp-session-id"), Some("s-1"));
    answer(call(&client, "tools/call", &json!({"name": "x"}))).await;
    let again = scene.sees("POST logging/setLevel").await;
    assert_eq!((again.header("mcp-session-id"), &again.body), (Some("s-2"), &first.body));
    renewals.next().await;
    let all = scene.all();
    let place = |short: &str| all.iter().rposition(|other| other == short);
    assert!(place("POST logging/setLevel") < place("POST tools/call"), "{all:?}");
}

/// How often the server was called, and sessions were begun.
fn calls_and_sessions(scene: &Scene) -> (usize, usize) {
    let all = scene.all();
    let count = |short: &str| all.iter().filter(|other| *other == short).count();
    (count("POST tools/call"), count("POST initialize"))
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_of_sessions_as_its_answer_is_its_answer_and_it_is_called_once() {
    type Answer = fn(&Seen) -> Say;
    let answers: [(Answer, &str); 3] = [
        // With the id of the call: a tool that has sessions of its own.
        (
            |seen| {
                let error = json!({"code": -32000, "message": "Session of user 7 has expired"});
                Say::Json(400, json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": error}))
            },
            "Session of user 7 has expired",
        ),
        // A code of JSON-RPC that is not the transport's.
        (|_| Say::Json(400, refusal(-32602, "no such session")), "no such session"),
        (
            |_| Say::Text(400, "text/plain", "the session is full"),
            "server `a`: the server answered HTTP 400 Bad Request: the session is full",
        ),
    ];
    for (answers, expected) in answers {
        let scene = Scene::new(None, legacy(answers));
        let client = scene.client().await;
        let got = answer(call(&client, "tools/call", &json!({"name": "x"}))).await;
        assert_eq!(got["error"]["message"], expected);
        assert_eq!(calls_and_sessions(&scene), (1, 1), "{expected}");
        assert!(client.is_alive());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_the_new_session_too_fails_the_call_and_serves_others() {
    type Answer = fn() -> Say;
    let answers: [(Answer, &str); 3] = [
        (|| Say::Text(404, "text/plain", "gone"), "server `a`: the server answered HTTP 404 Not Found: gone"),
        (|| Say::Json(400, refusal(-32000, NO_SESSION)), NO_SESSION),
        (
            || Say::Text(400, "text/plain", NO_SESSION),
            "server `a`: the server answered HTTP 400 Bad Request: Bad Request: No valid session ID provided",
        ),
    ];
    for (forgets, expected) in answers {
        let scene = Scene::new(
            None,
            legacy(move |seen| match seen.body["params"]["name"].as_str() {
                Some("good") => echo(seen),
                _ => forgets(),
            }),
        );
        let client = scene.client().await;
        let got = answer(call(&client, "tools/call", &json!({"name": "bad"}))).await;
        assert_eq!(got["error"]["message"], expected);
        assert_eq!(calls_and_sessions(&scene), (2, 2), "{expected}");
        assert!(client.is_alive());
        let good = answer(call(&client, "tools/call", &json!({"name": "good"}))).await;
        assert_eq!(good["result"]["params"]["name"], "good", "{expected}");
    }
}
