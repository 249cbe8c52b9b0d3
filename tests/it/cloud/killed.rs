//! A gateway that is killed at each request of a start, and the next one, which finds everything it left and nothing else.

use super::{ECHO, LEGACY, aws_scene, nothing_left, stand_in};
use gateway_tests::harness::{eventually, patiently};
use serde_json::json;

/// `kill -9` before each request that brings a server up, the first ones being those of the start itself; then a new start. What another gateway
/// has in the account stays.
#[tokio::test]
async fn whatever_a_killed_gateway_has_left_the_next_takes_down() {
    let Some(stand) = stand_in().await else { return };
    let entry = format!("{ECHO}\nsecrets: [{{name: acme.token, env: TOKEN}}]");
    // How many requests a start takes, and what they are.
    let whole = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", &entry)]);
    whole.file(".env", "acme.token=planted-for-the-cloud-2\n");
    let arguments = ["--provisioner", "cloud", "--secrets", ".env"];
    let gateway = whole.serve(arguments).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let calls = stand.calls();
    gateway.end().await;
    nothing_left(&stand).await;
    let first_look = calls.iter().position(|call| call == "ecs:DescribeTasks").unwrap();
    // Another gateway, which lives as long as all of this.
    let other = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", ECHO)]);
    let living = other.serve(["--provisioner", "cloud"]).await;
    let mut theirs = living.client(LEGACY).await;
    theirs.await_tools(&["echo"]).await;
    let own = stand.left().await;
    assert!(!own.is_empty());
    // Before it is carried out, and after, when the answer is lost.
    for (at, done) in (1..=first_look + 2).flat_map(|at| [(at, false), (at, true)]) {
        let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", &entry)]);
        scene.file(".env", "acme.token=planted-for-the-cloud-2\n");
        let held = stand.hold(at, done);
        let gateway = scene.serve(arguments).await;
        // Nothing is started before somebody asks.
        let mut asking = gateway.client(LEGACY).await;
        let listing = asking.begin("tools/list", json!({})).await;
        patiently("the request at which it is killed", held).await.unwrap();
        gateway.kill().await;
        drop(listing);
        let next = scene.serve(arguments).await;
        let mut again = next.client(LEGACY).await;
        again.await_tools(&["echo"]).await;
        eventually("a ledger of nobody but the gateway that runs", async || {
            let ledger = scene.ledger();
            if ledger.len() <= 1 { Ok(()) } else { Err(format!("request {at}, done: {done}: {ledger:?}")) }
        })
        .await;
        next.end().await;
        eventually(
            &format!("nothing of the gateway that was killed at request {at}, done: {done}"),
            async || {
                let left = stand.left().await;
                if left.len() == own.len() { Ok(()) } else { Err(left.join(", ")) }
            },
        )
        .await;
        assert!(own.iter().all(|object| !object.is_empty()));
    }
    let text = theirs.text("echo", json!({"message": "untouched"})).await;
    assert!(text.contains("untouched"), "{text}");
    assert_eq!(stand.left().await.len(), own.len());
    living.end().await;
    nothing_left(&stand).await;
    stand.end().await;
}

/// Without the ledger only the tags tell; the sweep goes by them, and spares what lives and what is somebody else's.
#[tokio::test]
async fn a_sweep_goes_by_tags_and_spares_the_living() {
    let Some(stand) = stand_in().await else { return };
    let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("echo", ECHO)]);
    let gateway = scene.serve(["--provisioner", "cloud"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["echo"]).await;
    let stranger = json!({"Name": format!("mcp-{}-stranger", stand.cluster), "SecretString": "s"});
    let made = stand.besides("secretsmanager", "secretsmanager.CreateSecret", &stranger).await;
    let before = stand.left().await.len();
    let swept = scene.run(["server", "sweep"]).await;
    // Other platforms may not be there to be asked.
    let said = swept.stderr.lines().filter(|line| !line.contains("http request"));
    assert!(!said.into_iter().any(|line| line.contains("cloud-ecs")), "{}", swept.stderr);
    assert_eq!(stand.left().await.len(), before, "what runs is spared: {}", swept.stdout);
    client.text("echo", json!({"message": "still there"})).await;
    let known = json!({"SecretId": made["ARN"]});
    let found = stand.besides("secretsmanager", "secretsmanager.DescribeSecret", &known).await;
    assert_eq!(found["ARN"], made["ARN"], "a secret without the gateway's tags is not the gateway's");
    let gone = json!({"SecretId": made["ARN"], "ForceDeleteWithoutRecovery": true});
    stand.besides("secretsmanager", "secretsmanager.DeleteSecret", &gone).await;
    gateway.end().await;
    nothing_left(&stand).await;
    stand.end().await;
}
