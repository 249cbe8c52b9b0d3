//! What an operator is told before anything is made, and what the page and the grant promise.

use super::{BASE, SETTINGS, double::Aws, host, notes};
use crate::{Ecs, aws};
use gateway_plugin::Error;
use gateway_plugin::fake::{self, FakeHost};
use gateway_plugin::types::{Page, Severity};
use std::collections::BTreeSet;

#[test]
fn everything_is_validated_at_once_and_nothing_is_made() {
    let aws = Aws::new();
    let host = host(&aws);
    let validation = host.validate::<Ecs>(&notes()).expect("asked");
    assert_eq!(validation.findings, []);
    assert_eq!(validation.costs.len(), 2);
    assert_eq!(aws.left(), [""; 0]);
    let aws = Aws::new();
    let host = super::host(&aws);
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
    let host = super::host(&aws);
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
    let again = super::host(&aws).with_context(later).plan::<Ecs>(&notes()).expect("planned");
    assert_eq!(plan.documents, again.documents);
    assert_eq!(aws.calls(), [""; 0], "a plan asks nobody");
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
    let page = include_str!("../../README.md");
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
    for element in include_str!("../../grants.yaml").split("  - host: ").skip(1) {
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
