//! A gateway that serves: both eras over both transports, names, tokens, servers that die.

#![expect(clippy::unwrap_used, reason = "what is not as the story says ends the test there")]

use crate::program::{echo_scene, eventually_ready, scene, tools_scene};
use gateway_tests::harness::{Client, ERAS, Era, Gateway, InFlight, eventually};
use http::Method;
use serde_json::{Value, json};
use test_artifacts::guest;

const NOBODY: [&str; 0] = [];
const LEGACY: Era = Era::Legacy("2025-11-25");

/// Every era over every transport: the same story.
#[tokio::test]
async fn a_tool_is_called_in_every_era_over_every_transport() {
    let scene = echo_scene();
    let over_http = scene.serve(NOBODY).await;
    for era in ERAS {
        story_of_echo(over_http.client(era).await).await;
        let mut over_stdio = scene.pipe(NOBODY);
        story_of_echo(over_stdio.only_client(era).await).await;
        // Its client went, so it ends by itself.
        let ended = over_stdio.ended().await;
        assert_eq!(ended.finished.code, Some(0), "{era:?}: {}", ended.finished.stderr);
    }
    over_http.end().await;
}

async fn story_of_echo(mut client: Client) {
    client.await_tools(&["echo"]).await;
    assert_eq!(client.text("echo", json!({"message": "hello \u{e4}\"\\"})).await, "Echo: hello \u{e4}\"\\");
    let error = client.call("nothing", json!({})).await.unwrap_err();
    assert_eq!(error.code, -32602, "{error:?}");
    assert!(error.message.contains("nothing"), "{error:?}");
    let error = client.request("no/such", json!({})).await.unwrap_err();
    assert_eq!(error.code, -32601, "{error:?}");
}

#[tokio::test]
async fn notes_are_tools_resources_and_a_prompt_in_every_era() {
    let scene = scene();
    scene.file("notes/keep", "");
    scene.settings(
        "servers:\n  notes:\n    bundled: notes\n    folders: [{path: ./notes, mount: /notes, access: readWrite}]\n",
    );
    let gateway = scene.serve(NOBODY).await;
    for (number, era) in ERAS.into_iter().enumerate() {
        let mut client = gateway.client(era).await;
        client.await_tools(&["create_note", "search_notes"]).await;
        let title = format!("Seen {number}");
        client.text("create_note", json!({"title": title, "content": "from outside"})).await;
        let listed = client.request("resources/list", json!({})).await.unwrap();
        let listed = listed["resources"]
            .as_array()
            .unwrap()
            .iter()
            .find(|resource| resource["title"] == title.as_str());
        let uri = listed.unwrap_or_else(|| panic!("{era:?}: the note is not listed"))["uri"].clone();
        let templates = client.request("resources/templates/list", json!({})).await.unwrap();
        assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "note:///{name}");
        let read = client.request("resources/read", json!({"uri": uri})).await.unwrap();
        let text = read["contents"][0]["text"].as_str().unwrap();
        assert!(text.contains(&title) && text.contains("from outside"), "{era:?}: {text}");
        let prompts = client.request("prompts/list", json!({})).await.unwrap();
        assert_eq!(prompts["prompts"].as_array().unwrap().len(), 1, "{prompts}");
    }
    gateway.end().await;
    // A note for each era and the file that was there before: the folder is the operator's own.
    assert_eq!(std::fs::read_dir(scene.work().join("notes")).unwrap().count(), ERAS.len() + 1);
}

