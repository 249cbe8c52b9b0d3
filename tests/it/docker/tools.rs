//! Tools that are containers: an entry of the catalogue, through the front of the gateway, to the end of a container and back.

use super::World;
use gateway_tests::harness::{Client, Era, InFlight, eventually};
use serde_json::{Value, json};

/// `mcp/argv` prints its arguments as a JSON array; `mcp/busybox` has a shell for those that ask for one.
const CATALOG: &str = r#"registry:
  NAME:
    secrets: [{name: tools.key, env: KEY}]
    env: [{name: PLAIN, value: plain}]
    tools:
      - name: words
        description: Prints its words.
        annotations: {readOnlyHint: true, title: Words}
        parameters:
          type: object
          properties:
            text: {type: string, description: A text}
            list: {type: array, items: {type: string}}
            number: {type: number}
            flag: {type: boolean}
          required: [text]
        container:
          image: mcp/argv:1
          command: ['{{text}}', '{{list}}', '{{number}}', 'x{{number}}', '{{flag}}', $HOME, '{"k":"{{text}}"}']
      - name: argv
        parameters: {type: object, properties: {words: {type: array, items: {type: string}}}}
        container: {image: mcp/argv:1, command: ['{{words|into}}']}
      - name: shell
        parameters: {type: object, properties: {script: {type: string}}, required: [script]}
        container: {image: mcp/busybox:1, command: [sh, -c, '{{script}}']}
      - name: mounted
        parameters: {type: object, properties: {path: {type: string}, user: {type: string}}}
        container: {image: mcp/busybox:1, command: [sh, -c, 'id -u; cat /in/*; touch /in/x'], volumes: ['{{path|mount_as:/in}}'], user: '{{user}}'}
      - name: missing
        container: {image: '127.0.0.1:1/no/such:1'}
      - name: broken
        container: {image: mcp/argv:1, command: [x], user: nobody-knows}
"#;

struct Tools<'c>(&'c mut Client);

impl Tools<'_> {
    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.0.call(tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error:?}"))
    }

    /// The text of a call that must succeed.
    async fn text(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned()
    }

    /// Standard output and the sentence of one that must fail.
    async fn failure(&mut self, tool: &str, arguments: Value) -> (String, String) {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        let text = |at: usize| result["content"][at]["text"].as_str().unwrap_or_default().to_owned();
        (text(0), text(1))
    }
}

async fn listed(client: &mut Client, name: &str) -> Value {
    let list = client.request("tools/list", json!({})).await.unwrap();
    let tools = list["tools"].as_array().unwrap();
    tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{list}")).clone()
}

fn argv(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// About twenty calls of one gateway, in one test because each start costs.
#[tokio::test]
async fn a_call_runs_a_container_to_its_end() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene("image: none");
    scene.file("catalog.yaml", CATALOG.replace("NAME", &world.name));
    scene.file(".env", "tools.key=planted-s3cret\n");
    scene.settings("secrets: [./.env]\n");
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(super::LEGACY).await;
    client.await_tools(&["argv", "shell", "words"]).await;

    // The schema is whole, which the original's is not.
    let words = listed(&mut client, "words").await;
    assert_eq!(words["description"], "Prints its words.");
    assert_eq!(words["inputSchema"]["required"], json!(["text"]));
    assert_eq!(
        words["inputSchema"]["properties"]["list"],
        json!({"type": "array", "items": {"type": "string"}})
    );
    assert_eq!(words["annotations"], json!({"readOnlyHint": true, "title": "Words"}));

    let mut tools = Tools(&mut client);
    // Arguments: values, lists, what is missing, and no shell anywhere.
    let text = tools
        .text(
            "words",
            json!({"text": "a", "list": ["1", "", "two words"], "number": 1_000_000, "flag": true}),
        )
        .await;
    assert_eq!(
        argv(&text),
        ["a", "1", "", "two words", "1000000", "x1000000", "true", "$HOME", "{\"k\":\"a\"}"]
    );
    let text = tools.text("words", json!({"text": ""})).await;
    assert_eq!(argv(&text), ["", "", "", "x", "", "$HOME", "{\"k\":\"\"}"]);
    for odd in [
        "; touch /tmp/x",
        "$(id)",
        "`id`",
        "a && b | c > d",
        "'\"\\",
        "-rf",
        "--",
        "é😀",
        "{{text}}",
        "${HOME}",
        "line\nbreak",
        "\ttab ",
    ] {
        assert_eq!(argv(&tools.text("argv", json!({"words": [odd]})).await), [odd], "{odd:?}");
    }
    let many: Vec<String> = (0..500).map(|n| format!("word {n}")).collect();
    assert_eq!(argv(&tools.text("argv", json!({"words": many})).await), many);

    // What is wrong with the arguments is said before anything runs.
    let (why, _) = tools.failure("words", json!({})).await;
    assert_eq!(why, "tool words needs the argument `text`");
    let (why, _) = tools.failure("words", json!({"text": 1})).await;
    assert_eq!(why, "tool words: the argument `text` must be of type string");
    let (why, _) = tools.failure("mounted", json!({"path": "/etc"})).await;
    assert!(why.contains("`/etc`") && why.contains("a folder of the system"), "{why}");

    // Standard output is the result, standard error stands in the error, the exit code is the real one.
    let result = tools.call("shell", json!({"script": "echo partial; echo why >&2; exit 3"})).await;
    assert_eq!(
        (&result["isError"], &result["_meta"]["gateway/exitCode"]),
        (&json!(true), &json!(3)),
        "{result}"
    );
    assert_eq!(result["content"][0]["text"], "partial\n");
    assert_eq!(result["content"][1]["text"], "exit code 3; standard error:\nwhy");
    assert_eq!(tools.text("shell", json!({"script": "echo out; echo noise >&2"})).await, "out\n");
    assert_eq!(tools.text("shell", json!({"script": "true"})).await, "");
    assert_eq!(
        tools.failure("shell", json!({"script": "exit 255"})).await,
        (String::new(), "exit code 255".to_owned())
    );
    let (_, why) = tools.failure("shell", json!({"script": "kill -9 $$"})).await;
    assert_eq!(why, "exit code 137");
    // Its standard input is empty and closed.
    assert_eq!(tools.text("shell", json!({"script": "cat; echo end"})).await, "end\n");

    // Bytes that are no text stay what they are; ten megabytes arrive whole.
    let result = tools.call("shell", json!({"script": "printf '\\377\\000\\001'"})).await;
    assert_eq!(result["content"][0]["resource"]["blob"], "/wAB", "{result}");
    let text = tools.text("argv", json!({"words": ["--argv-bytes=10485760"]})).await;
    // With the end of the line that `mcp/argv` writes.
    assert_eq!(text.len(), (10 << 20) + 1);
    let result = tools.call("argv", json!({"words": ["--argv-bytes=20971520"]})).await;
    assert_eq!(result["content"][0]["text"].as_str().map(str::len), Some(16 << 20));
    assert_eq!(
        result["content"][1]["text"],
        format!("{} further bytes of its standard output were left out", (4 << 20) + 1)
    );

    // Variables and secrets of the entry, in the container and nowhere else.
    assert_eq!(tools.text("shell", json!({"script": "echo $PLAIN ${#KEY}"})).await, "plain 14\n");
    let folder = scene.file("in/a.txt", "content of a file\n");
    let arguments = json!({"path": folder.parent().unwrap(), "user": "65534"});
    let (stdout, why) = tools.failure("mounted", arguments).await;
    assert_eq!(stdout, "65534\ncontent of a file\n");
    assert!(why.contains("Read-only file system"), "{why}");

    // What cannot run says why, by name.
    let (why, _) = tools.failure("missing", json!({})).await;
    assert!(why.contains("pull image `127.0.0.1:1/no/such:1`"), "{why}");
    let (why, _) = tools.failure("broken", json!({})).await;
    assert!(why.contains("nobody-knows"), "{why}");
    let unknown = client.call("nothing", json!({})).await.unwrap_err();
    assert!(unknown.message.contains("nothing"), "{unknown:?}");

    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains("planted-s3cret"), "{}", ended.finished.stderr);
    nothing_of(&world).await;
    scene.assert_nothing_left();
}

