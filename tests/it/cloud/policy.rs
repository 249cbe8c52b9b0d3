//! The policy on the plugin's page is the smallest that passes: every action in it was called here, and nothing else was.

use super::ecs::{allowed, bridge_image};
use super::{ECHO, LEGACY, aws_scene, nothing_left, stand_in};
use gateway_tests::harness::eventually;
use serde_json::json;
use std::collections::BTreeSet;

/// What AWS asks for besides, and no double does: tags that are given at a creation, and a role that is handed on.
fn besides(call: &str) -> &'static [&'static str] {
    match call {
        "ecs:RegisterTaskDefinition" | "ecs:RunTask" => &["ecs:TagResource", "iam:PassRole"],
        "secretsmanager:CreateSecret" => &["secretsmanager:TagResource"],
        "logs:CreateLogGroup" => &["logs:TagResource"],
        _ => &[],
    }
}

/// One life with everything the page speaks of: servers over HTTP and standard streams, secrets that are made and that are there, a tool, a public
/// address, a dry run with an image of ECR, a sweep, and a failure.
#[tokio::test]
async fn the_policy_of_the_page_is_the_smallest_that_passes() {
    let Some(stand) = stand_in().await else { return };
    let there = stand.keep_secret("there", "kept-by-the-operator").await;
    let bridge = bridge_image().await;
    let further = format!("bridgeImage: {bridge}\nsecrets: {{acme.there: '{there}'}}");
    let time = "image: mcp/time:1\nuser: '65534'\ncommand: [--local-timezone, UTC]\nsettings: {entrypoint: [/usr/bin/python3, -m, mcp_server_time]}";
    let echo =
        format!("{ECHO}\nsecrets: [{{name: acme.token, env: TOKEN}}, {{name: acme.there, env: THERE}}]");
    let tool = "onUnenforced: report\ntools:\n  - name: words\n    parameters: {type: object, properties: {text: {type: string}}}\n    container: {image: mcp/argv:1, command: ['{{text}}']}";
    let scene = aws_scene(
        &stand.settings("cloud-ecs", &further),
        &[("time", time), ("echo", &echo), ("tools", tool)],
    );
    scene.file(".env", "acme.token=planted-for-the-policy\nacme.there=not-used\n");
    let arguments = ["--provisioner", "cloud", "--secrets", ".env"];
    scene.run([&["run", "--dry-run"][..], &arguments].concat()).await.expect_code(0);
    let gateway = scene.serve(arguments).await;
    let mut client = gateway.client(LEGACY).await;
    client.await_tools(&["get_current_time", "echo", "words"]).await;
    client.text("echo", json!({"message": "here"})).await;
    let words = client.text("words", json!({"text": "from a task"})).await;
    assert!(words.contains("from a task"), "{words}");
    scene.run(["server", "sweep"]).await;
    gateway.end().await;
    nothing_left(&stand).await;
    // What only some have: an image of ECR, and tasks with public addresses. Neither comes up here, and both ask.
    let ecr = "image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/acme/notes:2\ntransport: http\nports: [{containerPort: 8000}]";
    let scene = aws_scene(&stand.settings("cloud-ecs", ""), &[("notes", ecr)]);
    scene.run(["run", "--dry-run", "--provisioner", "cloud"]).await;
    let public = "assignPublicIp: true\nreach: public";
    let scene = aws_scene(&stand.settings("cloud-ecs", public), &[("echo", ECHO)]);
    let gateway = scene.serve(["--provisioner", "cloud"]).await;
    let mut client = gateway.client(LEGACY).await;
    client.begin("tools/list", json!({})).await;
    eventually("the question for the public address", async || {
        let asked = stand.calls().iter().any(|call| call == "ec2:DescribeNetworkInterfaces");
        if asked { Ok(()) } else { Err(gateway.said()) }
    })
    .await;
    gateway.end().await;
    nothing_left(&stand).await;
    let mut called = BTreeSet::new();
    for call in stand.calls() {
        called.extend(besides(&call).iter().map(|action| (*action).to_owned()));
        called.insert(call);
    }
    // Whoever asks who he is needs no right to.
    called.remove("sts:GetCallerIdentity");
    let allowed = allowed();
    let missing: Vec<_> = called.difference(&allowed).collect();
    let useless: Vec<_> = allowed.difference(&called).collect();
    assert!(missing.is_empty(), "called, and not in the policy: {missing:?}");
    assert!(useless.is_empty(), "in the policy, and never called: {useless:?}");
    stand.end().await;
}
