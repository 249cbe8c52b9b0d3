//! The merged lists: pages, names, servers that fail or hang, filters.

use super::server::{Script, Speaks};
use super::world::{BROKEN, World, entry};
use crate::{FrontConfig, HttpConfig, Names};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

fn names(answer: &Value, list: &str) -> Vec<String> {
    let items = answer["result"][list].as_array().unwrap_or_else(|| panic!("{answer}"));
    items.iter().map(|item| item["name"].as_str().or(item["uri"].as_str()).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_upward_and_downward() {
    let mut script = Script::new("a", Speaks::Legacy).tools(&["t1", "t2", "t3", "t4", "t5", "t6", "t7"]);
    script.page = 3;
    let config = FrontConfig { page_size: 2, ..FrontConfig::default() };
    let world = World::with(vec![script], config, HttpConfig::default()).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let mut found = Vec::new();
    let mut params = json!({"cursor":""});
    loop {
        let answer = http.ask("tools/list", params).await;
        let page = names(&answer, "tools");
        assert!(page.len() <= 2);
        found.extend(page);
        match &answer["result"]["nextCursor"] {
            Value::String(cursor) => params = json!({"cursor":cursor}),
            _ => break,
        }
    }
    assert_eq!(found, ["t1", "t2", "t3", "t4", "t5", "t6", "t7"]);
    for cursor in [json!("nonsense"), json!(7), json!("p2")] {
        assert_eq!(http.ask("tools/list", json!({"cursor":cursor})).await["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn clashing_names_are_prefixed_and_undone() {
    let world = World::of(vec![
        Script::new("one", Speaks::Legacy)
            .tools(&["echo", "echo-one"])
            .raw("prompts", vec!["{\"name\":\"p\"}".to_owned()]),
        Script::new("two", Speaks::Modern)
            .tools(&["echo"])
            .raw("prompts", vec!["{\"name\":\"p\"}".to_owned()]),
    ])
    .await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    assert_eq!(
        names(&http.ask("tools/list", json!({})).await, "tools"),
        ["one__echo", "echo-one", "two__echo"]
    );
    assert_eq!(names(&http.ask("prompts/list", json!({})).await, "prompts"), ["one__p", "two__p"]);
    for (name, text) in [("one__echo", "one:x"), ("two__echo", "two:x"), ("echo-one", "one:x")] {
        let answer = http.ask("tools/call", json!({"arguments":{"text":"x"},"name":name})).await;
        assert_eq!(answer["result"]["content"][0]["text"], text);
    }
    assert_eq!(http.ask("prompts/get", json!({"name":"two__p"})).await["result"]["description"], "p of two");
    let error = http.ask("tools/call", json!({"name":"one_echo"})).await["error"].clone();
    assert_eq!(error, json!({"code":-32602,"message":"unknown tool `one_echo` (nearest: `one__echo`)"}));
    for params in [json!({}), json!({"name":5}), json!({"name":"echo-one","_meta":{"progressToken":1.5}})] {
        assert_eq!(http.ask("tools/call", params.clone()).await["error"]["code"], -32602, "{params}");
    }
}

#[tokio::test]
async fn a_name_made_for_one_server_leads_to_no_other_whoever_is_up() {
    let scripts = || {
        let prompt = |name: &str| vec![format!("{{\"name\":\"{name}\"}}")];
        vec![
            Script::new("one", Speaks::Legacy).tools(&["echo"]).raw("prompts", prompt("p")),
            Script::new("two", Speaks::Legacy).tools(&["echo"]).raw("prompts", prompt("p")),
            Script::new("three", Speaks::Modern).tools(&["one__echo"]).raw("prompts", prompt("one__p")),
        ]
    };
    for turned in [false, true] {
        let mut scripts = scripts();
        scripts[0].open.send_replace(false);
        if turned {
            scripts.reverse();
        }
        let order = |mut names: Vec<&'static str>| {
            if turned {
                names.reverse();
            }
            names
        };
        let config = FrontConfig { list_wait: Duration::from_millis(300), ..FrontConfig::default() };
        let world = World::with(scripts, config, HttpConfig::default()).await;
        let mut http = world.http().await;
        http.initialize("2025-11-25").await;
        // Its owner is not up yet, and the name is nobody else's all the same.
        while names(&http.ask("tools/list", json!({})).await, "tools")
            != order(vec!["echo", "three__one__echo"])
        {
            tokio::task::yield_now().await;
        }
        let listed = names(&http.ask("prompts/list", json!({})).await, "prompts");
        assert_eq!(listed, order(vec!["p", "three__one__p"]));
        world.servers["one"].open.send_replace(true);
        let all = order(vec!["one__echo", "two__echo", "three__one__echo"]);
        while names(&http.ask("tools/list", json!({})).await, "tools") != all {
            tokio::task::yield_now().await;
        }
        let listed = names(&http.ask("prompts/list", json!({})).await, "prompts");
        assert_eq!(listed, order(vec!["one__p", "two__p", "three__one__p"]));
        for (name, text) in [("one__echo", "one:"), ("two__echo", "two:"), ("three__one__echo", "three:")] {
            let answer = http.ask("tools/call", json!({"name":name})).await;
            assert_eq!(answer["result"]["content"][0]["text"], text, "{name}");
        }
        for (name, text) in
            [("one__p", "p of one"), ("two__p", "p of two"), ("three__one__p", "one__p of three")]
        {
            let answer = http.ask("prompts/get", json!({"name":name})).await;
            assert_eq!(answer["result"]["description"], text, "{name}");
        }
    }
}

#[tokio::test]
async fn names_by_flag_prefix_and_filter() {
    let scripts = || {
        vec![
            Script::new("one", Speaks::Legacy).tools(&["echo", "secret"]),
            Script::new("two", Speaks::Legacy).tools(&["echo"]),
        ]
    };
    let base = || FrontConfig { filter: Arc::new(|_, tool| tool != "secret"), ..FrontConfig::default() };
    let world =
        World::with(scripts(), FrontConfig { names: Names::All, ..base() }, HttpConfig::default()).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    assert_eq!(names(&http.ask("tools/list", json!({})).await, "tools"), ["one__echo", "two__echo"]);
    assert_eq!(http.ask("tools/call", json!({"name":"one__secret"})).await["error"]["code"], -32602);

    let prefixes = HashMap::from([("two".to_owned(), "P x".to_owned())]);
    let world = World::with(scripts(), FrontConfig { prefixes, ..base() }, HttpConfig::default()).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    assert_eq!(names(&http.ask("tools/list", json!({})).await, "tools"), ["echo", "P x__echo"]);
    let answer = http.ask("tools/call", json!({"name":"P x__echo"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "two:");

    let world =
        World::with(scripts(), FrontConfig { names: Names::Fail, ..base() }, HttpConfig::default()).await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    let error = http.ask("tools/list", json!({})).await["error"].clone();
    assert_eq!(error["code"], crate::error::NAME_CLASH);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("tool name collision: server \"one\" and server \"two\"")
    );
    let called = http.ask("tools/call", json!({"name":"echo"})).await;
    assert_eq!(called["error"], error, "a call says the same");
}

#[tokio::test]
async fn servers_that_fail_or_hang_take_nothing_from_the_others() {
    let config = FrontConfig { list_wait: Duration::from_millis(50), ..FrontConfig::default() };
    let world = World::with(
        vec![
            Script::new(BROKEN, Speaks::Legacy).tools(&["never"]),
            Script::new("hanging", Speaks::Nothing).tools(&["never"]),
            Script::new("good", Speaks::Legacy)
                .tools(&["echo"])
                .raw("resources", vec!["{\"uri\":\"a://b\"}".to_owned()]),
        ],
        config,
        HttpConfig::default(),
    )
    .await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    assert_eq!(names(&http.ask("tools/list", json!({})).await, "tools"), ["echo"]);
    assert_eq!(names(&http.ask("resources/list", json!({})).await, "resources"), ["a://b"]);
    assert_eq!(names(&http.ask("prompts/list", json!({})).await, "prompts"), [""; 0]);
    assert!(world.front.is_ready());
    let health = http.send("GET", "/health", &[], "").await;
    assert_eq!((health.status, health.body.as_str()), (200, ""));
    assert_eq!(http.ask("tools/call", json!({"name":"echo"})).await["result"]["content"][0]["text"], "good:");
}

#[tokio::test]
async fn the_first_owner_of_a_uri_answers_for_it() {
    let resource = || vec!["{\"uri\":\"same://x\"}".to_owned()];
    let template = |text: &str| vec![format!("{{\"uriTemplate\":\"{text}\"}}")];
    let world = World::of(vec![
        Script::new("z", Speaks::Legacy)
            .raw("resources", resource())
            .raw("resourceTemplates", template("t://{+any}")),
        Script::new("a", Speaks::Legacy)
            .raw("resources", resource())
            .raw("resourceTemplates", template("t://a/{id}")),
    ])
    .await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    assert_eq!(names(&http.ask("resources/list", json!({})).await, "resources"), ["same://x"]);
    for (uri, owner) in [("same://x", "z"), ("t://a/1", "a"), ("t://b/1", "z")] {
        assert_eq!(
            http.ask("resources/read", json!({"uri":uri})).await["result"]["contents"][0]["text"],
            owner,
            "{uri}"
        );
    }
    // Not listed anywhere, but the servers in use are asked.
    assert_eq!(
        http.ask("resources/read", json!({"uri":"made-by-a-tool://1"})).await["result"]["contents"][0]["text"],
        "z"
    );
}

#[tokio::test]
async fn servers_come_and_go_with_a_reload() {
    let world = World::of(vec![
        Script::new("one", Speaks::Legacy).tools(&["echo"]),
        Script::new("two", Speaks::Legacy).tools(&["echo"]),
    ])
    .await;
    let mut http = world.http().await;
    http.initialize("2025-11-25").await;
    assert_eq!(names(&http.ask("tools/list", json!({})).await, "tools"), ["one__echo", "two__echo"]);
    world.pool.replace_servers(vec![entry("two", &world.provisioner)]);
    world.front.reload(FrontConfig::default());
    while names(&http.ask("tools/list", json!({})).await, "tools") != ["echo"] {
        tokio::task::yield_now().await;
    }
    assert_eq!(http.ask("tools/call", json!({"name":"echo"})).await["result"]["content"][0]["text"], "two:");
    world.pool.replace_servers(vec![entry("one", &world.provisioner), entry("two", &world.provisioner)]);
    world.front.reload(FrontConfig::default());
    assert_eq!(names(&http.ask("tools/list", json!({})).await, "tools"), ["one__echo", "two__echo"]);
}

#[tokio::test]
async fn each_session_sees_what_its_own_server_lists() {
    let world = World::of(vec![
        Script::new("one", Speaks::Legacy).tools(&["mine", "echo"]),
        Script::new("two", Speaks::Legacy).tools(&["last"]),
    ])
    .await;
    let (mut first, mut second) = (world.http().await, world.http().await);
    first.initialize("2025-11-25").await;
    second.initialize("2025-06-18").await;
    let mut stream = world.http().await;
    let session = first.session.clone().unwrap();
    stream.write("GET", "/mcp", &[("Mcp-Session-Id", &session), ("Accept", "text/event-stream")], "").await;
    assert_eq!(stream.head().await.status, 200);
    let all = ["mine", "echo", "last"];
    for http in [&mut first, &mut second] {
        assert_eq!(names(&http.ask("tools/list", json!({})).await, "tools"), all);
    }
    // Each gets a tool of its own, and sees it in the list that it asks for next.
    for (http, n) in [(&mut first, 1), (&mut second, 2)] {
        http.ask("tools/call", json!({"name":"mine","arguments":{"n":n}})).await;
        let own = format!("echo-mine-{n}");
        let expected = ["mine", "echo", &own, "last"];
        assert_eq!(names(&http.ask("tools/list", json!({})).await, "tools"), expected);
        let params = json!({"name":own,"arguments":{"text":"x"}});
        assert_eq!(http.ask("tools/call", params).await["result"]["content"][0]["text"], "one:x");
    }
    assert_eq!(
        first.ask("tools/call", json!({"name":"echo-mine-2"})).await["error"]["message"],
        "unknown tool `echo-mine-2` (nearest: `echo-mine-1`)"
    );
    // Who has no session, and who comes later, sees what everybody sees.
    let mut modern = world.http().await;
    let listed = modern.ask_modern("tools/list", json!({})).await.1;
    assert_eq!(names(&listed, "tools"), all);
    let mut third = world.http().await;
    third.initialize("2025-11-25").await;
    assert_eq!(names(&third.ask("tools/list", json!({})).await, "tools"), all);
    // A change for all arrives on top of what a session has of its own.
    let fresh = vec!["{\"name\":\"fresh\"}".to_owned()];
    world.servers["two"].change("tools", fresh).await;
    while stream.event().await.unwrap()["method"] != "notifications/tools/list_changed" {}
    let expected = ["mine", "echo", "echo-mine-1", "fresh"];
    while names(&first.ask("tools/list", json!({})).await, "tools") != expected {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_can_be_asked_sees_what_servers_offer_to_such() {
    let world = World::of(vec![
        Script::new("one", Speaks::Legacy).tools(&["echo"]),
        Script::new("two", Speaks::Modern).tools(&["last"]),
    ])
    .await;
    world.front.ready().await;
    let listed = world.provisioner.provisions();
    let (mut can, mut cannot) = (world.http().await, world.http().await);
    can.initialize_with("2025-11-25", json!({"sampling":{}})).await;
    cannot.initialize("2025-11-25").await;
    assert_eq!(names(&can.ask("tools/list", json!({})).await, "tools"), ["echo", "echo-if-sampling", "last"]);
    assert_eq!(world.provisioner.provisions(), listed + 1, "a modern server is told with each request");
    assert_eq!(names(&cannot.ask("tools/list", json!({})).await, "tools"), ["echo", "last"]);
    assert_eq!(
        world.provisioner.provisions(),
        listed + 1,
        "who cannot be asked needs no instance for a list"
    );
    let params = json!({"name":"echo-if-sampling"});
    assert_eq!(can.ask("tools/call", params.clone()).await["result"]["content"][0]["text"], "one:");
    assert_eq!(cannot.ask("tools/call", params).await["error"]["code"], -32602);
}
