//! What a pod may reach, asked from inside it: the cluster of the test environment enforces network policies.

use super::{LEGACY, World, catalog, registry};
use gateway_tests::harness::{Client, eventually};
use serde_json::{Value, json};

/// Tries for a while, because a new pod has no network until the cluster has noticed its address.
const SHELL: &str = r#"tools:
  - name: reach
    parameters: {type: object, properties: {address: {type: string}, port: {type: string}}}
    container:
      image: 'REGISTRY/mcp/busybox:1'
      user: '65534'
      command: [sh, -c, 'for i in 1 2 3 4; do nc -w 2 "$0" "$1" </dev/null >/dev/null 2>&1 && echo reached && exit; done; echo refused', '{{address}}', '{{port}}']"#;

impl World {
    /// A pod that listens, with a Service of its name: the addresses of both.
    async fn listener(&self, name: &str) -> (String, String) {
        let image = format!("{}/mcp/null:1", registry());
        let arguments =
            ["run", name, "--image", &image, "--port", "8000", "--expose", "--restart=Never", "--"];
        self.kubectl(&[&arguments[..], &["backend", "--port", "8000", "--bind", "0.0.0.0"]].concat()).await;
        self.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", &format!("pod/{name}")]).await;
        let address = async |what: &str, path: &str| {
            self.kubectl(&["get", what, name, "-o", &format!("jsonpath={{{path}}}")]).await
        };
        (address("pod", ".status.podIP").await, address("service", ".spec.clusterIP").await)
    }
}

async fn reach(client: &mut Client, address: &str, port: &str) -> String {
    client.text("reach", json!({"address": address, "port": port})).await.trim().to_owned()
}

/// The answer of each: the listed pod, by its Service; the one that is not listed; the cluster's names.
async fn three(world: &World, entry: &str, arguments: &[&str]) -> [String; 3] {
    let (_, listed) = world.service("listed").await;
    let (_, other) = world.service("other").await;
    let names = world.name_server().await;
    let scene = world.scene(&catalog(&[("net", &format!("{entry}{SHELL}"))]));
    let gateway = world.serve(&scene, "net", arguments).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["reach"]).await;
    let answers = [
        reach(&mut client, &listed, "8000").await,
        reach(&mut client, &other, "8000").await,
        reach(&mut client, &names, "53").await,
    ];
    gateway.end().await;
    answers
}

impl World {
    async fn service(&self, name: &str) -> (String, String) {
        let service = self.kubectl(&["get", "service", name, "-o", "jsonpath={.spec.clusterIP}"]).await;
        (name.to_owned(), service)
    }

    /// Where pods ask for names.
    async fn name_server(&self) -> String {
        let image = format!("{}/mcp/busybox:1", registry());
        let arguments =
            ["run", "asks", "--image", &image, "--restart=Never", "--", "cat", "/etc/resolv.conf"];
        self.kubectl(&arguments).await;
        let file = eventually("a name server", async || {
            let log = self.kubectl_may_fail(&["logs", "asks"]).await;
            if log.contains("nameserver") { Ok(log) } else { Err(log) }
        })
        .await;
        self.kubectl(&["delete", "pod", "asks", "--grace-period=0", "--force"]).await;
        let line = file.lines().find_map(|line| line.strip_prefix("nameserver "));
        line.unwrap().trim().to_owned()
    }
}

#[tokio::test]
async fn what_is_listed_is_reached_and_nothing_else() {
    let Some(world) = World::new().await else { return };
    let (listed, _) = world.listener("listed").await;
    world.listener("other").await;
    let all = three(&world, "", &[]).await;
    assert_eq!(all, ["reached", "reached", "reached"], "without a word everything is reached");
    let none = three(&world, "disableNetwork: true\n", &[]).await;
    assert_eq!(none, ["refused", "refused", "refused"]);
    // By the name of a Service, so names must be looked up.
    let named = three(&world, "allowHosts: ['listed:8000']\n", &["--block-network"]).await;
    assert_eq!(named, ["reached", "refused", "reached"]);
    // By address no names are needed, and so there are none.
    let entry = format!("allowHosts: ['{listed}:8000']\n");
    let addressed = three(&world, &entry, &["--block-network"]).await;
    assert_eq!(addressed, ["reached", "refused", "refused"]);
    world.nothing_left().await;
}

#[tokio::test]
async fn names_that_a_policy_cannot_express_are_said_in_the_plan() {
    let Some(world) = World::new().await else { return };
    let scene =
        world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1\nallowHosts: ['api.example.com:443']")]));
    let arguments =
        ["run", "--dry-run", "--json", "--block-network", "--catalog", "catalog.yaml", "--servers", "echo"];
    let arguments =
        arguments.into_iter().chain(["--provisioner", "kubernetes", "--namespace", &world.namespace]);
    let plan = scene.run(arguments).await;
    let said = plan.seen();
    assert!(said.contains("a NetworkPolicy knows addresses and no names"), "{said}");
    assert!(said.contains("api.example.com:443"), "{said}");
    world.nothing_left().await;
}

/// What the API server has of a policy is what the plan shows.
#[tokio::test]
async fn a_server_without_network_is_shut_in_before_it_starts() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&catalog(&[("echo", "image: REGISTRY/mcp/null:1\ndisableNetwork: true")]));
    let gateway = world.serve(&scene, "echo", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    client.call("echo", json!({"message": "a"})).await.unwrap();
    let policies = world.get("networkpolicies").await;
    let pods = world.get("pods").await;
    assert_eq!(policies.len(), pods.len());
    for policy in &policies {
        assert_eq!(policy["spec"].get("egress"), None::<&Value>, "none at all: {policy}");
        assert_eq!(policy["spec"]["policyTypes"], json!(["Egress"]));
        let of = &policy["spec"]["podSelector"]["matchLabels"]["gateway-request"];
        let pod = pods.iter().find(|pod| pod["metadata"]["labels"]["gateway-request"] == *of).unwrap();
        let made = |object: &Value| object["metadata"]["creationTimestamp"].as_str().unwrap().to_owned();
        assert!(made(policy) <= made(pod), "the policy is there first");
    }
    gateway.end().await;
    world.nothing_left().await;
}
