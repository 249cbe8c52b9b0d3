//! The gateway itself in the cluster, by the manifests of `examples/kubernetes` as they are there: only the images' names and the namespace are
//! others. A client outside reaches it by port-forward.

use super::{KINDS, LEGACY, World, registry, variable};
use crate::program::scene;
use gateway_tests::contract::repository;
use gateway_tests::harness::{Client, Endpoint, TOKEN, eventually, patiently};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// An image of the program under test, in the registry. It goes there again when the test ends.
struct Image {
    reference: String,
    folder: PathBuf,
    digest: String,
}

async fn docker(arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    // The older builder is in every engine and pulls nothing.
    command.args(arguments).env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "docker {arguments:?}: {text}");
    text
}

impl Image {
    async fn build(world: &World) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_gateway-under-test"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-{}", world.namespace));
        std::fs::create_dir_all(&folder).unwrap();
        // Symbols are most of a debug build. Without the tool the image is larger.
        let stripped = folder.join("gateway");
        let strip = Command::new("strip").arg("-o").arg(&stripped).arg(program).status().await;
        if !strip.is_ok_and(|status| status.success()) {
            std::fs::copy(program, &stripped).unwrap();
        }
        let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        let bridge = program
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .join("bundled")
            .join(triple)
            .join("release/gateway-bridge");
        std::fs::copy(&bridge, folder.join("gateway-bridge"))
            .unwrap_or_else(|error| panic!("{}: {error}", bridge.display()));
        // Compiled once, here, and not by each pod.
        let cache = folder.join("cache");
        let here = scene();
        let mut warm = here.command(["plugin", "check", "kubernetes"]);
        warm.env("GATEWAY_CACHE", &cache).stdin(Stdio::null());
        let output = patiently("the plugin to be compiled", warm.output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let reference = format!("{}/it/gateway:{}", registry(), world.namespace);
        let file = repository().join("examples/kubernetes/Dockerfile");
        let (file, context) = (file.display().to_string(), folder.display().to_string());
        docker(&["build", "--build-arg", "BASE=mcp/time:1", "-f", &file, "-t", &reference, &context]).await;
        let pushed = docker(&["push", &reference]).await;
        let digest = pushed.split_once("digest: ").and_then(|(_, rest)| rest.split_whitespace().next());
        let digest = digest.unwrap_or_else(|| panic!("no digest: {pushed}")).to_owned();
        Self { reference, folder, digest }
    }
}

impl Drop for Image {
    /// Also when the test fails.
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", &self.reference]).output();
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Ok(mut stream) = std::net::TcpStream::connect(registry()) {
            let path = format!("/v2/it/gateway/manifests/{}", self.digest);
            let request = format!("DELETE {path} HTTP/1.0\r\nHost: {}\r\n\r\n", registry());
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
}

/// A way from here to a Service, by `kubectl port-forward`.
struct Forward {
    _child: Child,
    endpoint: Endpoint,
}

impl Forward {
    async fn to(world: &World) -> Self {
        let mut command = Command::new(variable("GATEWAY_TEST_KUBECTL"));
        command.args([
            "--namespace",
            &world.namespace,
            "port-forward",
            "service/mcp-gateway",
            ":8811",
            "--address",
            "127.0.0.1",
        ]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = patiently("a forwarded port", lines.next_line())
            .await
            .unwrap()
            .expect("it says where it listens");
        let port = line.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split_whitespace().next());
        let port = port.unwrap_or_else(|| panic!("no port: {line}"));
        // It goes on writing, and must not be held up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let endpoint = Endpoint::new(&format!("http://127.0.0.1:{port}/mcp"), Some(TOKEN));
        Self { _child: child, endpoint }
    }

    async fn client(&self) -> Client {
        Client::over_http(self.endpoint.clone(), LEGACY).await
    }
}

impl World {
    /// Applies an example, with the images and the namespace of this test, and waits until the gateway is ready.
    async fn apply_example(&self, name: &str, image: &Image) {
        self.apply_changed(name, image, &[]).await;
    }

