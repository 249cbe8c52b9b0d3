//! All that npm's server-everything can do, by every way that leads to it, for clients that can be asked and clients that cannot.

use super::editor_scene;
use super::others::{everything, free_port, listening};
use crate::program::scene;
use gateway_tests::harness::{Client, ERAS, Era, InFlight, Scene, eventually};
use serde_json::{Map, Value, json};

const LEGACY: Era = Era::Legacy("2025-11-25");
const FILE: [&str; 2] = ["--mcp-servers", "mcp.json"];

/// Tools that it offers to a client without capabilities, as its page has them (`mcp-ecosystem.md` 6).
const TOOLS: [&str; 13] = [
    "echo",
    "get-annotated-message",
    "get-env",
    "get-resource-links",
    "get-resource-reference",
    "get-structured-content",
    "get-sum",
    "get-tiny-image",
    "gzip-file-as-resource",
    "simulate-research-query",
    "toggle-simulated-logging",
    "toggle-subscriber-updates",
    "trigger-long-running-operation",
];

/// Those that it adds for a client that can be asked for roots, for a sample and for input by form and URL.
const ASKING: [&str; 4] =
    ["get-roots-list", "trigger-elicitation-request", "trigger-sampling-request", "trigger-url-elicitation"];

const TEXTS: &str = "demo://resource/dynamic/text/";
const BLOBS: &str = "demo://resource/dynamic/blob/";

/// All of it: what does not ask for anything in both eras, what asks for a legacy client, since a server of that era is told in its handshake
/// what its client can do.
async fn uses_everything(scene: &Scene, arguments: &[&str]) {
    let over_http = scene.serve(arguments).await;
    for era in ERAS {
        let mut client = over_http.client(era).await;
        client.await_tools(&TOOLS).await;
        assert_eq!(client.tools().await, TOOLS, "{era:?}");
        calls_what_answers(&mut client).await;
        client.leave().await;
    }
    over_http.end().await;

    let mut gateway = scene.pipe(arguments);
    let mut client = gateway.only_client(Era::Modern).await;
    client.await_tools(&TOOLS).await;
    uses_prompts_and_resources(&mut client).await;
    let uri = format!("{TEXTS}5");
    let listening = json!({"notifications": {"resourceSubscriptions": [uri]}});
    let _listening = client.begin("subscriptions/listen", listening).await;
    client.notified("notifications/subscriptions/acknowledged").await;
    hears_of(&mut client, &uri).await;
    runs_long(scene, &mut client).await;
    drop(client);
    gateway.ended().await;

    let mut gateway = scene.pipe(arguments);
    let capabilities =
        json!({"roots": {"listChanged": true}, "sampling": {}, "elicitation": {"form": {}, "url": {}}});
    let mut client = gateway.only_client_asked(LEGACY, capabilities, answers()).await;
    let mut all = [&TOOLS[..], &ASKING].concat();
    all.sort_unstable();
    client.await_tools(&all).await;
    assert_eq!(client.tools().await, all);
    calls_what_answers(&mut client).await;
    uses_prompts_and_resources(&mut client).await;
    let uri = format!("{TEXTS}5");
    client.request("resources/subscribe", json!({"uri": uri})).await.unwrap();
    hears_of(&mut client, &uri).await;
    client.request("resources/unsubscribe", json!({"uri": uri})).await.unwrap();
    hears_log_messages(&mut client).await;
    runs_long(scene, &mut client).await;
    is_asked(&mut client).await;
    drop(client);
    gateway.ended().await;
}

