//! The plugin on the fake host.

use crate::Docker;
use gateway_plugin::fake::{self, FakeHost, check_endings};
use gateway_plugin::types::{Destination, Egress, Protocol, PullPolicy, Unenforced};
use gateway_plugin::{Context, Error, FailureCategory, ObjectRef, ReleaseReason, Server, Status, Workload};

fn notes() -> Server {
    fake::image_server("notes", "acme/notes:2")
}

/// The way out is limited, so that there is a proxy with its networks.
fn limited() -> Server {
    let mut server = notes();
    let destination = Destination {
        host: "api.example".to_owned(),
        port: Some(443),
        protocol: Protocol::Https,
        written: "api.example:443".to_owned(),
    };
    server.network.egress = Egress::Only(vec![destination]);
    server
}

const NAME: &str = "mcp-notes-r234567890123456";

#[test]
fn a_server_is_pulled_started_asked_and_taken_down() {
    let host = FakeHost::new();
    let provisioned = host.provision::<Docker>(&notes()).expect("nothing is in the way");
    assert_eq!(provisioned.objects, [ObjectRef::new("container", "", NAME)]);
    assert_eq!(host.progress(), [format!("start container `{NAME}`")]);
    assert_eq!(host.containers_started()[0].image, "acme/notes:2");
    assert_eq!(host.probe::<Docker>().expect("known").status, Status::Running);
    host.release::<Docker>(ReleaseReason::Ended).expect("it is there");
    assert_eq!(host.left(), []);
    assert_eq!(host.probe::<Docker>().expect("known").status, Status::Gone);
    host.release::<Docker>(ReleaseReason::Ended).expect("gone already is success");
}

#[test]
fn nothing_is_left_however_it_ends() {
    assert_eq!(check_endings::<Docker>(FakeHost::new, &notes()), Ok(()));
    assert_eq!(check_endings::<Docker>(FakeHost::new, &limited()), Ok(()));
}

#[test]
fn a_limited_way_out_goes_through_a_proxy_and_goes_with_the_server() {
    let host = FakeHost::new();
    let provisioned = host.provision::<Docker>(&limited()).expect("nothing is in the way");
    let proxy = "mcp-egress-r234567890123456".to_owned();
    assert_eq!(provisioned.objects.len(), 4);
    let started = host.containers_started().pop().expect("started");
    assert_eq!(started.networks, [format!("{proxy}-inside")]);
    assert_eq!((started.links, started.environment[0].name.as_str()), (vec![proxy], "https_proxy"));
    host.release::<Docker>(ReleaseReason::Shutdown).expect("it is there");
    assert_eq!(host.left(), []);
}

#[test]
fn a_host_without_proxies_enforces_nothing_and_says_so() {
    let unsupported = || Error::unsupported("there is no egress proxy");
    let host = FakeHost::new();
    host.fail_at(2, unsupported());
    let error = host.provision::<Docker>(&limited()).expect_err("refused");
    assert_eq!(error.to_string(), "honour `network.egress`: there is no egress proxy");
    assert_eq!((error.category(), host.left()), (FailureCategory::Config, vec![]));
    let accepting = Context { unenforced: Unenforced::Report, ..fake::context() };
    let host = FakeHost::new().with_context(accepting);
    // engine, plan-egress-proxy, ensure-image, progress, start-egress-proxy
    host.fail_at(2, unsupported());
    host.fail_at(5, unsupported());
    let provisioned = host.provision::<Docker>(&limited()).expect("the operator accepts it");
    assert_eq!(provisioned.fields[0].note, "there is no egress proxy");
    assert_eq!(host.left().len(), 1);
}

#[test]
fn a_repetition_begins_anew() {
    let host = FakeHost::new();
    // engine, ensure-image, progress, start-attached
    host.cut_after(4);
    let error = host.provision::<Docker>(&notes()).expect_err("cut");
    assert_eq!(error.category(), FailureCategory::Cancelled);
    assert_eq!(host.left(), [ObjectRef::new("container", "", NAME)]);
    host.resume::<Docker>(&notes()).expect("nothing is in the way");
    assert_eq!(host.containers_started().len(), 2);
    assert_eq!(host.left(), [ObjectRef::new("container", "", NAME)]);
}

