//! Docker's command line, for what only it can show: what a printed line makes, and what the engine tells anybody who asks.

use super::variable;
use std::process::Stdio;
use tokio::process::Command;

pub(super) fn docker() -> Command {
    let path = variable("PATH").unwrap_or_default();
    // By its whole path: a variable `PATH` of a container stands in the environment of the command line too.
    let found = std::env::split_paths(&path).map(|folder| folder.join("docker")).find(|file| file.is_file());
    let mut command = Command::new(found.unwrap_or_else(|| panic!("no `docker` in {path}")));
    command.env_clear().env("PATH", path);
    if let Some(host) = variable("DOCKER_HOST") {
        command.env("DOCKER_HOST", host);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Its standard output, or what it complained about.
pub(super) async fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().await.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