    /// The same, with what an operator changes in it.
    async fn apply_changed(&self, name: &str, image: &Image, changes: &[(&str, &str)]) {
        let file = repository().join("examples/kubernetes").join(name);
        let mut text = std::fs::read_to_string(&file).unwrap();
        for (before, after) in changes {
            assert_eq!(text.matches(before).count(), 1, "{before}");
            text = text.replace(before, after);
        }
        let text = text
            .replace("namespace: mcp}", &format!("namespace: {}}}", self.namespace))
            .replace("namespace: mcp\n", &format!("namespace: {}\n", self.namespace))
            .replace("image: gateway\n", &format!("image: {}\n", image.reference))
            .replace("image: mcp/time\n", &format!("image: {}/mcp/time:1\n", registry()))
            .replace("image: mcp/everything\n", &format!("image: {}/mcp/everything:1\n", registry()));
        assert!(!text.contains("namespace: mcp"), "every namespace is replaced");
        // The question of a pod of busybox, which is root, is asked where provisioning is.
        let level = "pod-security.kubernetes.io/enforce=restricted";
        if name != "provisioning.yaml" {
            self.kubectl(&["label", "namespace", &self.namespace, level]).await;
        }
        let token = format!("--from-literal=token={TOKEN}");
        self.kubectl(&["create", "secret", "generic", "mcp-gateway-token", &token]).await;
        self.apply_text(&text).await;
        self.rolled_out("mcp-gateway").await;
    }

    async fn rolled_out(&self, deployment: &str) {
        let what = format!("deployment/{deployment}");
        let said = self.kubectl_may_fail(&["rollout", "status", &what, "--timeout=180s"]).await;
        if !said.contains("successfully rolled out") {
            let pods = self.kubectl_may_fail(&["describe", "pods"]).await;
            let logs = self.kubectl_may_fail(&["logs", &what, "--all-containers", "--tail=50"]).await;
            panic!("{said}\n{logs}\n{pods}");
        }
    }

