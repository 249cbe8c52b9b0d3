//! Plugins as files: exported, checked, granted, exchanged while the gateway runs, and written by somebody else.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what is not as the story says ends the test there"
)]

mod outside;
mod swap;

use crate::program::scene;
use gateway_tests::harness::{Era, Scene, redacted};
use serde_json::json;
use test_artifacts::guest;

const LEGACY: Era = Era::Legacy("2025-11-25");

/// The bundled plugin's component.
pub(crate) async fn exported(scene: &Scene) -> Vec<u8> {
    scene.run(["plugin", "export", "exported"]).await.expect_code(0);
    std::fs::read(scene.work().join("exported/embedded.wasm")).unwrap()
}

/// The same component as another file: with a custom section of this text at its end, which means nothing to anybody.
pub(crate) fn another_build(component: &[u8], text: &str) -> Vec<u8> {
    let name = b"build";
    let size = u8::try_from(1 + name.len() + text.len()).unwrap();
    assert!(size < 128, "a length of one byte is all that is needed here");
    [component, &[0, size, 5], name, text.as_bytes()].concat()
}

#[tokio::test]
async fn an_exported_plugin_is_used_as_it_is() {
    let scene = scene();
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings("servers:\n  tools: {component: ./tools.wasm}\n");
    let done = scene.run(["plugin", "export", "provisioners"]).await.expect_code(0);
    assert!(done.stderr.contains("provisioners/embedded.wasm"), "{}", done.seen());
    let gateway = scene.serve(["--plugin", "provisioners/embedded.wasm"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["who"]).await;
    assert_eq!(client.text("who", json!({})).await, "tool-server");
    gateway.end().await;

    // The bridge is among them, for whoever makes an image of it, as a program that runs.
    let bridge = tokio::process::Command::new(scene.work().join("provisioners/gateway-bridge"))
        .arg("--version")
        .output()
        .await
        .unwrap();
    assert!(bridge.stdout.starts_with(b"gateway-bridge "), "{bridge:?}");
    // Once more is no change; over somebody else's file only if asked to.
    scene.run(["plugin", "export", "provisioners"]).await.expect_code(0);
    scene.file("provisioners/embedded.wasm", "mine");
    scene.run(["plugin", "export", "provisioners"]).await.expect_code(2);
    assert_eq!(std::fs::read(scene.work().join("provisioners/embedded.wasm")).unwrap(), b"mine");
    scene.run(["plugin", "export", "provisioners", "--force"]).await.expect_code(0);
    assert_ne!(std::fs::read(scene.work().join("provisioners/embedded.wasm")).unwrap(), b"mine");
}

#[tokio::test]
async fn a_file_that_cannot_be_a_plugin_is_told_in_one_sentence() {
    let scene = scene();
    let good = exported(&scene).await;
    let newer =
        replaced(&good, b"gateway:provisioner/provisioner@0.1.", b"gateway:provisioner/provisioner@0.9.");
    let files: [(&str, Vec<u8>); 8] = [
        ("empty", Vec::new()),
        ("text", b"this is a text\n".to_vec()),
        ("native", std::fs::read(env!("CARGO_BIN_EXE_gateway-under-test")).unwrap()[..4096].to_vec()),
        ("core-module", b"\0asm\x01\0\0\0".to_vec()),
        ("truncated", good[..good.len() / 2].to_vec()),
        ("a-server", std::fs::read(guest("echo-server")).unwrap()),
        ("newer-track", newer),
        ("not-granted", another_build(&good, "nobody granted this one anything")),
    ];
    for (name, content) in files {
        scene.file(&format!("{name}.wasm"), content);
        let done = scene.run(["plugin", "check", &format!("./{name}.wasm")]).await.expect_code(3);
        redacted().bind(|| insta::assert_snapshot!(format!("check_{name}"), done.seen()));
        let answer =
            scene.run(["plugin", "check", "--json", &format!("./{name}.wasm")]).await.expect_code(3).json();
        assert_eq!(answer["ok"], false);
        assert!(done.stdout.contains(answer["error"].as_str().unwrap()), "{name}: {answer}");
    }
    scene.file("folder.wasm/inside", "");
    let done = scene.run(["plugin", "check", "./folder.wasm"]).await.expect_code(3);
    redacted().bind(|| insta::assert_snapshot!("check_folder", done.seen()));
    let done = scene.run(["plugin", "check", "./missing.wasm"]).await.expect_code(3);
    redacted().bind(|| insta::assert_snapshot!("check_missing", done.seen()));
}

/// Every occurrence of one text replaced by another of the same length.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "the text to replace is not there");
    bytes
}

#[tokio::test]
async fn a_plugin_gets_what_the_file_grants_and_the_refusal_names_the_line() {
    let scene = scene();
    scene.file("acme.wasm", another_build(&exported(&scene).await, "acme"));
    scene.component("tools.wasm", &guest("tool-server"));
    let settings = |grants: &str| {
        format!(
            "plugins:\n  acme: {{path: ./acme.wasm{grants}}}\nplacement: [{{provisioner: acme}}]\nservers:\n  tools: {{component: ./tools.wasm}}\n"
        )
    };
    scene.settings(&settings(""));
    let done = scene.run(["run", "--dry-run"]).await.expect_code(3);
    assert!(done.stdout.contains("grants: {embedded: true}"), "{}", done.seen());
    // The gateway itself starts, and says at the call what is wrong.
    let done = scene.run(["tools", "call", "who"]).await.expect_code(1);
    assert!(done.stderr.contains("grants: {embedded: true}"), "{}", done.seen());
    scene.settings(&settings(", grants: {embedded: true}"));
    let done = scene.run(["tools", "call", "who"]).await.expect_code(0);
    assert_eq!(done.stdout, "tool-server\n");
    scene.assert_nothing_left();
}

#[tokio::test]
async fn a_plugin_given_as_a_flag_takes_what_it_says_it_can_run() {
    let scene = scene();
    scene.file("acme.wasm", another_build(&exported(&scene).await, "acme"));
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings(
        "plugins:\n  acme: {path: ./elsewhere.wasm, grants: {embedded: true}}\nservers:\n  tools: {component: ./tools.wasm}\n",
    );
    let place = async |arguments: &[&str]| {
        let done = scene.run([&["run", "--dry-run", "--json"], arguments].concat()).await.expect_code(0);
        done.json()["servers"][0]["provisioner"].as_str().unwrap().to_owned()
    };
    assert_eq!(place(&[]).await, "embedded");
    assert_eq!(place(&["--plugin", "./acme.wasm"]).await, "acme");
    assert_eq!(place(&["--plugin", "./acme.wasm", "--provisioner", "embedded"]).await, "embedded");
}
