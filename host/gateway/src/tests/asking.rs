//! Servers that ask: sampling, elicitation and roots in all four pairs of eras.

use super::client::{Http, modern};
use super::server::{Script, Speaks};
use super::streams::Pipe;
use super::world::World;
use serde_json::{Value, json};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

fn everything() -> Value {
    json!({"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"tasks":{}})
}

async fn world(speaks: Speaks) -> World {
    let tools = ["ask-elicit", "ask-sample", "ask-roots", "ask-url", "again-elicit", "echo"];
    let world = World::of(vec![Script::new("a", speaks).tools(&tools)]).await;
    world.front.ready().await;
    world
}

/// Calls a tool as a legacy client, and gives the requests that come on the call's stream and its answer.
async fn called(world: &World, http: &mut Http, name: &str, answers: &[Value]) -> (Vec<Value>, Value) {
    let call = json!({"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":name}});
    http.write_post(&call.to_string()).await;
    let head = http.head().await;
    assert_eq!(head.headers["content-type"], "text/event-stream");
    let mut other = world.http().await;
    other.session.clone_from(&http.session);
    let mut asked = Vec::new();
    for answer in answers {
        let request = http.event().await.unwrap();
        let mut message = answer.clone();
        message["jsonrpc"] = "2.0".into();
        message["id"] = request["id"].clone();
        asked.push(request);
        assert_eq!(other.post(&message.to_string()).await.status, 202);
    }
    let answer = http.event().await.unwrap();
    assert_eq!((http.event().await, &answer["id"]), (None, &json!("c")));
    (asked, answer)
}

fn text(answer: &Value) -> Value {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_legacy_client_is_asked_by_servers_of_both_eras() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = world(speaks).await;
        let mut http = world.http().await;
        http.initialize_with("2025-11-25", everything()).await;
        // Twice: once the server has to come up, then it is there.
        for _ in 0..2 {
            let result = json!({"action":"accept","content":{"n":1}});
            let (asked, answer) = called(&world, &mut http, "ask-elicit", &[json!({"result":result})]).await;
            assert_eq!(asked[0]["method"], "elicitation/create");
            assert_eq!(
                (&asked[0]["params"]["message"], &asked[0]["params"]["x"]),
                (&json!("m"), &json!(1.5))
            );
            let got = text(&answer);
            assert_eq!(got.get("q").unwrap_or(&got), &result);
        }
        let (asked, answer) =
            called(&world, &mut http, "ask-sample", &[json!({"result":{"role":"assistant"}})]).await;
        assert_eq!(
            (&asked[0]["method"], &asked[0]["params"]["maxTokens"]),
            (&json!("sampling/createMessage"), &json!(5))
        );
        assert_ne!(
            asked[0]["params"]["_meta"]["progressToken"], "p",
            "the client's progress would lead nowhere"
        );
        assert!(text(&answer).to_string().contains("assistant"));
        let (asked, _) = called(&world, &mut http, "ask-roots", &[json!({"result":{"roots":[]}})]).await;
        assert_eq!(asked[0]["method"], "roots/list");
        let (asked, _) =
            called(&world, &mut http, "ask-url", &[json!({"result":{"action":"decline"}})]).await;
        assert_eq!(asked[0]["params"]["url"], "x://y", "untouched");
        assert_eq!(asked[0]["params"]["elicitationId"].is_string(), speaks == Speaks::Modern);
        let twice = [json!({"result":{"action":"cancel"}}), json!({"result":{"action":"accept"}})];
        let (asked, answer) = called(&world, &mut http, "again-elicit", &twice).await;
        assert_ne!(asked[0]["id"], asked[1]["id"]);
        assert!(text(&answer).to_string().contains("accept"));
        // What the client answers with an error is an error for who asked.
        let refusal = json!({"error":{"code":-1,"message":"user said no"}});
        let (_, answer) = called(&world, &mut http, "ask-elicit", &[refusal]).await;
        assert!(answer.to_string().contains("user said no"), "{answer}");
        if speaks == Speaks::Modern {
            let calls: Vec<Value> = world.servers["a"]
                .seen
                .borrow()
                .iter()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let calls: Vec<&Value> = calls.iter().filter(|line| line["method"] == "tools/call").collect();
            let mut ids: Vec<u64> = calls.iter().map(|call| call["id"].as_u64().unwrap()).collect();
            ids.dedup();
            assert_eq!(ids.len(), calls.len(), "each repetition has an id of its own");
            let declared = json!({"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}});
            assert!(calls.iter().all(|call| call["params"]["_meta"][CAPABILITIES] == declared));
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_for_what_he_did_not_declare() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = world(speaks).await;
        let mut http = world.http().await;
        http.initialize_with("2025-06-18", json!({"roots":{}})).await;
        let answer = http.ask("tools/call", json!({"name":"ask-sample"})).await;
        if speaks == Speaks::Legacy {
            assert_eq!(text(&answer)["code"], -32601);
        } else {
            let message = "server `a`: asks for `sampling/createMessage`, which this client did not declare";
            assert_eq!(answer["error"]["message"], message);
        }
        let (asked, _) = called(&world, &mut http, "ask-roots", &[json!({"result":{"roots":[]}})]).await;
        assert_eq!(asked.len(), 1);
    }
}

#[tokio::test]
async fn a_client_on_standard_streams_is_asked() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = world(speaks).await;
        let mut pipe = Pipe::open(&world);
        let hello = json!({"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}});
        pipe.ask(1, "initialize", hello).await;
        pipe.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}").await;
        let call = json!({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ask-elicit"}});
        pipe.write(&call.to_string()).await;
        let asked = pipe.read().await.unwrap();
        assert_eq!(asked["method"], "elicitation/create");
        pipe.write(&json!({"jsonrpc":"2.0","id":asked["id"],"result":{"action":"accept"}}).to_string()).await;
        let answer = pipe.read().await.unwrap();
        assert_eq!(answer["id"], 2);
        assert!(text(&answer).to_string().contains("accept"));
        assert_eq!(pipe.end().await, [Value::Null; 0]);
    }
}

#[tokio::test]
async fn what_is_not_answered_takes_no_place_of_what_others_ask() {
    let tools = ["flood", "mixed", "ask-elicit"];
    let world = World::of(vec![Script::new("a", Speaks::Modern).tools(&tools)]).await;
    world.front.ready().await;
    let mut pipe = Pipe::open(&world);
    let hello = json!({"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}});
    pipe.ask(1, "initialize", hello).await;
    pipe.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}").await;
    // A client may have 256 open.
    for id in 2..12 {
        let flood = pipe.ask(id, "tools/call", json!({"name":"flood"})).await;
        assert_eq!(flood["error"]["message"], "server `a`: asks for too much at once");
    }
    for id in 12..300 {
        let mixed = pipe.ask(id, "tools/call", json!({"name":"mixed"})).await;
        let message = "server `a`: asks for `sampling/createMessage`, which this client did not declare";
        assert_eq!(mixed["error"]["message"], message);
    }
    let call =
        |id: i64| json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":{"name":"ask-elicit"}});
    let cancelled =
        |id: &Value| json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":id}});
    for id in 300..600 {
        pipe.write(&call(id).to_string()).await;
        let asked = pipe.read().await.unwrap();
        assert_eq!(asked["method"], "elicitation/create", "{asked}");
        pipe.write(&cancelled(&json!(id)).to_string()).await;
        let told = pipe.read().await.unwrap();
        assert_eq!(
            (&told["method"], &told["params"]["requestId"]),
            (&json!("notifications/cancelled"), &asked["id"])
        );
    }
    pipe.write(&call(600).to_string()).await;
    let asked = pipe.read().await.unwrap();
    pipe.write(&json!({"jsonrpc":"2.0","id":asked["id"],"result":{"action":"accept"}}).to_string()).await;
    assert_eq!(pipe.read().await.unwrap()["id"], 600);
}

#[tokio::test]
async fn a_modern_client_is_asked_by_a_modern_server() {
    let world = world(Speaks::Modern).await;
    let mut http = world.http().await;
    let params = json!({"name":"ask-elicit","_meta":{CAPABILITIES:everything()}});
    let first = http.ask_modern("tools/call", params.clone()).await.1["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"]["q"]["method"], "elicitation/create");
    assert_eq!(first["requestState"], "one", "the server's own, untouched");
    let mut again = params;
    again["inputResponses"] = json!({"q":{"action":"accept"}});
    again["requestState"] = first["requestState"].clone();
    let answer = http.ask_modern("tools/call", again).await.1;
    assert_eq!(text(&answer), json!({"q":{"action":"accept"}}));
}

/// Begins a call that a legacy server holds with a question, and gives the state and the whole result.
async fn held(http: &mut Http, name: &str) -> (String, Value) {
    let params = json!({"name":name,"_meta":{CAPABILITIES:everything()}});
    let result = http.ask_modern("tools/call", params).await.1["result"].clone();
    assert_eq!(result["resultType"], "input_required", "{result}");
    (result["requestState"].as_str().unwrap().to_owned(), result)
}

fn repeated(name: &str, state: &str, answer: Value) -> Value {
    json!({"name":name,"_meta":{CAPABILITIES:everything()},"requestState":state,"inputResponses":{"ask":answer}})
}

#[tokio::test]
async fn a_modern_client_is_asked_by_a_legacy_server() {
    let world = world(Speaks::Legacy).await;
    let mut http = world.http().await;
    for (name, method) in [
        ("ask-elicit", "elicitation/create"),
        ("ask-sample", "sampling/createMessage"),
        ("ask-roots", "roots/list"),
    ] {
        let (state, result) = held(&mut http, name).await;
        let question = &result["inputRequests"]["ask"];
        assert_eq!(question["method"], method);
        assert_eq!(question["params"]["_meta"]["progressToken"], Value::Null);
        let answer = http.ask_modern("tools/call", repeated(name, &state, json!({"got":name}))).await.1;
        assert_eq!(text(&answer), json!({"got":name}));
        assert_eq!(answer["result"]["resultType"], "complete");
    }
    // Two questions are two rounds, each with a state of its own.
    let (first, _) = held(&mut http, "again-elicit").await;
    let second = http.ask_modern("tools/call", repeated("again-elicit", &first, json!({"n":1}))).await.1;
    let second = second["result"]["requestState"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    let answer = http.ask_modern("tools/call", repeated("again-elicit", &second, json!({"n":2}))).await.1;
    assert_eq!(text(&answer), json!({"n":2}));
    // Without what was asked for, it is asked again.
    let (state, _) = held(&mut http, "ask-elicit").await;
    let params = json!({"name":"ask-elicit","_meta":{CAPABILITIES:everything()},"requestState":state});
    let again = http.ask_modern("tools/call", params).await.1["result"].clone();
    assert_eq!(again["inputRequests"]["ask"]["method"], "elicitation/create");
    let state = again["requestState"].as_str().unwrap();
    assert!(
        http.ask_modern("tools/call", repeated("ask-elicit", state, json!({}))).await.1["result"].is_object()
    );
    // Calls of many clients at once are never mixed.
    let mut clients = Vec::new();
    for n in 0..8 {
        let mut http = world.http().await;
        let (state, _) = held(&mut http, "ask-elicit").await;
        clients.push((n, http, state));
    }
    for (n, mut http, state) in clients.into_iter().rev() {
        let answer = http.ask_modern("tools/call", repeated("ask-elicit", &state, json!({"n":n}))).await.1;
        assert_eq!(text(&answer), json!({"n":n}));
    }
}

#[tokio::test]
async fn a_state_opens_nothing_but_its_own_call_once() {
    let world = world(Speaks::Legacy).await;
    let mut http = world.http().await;
    let (state, _) = held(&mut http, "ask-elicit").await;
    let broken = "`requestState` failed its integrity check";
    let over = "the call that `requestState` belongs to is over; make it anew";
    // Every single bit of it counts.
    let (mark, coded) = state.split_at("gateway-held-1.".len());
    for at in [0, 5, 21, 22, 40, coded.len() - 2] {
        let mut bytes = coded.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let bent = format!("{mark}{}", String::from_utf8(bytes).unwrap());
        let error =
            http.ask_modern("tools/call", repeated("ask-elicit", &bent, json!({}))).await.1["error"].clone();
        assert_eq!(error, json!({"code":-32602,"message":broken}), "{at}");
    }
    for bent in
        [format!("{mark}{coded}A"), mark.to_owned(), format!("{mark}!!"), format!("{mark}{}", &coded[..20])]
    {
        let error =
            http.ask_modern("tools/call", repeated("ask-elicit", &bent, json!({}))).await.1["error"].clone();
        assert_eq!(error["message"], broken, "{bent}");
    }
    // Another call, and another client.
    let error =
        http.ask_modern("tools/call", repeated("ask-sample", &state, json!({}))).await.1["error"].clone();
    assert_eq!(error["message"], broken);
    let mut pipe = Pipe::open(&world);
    let stolen = modern(repeated("ask-elicit", &state, json!({})));
    assert_eq!(pipe.ask(1, "tools/call", stolen).await["error"]["message"], broken);
    // It still opens its own, and then no more.
    let answer = http.ask_modern("tools/call", repeated("ask-elicit", &state, json!({"n":1}))).await.1;
    assert_eq!(text(&answer), json!({"n":1}));
    let error =
        http.ask_modern("tools/call", repeated("ask-elicit", &state, json!({}))).await.1["error"].clone();
    assert_eq!(error, json!({"code":-32602,"message":over}));
}

#[tokio::test(start_paused = true)]
async fn a_held_call_does_not_wait_for_ever() {
    let world = world(Speaks::Legacy).await;
    let mut pipe = Pipe::open(&world);
    let call = modern(json!({"name":"ask-elicit","_meta":{CAPABILITIES:everything()}}));
    let result = pipe.ask(1, "tools/call", call).await["result"].clone();
    let state = result["requestState"].as_str().unwrap().to_owned();
    let start = tokio::time::Instant::now();
    world.servers["a"].saw(|line| line.contains("notifications/cancelled")).await;
    assert_eq!(start.elapsed().as_secs(), 600);
    let again = modern(repeated("ask-elicit", &state, json!({})));
    let error = pipe.ask(2, "tools/call", again).await["error"].clone();
    assert_eq!(error["message"], "the call that `requestState` belongs to is over; make it anew");
}

#[tokio::test]
async fn a_server_asks_without_a_call_on_the_stream_for_the_unasked() {
    let world = world(Speaks::Legacy).await;
    let mut http = world.http().await;
    http.initialize_with("2025-11-25", json!({"roots":{"listChanged":true}})).await;
    http.ask("tools/call", json!({"name":"echo"})).await;
    let session = http.session.clone().unwrap();
    let mut stream = world.http().await;
    stream.write("GET", "/mcp", &[("Mcp-Session-Id", &session), ("Accept", "text/event-stream")], "").await;
    assert_eq!(stream.head().await.status, 200);
    let script = &world.servers["a"];
    script.say(&json!({"jsonrpc":"2.0","id":"own 1","method":"roots/list"})).await;
    let asked = stream.event().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    let answer = json!({"jsonrpc":"2.0","id":asked["id"],"result":{"roots":[]}});
    assert_eq!(http.post(&answer.to_string()).await.status, 202);
    script.saw(|line| line.contains("\"roots\":[]")).await;
    // One that the server takes back is taken back below too, and leaves its place to the next: it may have 64 open.
    for n in 0..70 {
        script.say(&json!({"jsonrpc":"2.0","id":n,"method":"roots/list"})).await;
        let asked = stream.event().await.unwrap();
        script
            .say(&json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":n}}))
            .await;
        let cancelled = stream.event().await.unwrap();
        assert_eq!(cancelled["method"], "notifications/cancelled");
        assert_eq!(cancelled["params"]["requestId"], asked["id"]);
    }
    // The client's roots change: its servers hear of it.
    http.post("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}").await;
    script.saw(|line| line.contains("notifications/roots/list_changed")).await;
}
