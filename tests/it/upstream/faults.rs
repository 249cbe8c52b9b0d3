//! What a client sees of a server that fails, and that the next call is served again.

use super::{editor_scene, entry, lives};
use gateway_tests::harness::{Client, Era, Scene, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const LEGACY: Era = Era::Legacy("2025-11-25");
const FILE: [&str; 2] = ["--mcp-servers", "mcp.json"];

/// What a client hears of a call whose server ended meanwhile. What was noticed first, the end of its output or that it does not read, is
/// named in between.
fn has_gone(message: &str) -> bool {
    message.starts_with("server `a`: the server has gone: ")
        && message.ends_with(
            "; whether the request was carried out cannot be told, the next one starts the server again",
        )
}

fn kill(pid: &str) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// The first row of `gateway server list`.
async fn row(scene: &Scene) -> Value {
    let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
    list["servers"][0].clone()
}

async fn echoes(client: &mut Client) {
    assert_eq!(client.text("echo", json!({"text": "still"})).await, "still");
}

#[tokio::test]
async fn a_server_killed_between_calls_is_not_noticed() {
    let scene = editor_scene(&json!({"a": entry(&[])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["pid"]).await;
    let first = client.text("pid", json!({})).await;
    kill(&first);
    eventually("its end", async || if lives(&first) { Err(first.clone()) } else { Ok(()) }).await;
    // The end of its output may be on its way still; then the call says so, and the next one is served.
    let second = match client.call("pid", json!({})).await {
        Ok(result) => result["content"][0]["text"].as_str().unwrap().to_owned(),
        Err(error) => {
            assert!(error.message.starts_with("server `a`: the server has gone: "), "{error:?}");
            client.text("pid", json!({})).await
        }
    };
    assert_ne!(first, second);
    gateway.end().await;
}

#[tokio::test]
async fn a_server_that_ends_in_a_call_fails_that_call_and_serves_the_next() {
    let scene = editor_scene(&json!({"a": entry(&[])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["die", "half"]).await;
    for tool in ["die", "half"] {
        let error = client.call(tool, json!({})).await.unwrap_err();
        // Half a line is what the server said last, or nothing: whichever is seen first, the end of the text or that of the server.
        let half =
            "server `a`: the server's answer is not usable: the message ends in the middle of the JSON text";
        assert!(has_gone(&error.message) || (tool == "half" && error.message == half), "{tool}: {error:?}");
        echoes(&mut client).await;
    }
    eventually("the reason", async || {
        let row = row(&scene).await;
        let text = row["failure"]["text"].as_str().unwrap_or_default();
        if text.contains("it ended with exit code 0") { Ok(()) } else { Err(row.to_string()) }
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn a_server_that_keeps_dying_is_started_less_and_less_often_and_the_list_says_so() {
    let scene = editor_scene(&json!({"a": entry(&[])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["die"]).await;
    for _ in 0..5 {
        let error = client.call("die", json!({})).await.unwrap_err();
        assert!(has_gone(&error.message), "{error:?}");
    }
    // The sixth start waits four seconds; the list that is kept for everybody is there all the same.
    let waits = client.begin("tools/call", json!({"name": "echo", "arguments": {"text": "x"}})).await;
    eventually("the back-off", async || {
        let row = row(&scene).await;
        let note = row["failure"]["text"].as_str().unwrap_or_default();
        if row["state"] == "backing-off" && note.contains("it ended with exit code 7") {
            Ok(())
        } else {
            Err(row.to_string())
        }
    })
    .await;
    assert_eq!(client.finish(waits).await.unwrap()["content"][0]["text"], "x");
    gateway.end().await;
}

#[tokio::test]
async fn long_lines_chatter_and_much_on_standard_error_do_no_harm() {
    let scene = editor_scene(&json!({"a": entry(&["--banner", "welcome"])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["long", "chatter", "mutter"]).await;
    assert_eq!(client.text("long", json!({"bytes": 2 << 20})).await.len(), 2 << 20);
    assert_eq!(client.text("chatter", json!({})).await, "done");
    assert_eq!(client.text("mutter", json!({"bytes": 10_000_000})).await, "said");
    echoes(&mut client).await;
    let row = row(&scene).await;
    // The banner of the one process, and what it said while it worked.
    assert_eq!(row["rubbishLines"], 2, "{row}");
    gateway.end().await;
}

#[tokio::test]
async fn calls_with_long_arguments_wait_for_a_server_that_reads_slowly() {
    // Together more than the gateway writes ahead of a server, which reads the next call when it has answered the one before.
    let long = "x".repeat(3_500_000);
    let scene = editor_scene(&json!({"a": entry(&[])}));
    let gateway = scene.serve(FILE).await;
    for era in [LEGACY, Era::Modern] {
        let mut client = gateway.client(era).await;
        client.await_tools(&["wait", "pid"]).await;
        let first = client.text("pid", json!({})).await;
        let mut sent = Vec::new();
        for number in 0..8 {
            let arguments = json!({"millis": 50, "text": number.to_string(), "pad": &long});
            sent.push(client.begin("tools/call", json!({"name": "wait", "arguments": arguments})).await);
        }
        for (number, sent) in sent.into_iter().enumerate() {
            let answer = client.finish(sent).await.unwrap();
            assert_eq!(answer["content"][0]["text"], number.to_string(), "{era:?}");
        }
        assert_eq!(client.text("pid", json!({})).await, first, "{era:?}: it is the same process");
    }
    gateway.end().await;
}

#[tokio::test]
async fn a_silent_server_fails_in_its_time_and_says_which() {
    let scene = editor_scene(&json!({"a": entry(&["--silent"])}));
    let gateway = scene.serve([&FILE[..], &["--max-server-startup-timeout", "3"]].concat()).await;
    let mut client = gateway.client(LEGACY).await;
    let error = client.call("echo", json!({})).await.unwrap_err();
    assert_eq!(error.message, "unknown tool `echo`");
    eventually("the failure", async || {
        let row = row(&scene).await;
        let text = row["failure"]["text"].as_str().unwrap_or_default();
        let told =
            text.starts_with("the server does not speak MCP: it did not complete the handshake in time");
        if told { Ok(()) } else { Err(row.to_string()) }
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn a_modern_server_that_answers_late_is_still_a_modern_one() {
    let scene = editor_scene(&json!({"a": entry(&["--discover-after", "3000"])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(Era::Modern).await;
    client.await_tools(&["echo"]).await;
    echoes(&mut client).await;
    gateway.end().await;
}

#[tokio::test]
async fn a_server_that_is_missing_in_the_first_list_is_named_once() {
    let (mut late, mut good) = (entry(&["--discover-after", "4000"]), entry(&[]));
    (late["tools"], good["tools"]) = (json!(["pid"]), json!(["echo"]));
    let scene = editor_scene(&json!({"late": late, "good": good}));
    scene.settings("front: {listWait: 1s}\n");
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let line = gateway.says("server `late` has not answered `initialize` after ").await;
    assert!(
        line.ends_with(" s: lists are given without it; clients are told by list_changed when it is there"),
        "{line}"
    );
    client.await_tools(&["echo", "pid"]).await;
    let said = gateway.end().await.finished.stderr;
    assert_eq!(said.matches("`late` has not ").count(), 1, "{said}");
}

#[tokio::test]
async fn one_hung_server_of_a_hundred_delays_nothing_else() {
    let mut servers = serde_json::Map::new();
    for number in 0..99 {
        let mut server = entry(&[]);
        server["tools"] = if number == 0 { json!(["echo", "never"]) } else { json!(["pid"]) };
        servers.insert(format!("s{number}"), server);
    }
    servers.insert("hung".to_owned(), entry(&["--silent"]));
    let scene = editor_scene(&Value::Object(servers));
    scene.settings("pool: {cap: 300}\nfront: {listWait: 1s}\n");
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo", "s98__pid"]).await;
    let hangs = client.begin("tools/call", json!({"name": "never", "arguments": {}})).await;
    // Another server answers while one hangs in its start and one in a call.
    let pid = client.text("s98__pid", json!({})).await;
    assert!(lives(&pid));
    let servers = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
    let hung = servers["servers"].as_array().unwrap().iter().find(|row| row["name"] == "hung").unwrap();
    assert_eq!(hung["state"], "starting", "{hung}");
    client.leave().await;
    drop(hangs);
    gateway.end().await;
}

#[tokio::test]
async fn one_dead_server_among_ten_is_only_missing() {
    let mut servers = serde_json::Map::new();
    for number in 0..9 {
        let mut server = entry(&[]);
        server["tools"] = json!(if number == 0 { ["echo"] } else { ["pid"] });
        servers.insert(format!("s{number}"), server);
    }
    servers.insert("dead".to_owned(), entry(&["--die-at-start"]));
    let scene = editor_scene(&Value::Object(servers));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(Era::Modern).await;
    client.await_tools(&["echo", "s1__pid", "s8__pid"]).await;
    assert_eq!(client.tools().await.len(), 9);
    echoes(&mut client).await;
    gateway.end().await;
}

#[tokio::test]
async fn a_file_that_becomes_nonsense_changes_nothing_until_it_is_good_again() {
    let scene = editor_scene(&json!({"a": entry(&[])}));
    let gateway = scene.serve(FILE).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["pid"]).await;
    let own = client.text("pid", json!({})).await;
    for nonsense in [
        &b"{\"mcpServers\": {"[..],
        b"",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"{\"mcpServers\": {\"a\": {\"args\": 7}}}",
    ] {
        let before = gateway.said().matches("what runs stays").count();
        scene.file("mcp.json", nonsense);
        eventually("the refusal", async || {
            let said = gateway.said();
            if said.matches("what runs stays").count() > before { Ok(()) } else { Err(said) }
        })
        .await;
        assert_eq!(client.text("pid", json!({})).await, own, "{nonsense:?}");
    }
    scene.file("mcp.json", json!({"mcpServers": {"a": entry(&[]), "b": entry(&[])}}).to_string());
    gateway.says("`b` added").await;
    client.await_tools(&["a__pid", "b__pid"]).await;
    assert_eq!(client.text("a__pid", json!({})).await, own);
    gateway.end().await;
}