/// Tools are labelled with their own names, so they are found by the gateway's label for the entry.
async fn nothing_of(world: &World) {
    eventually("no containers", async || {
        let left = of(world).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

/// Waits until so many of the entry's tools run.
async fn so_many(world: &World, wanted: usize) {
    eventually("containers of calls", async || {
        let there = of(world).await;
        if there.len() == wanted { Ok(()) } else { Err(format!("{there:?}")) }
    })
    .await;
}

/// Calls that are let go of.
const SEVERAL: usize = 3;

/// Containers of the entry's tools.
async fn of(world: &World) -> Vec<String> {
    let id = host_provisioner::ServerId::from_name(&world.name);
    let label = format!("gateway-server={id}");
    let page = host_workload_docker::PageRequest { cursor: None, limit: 100 };
    let found = world.engine.containers(&[&label], &page).await.unwrap();
    found.items.into_iter().map(|container| container.name).collect()
}

#[tokio::test]
async fn a_tool_that_nobody_waits_for_and_one_whose_time_is_over_are_taken_down() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene("image: none");
    let tool = "{name: shell, parameters: {type: object, properties: {script: {type: string}}}, container: {image: 'mcp/busybox:1', command: [sh, -c, '{{script}}']}}";
    scene.file("catalog.yaml", format!("registry:\n  {}:\n    tools: [{tool}]\n", world.name));
    let gateway = world.serve(&scene).await;
    // Whose caller goes is taken down: at once where that takes the call back, with the session where the caller might come for the answer.
    let running = "trap '' TERM; while :; do sleep 1; done";
    for era in [Era::Modern, super::LEGACY] {
        let mut client = gateway.client(era).await;
        client.await_tools(&["shell"]).await;
        let mut calls = Vec::new();
        for _ in 0..SEVERAL {
            let call = json!({"name": "shell", "arguments": {"script": running}});
            let InFlight::Http(call) = client.begin("tools/call", call).await else { panic!("over HTTP") };
            calls.push(call);
        }
        so_many(&world, SEVERAL).await;
        for call in calls {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled(), "it was answered");
        }
        if era != Era::Modern {
            assert_eq!(client.call("shell", json!({"script": "true"})).await.unwrap()["isError"], false);
            so_many(&world, SEVERAL).await;
            client.leave().await;
        }
        nothing_of(&world).await;
    }

    // In the middle of a call the gateway ends, or is killed: nothing stays, at the latest after the next start.
    let mut client = gateway.client(super::LEGACY).await;
    client.await_tools(&["shell"]).await;
    let endless =
        client.begin("tools/call", json!({"name": "shell", "arguments": {"script": running}})).await;
    so_many(&world, 1).await;
    gateway.kill().await;
    drop(endless);
    assert_eq!(of(&world).await.len(), 1);
    let swept = scene
        .run(["server", "sweep", "--catalog", "catalog.yaml", "--servers", &world.name])
        .await
        .expect_code(0);
    assert!(swept.stdout.contains("took down server"), "{}", swept.seen());
    nothing_of(&world).await;
    assert!(scene.ledger().is_empty(), "{:?}", scene.ledger());
}
