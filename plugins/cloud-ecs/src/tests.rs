//! The plugin on the fake host, against a small AWS of the test: a server's life. Endings, tools and what an operator is told are beside it.

mod double;
mod endings;
mod operator;
mod tools;

use crate::Ecs;
use crate::names::{DEFINITION, LOG_GROUP, SECRET, TASK};
use double::Aws;
use gateway_plugin::fake::{self, FakeHost};
use gateway_plugin::secrets::Reference;
use gateway_plugin::types::Variable;
use gateway_plugin::value::{secret, server_secret};
use gateway_plugin::{FailureCategory, ReleaseReason, Server, Status, Transport, types::ServerEndpoint};

const SETTINGS: &str = r#"{"region": "eu-central-1", "cluster": "team", "subnets": ["subnet-1"], "securityGroups": ["sg-1"],
    "executionRole": "arn:aws:iam::123456789012:role/execution", "account": "123456789012",
    "prices": {"source": "list of 2026-11", "cpuHour": 0.04, "gibHour": 0.004}}"#;
const BASE: &str = "mcp-notes-r234567890123456";

fn notes() -> Server {
    let mut server = fake::image_server("notes", "acme/notes:2");
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 3001,
        path: "/mcp".to_owned(),
        health_path: None,
        headers: Vec::new(),
    });
    server.environment =
        vec![Variable { name: "TOKEN".to_owned(), value: secret(server_secret("acme.token")) }];
    server.secrets = vec!["acme.token".to_owned()];
    server
}

fn host(aws: &Aws) -> FakeHost {
    let host = FakeHost::new().with_settings(SETTINGS);
    aws.answer(&host);
    host
}

#[test]
fn a_server_gets_a_secret_a_definition_and_a_task_and_all_of_it_goes() {
    let aws = Aws::new();
    let host = host(&aws);
    host.prepare::<Ecs>(&[notes()], &[]).expect("the cluster is there");
    let provisioned = host.provision::<Ecs>(&notes()).expect("nothing is in the way");
    let kinds: Vec<_> = provisioned.objects.iter().map(|object| object.kind.as_str()).collect();
    assert_eq!(kinds, [DEFINITION, TASK, SECRET]);
    assert_eq!(host.connections(), ["HTTP at http://10.0.3.17:3001/mcp"]);
    assert_eq!(host.probe::<Ecs>().expect("known").status, Status::Running);
    assert!(host.reconnect::<Ecs>(&notes()).expect("it lives").expect("a way back").same_process);
    host.release::<Ecs>(ReleaseReason::Ended).expect("it is there");
    assert_eq!(host.probe::<Ecs>().expect("known").status, Status::Ended);
    let kinds: Vec<_> = host.left().into_iter().map(|object| object.kind).collect();
    assert_eq!(kinds, [LOG_GROUP], "that is the session's");
    host.shutdown::<Ecs>().expect("it goes");
    assert_eq!(host.left(), []);
    assert_eq!(aws.left(), [""; 0]);
}

#[test]
fn no_request_holds_a_value_and_every_one_is_signed_for_its_service() {
    let aws = Aws::new();
    let host = host(&aws);
    host.provision::<Ecs>(&notes()).expect("nothing is in the way");
    for request in host.requests() {
        let signing = request.signing.as_ref().expect("signed");
        assert_eq!(signing.signer, "aws");
        let service = signing.parameters.iter().find(|(key, _)| key == "service").expect("named");
        assert!(request.url.starts_with(&format!("https://{}.eu-central-1.amazonaws.com/", service.1)));
    }
}

/// Over standard streams, behind the bridge.
fn over_streams(aws: &Aws) -> (FakeHost, Server) {
    let settings = SETTINGS.replace("\"account\"", "\"bridgeImage\": \"acme/bridge:1\", \"account\"");
    let host = FakeHost::new().with_settings(&settings);
    aws.answer(&host);
    (host, fake::image_server("notes", "acme/notes:2"))
}

#[test]
fn the_bridge_has_a_token_that_nobody_sees_and_starts_what_the_registry_says() {
    let aws = Aws::new();
    let (host, server) = over_streams(&aws);
    let provisioned = host.provision::<Ecs>(&server).expect("nothing is in the way");
    let kinds: Vec<_> = provisioned.objects.iter().map(|object| object.kind.as_str()).collect();
    assert_eq!(kinds, [DEFINITION, TASK, SECRET]);
    assert_eq!(host.connections(), ["TCP to 10.0.3.17:4444"]);
    let calls = host.calls();
    let at =
        |wanted: &str| calls.iter().position(|call| call == wanted).unwrap_or_else(|| panic!("{calls:?}"));
    assert!(at("registry.image acme/notes:2 linux/amd64") < at("secrets.generate bridge"));
    let definition = &aws.definitions()[0]["containerDefinitions"][1];
    let words = [
        "/gateway/gateway-bridge",
        "--listen",
        ":4444",
        "--token-variable",
        "GATEWAY_BRIDGE_TOKEN",
        "--",
        "/server",
    ];
    assert_eq!(definition["entryPoint"], serde_json::json!(words));
    assert_eq!(definition["secrets"][0]["name"], "GATEWAY_BRIDGE_TOKEN");
    let arn = format!(
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:{BASE}/0/GATEWAY_BRIDGE_TOKEN-AbCdEf"
    );
    assert_eq!(definition["secrets"][0]["valueFrom"], arn);
    // With the same token, to another run of the program.
    assert!(!host.reconnect::<Ecs>(&server).expect("it lives").expect("a way back").same_process);
    host.release::<Ecs>(ReleaseReason::Ended).expect("it is there");
    assert_eq!(aws.left(), [""; 0]);
    // A registry that does not tell stops everything before anything is made.
    let aws = Aws::new();
    let (host, server) = over_streams(&aws);
    let error = host.without_image("acme/notes:2").provision::<Ecs>(&server).expect_err("nobody has it");
    assert_eq!(error.category(), FailureCategory::Image);
    assert!(error.failure().hint.as_ref().is_some_and(|hint| hint.contains("entrypoint: [PROGRAM]")));
    assert_eq!(aws.calls(), [""; 0]);
}

