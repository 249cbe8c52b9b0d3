//! What a plugin never sees, because it is refused or filled in before.

use crate::fake::{self, FakeHost, component_server, image_server};
use crate::types::{Extra, Severity, State, ToolEntry};
use crate::{
    Blueprint, Call, ContainerRuntime, Error, FailureCategory, Fields, Info, Lease, Prepared, Provisioned,
    Provisioner, Ran, ReleaseReason, Result, Server, ToolContainer, Workload, WorkloadKind, embedded,
};
use serde_json::Value;
use std::time::Duration;

gateway_plugin::settings! {
    /// Settings of the plugin.
    struct PluginSettings {
        /// Ceiling for every server, in MiB.
        memory_mib: Option<u32>,
    }

    /// Settings of a server.
    struct ServerSettings {
        /// Whether it may start.
        blocked: bool,
    }
}

struct Sample;

impl Provisioner for Sample {
    type Settings = PluginSettings;
    type ServerSettings = ServerSettings;
    const INFO: Info = Info::new("sample", "1.2.3", "for tests")
        .runs(&[WorkloadKind::Component])
        .reads_state(&[1])
        .understands(&["known"]);

    fn plan(call: &Call<Self>, server: &Server) -> Result<Blueprint> {
        if call.server_settings(server)?.blocked {
            return Err(Error::config("start a blocked server"));
        }
        let mut fields = Fields::new();
        if server.user.is_some() {
            fields.not_enforced("user", "there are no users");
        }
        Ok(Blueprint { fields: fields.enforce(&call.context)?, ..Blueprint::default() })
    }

    fn prepare(call: &Call<Self>, servers: &[Server], _: &[ToolEntry]) -> Result<Prepared> {
        let ids: Vec<_> = servers.iter().map(|server| server.id.as_str()).collect();
        call.host.info(&ids.join(" "));
        Ok(Prepared { shared: Some(State::new(1, &ids)?), ..Prepared::default() })
    }

    fn provision(call: &Call<Self>, server: &Server) -> Result<Provisioned> {
        let started =
            call.host.embedded().start(&embedded::Spec::new(embedded::component(&server.workload)?))?;
        Ok(Provisioned::new(started.connection, State::new(1, &started.workload)?))
    }

    fn release(call: &Call<Self>, lease: &Lease, _: ReleaseReason) -> Result<()> {
        match lease.decode::<String>(1)? {
            Some(workload) => call.host.embedded().stop(&workload, Duration::ZERO),
            None => Ok(()),
        }
    }
}

impl ContainerRuntime for Sample {
    const RUNS_TOOLS: &'static [WorkloadKind] = &[WorkloadKind::Component];

    fn run(call: &Call<Self>, tool: &ToolContainer) -> Result<Ran> {
        let spec = embedded::Spec::new(embedded::component(&tool.workload)?);
        let timeout = Duration::from_millis(tool.timeout_ms.into());
        let output = call.host.embedded().run(&spec, tool.input.as_deref(), tool.output_limit, timeout)?;
        Ok(Ran::new(output, Vec::new()))
    }

    fn stop(_: &Call<Self>, _: &Lease, _: ReleaseReason) -> Result<()> {
        Ok(())
    }
}

gateway_plugin::export!(Sample, tools);

fn extra(name: &str, required: bool) -> Extra {
    Extra { name: name.to_owned(), value: "1".to_owned(), required }
}

#[test]
fn the_description_carries_the_schemas_of_the_types_closed_against_unknown_keys() {
    let description = FakeHost::new().describe_with_tools::<Sample>();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("sample", "1.2.3"));
    assert_eq!(description.runs_tools, [WorkloadKind::Component]);
    assert_eq!(description.reads_state, [1]);
    let schema: Value = serde_json::from_str(&description.settings_schema).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["memoryMib"]["description"], "Ceiling for every server, in MiB.");
    let schema: Value = serde_json::from_str(&description.server_settings_schema).expect("JSON");
    assert_eq!(schema["properties"]["blocked"]["type"], "boolean");
}

#[test]
fn a_plugin_without_tools_says_so() {
    assert_eq!(FakeHost::new().describe::<Sample>().runs_tools, []);
}

