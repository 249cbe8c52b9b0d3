//! A life that was taken down plays where the platform is not, to the same end.

use crate::program::scene;
use gateway_tests::harness::part;
use serde_json::Value;

/// What `plugin test --replay` says of each call.
fn outcomes(said: &Value) -> Vec<(String, bool)> {
    let cases = said["cases"].as_array().unwrap().iter();
    cases.map(|case| (case["case"].as_str().unwrap().to_owned(), case["passed"] == true)).collect()
}

#[tokio::test]
async fn a_failing_provision_plays_to_the_same_error_without_the_engine() {
    if part("docker", "GATEWAY_TEST_UP").is_none() {
        return;
    }
    let with = crate::docker::on_engine(scene());
    // Nowhere to be had: the only registry there is has no such image.
    let settings = "servers:\n  gone: {image: '127.0.0.1:5000/mcp/no-such-image:1'}\n";
    with.settings(settings);
    let recorded =
        with.run(["plugin", "test", "docker", "--record", "life.json", "--json"]).await.expect_code(0);
    let steps = recorded.json()["steps"].clone();
    let step = |name: &str| {
        let steps = steps.as_array().unwrap().iter();
        let found = steps.clone().find(|step| step["call"] == name).unwrap();
        found["outcome"].as_str().unwrap().to_owned()
    };
    assert!(step("provision").contains("no-such-image"), "{steps}");
    assert_eq!(step("shutdown"), "nothing left");
    let life = std::fs::read_to_string(with.work().join("life.json")).unwrap();
    assert!(life.contains("docker.ensure-image"), "{life}");

    // No engine at all.
    let without = scene().with_variable("DOCKER_HOST", "unix:///nowhere/docker.sock");
    without.settings(settings);
    without.file("life.json", &life);
    let played =
        without.run(["plugin", "test", "docker", "--replay", "life.json", "--json"]).await.expect_code(0);
    let cases = outcomes(&played.json());
    assert!(cases.iter().all(|(_, passed)| *passed) && cases.len() == 6, "{cases:?}");

    // Another answer on the tape is another life, and is told.
    without.file("life.json", life.replace("docker.ensure-image", "docker.inspect"));
    let played =
        without.run(["plugin", "test", "docker", "--replay", "life.json", "--json"]).await.expect_code(3);
    let cases = outcomes(&played.json());
    assert!(cases.contains(&("provision".to_owned(), false)), "{cases:?}");
}

#[tokio::test]
async fn a_life_of_a_component_plays_without_running_it() {
    let scene = scene();
    scene.settings("{}\n");
    let recorded =
        scene.run(["plugin", "test", "embedded", "--record", "life.json", "--json"]).await.expect_code(0);
    let steps = recorded.json()["steps"].to_string();
    assert!(steps.contains(r#""outcome":"gone""#), "{steps}");
    let played = scene.run(["plugin", "test", "embedded", "--replay", "life.json"]).await.expect_code(0);
    assert!(played.stdout.contains("everything that was asked is asked again"), "{}", played.stdout);
    let refused = scene.run(["plugin", "test", "embedded", "--replay", "gateway.yaml"]).await.expect_code(2);
    assert!(refused.stderr.contains("is nothing that `--record` wrote"), "{}", refused.stderr);
}
