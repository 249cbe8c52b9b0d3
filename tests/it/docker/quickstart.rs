//! The files of `examples/docker-quickstart`, as its page uses them.

use super::events::none_with;
use super::{LEGACY, engine, on_engine};
use crate::program::scene;
use gateway_tests::contract::repository;
use serde_json::json;

const FILES: [&str; 5] = ["catalog.yaml", "registry.yaml", "config.yaml", "tools.yaml", ".env"];
const FLAGS: [&str; 10] = [
    "--catalog",
    "./catalog.yaml",
    "--registry",
    "./registry.yaml",
    "--config",
    "./config.yaml",
    "--tools-config",
    "./tools.yaml",
    "--secrets",
    ".env",
];

#[tokio::test]
async fn the_example_serves_as_its_page_says() {
    if engine().await.is_none() {
        return;
    }
    let scene = on_engine(scene());
    let page = std::fs::read_to_string(repository().join("examples/docker-quickstart/README.md")).unwrap();
    assert!(page.contains(&FLAGS.join(" ")), "the page uses other flags");
    let hello = scene.file("shown/hello.txt", "hello\n");
    let folder = hello.parent().unwrap().display().to_string();
    for name in FILES {
        let text =
            std::fs::read_to_string(repository().join("examples/docker-quickstart").join(name)).unwrap();
        // The images have a tag here, and the folder is the scene's.
        let text = ["time", "filesystem", "everything"].iter().fold(text, |text, image| {
            text.replace(&format!("image: mcp/{image}\n"), &format!("image: mcp/{image}:1\n"))
        });
        scene.file(name, text.replace("/tmp/docker-quickstart", &folder));
    }
    let plan = scene.run(["run", "--dry-run"].iter().chain(&FLAGS)).await.expect_code(0).stdout;
    assert!(plan.contains(&format!("-v {folder}:{folder}:ro")), "{plan}");
    assert!(plan.contains("-e EVERYTHING_TOKEN") && !plan.contains("not-a-real-token"), "{plan}");
    let gateway = scene.serve(FLAGS).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get-env", "get_current_time", "read_text_file"]).await;
    let tools = client.tools().await;
    assert!(tools.contains(&"echo".to_owned()) && !tools.contains(&"get-sum".to_owned()), "{tools:?}");
    assert_eq!(client.text("read_text_file", json!({"path": hello})).await, "hello\n");
    let time = client.text("get_current_time", json!({"timezone": "Asia/Tokyo"})).await;
    assert!(time.contains("+09:00"), "{time}");
    let variables = client.text("get-env", json!({})).await;
    for line in ["\"EVERYTHING_TOKEN\": \"not-a-real-token\"", "\"EVERYTHING_LEVEL\": \"info\""] {
        assert!(variables.contains(line), "{variables}");
    }
    let said = gateway.says("session s").await;
    let session = said.split_whitespace().skip_while(|word| *word != "session").nth(1).unwrap().to_owned();
    gateway.end().await;
    none_with(&format!("gateway-session={session}")).await;
    scene.assert_nothing_left();
}
