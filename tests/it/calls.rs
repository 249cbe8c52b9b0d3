//! What stands between clients and tools in the whole program: interceptors of every kind, the search for secrets, the log of calls; over standard
//! streams, streamable HTTP and HTTP+SSE, for clients of both eras (`docker-mcp-gateway.md` 20).

use crate::program::{echo_scene, tools_scene};
use gateway_tests::harness::{Client, ERAS, Era, Scene, eventually};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LEGACY: Era = Era::Legacy("2025-11-25");
const BLOCKED: i64 = -31007;
const INTERCEPTOR: i64 = -31008;

/// Put together, so that no search for secrets finds it here.
fn token() -> String {
    format!("ghp{}{}", "_", "0123456789abcdefghijklmnopqrstuvwxyz")
}

fn with_path(scene: Scene) -> Scene {
    scene.with_variable("PATH", "/usr/local/bin:/usr/bin:/bin")
}

/// The same over every transport, in every era that it has.
async fn everywhere(scene: &Scene, flags: &[&str], mut story: impl AsyncFnMut(&mut Client, &str)) {
    let gateway = scene.serve(flags).await;
    for era in ERAS {
        let mut client = gateway.client(era).await;
        story(&mut client, &format!("HTTP, {era:?}")).await;
    }
    for era in ERAS.into_iter().filter(|era| *era != Era::Modern) {
        let mut client = Client::over_events(&gateway.endpoint().await, era).await;
        story(&mut client, &format!("HTTP+SSE, {era:?}")).await;
    }
    gateway.end().await;
    for era in ERAS {
        let mut gateway = scene.pipe(flags);
        let mut client = gateway.only_client(era).await;
        story(&mut client, &format!("stdio, {era:?}")).await;
        drop(client);
        gateway.ended().await;
    }
}

fn read(scene: &Scene, file: &str) -> String {
    std::fs::read_to_string(scene.work().join(file)).unwrap()
}

#[tokio::test]
async fn interceptors_see_calls_on_every_transport_in_every_era() {
    let scene = with_path(echo_scene());
    let flags =
        ["--interceptor", "before:exec:cat > before.json", "--interceptor", "AFTER:EXEC:cat > after.json"];
    everywhere(&scene, &flags, async |client, place| {
        client.await_tools(&["echo"]).await;
        assert_eq!(client.text("echo", json!({"message": place})).await, format!("Echo: {place}"));
        let (before, after) = (read(&scene, "before.json"), read(&scene, "after.json"));
        assert!(before.starts_with("{\"Session\":{},\"Params\":{"), "{place}: {before}");
        assert!(
            before.contains(",\"Extra\":null,\"params\":{") && !before.ends_with('\n'),
            "{place}: {before}"
        );
        let before: Value = serde_json::from_str(&before).unwrap();
        assert_eq!(before["Params"]["name"], "echo", "{place}");
        assert_eq!(before["params"]["arguments"]["message"], place);
        let after: Value = serde_json::from_str(&after).unwrap();
        assert_eq!(after["content"][0]["text"], format!("Echo: {place}"));
    })
    .await;
}

#[tokio::test]
async fn what_an_interceptor_prints_is_the_result() {
    let scene = with_path(echo_scene());
    let before = "before:exec:grep -q question && echo '{\"content\":[{\"type\":\"text\",\"text\":\"no: asked\"}]}'; true";
    everywhere(&scene, &["--interceptor", before], async |client, place| {
        client.await_tools(&["echo"]).await;
        assert_eq!(client.text("echo", json!({"message": "question"})).await, "no: asked", "{place}");
        assert_eq!(client.text("echo", json!({"message": "word"})).await, "Echo: word", "{place}");
    })
    .await;
    let after = "after:exec:sed 's/plum/pear/'";
    everywhere(&scene, &["--interceptor", after], async |client, place| {
        client.await_tools(&["echo"]).await;
        assert_eq!(client.text("echo", json!({"message": "plum"})).await, "Echo: pear", "{place}");
    })
    .await;
}