#[tokio::test]
async fn a_gateway_without_servers_answers() {
    let scene = scene();
    let mut gateway = scene.pipe(NOBODY);
    let mut client = gateway.only_client(LEGACY).await;
    assert_eq!(client.tools().await, [""; 0]);
    drop(client);
    assert_eq!(gateway.ended().await.finished.code, Some(0));
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let scene = echo_scene();
    let gateway = scene.serve(NOBODY).await;
    let endpoint = gateway.endpoint().await;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}
    }});
    let port = endpoint.authority.rsplit_once(':').unwrap().1.to_owned();
    let cases = [
        (vec![("authorization", "")], 401),
        (vec![("authorization", "Bearer wrong")], 401),
        (vec![("authorization", "Bearer token-of-the-test")], 401),
        (vec![("authorization", "Basic dG9rZW4tb2YtdGhlLXRlc3Rz")], 401),
        (vec![("host", "acme.example")], 403),
        (vec![("origin", "https://acme.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("origin", "http://localhost:1")], 200),
        (vec![], 200),
    ];
    for (headers, status) in cases {
        let reply = endpoint.post(&headers, &hello).await.unwrap();
        assert_eq!(reply.status, status, "{headers:?}");
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge.starts_with("Bearer"), status == 401, "{headers:?}: {challenge}");
    }
    // The token is checked before anything is said about what is there.
    let elsewhere = [("authorization", "")];
    let reply = endpoint.send(Method::GET, &elsewhere, "").await.unwrap();
    assert_eq!(reply.status, 401);
    let local_name = format!("localhost:{port}");
    assert_eq!(endpoint.post(&[("host", &local_name)], &hello).await.unwrap().status, 200);
    gateway.end().await;
}

/// Whatever the transport: nobody else's machine reaches it unless `--host` says so.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn loopback_is_where_it_listens_by_default() {
    let scene = echo_scene();
    for transport in ["streaming", "sse"] {
        let gateway = scene.serve_by(transport, NOBODY).await;
        let port = gateway.endpoint().await.authority.rsplit_once(':').unwrap().1.parse().unwrap();
        assert_eq!(listening_at(port), ["0100007F"], "{transport}");
        gateway.end().await;
    }
    // What it looks at would show it.
    let gateway = scene.serve(["--host", "0.0.0.0"]).await;
    let port = gateway.endpoint().await.authority.rsplit_once(':').unwrap().1.parse().unwrap();
    assert_eq!(listening_at(port), ["00000000"]);
    gateway.end().await;
}

/// The addresses where somebody listens on a port, as the kernel writes them: hexadecimal, in the order of this machine's bytes.
#[cfg(target_os = "linux")]
fn listening_at(port: u16) -> Vec<String> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    let at = |row: &str| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let (address, number) = words.get(1)?.split_once(':')?;
        // `0A` is LISTEN.
        let here = u16::from_str_radix(number, 16) == Ok(port) && words.get(3) == Some(&"0A");
        here.then(|| address.to_owned())
    };
    rows.filter_map(at).collect()
}

#[tokio::test]
async fn without_a_token_of_ones_own_a_random_one_is_told_once() {
    let scene = scene().with_variable("MCP_GATEWAY_AUTH_TOKEN", "");
    let gateway = scene.serve(NOBODY).await;
    let line = gateway.says("oken").await;
    let token = line
        .split_whitespace()
        .find(|word| word.len() == 50)
        .unwrap_or_else(|| panic!("no token in: {line}"));
    let mut endpoint = gateway.endpoint().await;
    endpoint.token = Some(token.to_owned());
    assert_eq!(Client::over_http(endpoint, LEGACY).await.tools().await, [""; 0]);
    gateway.end().await;
}

#[tokio::test]
async fn without_a_token_only_if_that_is_asked_for() {
    let scene = echo_scene();
    let gateway = scene.serve(["--allow-unauthenticated"]).await;
    gateway.says("warning: MCP_GATEWAY_AUTH_TOKEN is ignored, because of --allow-unauthenticated").await;
    let mut endpoint = gateway.endpoint().await;
    endpoint.token = None;
    story_of_echo(Client::over_http(endpoint.clone(), LEGACY).await).await;
    // The other checks stay.
    let foreign = [("origin", "https://acme.example")];
    assert_eq!(endpoint.send(Method::GET, &foreign, "").await.unwrap().status, 403);
    gateway.end().await;
}

#[tokio::test]
async fn only_clashing_names_get_a_prefix() {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings(
        "servers:
  one: {component: ./tools.wasm, args: [--only, who, --title, first]}
  two: {component: ./tools.wasm, args: [--only, who, --title, second]}
  three: {component: ./tools.wasm, args: [--only, calls]}
",
    );
    for era in ERAS {
        let mut gateway = scene.pipe(NOBODY);
        let mut client = gateway.only_client(era).await;
        client.await_tools(&["one__who", "two__who", "calls"]).await;
        assert_eq!(client.tools().await, ["calls", "one__who", "two__who"]);
        assert_eq!(client.text("one__who", json!({})).await, "first");
        assert_eq!(client.text("two__who", json!({})).await, "second");
        drop(client);
        gateway.ended().await;
    }
}

