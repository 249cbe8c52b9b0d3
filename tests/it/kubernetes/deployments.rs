//! Servers that are reached over the network are kept by a Deployment (`provisioning.md` 7, 4.4-7): what is taken away comes back by itself, the
//! gateway finds it again, and it goes whole.

use super::{HTTP, KINDS, LEGACY, World, answers, catalog, registry};
use gateway_tests::harness::{Scene, eventually};
use serde_json::{Value, json};

fn uids(objects: &[Value]) -> Vec<String> {
    let mut uids: Vec<String> = objects.iter().map(|object| object["metadata"]["uid"].to_string()).collect();
    uids.sort();
    uids
}

impl World {
    /// Two servers that all clients share: one behind the bridge, one over HTTP.
    fn shared(&self) -> Scene {
        let scene = self.scene("registry: {}\n");
        scene.settings(&format!(
            "servers:
  bridged: {{image: '{0}/mcp/null:1', lifetime: shared}}
  http: {{image: '{0}/mcp/everything:1', command: [streamableHttp], transport: http, ports: [{{containerPort: 3001}}], lifetime: shared}}
front: {{names: all}}
",
            registry()
        ));
        scene
    }

    /// Asks the cluster to evict a pod, as it does itself when a node is drained.
    async fn evict(&self, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": self.namespace},
        });
        let scene = self.scene("registry: {}\n");
        let file = scene.file("eviction.json", eviction.to_string());
        let path = format!("/api/v1/namespaces/{}/pods/{name}/eviction", self.namespace);
        self.kubectl(&["create", "--raw", &path, "-f", file.to_str().unwrap()]).await;
    }
}

#[tokio::test]
async fn a_long_lived_server_comes_back_by_itself_and_goes_whole() {
    let Some(world) = World::new().await else { return };
    let scene = world.shared();
    let gateway = world.serve_settings(&scene, &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["bridged__echo", "http__echo"]).await;
    let before = world.get("deployments").await;
    assert_eq!(before.len(), 2);
    for deployment in &before {
        let spec = &deployment["spec"];
        assert_eq!((&spec["replicas"], &spec["strategy"]["type"]), (&json!(1), &json!("Recreate")));
    }
    // Deleted without notice, then evicted: each time another pod, of the same Deployment.
    let mut pods = world.get("pods").await;
    for evicted in [false, true] {
        for pod in &pods {
            if evicted {
                world.evict(pod).await;
            } else {
                let name = pod["metadata"]["name"].as_str().unwrap();
                world.kubectl(&["delete", "pod", name, "--grace-period=0", "--force"]).await;
            }
        }
        let old = uids(&pods);
        pods = eventually("two other pods", async || {
            let now = world.get("pods").await;
            let ready = |pod: &&Value| pod["status"]["containerStatuses"][0]["ready"] == true;
            let fits = now.len() == 2 && now.iter().filter(ready).count() == 2;
            let others = uids(&now).iter().all(|uid| !old.contains(uid));
            if fits && others { Ok(now) } else { Err(format!("{:?}: {}", uids(&now), gateway.said())) }
        })
        .await;
        for tool in ["bridged__echo", "http__echo"] {
            answers(&mut client, tool).await;
        }
        assert_eq!(uids(&world.get("deployments").await), uids(&before), "nothing was provisioned anew");
    }
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
}

/// Without the gateway they would come back for ever.
#[tokio::test]
async fn what_a_killed_gateway_kept_goes_whole_with_the_next_start() {
    let Some(world) = World::new().await else { return };
    let scene = world.shared();
    let gateway = world.serve_settings(&scene, &[]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["bridged__echo", "http__echo"]).await;
    let session = world.get("leases").await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    gateway.kill().await;
    assert_eq!(world.get("deployments").await.len(), 2, "they go on");
    let next = world.serve_settings(&scene, &[]).await;
    world
        .gone(KINDS, |object| {
            object["metadata"]["labels"]["mcp-gateway.docker.com/session"] == session.as_str()
        })
        .await;
    next.end().await;
    world.nothing_left().await;
}

/// Each reason not to come up is told as it is for a pod, early, and nothing stays.
#[tokio::test]
async fn what_a_deployment_cannot_bring_up_is_told_and_gone() {
    let Some(world) = World::new().await else { return };
    let missing = HTTP.replace("mcp/everything:1", "mcp/none:9");
    let crash = "image: REGISTRY/mcp/argv:1\ncommand: ['--argv-exit=7', '--argv-stderr=last words']\ntransport: http\nports: [{containerPort: 80}]";
    let scene = world.scene(&catalog(&[("missing", &missing), ("crash", crash)]));
    let gateway = world.serve(&scene, "missing,crash", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    let said = gateway.says("mcp/none:9`").await;
    assert!(said.contains("ErrImagePull") || said.contains("ImagePullBackOff"), "{said}");
    gateway.says("exit code 7").await;
    drop(listing);
    world.gone("pods,replicasets,deployments,services", |_| true).await;
    gateway.end().await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_quota_that_keeps_a_deployment_from_making_its_pod_is_told() {
    let Some(world) = World::new().await else { return };
    world.kubectl(&["create", "quota", "little", "--hard=pods=0"]).await;
    let scene = world.scene(&catalog(&[("http", HTTP)]));
    let gateway = world.serve(&scene, "http", &[]).await;
    let mut client = gateway.client(LEGACY).await;
    let listing = client.begin("tools/list", json!({})).await;
    let said = gateway.says("exceeded quota: little").await;
    assert!(said.contains("pods=0"), "{said}");
    drop(listing);
    gateway.end().await;
    world.nothing_left().await;
}
