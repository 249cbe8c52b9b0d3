//! What goes wrong in a cluster: each with its message, and with nothing of ours left.

mod proxy;

use super::{LEGACY, World, answers, catalog, registry};
use gateway_tests::harness::{Client, eventually};
use proxy::Proxy;
use serde_json::{Value, json};

const ECHO: &str = "image: REGISTRY/mcp/null:1";

/// A call that goes on until something ends it.
async fn long_call(client: &mut Client) -> gateway_tests::harness::InFlight {
    let tools = client.tools().await;
    let tool =
        tools.iter().find(|tool| tool.to_lowercase().replace('-', "").contains("longrunning")).unwrap();
    let arguments = json!({"duration": 600, "steps": 1});
    client.begin("tools/call", json!({"name": tool, "arguments": arguments})).await
}

impl World {
    /// Waits until this many pods run.
    async fn running(&self, number: usize) {
        eventually("pods that run", async || {
            let pods = self.get("pods").await;
            let running = pods.iter().filter(|pod| pod["status"]["phase"] == "Running").count();
            if running >= number { Ok(()) } else { Err(format!("{running} of {}", pods.len())) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_pod_that_is_deleted_in_the_middle_of_a_call_ends_the_call() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("everything", "image: REGISTRY/mcp/everything:1")]));
    let gateway = world.serve(&scene, "everything", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.text("echo", json!({"message": "first"})).await;
    let call = long_call(&mut client).await;
    world.kubectl(&["delete", "pods", "--all", "--grace-period=0", "--force"]).await;
    let error = client.finish(call).await.expect_err("nobody is there to answer");
    assert!(error.message.contains("everything"), "{error:?}");
    answers(&mut client, "echo").await;
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}

/// First every connection to the API server is cut, as a load balancer does; then nobody answers there for a while.
#[tokio::test]
async fn a_cut_connection_and_an_api_server_that_is_away_are_noticed_and_got_over() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("everything", "image: REGISTRY/mcp/everything:1")]));
    let proxy = Proxy::new(&world).await;
    scene.file("proxied.yaml", &proxy.kubeconfig);
    let gateway = world.serve(&scene, "everything", &["--kubeconfig", "proxied.yaml"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.text("echo", json!({"message": "first"})).await;
    let call = long_call(&mut client).await;
    proxy.cut();
    let error = client.finish(call).await.expect_err("the answer cannot come any more");
    assert!(error.message.contains("everything"), "{error:?}");
    answers(&mut client, "echo").await;

    let call = long_call(&mut client).await;
    proxy.close();
    client.finish(call).await.expect_err("the answer cannot come any more");
    let away = client.call("echo", json!({"message": "anybody?"})).await;
    let why = match away {
        Err(error) => error.message,
        Ok(answer) => panic!("nobody can have answered: {answer}"),
    };
    assert!(why.contains("everything"), "{why}");
    proxy.open();
    answers(&mut client, "echo").await;
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_told_with_its_numbers() {
    let Some(world) = World::new().await else { return };
    world.kubectl(&["create", "quota", "little", "--hard=pods=0"]).await;
    let scene = world.scene(&catalog(&[("echo", ECHO)]));
    let gateway = world.serve(&scene, "echo", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    let said = gateway.says("exceeded quota: little").await;
    assert!(said.contains("pods=0"), "{said}");
    drop(listing);
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_named() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("echo", ECHO)]));
    let nowhere = format!("{}-nowhere", world.namespace);
    let arguments = ["--catalog", "catalog.yaml", "--servers", "echo", "--provisioner", "k8s", "--namespace"];
    let gateway = scene.serve(arguments.into_iter().chain([nowhere.as_str()])).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    let said = gateway.says(&nowhere).await;
    assert!(said.contains("not found") || said.contains("there is no namespace"), "{said}");
    drop(listing);
    gateway.end().await;
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_secret_that_somebody_has_removed_is_named() {
    let Some(world) = World::new().await else { return };
    let scene =
        world.scene(&catalog(&[("echo", &format!("{ECHO}\nsecrets: [{{name: echo.token, env: TOKEN}}]"))]));
    scene.file(".env", "echo.token=hunter2-that-goes\n");
    let gateway = world.serve(&scene, "echo", &["--secrets", ".env"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    world.kubectl(&["delete", "secrets", "--all"]).await;
    world.kubectl(&["delete", "pods", "--all", "--grace-period=0", "--force"]).await;
    let error = eventually("a call that says why", async || {
        match client.call("echo", json!({"message": "a"})).await {
            Err(error) if error.message.contains("mcp-gateway-secrets") => Ok(error.message),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(error.contains("not found"), "{error}");
    assert!(!gateway.said().contains("hunter2-that-goes"));
    gateway.end().await;
    world.nothing_left().await;
}

/// Each right alone, and the rule that gives it.
#[tokio::test]
async fn each_missing_right_is_told_before_anything_is_made() {
    let Some(world) = World::new().await else { return };
    world.kubectl(&["create", "serviceaccount", "poor"]).await;
    let subject = format!("--serviceaccount={}:poor", world.namespace);
    world.kubectl(&["create", "rolebinding", "poor", "--role=poor", &subject]).await;
    let token = world.kubectl(&["create", "token", "poor"]).await;
    let mut config: Value =
        serde_json::from_str(&world.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"]).await)
            .unwrap();
    config["users"][0]["user"] = json!({ "token": token.trim() });
    let tool = "{name: t, container: {image: 'REGISTRY/mcp/argv:1', command: [x]}}";
    let scene = world.scene(&catalog(&[
        ("http", "image: REGISTRY/mcp/null:1\ndisableNetwork: true\ntransport: http\nports: [{containerPort: 8000}]"),
        ("stdio", "image: REGISTRY/mcp/null:1\nsecrets: [{name: stdio.token, env: TOKEN}]"),
        ("tool", &format!("tools: [{tool}]")),
    ]));
    scene.file("poor.yaml", config.to_string());
    scene.file(".env", "stdio.token=hunter2\n");
    type Rights = &'static [(&'static str, &'static str, &'static [&'static str])];
    const PODS: (&str, &str, &[&str]) = ("", "pods", &["create", "get", "list", "watch", "delete"]);
    const MADE: &[&str] = &["create", "get", "delete"];
    let all: [(&str, Rights); 3] = [
        (
            "http",
            &[
                PODS,
                ("", "pods/portforward", &["create"]),
                ("apps", "deployments", &["create", "get", "list", "watch", "delete"]),
                ("", "services", MADE),
                ("networking.k8s.io", "networkpolicies", MADE),
            ],
        ),
        ("stdio", &[PODS, ("", "pods/attach", &["create"]), ("", "secrets", MADE)]),
        ("tool", &[PODS, ("", "pods/attach", &["create"]), ("", "configmaps", MADE)]),
    ];
    for (server, rights) in all {
        // Those of pods are the same for all.
        for (_, missing_of, verbs) in rights.iter().filter(|right| **right != PODS || server == "http") {
            for missing in *verbs {
                let rules: Vec<Value> = rights
                    .iter()
                    .map(|(group, plural, verbs)| {
                        let verbs: Vec<_> =
                            verbs.iter().filter(|verb| plural != missing_of || *verb != missing).collect();
                        json!({"apiGroups": [group], "resources": [plural], "verbs": verbs})
                    })
                    .filter(|rule| rule["verbs"] != json!([]))
                    .collect();
                let role = json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "Role",
                    "metadata": {"name": "poor", "namespace": world.namespace},
                    "rules": rules,
                });
                let file = scene.file("role.json", role.to_string());
                world.kubectl(&["apply", "-f", file.to_str().unwrap()]).await;
                let wanted = format!("may not {missing_of}.{missing}");
                // The rule is there a moment before the API server goes by it.
                eventually(&format!("`{wanted}`"), async || {
                    let arguments = ["run", "--dry-run", "--catalog", "catalog.yaml", "--servers", server];
                    let more = ["--secrets", ".env", "--provisioner", "k8s", "--kubeconfig", "poor.yaml"];
                    let arguments = arguments.into_iter().chain(more);
                    let dry = scene.run(arguments.chain(["--namespace", &world.namespace])).await;
                    let seen = dry.seen();
                    // The sentence ends with it: nothing else is missing.
                    let alone = [" ", "\n", ";"].iter().any(|end| seen.contains(&format!("{wanted}{end}")));
                    if alone && seen.contains("a Role there needs the rule") && dry.code != Some(0) {
                        Ok(())
                    } else {
                        Err(seen)
                    }
                })
                .await;
            }
        }
    }
    world.nothing_left().await;
}

#[tokio::test]
async fn two_gateways_in_one_namespace_leave_each_other_alone() {
    let Some(world) = World::new().await else { return };
    let entry = format!("{ECHO}\nsecrets: [{{name: echo.token, env: TOKEN}}]");
    let (one, other) =
        (world.scene(&catalog(&[("echo", &entry)])), world.scene(&catalog(&[("echo", &entry)])));
    for scene in [&one, &other] {
        scene.file(".env", "echo.token=hunter2\n");
    }
    let first = world.serve(&one, "echo", &["--secrets", ".env"]).await;
    let second = world.serve(&other, "echo", &["--secrets", ".env"]).await;
    let mut of_first = first.client(LEGACY).await;
    let mut of_second = second.client(LEGACY).await;
    of_first.await_tools(&["echo"]).await;
    of_second.await_tools(&["echo"]).await;
    of_second.text("echo", json!({"message": "before"})).await;
    assert_eq!(world.get("leases").await.len(), 2);
    assert_eq!(world.get("secrets").await.len(), 2);
    let swept = one
        .run(
            ["server", "sweep", "--catalog", "catalog.yaml", "--servers", "echo", "--provisioner", "k8s"]
                .into_iter()
                .chain(["--namespace", &world.namespace]),
        )
        .await;
    swept.expect_code(0);
    first.end().await;
    // The same process, not a new one: nothing of the second was touched.
    let before: Vec<String> =
        world.get("pods").await.iter().map(|pod| pod["metadata"]["uid"].to_string()).collect();
    assert!(of_second.text("echo", json!({"message": "after"})).await.contains("after"));
    let after: Vec<String> =
        world.get("pods").await.iter().map(|pod| pod["metadata"]["uid"].to_string()).collect();
    assert!(!before.is_empty() && before == after, "{before:?} {after:?}");
    second.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn fifty_servers_come_up_at_once_and_all_go() {
    let Some(world) = World::new().await else { return };
    let servers: String =
        (0..50).map(|n| format!("  s{n}: {{image: '{}/mcp/null:1'}}\n", registry())).collect();
    let scene = world.scene("registry: {}\n");
    scene.settings(&format!("servers:\n{servers}front: {{names: all}}\n"));
    let gateway = world.serve_settings(&scene, &["--max-server-startup-timeout", "120"]).await;
    let mut client = gateway.client(LEGACY).await;
    let wanted: Vec<String> = (0..50).map(|n| format!("s{n}__echo")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    client.await_tools(&wanted).await;
    for n in [0, 17, 49] {
        assert!(client.text(&format!("s{n}__echo"), json!({"message": "fifty"})).await.contains("fifty"));
    }
    world.running(50).await;
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}

/// The nodes pull, so the gateway must look before it makes a pod.
#[tokio::test]
async fn images_follow_the_policy_of_the_operator_in_pods_too() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("echo", ECHO)]));
    let gateway = world.serve(&scene, "echo", &["--verify-signatures"]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    gateway.says("it must be referenced by digest").await;
    assert_eq!(world.get("pods").await.len(), 0);
    drop(listing);
    gateway.end().await;
    world.nothing_left().await;
}