#[tokio::test]
async fn names_follow_the_flag_and_then_the_settings() {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    let servers = "servers:
  one: {component: ./tools.wasm, args: [--only, who, --title, first]}
  two: {component: ./tools.wasm, args: [--only, who, --title, second]}
  three: {component: ./tools.wasm, args: [--only, calls]}
";
    let listed = async |settings: &str, flags: &[&str]| {
        scene.settings(&format!("front: {{listWait: 60s{settings}}}\n{servers}"));
        let gateway = scene.serve(flags).await;
        let mut client = gateway.client(LEGACY).await;
        let listed = client.request("tools/list", json!({})).await;
        gateway.end().await;
        listed
    };
    let names = |listed: &Value| -> Vec<String> {
        let tools = listed["tools"].as_array().unwrap().iter();
        let mut names: Vec<_> = tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let some = ["calls", "one__who", "two__who"];
    let all = ["one__who", "three__calls", "two__who"];
    for (settings, flags, expected) in [
        ("", &[][..], some),
        ("", &["--names", "all"], all),
        (", names: all", &[], all),
        (", names: all", &["--names", "clash"], some),
    ] {
        assert_eq!(names(&listed(settings, flags).await.unwrap()), expected, "{settings} {flags:?}");
    }
    let error = listed("", &["--names", "fail"]).await.unwrap_err();
    assert_eq!(
        error.message,
        "tool name collision: server \"one\" and server \"two\" both expose tool name \"who\"; \
         enable tool-name-prefix or set unique catalog prefixes"
    );
}

#[tokio::test]
async fn the_first_transport_is_the_one_of_its_flag() {
    let scene = echo_scene();
    for (transport, path) in [("sse", "/sse"), ("SSE", "/sse"), ("http", "/mcp"), ("streaming", "/mcp")] {
        let gateway = scene.serve_by(transport, NOBODY).await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["echo"]).await;
        let line = gateway.says("listening at").await;
        assert!(line.ends_with(path), "{line}");
        // Both are served, and strays are sent to this one.
        let endpoint = gateway.endpoint().await;
        for (at, answer) in [("/", 307), ("/nowhere", 307), ("/sse", 200), ("/health", 200)] {
            let reply =
                endpoint.at(at).send(Method::GET, &[("accept", "text/event-stream")], "").await.unwrap();
            assert_eq!(reply.status.as_u16(), answer, "{transport} {at}");
            if answer == 307 {
                assert_eq!(reply.header("location"), path, "{transport} {at}");
            }
        }
        gateway.end().await;
    }
}

#[tokio::test]
async fn servers_and_tools_are_chosen_by_flags() {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    scene.component("echo.wasm", &guest("echo-server"));
    scene.settings("servers:\n  tools: {component: ./tools.wasm}\n  echo: {component: ./echo.wasm}\n");
    let done = scene.run(["tools", "list", "--json", "--servers", "echo"]).await.expect_code(0).json();
    assert_eq!(names(&done), ["echo"]);
    let done =
        scene.run(["tools", "list", "--json", "--tools", "tools:who,echo:*"]).await.expect_code(0).json();
    assert_eq!(names(&done), ["echo", "who"]);
}

