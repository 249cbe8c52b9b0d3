//! Servers that no plugin brings up: commands of editors' files, servers that run already, servers elsewhere.

#![expect(clippy::indexing_slicing, reason = "what is not as the story says ends the test there")]

mod commands;
mod everything;
mod faults;
mod others;
pub(crate) mod remote;
mod secrets;
mod standing;

use crate::program::scene;
use gateway_tests::harness::Scene;
use serde_json::{Value, json};

/// The server of this package.
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_stdio-server");

/// An entry of an editors' file for the server of this package.
pub(crate) fn entry(arguments: &[&str]) -> Value {
    json!({"command": SERVER, "args": arguments})
}

/// A scene with an editors' file, `mcp.json`.
pub(crate) fn editor_scene(servers: &Value) -> Scene {
    let scene = scene();
    scene.file("mcp.json", json!({"mcpServers": servers}).to_string());
    scene
}

/// Whether a process is there. One that ended and was not waited for is not.
pub(crate) fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z')))
}
