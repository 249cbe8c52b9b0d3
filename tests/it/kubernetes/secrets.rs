//! Who has secrets and settings of servers in a cluster (`provisioning.md` 3.12, 3.13): the gateway, which makes a Secret of its session, or the
//! cluster, in a Secret and a ConfigMap that an operator made. The process itself says what reached it.

use super::{LEGACY, World, catalog};
use gateway_tests::harness::{Client, Gateway, Scene};
use serde_json::{Value, json};

/// A server that tells its variables, and one that is asked for those it should not have.
const SERVERS: [(&str, &str); 2] = [
    (
        "one",
        "image: REGISTRY/mcp/everything:1
command: [stdio, '--region={{one.region}}', '--level={{one.level|or:in$(HOME)fo}}', '$(HOME)', '$REGION']
secrets: [{name: one/token, env: TOKEN}, {name: one.hidden, env: ''}]
env:
  - {name: STATIC, value: 'a $(HOME) b'}
  - {name: REGION, value: '{{one.region}}'}
  - {name: URL, value: 'https://{{one.host}}:{{one.port|or:443}}/'}
  - {name: HEADER, value: 'Bearer $TOKEN'}
  - {name: PAIR, value: '{{one.hidden}}@{{one.host}}'}
  - {name: MAYBE, value: '{{one.maybe}}'}
  - {name: BY_NAME, value: '{{one.by_name}}'}
config: [{name: one, type: object, properties: {region: {type: string}, host: {type: string}, maybe: {type: string}}, required: [region]}]",
    ),
    (
        "two",
        "image: REGISTRY/mcp/everything:1
prefix: two
secrets: [{name: two.token, env: TOKEN}]
env: [{name: REGION, value: '{{two.region}}'}]",
    ),
];

/// Flags of the documents.
const CLUSTER: [&str; 8] = [
    "--cluster-config-provider",
    "cluster",
    "--cluster-secret-provider",
    "cluster",
    "--cluster-config-name",
    "my-mcp-config",
    "--cluster-secret-name",
    "my-mcp-secrets",
];

async fn filled(world: &World) {
    world
        .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-mcp-config"}, "data": {
            "one.region": "eu-1", "one.host": "acme.example", "BY_NAME": "by its own name", "two.region": "us-2",
        }}))
        .await;
    world
        .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "my-mcp-secrets"}, "stringData": {
            "one___token": "hunter2", "one.hidden": "hunter3", "two.token": "hunter4",
        }}))
        .await;
}

async fn environment(client: &mut Client, tool: &str) -> Value {
    let text = client.text(tool, json!({})).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn serve<'s>(world: &World, scene: &'s Scene, servers: &str, more: &[&str]) -> (Gateway<'s>, Client) {
    let gateway = world.serve(scene, servers, &[&CLUSTER, more].concat()).await;
    let client = gateway.client(LEGACY).await;
    (gateway, client)
}

/// Pods of a server that are there.
async fn pods(world: &World, server: &str) -> Vec<Value> {
    let pods = world.get("pods").await;
    pods.into_iter().filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/name"] == server).collect()
}

