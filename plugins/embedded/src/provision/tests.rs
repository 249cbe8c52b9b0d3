//! The plugin on the fake host.

use crate::Embedded;
use gateway_plugin::fake::{self, FakeHost, check_endings, component_server};
use gateway_plugin::types::Page;
use gateway_plugin::{Error, FailureCategory, ObjectRef, ReleaseReason, State, Status};

#[test]
fn a_server_is_started_asked_and_stopped() {
    let host = FakeHost::new();
    let provisioned = host.provision::<Embedded>(&component_server("notes")).expect("nothing is in the way");
    assert_eq!(provisioned.objects, [ObjectRef::new("component", "", "w1")]);
    assert_eq!(provisioned.fields, []);
    assert_eq!(host.progress(), ["start component `notes`"]);
    assert_eq!(host.probe::<Embedded>().expect("known").status, Status::Running);
    host.release::<Embedded>(ReleaseReason::Ended).expect("it is there");
    assert_eq!(host.left(), []);
    assert_eq!(host.probe::<Embedded>().expect("known").status, Status::Gone);
    assert_eq!(
        host.calls(),
        [
            "progress start component `notes`",
            "embedded.start component:notes",
            "embedded.info w1",
            "embedded.stop w1 2000",
            "embedded.info w1",
        ]
    );
}

#[test]
fn nothing_is_left_however_it_ends() {
    assert_eq!(check_endings::<Embedded>(FakeHost::new, &component_server("notes")), Ok(()));
}

#[test]
fn a_repetition_first_stops_what_the_attempt_before_started() {
    let host = FakeHost::new();
    host.cut_after(2);
    let error = host.provision::<Embedded>(&component_server("notes")).expect_err("cut");
    assert_eq!(error.category(), FailureCategory::Cancelled);
    assert_eq!(host.left(), [ObjectRef::new("component", "", "w1")]);
    host.resume::<Embedded>(&component_server("notes")).expect("nothing is in the way");
    // One number is the connection's.
    assert_eq!(host.left(), [ObjectRef::new("component", "", "w3")]);
}

#[test]
fn a_server_that_ended_says_how() {
    let host = FakeHost::new();
    host.provision::<Embedded>(&component_server("notes")).expect("nothing is in the way");
    host.end_workload("w1", 2, "memory limit of 64 MiB");
    let health = host.probe::<Embedded>().expect("known");
    assert_eq!((health.status, health.exit_code), (Status::Ended, Some(2)));
    assert_eq!(health.text, "memory limit of 64 MiB");
}

#[test]
fn a_lease_without_state_is_gone_and_released_from_the_ledger() {
    let host = FakeHost::new();
    let lease = fake::lease("notes");
    assert_eq!(host.probe::<Embedded>().expect("known").text, "it was never started");
    host.release_lease::<Embedded>(&lease, ReleaseReason::Unfinished).expect("there is nothing to do");
    assert_eq!(host.calls(), Vec::<String>::new());
}

#[test]
fn with_a_state_of_another_version_it_works_from_the_ledger() {
    let host = FakeHost::new();
    host.provision::<Embedded>(&component_server("notes")).expect("nothing is in the way");
    let mut lease = host.lease();
    lease.state = Some(State::new(2, &"from the future").expect("a text"));
    host.release_lease::<Embedded>(&lease, ReleaseReason::Ended).expect("the objects are enough");
    assert_eq!(host.left(), []);
}

#[test]
fn the_engines_own_failure_reaches_the_operator_unchanged() {
    let host = FakeHost::new();
    host.fail_at(2, Error::quota("start component: 64 run already").hint("raise the limit"));
    let error = host.provision::<Embedded>(&component_server("notes")).expect_err("full");
    assert_eq!(error.category(), FailureCategory::Quota);
    assert_eq!(error.failure().hint.as_deref(), Some("raise the limit"));
}

#[test]
fn what_runs_is_listed_page_by_page() {
    let host = FakeHost::new();
    for id in ["a", "b", "c"] {
        host.provision::<Embedded>(&component_server(id)).expect("nothing is in the way");
    }
    let mut page = Page { cursor: None, limit: 2 };
    let first = host.enumerate::<Embedded>(&page).expect("the engine answers");
    assert_eq!(first.objects.len(), 2);
    assert_eq!(first.objects[0].session.as_deref(), Some("s234567890123456"));
    assert_eq!(first.objects[0].plugin.as_deref(), Some("fake"), "the label is looked for by the key it has");
    page.cursor = first.cursor;
    let second = host.enumerate::<Embedded>(&page).expect("the engine answers");
    assert_eq!((second.objects.len(), second.cursor), (1, None));
    let swept = host.sweep::<Embedded>(0, &Page { cursor: None, limit: 10 }).expect("nothing to do");
    assert_eq!((swept.removed, host.left().len()), (vec![], 3));
}

#[test]
fn the_description_asks_for_components_only() {
    let description = FakeHost::new().describe::<Embedded>();
    assert_eq!(description.name, "embedded");
    assert_eq!(description.runs, [gateway_plugin::WorkloadKind::Component]);
    assert_eq!(description.runs_tools, []);
}
