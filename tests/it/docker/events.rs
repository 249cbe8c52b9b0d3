//! What the engine has seen: how many containers were made. Counted by its events, because a container that comes and goes is in no list.

use super::command::{docker, output};
use gateway_tests::harness::eventually;

/// Containers that were created under this server's name since `since`, a number of seconds.
pub(super) async fn created(name: &str, since: u64) -> usize {
    let filter = format!("label=docker-mcp-name={name}");
    let until = now() + 1;
    let arguments = ["--filter", "event=create", "--filter", &filter, "--format", "{{.ID}}"];
    let text = output(
        docker()
            .args(["events", "--since", &since.to_string(), "--until", &until.to_string()])
            .args(arguments),
    )
    .await
    .unwrap();
    text.lines().count()
}

/// Seconds since 1970: the engine of these tests runs on this machine.
pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Waits until no container has this label, running or not.
pub(super) async fn none_with(label: &str) {
    let filter = format!("label={label}");
    eventually(&format!("no container with {label}"), async || {
        match output(docker().args(["ps", "-aq", "--filter", &filter])).await?.trim() {
            "" => Ok(()),
            left => Err(left.to_owned()),
        }
    })
    .await;
}
