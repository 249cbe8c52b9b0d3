//! Container images on clouds, through the whole program: ECS on moto with a stand-in before it, Cloud Run on a double, and in both cases real servers
//! in containers of the local engine. Skipped, with one line that says why, where a part is missing; `GATEWAY_TEST_REQUIRE=aws,docker` turns the skip
//! into a failure. Each test has a cluster of its own, and asks afterwards what is left.

#![expect(clippy::indexing_slicing, reason = "what is not as the story says ends the test there")]

mod disturbed;
mod ecs;
mod killed;
mod mixed;
mod policy;
mod run;
mod suite;

use crate::docker::{engine, on_engine};
use crate::program::scene;
use gateway_tests::harness::{Era, Scene, StandIn, eventually, part};

const LEGACY: Era = Era::Legacy("2025-11-25");
/// An echo over HTTP, in an image that holds nothing else.
const ECHO: &str = "image: mcp/null:1\ncommand: [--port, '8000', --bind, 0.0.0.0]\ntransport: http\nports: [{containerPort: 8000}]";
/// A server with many tools over HTTP; one of them shows its variables.
const EVERYTHING: &str =
    "image: mcp/everything:1\ncommand: [streamableHttp]\ntransport: http\nports: [{containerPort: 3001}]";

/// A double of AWS, on moto and the local engine.
async fn stand_in() -> Option<StandIn> {
    let endpoint = part("aws", "GATEWAY_TEST_AWS_ENDPOINT")?;
    engine().await?;
    Some(StandIn::new(&endpoint).await)
}

/// A scene that has credentials of AWS, and these settings of the plugin and servers.
fn aws_scene(settings: &str, servers: &[(&str, &str)]) -> Scene {
    // Text that stands in no answer: what a signer uses is removed from all of them.
    let scene = on_engine(scene())
        .with_variable("AWS_ACCESS_KEY_ID", "AKIDOFTHETESTS")
        .with_variable("AWS_SECRET_ACCESS_KEY", "secret-key-of-the-tests")
        .with_variable("AWS_EC2_METADATA_DISABLED", "true");
    scene.settings(&format!("{settings}{}", entries(servers)));
    scene
}

/// `servers:` of the settings.
fn entries(servers: &[(&str, &str)]) -> String {
    let mut text = "servers:\n".to_owned();
    for (name, entry) in servers {
        text.push_str(&format!("  {name}:\n    {}\n", entry.replace('\n', "\n    ")));
    }
    text
}

/// Nothing on the platform, and nothing was asked that AWS would not take.
async fn nothing_left(stand: &StandIn) {
    eventually("nothing in the account", async || {
        let left = stand.left().await;
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
    assert_eq!(stand.wrong(), [""; 0]);
}
