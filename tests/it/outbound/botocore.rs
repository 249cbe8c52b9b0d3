//! What botocore signs is what the gateway signs, header for header. botocore comes with the AWS double of the test environment.

use gateway_tests::harness::part;
use host_outbound::{Client, Signer, Surroundings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The Python that the AWS double runs on: its command begins with it, or with a program beside it.
fn python() -> Option<String> {
    let command = part("aws", "GATEWAY_TEST_MOTO")?;
    let words = command.split_whitespace().map(str::to_owned);
    let beside =
        |word: &String| Path::new(word).parent().map(|folder| folder.join("python3").display().to_string());
    let candidates = words.clone().chain(words.filter_map(|word| beside(&word)));
    let has_botocore = |python: &String| {
        let mut command = Command::new(python);
        command
            .args(["-c", "import botocore.auth"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = candidates.filter(|word| word.contains("python")).find(has_botocore);
    assert!(found.is_some(), "the AWS double is up, and no Python with botocore stands in `{command}`");
    found
}

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Method, URL, headers, body, service, session token.
type Request = (&'static str, &'static str, Value, &'static str, &'static str, Option<&'static str>);

/// Requests as plugins send them, and some that are hard to read.
fn requests() -> Vec<Request> {
    let json_11 =
        |target: &str| json!({"content-type": "application/x-amz-json-1.1", "x-amz-target": target});
    vec![
        (
            "POST",
            "https://ecs.eu-west-1.amazonaws.com/",
            json_11("AmazonEC2ContainerServiceV20141113.RunTask"),
            r#"{"cluster":"c","count":1}"#,
            "ecs",
            None,
        ),
        (
            "POST",
            "https://secretsmanager.eu-west-1.amazonaws.com/",
            json_11("secretsmanager.CreateSecret"),
            r#"{"Name":"ü","SecretString":"a\"b"}"#,
            "secretsmanager",
            Some("token-of-session"),
        ),
        (
            "POST",
            "https://logs.eu-west-1.amazonaws.com/",
            json_11("Logs_20140328.GetLogEvents"),
            "",
            "logs",
            None,
        ),
        (
            "POST",
            "https://ec2.eu-west-1.amazonaws.com/",
            json!({"content-type": "application/x-www-form-urlencoded; charset=utf-8"}),
            "Action=DescribeSubnets&SubnetId.1=subnet-1&Version=2016-11-15",
            "ec2",
            None,
        ),
        (
            "GET",
            "https://ec2.eu-west-1.amazonaws.com/?Action=DescribeRegions&Version=2016-11-15&Filter.1.Value.1=a%20b&empty=&a=2&a=1",
            json!({}),
            "",
            "ec2",
            Some("t/+="),
        ),
        (
            "GET",
            "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/my%20function%3A1/versions",
            json!({}),
            "",
            "lambda",
            None,
        ),
        (
            "POST",
            "http://127.0.0.1:5001/",
            json_11("AmazonEC2ContainerServiceV20141113.ListTasks"),
            "{}",
            "ecs",
            None,
        ),
        (
            "PUT",
            "https://example.eu-west-1.amazonaws.com/a/b",
            json!({"x-own": "  two   blanks  ", "content-type": "text/plain"}),
            "x",
            "service",
            None,
        ),
    ]
}

#[tokio::test]
async fn signatures_are_those_of_botocore() {
    let Some(python) = python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/outbound/sign.py");
    let mut asked = Vec::new();
    let mut ours = Vec::new();
    for (method, url, headers, body, service, token) in requests() {
        let mut variables = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID".to_owned(), KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned()),
        ]);
        variables.extend(token.map(|token| ("AWS_SESSION_TOKEN".to_owned(), token.to_owned())));
        let client = Client::new(Surroundings { variables, home: None });
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers.as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let mut request = request.body(bytes::Bytes::from(body)).unwrap();
        let signer = Signer::Aws { service: service.to_owned(), region: Some("eu-west-1".to_owned()) };
        client.sign(&mut request, &signer, &Mutex::default()).await.unwrap();
        let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
        ours.push(header("authorization"));
        asked.push(json!({
            "method": method, "url": url, "headers": headers, "body": body, "service": service, "region": "eu-west-1",
            "key": KEY, "secret": SECRET, "token": token, "date": header("x-amz-date"),
        }));
    }
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = asked.iter().map(|asked| format!("{asked}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(theirs.len(), ours.len());
    for ((theirs, ours), asked) in theirs.iter().zip(&ours).zip(&asked) {
        assert_eq!(theirs, ours, "{asked}");
    }
}