#[tokio::test]
async fn secrets_and_settings_of_the_cluster_reach_their_server_and_no_other() {
    let Some(world) = World::new().await else { return };
    filled(&world).await;
    // What is known here does not count: the cluster wins, whatever files are there.
    let scene = world.scene(&catalog(&SERVERS));
    scene.file("config.yaml", "one: {region: from-a-file}\n");
    scene.file(".env", "one/token=from-a-file\n");
    let local = ["--config", "config.yaml", "--secrets", ".env"];
    let (gateway, mut client) = serve(&world, &scene, "one,two", &local).await;
    client.await_tools(&["get-env", "two__get-env"]).await;
    let one = environment(&mut client, "get-env").await;
    for (name, value) in [
        ("STATIC", "a $(HOME) b"),
        ("REGION", "eu-1"),
        ("URL", "https://acme.example:443/"),
        ("TOKEN", "hunter2"),
        ("HEADER", "Bearer hunter2"),
        ("PAIR", "hunter3@acme.example"),
        ("BY_NAME", "by its own name"),
    ] {
        assert_eq!(one[name], value, "{name}");
    }
    assert_eq!(one.get("MAYBE"), None, "what may be absent sets nothing");
    let two = environment(&mut client, "two__get-env").await;
    assert_eq!((&two["TOKEN"], &two["REGION"]), (&json!("hunter4"), &json!("us-2")));
    for secret in ["hunter2", "hunter3", "from-a-file"] {
        assert!(!two.to_string().contains(secret) && !one.to_string().contains("hunter4"), "{secret}");
    }

    let found = pods(&world, "one").await;
    for pod in &found {
        let text = pod.to_string();
        assert!(!text.contains("hunter") && !text.contains("{{") && !text.contains("from-a-file"), "{text}");
        let args = &pod["spec"]["containers"][0]["args"];
        assert_eq!(args[1], "--region=$(MCPCFG_one_region)", "{args}");
    }
    let name = found[0]["metadata"]["name"].as_str().unwrap();
    let words = world.kubectl(&["exec", name, "--", "cat", "/proc/1/cmdline"]).await;
    let expected = ["stdio", "--region=eu-1", "--level=in$(HOME)fo", "$(HOME)", "eu-1", ""];
    assert!(words.ends_with(&expected.join("\0")), "{words:?}");
    // Nothing was made but pods: both objects are an operator's.
    assert!(world.get("secrets,configmaps").await.is_empty());
    gateway.end().await;
    world.nothing_left().await;
    world.kubectl(&["get", "secret/my-mcp-secrets", "configmap/my-mcp-config"]).await;
}

