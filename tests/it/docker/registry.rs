//! Images of a registry that asks who is there: the credentials of this machine are used by the host, pulls are shown, refusals say what to do.

use super::command::{docker, output};
use super::{LEGACY, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::harness::{Scene, eventually, part};
use std::os::unix::fs::PermissionsExt as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) const USER: &str = "reader";
pub(crate) const PASSWORD: &str = "planted-pass-word";

/// A registry before the test environment's that wants a name and a password, and holds images back until it is told otherwise.
pub(crate) struct Private {
    pub(crate) address: String,
    open: watch::Sender<bool>,
}

impl Private {
    pub(crate) async fn start(behind: &str, open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (open, gate) = watch::channel(open);
        let behind = behind.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (behind, gate) = (behind.clone(), gate.clone());
                // A client that goes ends its own connection.
                tokio::spawn(async move { drop(pass(client, &behind, gate).await) });
            }
        });
        Self { address, open }
    }

    pub(crate) fn image(&self) -> String {
        format!("{}/mcp/null:1", self.address)
    }

    /// What `docker login` writes.
    fn config(&self, password: &str) -> String {
        let auth = STANDARD.encode(format!("{USER}:{password}"));
        format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, self.address)
    }

    async fn forget(&self) {
        let _ = output(docker().args(["rmi", "-f", &self.image()])).await;
    }
}

/// One request a connection.
async fn pass(mut client: TcpStream, behind: &str, mut gate: watch::Receiver<bool>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut one = [0_u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut one).await? == 0 {
            return Ok(());
        }
        head.push(one[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let expected =
        format!("authorization: basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}"))).to_lowercase();
    if !head.to_lowercase().contains(&expected) {
        let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 401 Unauthorized\r\nDocker-Distribution-Api-Version: registry/2.0\r\nWWW-Authenticate: Basic realm=\"it\"\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        return client.write_all(answer.as_bytes()).await;
    }
    if head.lines().next().is_some_and(|line| line.contains("/manifests/")) {
        let _ = gate.wait_for(|open| *open).await;
    }
    let mut server = TcpStream::connect(behind).await?;
    let kept =
        head.lines().filter(|line| !line.is_empty() && !line.to_lowercase().starts_with("authorization:"));
    let passed: String = kept.map(|line| format!("{line}\r\n")).collect();
    server.write_all(format!("{passed}Connection: close\r\n\r\n").as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// A scene with Docker's configuration.
fn scene(world: &World, image: &str, config: &str) -> Scene {
    let scene = world.scene(&format!("image: {image}"));
    scene.file("docker/config.json", config);
    let helper = scene.file(
        "bin/docker-credential-it",
        format!("#!/bin/sh\nread -r server\necho '{{\"ServerURL\":\"'$server'\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n"),
    );
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", helper.parent().unwrap().display());
    let folder = scene.work().join("docker").display().to_string();
    scene.with_variable("DOCKER_CONFIG", &folder).with_variable("PATH", &path)
}

#[tokio::test]
async fn a_login_of_this_machine_pulls_and_the_pull_is_shown() {
    let Some(world) = World::new().await else { return };
    let Some(behind) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    let registry = Private::start(&behind, false).await;
    let scene = scene(&world, &registry.image(), &registry.config(PASSWORD));
    let gateway = world.serve(&scene).await;
    eventually("the pull in the list of servers", async || {
        let list = scene.run(["server", "list"]).await.stdout;
        if list.contains("pull image `") { Ok(()) } else { Err(list) }
    })
    .await;
    registry.open.send_replace(true);
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let ended = gateway.end().await;
    assert!(!ended.finished.stderr.contains(PASSWORD), "{}", ended.finished.stderr);
    world.nothing_left().await;
    registry.forget().await;
}

#[tokio::test]
async fn a_credential_helper_is_asked_by_the_host() {
    let Some(world) = World::new().await else { return };
    let Some(behind) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    for key in ["credsStore", "credHelpers"] {
        let registry = Private::start(&behind, true).await;
        let config = match key {
            "credsStore" => r#"{"credsStore": "it"}"#.to_owned(),
            _ => format!(r#"{{"credHelpers": {{"{}": "it"}}}}"#, registry.address),
        };
        let scene = scene(&world, &registry.image(), &config);
        let gateway = world.serve(&scene).await;
        let mut client = gateway.client(LEGACY).await;
        client.await_tools(&["echo"]).await;
        let ended = gateway.end().await;
        assert!(!ended.finished.stderr.contains(PASSWORD), "{}", ended.finished.stderr);
        world.nothing_left().await;
        registry.forget().await;
    }
}

#[tokio::test]
async fn who_has_no_login_is_told_how_to_get_one() {
    let Some(world) = World::new().await else { return };
    let Some(behind) = part("registry", "GATEWAY_TEST_REGISTRY") else { return };
    let registry = Private::start(&behind, true).await;
    for config in ["{}".to_owned(), registry.config("another-planted-one")] {
        let scene = scene(&world, &registry.image(), &config);
        let gateway = world.serve(&scene).await;
        let said = gateway.says(&format!("pull image `{}`", registry.image())).await;
        assert!(said.contains(&format!("docker login {}", registry.address)), "{said}");
        let ended = gateway.end().await;
        assert!(!ended.finished.stderr.contains("another-planted-one"), "{}", ended.finished.stderr);
        world.nothing_left().await;
    }
    // A helper that is named and not there.
    let scene = scene(&world, &registry.image(), r#"{"credsStore": "not-installed"}"#);
    let gateway = world.serve(&scene).await;
    let said = gateway.says("docker-credential-not-installed").await;
    assert!(said.contains("take it out of Docker's `config.json`"), "{said}");
    gateway.end().await;
    // What the registry does not have.
    let missing =
        self::scene(&world, &format!("{}/mcp/nothing:1", registry.address), &registry.config(PASSWORD));
    let gateway = world.serve(&missing).await;
    gateway.says("mcp/nothing:1").await;
    gateway.end().await;
    world.nothing_left().await;
}
