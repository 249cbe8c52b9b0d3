//! Log messages and completions.

use super::server::{Script, Speaks};
use super::streams::Pipe;
use super::world::World;
use serde_json::{Value, json};

fn levels(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["params"]["level"].as_str()).collect()
}

#[tokio::test]
async fn a_legacy_client_gets_the_levels_of_its_session() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![Script::new("a", speaks).tools(&["log", "echo"])]).await;
        world.front.ready().await;
        let mut http = world.http().await;
        http.initialize("2025-11-25").await;
        let call = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"log"}}).to_string();
        // Nothing was said about levels, so what the server says is told.
        let events = http.post(&call).await.events();
        assert_eq!(levels(&events), ["debug", "warning", "error"]);
        assert_eq!(events[0]["params"]["data"], json!([1.0]));
        assert_eq!(http.ask("logging/setLevel", json!({"level":"warning"})).await["result"], json!({}));
        assert_eq!(levels(&http.post(&call).await.events()), ["warning", "error"]);
        let script = &world.servers["a"];
        if speaks == Speaks::Legacy {
            script.saw(|line| line.contains("logging/setLevel") && line.contains("warning")).await;
        } else {
            let key = "\"io.modelcontextprotocol/logLevel\":\"warning\"";
            script.saw(|line| line.contains("tools/call") && line.contains(key)).await;
        }
        // Another session has levels of its own.
        let mut other = world.http().await;
        other.initialize("2025-06-18").await;
        other.ask("logging/setLevel", json!({"level":"debug"})).await;
        assert_eq!(levels(&other.post(&call).await.events()), ["debug", "warning", "error"]);
        assert_eq!(levels(&http.post(&call).await.events()), ["warning", "error"]);
        for wrong in [json!({}), json!({"level":"loud"}), json!({"level":7})] {
            assert_eq!(http.ask("logging/setLevel", wrong).await["error"]["code"], -32602);
        }
    }
}

#[tokio::test]
async fn a_modern_client_gets_the_levels_of_its_request() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let world = World::of(vec![Script::new("a", speaks).tools(&["log"])]).await;
        world.front.ready().await;
        let mut http = world.http().await;
        let key = "io.modelcontextprotocol/logLevel";
        let answer = http.ask_modern("tools/call", json!({"name":"log"})).await.1;
        assert_eq!(answer["result"]["resultType"], "complete", "not asked for, not told");
        let params = json!({"name":"log","_meta":{key:"warning"}});
        http.write_modern(json!(9), "tools/call", params).await;
        let events = http.read().await.events();
        assert_eq!(levels(&events), ["warning", "error"]);
        assert_eq!(events.last().unwrap()["id"], 9);
        let (_, answer) = http.ask_modern("tools/call", json!({"name":"log","_meta":{key:"loud"}})).await;
        assert_eq!(answer["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn what_is_said_outside_of_calls_reaches_the_session() {
    let world = World::of(vec![Script::new("a", Speaks::Legacy).tools(&["echo"])]).await;
    world.front.ready().await;
    let mut pipe = Pipe::open(&world);
    pipe.ask(1, "initialize", json!({"protocolVersion":"2025-11-25"})).await;
    pipe.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}").await;
    pipe.ask(2, "logging/setLevel", json!({"level":"error"})).await;
    let say = |level: &str| json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":level,"data":1}});
    world.servers["a"].say(&say("info")).await;
    world.servers["a"].say(&say("alert")).await;
    assert_eq!(pipe.read().await, Some(say("alert")));
}

#[tokio::test]
async fn completions_go_to_the_owner_under_its_own_name() {
    let prompts = || vec!["{\"name\":\"p\"}".to_owned()];
    let world = World::of(vec![
        Script::new("one", Speaks::Legacy)
            .raw("prompts", prompts())
            .raw("resourceTemplates", vec!["{\"uriTemplate\":\"t://{id}\"}".to_owned()]),
        Script::new("two", Speaks::Modern).raw("prompts", prompts()),
    ])
    .await;
    world.front.ready().await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let rest = json!({"argument":{"name":"n","value":"v"},"context":{"arguments":{"x":"y"}}});
    let params = |about: Value| {
        let mut params = rest.clone();
        params["ref"] = about;
        params
    };
    for (about, own) in [
        (json!({"type":"ref/prompt","name":"one__p"}), "p"),
        (json!({"name":"two__p","type":"ref/prompt"}), "p"),
        (json!({"type":"ref/resource","uri":"t://{id}"}), "t://{id}"),
        (json!({"type":"ref/resource","uri":"t://7"}), "t://7"),
    ] {
        let legacy = http.ask("completion/complete", params(about.clone())).await;
        assert_eq!(legacy["result"], json!({"completion":{"values":[own,"v","y"]}}), "{about}");
        let (_, answer) = http.ask_modern("completion/complete", params(about.clone())).await;
        assert_eq!(answer["result"]["completion"]["values"], json!([own, "v", "y"]), "{about}");
        assert_eq!(answer["result"]["resultType"], "complete");
    }
    for about in [
        json!({"type":"ref/prompt","name":"none"}),
        json!({"type":"ref/resource","uri":"none://x"}),
        json!({"type":"ref/prompt"}),
        json!({"type":"ref/x","name":"one__p"}),
        json!(null),
    ] {
        assert_eq!(
            http.ask("completion/complete", params(about.clone())).await["error"]["code"],
            -32602,
            "{about}"
        );
    }
}
