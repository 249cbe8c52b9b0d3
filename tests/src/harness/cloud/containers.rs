//! Containers of the local engine that stand for what a cloud would have started.

use serde_json::Value;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::process::Command;

/// The label of everything that a double starts; its value is the double.
const LABEL: &str = "gateway-test-cloud";

/// The containers of one double. What it started goes when it goes.
#[derive(Debug)]
pub(super) struct Containers {
    id: String,
}

/// One container to be started.
#[derive(Debug, Default, Clone)]
pub(super) struct Wanted {
    pub(super) image: String,
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) user: Option<String>,
    pub(super) folder: Option<String>,
    /// Volume and folder.
    pub(super) volumes: Vec<(String, String)>,
    pub(super) memory_mib: Option<u64>,
}

/// What the engine says about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Running(String),
    Ended { exit: i64, out_of_memory: bool },
    Gone,
}

impl Containers {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self { id: format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    /// A volume of this double's own.
    pub(super) fn volume(&self, name: &str) -> String {
        format!("gateway-test-{}-{name}", self.id)
    }

    /// Starts a container and gives its id.
    pub(super) async fn start(&self, wanted: &Wanted) -> Result<String, String> {
        docker(&self.arguments(wanted, true)).await
    }

    /// Runs a container to its end.
    pub(super) async fn run(&self, wanted: &Wanted) -> Result<String, String> {
        docker(&self.arguments(wanted, false)).await
    }

    fn arguments(&self, wanted: &Wanted, stays: bool) -> Vec<String> {
        let mut words: Vec<String> = vec!["run".into(), "--label".into(), format!("{LABEL}={}", self.id)];
        words.extend(["--pull", "never", if stays { "--detach" } else { "--rm" }].map(str::to_owned));
        for (name, value) in &wanted.environment {
            words.extend(["--env".to_owned(), format!("{name}={value}")]);
        }
        for (volume, folder) in &wanted.volumes {
            words.extend(["--volume".to_owned(), format!("{volume}:{folder}")]);
        }
        let one = |flag: &str, value: &Option<String>| {
            value.iter().flat_map(|value| [flag.to_owned(), value.clone()]).collect::<Vec<_>>()
        };
        words.extend(one("--user", &wanted.user));
        words.extend(one("--workdir", &wanted.folder));
        words.extend(one("--memory", &wanted.memory_mib.map(|mib| format!("{mib}m"))));
        words.extend(one("--entrypoint", &wanted.entrypoint.first().cloned()));
        words.push(wanted.image.clone());
        words.extend(wanted.entrypoint.iter().skip(1).cloned());
        words.extend(wanted.command.iter().cloned());
        words
    }

    pub(super) async fn find(&self, container: &str) -> Found {
        let Ok(text) = docker(&["inspect".to_owned(), container.to_owned()]).await else {
            return Found::Gone;
        };
        let found: Value = serde_json::from_str(&text).unwrap();
        let state = &found[0]["State"];
        if state["Running"] == true {
            let address = found[0]["NetworkSettings"]["IPAddress"].as_str().unwrap_or_default();
            return Found::Running(address.to_owned());
        }
        Found::Ended {
            exit: state["ExitCode"].as_i64().unwrap_or_default(),
            out_of_memory: state["OOMKilled"] == true,
        }
    }

    /// Both streams as lines, as a log service would have them.
    pub(super) async fn lines(&self, container: &str) -> Vec<String> {
        let output =
            Command::new("docker").args(["logs", container]).stdin(Stdio::null()).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    pub(super) async fn kill(&self, container: &str) {
        let _ = docker(&["kill".to_owned(), container.to_owned()]).await;
    }

    pub(super) async fn remove(&self, container: &str) {
        let _ = docker(&["rm".to_owned(), "--force".to_owned(), container.to_owned()]).await;
    }

    pub(super) async fn remove_volume(&self, volume: &str) {
        let _ =
            docker(&["volume".to_owned(), "rm".to_owned(), "--force".to_owned(), volume.to_owned()]).await;
    }

    /// Ids of the containers that are left.
    pub(super) async fn left(&self) -> Vec<String> {
        let filter = format!("label={LABEL}={}", self.id);
        let text = docker(&["ps", "--all", "--quiet", "--filter", &filter].map(str::to_owned)).await.unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

async fn docker(words: &[String]) -> Result<String, String> {
    let output = Command::new("docker")
        .args(words)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("run docker: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

impl Drop for Containers {
    /// Also when a test fails. There is nothing to wait with here.
    fn drop(&mut self) {
        let run = |words: &[&str]| {
            let output = std::process::Command::new("docker").args(words).stdin(Stdio::null()).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        let filter = format!("label={LABEL}={}", self.id);
        for container in run(&["ps", "--all", "--quiet", "--filter", &filter]).lines() {
            run(&["rm", "--force", "--volumes", container]);
        }
        let prefix = format!("name=gateway-test-{}-", self.id);
        for volume in run(&["volume", "ls", "--quiet", "--filter", &prefix]).lines() {
            run(&["volume", "rm", "--force", volume]);
        }
    }
}