#[tokio::test]
async fn what_the_cluster_lacks_is_named_before_anything_is_created() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&SERVERS));
    let (gateway, client) = serve(&world, &scene, "one,two", &[]).await;
    let said = gateway.says("there is no Secret `my-mcp-secrets` in namespace").await;
    assert!(said.contains("gateway cluster populate-secret FILE my-mcp-secrets"), "{said}");
    drop(client);
    gateway.end().await;

    world
        .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "my-mcp-secrets"}, "stringData": {"two.token": "x", "one.hidden": "y"}}))
        .await;
    world.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-mcp-config"}, "data": {"REGION": "whole"}})).await;
    let (gateway, mut client) = serve(&world, &scene, "one,two", &[]).await;
    let said = gateway.says("Secret `my-mcp-secrets` in namespace").await;
    assert!(said.contains("has no key `one___token`") && !said.contains("hidden"), "{said}");
    // The other one comes up, with the key that is its variable's own name.
    client.await_tools(&["two__get-env"]).await;
    assert_eq!(environment(&mut client, "two__get-env").await["REGION"], "whole");
    gateway.end().await;

    world.kubectl(&["delete", "configmap", "my-mcp-config"]).await;
    let (gateway, _client) = serve(&world, &scene, "two", &[]).await;
    let said = gateway.says("give variable `REGION` its value").await;
    assert!(
        said.contains("ConfigMap `my-mcp-config`")
            && said.contains("has no key `two.region` and no key `REGION`"),
        "{said}"
    );
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_gateway_that_may_read_neither_starts_servers_with_both() {
    let Some(world) = World::new().await else { return };
    filled(&world).await;
    let kubeconfig = world
        .account(
            "blind",
            &[
                ("pods", "create,get,list,watch,delete"),
                ("pods/attach", "create,get"),
                ("pods/log", "get"),
                ("events", "list"),
                ("leases.coordination.k8s.io", "create,get,list,patch,delete"),
            ],
        )
        .await;
    let scene = world.scene(&catalog(&SERVERS));
    scene.file("blind.yaml", kubeconfig);
    let (gateway, mut client) = serve(&world, &scene, "two", &["--kubeconfig", "blind.yaml"]).await;
    client.await_tools(&["two__get-env"]).await;
    let two = environment(&mut client, "two__get-env").await;
    assert_eq!((&two["TOKEN"], &two["REGION"]), (&json!("hunter4"), &json!("us-2")));
    // What is missing then is told by the pod.
    world
        .kubectl(&[
            "patch",
            "secret",
            "my-mcp-secrets",
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/data/two.token"}]"#,
        ])
        .await;
    gateway.end().await;
    let (gateway, _client) = serve(&world, &scene, "two", &["--kubeconfig", "blind.yaml"]).await;
    let said = gateway.says("CreateContainerConfigError").await;
    assert!(said.contains("two.token"), "{said}");
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn providers_that_would_be_ignored_are_refused() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[
        ("plain", "image: REGISTRY/mcp/null:1"),
        ("lists", "image: REGISTRY/mcp/null:1\ncommand: ['{{lists.words|into}}']"),
        ("mounts", "image: REGISTRY/mcp/null:1\nvolumes: ['{{mounts.dir}}:/data']"),
        ("clash", "image: REGISTRY/mcp/null:1\nsecrets: [{name: a/b, env: A}, {name: 'a:b', env: B}]"),
    ]));
    let plan = async |servers: &str, more: &[&str]| {
        let arguments = [
            "run",
            "--dry-run",
            "--catalog",
            "catalog.yaml",
            "--servers",
            servers,
            "--namespace",
            &world.namespace,
        ];
        scene.run(arguments.iter().chain(more)).await
    };
    // The documents' own command line leaves the provisioner out: the servers would go to Docker, without these values.
    for more in [&CLUSTER[..], &["--provisioner", "docker", "--secret-provider", "cluster"]] {
        let refused = plan("plain", more).await.expect_code(2);
        assert!(refused.stderr.contains("say `--provisioner kubernetes`"), "{}", refused.stderr);
    }
    let kubernetes = |more: &[&'static str]| [&["--provisioner", "kubernetes"], more].concat();
    let name = plan("plain", &kubernetes(&["--cluster-config-name", "mine"])).await.expect_code(2);
    assert!(name.stderr.contains("names a ConfigMap of the cluster"), "{}", name.stderr);
    let twice = plan(
        "plain",
        &kubernetes(&["--secret-provider", "cluster", "--cluster-secret-provider", "docker-engine"]),
    )
    .await
    .expect_code(2);
    assert!(twice.stderr.contains("cannot be used multiple times"), "{}", twice.stderr);
    let unknown = plan("plain", &kubernetes(&["--config-provider", "cloud"])).await.expect_code(2);
    assert!(
        unknown.stderr.contains("docker-engine") && unknown.stderr.contains("cluster"),
        "{}",
        unknown.stderr
    );
    for (server, why) in [
        ("lists", "`command` has the template `{{lists.words|into}}`, which needs the value itself"),
        (
            "mounts",
            "`volumes` has the template `{{mounts.dir}}:/data`, whose value must be known before the pod is made",
        ),
    ] {
        let refused = plan(server, &kubernetes(&["--config-provider", "cluster"])).await;
        assert_ne!(refused.code, Some(0));
        assert!(refused.seen().contains(why), "{}", refused.seen());
    }
    let scene = &scene;
    let gateway = world.serve(scene, "clash", &["--secret-provider", "cluster"]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    gateway.says("`a/b` and `a:b` would be one key in the cluster, `a___b`").await;
    drop(listing);
    gateway.end().await;
    world.nothing_left().await;
}

/// `provisioning.md` 3.12, ownership: two gateways cannot overwrite or delete each other's objects.
#[tokio::test]
async fn a_secret_of_a_session_that_lives_is_nobody_elses() {
    let Some(world) = World::new().await else { return };
    let entry = "image: REGISTRY/mcp/null:1\nsecrets: [{name: acme.token, env: TOKEN}]";
    let (first, second) =
        (world.scene(&catalog(&[("echo", entry)])), world.scene(&catalog(&[("echo", entry)])));
    for scene in [&first, &second] {
        scene.file(".env", "acme.token=hunter2\n");
    }
    let named = ["--secrets", ".env", "--cluster-secret-name", "shared"];
    let one = world.serve(&first, "echo", &named).await;
    let mut client = one.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let two = world.serve(&second, "echo", &named).await;
    let mut other = two.client(LEGACY).await;
    let listing = other.begin("tools/list", json!({})).await;
    let said = two.says("Secret `shared` in namespace").await;
    assert!(
        said.contains("belongs to session mcp-gateway-") && said.contains("--cluster-secret-name"),
        "{said}"
    );
    drop(listing);
    two.end().await;
    assert_eq!(world.get("secrets").await.len(), 1, "it is the first one's still");
    // Without a name each has its own, with the same servers in one namespace.
    let three = world.serve(&second, "echo", &["--secrets", ".env"]).await;
    let mut third = three.client(LEGACY).await;
    third.await_tools(&["echo"]).await;
    assert_eq!(world.get("secrets").await.len(), 2);
    three.end().await;
    client.text("echo", json!({"message": "still here"})).await;
    one.end().await;
    world.nothing_left().await;
    // An operator's own is never touched.
    world.kubectl(&["create", "secret", "generic", "shared", "--from-literal=a=b"]).await;
    let four = world.serve(&first, "echo", &named).await;
    let mut fourth = four.client(LEGACY).await;
    let listing = fourth.begin("tools/list", json!({})).await;
    four.says("belongs to somebody else").await;
    drop(listing);
    four.end().await;
    let kept: Value =
        serde_json::from_str(&world.kubectl(&["get", "secret", "shared", "-o", "json"]).await).unwrap();
    assert_eq!(kept["data"]["a"], "Yg==");
}

/// A login of the settings is a Secret by which pods pull, made of a secret of the plugin's own, and gone with the session.
#[tokio::test]
async fn logins_of_registries_become_pull_secrets_of_the_session() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1")]));
    scene.file(".env", "registry.password=hunter2\n");
    let settings = |secrets: &str| {
        format!(
            "plugins:
  kubernetes:
    bundled: kubernetes
    grants:
      kubernetes: {{namespaces: [{}], kinds: [v1/Pod, v1/Secret]}}
      secrets: {secrets}
    settings:
      registryLogins: [{{registry: 'registry.example:5000', username: me, passwordSecret: registry.password}}]
",
            world.namespace
        )
    };
    scene.settings(&settings("[{name: registry.password, hosts: ['registry.example:5000']}]"));
    let gateway = world.serve(&scene, "echo", &["--secrets", ".env"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let made = world.get("secrets").await;
    let [secret] = made.as_slice() else { panic!("one Secret: {made:?}") };
    assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
    let name = secret["metadata"]["name"].as_str().unwrap();
    let template = "{{index .data \".dockerconfigjson\" | base64decode}}";
    let text = world.kubectl(&["get", "secret", name, "-o", &format!("go-template={template}")]).await;
    let login: Value = serde_json::from_str(&text).unwrap();
    let entry = &login["auths"]["registry.example:5000"];
    assert_eq!(*entry, json!({"username": "me", "password": "hunter2", "auth": "bWU6aHVudGVyMg=="}));
    for pod in world.get("pods").await {
        assert_eq!(pod["spec"]["imagePullSecrets"], json!([{ "name": name }]));
        assert!(!pod.to_string().contains("hunter2"));
    }
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains("hunter2"));
    world.nothing_left().await;
    // A secret that was not granted to the plugin is not its own.
    scene.settings(&settings("[]"));
    let gateway = world.serve(&scene, "echo", &["--secrets", ".env"]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    gateway.says("a login is made of text and of secrets that are granted to the plugin").await;
    drop(listing);
    gateway.end().await;
    world.nothing_left().await;
}