/// Every tool that answers by itself.
async fn calls_what_answers(client: &mut Client) {
    let called = async |client: &mut Client, tool: &str, arguments: Value| {
        let result = client.call(tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error:?}"));
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result
    };
    assert_eq!(client.text("echo", json!({"message": "hello"})).await, "Echo: hello");
    assert_eq!(client.text("get-sum", json!({"a": 2, "b": 3})).await, "The sum of 2 and 3 is 5.");
    let weather = called(client, "get-structured-content", json!({"location": "New York"})).await;
    let expected = json!({"temperature": 33, "conditions": "Cloudy", "humidity": 82});
    assert_eq!(weather["structuredContent"], expected);

    let arguments = json!({"messageType": "error", "includeImage": true});
    let message = called(client, "get-annotated-message", arguments).await;
    let expected = json!({"priority": 1, "audience": ["user", "assistant"]});
    assert_eq!(message["content"][0]["annotations"], expected);
    assert_eq!(message["content"][1]["annotations"], json!({"priority": 0.5, "audience": ["user"]}));
    let image = called(client, "get-tiny-image", json!({})).await;
    assert_eq!(image["content"][1]["mimeType"], "image/png");
    let data = image["content"][1]["data"].as_str().unwrap();
    assert!(data.starts_with("iVBORw0KGgo") && Some(data) == message["content"][1]["data"].as_str());
    let environment: Value = serde_json::from_str(&client.text("get-env", json!({})).await).unwrap();
    assert!(environment.is_object(), "{environment}");

    let links = called(client, "get-resource-links", json!({"count": 2})).await;
    let links = links["content"].as_array().unwrap()[1..].iter();
    let links: Vec<_> = links.map(|link| (&link["type"], link["uri"].as_str().unwrap())).collect();
    let link = &json!("resource_link");
    assert_eq!(links, [(link, &*format!("{BLOBS}1")), (link, &*format!("{TEXTS}2"))]);
    let arguments = json!({"resourceType": "Text", "resourceId": 4});
    let reference = called(client, "get-resource-reference", arguments).await;
    assert_eq!(reference["content"][1]["resource"]["uri"], format!("{TEXTS}4"));
    let arguments = json!({"name": "a.gz", "data": "data:text/plain,hello", "outputType": "resource"});
    let packed = called(client, "gzip-file-as-resource", arguments).await;
    let packed = &packed["content"][0]["resource"];
    assert_eq!(
        (&packed["uri"], &packed["mimeType"]),
        (&json!("demo://resource/session/a.gz"), &json!("application/gzip"))
    );
    assert!(packed["blob"].as_str().unwrap().starts_with("H4sI"), "{packed}");

    // The one that is a task of 2025-11-25, and nothing else: its own refusal comes back, because tasks are not carried.
    let refused = client.call("simulate-research-query", json!({"topic": "plums"})).await.unwrap();
    let text = refused["content"][0]["text"].as_str().unwrap_or_default();
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(text.contains("requires task augmentation"), "{refused}");
}

