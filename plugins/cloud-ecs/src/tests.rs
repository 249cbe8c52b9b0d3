//! The plugin on the fake host, against a small AWS of the test.

mod double;

use crate::names::{DEFINITION, LOG_GROUP, SECRET, TASK};
use crate::{Ecs, aws};
use double::Aws;
use gateway_plugin::fake::{self, FakeHost, check_endings};
use gateway_plugin::secrets::Reference;
use gateway_plugin::types::{ImageWorkload, Liveness, Page, Severity, ToolContainer, Unenforced, Variable};
use gateway_plugin::value::{secret, server_secret};
use gateway_plugin::{
    Context, Error, FailureCategory, ReleaseReason, Server, Status, Transport, Workload,
    types::ServerEndpoint,
};
use std::collections::BTreeSet;

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

fn tool() -> ToolContainer {
    let image = fake::image_server("lint", "acme/lint:1").workload;
    let Workload::Image(ImageWorkload { arguments, .. }) = &image else { panic!("an image") };
    assert!(arguments.is_empty());
    fake::tool("lint", image)
}

fn lenient() -> Context {
    Context { unenforced: Unenforced::Report, ..fake::context() }
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
fn nothing_is_left_behind_the_bridge_however_it_ends() {
    let platforms = std::cell::RefCell::new(Vec::new());
    let fresh = || {
        let aws = Aws::new();
        platforms.borrow_mut().push(aws.clone());
        over_streams(&aws).0
    };
    assert_eq!(check_endings::<Ecs>(fresh, &over_streams(&Aws::new()).1), Ok(()));
    for aws in platforms.into_inner() {
        assert_eq!(aws.left(), [""; 0], "and the platform says so too");
    }
}

#[test]
fn nothing_is_left_however_it_ends() {
    // A platform for each ending: AWS remembers client tokens.
    let platforms = std::cell::RefCell::new(Vec::new());
    let fresh = || {
        let aws = Aws::new();
        platforms.borrow_mut().push(aws.clone());
        host(&aws)
    };
    assert_eq!(check_endings::<Ecs>(fresh, &notes()), Ok(()));
    for aws in platforms.into_inner() {
        assert_eq!(aws.left(), [""; 0], "and the platform says so too");
    }
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
fn throttling_that_hides_in_a_400_is_waited_for_also_at_a_release() {
    let aws = Aws::new();
    let host = host(&aws);
    let slow = r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#;
    aws.replace("RunTask", 400, slow);
    host.provision::<Ecs>(&notes()).expect("in a moment");
    for operation in ["ListTasks", "StopTask", "DeregisterTaskDefinition", "DeleteSecret"] {
        aws.replace(operation, 400, slow);
    }
    host.release::<Ecs>(ReleaseReason::Ended).expect("in a moment");
    assert_eq!(aws.left(), [""; 0]);
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

#[test]
fn a_tool_runs_to_its_end_and_leaves_its_output_only() {
    let aws = Aws::new();
    let host = host(&aws).with_context(lenient());
    aws.ends_with(7, &["one", "two"]);
    let ran = host.run_tool::<Ecs>(&tool()).expect("it runs");
    assert_eq!(ran.output.bytes(), (b"one\ntwo\n".as_slice(), b"".as_slice()));
    assert_eq!((ran.output.exit_code(), ran.output.is_truncated()), (Some(7), false));
    let fields: Vec<_> = ran.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["output.stderr-apart", "output.byte-exact"]);
    assert_eq!(aws.left(), [""; 0]);
    let short = ToolContainer { output_limit: 5, ..tool() };
    let next = Context { request: "r999999999999999".to_owned(), ..lenient() };
    let ran = self::host(&aws).with_context(next).run_tool::<Ecs>(&short).expect("it runs");
    assert_eq!(ran.output.bytes().0, b"one\nt");
    assert!(ran.output.is_truncated());
    let error = self::host(&aws).run_tool::<Ecs>(&tool()).expect_err("the streams cannot be kept apart");
    assert_eq!(error.category(), FailureCategory::Config);
}

#[test]
fn a_tool_that_does_not_end_is_ended_and_what_was_begun_is_undone() {
    let aws = Aws::new();
    let host = host(&aws).with_context(lenient());
    let ran = host.run_tool::<Ecs>(&tool()).expect("its time is over");
    assert_eq!(ran.output.ending(), gateway_plugin::connection::Ending::TimedOut);
    assert_eq!(aws.left(), [""; 0]);
    let calls = host.calls().len();
    for n in 1..=calls {
        let aws = Aws::new();
        let host = self::host(&aws).with_context(lenient());
        host.cut_after(n);
        drop(host.run_tool::<Ecs>(&tool()));
        host.stop_tool::<Ecs>(ReleaseReason::Unfinished).expect("stopped");
        assert_eq!(aws.left(), [""; 0], "cut after host call {n}");
    }
}

#[test]
fn what_carries_secrets_or_wants_input_is_no_tool_here() {
    let aws = Aws::new();
    let host = host(&aws).with_context(lenient());
    let secret = ToolContainer { environment: notes().environment, secrets: notes().secrets, ..tool() };
    let error = host.run_tool::<Ecs>(&secret).expect_err("its output cannot be read");
    assert_eq!(error.category(), FailureCategory::Permission);
    let fed = ToolContainer { input: Some(b"x".to_vec()), ..tool() };
    let error = host.run_tool::<Ecs>(&fed).expect_err("there is no input");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    assert_eq!(aws.left(), [""; 0]);
}

#[test]
fn everything_is_validated_at_once_and_nothing_is_made() {
    let aws = Aws::new();
    let host = host(&aws);
    let validation = host.validate::<Ecs>(&notes()).expect("asked");
    assert_eq!(validation.findings, []);
    assert_eq!(validation.costs.len(), 2);
    assert_eq!(aws.left(), [""; 0]);
    let aws = Aws::new();
    let host = self::host(&aws);
    aws.replace("DescribeClusters", 200, r#"{"clusters": [], "failures": [{"reason": "MISSING"}]}"#);
    aws.replace("DescribeSubnets", 400, "<R><Code>InvalidSubnetID.NotFound</Code></R>");
    aws.replace("DescribeSecurityGroups", 403, "<R><Code>UnauthorizedOperation</Code></R>");
    aws.replace("GetRole", 404, "<R><Code>NoSuchEntity</Code></R>");
    aws.replace("GetServiceQuota", 200, r#"{"Quota": {"Value": 0.1}}"#);
    let validation = host.validate::<Ecs>(&notes()).expect("asked");
    let found: Vec<_> =
        validation.findings.iter().map(|finding| (finding.severity, finding.failure.text.as_str())).collect();
    assert_eq!(
        found,
        [
            (Severity::Problem, "use cluster `team`: it is not there"),
            (Severity::Problem, "ec2:DescribeSubnets: InvalidSubnetID.NotFound"),
            (Severity::Warning, "ec2:DescribeSecurityGroups: UnauthorizedOperation"),
            (Severity::Problem, "use role `execution`: it is not there"),
            (
                Severity::Warning,
                "run the task within the quota: 0.00 vCPU of 0.10 are used in this cluster, it needs 0.25"
            ),
        ]
    );
}

#[test]
fn another_account_and_unknown_credentials_are_said_before_anything_else() {
    let aws = Aws::new();
    let host = FakeHost::new().with_settings(&SETTINGS.replace("\"123456789012\"", "\"1\""));
    aws.answer(&host);
    let validation = host.validate::<Ecs>(&notes()).expect("asked");
    assert_eq!(
        validation.findings[0].failure.text,
        "use account `1`: the gateway's credentials belong to `123456789012`"
    );
    let host = self::host(&aws);
    aws.replace("GetCallerIdentity", 403, "<R><Code>InvalidClientTokenId</Code></R>");
    let validation = host.validate::<Ecs>(&notes()).expect("asked");
    assert_eq!(validation.findings.len(), 1, "every other answer would be the same");
    assert!(validation.findings[0].failure.hint.is_some());
}

#[test]
fn a_plan_says_the_same_twice_and_shows_names_only() {
    let aws = Aws::new();
    let host = host(&aws);
    let plan = host.plan::<Ecs>(&notes()).expect("planned");
    let titles: Vec<_> = plan.documents.iter().map(|document| document.title.as_str()).collect();
    assert_eq!(titles, ["secretsmanager:CreateSecret", "ecs:RegisterTaskDefinition", "ecs:RunTask"]);
    assert!(plan.documents[0].text.contains("{{secret acme.token}}"), "{}", plan.documents[0].text);
    assert!(plan.documents[1].text.contains("<ARN of mcp-notes-<request>/0/TOKEN>"));
    let mut later = fake::context();
    later.request = "r999999999999999".to_owned();
    let again = self::host(&aws).with_context(later).plan::<Ecs>(&notes()).expect("planned");
    assert_eq!(plan.documents, again.documents);
    assert_eq!(aws.calls(), [""; 0], "a plan asks nobody");
}

#[test]
fn a_sweep_takes_what_is_dead_and_ours_and_nothing_else() {
    let aws = Aws::new();
    let dead = Context { session: "sdeaddeaddeaddead".to_owned(), ..fake::context() };
    let tagged = |context: Context, session: &str, gateway: &str| {
        let labels = context.labels.into_iter().map(|mut label| {
            match label.key.as_str() {
                "gateway-session" => session.clone_into(&mut label.value),
                "gateway-id" => gateway.clone_into(&mut label.value),
                _ => {}
            }
            label
        });
        labels.collect::<Vec<_>>()
    };
    let runs = [
        ("sdeaddeaddeaddead", "g234567890123456", "r1"),
        ("saliveealiveealive", "g234567890123456", "r2"),
        ("sunknownunknownun", "g234567890123456", "r3"),
        ("sdeaddeaddeaddead", "gotherotherother", "r4"),
    ];
    for (session, gateway, request) in runs {
        let labels = tagged(dead.clone(), session, gateway);
        let context = Context { request: request.to_owned(), labels, ..dead.clone() };
        let host = self::host(&aws).with_context(context);
        host.provision::<Ecs>(&notes()).expect("provisioned");
    }
    let before = aws.left().len();
    let sweeping = self::host(&aws)
        .with_session("sdeaddeaddeaddead", Liveness::Dead)
        .with_session("saliveealiveealive", Liveness::Alive);
    let mut removed = Vec::new();
    let mut page = Page { cursor: None, limit: 100 };
    loop {
        let swept = sweeping.sweep::<Ecs>(0, &page).expect("swept");
        assert_eq!(swept.failed, []);
        removed.extend(swept.removed.into_iter().map(|object| object.name));
        match swept.cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(removed, ["r1", "mcp-notes-r1", "mcp-notes-r1/0/TOKEN"]);
    assert_eq!(aws.left().len(), before - 3);
}

#[test]
fn a_missing_setting_stops_everything_before_the_first_request() {
    let aws = Aws::new();
    let host = FakeHost::new().with_settings("{}");
    aws.answer(&host);
    let error: Error = host.prepare::<Ecs>(&[notes()], &[]).expect_err("there is no region");
    assert_eq!(error.to_string(), "find `region` in the settings of the plugin");
    host.prepare::<Ecs>(&[], &[]).expect("nothing is placed here, so nothing is missing");
    let swept = host.sweep::<Ecs>(0, &Page { cursor: None, limit: 10 }).expect("nothing was ever made");
    assert_eq!((swept.removed, swept.cursor), (Vec::new(), None));
    assert_eq!(aws.calls(), [""; 0]);
}

/// The policy on the plugin's page is what it calls, and no more.
#[test]
fn the_policy_of_the_page_is_the_table_of_operations() {
    let page = include_str!("../README.md");
    let (_, after) = page.split_once("```json\n").expect("a policy");
    let (policy, _) = after.split_once("```").expect("its end");
    let policy: serde_json::Value = serde_json::from_str(policy).expect("a policy is JSON");
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().expect("statements") {
        for action in statement["Action"].as_array().expect("actions") {
            assert!(
                allowed.insert(action.as_str().expect("a name").to_owned()),
                "{action} stands there twice"
            );
        }
    }
    let mut needed: BTreeSet<String> = aws::OPERATIONS.iter().map(aws::Operation::action).collect();
    // What AWS asks besides: tags at a creation, and roles that are handed on.
    needed.extend(
        ["ecs:TagResource", "secretsmanager:TagResource", "logs:TagResource", "iam:PassRole"]
            .map(str::to_owned),
    );
    // Whoever asks who he is needs no right to.
    needed.remove("sts:GetCallerIdentity");
    assert_eq!(allowed, needed);
}

/// The grant that the program comes with, too.
#[test]
fn the_grant_is_the_table_of_operations() {
    let names = |element: &str, key: &str| -> BTreeSet<String> {
        let line = element.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": ["));
        let inside = line.expect("a list").trim_end_matches(']');
        inside.split(", ").map(str::to_owned).collect()
    };
    let mut seen = 0;
    for element in include_str!("../grants.yaml").split("  - host: ").skip(1) {
        let (_, after) = element.split_once("service: ").expect("it is signed");
        let service = after.split([',', '}']).next().expect("for a service");
        let of_service = || aws::OPERATIONS.iter().filter(|operation| operation.service.name() == service);
        let all: BTreeSet<String> = of_service().map(|operation| operation.name.to_owned()).collect();
        let reads =
            of_service().filter(|operation| operation.reads).map(|operation| operation.name.to_owned());
        assert_eq!(names(element, "operations"), all, "{service}");
        assert_eq!(names(element, "reads"), reads.collect(), "{service}");
        let host = of_service().next().expect("it has operations").service.host();
        assert!(element.starts_with(&format!("{host}.")), "{host}: {element}");
        seen += all.len();
    }
    assert_eq!(seen, aws::OPERATIONS.len());
}

#[test]
fn the_name_of_the_family_is_what_the_policy_allows() {
    assert!(BASE.starts_with(crate::names::PREFIX));
}
