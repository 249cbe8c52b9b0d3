//! `gateway quickstart`: what it shows, and that what it tells about editors is so.

use crate::program::scene;
use gateway_tests::harness::{Client, ERAS, Endpoint, Era};
use serde_json::{Value, json};

const LEGACY: Era = Era::Legacy("2025-11-25");

/// The numbers of the steps that the quickstart has told, each of which says how long it took.
fn timed_steps(said: &str) -> Vec<u32> {
    let step = |line: &str| {
        let (number, rest) = line.split_once(". ")?;
        let took = rest.strip_suffix(" ms)")?.rsplit_once('(')?.1;
        took.parse::<f64>().ok().filter(|took| *took > 0.0)?;
        number.parse().ok()
    };
    said.lines().filter_map(step).collect()
}

#[tokio::test]
async fn the_quickstart_calls_a_tool_of_each_server_and_ends_if_asked() {
    let scene = scene();
    // What lies in the folder is for `run`; not even its mistakes are of interest here.
    scene.settings("servers: {broken: {}}\n");
    let done = scene.run(["quickstart", "--port", "0", "--once"]).await.expect_code(0);
    assert_eq!(timed_steps(&done.stderr), [1, 2, 3, 4, 5], "{}", done.stderr);
    for (tool, answer) in [("`now`", "Berlin"), ("`create_note`", "Hello from the gateway")] {
        assert!(done.stderr.contains(tool) && done.stdout.contains(answer), "{}", done.seen());
    }
    let ready = done.stdout.lines().find(|line| line.starts_with("ready ")).unwrap_or_default();
    assert!(ready.ends_with(" ms after the start"), "{}", done.stdout);
    assert_eq!(std::fs::read_dir(scene.work().join("gateway-notes")).unwrap().count(), 1);
    scene.assert_nothing_left();
}

/// What it says about editors is tried as it is said.
#[tokio::test]
async fn the_quickstart_goes_on_serving_for_editors_that_it_tells_how_to_connect() {
    let scene = scene();
    let gateway = scene.start(["quickstart", "--port", "0"]).await;
    gateway.says("Serving until Ctrl-C.").await;
    let said = gateway.said();
    let snippets: Vec<Value> = said
        .lines()
        .filter(|line| line.starts_with("    {\"mcpServers\""))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["mcpServers"]["gateway"].take())
        .collect();
    let [over_http, over_stdio] = &snippets[..] else { panic!("{said}") };
    assert_eq!(over_http["type"], "http");
    let bearer = over_http["headers"]["Authorization"].as_str().unwrap();
    let endpoint = Endpoint::new(over_http["url"].as_str().unwrap(), bearer.strip_prefix("Bearer "));
    for era in ERAS {
        let mut client = Client::over_http(endpoint.clone(), era).await;
        let now = client.text("now", json!({"zone": "Europe/Berlin"})).await;
        assert!(now.contains("Berlin"), "{era:?}: {now}");
        let found = client.text("search_notes", json!({"query": "Hello from the gateway"})).await;
        assert!(found.contains("Hello from the gateway"), "{era:?}: {found}");
    }
    gateway.end().await;

    let (_, settings) = said.split_once(" like this:\n\n").unwrap();
    let settings: Vec<_> = settings.lines().map_while(|line| line.strip_prefix("    ")).collect();
    scene.settings(&settings.join("\n"));
    let command = over_stdio["command"].as_str().unwrap();
    assert!(command.ends_with("gateway-under-test"), "{command}");
    let arguments: Vec<&str> =
        over_stdio["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(arguments[0], "run");
    let mut gateway = scene.pipe(&arguments[1..]);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["now", "search_notes"]).await;
    let found = client.text("search_notes", json!({"query": "Hello from the gateway"})).await;
    assert!(found.contains("Hello from the gateway"), "{found}");
    drop(client);
    gateway.ended().await;
}