#[test]
fn a_repeated_attempt_finds_what_the_first_made() {
    for failed in ["CreateSecret", "RegisterTaskDefinition", "RunTask", "DescribeTasks"] {
        let aws = Aws::new();
        let host = host(&aws);
        aws.lose(failed);
        let error = host.provision::<Ecs>(&notes()).expect_err("the answer was lost");
        assert_eq!(error.category(), FailureCategory::Retryable, "{failed}");
        host.resume::<Ecs>(&notes()).unwrap_or_else(|error| panic!("{failed}: {error}"));
        assert_eq!(aws.left().len(), 3, "one secret, one definition, one task: {:?}", aws.left());
        host.release::<Ecs>(ReleaseReason::Ended).expect("released");
        assert_eq!(aws.left(), [""; 0], "{failed}");
    }
}

#[test]
fn a_truncated_answer_is_no_answer() {
    // What may be sent twice is; what may not, and what is whole and says too little, is the next attempt's.
    let cases = [
        ("RunTask", "", true),
        ("RunTask", "{\"tasks\": [{\"taskA", true),
        ("RunTask", "<html>", true),
        ("RunTask", "null", false),
        ("RunTask", "{}", false),
        ("RegisterTaskDefinition", "{\"taskDef", false),
    ];
    for (operation, body, comes_up) in cases {
        let aws = Aws::new();
        let host = host(&aws);
        aws.replace(operation, 200, body);
        match host.provision::<Ecs>(&notes()) {
            Ok(_) => assert!(comes_up, "{operation} {body}"),
            Err(error) => {
                assert!(!comes_up, "{operation} {body}: {error}");
                assert_eq!(error.category(), FailureCategory::Retryable, "{operation} {body}");
            }
        }
        host.release::<Ecs>(ReleaseReason::Unfinished).expect("released");
        assert_eq!(aws.left(), [""; 0], "{operation} {body}");
    }
}

#[test]
fn http_200_does_not_mean_that_it_runs() {
    for (reason, category) in [
        ("RESOURCE:ENI", FailureCategory::Quota),
        ("Capacity is unavailable at this time", FailureCategory::Quota),
        ("You've reached the limit on the number of tasks", FailureCategory::Quota),
        ("MISSING", FailureCategory::Config),
        ("something else", FailureCategory::Permanent),
    ] {
        let aws = Aws::new();
        let host = host(&aws);
        let body = format!(r#"{{"tasks": [], "failures": [{{"reason": "{reason}", "detail": "more"}}]}}"#);
        aws.replace("RunTask", 200, &body);
        let error = host.provision::<Ecs>(&notes()).expect_err("it does not run");
        assert_eq!(error.category(), category, "{reason}");
        assert_eq!(error.to_string(), format!("run a task: {reason}"));
        assert_eq!(error.failure().details, ["more"]);
        host.release::<Ecs>(ReleaseReason::Unfinished).expect("released");
        assert_eq!(aws.left(), [""; 0], "{reason}");
    }
}

#[test]
fn a_secret_that_is_there_already_is_named_and_not_made() {
    let aws = Aws::new();
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:acme-AbCdEf";
    let reference = Reference { provider: "aws-secrets-manager".to_owned(), id: arn.to_owned() };
    let host = host(&aws).with_secret_reference("acme.token", reference);
    host.provision::<Ecs>(&notes()).expect("nothing is in the way");
    assert!(aws.calls().iter().all(|call| call != "CreateSecret"));
    let definition = &aws.definitions()[0]["containerDefinitions"][0];
    assert_eq!(definition["secrets"][0]["valueFrom"], arn);
    let elsewhere = Reference { provider: "kubernetes-secret".to_owned(), id: "a/b/c".to_owned() };
    let host = self::host(&Aws::new()).with_secret_reference("acme.token", elsewhere);
    let error = host.provision::<Ecs>(&notes()).expect_err("nobody here can fetch it");
    assert_eq!(
        error.to_string(),
        "give a task the secret `acme.token`: it is only known as a reference of `kubernetes-secret`"
    );
}