#[tokio::test]
async fn an_interceptor_that_fails_is_the_error_of_its_call() {
    let scene = with_path(echo_scene());
    for (flag, why) in [
        ("before:exec:echo told >&2; exit 3", "executing interceptor: exit status 3"),
        ("after:exec:exit 4", "executing interceptor: exit status 4"),
        ("before:exec:echo", "unmarshalling interceptor response: unexpected end of JSON input"),
        ("after:exec:echo 7", "unmarshalling interceptor response: the result of a tool is an object"),
        ("before:docker:i 'x", "executing interceptor: parsing docker arguments: a quote is not closed"),
        ("before:http:no-url", "executing interceptor: making HTTP request: "),
    ] {
        let gateway = scene.serve(["--interceptor", flag]).await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["echo"]).await;
        let error = client.call("echo", json!({"message": "x"})).await.unwrap_err();
        assert_eq!(error.code, INTERCEPTOR, "{flag}: {error:?}");
        assert!(error.message.starts_with(why), "{flag}: {error:?}");
        let ended = gateway.end().await;
        // Whoever wrote it sees what it complains about.
        let told = ended.finished.stderr.lines().any(|line| line == "  - told");
        assert_eq!(told, flag.contains("told"), "{flag}: {}", ended.finished.stderr);
    }
}

#[tokio::test]
async fn what_is_no_interceptor_is_refused_at_the_start() {
    let scene = echo_scene();
    for (flag, why) in [
        ("x", "invalid interceptor spec 'x', expected format is 'when:type:path'"),
        ("around:exec:x", "invalid interceptor when: 'around', expected 'before' or 'after'"),
        ("before:udp:x", "invalid interceptor type: 'udp', expected 'exec', 'docker', or 'http'"),
    ] {
        let done = scene.run(["run", "--dry-run", "--interceptor", flag]).await.expect_code(2);
        assert!(done.stderr.contains(why), "{}", done.stderr);
    }
    scene.run(["run", "--dry-run", "--interceptor", "before:exec:"]).await.expect_code(0);
}

