//! Pods that print their own secrets: what they say is told without the values.

use super::{World, registry};
use crate::leaks::{loud, nothing_is_told, telltale};
use serde_json::json;

#[tokio::test]
async fn what_pods_print_is_told_without_their_secrets() {
    let Some(world) = World::new().await else { return };
    let scene = loud(world.scene("registry: {}\n"), &["told"]);
    let server = |way: &str| {
        json!({
            "image": format!("{}/mcp/busybox:1", registry()),
            "command": ["sh", "-c", telltale()],
            "user": "65534",
            "secrets": [{"name": "told", "env": "TOKEN"}],
            "settings": {"stdio": way},
        })
    };
    let servers = json!({"attached": server("attach"), "bridged": server("bridge")});
    scene.settings(&json!({"secrets": ["./planted.env"], "servers": servers}).to_string());
    let gateway = world.serve_settings(&scene, &["--verbose"]).await;
    nothing_is_told(&scene, gateway, &["attached", "bridged"]).await;
    world.nothing_left().await;
}