#[test]
fn a_server_that_died_says_how() {
    let host = FakeHost::new();
    host.provision::<Docker>(&notes()).expect("nothing is in the way");
    host.end_container(NAME, 3);
    let health = host.probe::<Docker>().expect("known");
    assert_eq!((health.status, health.exit_code), (Status::Ended, Some(3)));
    assert_eq!(health.text, "ended with exit code 3");
}

#[test]
fn a_lease_without_state_is_taken_down_by_the_ledger() {
    let host = FakeHost::new();
    host.cut_after(4);
    host.provision::<Docker>(&notes()).expect_err("cut");
    assert_eq!(host.state(), None);
    assert_eq!(host.probe::<Docker>().expect("known").text, "it was never started");
    host.release::<Docker>(ReleaseReason::Unfinished).expect("it is in the ledger");
    assert_eq!((host.left(), host.ledger()), (vec![], vec![]));
}

#[test]
fn the_plan_is_the_line_and_the_digest() {
    let host = FakeHost::new();
    let plan = host.plan::<Docker>(&notes()).expect("nothing is in the way");
    assert_eq!(plan.documents.len(), 1);
    assert_eq!(plan.documents[0].title, "docker run arguments");
    let words: Vec<String> =
        gateway_plugin::serde_json::from_str(&plan.documents[0].text).expect("a JSON array");
    assert_eq!(words[..3], ["docker", "run", "--rm"]);
    assert_eq!(words.last().map(String::as_str), Some("acme/notes:2"));
    assert_eq!((plan.pins.len(), plan.pins[0].reference.as_str()), (1, "acme/notes:2"));
    assert_eq!(host.left(), []);
    assert!(
        !host.calls().iter().any(|call| call.contains("start") || call.contains("ensure")),
        "{:?}",
        host.calls()
    );
}

#[test]
fn validation_finds_everything_and_creates_nothing() {
    let host = FakeHost::new().without_image("acme/notes:2");
    let mut server = notes();
    server.limits.disk = Some(gateway_plugin::types::Amount { mib: 1, written: "1m".to_owned() });
    let validation = host.validate::<Docker>(&server).expect("it can be checked");
    let texts: Vec<_> = validation.findings.iter().map(|finding| finding.failure.text.clone()).collect();
    assert!(texts.iter().any(|text| text == "find image `acme/notes:2`: no such image"), "{texts:?}");
    assert_eq!(host.left(), []);
    let fine =
        FakeHost::new().with_image("acme/notes:2").validate::<Docker>(&notes()).expect("it can be checked");
    assert_eq!(fine.findings, []);
}

#[test]
fn an_image_that_is_never_pulled_must_be_there() {
    let host = FakeHost::new();
    let mut server = notes();
    let Workload::Image(image) = &mut server.workload else { panic!("an image") };
    image.pull = PullPolicy::Never;
    let error = host.provision::<Docker>(&server).expect_err("not there");
    assert_eq!(error.category(), FailureCategory::Image);
    assert_eq!(host.left(), []);
}

#[test]
fn privileged_is_asked_for_only_by_the_operator() {
    let host = FakeHost::new().with_settings(r#"{"privileged": true}"#);
    let error = host.provision::<Docker>(&notes()).expect_err("the fake does not grant it");
    assert_eq!(error.category(), FailureCategory::Permission);
    let host = FakeHost::new().with_settings(r#"{"privilege": true}"#);
    assert_eq!(
        host.provision::<Docker>(&notes()).expect_err("no such key").category(),
        FailureCategory::Config
    );
}

#[test]
fn the_engines_own_failure_reaches_the_operator_unchanged() {
    let host = FakeHost::new();
    host.fail_at(1, Error::retryable("reach the engine").hint("start the engine"));
    let error = host.provision::<Docker>(&notes()).expect_err("down");
    assert_eq!(error.category(), FailureCategory::Retryable);
    assert_eq!(error.failure().hint.as_deref(), Some("start the engine"));
}