#[tokio::test]
async fn a_client_that_goes_ends_its_interceptor_with_all_it_has_started() {
    let scene = with_path(echo_scene());
    let flag = "before:exec:echo $$ > pid.new; mv pid.new pid; sleep 1000 & wait";
    let mut gateway = scene.pipe(["--interceptor", flag]);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let call = client.begin("tools/call", json!({"name": "echo", "arguments": {"message": "x"}})).await;
    let pid = eventually("the interceptor", async || {
        std::fs::read_to_string(scene.work().join("pid")).map_err(|error| error.to_string())
    })
    .await;
    drop(call);
    drop(client);
    gateway.ended().await;
    // The group of the shell is gone with it.
    let group = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    eventually("an empty group", async || match rustix::process::test_kill_process_group(group) {
        Ok(()) => Err("somebody is left".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
}

#[tokio::test]
async fn an_interceptor_behind_a_url_sees_and_replaces_results() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("after:http:http://{}/hook", listener.local_addr().unwrap());
    let hook = tokio::spawn(async move {
        let mut asked = Vec::new();
        // One connection may carry several calls; each says how long it is.
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            let mut piece = [0; 4096];
            while !text.contains("\r\n\r\n") || !text.ends_with('}') {
                let n = stream.read(&mut piece).await.unwrap();
                text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
            }
            let answer = "{\"content\":[{\"type\":\"text\",\"text\":\"from afar\"}]}";
            let head =
                format!("HTTP/1.1 503 Oh\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
            asked.push(text);
            if asked.len() == 8 {
                break;
            }
        }
        asked
    });
    let scene = echo_scene();
    everywhere(&scene, &["--interceptor", &url], async |client, place| {
        client.await_tools(&["echo"]).await;
        assert_eq!(client.text("echo", json!({"message": "near"})).await, "from afar", "{place}");
    })
    .await;
    for asked in hook.await.unwrap() {
        assert!(asked.starts_with("POST /hook HTTP/1.1\r\n") && asked.contains("Echo: near"), "{asked}");
    }
}

#[tokio::test]
async fn an_interceptor_in_a_container_reads_its_input_and_leaves_nothing() {
    let Some(engine) = crate::docker::engine().await else { return };
    let scene = crate::docker::on_engine(echo_scene());
    let flags = [
        "--interceptor",
        "before:docker:mcp/busybox:1 grep -q nothing-of-this-kind || true",
        "--interceptor",
        "after:docker:mcp/busybox:1 sed 's/plum/pear/'",
    ];
    // The first is no shell, so its arguments are a command that fails; with one it does not.
    let failing = scene.serve(&flags[..2]).await;
    let mut client = failing.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let error = client.call("echo", json!({"message": "x"})).await.unwrap_err();
    assert!(error.message.starts_with("executing interceptor: exit status "), "{error:?}");
    failing.end().await;
    everywhere(&scene, &flags[2..], async |client, place| {
        client.await_tools(&["echo"]).await;
        assert_eq!(client.text("echo", json!({"message": "plum"})).await, "Echo: pear", "{place}");
    })
    .await;
    let gateway = std::fs::read_to_string(scene.state().join("gateway-id")).unwrap();
    let label = format!("gateway-id={}", gateway.trim());
    let page = host_workload_docker::PageRequest { cursor: None, limit: 10 };
    assert_eq!(engine.containers(&[&label], &page).await.unwrap().items, []);
}

#[tokio::test]
async fn secrets_do_not_pass_to_tools_nor_from_them_and_stand_in_no_log() {
    let scene = tools_scene(", folders: [{path: ./data, mount: /data}]");
    scene.file("data/key", format!("the token is {}", token()));
    scene.file("data/plain", "nothing here");
    everywhere(&scene, &["--verbose"], async |client, place| {
        client.await_tools(&["read"]).await;
        let error = client.call("read", json!({"path": token()})).await.unwrap_err();
        assert_eq!(error.code, BLOCKED, "{place}: {error:?}");
        let why = "a secret is being passed to tool read (rule `github-pat`;";
        assert!(error.message.starts_with(why), "{place}: {error:?}");
        let error = client.call("read", json!({"path": "/data/key"})).await.unwrap_err();
        assert_eq!(error.code, BLOCKED, "{place}: {error:?}");
        let why = "a secret is being returned by the read tool (rule `github-pat`;";
        assert!(error.message.starts_with(why) && !error.message.contains(&token()), "{place}: {error:?}");
        assert_eq!(client.text("read", json!({"path": "/data/plain"})).await, "nothing here", "{place}");
    })
    .await;
    let gateway = scene.serve(["--verbose"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["read"]).await;
    client.call("read", json!({"path": token()})).await.unwrap_err();
    client.call("read", json!({"path": "/data/key"})).await.unwrap_err();
    gateway.says("blocked: a secret is being returned by the read tool (rule `github-pat`)").await;
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains(&token()), "{}", ended.finished.stderr);
    // Whoever wants it otherwise says so.
    let gateway = scene.serve(["--block-secrets=false"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["read"]).await;
    let text = client.text("read", json!({"path": "/data/key"})).await;
    assert_eq!(text, format!("the token is {}", token()));
    gateway.end().await;
}

#[tokio::test]
async fn calls_are_logged_without_their_values_unless_that_is_turned_off() {
    let scene = echo_scene();
    for (flags, logged) in [(&[][..], true), (&["--log-calls=false"][..], false)] {
        let gateway = scene.serve(flags).await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["echo"]).await;
        client.text("echo", json!({"message": "quince"})).await;
        if logged {
            gateway.says("  > Calling tool echo took: ").await;
        }
        let ended = gateway.end().await;
        let said = ended.finished.stderr;
        let line = "  - Calling tool echo with arguments: object with 1 field(s)";
        assert_eq!(said.lines().any(|said| said == line), logged, "{said}");
        assert!(!said.contains("quince"), "{said}");
    }
}

/// The last lines are not lost with the process.
#[tokio::test]
async fn a_call_just_before_the_end_is_logged() {
    let scene = echo_scene();
    let mut gateway = scene.pipe([""; 0]);
    let mut client = gateway.only_client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.text("echo", json!({"message": "last"})).await;
    drop(client);
    let said = gateway.ended().await.finished.stderr;
    assert!(said.contains("  > Calling tool echo took: "), "{said}");
    // A program that reads nothing of it is no reason to wait.
    let mut child =
        scene.command(["run"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    assert!(child.as_mut().unwrap().wait().await.unwrap().success());
}
