//! Plugins of people who have only the SDK: built outside the workspace, the way they build them.

use super::LEGACY;
use crate::program::scene;
use gateway_tests::contract::repository;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use test_artifacts::guest;

/// Builds a plugin project as its README says, and gives its component.
fn built(project: &Path, component: &str) -> PathBuf {
    // Output has a folder of its own, as the outside author's would; two projects share it, because most of what they build is the same.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--target", "wasm32-wasip2"]).current_dir(project);
    cargo.env("CARGO_TARGET_DIR", &target);
    for meant_for_the_tests in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"]
    {
        cargo.env_remove(meant_for_the_tests);
    }
    let done = cargo.output().unwrap();
    assert!(done.status.success(), "{}: {}", project.display(), String::from_utf8_lossy(&done.stderr));
    let component = target.join("wasm32-wasip2/release").join(component);
    assert!(component.exists(), "{} was not built", component.display());
    component
}

#[tokio::test]
async fn the_example_of_a_plugin_does_what_its_page_says() {
    let project = repository().join("examples/custom-provisioner");
    let component = built(&project, "tenant.wasm");
    let scene = scene();
    scene.settings(&std::fs::read_to_string(project.join("gateway.yaml")).unwrap());
    // Where the file of settings has it.
    scene.component("target/wasm32-wasip2/release/tenant.wasm", &component);
    let checked = scene.run(["plugin", "check", "tenant"]).await.expect_code(0);
    assert!(checked.stdout.starts_with("ok: plugin `tenant`"), "{}", checked.seen());
    let plan = scene.run(["run", "--dry-run", "--json"]).await.expect_code(0).json();
    assert_eq!(plan["servers"][0]["provisioner"], "tenant");
    let called = scene.run(["tools", "call", "now", "zone=Europe/Berlin"]).await.expect_code(0);
    assert!(called.stdout.contains("Berlin"), "{}", called.seen());
    scene.assert_nothing_left();
    // Its list is its point: another server is refused by name.
    let settings = std::fs::read_to_string(scene.work().join("gateway.yaml")).unwrap();
    scene.settings(&settings.replace("allow: [time]", "allow: [other]"));
    let refused = scene.run(["run", "--dry-run"]).await.expect_code(3);
    assert!(refused.stdout.contains("tenant `acme` may not"), "{}", refused.seen());
}

#[tokio::test]
async fn the_template_of_a_plugin_builds_and_can_be_used() {
    let component = built(&repository().join("sdk/template"), "my_provisioner.wasm");
    let scene = scene();
    scene.component("template.wasm", &component);
    scene.settings("plugins:\n  template: {path: ./template.wasm, grants: {embedded: true}}\n");
    scene.run(["plugin", "check", "template"]).await.expect_code(0);
    runs_a_server(&component).await;
}

async fn runs_a_server(component: &Path) {
    let scene = scene();
    scene.component("acme.wasm", component);
    scene.component("tools.wasm", &guest("tool-server"));
    scene.settings(
        "plugins:\n  acme: {path: ./acme.wasm, grants: {embedded: true}}\nservers:\n  tools: {component: ./tools.wasm}\n",
    );
    let checked = scene.run(["plugin", "check", "acme"]).await.expect_code(0);
    assert!(checked.stdout.starts_with("ok: plugin `acme`"), "{}", checked.seen());
    let gateway = scene.serve(["--plugin", "./acme.wasm"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["who"]).await;
    assert_eq!(client.text("who", json!({})).await, "tool-server");
    let status = scene.run(["server", "list", "--json"]).await.expect_code(0).json();
    assert_eq!(status["servers"][0]["provisioner"], "acme");
    gateway.end().await;
}