/// Every prompt, what is completed, every listed resource, both templates, and one that a tool has made.
async fn uses_prompts_and_resources(client: &mut Client) {
    let prompts = client.request("prompts/list", json!({})).await.unwrap();
    let names: Vec<_> = prompts["prompts"].as_array().unwrap().iter().map(|prompt| &prompt["name"]).collect();
    assert_eq!(names, ["simple-prompt", "args-prompt", "completable-prompt", "resource-prompt"]);
    for (name, arguments, text) in [
        ("simple-prompt", json!({}), "This is a simple prompt without arguments."),
        ("args-prompt", json!({"city": "Oslo", "state": "Viken"}), "What's weather in Oslo, Viken?"),
        (
            "completable-prompt",
            json!({"department": "Sales", "name": "Eve"}),
            "Please promote Eve to the head of the Sales team.",
        ),
        (
            "resource-prompt",
            json!({"resourceType": "Text", "resourceId": "3"}),
            "This prompt includes the Text resource with id: 3. Please analyze the following resource:",
        ),
    ] {
        let prompt =
            client.request("prompts/get", json!({"name": name, "arguments": arguments})).await.unwrap();
        assert_eq!(prompt["messages"][0]["content"]["text"], text);
        if name == "resource-prompt" {
            assert_eq!(prompt["messages"][1]["content"]["resource"]["uri"], format!("{TEXTS}3"));
        }
    }
    let prompt = json!({"type": "ref/prompt", "name": "completable-prompt"});
    let template = json!({"type": "ref/resource", "uri": format!("{TEXTS}{{resourceId}}")});
    for (params, values) in [
        (
            json!({"ref": prompt, "argument": {"name": "department", "value": "S"}}),
            json!(["Sales", "Support"]),
        ),
        (
            json!({"ref": prompt, "argument": {"name": "name", "value": "E"},
                   "context": {"arguments": {"department": "Sales"}}}),
            json!(["Eve"]),
        ),
        (json!({"ref": template, "argument": {"name": "resourceId", "value": "7"}}), json!(["7"])),
    ] {
        let completed = client.request("completion/complete", params).await.unwrap();
        assert_eq!(completed["completion"]["values"], values);
    }

    let listed = client.request("resources/list", json!({})).await.unwrap();
    let listed = listed["resources"].as_array().unwrap();
    assert!(listed.iter().any(|resource| resource["name"] == "architecture.md"), "{listed:?}");
    for resource in listed {
        let read = client.request("resources/read", json!({"uri": resource["uri"]})).await.unwrap();
        assert_eq!(read["contents"][0]["uri"], resource["uri"]);
        // What a tool has made before is packed.
        let packed = resource["uri"].as_str().unwrap().ends_with(".gz");
        let content = &read["contents"][0][if packed { "blob" } else { "text" }];
        assert!(!content.as_str().unwrap().is_empty(), "{resource}");
    }
    let templates = client.request("resources/templates/list", json!({})).await.unwrap();
    let templates = templates["resourceTemplates"].as_array().unwrap();
    let templates: Vec<_> =
        templates.iter().map(|template| template["uriTemplate"].as_str().unwrap()).collect();
    assert_eq!(templates, [format!("{TEXTS}{{resourceId}}"), format!("{BLOBS}{{resourceId}}")]);
    let text = client.request("resources/read", json!({"uri": format!("{TEXTS}7")})).await.unwrap();
    let text = text["contents"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Resource 7: This is a plaintext resource"), "{text}");
    let blob = client.request("resources/read", json!({"uri": format!("{BLOBS}8")})).await.unwrap();
    assert!(blob["contents"][0]["blob"].is_string(), "{blob}");

    // What a tool makes is a resource from then on.
    let arguments = json!({"name": "b.gz", "data": "data:text/plain,hello", "outputType": "resourceLink"});
    let made = client.call("gzip-file-as-resource", arguments).await.unwrap();
    let uri = &made["content"][0]["uri"];
    assert_eq!(uri, "demo://resource/session/b.gz");
    let read = client.request("resources/read", json!({"uri": uri})).await.unwrap();
    assert!(read["contents"][0]["blob"].as_str().unwrap().starts_with("H4sI"), "{read}");
}

/// It is told that a resource which it subscribed to was updated.
async fn hears_of(client: &mut Client, uri: &str) {
    let started = client.text("toggle-subscriber-updates", json!({})).await;
    assert!(started.starts_with("Started simulated resource updated notifications"), "{started}");
    assert_eq!(client.notified("notifications/resources/updated").await["params"]["uri"], uri);
    let stopped = client.text("toggle-subscriber-updates", json!({})).await;
    assert!(stopped.starts_with("Stopped simulated resource updates"), "{stopped}");
}

async fn hears_log_messages(client: &mut Client) {
    client.request("logging/setLevel", json!({"level": "debug"})).await.unwrap();
    let started = client.text("toggle-simulated-logging", json!({})).await;
    assert!(started.starts_with("Started simulated, random-leveled logging"), "{started}");
    loop {
        let said = client.notified("notifications/message").await;
        // It also says what it was asked.
        if said["params"]["data"].as_str().unwrap().contains("message") {
            break;
        }
    }
    let stopped = client.text("toggle-simulated-logging", json!({})).await;
    assert!(stopped.starts_with("Stopped simulated logging"), "{stopped}");
}

/// A long run tells how far it is, and another one is taken back.
async fn runs_long(scene: &Scene, client: &mut Client) {
    let run = |duration: f64, steps: u64, token: &str| {
        json!({"name": "trigger-long-running-operation", "arguments": {"duration": duration, "steps": steps},
               "_meta": {"progressToken": token}})
    };
    let done = client.request("tools/call", run(0.4, 4, "short")).await.unwrap();
    let text = "Long running operation completed. Duration: 0.4 seconds, Steps: 4.";
    assert_eq!(done["content"][0]["text"], text);
    for step in 1..=4 {
        let progress = client.notified("notifications/progress").await;
        assert_eq!(progress["params"], json!({"progressToken": "short", "progress": step, "total": 4}));
    }
    let sent = client.begin("tools/call", run(60.0, 300, "long")).await;
    let InFlight::Stdio(id) = sent else { panic!("a client over standard input") };
    let progress = client.notified("notifications/progress").await;
    assert_eq!(progress["params"]["progressToken"], "long");
    client.notify("notifications/cancelled", json!({"requestId": id, "reason": "enough"})).await;
    eventually("no call in flight", async || {
        let list = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
        if list["servers"][0]["calls"] == 0 { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
    assert_eq!(client.text("echo", json!({"message": "after"})).await, "Echo: after");
}

/// What the client of this story answers.
fn answers() -> Map<String, Value> {
    let given = json!({
        "roots/list": {"roots": [{"uri": "file:///srv/plums", "name": "plums"}]},
        "sampling/createMessage": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "a sampled word"}},
        "elicitation/create": {"action": "accept", "content": {"name": "Ada", "check": true, "integer": 7}},
    });
    let Value::Object(given) = given else { unreachable!("it is written so") };
    given
}

/// Every tool that asks its client.
async fn is_asked(client: &mut Client) {
    let roots = client.text("get-roots-list", json!({})).await;
    assert!(roots.contains("1. plums\n   URI: file:///srv/plums"), "{roots}");
    client.will_answer("roots/list", json!({"roots": [{"uri": "file:///srv/pears", "name": "pears"}]}));
    client.notify("notifications/roots/list_changed", json!({})).await;
    eventually("the other root", async || {
        let roots = client.text("get-roots-list", json!({})).await;
        if roots.contains("file:///srv/pears") { Ok(()) } else { Err(roots) }
    })
    .await;
    assert_eq!(client.questions.iter().filter(|asked| asked["method"] == "roots/list").count(), 2);

    client.questions.clear();
    let sampled = client.text("trigger-sampling-request", json!({"prompt": "say", "maxTokens": 7})).await;
    assert!(sampled.contains("a sampled word"), "{sampled}");
    let asked = &client.questions[0];
    assert_eq!(
        (&asked["method"], &asked["params"]["maxTokens"]),
        (&json!("sampling/createMessage"), &json!(7))
    );
    let said = "Resource trigger-sampling-request context: say";
    assert_eq!(asked["params"]["messages"][0]["content"]["text"], said);

    client.questions.clear();
    let filled = client.call("trigger-elicitation-request", json!({})).await.unwrap();
    let text = filled["content"][1]["text"].as_str().unwrap();
    assert_eq!(text, "User inputs:\n- Name: Ada\n- Agreed to terms: true\n- Favorite Integer: 7");
    let schema = &client.questions[0]["params"]["requestedSchema"];
    assert_eq!(
        (&schema["required"], &schema["properties"]["integer"]["default"]),
        (&json!(["name"]), &json!(42))
    );

    client.questions.clear();
    let arguments = json!({"url": "https://acme.example/go", "elicitationId": "visit-1", "errorPath": true});
    let error = client.call("trigger-url-elicitation", arguments.clone()).await.unwrap_err();
    assert_eq!(error.code, -32042, "{error:?}");
    assert_eq!(error.data["elicitations"][0]["url"], "https://modelcontextprotocol.io", "{error:?}");
    let gone = client.text("trigger-url-elicitation", arguments).await;
    assert!(gone.contains("Elicitation ID: visit-1"), "{gone}");
    let asked = &client.questions[0]["params"];
    let expected = json!({"mode": "url", "url": "https://acme.example/go", "elicitationId": "visit-1",
                          "message": "Please open the link to complete this action."});
    assert_eq!(asked, &expected);
}

#[tokio::test]
async fn everything_by_command() {
    let Some((node, entry)) = everything() else { return };
    let scene = editor_scene(&json!({"everything": {"command": node, "args": [entry, "stdio"]}}));
    uses_everything(&scene, &FILE).await;
}

#[tokio::test]
async fn everything_by_streamable_http() {
    if everything().is_none() {
        return;
    }
    let port = free_port().await;
    let _server = listening("streamableHttp", port).await;
    let scene = editor_scene(&json!({"everything": {"url": format!("http://127.0.0.1:{port}/mcp")}}));
    uses_everything(&scene, &FILE).await;
}

#[tokio::test]
async fn everything_by_the_first_transport() {
    if everything().is_none() {
        return;
    }
    let port = free_port().await;
    let _server = listening("sse", port).await;
    let scene = scene();
    scene.settings(&format!(
        "servers:\n  everything:\n    remote: {{url: 'http://localhost:{port}/sse', transport_type: sse}}\n"
    ));
    uses_everything(&scene, &[]).await;
}
