//! The plugin on the SDK's fake gateway: plain `cargo test`, no WebAssembly.

use super::*;
use gateway_plugin::FailureCategory;
use gateway_plugin::fake::{FakeHost, check_endings, component_server};
use gateway_plugin::types::{Amount, Honoured};
use gateway_plugin::value::{text, variable};

const SETTINGS: &str =
    r#"{"tenant": "acme", "allow": ["notes"], "memoryMib": 64, "environment": {"TENANT": "acme"}}"#;

fn host() -> FakeHost {
    FakeHost::new().with_settings(SETTINGS)
}

#[test]
fn a_server_of_the_tenant_runs_under_its_limit_with_its_variables() {
    let host = host();
    let mut server = component_server("notes");
    server.environment = vec![variable("LANG", "en")];
    host.provision::<Tenant>(&server).expect("it is on the list");
    let asked = host.embedded_specs();
    assert_eq!(asked[0].limits.memory.as_ref().map(|memory| memory.mib), Some(64));
    let variables: Vec<_> = asked[0].environment.iter().map(|v| (v.name.as_str(), &v.value)).collect();
    assert_eq!(variables, [("LANG", &text("en")), ("TENANT", &text("acme"))]);
    assert_eq!(host.progress(), ["start `notes` for tenant `acme`"]);
    host.release::<Tenant>(ReleaseReason::Ended).expect("it is there");
    let lines: Vec<_> = host.log_lines().into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["started tenant=acme server=notes", "stopped tenant=acme server=fake"]);
    assert_eq!(host.left(), []);
}

#[test]
fn a_server_that_is_not_on_the_list_is_refused_before_anything_happens() {
    let host = host();
    let error = host.provision::<Tenant>(&component_server("time")).expect_err("not allowed");
    assert_eq!(error.category(), FailureCategory::Config);
    assert_eq!(error.to_string(), "run server `time`: tenant `acme` may not");
    assert_eq!(host.calls(), Vec::<String>::new());
}

#[test]
fn a_server_may_ask_for_less_memory_and_gets_no_more() {
    for (asked, given, word) in [(32, 32, None), (512, 64, Some(Honoured::Approximated))] {
        let host = host();
        let mut server = component_server("notes");
        server.limits.memory = Some(Amount { mib: asked, written: format!("{asked}Mb") });
        let provisioned = host.provision::<Tenant>(&server).expect("it is on the list");
        assert_eq!(host.embedded_specs()[0].limits.memory.as_ref().map(|memory| memory.mib), Some(given));
        assert_eq!(provisioned.fields.first().map(|report| report.honoured), word);
    }
}

#[test]
fn what_it_does_not_do_stops_the_server_by_name() {
    let mut server = component_server("notes");
    server.user = Some("1000".to_owned());
    let error = host().provision::<Tenant>(&server).expect_err("a component has no user");
    assert_eq!(error.to_string(), "honour `user`: this plugin does not do it");
    assert_eq!(host().validate::<Tenant>(&server).expect("checked").findings.len(), 1);
}

#[test]
fn a_person_reads_what_would_run_before_it_does() {
    let host = host();
    let blueprint = host.plan::<Tenant>(&component_server("notes")).expect("it is on the list");
    assert_eq!(blueprint.documents[0].title, "component `notes` for tenant `acme`");
    assert_eq!(blueprint.documents[0].text, "[\n  \"TENANT=acme\"\n]");
    assert_eq!(host.left(), []);
}

#[test]
fn a_server_with_secrets_keeps_its_own_environment() {
    let mut server = component_server("notes");
    server.secrets = vec!["notes.token".to_owned()];
    let error = host().plan::<Tenant>(&server).expect_err("variables would be added");
    assert_eq!(error.to_string(), "add variables to server `notes`: it carries secrets");
}

#[test]
fn a_typing_error_in_the_settings_is_named() {
    let host = FakeHost::new().with_settings(r#"{"memory": 64}"#);
    let error = host.provision::<Tenant>(&component_server("notes")).expect_err("no such key");
    assert!(
        error.to_string().contains("unknown field `memory`, expected one of `tenant`, `allow`"),
        "{error}"
    );
}

#[test]
fn nothing_is_left_however_it_ends() {
    assert_eq!(check_endings::<Tenant>(host, &component_server("notes")), Ok(()));
}
