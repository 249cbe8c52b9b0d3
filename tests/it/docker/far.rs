//! An engine on another machine, reached by `ssh` as Docker's own command line reaches it.

use super::command::docker;
use super::{ECHO, LEGACY, World, variable};
use gateway_tests::harness::eventually;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;

/// Stands for `ssh`: writes down what it was asked, and runs what the far machine would run, here. It ends with its input, a moment after the gateway
/// that closed it, and so has a group of its own: whether it does is asked at the end.
const SSH: &str = "#!/bin/sh\necho \"$@\" >> \"$ASKED\"\nexport DOCKER_HOST=ENGINE\nexec setsid PROGRAM system dial-stdio\n";

#[tokio::test]
async fn an_engine_behind_ssh_serves_and_no_tunnel_stays() {
    let Some(world) = World::new().await else { return };
    let scene = world.scene(&format!("image: {ECHO}"));
    let engine = variable("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let program = docker().as_std().get_program().to_string_lossy().into_owned();
    let ssh = scene.file("bin/ssh", SSH.replace("ENGINE", &engine).replace("PROGRAM", &program));
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let asked = scene.work().join("asked");
    let path = format!("{}:/usr/bin:/bin", ssh.parent().unwrap().display());
    let scene = scene
        .with_variable("DOCKER_HOST", "ssh://me@far.example:2222")
        .with_variable("PATH", &path)
        .with_variable("ASKED", &asked.display().to_string());
    let gateway = world.serve(&scene).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    for n in 0..20 {
        let text = client.text("echo", json!({"message": format!("far {n}")})).await;
        assert!(text.contains(&format!("far {n}")), "{text}");
    }
    gateway.end().await;
    world.nothing_left().await;
    scene.assert_nothing_left();
    let lines = std::fs::read_to_string(&asked).unwrap();
    assert!(!lines.is_empty());
    for line in lines.lines() {
        assert_eq!(
            line,
            "-T -o BatchMode=yes -o ConnectTimeout=30 -p 2222 -- me@far.example docker system dial-stdio"
        );
    }
    // Each tunnel has the file in its environment.
    eventually("no tunnel", async || {
        let left = with_variable(&format!("ASKED={}", asked.display()));
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

/// Processes with this variable.
fn with_variable(variable: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let has = |process: &std::fs::DirEntry| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|each| each == variable.as_bytes())
    };
    processes.filter(has).map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}
