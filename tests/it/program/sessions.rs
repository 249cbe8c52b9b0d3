//! Which running gateway a command speaks to.

use super::scene;
use gateway_tests::harness::Signal;
use serde_json::Value;

/// The session ids that a refusal lists.
fn listed(text: &str) -> Vec<String> {
    let (_, ids) =
        text.rsplit_once("--session`: ").unwrap_or_else(|| panic!("no list of sessions in {text}"));
    ids.trim().split(", ").map(str::to_owned).collect()
}

#[tokio::test]
async fn the_state_folder_of_the_settings_is_where_a_gateway_is_looked_for() {
    let scene = scene();
    scene.settings("state: ./own-state\nservers:\n  time: {bundled: time}\n");
    let gateway = scene.serve([""; 0]).await;
    super::eventually_ready(&scene).await;
    scene.file("elsewhere/gateway.yaml", "state: ../own-state\n");
    for arguments in [
        &["server", "list"][..],
        &["server", "list", "--settings", "elsewhere/gateway.yaml"],
        &["server", "list", "--state", "own-state"],
    ] {
        let done = scene.run(arguments).await.expect_code(0);
        assert!(done.stdout.contains("time"), "{arguments:?}: {}", done.seen());
    }
    let plan = scene.run(["server", "inspect", "time"]).await.expect_code(0);
    let dry = scene.run(["run", "--dry-run"]).await.expect_code(0);
    assert!(
        plan.stdout.ends_with(&dry.stdout),
        "the plan is printed in another way:\n{}\n{}",
        plan.seen(),
        dry.seen()
    );
    // A file that became wrong meanwhile is not in the way of asking what runs.
    scene.settings("state: ./own-state\nserver: {}\n");
    scene.run(["server", "list"]).await.expect_code(0);
    // Elsewhere nothing runs.
    scene.run(["server", "list", "--state", "other"]).await.expect_code(1);
    gateway.end().await;
}

#[tokio::test]
async fn of_several_gateways_one_is_chosen_by_its_session() {
    let scene = scene();
    scene.settings("servers:\n  time: {bundled: time}\n");
    let first = scene.serve([""; 0]).await;
    let said = first.says("session s").await;
    let second = scene.serve([""; 0]).await;
    let refused = scene.run(["server", "list"]).await.expect_code(1);
    let ids = listed(&refused.stderr);
    assert_eq!(ids.len(), 2, "{}", refused.seen());
    assert!(ids.iter().any(|id| said.contains(id.as_str())), "{said} is none of {ids:?}");
    for id in &ids {
        let answer: Value =
            scene.run(["server", "list", "--json", "--session", id]).await.expect_code(0).json();
        assert_eq!(answer["session"], id.as_str());
    }
    let unknown = scene.run(["plugin", "reload", "--session", "nobody"]).await.expect_code(1);
    assert!(ids.iter().all(|id| unknown.stderr.contains(id.as_str())), "{}", unknown.seen());
    // The second one still has its server when the first has ended.
    first.signal(Signal::TERM);
    first.ended().await.finished.expect_code(0);
    second.end().await;
}