fn names(tools: &Value) -> Vec<String> {
    let mut names: Vec<_> =
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_server_that_dies_is_brought_up_by_the_next_call() {
    let scene = tools_scene("");
    let gateway = scene.serve(NOBODY).await;
    for era in ERAS {
        let mut client = gateway.client(era).await;
        client.await_tools(&["die"]).await;
        // Whatever earlier clients of a shared copy called, a new copy counts from one.
        client.text("calls", json!({})).await;
        let error = client.call("die", json!({})).await.unwrap_err();
        assert!(error.message.contains("`tools`"), "{error:?}");
        assert_eq!(client.text("calls", json!({})).await, "1", "{era:?}");
        assert_eq!(client.text("calls", json!({})).await, "2", "{era:?}");
    }
    gateway.end().await;
}

#[tokio::test]
async fn a_session_has_a_copy_of_its_own_unless_the_server_is_shared() {
    for (lifetime, second) in [("session", "1"), ("shared", "2")] {
        let scene = tools_scene(&format!(", lifetime: {lifetime}"));
        let gateway = scene.serve(NOBODY).await;
        let mut one = gateway.client(LEGACY).await;
        let mut two = gateway.client(LEGACY).await;
        one.await_tools(&["calls"]).await;
        assert_eq!(one.text("calls", json!({})).await, "1");
        assert_eq!(two.text("calls", json!({})).await, second, "{lifetime}");
        gateway.end().await;
    }
}

#[tokio::test]
async fn a_failing_server_empties_no_list_and_its_status_says_why() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.component("bad.wasm", &guest("misbehave"));
    scene.settings(
        "servers:\n  bad: {component: ./bad.wasm, args: [trap]}\n  echo: {component: ./echo.wasm}\n",
    );
    let gateway = scene.serve(NOBODY).await;
    for era in ERAS {
        let mut client = gateway.client(era).await;
        client.await_tools(&["echo"]).await;
        assert_eq!(client.tools().await, ["echo"]);
    }
    let bad = eventually("the failure in the status", async || {
        let answer = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        let bad = answer["servers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|server| server["name"] == "bad")
            .unwrap()
            .clone();
        if bad["failure"].is_null() { Err(answer.to_string()) } else { Ok(bad) }
    })
    .await;
    let text = bad["failure"]["text"].as_str().unwrap();
    assert!(text.contains("as asked"), "the server's last words are missing: {text}");
    gateway.end().await;
}

#[tokio::test]
async fn a_secret_reaches_its_server_and_nobody_else() {
    let scene = tools_scene(
        ", secrets: [{name: acme.token, env: TOKEN}], env: [{name: AUTH, value: 'Bearer $TOKEN'}]",
    );
    let settings = std::fs::read_to_string(scene.work().join("gateway.yaml")).unwrap();
    scene.settings(&format!("secrets: [./.env]\n{settings}"));
    scene.file(".env", "acme.token=hush-hush\nother=not-yours\n");
    let gateway = scene.serve(["--verbose"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["environment"]).await;
    let seen = client.text("environment", json!({})).await;
    assert_eq!(seen, "AUTH=Bearer hush-hush\nTOKEN=hush-hush");
    let inspected = scene.run(["server", "inspect", "tools", "--json"]).await.expect_code(0);
    let planned = scene.run(["run", "--dry-run", "--json"]).await.expect_code(0);
    let ledger = format!("{:?}", scene.ledger());
    for text in
        [&inspected.stdout, &inspected.stderr, &planned.stdout, &planned.stderr, &gateway.said(), &ledger]
    {
        assert!(!text.contains("hush"), "the secret is in: {text}");
    }
    gateway.end().await;
}

#[tokio::test]
async fn a_server_sees_the_folders_it_was_granted_and_no_others() {
    let scene =
        tools_scene(", folders: [{path: ./in, mount: /in}, {path: ./out, mount: /out, access: readWrite}]");
    scene.file("in/a.txt", "content");
    scene.file("out/keep", "");
    let mut gateway = scene.pipe(NOBODY);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["read"]).await;
    assert_eq!(client.text("read", json!({"path": "/in/a.txt"})).await, "content");
    assert_eq!(client.text("write", json!({"path": "/out/b.txt"})).await, "written");
    assert_eq!(std::fs::read_to_string(scene.work().join("out/b.txt")).unwrap(), "written by a guest");
    for (tool, path) in [
        ("write", "/in/b.txt"),
        ("read", "/etc/passwd"),
        ("read", "/in/../../etc/passwd"),
        ("write", "/b.txt"),
    ] {
        let result = client.call(tool, json!({"path": path})).await.unwrap();
        assert_eq!(result["isError"], true, "{tool} {path}: {result}");
    }
    drop(client);
    gateway.ended().await;
    assert!(!scene.work().join("in/b.txt").exists());
}

#[tokio::test]
async fn a_server_is_held_to_the_limits_of_its_entry() {
    let scene = tools_scene(", folders: [{path: ./data, mount: /data}], outputLimit: 4KiB");
    scene.file("data/fits", "x".repeat(2000));
    scene.file("data/long", "x".repeat(5000));
    let gateway = scene.serve(NOBODY).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["read"]).await;
    let error = client.call("read", json!({"path": "/data/long"})).await.unwrap_err();
    let expected = "server `tools`: the server has gone: a line of its output is longer than 4096 bytes";
    assert!(error.message.starts_with(expected), "{error:?}");
    assert_eq!(client.text("read", json!({"path": "/data/fits"})).await.len(), 2000);
    gateway.end().await;

    let scene = tools_scene(", callTimeout: 300ms, idleTimeout: 100ms");
    let gateway = scene.serve(NOBODY).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["never"]).await;
    let error = client.call("never", json!({})).await.unwrap_err();
    assert_eq!(error.message, "server `tools`: the server did not answer within 300ms");
    eventually("no copy that nobody uses", async || {
        let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        if list["servers"][0]["clients"] == 0 { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
    gateway.end().await;
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_server() {
    let scene = tools_scene("");
    let mut gateway = scene.pipe(NOBODY);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["never"]).await;
    let before = client.text("cancelled", json!({})).await;
    assert_eq!(before, "0");
    let sent = client.begin("tools/call", json!({"name": "never", "arguments": {}})).await;
    let InFlight::Stdio(id) = sent else { panic!("a client over standard input") };
    // A call that is cancelled before it was sent on never reaches the server, and neither does its cancellation.
    eventually("the call at the server", async || {
        let done = scene.run(["server", "list", "--json"]).await;
        let list: serde_json::Value = serde_json::from_str(&done.stdout).unwrap_or_default();
        if list["servers"][0]["calls"] == 1 { Ok(()) } else { Err(done.stdout) }
    })
    .await;
    client.notify("notifications/cancelled", json!({"requestId": id, "reason": "the test says so"})).await;
    eventually("the cancellation at the server", async || {
        let count = client.text("cancelled", json!({})).await;
        if count == "1" { Ok(()) } else { Err(count) }
    })
    .await;
    drop(client);
    gateway.ended().await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_in_the_same_breath_does_not_go_on() {
    let scene = tools_scene("");
    let mut gateway = scene.pipe(NOBODY);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["never"]).await;
    let sent = client.begin("tools/call", json!({"name": "never", "arguments": {}})).await;
    let InFlight::Stdio(id) = sent else { panic!("a client over standard input") };
    client.notify("notifications/cancelled", json!({"requestId": id})).await;
    // Once a later call is answered the first one was dealt with too, whether it got as far as the server or not.
    client.text("who", json!({})).await;
    eventually("nothing in flight", async || {
        let answer = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        if answer["servers"][0]["calls"] == 0 { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    drop(client);
    gateway.ended().await;
}

/// A modern client takes its call back by going. A legacy one may come back for the answer, until its session ends.
#[tokio::test]
async fn a_client_that_goes_in_mid_call_takes_nothing_else_along() {
    let scene = tools_scene("");
    let gateway = scene.serve(NOBODY).await;
    for era in [Era::Modern, LEGACY] {
        let mut stays = gateway.client(era).await;
        stays.await_tools(&["never"]).await;
        let mut goes = gateway.client(era).await;
        let InFlight::Http(begun) = goes.begin("tools/call", json!({"name": "never", "arguments": {}})).await
        else {
            panic!("a client over HTTP")
        };
        let in_flight = async |wanted: u64| {
            eventually("calls in flight", async || {
                let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
                if list["servers"][0]["calls"] == wanted { Ok(()) } else { Err(list.to_string()) }
            })
            .await;
        };
        in_flight(1).await;
        begun.abort();
        let _ = begun.await;
        if era == LEGACY {
            // Its session is there, and so is its call.
            assert_eq!(goes.text("cancelled", json!({})).await, "0");
            in_flight(1).await;
            goes.leave().await;
        } else {
            // The server, which everybody uses who has no session, was told.
            eventually("the cancellation at the server", async || {
                let count = stays.text("cancelled", json!({})).await;
                if count == "1" { Ok(()) } else { Err(count) }
            })
            .await;
        }
        in_flight(0).await;
        assert!(!stays.text("who", json!({})).await.is_empty());
    }
    gateway.end().await;
}

#[tokio::test]
async fn progress_comes_back_with_the_clients_own_token() {
    let scene = tools_scene("");
    let mut gateway = scene.pipe(NOBODY);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["wait"]).await;
    for token in [json!("mine"), json!(7)] {
        let params = json!({"name": "wait", "arguments": {"millis": 1}, "_meta": {"progressToken": token}});
        assert_eq!(client.request("tools/call", params).await.unwrap()["content"][0]["text"], "waited");
        let progress = client.notified("notifications/progress").await;
        assert_eq!(progress["params"], json!({"progressToken": token, "progress": 1}));
    }
    drop(client);
    gateway.ended().await;
}

#[tokio::test]
async fn a_catalogue_in_dockers_format_says_what_there_is() {
    let scene = scene();
    scene.component("echo.wasm", &guest("echo-server"));
    scene.file(
        "catalog.yaml",
        "registry:\n  echo: {description: Says it again, type: server, image: acme/echo:1}\n",
    );
    scene.settings("catalogs: [./catalog.yaml]\nservers:\n  echo: {component: ./echo.wasm}\n");
    let gateway: Gateway<'_> = scene.serve(["--servers", "echo"]).await;
    eventually_ready(&scene).await;
    gateway.end().await;
}