    /// What a pod with this label gets from an address, asked from inside of it.
    async fn asks(&self, name: &str, label: &str, address: &str) -> String {
        let image = format!("--image={}/mcp/busybox:1", registry());
        // A new pod has no network until the policies know its address; and who has closed its own half gets no answer when the gateway is busy.
        let script = format!(
            "for i in 1 2 3 4 5; do r=$( (printf 'GET /health HTTP/1.0\\r\\n\\r\\n'; sleep 2) | nc -w 2 {address} 8811 | head -1); \
             [ -n \"$r\" ] && echo \"$r\" && exit; done; echo end"
        );
        let labels = format!("--labels={label}");
        self.kubectl(&[
            "run",
            name,
            &image,
            "--restart=Never",
            &labels,
            "--command",
            "--",
            "sh",
            "-c",
            &script,
        ])
        .await;
        eventually("the question to end", async || {
            let phase = self.kubectl(&["get", "pod", name, "-o", "jsonpath={.status.phase}"]).await;
            if phase == "Succeeded" { Ok(()) } else { Err(phase) }
        })
        .await;
        self.kubectl(&["logs", name]).await
    }
}

/// The gateway with its own Role: it provisions a pod, which belongs to it, lets in who may, and cleans up.
async fn provisioning(image: &Image) {
    let Some(world) = World::new().await else { return };
    world.apply_example("provisioning.yaml", image).await;
    let forward = Forward::to(&world).await;
    let mut client = forward.client().await;
    client.await_tools(&["get_current_time"]).await;
    let text = client.text("get_current_time", json!({"timezone": "Europe/Berlin"})).await;
    assert!(text.contains("Europe/Berlin"), "{text}");
    let pods = world.get("pods").await;
    assert!(!pods.is_empty());
    let own: Value =
        serde_json::from_str(&world.kubectl(&["get", "pods", "-l", "app=mcp-gateway", "-o", "json"]).await)
            .unwrap();
    let own = &own["items"][0];
    for pod in &pods {
        let owner = &pod["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["kind"], &owner["name"]), (&json!("Pod"), &own["metadata"]["name"]), "{pod}");
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    }

    // Only who says that it is a client gets in.
    let address = own["status"]["podIP"].as_str().unwrap();
    let (allowed, denied) = tokio::join!(
        world.asks("allowed", "mcp-client=true", address),
        world.asks("denied", "mcp-client=false", address)
    );
    assert!(allowed.contains("HTTP/1.") && allowed.contains("200"), "{allowed:?}");
    assert!(!denied.contains("HTTP/1."), "{denied:?}");

    // It ends as Deployments end it, and leaves nothing.
    drop(client);
    world.kubectl(&["delete", "deployment", "mcp-gateway"]).await;
    world.nothing_left().await;

    // A server over HTTP is reached by the address of its Service: no other way is open, because the Role has no tunnels.
    world.kubectl(&["delete", "secret", "mcp-gateway-token"]).await;
    let catalog = "      time:\n        image: mcp/time\n";
    let http = "      everything:\n        image: mcp/everything\n        command: [streamableHttp]\n        transport: http\n        ports: [{containerPort: 3001}]\n";
    let both = format!("{catalog}{http}");
    let changes = [(catalog, both.as_str()), ("--servers=time\n", "--servers=time,everything\n")];
    world.apply_changed("provisioning.yaml", image, &changes).await;
    let forward = Forward::to(&world).await;
    let mut client = forward.client().await;
    eventually("the tools of both servers", async || {
        let tools = client.tools().await;
        if tools.iter().any(|tool| tool == "echo") && tools.iter().any(|tool| tool == "get_current_time") {
            return Ok(());
        }
        Err(world.kubectl_may_fail(&["logs", "deployment/mcp-gateway", "--tail=20"]).await)
    })
    .await;
    let account = format!("--as=system:serviceaccount:{}:mcp-gateway", world.namespace);
    let asked = ["auth", "can-i", "create", "pods", "--subresource=portforward", account.as_str()];
    let may = world.kubectl_may_fail(&asked).await;
    assert!(may.lines().any(|line| line == "no"), "{may}");
    let text = client.text("echo", json!({"message": "by the address of a Service"})).await;
    assert!(text.contains("by the address of a Service"), "{text}");
    let services = world.get("services").await;
    let deployments = world.get("deployments").await;
    assert!(!services.is_empty() && services.len() == deployments.len(), "{services:?}");
    // Its pod goes and comes back; the address stays.
    world.kubectl(&["delete", "pod", "-l", "app.kubernetes.io/name=everything", "--force"]).await;
    eventually("a server that answers again", async || {
        match client.call("echo", json!({"message": "again"})).await {
            Ok(answer) if answer["isError"] != true => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // Without any notice, its pods go with its own: they are owned by it, and so are the Deployments that keep some.
    for kind in ["deployment", "replicaset"] {
        world.kubectl(&["delete", kind, "-l", "app=mcp-gateway", "--cascade=orphan"]).await;
    }
    world.kubectl(&["delete", "pod", "-l", "app=mcp-gateway", "--grace-period=0", "--force"]).await;
    world.gone("pods,services,secrets,networkpolicies,deployments,replicasets", |_| true).await;
}

/// Static mode: the gateway has no rights, finds its servers by the names of their Services, and waits for none.
async fn fixed(image: &Image) {
    let Some(world) = World::new().await else { return };
    world.apply_example("static.yaml", image).await;
    world.rolled_out("mcp-server-time").await;
    let forward = Forward::to(&world).await;
    let mut client = forward.client().await;
    client.await_tools(&["get_current_time"]).await;
    let call = json!({"timezone": "UTC"});
    assert!(client.text("get_current_time", call.clone()).await.contains("UTC"));
    assert!(world.get(KINDS).await.is_empty(), "it made nothing");

    // A server that is away is said to be so, and is back when it is back.
    world.kubectl(&["scale", "deployment", "mcp-server-time", "--replicas=0"]).await;
    eventually("a call that says what is wrong", async || {
        match client.call("get_current_time", call.clone()).await {
            Err(error) if error.code != 0 => Ok(()),
            Ok(answer) if answer["isError"] == true => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // So is a gateway that starts without it: it serves, and says when it has come.
    world.kubectl(&["rollout", "restart", "deployment/mcp-gateway"]).await;
    world.rolled_out("mcp-gateway").await;
    drop(client);
    let forward = Forward::to(&world).await;
    let mut client = forward.client().await;
    assert!(client.tools().await.is_empty());
    world.kubectl(&["scale", "deployment", "mcp-server-time", "--replicas=1"]).await;
    client.await_tools(&["get_current_time"]).await;
    assert!(client.text("get_current_time", call).await.contains("UTC"));
}

/// One pod: what failed in the original because all containers share one network works by an endpoint for each server.
async fn sidecar(image: &Image) {
    let Some(world) = World::new().await else { return };
    world.apply_example("sidecar.yaml", image).await;
    let forward = Forward::to(&world).await;
    let mut client = forward.client().await;
    client.await_tools(&["get_current_time", "echo"]).await;
    assert!(client.text("get_current_time", json!({"timezone": "UTC"})).await.contains("UTC"));
    assert!(client.text("echo", json!({"message": "by a socket"})).await.contains("by a socket"));
    let pods: Value = serde_json::from_str(&world.kubectl(&["get", "pods", "-o", "json"]).await).unwrap();
    assert_eq!(pods["items"].as_array().unwrap().len(), 1, "there is no other pod");
}

#[tokio::test]
async fn the_examples_serve_a_client_outside_and_clean_up() {
    let Some(world) = World::new().await else { return };
    let Some(_engine) = crate::docker::engine().await else { return };
    let image = Image::build(&world).await;
    tokio::join!(provisioning(&image), fixed(&image), sidecar(&image));
    drop(image);
}