#[test]
fn a_required_word_that_the_plugin_does_not_know_is_refused_by_name() {
    let mut server = component_server("notes");
    server.extras = vec![extra("optional", false), extra("known", true)];
    FakeHost::new().provision::<Sample>(&server).expect("it knows one and may ignore the other");
    server.extras.push(extra("replicas", true));
    let error = FakeHost::new().provision::<Sample>(&server).expect_err("unknown");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    assert_eq!(error.to_string(), "honour `replicas`: plugin `sample` 1.2.3 does not know it");
}

#[test]
fn in_prepare_only_the_server_with_the_unknown_word_is_refused() {
    let host = FakeHost::new();
    let mut other = component_server("other");
    other.extras.push(extra("replicas", true));
    let prepared = host.prepare::<Sample>(&[component_server("notes"), other], &[]).expect("one goes on");
    let refused: Vec<_> = prepared.refused.iter().map(|refused| refused.id.as_str()).collect();
    assert_eq!(refused, ["other"]);
    assert_eq!(host.calls(), ["log notes"]);
}

#[test]
fn a_kind_of_workload_that_the_plugin_does_not_run_never_reaches_it() {
    let host = FakeHost::new();
    let error = host.provision::<Sample>(&image_server("notes", "acme/notes:1")).expect_err("an image");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    assert_eq!(error.to_string(), "run a container image: plugin `sample` does not");
    assert_eq!(host.calls(), Vec::<String>::new());
}

#[test]
fn settings_that_do_not_fit_are_a_failure_of_the_configuration() {
    let host = FakeHost::new().with_settings(r#"{"memory": 1}"#);
    let error = host.provision::<Sample>(&component_server("notes")).expect_err("unknown key");
    assert_eq!(error.category(), FailureCategory::Config);
    let text = error.to_string();
    assert!(text.starts_with("understand the settings of plugin `sample`: unknown field `memory`"), "{text}");
    let mut server = component_server("notes");
    server.settings = r#"{"blocked": 1}"#.to_owned();
    let error = FakeHost::new().plan::<Sample>(&server).expect_err("a number");
    let text = error.to_string();
    assert!(text.starts_with("understand the settings of server `notes`: invalid type"), "{text}");
}

#[test]
fn validation_by_default_says_what_the_plan_says() {
    let mut server = component_server("notes");
    assert_eq!(FakeHost::new().validate::<Sample>(&server).expect("checked").findings, []);
    server.user = Some("1000".to_owned());
    let found = FakeHost::new().validate::<Sample>(&server).expect("checked");
    assert_eq!(found.findings[0].severity, Severity::Problem);
    assert_eq!(found.findings[0].failure.text, "honour `user`: there are no users");
    let mut context = fake::context();
    context.unenforced = crate::types::Unenforced::Report;
    let found = FakeHost::new().with_context(context).validate::<Sample>(&server).expect("checked");
    assert_eq!(found.findings, []);
    assert_eq!(found.fields[0].field, "user");
}

#[test]
fn what_prepare_shared_reaches_the_later_calls() {
    let host = FakeHost::new();
    host.prepare::<Sample>(&[component_server("notes")], &[]).expect("nothing is in the way");
    let context = host.world_context();
    assert_eq!(context.shared::<Vec<String>>(1).expect("its version"), Some(vec!["notes".to_owned()]));
}

#[test]
fn tools_run_through_the_same_checks() {
    let workload = component_server("tool").workload;
    let host = FakeHost::new();
    host.next_run(b"out", b"err", crate::connection::Ending::Exited, Some(3));
    let ran = host.run_tool::<Sample>(&fake::tool("tool", workload)).expect("it runs");
    assert_eq!(ran.output.bytes(), (b"out".as_slice(), b"err".as_slice()));
    assert_eq!(ran.output.exit_code(), Some(3));
    let image = fake::tool("tool", Workload::Other("{}".to_owned()));
    let error = host.run_tool::<Sample>(&image).expect_err("another kind");
    assert_eq!(error.to_string(), "run a workload of another kind: plugin `sample` does not");
    let error =
        host.start_tool::<Sample>(&fake::tool("tool", component_server("t").workload)).expect_err("default");
    assert_eq!(error.to_string(), "keep tool containers running: plugin `sample` does not");
}
