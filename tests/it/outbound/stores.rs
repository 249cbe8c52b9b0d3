//! Secrets that a cloud keeps, found by the program for servers that run here: AWS by its double, Google by a server of the test.

use crate::program::scene;
use gateway_tests::harness::part;
use host_outbound::{Client, Outgoing, Signer, Surroundings};
use host_web::{Access, Target};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;

/// One request to the AWS double, for what a test needs there.
async fn aws(endpoint: &str, operation: &str, body: &Value) -> Value {
    let variables = [("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let client = Client::new(Surroundings { variables, home: None });
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
    headers.insert("x-amz-target", format!("secretsmanager.{operation}").parse().unwrap());
    let outgoing = Outgoing {
        who: "test".to_owned(),
        method: http::Method::POST,
        target: Target::parse(endpoint).unwrap(),
        headers,
        body: body.to_string().into(),
        signer: Some(Signer::Aws {
            service: "secretsmanager".to_owned(),
            region: Some("us-east-1".to_owned()),
        }),
        access: Access::new(|_, _| true, ""),
        repeatable: true,
        within: Duration::from_secs(60),
        limit: 1 << 20,
    };
    let answer = client.send(&outgoing, &Mutex::default()).await.unwrap();
    assert!(answer.status < 400, "{operation}: {} {:?}", answer.status, answer.body);
    serde_json::from_slice(&answer.body).unwrap()
}

/// A name that no other test has.
fn unique() -> String {
    let mut bytes = [0; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn secrets_of_aws_are_found_and_what_is_missing_says_where_it_was_looked_for() {
    let Some(endpoint) = part("aws", "GATEWAY_TEST_AWS_ENDPOINT") else { return };
    let folder = unique();
    let one = format!("{folder}/acme.token");
    let many = format!("{folder}/all");
    aws(&endpoint, "CreateSecret", &json!({"Name": one, "SecretString": "hunter2"})).await;
    let object = json!({"other.token": "hunter3"}).to_string();
    aws(&endpoint, "CreateSecret", &json!({"Name": many, "SecretString": object})).await;
    let scene = scene()
        .with_variable("AWS_ACCESS_KEY_ID", "testing")
        .with_variable("AWS_SECRET_ACCESS_KEY", "testing");
    scene.settings(&format!(
        "secrets:
  - 'aws-secrets-manager:{folder}/?region=us-east-1&endpoint={endpoint}'
  - 'aws-secrets-manager:{many}#?region=us-east-1&endpoint={endpoint}'
servers:
  time:
    bundled: time
    secrets: [{{name: acme.token, env: A}}, {{name: other.token, env: B}}, {{name: no.token, env: C}}]
"
    ));
    let listed = scene.run(["secret", "list"]).await;
    let text = format!("{}{}", listed.stdout, listed.stderr);
    assert!(!text.contains("hunter"), "{text}");
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(line("acme.token").contains(&format!("AWS Secrets Manager below `{folder}/`")), "{text}");
    assert!(line("other.token").contains(&format!("AWS Secrets Manager below `{many}#`")), "{text}");
    assert!(line("no.token").contains("was not found in AWS Secrets Manager"), "{text}");
    for id in [one, many] {
        aws(&endpoint, "DeleteSecret", &json!({"SecretId": id, "ForceDeleteWithoutRecovery": true})).await;
    }
}
